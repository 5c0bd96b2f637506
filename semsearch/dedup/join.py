"""Join vectors exactly: find every pair of unit vectors whose cosine reaches a threshold.

Sketches (see `semsearch.dedup.sketch`) rule out most pairs without their full product: first by codes of bytes, tile by
tile, then by a longer one in float32, pair by pair. What is left meets a float64 product. Where sketches do not pay, a
tile is computed in float32. Rounding never drops a pair.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import isqrt
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from semsearch import threads
from semsearch.dedup.sketch import EXCESS, NUMBER, UNIT, Sketched, Tile, cheapest, lowered
from semsearch.errors import InvalidInput
from semsearch.requests import DEFAULT_MEMORY

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROWS, _COLUMNS = 2048, 512
"""The shape of a tile, which stays in the cache while it is computed and compared."""
_LEAST = 8
"""Rows and columns of the smallest tile; memory must have room for it."""
_ELEMENT = 128
"""Peak bytes for an element of a tile."""
_MANY = 1 / 64
"""From this share of pairs that codes leave on, one product of the long sketches is cheaper than one for each."""
_DENSE = 1 / 32
"""From this share of survivors on, one float64 product of the tile is cheaper than one product for each."""
PAIR_BYTES = 200
"""Peak bytes for a pair until the groups are made, copies included."""


class TooManyPairs(InvalidInput):
    """There are more pairs than may be kept in memory."""

    def __init__(self) -> None:
        super().__init__(
            "there are too many pairs to keep in memory", "raise the threshold, or allow more memory"
        )

    def __reduce__(self) -> tuple[type["TooManyPairs"], tuple[()]]:
        return TooManyPairs, ()  # so that it comes back from another process


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of row numbers, int64, sorted by left then right, each once; `similarity` is float64.

    Pairs of the rows of one matrix have `left < right`; those of two (see `between`) number the rows of each.
    """

    left: Integers
    right: Integers
    similarity: Doubles

    def __len__(self) -> int:
        return len(self.left)

    def __getitem__(self, kept: NDArray[np.bool_] | Integers) -> "Pairs":
        return Pairs(self.left[kept], self.right[kept], self.similarity[kept])

    @classmethod
    def merged(cls, parts: Iterable["Pairs"]) -> "Pairs":
        """Return the pairs of all parts, which have no pair in common."""
        none = cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        columns = zip(*((part.left, part.right, part.similarity) for part in (none, *parts)), strict=True)
        left, right, similarity = (np.concatenate(column) for column in columns)
        key = left * (right.max(initial=0) + 1) + right
        if np.any(key[1:] < key[:-1]):
            order = np.argsort(key, kind="stable")  # fast on sorted runs, which the parts are
            left, right, similarity = left[order], right[order], similarity[order]
        return cls(left, right, similarity)


class PairLimit:
    """Count the pairs that the threads of one join have found, up to a limit."""

    def __init__(self, limit: int | None) -> None:
        self._left = limit
        self._lock = Lock()

    def take(self, pairs: Pairs) -> Pairs:
        """Return the pairs; raise `TooManyPairs` once there are more than the limit."""
        if self._left is not None:
            with self._lock:
                self._left -= len(pairs)
                if self._left < 0:
                    raise TooManyPairs
        return pairs


def join(
    vectors: Floats,
    threshold: float,
    *,
    progress: Callable[[int, int], None] | None = None,
    memory: int = DEFAULT_MEMORY,
    limit: int | None = None,
    sketched: Sketched | None = None,
) -> Pairs:
    """Return every pair of rows of `vectors` with a similarity of at least `threshold`.

    `vectors` is float32 [n, d], its rows of unit length within 0.001. The similarity of a pair is the float64 dot
    product of its rows, at most 1; the result depends only on rows and threshold. `progress` is called in the calling
    thread, with the pairs compared so far and all pairs. `memory` limits the working bytes, without vectors and
    result. BLAS is limited to one thread meanwhile, and as many Python threads as it had share the work. `sketched` has
    the sketches of the rows, where these are joined more than once.

    Raises `TooManyPairs` for more pairs than `limit`, about as soon as they are found. Raises `InvalidInput` for a
    threshold outside [-1, 1], a row that is not finite or of unit length, and a `memory` too small for rows this long.
    """
    return _run(vectors, None, threshold, progress, memory, limit, (sketched, sketched) if sketched else None)


