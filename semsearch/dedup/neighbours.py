"""Find which texts are pairs, for some texts at a time, where all pairs are too many to keep.

One letter in 20,000 copies that differ in a number has 200 million pairs. Each linkage needs few of them: the keeper
rule those of each keeper. So the rows of a matrix of similarities are computed when they are asked for, tile by tile,
and forgotten.

Each tile is decided by the cheapest product that decides it: of sketches, whose products are upper bounds (see
`semsearch.dedup.join`), then of the vectors in float32, then in float64. A mean of upper bounds is one of the mean of
the cosines, so sketches serve documents of several passages too. What is too close to the threshold even then is
computed pair by pair, so that the result is the one of the join.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch import threads
from semsearch.dedup.document_join import Corpus
from semsearch.dedup.join import PAIR_BYTES, Integers, Pairs
from semsearch.dedup.lexical import LexicalSets, batches
from semsearch.dedup.sketch import lowered, sketches_for
from semsearch.embedding.similarity import ONE
from semsearch.requests import DEFAULT_MEMORY

Booleans = NDArray[np.bool_]
Accepts = Callable[[Integers, Integers], Booleans]

_COLUMNS = 512
_ELEMENTS = 2**20
"""The passages on the right of a tile, and its pairs of passages: it stays in the cache while it is computed."""
_ELEMENT = 192
"""Peak bytes for a pair of passages in a tile."""
_FEW = 1 / 64
"""Up to this share of a tile, pairs are decided one by one."""
_ROUNDING = 1e-9
_NEAR = 1e-4
"""More than the error of a similarity of `between`."""
_MEANS = 1e-6
"""An upper limit of what float32 adds to the error of a mean of cosines."""

_T = TypeVar("_T")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """Rows whose products are the cosines to within `slack`, or upper bounds of them, in numbers of `kind`."""

    rows: NDArray[Any]
    slack: float
    bounds: bool = False
    kind: type[np.floating[Any]] = np.float32


class Refused:
    """The pairs that were refused: all of them, or where they would be too many, the most similar one of each text.

    A pair belongs to the text that comes later in it.
    """

    def __init__(self, texts: int) -> None:
        self._other, self._similarity = np.full(texts, -1), np.full(texts, -2.0)
        self._all = Pairs.merged([])

    def add_all(self, pairs: Pairs) -> None:
        """Keep all of some pairs."""
        self._all = Pairs.merged([self._all, pairs])

    def add(self, pairs: Pairs) -> None:
        """Keep those of some pairs that are more similar than what is known of their right text."""
        pairs = pairs[np.flatnonzero(pairs.similarity > self._similarity.take(pairs.right))]
        np.maximum.at(self._similarity, pairs.right, pairs.similarity)
        best = np.flatnonzero(pairs.similarity == self._similarity.take(pairs.right))
        self._other[pairs.right[best]] = pairs.left[best]  # of several values the last one stays

    @property
    def complete(self) -> bool:
        """True if these are all pairs that were refused."""
        return not np.any(self._other >= 0)

    def pairs(self, corpus: Corpus) -> Pairs:
        """Return the pairs that were kept, with `left < right` and exact similarities."""
        right = np.flatnonzero(self._other >= 0)
        left, right = np.minimum(self._other[right], right), np.maximum(self._other[right], right)
        both = np.unique(np.stack([left, right]), axis=1)
        return Pairs.merged([self._all, Pairs(both[0], both[1], corpus.similarity(both[0], both[1]))])


class Neighbours:
    """The pairs of texts of a `corpus`: those with a similarity of at least `threshold`, and those `lexical` has.

    Only pairs that `accepts` (of two int64 arrays of text numbers) count, if it is given. `refused` is then called
    with the others. `memory` limits the working bytes,
    without the arguments, a product of two documents, and what `accepts` takes.
    """

    def __init__(
        self,
        corpus: Corpus,
        threshold: float,
        *,
        lexical: LexicalSets | None = None,
        accepts: Accepts | None = None,
        refused: Callable[[Pairs], None] | None = None,
        memory: int = DEFAULT_MEMORY,
    ) -> None:
        self.corpus = corpus
        self.threshold = threshold = ONE if ONE < threshold <= 1 else threshold
        self.memory = memory
        self._most = max(1024, memory // (2 * PAIR_BYTES))
        self._lexical = lexical
        self._accepts = accepts
        self._refused = refused
        self._workers = max(1, min(threads.workers(), memory // (2 * _ELEMENT * _COLUMNS)))
        self._elements = max(_COLUMNS, min(_ELEMENTS, memory // (2 * _ELEMENT * self._workers)))
        slack = threshold - float(lowered(threshold, corpus.vectors.shape[1])) + _MEANS
        self._levels = [
            _Level(corpus.vectors, slack),
            _Level(corpus.vectors, _ROUNDING, kind=np.float64),
        ]
        sketches = sketches_for(corpus.vectors, threshold, memory // 4)
        if sketches is not None:
            slack = threshold - float(lowered(threshold, sketches.shape[1])) + _MEANS
            self._levels.insert(0, _Level(sketches, slack, bounds=True))
        self._single = bool(np.all(corpus.size == 1))
        self._crowded = False

    def similarity(self, left: Integers, right: Integers) -> NDArray[np.float64]:
        """Return the exact similarity of texts left[k] and right[k]."""
        return self.corpus.similarity(left, right, memory=self.memory // 4)

    def within(self, texts: Integers) -> Iterator[Pairs]:
        """Yield the pairs of some texts in parts; the left text of each pair comes first in `texts`."""
        return self._tiles(texts, texts, triangle=True)

    def between(self, left: Integers, right: Integers) -> Iterator[Pairs]:
        """Yield the pairs of a text on the left and one on the right, in parts.

        A part has numbers of texts, in the order of `left`, then of `right`. Its similarities are exact to 1e-4.
        """
        return self._tiles(left, right, triangle=False)

    def best(self, left: Integers, right: Integers) -> Pairs:
        """Return for each text on the left that has a pair its most similar one on the right, of equals the lowest."""
        highest = np.full(int(left.max(initial=0)) + 1, -2.0)
        parts: list[Pairs] = []
        for pairs in self.between(left, right):
            np.maximum.at(highest, pairs.left, pairs.similarity)
            parts.append(pairs[pairs.similarity >= highest[pairs.left] - _NEAR])
            if sum(map(len, parts)) > self._most + len(left):
                parts = [self._best_of(Pairs.merged(parts), highest)]
        return self._best_of(Pairs.merged(parts), highest)

    def _best_of(self, pairs: Pairs, highest: NDArray[np.float64]) -> Pairs:
        pairs = pairs[pairs.similarity >= highest[pairs.left] - _NEAR]
        similarity = self.similarity(pairs.left, pairs.right)
        ranked = np.lexsort((pairs.right, -similarity, pairs.left))
        first = ranked[np.flatnonzero(np.diff(pairs.left[ranked], prepend=-1))]
        return Pairs(pairs.left[first], pairs.right[first], similarity[first])

    def falling(self, texts: Integers, low: float = -1.0, high: float = 2.0) -> Iterator[Pairs]:
        """Yield the pairs of some texts with a similarity in [low, high), exact, the most similar first, in parts."""
        parts, count = [], 0
        equal = high <= np.nextafter(low, 2)
        for pairs in self.within(texts):
            possible = (pairs.similarity >= low - _NEAR) & (pairs.similarity < high + _NEAR)
            left, right = pairs.left[possible], pairs.right[possible]
            similarity = self.similarity(left, right)
            some = Pairs(left, right, similarity)[(similarity >= low) & (similarity < high)]
            if equal:
                yield some
                continue
            parts.append(some)
            count += len(some)
            if count > self._most:
                break
        found = Pairs.merged(parts)
        if count <= self._most:
            yield found[np.argsort(-found.similarity, kind="stable")]
            return
        middle = float(np.partition(found.similarity, count // 2)[count // 2])
        above = float(np.nextafter(middle, 2))
        # As in Quicksort: what is more similar than the median, then equals, then the others.
        del parts, found
        for part in ((above, high), (middle, above), (low, middle)):
            if part[0] < part[1]:
                yield from self.falling(texts, *part)

    def _tiles(self, left: Integers, right: Integers, triangle: bool) -> Iterator[Pairs]:
        size = self.corpus.size
        left, right = left[size[left] > 0], right[size[right] > 0]

        def tiles() -> Iterator[tuple[int, int, int, int]]:
            for a, b in batches(size[right], _COLUMNS):
                height = max(1, self._elements // int(size[right[a:b]].sum()))
                for c, d in batches(size[left], height):
                    if not triangle or c < b:
                        yield c, d, a, b

        def pairs(tile: tuple[int, int, int, int]) -> Pairs:
            c, d, a, b = tile
            return self._tile(left[c:d], right[a:b], c - a if triangle else None)

        for found in _ahead(pairs, tiles(), self._workers):
            yield found if self._accepts is None else self._accepted(found, self._accepts)

    def _accepted(self, found: Pairs, accepts: Accepts) -> Pairs:
        accepted = accepts(found.left, found.right)
        kept = found[np.flatnonzero(accepted)]
        if self._refused is not None:
            self._refused(found[~accepted] if len(kept) else found)
        return kept

    def _tile(self, left: Integers, right: Integers, ahead: int | None) -> Pairs:
        """Return the pairs of a tile; with `ahead`, only those of left[i] and right[j] with i + ahead < j."""
        similarity, near = self._decided(left, right)
        if self._lexical is not None:
            i, j = self._lexical.near(left, right)
            new = ~near[i, j]
            i, j = i[new], j[new]
            near[i, j] = True
            similarity[i, j] = self.similarity(left[i], right[j])
        if ahead is not None:
            near &= np.arange(len(left))[:, None] + ahead < np.arange(len(right))
        i, j = np.nonzero(near)
        return Pairs(left[i], right[j], similarity[i, j].astype(np.float64))

    def _decided(self, left: Integers, right: Integers) -> tuple[NDArray[Any], Booleans]:
        """Return the similarity of each text on the left and each on the right, and whether it reaches the threshold.

        Where it does not, the similarity is only an upper bound, or not exact.
        """
        passages = int(self.corpus.size[left].sum()) * int(self.corpus.size[right].sum())
        if passages > 4 * max(self._elements, len(left) * len(right)):  # two long documents
            i, j = np.divmod(np.arange(len(left) * len(right)), len(right))
            similarity: NDArray[Any] = self.similarity(left[i], right[j]).reshape(len(left), len(right))
            return similarity, similarity >= self.threshold
        for level in self._levels:
            if level.bounds and self._crowded:
                continue
            similarity = self._similarities(level, left, right)
            undecided = similarity >= self.threshold - level.slack
            near = np.zeros_like(undecided)
            if not level.bounds:
                near = similarity >= self.threshold + level.slack
                undecided &= ~near
            few = np.count_nonzero(undecided) <= _FEW * undecided.size
            if few:
                break
            self._crowded = self._crowded or level.bounds
        if not level.bounds:  # the tiles of one template come together
            self._crowded = bool(np.count_nonzero(near) > _FEW * near.size)
        i, j = np.nonzero(undecided)
        exact = self.similarity(left[i], right[j])
        similarity[i, j] = exact
        near[i, j] = exact >= self.threshold
        return similarity, near

    def _similarities(self, level: _Level, left: Integers, right: Integers) -> NDArray[Any]:
        """Return the similarity of each text on the left and each on the right by the rows of one level."""
        corpus = self.corpus
        i, a = corpus.passages(left)
        j, b = corpus.passages(right)
        x, y = corpus.row[i], corpus.row[j]
        cosines = (
            level.rows[x].astype(level.kind, copy=False) @ level.rows[y].astype(level.kind, copy=False).T
        )
        p, q = np.flatnonzero(np.isin(x, y)), np.flatnonzero(np.isin(y, x))
        if len(p):  # one row is one text, which is like itself whatever rounding says
            some = cosines[np.ix_(p, q)]
            some[x[p, None] == y[q]] = 1
            cosines[np.ix_(p, q)] = some
        if not (self._single or (len(i) == len(left) and len(j) == len(right))):
            forth = np.maximum.reduceat(cosines, b, axis=1) * corpus.weight[i, None]
            back = np.maximum.reduceat(cosines, a, axis=0) * corpus.weight[j]
            cosines = np.minimum(
                np.add.reduceat(forth, a, axis=0) / corpus.total[left][:, None],
                np.add.reduceat(back, b, axis=1) / corpus.total[right],
            )
        similarities: NDArray[Any] = np.minimum(cosines, 1, out=cosines)
        return similarities


def _ahead(work: Callable[[_T], _Result], items: Iterable[_T], workers: int) -> Iterator[_Result]:
    """Yield the results of `work` on items in order, computed by threads a few items ahead."""
    items = iter(items)
    waiting: deque[Future[_Result]] = deque()
    with threads.in_place_of_blas(workers) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
