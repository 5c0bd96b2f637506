"""Find the matches of vectors on a cluster: exactly, or a share of them that a sample proves."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.join import PAIR_BYTES, Doubles, Floats, Integers, PairLimit, Pairs
from semsearch.dedup.sketch import cheapest
from semsearch.distributed.cluster import Cluster
from semsearch.distributed.partitions import (
    CONFIDENCE,
    Partition,
    bounds,
    labelled,
    partitions,
    visits,
    visits_needed,
)
from semsearch.distributed.work import Work, packed, unpacked

VISITS = 4
"""Pairs of partitions that one task visits, and that are visited again if it is killed: 8 s for a million vectors."""
_DRAWN, _ENOUGH, _SHARE = 2048, 1000, 16
"""Rows of a sample that are drawn at a time, rows with pairs that end it, and the part of all rows that it may take."""


@dataclass(slots=True)
class Visited:
    """The work that finding matches took: how many pairs of partitions there are, may have matches, and were visited.

    `compared` pairs of rows were, out of `total`. With a `recall` below 1, `complete` of `sampled` rows with matches,
    drawn at random, have all of theirs found; the share among all such rows is at least `recall` with a probability of
    `confidence`.
    """

    partitions: int = 0
    partition_pairs: int = 0
    possible: int = 0
    visited: int = 0
    compared: int = 0
    total: int = 0
    recall: float = 1.0
    confidence: float = 1.0
    sampled: int = 0
    complete: int = 0


class Matching:
    """The matches of some `vectors` (float32 [n, d]), found on a cluster and kept in `work`.

    With two `sides` (int64, numbers of rows), only pairs of a row of the first and one of the second are looked for.

    `key` stands for the vectors: matches of another key, threshold or recall are not taken. `memory` limits the working
    bytes of each processor, and the pairs that are kept here.
    """

    def __init__(
        self,
        cluster: Cluster,
        work: Work,
        vectors: Floats,
        key: str,
        *,
        recall: float = 1.0,
        memory: int,
        size: int = 0,
        sides: tuple[Integers, Integers] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._cluster, self._work, self._vectors = cluster, work, vectors
        self._key, self._recall, self._memory, self._size = key, recall, memory, size
        self._sides, self._progress = sides, progress
        self.visited = Visited()

    def __call__(self, reach: float) -> Pairs:
        """Return the pairs of rows with a cosine of at least `reach`, as `join` does; all of them if the recall is 1.

        Raises `TooManyPairs` where they do not fit in memory.
        """
        identity = json.dumps([self._key, reach, self._recall, self._size, self._sides is not None]).encode()
        folder = f"matches/{hashlib.sha256(identity).hexdigest()[:16]}"
        done = self._work.finished(folder)
        self._work.tidy(folder)
        plan = done.get("plan")
        if plan is None:
            plan = self._plan(folder, reach)
        arrays = unpacked(self._work.load(folder, plan))
        found, _ = self._partitions(arrays["label"], arrays["centres"])
        self.visited = Visited(**plan["visited"])
        return self._visit(folder, done, found, arrays["visits"], reach)

    def _plan(self, folder: str, reach: float) -> dict[str, Any]:
        """Decide which pairs of partitions are visited, and save that: so a later run visits the same."""
        label, centres = labelled(self._vectors, self._size)
        found, first = self._partitions(label, centres)
        centres_of = np.stack([part.centre for part in found]) if found else centres
        margins = np.empty((len(found), len(found)))
        longest, radii = np.empty(len(found)), np.empty(len(found))
        for number, least, square, radius in self._cluster.margins(found, centres_of):
            margins[number], longest[number], radii[number] = least, square, radius
        order = visits(bounds(centres_of, margins, longest, radii), reach)
        count, rows = len(found), len(self._vectors)
        told = Visited(count, count * (count + 1) // 2, total=rows * (rows - 1) // 2)
        if self._sides:
            order = order[(order[:, 0] < first) & (order[:, 1] >= first)]
            told = Visited(count, first * (count - first), total=len(self._sides[0]) * len(self._sides[1]))
        told.possible = told.visited = len(order)
        if self._recall < 1:
            places = self._places(found, label, order, reach)
            told.recall, told.confidence = self._recall, CONFIDENCE
            told.visited = visits_needed(places, self._recall, len(order))
            told.sampled, told.complete = len(places), int(np.sum(places <= told.visited))
            order = order[: told.visited]
        content = packed(label=label, centres=centres, visits=order)
        entry = {"visited": {name: getattr(told, name) for name in Visited.__slots__}}
        return self._work.save(folder, "plan", ".npz", content, entry)

    def _partitions(self, label: Integers, centres: Doubles) -> tuple[list[Partition], int]:
        """Return the partitions, with two sides those of the first and then those of the second; and how many first."""
        found = partitions(self._vectors, label, centres)
        if self._sides is None:
            return found, len(found)
        first, second = (
            [some for part in found if len((some := part.only(rows)).rows)] for rows in self._sides
        )
        return [*first, *second], len(first)

    def _places(
        self, found: Sequence[Partition], label: Integers, order: NDArray[np.int64], reach: float
    ) -> Integers:
        """Return for each row with matches, of some that are drawn, the number of visits that finds all of them.

        Rows are drawn independently of each other. When the drawing ends depends on how many have matches, and not on
        where these are, so the places are a sample of independent draws.
        """
        place = np.zeros((len(found), len(found)), np.int64)
        place[order[:, 0], order[:, 1]] = place[order[:, 1], order[:, 0]] = np.arange(1, len(order) + 1)
        rng = np.random.default_rng(0)
        needed = np.empty(0, np.int64)
        for _ in range(-(-len(self._vectors) // (_SHARE * _DRAWN))):
            drawn = rng.integers(len(self._vectors), size=_DRAWN)
            rows = np.unique(drawn)
            last = np.zeros(len(self._vectors), np.int64)
            for number, pairs in self._cluster.sample(rows, self._vectors[rows], found, reach, self._memory):
                np.maximum.at(last, pairs.left, place[label[pairs.left], number])
            needed = np.concatenate([needed, last[drawn][last[drawn] > 0]])
            if len(needed) >= _ENOUGH:
                break
        return needed

    def _visit(
        self,
        folder: str,
        done: dict[str, dict[str, Any]],
        found: Sequence[Partition],
        order: NDArray[np.int64],
        reach: float,
    ) -> Pairs:
        """Make the visits that are not done, save the pairs of each chunk, and return all of them."""
        pairs = order[np.lexsort(order.T[::-1])].tolist()  # those of one partition come together
        chunks = {
            f"{at // VISITS:07}": [(i, j) for i, j in pairs[at : at + VISITS]]
            for at in range(0, len(pairs), VISITS)
        }
        limit = max(1, self._memory // PAIR_BYTES)
        parts: list[Pairs] = []
        counted = PairLimit(limit)

        def take(some: Pairs, compared: int) -> None:
            parts.append(counted.take(some))
            self.visited.compared += compared
            if self._progress:
                self._progress(len(parts), len(chunks))

        for name in chunks.keys() & done.keys():
            arrays = unpacked(self._work.load(folder, done[name]))
            take(Pairs(arrays["left"], arrays["right"], arrays["similarity"]), done[name]["compared"])
        missing = [(name, chunk) for name, chunk in chunks.items() if name not in done]
        sketch = cheapest(self._vectors, self._vectors, reach) if missing else None
        for name, some, compared in self._cluster.visit(found, missing, reach, limit, self._memory, sketch):
            content = packed(left=some.left, right=some.right, similarity=some.similarity)
            self._work.save(folder, name, ".npz", content, {"compared": compared})
            take(some, compared)
        whole = Pairs.merged(parts)
        if self._sides is None:
            return whole
        new = (np.diff(whole.left, prepend=-1) != 0) | (np.diff(whole.right, prepend=-1) != 0)
        return whole[new & (whole.left != whole.right)]  # a row of both sides comes twice