def between(
    left: Floats,
    right: Floats,
    threshold: float,
    *,
    progress: Callable[[int, int], None] | None = None,
    memory: int = DEFAULT_MEMORY,
    limit: int | None = None,
    sketched: tuple[Sketched, Sketched] | None = None,
) -> Pairs:
    """Return every pair of a row of `left` and a row of `right` with a similarity of at least `threshold`.

    The matrices are float32 [n, d] and [m, d]. `Pairs.left` has row numbers of the first, `Pairs.right` of the second,
    so `left < right` does not hold here. Everything else, and the errors, are those of `join`.
    """
    if len(left) < len(right):  # the rows of the first are what the threads share
        turned = _run(right, left, threshold, progress, memory, limit, sketched and sketched[::-1])
        return Pairs.merged([Pairs(turned.right, turned.left, turned.similarity)])
    return _run(left, right, threshold, progress, memory, limit, sketched)


def cosines(x: Floats, i: Integers, y: Floats, j: Integers, memory: int = DEFAULT_MEMORY) -> Doubles:
    """Return the similarity of row i[k] of `x` and row j[k] of `y`; other pairs never change its last bit."""
    similarity = np.empty(len(i))
    rows = max(1, memory // (NUMBER * max(1, x.shape[1])))
    for at in range(0, len(i), rows):
        part = slice(at, at + rows)
        similarity[part] = np.einsum("ij,ij->i", x[i[part]].astype(np.float64), y[j[part]].astype(np.float64))
    return np.minimum(similarity, 1)


def _run(
    left: Floats,
    right: Floats | None,
    threshold: float,
    progress: Callable[[int, int], None] | None,
    memory: int,
    limit: int | None,
    sketched: tuple[Sketched, Sketched] | None,
) -> Pairs:
    """Return the pairs between two matrices, or within the first if there is no second."""
    check(threshold, left, *([] if right is None else [right]))
    least = _ELEMENT * _LEAST * max(left.shape[1], 2 * _LEAST)
    workers = min(threads.workers(), memory // least)
    if workers < 1:
        raise InvalidInput(f"{memory} bytes of memory are too few for the join", f"allow at least {least}")
    with threads.in_place_of_blas(workers) as pool:
        return _Join(left, right, threshold, memory, workers, PairLimit(limit), sketched).run(pool, progress)


def check(threshold: float, *matrices: Floats) -> None:
    """Raise `InvalidInput` for a threshold or vectors that `join` and `between` do not accept."""
    if not -1 <= threshold <= 1:
        raise InvalidInput(f"the threshold is {threshold}, but a cosine is between -1 and 1")
    for vectors in matrices:
        if vectors.ndim != 2 or vectors.dtype != np.float32:
            raise InvalidInput(f"vectors must be float32 [n, d], not {vectors.dtype} {list(vectors.shape)}")
        with np.errstate(all="ignore"):
            lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        wrong = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT))
        if len(wrong):
            raise InvalidInput(
                f"row {wrong[0]} has length {lengths[wrong[0]]:.6g}, but vectors must have unit length"
            )
    widths = sorted({vectors.shape[1] for vectors in matrices})
    if len(widths) > 1:
        raise InvalidInput(f"vectors of {widths[0]} and of {widths[1]} numbers cannot be compared")


@dataclass(frozen=True, slots=True, eq=False)
class _Band:
    """Consecutive rows, from the number `start` on, whose sketches fit in memory; None where sketches do not pay.

    `order` has the row at each place of the sketches.
    """

    start: int
    rows: Floats
    sketched: Sketched | None
    order: Integers


