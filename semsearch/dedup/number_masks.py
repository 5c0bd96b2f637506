"""Prove for millions of pairs of texts that their numbers contradict each other, by a few bits of each text.

Each number of a text sets a bit of a mask. If `a` has a bit that `b` lacks, then `a` has a number that `b` lacks. So
`a & ~b` and `b & ~a` prove a contradiction where neither is 0. Two numbers may share a bit, which hides a
contradiction but never makes one up. So there are several masks with other bits, each for what those before it did not
prove. The numbers seen first, which are those that a template repeats, share no bit.

Short texts are compared as a whole (see `semsearch.text.facts`). Long texts are compared by sentence: one is surely a
version of another if only these two have their content words.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from semsearch.text.facts import COMPARED, Amounts, Facts, Key

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Masks = NDArray[np.uint64]

MASKS = 4
"""Masks of each text. With one number that differs, each leaves about one pair in ten to the next."""
_OWN = 24
"""Bits that the first numbers have for themselves, of 64."""
_SLICE = 10
"""Bits of a hash that choose the bit of one mask."""
_UNITS = 8
"""Sentences of a long text that are compared here, the first ones with numbers."""
_WHOLE = 1
"""The content of a short text, which is compared with any other short text."""


class NumberMasks:
    """The masks of the numbers of each of `total` texts."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._units: list[_Unit] = []

    def add(self, number: int, facts: Facts) -> None:
        """Add the facts of a text by its number."""
        for at, (content, key, amounts) in enumerate(_units(number, facts)):
            if at == len(self._units):
                self._units.append(_Unit(self._total))
            self._units[at].add(number, content, key, amounts)

    def contradict(self, left: Integers, right: Integers) -> Booleans:
        """Return for every k whether numbers of texts left[k] and right[k] surely contradict each other."""
        found = np.zeros(len(left), np.bool_)
        rest = np.arange(len(left))
        for unit in self._units:
            proof = unit.contradict(left[rest], right[rest])
            found[rest] = proof
            rest = rest[~proof]
        return found


class MaskTable:
    """The bits of keys: a key of those that are seen first has a bit for itself, which is the same in each mask."""

    def __init__(self) -> None:
        self._own: dict[Key, int] = {}

    def bits(self, keys: Iterable[Key]) -> list[int]:
        """Return the masks of some keys."""
        masks = [0] * MASKS
        for key in keys:
            if len(self._own) < _OWN:
                self._own.setdefault(key, len(self._own))
            own = self._own.get(key)
            mixed = hash(f"{key[1]} {key[0]}")
            for at in range(MASKS):
                shared = (mixed >> _SLICE * at) % 2**_SLICE % (64 - _OWN) + _OWN
                masks[at] |= 1 << (shared if own is None else own)
        return masks


class _Unit:
    """One sentence of each text, or a short text as a whole.

    Two units are versions of each other if they have the same `content`, which is not 0, and another `key`. The masks
    are uint64 [MASKS, n]: of what a text has, and by class of what it needs (see `Amounts`).
    """

    def __init__(self, total: int) -> None:
        self._content, self._key = np.zeros(total, np.int64), np.zeros(total, np.int64)
        self._have = np.zeros((MASKS, total), np.uint64)
        self._need: dict[str, Masks] = {}
        self._table = MaskTable()
        self._whole = True  # so far, each unit is a whole text

    def add(self, number: int, content: int, key: int, amounts: Amounts) -> None:
        self._content[number], self._key[number] = content, key
        self._whole &= content == _WHOLE
        self._have[:, number] = self._table.bits(amounts.have)
        groups: dict[str, list[Key]] = {}
        for group, its in amounts.need:
            groups.setdefault(group, []).append(its)
        for group, keys in groups.items():
            if group not in self._need:
                self._need[group] = np.zeros_like(self._have)
            self._need[group][:, number] = self._table.bits(keys)

    def contradict(self, left: Integers, right: Integers) -> Booleans:
        found = np.zeros(len(left), np.bool_)
        rest = np.flatnonzero(self._versions(left, right))
        for at, need in product(range(MASKS), self._need.values()):
            x, y = (left, right) if len(rest) == len(left) else (left[rest], right[rest])
            proof = (need[at].take(x) & ~self._have[at].take(y)) != 0
            proof &= (need[at].take(y) & ~self._have[at].take(x)) != 0
            found[rest] = proof
            rest = rest[~proof]
        return found

    def _versions(self, left: Integers, right: Integers) -> Booleans:
        versions: Booleans = left != right
        if not self._whole:
            content = self._content.take(left)
            versions = (content == self._content.take(right)) & (content != 0)
            versions &= self._key.take(left) != self._key.take(right)
        return versions


def _units(number: int, facts: Facts) -> list[tuple[int, int, Amounts]]:
    """Return the units of a text by number: the content, the key and the amounts of each."""
    if facts.short:
        return [(_WHOLE, number, facts.amounts)]
    if len(facts.statements) > COMPARED:
        return []
    count = Counter(statement.content for statement in facts.statements)
    return [
        (hash(statement.content) | 2, hash(statement.key), statement.amounts)
        for statement in facts.statements
        if statement.amounts.need and count[statement.content] == 1
    ][:_UNITS]
