"""Two texts word by word: what they share, what differs, and which differences turn the meaning.

Sentences that both texts have are aligned first, then the words between them, both by `difflib`. A sentence that
stands elsewhere in the other text is moved, and neither gone nor new.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import chain, groupby
from typing import Literal

from semsearch.text import sentences
from semsearch.text.words import DIGIT, NEGATION, TOKEN, without_separators

Op = Literal["equal", "replace", "delete", "insert"]
Kind = Literal["", "word", "number", "negation", "moved"]
"""What a difference is: nothing (equal), words or marks, a number, a negation, a sentence in another place."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of both texts, each with the blanks after it; `a` is empty for an insertion, `b` for a deletion."""

    op: Op
    a: str
    b: str
    kind: Kind = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """Two texts aligned. The sides `a` of all segments, joined, are text a without the blanks around it; likewise `b`.

    Every number and every negation that differs is a segment of its own, so that none hides in a longer change.
    `words_a` and `words_b` count the words of each text, `shared` those that they have in common: in equal segments,
    and in sentences that are moved. All words weigh the same. A number is one, and so is a character of a script
    without spaces; marks are none.
    """

    segments: tuple[Segment, ...]
    words_a: int
    words_b: int
    shared: int

    @property
    def containment_a(self) -> float:
        """The share of a's words that b has too, in the same order but for moved sentences; 1 if a has no words."""
        return self.shared / self.words_a if self.words_a else 1.0

    @property
    def containment_b(self) -> float:
        """The share of b's words that a has too."""
        return self.shared / self.words_b if self.words_b else 1.0

    @property
    def changed(self) -> tuple[Segment, ...]:
        """Every segment that is not equal; empty if the texts differ in nothing but blanks."""
        return tuple(segment for segment in self.segments if segment.op != "equal")

    @property
    def negations(self) -> tuple[Segment, ...]:
        """Where one text negates and the other does not: `always` / `never`, `可以` / `不可以`."""
        return self._of("negation")

    @property
    def numbers(self) -> tuple[Segment, ...]:
        """Where numbers differ, in value or unit: `8080` / `8081`, `5kg` / `5g`. `1,000` and `1000` are the same."""
        return self._of("number")

    def _of(self, kind: Kind) -> tuple[Segment, ...]:
        return tuple(segment for segment in self.segments if segment.kind == kind)


def difference(a: str, b: str) -> Difference:
    """Align two texts, cleaned or not. With the texts the other way about it gives the same, the other way about."""
    if (len(a), a) <= (len(b), b):
        return _difference(a, b)
    found = _difference(b, a)
    ops: dict[Op, Op] = {"delete": "insert", "insert": "delete"}
    turned = (Segment(ops.get(s.op, s.op), s.b, s.a, s.kind) for s in found.segments)
    return Difference(tuple(turned), found.words_b, found.words_a, found.shared)


def count_words(text: str) -> int:
    """How many words a text has, as `Difference` counts them."""
    return sum(match.lastgroup != "mark" for match in TOKEN.finditer(text))


# -- tokens -------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"(?P<value>.*\d)(?P<unit>.*)")

_Role = Literal["word", "mark", "number", "negation", "moved"]
_OWN: tuple[_Role, ...] = ("number", "negation", "moved")


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
    """The tokens of each sentence."""
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
"""Words of a sentence that counts as moved; a shorter one may be there by chance."""
_ANCHORS = 200_000
"""Pairs of places with the same item that are looked at: bounds what `difflib` takes. It looks at them anew for each
match, in the worst case (two sequences that alternate) 440 times for 3 seconds; with 1,000,000, for 35 seconds."""


def _difference(a: str, b: str) -> Difference:
    x, y = _sentences(a), _sentences(b)
    counts = [sum(item.words for item in chain(*side)) for side in (x, y)]
    matches = _matches([_keys(items) for items in x], [_keys(items) for items in y])
    _mark_moved(x, y, matches)
    pieces: list[_Aligned] = []
    i = j = 0
    for start_x, start_y, n in matches:
        p, q = list(chain(*x[i:start_x])), list(chain(*y[j:start_y]))
        i, j = start_x + n, start_y + n
        at_p = at_q = 0
        for start_p, start_q, length in _matches(
            _keys(p), _keys(q), {t.key for t in (*p, *q) if t.role == "mark"}
        ):
            pieces += _changes(p[at_p:start_p], q[at_q:start_q])
            at_p, at_q = start_p + length, start_q + length
            pieces.append(_Aligned(p[start_p:at_p], q[start_q:at_q], ""))
        pieces.append(_Aligned(list(chain(*x[start_x:i])), list(chain(*y[start_y:j])), ""))
    shared = sum(item.words for piece in pieces if piece.kind in ("", "moved") for item in piece.a)
    return Difference(_segments(a, b, _joined(pieces)), counts[0], counts[1], shared)