class _Join:
    """One join: the sizes of its parts, and how rows are sketched.

    The numbers of a second matrix's rows continue those of the first. A tile is of places in the order of the sketches.
    """

    def __init__(
        self,
        left: Floats,
        right: Floats | None,
        threshold: float,
        memory: int,
        workers: int,
        limit: PairLimit,
        sketched: tuple[Sketched, Sketched] | None,
    ) -> None:
        self.limit = limit
        self.left = np.ascontiguousarray(left)
        self.right = self.left if right is None else np.ascontiguousarray(right)
        self.offset = 0 if right is None else len(left)
        self.threshold = threshold
        n, d = self.offset + len(self.right), left.shape[1]
        # Half of the memory is for sketches. The other half is shared by the workers.
        self.share = memory // (2 * workers)
        elements = min(self.share // _ELEMENT, _ROWS * _COLUMNS)
        self.batch = self.share // (NUMBER * max(d, 1))
        self.columns = min(_COLUMNS, isqrt(elements), self.batch)
        self.rows = min(_ROWS, elements // self.columns, self.batch)
        self.sketched = sketched
        self.sketch = None if sketched else cheapest(self.left, self.right, threshold, self.batch)
        self.cut = lowered(threshold, d)
        self.band = max(1, n)
        if self.sketch and n * self.sketch.row_bytes > memory // 2:
            self.band = max(1, memory // 4 // self.sketch.row_bytes)

    def run(self, pool: ThreadPoolExecutor, progress: Callable[[int, int], None] | None) -> Pairs:
        n, m = len(self.left), len(self.right)
        done, total = 0, n * m if self.offset else n * (n - 1) // 2
        found = []
        for first in range(0, n, self.band):
            a = self.banded(pool, self.left, first, 0)
            for second in range(0 if self.offset else first, m, self.band):
                same = self.offset + second == first
                b = a if same else self.banded(pool, self.right, second, self.offset)
                starts = range(0, len(a.rows), self.rows)
                for start, pairs in zip(starts, pool.map(partial(self.strip, a, b), starts), strict=True):
                    found.append(pairs)
                    places = np.arange(start, min(start + self.rows, len(a.rows)))
                    done += int(np.sum(len(b.rows) - same * (places + 1)))
                    if progress:
                        progress(done, total)
        pairs = Pairs.merged(found)
        return Pairs(pairs.left, pairs.right - self.offset, np.minimum(pairs.similarity, 1))

    def banded(self, pool: ThreadPoolExecutor, vectors: Floats, start: int, offset: int) -> _Band:
        rows = vectors[start : start + self.band]
        made = self.sketched[offset > 0] if self.sketched else None
        if self.sketch:
            made = self.sketch.of(rows, self.batch, pool.map)
        return _Band(offset + start, rows, made, made.order if made else np.arange(len(rows)))

    def strip(self, a: _Band, b: _Band, start: int) -> Pairs:
        """Return the pairs of the places of one tile in `a` with those in `b`, or with those from them on in `a`."""
        found = []
        crowded = False
        tile = a.sketched.tile(slice(start, start + self.rows)) if a.sketched else None
        for left in range(start if a is b else 0, len(b.rows), self.columns):
            stop = min(start + self.rows, len(a.rows), left + self.columns if a is b else len(a.rows))
            rows, columns = slice(start, stop), slice(left, left + self.columns)
            x, y = a.order[rows], b.order[columns]
            some = None if crowded else self.sparse(a, rows, tile, b, columns)
            if some is None:
                some = self.dense(a.rows[x], b.rows[y])
                crowded = len(some) > _DENSE * len(x) * len(y)  # then the next tile is likely to be
            if a is b:
                some = some[start + some.left < left + some.right]
            i, j = a.start + x[some.left], b.start + y[some.right]
            found.append(self.limit.take(Pairs(np.minimum(i, j), np.maximum(i, j), some.similarity)))
        return Pairs.merged(found)

    def sparse(self, a: _Band, rows: slice, tile: Tile | None, b: _Band, columns: slice) -> Pairs | None:
        """Return the pairs of a tile, by places in it; None where so many may be that each alone takes longer."""
        x, y = a.order[rows], b.order[columns]
        size = len(x) * len(y)
        if tile is None or a.sketched is None or b.sketched is None:
            at = _where(a.rows[rows] @ b.rows[columns].T >= self.cut)
        else:
            at = _where(b.sketched.may_reach(self.threshold, tile.first(len(x)), columns))
            cut = lowered(self.threshold, a.sketched.long.shape[1])
            if len(at) > _MANY * size:
                at = _where(a.sketched.long[x] @ b.sketched.long[y].T >= cut)
            elif len(at):
                i, j = np.divmod(at, len(y))
                bound = np.einsum("ij,ij->i", a.sketched.long[x[i]], b.sketched.long[y[j]])
                at = at[bound >= cut]
        if len(at) > _DENSE * size:
            return None
        i, j = np.divmod(at, len(y))
        similarity = cosines(a.rows, x[i], b.rows, y[j], self.share)
        return Pairs(i, j, similarity)[similarity >= self.threshold]

    def dense(self, x: Floats, y: Floats) -> Pairs:
        """Return the pairs of a tile by one product, by places in it.

        The last bits of matrix products vary, so a pair too close to the threshold is computed alone.
        """
        product = np.ravel(x.astype(np.float64) @ y.astype(np.float64).T)
        at = np.flatnonzero(product >= self.threshold - EXCESS)
        similarity = product[at]
        i, j = np.divmod(at, len(y))
        close = similarity < self.threshold + EXCESS
        similarity[close] = cosines(x, i[close], y, j[close], self.share)
        return Pairs(i, j, similarity)[similarity >= self.threshold]


def _where(mask: NDArray[np.bool_]) -> Integers:
    """Return `np.flatnonzero(mask)`, faster for masks with few True: eight elements are tested at once."""
    mask = mask.ravel()
    body = len(mask) & -8
    words = np.flatnonzero(mask[:body].view(np.uint64) != 0)
    inner = np.flatnonzero(mask[:body].reshape(-1, 8)[words])
    return np.concatenate([words[inner // 8] * 8 + inner % 8, body + np.flatnonzero(mask[body:])])
