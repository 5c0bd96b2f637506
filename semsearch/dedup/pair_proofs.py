"""Prove for millions of pairs of texts that they have a veto, or that they have none, by a few bits of each text.

The rows of one template differ in a name, a word or a sentence, and any two of them are a pair. Here such pairs are
decided by bounds: how many words of one set are surely missing in another, and how many may be. A word has a bit for
itself, or shares one. Shared bits hide differences and never make one up, so a proof is sure. Pairs without a proof
are left to be looked at one by one.

Two texts with as many sentences are compared place by place. Where the sentences at a place differ, these two are
surely versions of each other if they are more alike than either is to any sentence at another place (see
`semsearch.text.facts`).
"""

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.number_masks import MASKS, Booleans, Integers, Masks, MaskTable
from semsearch.dedup.parsed_text import ParsedText
from semsearch.dedup.template import FILLED, Frame
from semsearch.text.code_words import joined_names
from semsearch.text.facts import ALIKE, FEW, PREFIXES, Amounts, Statement, content
from semsearch.text.names import acronyms
from semsearch.text.opposites import CONTRASTS
from semsearch.text.roles import placed
from semsearch.text.shingles import LEXICAL, shingles
from semsearch.text.words import NEGATIONS, stem

Counts = NDArray[np.int64]
Verdicts = NDArray[np.int8]

VETO, NONE = 1, -1
"""The verdicts: a pair surely has a veto, or has none. 0 means that it has to be looked at."""
_OWN = 3
"""The numbers of 64 bits in which each bit stands for one word; the other words share the bits of one number more."""
_PLACES = 24
"""Sentences of a text that is compared here."""
_ROUNDING = 1e-9
_TURNING = frozenset(map(stem, CONTRASTS)) | CONTRASTS.keys()
_REACHED = frozenset(word.removeprefix("un") for word in CONTRASTS)
_MARKS = frozenset(".!?。")


