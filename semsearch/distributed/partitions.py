"""Split vectors into partitions, and find every pair above a threshold by visiting pairs of partitions.

A pair of partitions is left out if no vector of one can reach the threshold with a vector of the other. Take centres
a and b, and the direction u from b to a. A projection shortens distances, so for x in A and y in B

    |x - y|  >=  u.x - u.y  >=  gap,    gap = (min over A of x.(a - b)  +  min over B of y.(b - a)) / |a - b|,

and x.y = (|x|^2 + |y|^2 - |x - y|^2) / 2 is at most (|x|^2 + |y|^2 - gap^2) / 2 if the gap is positive. Angles give a
second bound: the angle of x and y is at least the angle of the centres, less the radii, which are the angles from each
centre to its farthest vector. Both hold for any vectors, centres and partitions; k-means makes them sharp.

The same projection tells which vectors of two partitions can be in a pair of theirs, so a visit compares only these, by
the join of one machine (`semsearch.dedup.join`). More than the rounding error of each projection is added, so the pairs
are those of one join of everything.
"""

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.join import Doubles, Floats, Integers, Pairs, between, join
from semsearch.dedup.sketch import Sketched, lowered
from semsearch.requests import DEFAULT_MEMORY

CONFIDENCE = 0.95
"""The probability with which a visit of some pairs of partitions has the recall that was asked for."""
_EXCESS = 1e-9
_TURN = 1e-7
"""More than the rounding error of an arc cosine, in radians."""
_CLOSE = 1e-3
"""Centres that are closer than this give no direction: dividing by their distance would add to the rounding error."""
_LEAST, _GROWTH = 8192, 32
"""Vectors in a partition: at least so many, and so many times the root of all vectors: decision 160."""
_SAMPLE = 64
"""Vectors a partition that k-means is computed from."""
_BLOCK = 2**14


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Rows of a matrix: their numbers (int64 [m], rising), the rows (float32 [m, d]), and a centre (float64 [d]).

    The square of a row's length is `longest` at most. `sketched` has the sketches of the rows, where these were made.
    """

    rows: Integers
    vectors: Floats
    centre: Doubles
    longest: float
    sketched: Sketched | None = None

    def margins(self, centres: Doubles) -> Doubles:
        """Return the least x.(own centre - other) over all vectors x, for each of some centres, float64 [k]."""
        least = np.full(len(centres), np.inf)
        for at in range(0, len(self.vectors), _BLOCK):
            exact = self.vectors[at : at + _BLOCK].astype(np.float64)
            products = exact @ centres.T
            np.minimum(least, ((exact @ self.centre)[:, None] - products).min(axis=0), out=least)
        return least

    def only(self, rows: Integers) -> "Partition":
        """Return the partition with only those of its rows that are among some rows of the matrix."""
        kept = np.isin(self.rows, rows)
        return Partition(self.rows[kept], self.vectors[kept], self.centre, self.longest)

    @property
    def radius(self) -> float:
        """The largest angle of a vector and the centre, in radians; pi where the centre has no direction."""
        length = float(np.linalg.norm(self.centre))
        if length < _CLOSE or not len(self.vectors):
            return float(np.pi)
        exact = self.vectors.astype(np.float64)
        cosines = exact @ self.centre / (length * np.linalg.norm(exact, axis=1))
        return float(np.arccos(np.clip(cosines.min(), -1, 1)))


def labelled(vectors: Floats, size: int = 0) -> tuple[Integers, Doubles]:
    """Return a partition number for each row (int64 [n]), and the centres (float64 [k, d]), by k-means on a sample.

    Partitions have about `size` rows, by default more of them for more rows, and never more than twice as many.
    """
    from scipy.cluster.vq import kmeans2

    size = size or max(_LEAST, int(_GROWTH * len(vectors) ** 0.5))
    count = -(-len(vectors) // size)
    if count < 2:
        return np.zeros(len(vectors), np.int64), np.zeros((min(1, len(vectors)), vectors.shape[1]))
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(len(vectors), min(len(vectors), _SAMPLE * count), replace=False))
    sample = vectors[rows].astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty partition, which is left out below
        centres, _ = kmeans2(sample, rng.choice(sample, count, replace=False), iter=10, minit="matrix")
    # Of centres that point apart, the nearest has the largest product with a unit vector, less half of its square.
    turned, half = centres.astype(np.float32).T, (np.square(centres).sum(axis=1) / 2).astype(np.float32)
    label = np.concatenate(
        [(vectors[at : at + _BLOCK] @ turned - half).argmax(axis=1) for at in range(0, len(vectors), _BLOCK)]
    )
    found: list[Integers] = []
    owner: list[int] = []
    for number in range(count):
        members = np.flatnonzero(label == number)
        parts = np.array_split(members, max(1, -(-len(members) // (2 * size)))) if len(members) else []
        found += parts
        owner += [number] * len(parts)
    for number, members in enumerate(found):
        label[members] = number
    return label, centres[owner]


def partitions(vectors: Floats, label: Integers, centres: Doubles) -> list[Partition]:
    """Return the partitions of some vectors by the number of each row's partition, from 0."""
    order = np.argsort(label, kind="stable")
    edges = np.searchsorted(label[order], np.arange(len(centres) + 1))
    members = [order[start:stop] for start, stop in pairwise(edges)]
    parts = ((rows, vectors[rows], centre) for rows, centre in zip(members, centres, strict=True))
    return [Partition(rows, some, centre, _longest(some)) for rows, some, centre in parts]


