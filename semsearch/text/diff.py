"""Compare two texts word by word: what they share, what differs, and which differences change the meaning.

Sentences that both texts have are aligned first, then the words between them, both by `difflib`. A sentence that
is elsewhere in the other text is moved, not deleted and inserted.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import chain, groupby
from typing import Literal

from semsearch.text import Original, clean, sentences
from semsearch.text.quantities import agree, quantities
from semsearch.text.words import DIGIT, NEGATION, TOKEN, without_separators

Op = Literal["equal", "replace", "delete", "insert"]
Kind = Literal["", "word", "number", "negation", "moved"]
"""The kind of a difference: none (equal), words or marks, a number, a negation, a sentence in another place."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of both texts, each with the blanks after it. `a` is empty for an insertion, `b` for a deletion."""

    op: Op
    a: str
    b: str
    kind: Kind = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """Two texts, aligned. The sides `a` of all segments together are text a without the blanks around it; likewise `b`.

    Every number and every negation that differs is a separate segment, so none hides in a longer change. `words_a`
    and `words_b` count the words of each text. `shared` counts the words in equal segments and in moved sentences.
    A number is a word, and so is a character of a script without spaces. Marks are not words.
    """

    segments: tuple[Segment, ...]
    words_a: int
    words_b: int
    shared: int

    @property
    def containment_a(self) -> float:
        """The share of a's words that b also has, in the same order except in moved sentences; 1 if a has no words."""
        return self.shared / self.words_a if self.words_a else 1.0

    @property
    def containment_b(self) -> float:
        """The share of b's words that a also has."""
        return self.shared / self.words_b if self.words_b else 1.0

    @property
    def changed(self) -> tuple[Segment, ...]:
        """Every segment that is not equal; empty if the texts differ only in blanks."""
        return tuple(segment for segment in self.segments if segment.op != "equal")

    @property
    def negations(self) -> tuple[Segment, ...]:
        """The segments where one text negates and the other does not: `always` / `never`, `可以` / `不可以`."""
        return self._of("negation")

    @property
    def numbers(self) -> tuple[Segment, ...]:
        """The segments whose numbers differ in value or unit: `8080` / `8081`, `5kg` / `5g`. `1,000` equals `1000`."""
        return self._of("number")

    def _of(self, kind: Kind) -> tuple[Segment, ...]:
        return tuple(segment for segment in self.segments if segment.kind == kind)


def difference(a: str, b: str) -> Difference:
    """Align two texts, cleaned or not. If the texts are swapped, the result is the same with its sides swapped."""
    if (len(a), a) <= (len(b), b):
        return _difference(a, b)
    found = _difference(b, a)
    ops: dict[Op, Op] = {"delete": "insert", "insert": "delete"}
    turned = (Segment(ops.get(s.op, s.op), s.b, s.a, s.kind) for s in found.segments)
    return Difference(tuple(turned), found.words_b, found.words_a, found.shared)


def as_written(found: Difference, a: tuple[str, str], b: tuple[str, str]) -> Difference:
    """Return the difference of two cleaned texts with the sides of its segments as they were written.

    `a` and `b` each have the cleaned text, of which the beginning was compared, and what it was made from. A side comes
    without blanks before it. One that cannot be found stays cleaned.
    """
    sides = zip(
        _written((s.a for s in found.segments), *a),
        _written((s.b for s in found.segments), *b),
        found.segments,
        strict=True,
    )
    return replace(found, segments=tuple(replace(segment, a=x, b=y) for x, y, segment in sides))


def _written(parts: Iterator[str], cleaned: str, original: str) -> Iterator[str]:
    """Yield what the parts of a cleaned text, which follow each other, were made from."""
    if cleaned == original:
        yield from parts
        return
    lines = zip(original.split("\n"), cleaned.split("\n"), strict=False)
    # A passage is cleaned to its first word, and its original keeps the indentation before it.
    written = Original("\n".join(one if line[:1] == " " else one.lstrip() for one, line in lines), cleaned)
    start = len(cleaned) - len(cleaned.lstrip())
    for part in parts:
        body = part.rstrip()
        found = written.part(start, start + len(body)).strip() if body else ""
        # The lines of some formats are not those of the file, so a place may hold other words.
        yield (found if clean(found).strip() == body else body) + part[len(body) :]
        start += len(part)


def count_words(text: str) -> int:
    """Return the number of words in a text, as `Difference` counts them."""
    return sum(match.lastgroup != "mark" for match in TOKEN.finditer(text))


# -- tokens -------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"(?P<value>.*\d)(?P<unit>.*)")

_Role = Literal["word", "mark", "number", "negation", "moved"]
_SEPARATE: tuple[_Role, ...] = ("number", "negation", "moved")