class PairProofs:
    """The proofs for pairs of `total` texts; `unseen` is the share of unknown words that makes a difference unparsed.

    With `differing`, texts that state different facts have no veto for these.
    """

    def __init__(self, total: int, *, unseen: float, differing: bool) -> None:
        self._unseen, self._differing = unseen, differing
        self._row = np.zeros(total, np.int64)
        self._texts = _Columns(
            (
                "start",
                "count",
                "amounts",
                "placed",
                "stepped",
                "unknown",
                "opaque",
                "framed",
                "template",
                "own",
            )
        )
        words, triples, phrases = _Words(), _Words(), _Words()
        self._known, self._unknown, self._triples = _Sets(words), _Sets(words), _Sets(triples)
        self._rest, self._content = _Sets(phrases), _Sets(phrases)
        self._statements, self._sentences = _Statements(), _Columns(1)

    def add(self, number: int, parsed: ParsedText, frame: Frame) -> None:
        """Add a text by its number, with its frame."""
        self._row[number] = self._texts.size
        statements = parsed.facts.statements
        count = len(statements) if len(statements) <= _PLACES else 0
        self._texts.add(
            self._sentences.size,
            count,
            hash(_needs(parsed.facts.amounts)),
            int(parsed.has_places),
            int(bool(parsed.facts.steps)),
            hash(parsed.unknown),
            parsed.opaque,
            frame.framed,
            hash(frozenset(frame.template.items())),
            int(frame.least_own),
        )
        for place, statement in enumerate(statements[:count]):
            self._sentences.add(self._statements.row(place, statement))
        self._unknown.add(parsed.unknown)
        self._known.add({word for word in parsed.known if word[0].isalnum()})
        self._triples.add(shingles(parsed.text).tolist())
        self._rest.add(frame.rest if frame.framed else ())
        self._content.add(frame.content if frame.framed else ())

    def decide(self, left: Integers, right: Integers) -> Verdicts:
        """Return the verdict on texts left[k] and right[k] for every k, int8 [k]. Two texts are never the same."""
        i, j = self._row.take(left), self._row.take(right)
        verdicts = np.zeros(len(i), np.int8)
        stated = np.full(len(i), NONE, np.int8) if self._differing else self._stated(i, j)
        if not self._differing:  # the places of lines and the order of steps are looked at
            placed, stepped = (self._texts[name] for name in ("placed", "stepped"))
            arranged = placed.take(i) | placed.take(j) | (stepped.take(i) & stepped.take(j))
            stated[(stated == NONE) & (arranged != 0)] = 0
        verdicts[stated == VETO] = VETO
        rest = np.flatnonzero(stated != VETO)
        unknown = self._unseen_words(i[rest], j[rest])
        verdicts[rest[unknown == VETO]] = VETO
        keep = unknown != VETO
        rest, unknown = rest[keep], unknown[keep]
        template = self._template(i[rest], j[rest])
        verdicts[rest[template == VETO]] = VETO
        none = (stated[rest] == NONE) & (unknown == NONE) & (template == NONE)
        verdicts[rest[none]] = NONE
        return verdicts

    def _stated(self, i: Integers, j: Integers) -> Verdicts:
        """Return whether the facts of two texts differ."""
        count, start, amounts = (self._texts[name] for name in ("count", "start", "amounts"))
        verdicts = np.zeros(len(i), np.int8)
        rest = np.flatnonzero((count.take(i) == count.take(j)) & (count.take(i) > 0))
        same = amounts.take(i[rest]) == amounts.take(j[rest])
        for place in range(_PLACES):
            at = np.flatnonzero(place < count.take(i[rest]))
            if not len(at):
                break
            x, y = (self._sentences[0].take(start.take(side[rest[at]]) + place) for side in (i, j))
            single = count.take(i[rest[at]]) == 1
            parted, equal = self._statements.compare(x, y, single)
            verdicts[rest[at[parted]]] = VETO
            same[at[~equal]] = False
            kept = np.ones(len(rest), np.bool_)
            kept[at[parted]] = False
            rest, same = rest[kept], same[kept]
        verdicts[rest[same]] = NONE
        return verdicts

    def _unseen_words(self, i: Integers, j: Integers) -> Verdicts:
        """Return whether the difference of two texts lies in words that the model does not know."""
        hashes, opaque = self._texts["unknown"], self._texts["opaque"]
        verdicts = np.full(len(i), NONE, np.int8)
        rest = np.flatnonzero(hashes.take(i) != hashes.take(j))
        verdicts[rest] = 0
        x, y = i[rest], j[rest]
        unseen = _least(self._unknown, x, self._unknown, y) + _least(self._unknown, y, self._unknown, x)
        known = _most(self._known, x, self._known, y) + _most(self._known, y, self._known, x)
        parted = (unseen > 0) & (
            (unseen * (1 - _ROUNDING) >= self._unseen * (unseen + known))
            | (opaque.take(x) > 0)
            | (opaque.take(y) > 0)
        )
        rest, x, y = rest[parted], x[parted], y[parted]
        sets = self._triples
        shared = np.minimum(
            sets.count.take(x) - _least(sets, x, sets, y), sets.count.take(y) - _least(sets, y, sets, x)
        )
        union = sets.count.take(x) + sets.count.take(y) - shared
        verdicts[rest[shared < LEXICAL * (1 - _ROUNDING) * union]] = VETO
        return verdicts

    def _template(self, i: Integers, j: Integers) -> Verdicts:
        """Return whether two texts share a template and hardly a word besides."""
        framed, template, own = (self._texts[name] for name in ("framed", "template", "own"))
        verdicts = np.full(len(i), NONE, np.int8)
        rest = np.flatnonzero((framed.take(i) > 0) & (framed.take(j) > 0))
        x, y = i[rest], j[rest]
        parted, equal = template.take(x) == template.take(y), np.zeros(len(x), np.bool_)
        for one, other in ((x, y), (y, x)):
            least = _least(self._rest, one, self._content, other)
            most = _most(self._rest, one, self._content, other)
            parted &= (least >= FILLED) & (least > own.take(one))
            equal |= (most < FILLED) | (most <= own.take(one))
        verdicts[rest] = np.where(parted, VETO, np.where(equal, NONE, 0))
        return verdicts


