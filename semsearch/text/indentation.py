"""Find the indentation of a text where it carries meaning: in Python, YAML and Makefiles."""

import re
from collections.abc import Sequence
from itertools import pairwise

_OPENING = re.compile(
    r"[ \t]*+(?:(?:if|for|while|def|class|with|elif|except|match|case|async (?:def|for|with))\b.*"
    r"|(?:else|try|finally|except)[ ]?|(?:- )?[\w\"'./-]{1,60}):(?:[ \t]*#.*)?"
)
"""A line that opens a block: a statement of Python, or a key of YAML without a value."""
_ITEM = re.compile(r"[-*+•] ")
_TARGET = re.compile(r"[\w.%/$(){}-]+ ?:(?: [\w.%/$(){} -]*)?")
_TAB = 8


def may_carry_meaning(cleaned: str) -> bool:
    """Return False if `indentation` returns () for all texts that have this form when they are cleaned."""
    if "\n" not in cleaned:
        return False
    return _has_meaning([line for line in cleaned.split("\n") if line.strip()], "\t ")


def _has_meaning(lines: Sequence[str], tab: str) -> bool:
    """Return True if a line opens a block, or is a target with a line below it that begins with a `tab`."""
    return any(map(_OPENING.fullmatch, lines[:-1])) or any(
        after[0] in tab and _TARGET.fullmatch(line) for line, after in pairwise(lines)
    )


def indentation(text: str) -> tuple[int, ...]:
    """Return how deep each line of a text as written is indented, in levels, if that carries meaning; else ().

    It does where a line opens a block of Python or YAML, and where a line under the target of a Makefile begins with a
    tab. Blank lines do not count, nor do tabs for blanks, the width of a level, or the indentation of all lines. An
    item of a list is below the key above it, indented or not, as YAML has it.
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
            key = width if _OPENING.fullmatch(line) else -1
        while widths[-1] > width:
            widths.pop()
        if widths[-1] < width:
            widths.append(width)
        levels.append(len(widths) - 1)
    least = min(levels)
    return tuple(level - least for level in levels)
