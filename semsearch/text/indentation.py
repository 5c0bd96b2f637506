"""Find the indentation of a text where it carries meaning: in Python, YAML and Makefiles."""

import re
from collections.abc import Sequence
from itertools import pairwise

_STATEMENT = re.compile(
    r"[ \t]*+(?:(?:if|while|def|class|with|elif|except|match|case|async (?:def|for|with))\b.*|for\b.*\bin\b.*"
    r"|(?:else|try|finally|except)[ ]?):(?:[ \t]*#.*)?"
)
"""A statement of Python that opens a block."""
_PAIR = re.compile(r"[ \t]*+(?:- )?[\w\"'./-]{1,60}:(?P<value>[ \t]+[^\s#].*)?(?:[ \t].*)?")
"""A key of YAML. One without a value opens a block."""
_FEWEST_KEYS = 3
"""The keys and items of the shortest text that is taken for YAML: "Subject:" above a line is prose."""
_ITEM = re.compile(r"[-*+•] ")
_TARGET = re.compile(r"(?![A-Z][a-z]+ ?:)[\w.%/$(){}-]+ ?:(?: [\w.%/$(){} -]*)?", re.ASCII)
"""The target of a Makefile. A word with a capital is the heading of a note."""
_TAB = 8


def may_carry_meaning(cleaned: str) -> bool:
    """Return False if `indentation` returns () for all texts that have this form when they are cleaned."""
    if "\n" not in cleaned:
        return False
    return _has_meaning([line for line in cleaned.split("\n") if line.strip()], "\t ")


def _has_meaning(lines: Sequence[str], tab: str) -> bool:
    """Return True for Python, for YAML, or if a line below a target begins with a `tab`."""
    return (
        any(map(_STATEMENT.fullmatch, lines[:-1]))
        or _is_yaml(lines)
        or any(after[0] in tab and _TARGET.fullmatch(line) for line, after in pairwise(lines))
    )


def _is_yaml(lines: Sequence[str]) -> bool:
    """Return True if two of three lines are keys or items, a key has a block, and there are other keys."""
    if not any(map(_opens, lines[:-1])):
        return False
    keys = sum(_PAIR.fullmatch(line) is not None for line in lines)
    items = sum(_ITEM.match(line.lstrip()) is not None and _PAIR.fullmatch(line) is None for line in lines)
    return keys > 1 and keys + items >= max(_FEWEST_KEYS, len(lines) * 2 / 3)


def _opens(line: str) -> bool:
    pair = _PAIR.fullmatch(line)
    return pair is not None and not pair["value"]


def indentation(text: str) -> tuple[int, ...]:
    """Return how deep each line of a text as written is indented, in levels, if that carries meaning; else ().

    It does where a line opens a block of Python, in YAML with several keys, and where a line under the target of a
    Makefile begins with a tab. Blank lines do not count, nor do tabs for blanks, the width of a level, or the
    indentation of all lines. An item of a list is below the key above it, indented or not, as YAML has it.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    if not _has_meaning(lines, "\t"):
        return ()
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