class _Statements:
    """The different sentences at each place: what two say differently, if they are versions of each other."""

    def __init__(self) -> None:
        self._rows: dict[tuple[object, ...], int] = {}
        self._columns = _Columns(("key", "sense", "bag", "signs", "place"))
        self._names, words = MaskTable(), _Words()
        self._need, self._have = _Columns(MASKS, np.uint64), _Columns(MASKS, np.uint64)
        self._plain, self._content = _Sets(words), _Sets(words)
        self._union = np.zeros((_PLACES, _OWN), np.uint64)
        self._shared = np.zeros(_PLACES, np.int64)
        self._rival = np.zeros(0)

    def row(self, place: int, statement: Statement) -> int:
        """Return the number of a sentence at a place of a text; it is added if it is new there."""
        # Equal words can have another meaning in capitals, or with another blank between them.
        sense = _sense(statement)
        row = self._rows.setdefault((place, statement.key, sense), len(self._rows))
        if row == self._columns.size:
            self._add(place, statement, sense)
        return row

    def _add(self, place: int, statement: Statement, sense: object) -> None:
        bag = sorted({word for word in placed(statement.tokens) if word not in _MARKS})
        self._columns.add(hash(statement.key), hash(sense), hash(tuple(bag)), hash(statement.signs), place)
        names = statement.names
        plain = content(statement.words - names) - frozenset(statement.negations)
        self._plain.add(plain)
        self._content.add(statement.content, learn=False)
        sure = names <= statement.words and names.isdisjoint(NEGATIONS)
        self._need.add(*self._names.bits((name, 0) for name in names if sure))
        self._have.add(*self._names.bits((word, 0) for word in statement.known))
        at, union = self._columns.size - 1, self._union[place]
        new = union | self._content.bits[:_OWN, at]
        shared = max(int(self._shared[place]), int(self._content.rest[at]))
        if shared > self._shared[place] or np.any(new != union):
            self._union[place], self._shared[place] = new, shared
            self._rival = self._rival[:0]

    def compare(self, x: Integers, y: Integers, single: Booleans) -> tuple[Booleans, Booleans]:
        """Return whether two sentences at one place surely part their texts, and whether they surely do not.

        `single` is true for the only sentences of their texts, which are versions of each other whatever they say.
        """
        key, sense, bag, signs = (self._columns[name] for name in ("key", "sense", "bag", "signs"))
        equal = key.take(x) == key.take(y)
        parted = np.zeros(len(x), np.bool_)
        rest = np.flatnonzero(~equal)
        a, b = x[rest], y[rest]
        content = self._content
        few = _most(self._plain, a, content, b) <= FEW
        few &= _most(self._plain, b, content, a) <= FEW
        alike = (sense.take(a) == sense.take(b)) & (bag.take(a) != bag.take(b))
        signed = signs.take(a) != signs.take(b)
        useful = np.flatnonzero(few | alike | signed)
        useful = useful[single[rest[useful]] | self._versions(a[useful], b[useful])]
        equal[rest[useful[alike[useful]]]] = True
        parted[rest[useful[signed[useful]]]] = True
        named = useful[(few & ~alike & ~signed)[useful]]
        rest, a, b = rest[named], a[named], b[named]
        for at in range(MASKS):
            need, have = self._need[at], self._have[at]
            proof = (need.take(a) & ~have.take(b)) != 0
            proof &= (need.take(b) & ~have.take(a)) != 0
            parted[rest[proof]] = True
            rest, a, b = rest[~proof], a[~proof], b[~proof]
        return parted, equal

    def _versions(self, a: Integers, b: Integers) -> Booleans:
        """Return whether two sentences are more alike than either is to a sentence at another place."""
        self._find_rivals()
        content = self._content
        shared = np.zeros(len(a), np.int64)
        for bits in content.bits[:_OWN]:
            shared += np.bitwise_count(bits.take(a) & bits.take(b))
        least = shared / np.maximum(1, content.count.take(a) + content.count.take(b) - shared)
        rival = np.maximum(self._rival.take(a), self._rival.take(b)) + _ROUNDING
        versions: Booleans = (least >= ALIKE) & (least > rival)
        return versions

    def _find_rivals(self) -> None:
        """Find how much each sentence has in common with one at another place, at most."""
        start, stop = len(self._rival), self._columns.size
        if start == stop:
            return
        content, place = self._content, self._columns["place"][start:stop]
        rival = np.zeros(stop - start)
        for other in range(_PLACES):
            shared = np.minimum(content.rest[start:stop], self._shared[other])
            for at in range(_OWN):
                shared = shared + np.bitwise_count(content.bits[at, start:stop] & self._union[other, at])
            rival = np.where(place == other, rival, np.maximum(rival, shared))
        rival /= np.maximum(1, content.count[start:stop])
        self._rival = np.concatenate([self._rival, rival])


