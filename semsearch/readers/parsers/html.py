"""Extract the text of a web page, each line with its line number in the file.

This uses html.parser directly: a parse tree has the line numbers of tags only, while `getpos` has those of the text.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser

from semsearch.readers.encoding import detect_encoding
from semsearch.readers.parsed import Parsed, parsed

_DROPPED = frozenset({"script", "style", "nav", "noscript", "template", "svg"})
# The banner and footer of the page, unless they are inside a section (see the landmark roles of W3C HTML-AAM).
_BANNERS = frozenset({"header", "footer"})
_SECTIONS = frozenset({"article", "aside", "main", "section"})
_SPACE, _WRAP, _CELL, _LINE, _BLOCK = range(1, 6)
_SEPARATORS = ("", " ", "\n", " | ", "\n", "\n\n")
"""The text between two pieces of text, by the strongest break between them."""
_BREAKS = {
    **dict.fromkeys(["td", "th"], _CELL),
    **dict.fromkeys(["br", "caption", "dd", "dt", "legend", "li", "option", "summary", "tr"], _LINE),
    **dict.fromkeys([
        "address", "article", "aside", "blockquote", "body", "details", "div", "dl", "fieldset", "figcaption",
        "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "main", "ol", "p",
        "pre", "section", "table", "title", "ul",
    ], _BLOCK),
}  # fmt: skip
_HEADINGS = {f"h{level}": f"{'#' * level} " for level in range(1, 7)}
"""The marks at the start of a heading, as in Markdown."""
_NEWLINE_REFERENCE = re.compile(r"&(?:#0*10(?!\d);?|#x0*a(?![\da-f]);?|NewLine;)", re.IGNORECASE)


def parse_html(content: bytes) -> Iterator[Parsed]:
    """Yield the text of a page, without scripts, menus and banners.

    A line ends where a line of the file ends, or a block element. A blank line separates paragraphs, and " | " the
    cells of a table's row. A heading is one line that begins with `#` marks, as in Markdown.
    """
    file = io.BytesIO(content)
    encoding = detect_encoding(file, markup=True)
    yield parse_markup(io.TextIOWrapper(file, encoding).read())


def parse_markup(markup: str) -> Parsed:
    """Return the text of a page that is decoded already, with its lines in the markup."""
    page = _Page()
    page.feed(_NEWLINE_REFERENCE.sub(" ", markup))  # such a reference does not end a line of the file
    page.close()
    lines = [(number, "".join(pieces)) for number, pieces in page.lines]
    return parsed(lines, "line", "".join(page.title))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.lines: list[tuple[int, list[str]]] = []
        self._break = 0  # the strongest break since the last piece of text
        self._open: list[tuple[str, bool]] = []  # open elements, and True for those to drop
        self._counts: Counter[str] = Counter()
        self._dropped = 0
        self._heading = ""  # the marks of the open heading
        self._mark = ""  # the same, until they are written

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._part(_BREAKS.get(tag, 0))
        if tag in _HEADINGS:
            self._heading = self._mark = _HEADINGS[tag]
        banner = tag in _BANNERS and not any(self._counts[section] for section in _SECTIONS)
        dropped = banner or tag in _DROPPED
        self._open.append(
            (tag, dropped)
        )  # an element that is never closed, such as <br>, ends with its parent
        self._counts[tag] += 1
        self._dropped += dropped

    def handle_endtag(self, tag: str) -> None:
        self._part(_BREAKS.get(tag, 0))
        if tag in _HEADINGS:
            self._heading = self._mark = ""
        if not self._counts[tag]:
            return  # there is no such open element
        closed = ""
        while closed != tag:
            closed, dropped = self._open.pop()
            self._counts[closed] -= 1
            self._dropped -= dropped

    def handle_data(self, data: str) -> None:
        if self._dropped:
            return
        if self._counts["title"]:
            self.title.append(data)
        wrap = _SPACE if self._heading else _WRAP
        for offset, line in enumerate(data.split("\n")):
            self._part(wrap if offset else _SPACE if line[:1].isspace() else 0)
            if words := line.split():
                self._write(self.getpos()[0] + offset, " ".join(words))
                self._part(_SPACE if line[-1].isspace() else 0)

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Treat `<![...` as a bogus comment (HTML, 13.2.5.42), which the overridden method does not always accept."""
        return self.parse_bogus_comment(i)

    def _part(self, strength: int) -> None:
        self._break = max(self._break, strength)

    def _write(self, number: int, text: str) -> None:
        separator = _SEPARATORS[self._break]
        if not self.lines:
            self.lines.append((number, []))
        elif "\n" in separator:
            self.lines += ((number, []) for _ in separator)
        else:
            self.lines[-1][1].append(separator)
        self.lines[-1][1].append(self._mark + text)
        self._break, self._mark = 0, ""
