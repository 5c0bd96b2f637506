"""Find lines that stand in another place: steps in another order, or an item below another title.

Sentences of prose may stand in any order, and so may the items of a list. Steps may not: numbered ones, those that a
word such as "then" orders, and lines of code. Nor may a line move below another one, such as a key of YAML.
"""

import re
from collections import Counter
from collections.abc import Sequence

from semsearch.text.indentation import ITEM, may_carry_meaning, parents
from semsearch.text.words import word_pattern

_HAN_NUMBER = "一二三四五六七八九十"
_NUMBERED = re.compile(
    rf"(?:^|(?<=[\s。；;:.,，]))(?:[a-z]{{3,9}}\s?\d{{1,2}}\s?:|(?:step|phase|stage|part)\s?\d{{1,2}}\s?[.)–-]|第[{_HAN_NUMBER}\d]{{1,3}}[步条点项天]?[:、.,，]"
    rf"|\(?\d{{1,2}}(?:[.)](?=\s)|、)|[{_HAN_NUMBER}]{{1,3}}、|[①-⑳]|\([a-h]\)\s)\s*",
    re.IGNORECASE | re.MULTILINE,
)
"""The number of a step."""
_MAY_HAVE_STEPS = re.compile(rf"[\n①②第{_HAN_NUMBER}]|\d ?[.)、:–-]|\([a-h]\)")
_DIGITS = re.compile(r"\d+")
_STEP_END = re.compile(r"\n|[.;!?](?=\s|$)|[。；！？]")
_ORDERED = re.compile(
    r"(?:and |并)?(?:first(?:ly)?|second(?:ly)?|third(?:ly)?|next|then|finally|lastly|last|after that|afterwards"
    r"|首先|其次|然后|接着|随后|再|最后|先)(?![a-z])[,:，：、]?\s*",
    re.IGNORECASE,
)
"""The word that orders a sentence among others."""
_CALL = re.compile(
    r"[ ]?[\w.]+(?:[ ]?[-+*/|&]?=[ ]?[\w.]+)?\([^\n]*\)?[ ]?[;{:]?|[ ]?[\w.]+(?:\+\+|--);|[ ]?[\w.]+ [-+*/]= .+"
)
_ASSIGNMENT = re.compile(
    r"[ ]?[\w.\[\]'\"]{1,80}[ ]?[-+*/|&]?=[ ]?[^\s=][^\n]*|[ ]?(?:return|raise|yield|del|assert)\b.*|[ ]?[{}]+;?"
)
_END = ".,;:!?。，；：！？ "


def steps(cleaned: str, parts: Sequence[str]) -> tuple[str, ...]:
    """Return the steps of a text in order, each in lower case and without its number; () for other texts.

    `parts` are its sentences.
    """
    if len(parts) == 1 and not _MAY_HAVE_STEPS.search(cleaned):
        return ()
    numbers = list(_NUMBERED.finditer(cleaned))
    if len(numbers) > 1:
        ends = [*(match.start() for match in numbers[1:]), len(cleaned)]
        found = [cleaned[match.end() : end] for match, end in zip(numbers, ends, strict=True)]
        values = [int(digits[0]) if (digits := _DIGITS.search(match[0])) else 0 for match in numbers]
        if len(set(values)) == len(values):  # what a number has is the same wherever it stands
            found = [part for _, part in sorted(zip(values, found, strict=True))]
        return tuple(_words(_STEP_END.split(part, maxsplit=1)[0]) for part in found)
    lines = cleaned.split("\n")
    if len(lines) > 1:
        calls = sum(_CALL.fullmatch(line) is not None for line in lines)
        if calls and 3 * (calls + sum(_is_assignment(line) for line in lines)) >= 2 * len(lines):
            return tuple(line.strip() for line in lines)
    bare = [_ORDERED.sub("", part, count=1) if _ORDERED.match(part) else part for part in parts]
    return tuple(map(_words, bare)) if len(parts) > 1 and bare != parts else ()


def _is_assignment(line: str) -> bool:
    return _CALL.fullmatch(line) is None and _ASSIGNMENT.fullmatch(line) is not None


def _words(text: str) -> str:
    return " ".join(word_pattern().findall(text.lower()))


def may_have_places(cleaned: str) -> bool:
    """Return False if no line of a text that has this form when it is cleaned has a place that counts."""
    if "\n" not in cleaned:
        return False
    items = [ITEM.match(line.lstrip()) is not None for line in cleaned.split("\n") if line.strip()]
    return may_carry_meaning(cleaned) or (any(items) and items.count(False) > 1)


class Places:
    """The line below which each line stands in a text as written, for lines that occur once."""

    __slots__ = ("below", "lines")

    def __init__(self, written: str) -> None:
        found = [(_key(line), _key(above)) for line, above in parents(written)]
        count = Counter(line for line, _ in found)
        self.below = {line: above for line, above in found if count[line] == 1 and line}
        self.lines = frozenset(_key(line) for line in written.split("\n"))


def _key(line: str) -> str:
    """Return a line in lower case, without its indentation and the marks around it."""
    line = " ".join(line.split())
    if mark := ITEM.match(line):
        line = line[mark.end() :]
    return line.strip("#*_ ").rstrip(_END).lower()


def displaced(a: Places, b: Places) -> str:
    """Return a line that stands below another line in each of two texts, where both texts have both lines; else ""."""
    for line, above in a.below.items():
        other = b.below.get(line, above)
        if other != above and (not above or above in b.lines) and (not other or other in a.lines):
            return line
    return ""


def reordered(a: Sequence[str], b: Sequence[str]) -> tuple[str, str] | None:
    """Return the first steps that two texts have in another order, of those that both have once; else None."""
    if not a or not b:
        return None
    once = [{step for step, count in Counter(side).items() if count == 1 and step} for side in (a, b)]
    x, y = ([step for step in side if step in once[0] & once[1]] for side in (a, b))
    return next(((one, other) for one, other in zip(x, y, strict=True) if one != other), None)