def _keys(items: _Items) -> tuple[Hashable, ...]:
    return tuple(item.key for item in items)


def _matches(
    x: Sequence[Hashable], y: Sequence[Hashable], unfit: frozenset[Hashable] | set[Hashable] = frozenset()
) -> list[tuple[int, int, int]]:
    """Where x and y are the same: (start in x, start in y, length) in order, an empty one at the ends last.

    The `unfit` never anchor a match, they only lengthen it; nor does what repeats most, once that would take too long.
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
    """Make one item, which equals no other, of each unmatched sentence that the other text has unmatched elsewhere."""
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
    """A segment in the making."""

    a: _Items
    b: _Items
    kind: Kind


def _changes(x: _Items, y: _Items) -> Iterator[_Aligned]:
    """A change in pieces: a number against a number, a negation against a negation, and the words between them."""
    p, q = _runs(x), _runs(y)
    i = j = 0
    for to, end, n in _matches([_family(run[0]) for run in p], [_family(run[0]) for run in q]):
        if i < to and j < end and not any(run[0].role == "moved" for run in (*p[i:to], *q[j:end])):
            yield _piece(list(chain(*p[i:to])), list(chain(*q[j:end])))
        else:
            yield from (_piece(run, ()) for run in p[i:to])
            yield from (_piece((), run) for run in q[j:end])
        yield from map(_piece, p[to : to + n], q[end : end + n])
        i, j = to + n, end + n


def _family(item: _Item) -> Hashable:
    """What an item may be set against: its like; a moved sentence against nothing."""
    return item.key if item.role == "moved" else item.role if item.role in _OWN else "word"


def _runs(items: _Items) -> list[_Items]:
    """Items of the roles that stand alone, and the runs of all others."""
    runs = groupby(enumerate(items), lambda pair: pair[0] if pair[1].role in _OWN else -1)
    return [[item for _, item in run] for _, run in runs]


def _piece(a: _Items, b: _Items) -> _Aligned:
    negations, numbers = (
        [[item for item in side if item.role == role] for side in (a, b)] for role in ("negation", "number")
    )
    if any(item.role == "moved" for item in (*a, *b)):
        return _Aligned(a, b, "moved")
    if len(negations[0]) != len(negations[1]):
        return _Aligned(a, b, "negation")
    same = len(numbers[0]) == len(numbers[1]) and all(map(_same_number, *numbers))
    return _Aligned(a, b, "word" if same else "number")


def _same_number(a: _Item, b: _Item) -> bool:
    """Whether two numbers have the same value, and the same unit where both have one."""
    x, y = (_NUMBER.fullmatch(str(item.key)) for item in (a, b))
    assert x and y
    return x["value"] == y["value"] and (x["unit"] == y["unit"] or not (x["unit"] and y["unit"]))


def _joined(pieces: Sequence[_Aligned]) -> Iterator[_Aligned]:
    """Neighbours that are equal, or differ in words only, made one."""
    for kind, run in groupby((piece for piece in pieces if piece.a or piece.b), lambda piece: piece.kind):
        several = list(run)
        if kind in ("", "word"):
            yield _Aligned(
                [t for piece in several for t in piece.a], [t for piece in several for t in piece.b], kind
            )
        else:
            yield from several


def _segments(a: str, b: str, pieces: Iterator[_Aligned]) -> tuple[Segment, ...]:
    """Pieces as the text they cover, each up to where the next one begins."""
    found = []
    end_a, end_b = len(a.rstrip()), len(b.rstrip())
    for piece in reversed(list(pieces)):
        start_a = piece.a[0].start if piece.a else end_a
        start_b = piece.b[0].start if piece.b else end_b
        op: Op = (
            "equal"
            if not piece.kind
            else "replace"
            if piece.a and piece.b
            else "delete"
            if piece.a
            else "insert"
        )
        found.append(Segment(op, a[start_a:end_a], b[start_b:end_b], piece.kind))
        end_a, end_b = start_a, start_b
    return tuple(reversed(found))
