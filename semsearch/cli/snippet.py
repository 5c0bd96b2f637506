"""Make the snippet of a hit: a few lines around its best sentence, with the words of the query underlined."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from semsearch.cli import render

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from semsearch.types import Hit

LINES = 3
"""The most lines of a snippet: five hits fit a terminal of 24 lines."""
BEST, WORD = "bold yellow", "underline"
_WIDTH = 76
"""The columns of a snippet that is not printed on a terminal."""
_AROUND = 1_000
"""The characters before and after the beginning of the best sentence that a snippet can be made of."""
_WRAPPED = 50
"""A line of so many columns goes on in the next one. A shorter one ends there, as in verses or addresses."""
_OWN_LINE = re.compile(r"\s*(?:[-*+#|>=~^`:]|\d{1,3}[.)]\s|[•‣◦▪–—]\s)")
"""The start of a line that does not go on a line above it: an item, a heading, a row of a table, a quote, a rule."""
_FENCE = re.compile(r"\s*(?:> ?)*(?:`{3}|~{3})")


def underlined(text: "Text", query: str) -> "Text":
    """Underline the words of the query, with any ending, and its pairs of Chinese characters; return the text."""
    from semsearch.text.analyzer import content_terms, query_terms
    from semsearch.text.scripts import UNSPACED

    asked = content_terms(query)
    pairs = [re.escape(term) for term in asked if len(term) == 2 and not term.isascii()]
    if pairs:
        for match in re.finditer(rf"(?=({'|'.join(pairs)}))", text.plain):
            text.stylize(WORD, match.start(), match.start() + 2)
    for match in re.finditer(rf"[^\W_{UNSPACED}]+", text.plain):
        if any(_same_word(term, one) for term in query_terms(match[0]) for one in asked):
            text.stylize(WORD, *match.span())
    return text


def _same_word(a: str, b: str) -> bool:
    """Return True where two words are equal up to their ending, as `refund` and `refunded` are."""
    short, long = sorted((a, b), key=len)
    return a == b or (len(short) >= 4 and len(long) - len(short) <= 3 and long.startswith(short))


def snippet(hit: "Hit", console: "Console", by: int, *, prose: bool) -> "Text":
    """Return up to `LINES` lines of a hit, from the beginning of its best sentence on, indented by some columns.

    Lines of running text are filled. Those of lists, tables and code stay as they are, and so do all lines if the file
    is not `prose`. Without colours, the best sentence is marked by »«.
    """
    from rich.text import Text

    width = max(20, console.width if console.is_terminal else by + _WIDTH) - by
    style = BEST if console.color_system else "none"
    rows: list[tuple[int, Text]] = []
    for indent, unit in _units(_body(hit, style), prose):
        for row in unit.wrap(console, max(20, width - indent)):
            row.rstrip()
            rows.append((indent, row))
    best = next((at for at, (_, row) in enumerate(rows) if any(span.style == style for span in row.spans)), 0)
    begin = max(0, min(best, len(rows) - LINES))
    shown, left = rows[begin : begin + LINES], rows[begin + LINES :]
    if shown and (left or hit.highlight[0] + _AROUND < len(hit.text)):
        indent, row = shown[-1]
        if row.cell_len >= width - indent:
            row.truncate(max(row.plain.rfind(" "), row.cell_len // 2))
        row.rstrip()
        shown[-1] = indent, row.append("…")
    least = min((indent for indent, _ in shown), default=0)
    return Text("\n").join(Text(" " * (by + indent - least)) + row for indent, row in shown)


def _body(hit: "Hit", style: str) -> "Text":
    """Return the text around the best sentence of a hit, safe for a terminal, with that sentence in a style."""
    from rich.text import Text

    start, end = hit.highlight
    opening, closing = ("»", "«") if style == "none" and end > start else ("", "")
    first = max(0, start - _AROUND)
    first = hit.text.find("\n", first, start) + 1 or first if first else 0
    before, best, after = (
        render.plain(part).replace("\t", "    ")
        for part in (hit.text[first:start], hit.text[start:end], hit.text[end : max(end, start + _AROUND)])
    )
    return Text.assemble(before, (f"{opening}{best}{closing}", style), after)


def _units(body: "Text", prose: bool) -> Iterator[tuple[int, "Text"]]:
    """Yield the lines of a text with the indentation of each; what goes on over several lines is one."""
    from rich.text import Text

    unit: list[Text] = []
    indent = width = 0
    fenced = False
    for line in body.split("\n"):
        text = line.plain.lstrip("» ")
        own = len(line.plain) - len(line.plain.lstrip(" "))
        fence = bool(_FENCE.match(text))
        goes_on = prose and not (fence or fenced or _OWN_LINE.match(text)) and width >= _WRAPPED
        fenced ^= fence
        if unit and not (goes_on and text):
            yield indent, Text(" ").join(unit)
            unit = []
        if text:
            indent = indent if unit else own
            unit.append(line[own:])
        width = line.cell_len if text and not (fence or text.startswith(("#", "|"))) else 0
    if unit:
        yield indent, Text(" ").join(unit)