class _Words:
    """The bits of words: those of the first words are their own, and the others share 64 bits.

    A word has the same bit in every set, or two sets that have it would seem to differ.
    """

    def __init__(self) -> None:
        self._own: dict[object, int | None] = {}
        self._learned = 0

    def bits(self, words: Iterable[object], learn: bool) -> tuple[list[int], int, int]:
        """Return the bits of a set of words, how many words share theirs, and how many there are."""
        found, rest, count = [0] * (_OWN + 1), 0, 0
        for word in words:
            count += 1
            if word not in self._own:
                learned = learn and self._learned < 64 * _OWN
                self._own[word] = self._learned if learned else None
                self._learned += learned
            own = self._own[word]
            if own is None:
                rest += 1
                found[_OWN] |= 1 << hash(word) % 64
            else:
                found[own // 64] |= 1 << own % 64
        return found, rest, count


class _Sets:
    """Sets of words. `bits` are uint64 [_OWN + 1, n]; `rest` counts the words that share a bit, `count` all."""

    def __init__(self, words: _Words) -> None:
        self._words = words
        self._bits, self._counts = _Columns(_OWN + 1, np.uint64), _Columns(2)

    def add(self, words: Iterable[object], learn: bool = True) -> None:
        bits, rest, count = self._words.bits(set(words), learn)
        self._bits.add(*bits)
        self._counts.add(rest, count)

    @property
    def bits(self) -> Masks:
        return self._bits.values

    @property
    def rest(self) -> Counts:
        return self._counts[0]

    @property
    def count(self) -> Counts:
        return self._counts[1]


def _least(a: _Sets, i: Integers, b: _Sets, j: Integers) -> Counts:
    """Return how many words of set i[k] of `a` set j[k] of `b` lacks, at least."""
    found = np.zeros(len(i), np.int64)
    for x, y in zip(a.bits, b.bits, strict=True):
        found += np.bitwise_count(x.take(i) & ~y.take(j))
    return found


def _most(a: _Sets, i: Integers, b: _Sets, j: Integers) -> Counts:
    """Return how many words of set i[k] of `a` set j[k] of `b` lacks, at most."""
    found = a.rest.take(i)
    for x, y in zip(a.bits[:_OWN], b.bits[:_OWN], strict=True):
        found += np.bitwise_count(x.take(i) & ~y.take(j))
    return found


class _Columns:
    """Rows of numbers that are added one by one, as columns by name or number."""

    def __init__(self, names: Collection[str] | int, kind: type[np.generic] = np.int64) -> None:
        self._at = {name: at for at, name in enumerate(names)} if not isinstance(names, int) else {}
        self._values = np.zeros((names if isinstance(names, int) else len(names), 64), kind)
        self.size = 0

    def add(self, *row: int) -> None:
        if self.size == self._values.shape[1]:
            self._values = np.concatenate([self._values, np.zeros_like(self._values)], axis=1)
        self._values[:, self.size] = row
        self.size += 1

    @property
    def values(self) -> NDArray[Any]:
        return self._values[:, : self.size]

    def __getitem__(self, name: str | int) -> NDArray[Any]:
        column: NDArray[Any] = self.values[self._at[name] if isinstance(name, str) else name]
        return column


def _sense(statement: Statement) -> tuple[object, ...]:
    """Return what is equal for two sentences that state the same, words in another order left out."""
    return (
        _needs(statement.amounts),
        len(statement.negations),
        len(statement.exceptions),
        frozenset(word for word in statement.words if _turning(word)),
        statement.names,
        statement.signs,
        statement.question,
        statement.relations,
        acronyms(statement.text),
        frozenset(joined_names(statement.text).items()),
    )


def _needs(amounts: Amounts) -> frozenset[object]:
    return frozenset((key, quantity.unit) for key, quantity in amounts.need.items())


def _turning(word: str) -> bool:
    """Return True for a word that may be an opposite of another, or negate it."""
    return word in _REACHED or word.startswith(PREFIXES) or not _TURNING.isdisjoint((word, stem(word)))