def _longest(vectors: Floats) -> float:
    """Return the largest square of a vector's length."""
    blocks = (vectors[at : at + _BLOCK].astype(np.float64) for at in range(0, len(vectors), _BLOCK))
    return max((float(np.einsum("ij,ij->i", some, some).max()) for some in blocks), default=0.0)


def bounds(centres: Doubles, margins: Doubles, longest: Doubles, radii: Doubles) -> Doubles:
    """Return what no cosine of vectors of two partitions exceeds, float64 [k, k].

    The arguments have the `margins` (as rows), `longest` and `radius` of each partition. Within one partition the bound
    is infinite.
    """
    apart = np.linalg.norm(centres[:, None] - centres, axis=2)
    gap = np.where(apart >= _CLOSE, np.maximum((margins + margins.T) / np.maximum(apart, _CLOSE), 0), 0)
    by_distance = (longest[:, None] + longest - gap**2) / 2
    lengths = np.linalg.norm(centres, axis=1)
    unit = centres / np.maximum(lengths, _CLOSE)[:, None]
    angle = np.arccos(np.clip(unit @ unit.T, -1, 1)) - radii[:, None] - radii
    angle -= _TURN
    by_angle = np.sqrt(longest[:, None] * longest) * np.maximum(np.cos(np.maximum(angle, 0)), 0)
    bound: Doubles = np.minimum(by_distance, by_angle) + _EXCESS
    np.fill_diagonal(bound, np.inf)
    return bound


def visits(bound: Doubles, threshold: float) -> NDArray[np.int64]:
    """Return the pairs of partitions that may have a pair at the threshold, by falling bound, int64 [v, 2]."""
    i, j = np.triu_indices(len(bound))
    value = bound[i, j]
    order = np.argsort(-value, kind="stable")
    order = order[value[order] >= threshold]
    return np.stack([i[order], j[order]], axis=1)


def visit(
    a: Partition, b: Partition, threshold: float, *, memory: int = DEFAULT_MEMORY, limit: int | None = None
) -> tuple[Pairs, int]:
    """Return every pair of a row of `a` and a row of `b`, or within one partition, and how many were compared.

    `Pairs.left` and `Pairs.right` are numbers of rows in the whole matrix, the lower one on the left. The other
    arguments, and the errors, are those of `join`.
    """
    if np.array_equal(a.rows, b.rows):
        found = join(a.vectors, threshold, memory=memory, limit=limit, sketched=a.sketched)
        compared = len(a.rows) * (len(a.rows) - 1) // 2
        return Pairs.merged([Pairs(a.rows[found.left], a.rows[found.right], found.similarity)]), compared
    x, y = possible(a, b, threshold)
    sketched = (a.sketched.only(x), b.sketched.only(y)) if a.sketched and b.sketched else None
    left, right = (
        part.vectors if len(some) == len(part.rows) else part.vectors[some] for part, some in ((a, x), (b, y))
    )
    found = between(left, right, threshold, memory=memory, limit=limit, sketched=sketched)
    i, j = a.rows[x[found.left]], b.rows[y[found.right]]
    return Pairs.merged([Pairs(np.minimum(i, j), np.maximum(i, j), found.similarity)]), len(x) * len(y)


def possible(a: Partition, b: Partition, threshold: float) -> tuple[Integers, Integers]:
    """Return the positions in two partitions of the vectors that may be in a pair of the two."""
    direction = a.centre - b.centre
    apart = float(np.linalg.norm(direction))
    if apart < _CLOSE or not len(a.rows) or not len(b.rows):
        return np.arange(len(a.rows)), np.arange(len(b.rows))
    # The products are along the direction from b to a, less those from a to b: their sum over the distance is the gap.
    # In float32 each may be off by as much as `lowered` says, times the lengths of its factors.
    rounded = direction.astype(np.float32)
    x, y = (a.vectors @ rounded).astype(np.float64), (b.vectors @ -rounded).astype(np.float64)
    off = -float(lowered(0, len(direction))) * (a.longest**0.5 + b.longest**0.5)
    most = apart * (np.sqrt(max(a.longest + b.longest - 2 * (threshold - _EXCESS), 0)) + off)
    return np.flatnonzero(x + y.min() <= most), np.flatnonzero(y + x.min() <= most)


def visits_needed(places: Integers, recall: float, total: int) -> int:
    """Return how many of `total` visits, in their order, find all pairs of a share `recall` of the rows with pairs.

    It holds with a probability of `CONFIDENCE`. `places` (int64) has, for each of some rows drawn at random out of
    those with pairs, the number of visits after which all of its pairs are found. Everything is visited where the
    sample is too small to tell.

    Why it holds: let v be the largest number of visits that is too small, so that a share below `recall` is complete.
    The result is v or less only if more rows of the sample are complete after v visits than a binomial variable of
    `recall` exceeds with a probability of 1 - `CONFIDENCE`. The rows are independent, so that is its probability at
    most, and v is one fixed number: choosing among many numbers of visits costs nothing.
    """
    from scipy.stats import binom

    needed = int(binom.isf(1 - CONFIDENCE, len(places), recall)) + 1
    return int(np.sort(places)[needed - 1]) if needed <= len(places) else total
