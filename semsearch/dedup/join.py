"""Join vectors exactly: find every pair of unit vectors whose cosine reaches a threshold.

Most pairs are ruled out without their full product. For any matrix Q with k orthonormal columns and p = Q'x,
Cauchy-Schwarz on what Q leaves over gives

    x.y  <=  p_x.p_y + r_x r_y,    r = sqrt(|x|^2 - |p|^2),

one product of the *sketches* (p, r) of k + 1 columns. With the leading principal directions of a sample as Q,
48 columns of 384 rule out all but one pair of sentences in a thousand; what is left meets a longer sketch, and
then a float64 product. Any Q is exact, a good one is fast. (If Q'Q is only within e of the identity, I - QQ' + eI
is still positive semidefinite, and the same inequality holds with e added under the root and on the right.)

Rounding never drops a pair. A float32 dot product of k terms, summed in any order, fused or not, is off by at
most gamma_k |x||y| with gamma_k = k u / (1 - k u), u = 2^-24 (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., section 3.1); every float32 comparison is made with the threshold lowered by that much.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import isqrt
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from semsearch import threads
from semsearch.errors import InvalidInput
from semsearch.requests import DEFAULT_MEMORY

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROWS, _COLUMNS = 2048, 512
"""The shape of a tile, which stays in the cache while it is computed and compared."""
_WIDTHS = (16, 24, 32, 40, 48, 64, 96)
"""Directions that the first sketch may keep; the second keeps twice as many. A sample shows which is cheapest."""
_LEAST = 8
"""Rows and columns of the smallest tile; memory must have room for it."""
_ELEMENT, _NUMBER = 128, 64
"""Peak bytes for an element of a tile, and for a number of the current rows."""
_SAMPLE = 8192
_SMALL = 4096
"""With fewer rows on each side, a trial of sketches is not worth its time."""
_SECOND, _EXACT = 6_000, 25_000
"""The measured cost of a survivor in the next two steps, in columns of a product."""
_DENSE = 1 / 32
"""From this share of survivors on, one float64 product of the tile is cheaper than one product for each."""
_UNIT = 1e-3
_EXCESS = 1e-9
"""An upper limit of float64 rounding errors here: the e of the text above, and errors of norms and products."""


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
) -> Pairs:
    """Return every pair of rows of `vectors` with a similarity of at least `threshold`.

    `vectors` is float32 [n, d], its rows of unit length within 0.001. The similarity of a pair is the float64 dot
    product of its rows, at most 1; the result depends only on rows and threshold. `progress` is called in the calling
    thread, with the pairs compared so far and all pairs. `memory` limits the working bytes, without vectors and
    result. BLAS is limited to one thread meanwhile, and as many Python threads as it had share the work.

    Raises `TooManyPairs` for more pairs than `limit`, about as soon as they are found. Raises `InvalidInput` for a
    threshold outside [-1, 1], a row that is not finite or of unit length, and a `memory` too small for rows this long.
    """
    return _run(vectors, None, threshold, progress, memory, limit)


def between(
    left: Floats,
    right: Floats,
    threshold: float,
    *,
    progress: Callable[[int, int], None] | None = None,
    memory: int = DEFAULT_MEMORY,
    limit: int | None = None,
) -> Pairs:
    """Return every pair of a row of `left` and a row of `right` with a similarity of at least `threshold`.

    The matrices are float32 [n, d] and [m, d]. `Pairs.left` has row numbers of the first, `Pairs.right` of the second,
    so `left < right` does not hold here. Everything else, and the errors, are those of `join`.
    """
    if len(left) < len(right):  # the rows of the first are what the threads share
        turned = _run(right, left, threshold, progress, memory, limit)
        return Pairs.merged([Pairs(turned.right, turned.left, turned.similarity)])
    return _run(left, right, threshold, progress, memory, limit)


def cosines(x: Floats, i: Integers, y: Floats, j: Integers, memory: int = DEFAULT_MEMORY) -> Doubles:
    """Return the similarity of row i[k] of `x` and row j[k] of `y`; other pairs never change its last bit."""
    similarity = np.empty(len(i))
    rows = max(1, memory // (_NUMBER * max(1, x.shape[1])))
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
) -> Pairs:
    """Return the pairs between two matrices, or within the first if there is no second."""
    check(threshold, left, *([] if right is None else [right]))
    least = _ELEMENT * _LEAST * max(left.shape[1], 2 * _LEAST)
    workers = min(threads.workers(), memory // least)
    if workers < 1:
        raise InvalidInput(f"{memory} bytes of memory are too few for the join", f"allow at least {least}")
    with threads.in_place_of_blas(workers) as pool:
        return _Join(left, right, threshold, memory, workers, PairLimit(limit)).run(pool, progress)


def check(threshold: float, *matrices: Floats) -> None:
    """Raise `InvalidInput` for a threshold or vectors that `join` and `between` do not accept."""
    if not -1 <= threshold <= 1:
        raise InvalidInput(f"the threshold is {threshold}, but a cosine is between -1 and 1")
    for vectors in matrices:
        if vectors.ndim != 2 or vectors.dtype != np.float32:
            raise InvalidInput(f"vectors must be float32 [n, d], not {vectors.dtype} {list(vectors.shape)}")
        with np.errstate(all="ignore"):
            lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        wrong = np.flatnonzero(~(np.abs(lengths - 1) <= _UNIT))
        if len(wrong):
            raise InvalidInput(
                f"row {wrong[0]} has length {lengths[wrong[0]]:.6g}, but vectors must have unit length"
            )
    widths = sorted({vectors.shape[1] for vectors in matrices})
    if len(widths) > 1:
        raise InvalidInput(f"vectors of {widths[0]} and of {widths[1]} numbers cannot be compared")


@dataclass(frozen=True, slots=True)
class _Band:
    """Consecutive rows whose sketches fit in memory.

    `levels` are the sketches, shortest first, and then the rows. A product of rows of one level is an upper bound of
    the products of every later level.
    """

    start: int
    stop: int
    levels: Sequence[Floats]


class _Join:
    """One join: the sizes of its parts, and the lowest product of each level that counts.

    The numbers of a second matrix's rows continue those of the first, so `i < j` holds for all wanted pairs.
    """

    def __init__(
        self,
        left: Floats,
        right: Floats | None,
        threshold: float,
        memory: int,
        workers: int,
        limit: PairLimit,
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
        self.batch = self.share // (_NUMBER * max(d, 1))
        self.columns = min(_COLUMNS, isqrt(elements), self.batch)
        self.rows = min(_ROWS, elements // self.columns, self.batch)
        self.basis, self.widths = _sketching(self.left, self.right, threshold, min(_SAMPLE, self.batch))
        self.cuts = [lowered(threshold, terms) for terms in (*(k + 1 for k in self.widths), d)]
        row = 4 * sum(k + 1 for k in self.widths)
        self.band = max(1, n if n * row <= memory // 2 else memory // 4 // row)

    def run(self, pool: ThreadPoolExecutor, progress: Callable[[int, int], None] | None) -> Pairs:
        n, m = len(self.left), len(self.right)
        done, total = 0, n * m if self.offset else n * (n - 1) // 2
        found = []
        for first in range(0, n, self.band):
            a = self.sketched(pool, self.left, first, 0)
            for second in range(0 if self.offset else first, m, self.band):
                same = self.offset + second == first
                b = a if same else self.sketched(pool, self.right, second, self.offset)
                starts = range(a.start, a.stop, self.rows)
                for start, pairs in zip(starts, pool.map(partial(self.strip, a, b), starts), strict=True):
                    found.append(pairs)
                    rows = np.arange(start, min(start + self.rows, a.stop))
                    done += int(np.sum(b.stop - np.maximum(rows + 1, b.start)))
                    if progress:
                        progress(done, total)
        pairs = Pairs.merged(found)
        return Pairs(pairs.left, pairs.right - self.offset, np.minimum(pairs.similarity, 1))

    def sketched(self, pool: ThreadPoolExecutor, vectors: Floats, start: int, offset: int) -> _Band:
        rows = vectors[start : start + self.band]
        sketches = [np.empty((len(rows), k + 1), np.float32) for k in self.widths]

        def fill(at: int) -> None:
            part = slice(at, at + self.batch)
            for whole, some in zip(sketches, _sketches(rows[part], self.basis, self.widths), strict=True):
                whole[part] = some

        if sketches:
            list(pool.map(fill, range(0, len(rows), self.batch)))
        return _Band(offset + start, offset + start + len(rows), [*sketches, rows])

    def strip(self, a: _Band, b: _Band, start: int) -> Pairs:
        """Return the pairs of the rows of one tile in `a` with the rows after them in `b`."""
        products = np.empty(self.rows * self.columns, np.float32)
        passed = np.empty(products.shape, np.bool_)
        found = []
        crowded = False
        for left in range(max(start, b.start), b.stop, self.columns):
            columns = slice(left - b.start, left - b.start + self.columns)
            rows = slice(start - a.start, min(start + self.rows, left + self.columns) - a.start)
            x, y = a.levels[0][rows], b.levels[0][columns]
            size = len(x) * len(y)
            if not crowded:
                np.matmul(x, y.T, out=products[:size].reshape(len(x), len(y)))
                at = _where(np.greater_equal(products[:size], self.cuts[0], out=passed[:size]))
            if crowded or len(at) > _DENSE * size:
                found.append(
                    self.limit.take(self.dense(start, a.levels[-1][rows], left, b.levels[-1][columns]))
                )
                crowded = len(found[-1]) > _DENSE * size  # then the next tile is likely to be
            elif len(at):
                i, j = np.divmod(at, len(y))
                found.append(self.limit.take(self.sparse(a, start + i, b, left + j)))
        return Pairs.merged(found)

    def sparse(self, a: _Band, i: Integers, b: _Band, j: Integers) -> Pairs:
        """Return the survivors of a tile that are pairs; each is computed alone."""
        keep = i < j
        if len(self.widths) > 1:
            i, j = i[keep], j[keep]
            x, y = a.levels[1].take(i - a.start, axis=0), b.levels[1].take(j - b.start, axis=0)
            bound = np.einsum("ij,ij->i", x, y)
            keep = bound >= self.cuts[1]
        i, j = i[keep], j[keep]
        similarity = cosines(a.levels[-1], i - a.start, b.levels[-1], j - b.start, self.share)
        return Pairs(i, j, similarity)[similarity >= self.threshold]

    def dense(self, start: int, x: Floats, left: int, y: Floats) -> Pairs:
        """Return the pairs of a tile by one product.

        The last bits of matrix products vary, so a pair too close to the threshold is computed alone.
        """
        product = np.ravel(x.astype(np.float64) @ y.astype(np.float64).T)
        at = np.flatnonzero(product >= self.threshold - _EXCESS)
        similarity = product[at]
        i, j = np.divmod(at, len(y))
        close = similarity < self.threshold + _EXCESS
        similarity[close] = cosines(x, i[close], y, j[close], self.share)
        i, j = start + i, left + j
        return Pairs(i, j, similarity)[(similarity >= self.threshold) & (i < j)]


def _sketching(left: Floats, right: Floats, threshold: float, sample: int) -> tuple[Doubles, list[int]]:
    """Return the basis, float64 [d, k], and the widths of the cheapest sketches; no widths if none pay off."""
    (n, d), m = left.shape, len(right)
    first = [k for k in _WIDTHS if 4 * k <= d]
    count = min(sample, max(_SMALL, (n + m) // 16))
    if first and n * m >= _SMALL**2 and count >= 8 * first[-1]:
        rng = np.random.default_rng(0)
        if left is right:
            x, y = np.split(left[rng.choice(n, count, replace=False)], [count // 2])
        else:
            x, y = (
                side[rng.choice(len(side), min(len(side), count // 2), replace=False)]
                for side in (left, right)
            )
        trial = min(1024, count // 4)  # a basis fits the rows that it is made from better than other rows
        basis = _basis(np.concatenate([x[trial:], y[trial:]]), 2 * first[-1])
        widths = sorted({*first, *(2 * k for k in first)})
        sides = (_sketches(side[:trial], basis, widths) for side in (x, y))
        left_over = {
            k: np.mean(x @ y.T >= lowered(threshold, k + 1)) for k, x, y in zip(widths, *sides, strict=True)
        }
        making = 4 * d * (1 / n + 1 / m)  # of a direction: its share of a float64 product, for each pair
        cost = {k: k + making * k + left_over[k] * _SECOND + left_over[2 * k] * _EXACT for k in first}
        best = min(first, key=cost.__getitem__)
        if cost[best] < d + left_over[widths[-1]] * _EXACT:
            return basis[:, : 2 * best], [best, 2 * best]
    return np.empty((d, 0)), []


def sketches_for(vectors: Floats, threshold: float, memory: int) -> Floats | None:
    """Return sketches of all rows, float32 [n, k]: their products are upper bounds of the cosines.

    None means that they would not pay off, or take more than `memory` bytes.
    """
    part = max(1, memory // (2 * _NUMBER * max(1, vectors.shape[1])))
    basis, widths = _sketching(vectors, vectors, threshold, min(_SAMPLE, part))
    if not widths or 8 * len(vectors) * (widths[0] + 1) > memory:
        return None
    made = np.empty((len(vectors), widths[0] + 1), np.float32)
    for at in range(0, len(vectors), part):
        (made[at : at + part],) = _sketches(vectors[at : at + part], basis[:, : widths[0]], widths[:1])
    return made


def _basis(rows: Floats, width: int) -> Doubles:
    """Return orthonormal columns, float64 [d, width], near the principal directions of `rows`, strongest first."""
    basis = rows[:width].T
    for _ in range(2):
        q = np.linalg.qr((rows.T @ (rows @ basis)).astype(np.float64))[0]
        basis = q.astype(np.float32)
    projected = (rows @ basis).astype(np.float64)
    _, turn = np.linalg.eigh(projected.T @ projected)
    turned: Doubles = q @ turn[:, ::-1]
    return turned


def _sketches(rows: Floats, basis: Doubles, widths: Sequence[int]) -> list[Floats]:
    """Return the sketch of every row for every width, float32 [n, width + 1]."""
    exact = rows.astype(np.float64)
    projected = exact @ basis
    rest = np.einsum("ij,ij->i", exact, exact)[:, None] - np.cumsum(projected**2, axis=1)
    rest = np.sqrt(np.maximum(rest, 0) + _EXCESS)
    return [np.column_stack((projected[:, :k], rest[:, k - 1])).astype(np.float32) for k in widths]


def lowered(threshold: float, terms: int) -> np.float32:
    """Return the value that a float32 dot product of `terms` terms reaches if the true one reaches the threshold.

    Rounding the factors to float32 counts as three more terms, and the vectors may be slightly longer than 1.
    """
    error = (terms + 3) * 2.0**-24
    slack = error / (1 - error) * (1 + 4 * _UNIT) + _EXCESS
    cut: np.float32 = np.nextafter(np.float32(threshold - slack), np.float32(-2))
    return cut


def _where(mask: NDArray[np.bool_]) -> Integers:
    """Return `np.flatnonzero(mask)`, faster for masks with few True: eight elements are tested at once."""
    body = len(mask) & -8
    words = np.flatnonzero(mask[:body].view(np.uint64) != 0)
    inner = np.flatnonzero(mask[:body].reshape(-1, 8)[words])
    return np.concatenate([words[inner // 8] * 8 + inner % 8, body + np.flatnonzero(mask[body:])])
