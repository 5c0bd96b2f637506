"""Find the indentation of a text where it carries meaning: in Python, YAML, Haskell, Makefiles and nested lists."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

_STATEMENT = re.compile(
    r"[ \t]*+(?:(?:if|while|def|class|with|elif|except|match|case|async (?:def|for|with))\b.*|for\b.*\bin\b.*"
    r"|(?:else|try|finally|except)[ ]?):(?:[ \t]*#.*)?"
)
"""A statement of Python that opens a block."""
_LAYOUT = re.compile(
    r"[ \t]*+(?:(?:do|let|where|in)|(?:module|instance|class|data|newtype)\b[^\n]*\bwhere"
    r"|[^\n]*(?:(?:=|->|<-|\$) ?do|[\w)\]'] =|->|=>)|(?:[^\n]*(?:=|->|\$) ?)?case [^\n]+ of)"
)
"""A line of Haskell, or of a language like it, below which the layout of the next lines counts."""
_PAIR = re.compile(r"[ \t]*+(?:- )?[\w\"'./-]{1,60}:(?P<value>[ \t]+[^\s#].*)?(?:[ \t].*)?")
"""A key of YAML. One without a value opens a block."""
_FEWEST_KEYS = 3
"""The keys and items of the shortest text that is taken for YAML: "Subject:" above a line is prose."""
_ITEM = re.compile(r"[-*+•] ")
ITEM = re.compile(r"(?:[-*+•]|\d{1,3}[.)]) +(?=\S)")
"""The mark of an item of a list, which may have a number."""
_TARGET = re.compile(r"(?![A-Z][a-z]+ ?:)[\w.%/$(){}-]+ ?:(?: [\w.%/$(){} -]*)?", re.ASCII)
"""The target of a Makefile. A word with a capital is the heading of a note."""
_TAB = 8


def may_carry_meaning(cleaned: str) -> bool:
    """Return False if `indentation` returns () for all texts that have this form when they are cleaned."""
    if "\n" not in cleaned:
        return False
    lines = [line for line in cleaned.split("\n") if line.strip()]
    return _has_meaning(lines, "\t ") or any(
        line[0] == " " and ITEM.match(line.lstrip()) for line in lines[1:]
    )


def _has_meaning(lines: Sequence[str], tab: str) -> bool:
    """Return True for Python, YAML or Haskell, or if a line below a target begins with a `tab`."""
    return (
        any(_STATEMENT.fullmatch(line) or _LAYOUT.fullmatch(line) for line in lines[:-1])
        or _is_yaml(lines)
        or any(after[0] in tab and _TARGET.fullmatch(line) for line, after in pairwise(lines))
    )


def _is_yaml(lines: Sequence[str]) -> bool:
    """Return True if two of three lines are keys or items, a key has a block, and there are other keys.

    Of two lines, both are keys without a capital.
    """
    if not any(map(_opens, lines[:-1])):
        return False
    if len(lines) < _FEWEST_KEYS:
        return all(_PAIR.fullmatch(line) and not line.lstrip(" \t-")[:1].isupper() for line in lines)
    keys = sum(_PAIR.fullmatch(line) is not None for line in lines)
    items = sum(_ITEM.match(line.lstrip()) is not None and _PAIR.fullmatch(line) is None for line in lines)
    return keys > 1 and keys + items >= max(_FEWEST_KEYS, len(lines) * 2 / 3)


def _opens(line: str) -> bool:
    pair = _PAIR.fullmatch(line)
    return pair is not None and not pair["value"]


def indentation(text: str) -> tuple[int, ...]:
    """Return how deep each line of a text as written is indented, in levels, if that carries meaning; else ().

    It does where a line opens a block of Python or Haskell, in YAML with several keys, and where a line under the
    target of a Makefile begins with a tab. In other texts it does in nested lists, whose items alone are returned.
    Blank lines do not count, nor do tabs for blanks, the width of a level, or the indentation of all lines. An item of
    a list is below the key above it, indented or not, as YAML has it.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    if not _has_meaning(lines, "\t"):
        depths = tuple(depth for _, depth, _ in _items(lines))
        return depths if any(depths) else ()
    return _levels(lines)


def parents(text: str) -> list[tuple[str, str]]:
    """Return the lines of a text whose place carries meaning, each with the line that it stands below, or "".

    These are the lines for which `indentation` counts, and the items of any list, which may stand below its title.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    found = []
    if not _has_meaning(lines, "\t"):
        return [(lines[at], lines[above] if above >= 0 else "") for at, _, above in _items(lines)]
    open_lines: list[tuple[int, str]] = []
    for line, level in zip(lines, _levels(lines), strict=True):
        while open_lines and open_lines[-1][0] >= level:
            open_lines.pop()
        found.append((line, open_lines[-1][1] if open_lines else ""))
        open_lines.append((level, line))
    return found


def reindented(a: str, b: str) -> list[tuple[str, str]]:
    """Return the lines of two texts that differ in indentation alone and stand below another line in each."""
    found = [
        (x, y)
        for (x, above), (y, other) in zip(parents(a), parents(b), strict=False)
        if above.strip() != other.strip()
    ]
    if found:
        return found
    lines = ([line for line in text.split("\n") if line.strip()] for text in (a, b))
    return [(x, y) for x, y in zip(*lines, strict=False) if x != y]


def _levels(lines: Sequence[str]) -> tuple[int, ...]:
    """Return the level of each line of code."""
    widths, levels = [0], []
    key = -1
    for line in lines:
        body = line.expandtabs(_TAB)
        width = 2 * (len(body) - len(body.lstrip()))
        if _ITEM.match(body.lstrip()) and width == key:
            width += 1
        elif not (_ITEM.match(body.lstrip()) and width == key + 1):
            key = width if _opens(line) else -1
        while widths[-1] > width:
            widths.pop()
        if widths[-1] < width:
            widths.append(width)
        levels.append(len(widths) - 1)
    least = min(levels)
    return tuple(level - least for level in levels)


def _items(lines: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Yield the items of lists: the line of each, its depth, and the line of the item or title above it, or -1."""
    above: list[tuple[int, int]] = []
    title = -1
    for at, line in enumerate(lines):
        body = line.expandtabs(_TAB)
        width = len(body) - len(body.lstrip())
        if not ITEM.match(body.lstrip()):
            if not above or width <= above[-1][0]:  # else it goes on with the item
                above, title = [], at
            continue
        while above and above[-1][0] >= width:
            above.pop()
        yield at, len(above), above[-1][1] if above else title
        above.append((width, at))