@dataclass(frozen=True, slots=True)
class _Item:
    """A token, or a moved sentence. Items with equal keys are aligned."""

    start: int
    end: int
    key: Hashable
    role: _Role
    words: int


_Items = Sequence[_Item]


def _sentences(text: str) -> list[_Items]:
    """Return the tokens of each sentence."""
    negations = [match.end() - 1 for match in NEGATION.finditer(text)]
    edges = [end for _, end in sentences(text)]
    found: list[list[_Item]] = [[] for _ in edges]
    negation = sentence = 0
    for match in TOKEN.finditer(text):
        start, end = match.span()
        while edges[sentence] <= start:
            sentence += 1
        role: _Role = "mark" if match.lastgroup == "mark" else "word"
        if DIGIT.search(match[0]):
            role = "number"
        while negation < len(negations) and negations[negation] < end:
            if negations[negation] >= start:
                role = "negation"
            negation += 1
        key = without_separators(match[0].replace("’", "'"))
        found[sentence].append(_Item(start, end, key, role, role != "mark"))
    return [items for items in found if items]


# -- aligning -----------------------------------------------------------------------------------------------

_LEAST_MOVED = 4
"""The least words of a sentence that counts as moved. A shorter one may be in both texts by chance."""
_ANCHORS = 200_000
"""The most pairs of places with the same item that `difflib` is given, which bounds its time. It looks at all of them
again for each match. In the worst case (two sequences that alternate) it does so 440 times, for 3 seconds; with
1,000,000 pairs, for 35 seconds."""


def _difference(a: str, b: str) -> Difference:
    x, y = _sentences(a), _sentences(b)
    counts = [sum(item.words for item in chain(*side)) for side in (x, y)]
    matches = _matches([_keys(items) for items in x], [_keys(items) for items in y])
    _mark_moved(x, y, matches)
    parts: list[_Aligned] = []
    i = j = 0
    for start_x, start_y, n in matches:
        p, q = list(chain(*x[i:start_x])), list(chain(*y[j:start_y]))
        i, j = start_x + n, start_y + n
        at_p = at_q = 0
        for start_p, start_q, length in _matches(
            _keys(p), _keys(q), {t.key for t in (*p, *q) if t.role == "mark"}
        ):
            parts += _changes(p[at_p:start_p], q[at_q:start_q])
            at_p, at_q = start_p + length, start_q + length
            parts.append(_Aligned(p[start_p:at_p], q[start_q:at_q], ""))
        parts.append(_Aligned(list(chain(*x[start_x:i])), list(chain(*y[start_y:j])), ""))
    shared = sum(item.words for part in parts if part.kind in ("", "moved") for item in part.a)
    if any(part.kind == "number" for part in parts) and _same_quantities(a, b):
        parts = [_Aligned(part.a, part.b, "word") if part.kind == "number" else part for part in parts]
    return Difference(_segments(a, b, _joined(parts)), counts[0], counts[1], shared)


def _same_quantities(a: str, b: str) -> bool:
    """Return True if two texts have equal quantities in the same order, written in other ways: 4:30pm and 16:30."""
    x, y = quantities(a)[1], quantities(b)[1]
    return len(x) == len(y) and all(map(agree, x, y))


def _keys(items: _Items) -> tuple[Hashable, ...]:
    return tuple(item.key for item in items)


def _matches(
    x: Sequence[Hashable], y: Sequence[Hashable], unfit: frozenset[Hashable] | set[Hashable] = frozenset()
) -> list[tuple[int, int, int]]:
    """Return the matches of x and y: (start in x, start in y, length), in order, and last an empty one at the ends.

    The `unfit` items never start a match, they only extend it. The same holds for the items that repeat most, once
    all of them together would take too long.
    """
    least = min(len(x), len(y))
    head = next((at for at in range(least) if x[at] != y[at]), least)
    tail = next((at for at in range(least - head) if x[-1 - at] != y[-1 - at]), least - head)
    p, q = x[head : len(x) - tail], y[head : len(y) - tail]
    ours, theirs = Counter(p), Counter(q)
    junk, places = set(unfit), 0
    for key, count in sorted(ours.items(), key=lambda item: item[1] * theirs[item[0]]):
        places += count * theirs[key]
        if places > _ANCHORS:
            junk.add(key)
    inner = SequenceMatcher(junk.__contains__, p, q, autojunk=False).get_matching_blocks()
    found = [(0, 0, head), *((head + i, head + j, n) for i, j, n in inner)]
    return [*found, (len(x) - tail, len(y) - tail, tail), (len(x), len(y), 0)]


def _mark_moved(x: list[_Items], y: list[_Items], matches: Sequence[tuple[int, int, int]]) -> None:
    """Replace each moved sentence with a single item: one without a match here that the other text has elsewhere."""
    left, right = set(range(len(x))), set(range(len(y)))
    for i, j, n in matches:
        left.difference_update(range(i, i + n))
        right.difference_update(range(j, j + n))
    there: dict[Hashable, list[int]] = defaultdict(list)
    for at in sorted(right, reverse=True):
        there[_keys(y[at])].append(at)
    for at in sorted(left):
        count = sum(item.words for item in x[at])
        if count >= _LEAST_MOVED and (others := there.get(_keys(x[at]))):
            for side, number in ((x, at), (y, others.pop())):
                items = side[number]
                side[number] = [_Item(items[0].start, items[-1].end, object(), "moved", count)]


@dataclass(frozen=True, slots=True)
class _Aligned:
    """Items of both texts that belong together, from which a segment is made."""

    a: _Items
    b: _Items
    kind: Kind


def _changes(x: _Items, y: _Items) -> Iterator[_Aligned]:
    """Yield a change in parts: number against number, negation against negation, and the words between them."""
    p, q = _runs(x), _runs(y)
    i = j = 0
    for to, end, n in _matches([_family(run[0]) for run in p], [_family(run[0]) for run in q]):
        families = [{_family(run[0]) for run in side} for side in (p[i:to], q[j:end])]
        apart = any({"number"} <= one and {"negation"} <= other for one, other in (families, families[::-1]))
        moved = any(run[0].role == "moved" for run in (*p[i:to], *q[j:end]))
        if i < to and j < end and not (moved or apart):  # "18" is not a form of "never"
            yield _aligned(list(chain(*p[i:to])), list(chain(*q[j:end])))
        else:
            yield from (_aligned(run, ()) for run in p[i:to])
            yield from (_aligned((), run) for run in q[j:end])
        yield from map(_aligned, p[to : to + n], q[end : end + n])
        i, j = to + n, end + n


def _family(item: _Item) -> Hashable:
    """Return the group of an item. Only items of one group are paired, and a moved sentence is paired with nothing."""
    return item.key if item.role == "moved" else item.role if item.role in _SEPARATE else "word"


def _runs(items: _Items) -> list[_Items]:
    """Return each item of a role that stays separate, and the runs of all other items."""
    runs = groupby(enumerate(items), lambda pair: pair[0] if pair[1].role in _SEPARATE else -1)
    return [[item for _, item in run] for _, run in runs]


def _aligned(a: _Items, b: _Items) -> _Aligned:
    negations, numbers = (
        [[item for item in side if item.role == role] for side in (a, b)] for role in ("negation", "number")
    )
    if any(item.role == "moved" for item in (*a, *b)):
        return _Aligned(a, b, "moved")
    if len(negations[0]) != len(negations[1]):
        return _Aligned(a, b, "negation")
    if a and b and not all(numbers) and all(str(item.key)[0].isalpha() for side in numbers for item in side):
        return _Aligned(a, b, "word")  # "Paint2" for "Paint": a name with a digit, and no number for it
    same = len(numbers[0]) == len(numbers[1]) and all(map(_same_number, *numbers))
    return _Aligned(a, b, "word" if same else "number")


def _same_number(a: _Item, b: _Item) -> bool:
    """Return whether two numbers have the same value, and the same unit if both have one."""
    x, y = (_NUMBER.fullmatch(str(item.key)) for item in (a, b))
    assert x and y
    return x["value"] == y["value"] and (x["unit"] == y["unit"] or not (x["unit"] and y["unit"]))


def _joined(parts: Sequence[_Aligned]) -> Iterator[_Aligned]:
    """Join neighbors that are equal, and neighbors that differ in words only."""
    for kind, run in groupby((part for part in parts if part.a or part.b), lambda part: part.kind):
        several = list(run)
        if kind in ("", "word"):
            yield _Aligned(
                [t for part in several for t in part.a], [t for part in several for t in part.b], kind
            )
        else:
            yield from several


def _segments(a: str, b: str, parts: Iterator[_Aligned]) -> tuple[Segment, ...]:
    """Return the segments: the text of each part, up to the start of the next one."""
    found = []
    end_a, end_b = len(a.rstrip()), len(b.rstrip())
    for part in reversed(list(parts)):
        start_a = part.a[0].start if part.a else end_a
        start_b = part.b[0].start if part.b else end_b
        op: Op = (
            "equal" if not part.kind else "replace" if part.a and part.b else "delete" if part.a else "insert"
        )
        found.append(Segment(op, a[start_a:end_a], b[start_b:end_b], part.kind))
        end_a, end_b = start_a, start_b
    return tuple(reversed(found))
