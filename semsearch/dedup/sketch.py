"""Sketches: short rows that bound the cosines of long ones from above, so most pairs need no full product.

For any matrix Q with k orthonormal columns, let p = Q'x, and let c be *codes* for p: multiples of a step, kept as
bytes. With the errors e = p - c and what is left over, z = x - Qc, which has Q'z = e and |z|^2 = |x|^2 - |p|^2 + |e|^2,

    x.y  =  c_x.c_y + c_x.e_y + e_x.c_y + z_x.z_y  <=  c_x.c_y + |c_x| |e_y| + |e_x| |c_y| + |z_x| |z_y|

by the Cauchy-Schwarz inequality. The first term is a product of bytes, which is exact and four times as fast as one of
float32. The others are numbers of each row. With the leading principal directions of a sample as Q, 64 of 384 rule out
all but one pair of sentences in a thousand. Rows are sorted by |z|, so those of a tile have nearly the same one, and
all products of a tile are compared with one number. The *long* sketch, float32 (p, r) of 2k directions with
r = sqrt(|x|^2 - |p|^2), bounds by p_x.p_y + r_x r_y: this is the case of c = p. Any Q, any step and any codes are
exact, good ones are fast.

Rounding never drops a pair. What is added up in float64, with a Q whose columns are orthonormal to 1e-12, is off by
less than `EXCESS`. A float32 dot product of k terms, summed in any order, fused or not, is off by at most
gamma_k |x||y| with gamma_k = k u / (1 - k u), u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 2nd
ed., section 3.1); every float32 comparison is made with the threshold lowered by that much.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

EXCESS = 1e-9
"""An upper limit of float64 rounding errors here: of directions, norms and products."""
UNIT = 1e-3
"""The most that the length of a row may differ from 1."""
NUMBER = 64
"""Peak bytes for a number of the rows that are sketched."""
_WIDTHS = (256, 192, 128, 96, 64, 48, 32, 24, 16)
"""Directions that the codes may keep; the long sketch keeps twice as many. A sample shows which is cheapest."""
_SAMPLE, _FEW, _TRIAL = 8192, 4096, 512
"""Rows of a sample, at most and where there are few, and those of it that sketches are tried on."""
_SMALL = 8192
"""With fewer rows on each side, a trial of sketches is not worth its time."""
_BYTE, _LONG, _EXACT = 1 / 4, 8_000, 25_000
"""The measured cost of a byte of codes, and of a pair in the next two steps, in columns of a float32 product."""
_MOST = 90
"""The largest code: so many times twice as many fit `byte_products`, which takes no negative ones on the left."""


@dataclass(frozen=True, slots=True, eq=False)
class Sketched:
    """Sketches of n rows: codes and what bounds them in the order of |z|, and the long ones in the order of the rows.

    `order` has the row at each place, `codes` (int8 [k, n]) its numbers c / `step`, and `bounds` (float64 [3, n]) its
    |c|, |e| and |z|. `long` is float32 [n, 2k + 1].
    """

    order: Integers
    codes: NDArray[np.int8]
    bounds: Doubles
    long: Floats
    step: float

    def only(self, rows: Integers) -> "Sketched":
        """Return the sketches of some rows, with new numbers; `rows` rises."""
        if len(rows) == len(self.order):
            return self
        number = np.full(len(self.order), -1)
        number[rows] = np.arange(len(rows))
        kept = number[self.order] >= 0
        order = number[self.order[kept]]
        return Sketched(order, self.codes[:, kept], self.bounds[:, kept], self.long[rows], self.step)

    def tile(self, places: slice) -> "Tile":
        """Return the rows at some places as the first factor of products."""
        codes = np.ascontiguousarray(self.codes[:, places].T)
        return Tile((codes + np.int16(_MOST)).astype(np.uint8), self.bounds[:, places].max(axis=1))

    def may_reach(self, threshold: float, tile: "Tile", places: slice) -> NDArray[np.bool_]:
        """Return which pairs of a row of a tile, and one at some places here, may have a cosine of `threshold`."""
        from semsearch.embedding.byte_products import byte_products  # few rows need no ONNX Runtime

        products = byte_products(tile.codes, self.codes[:, places], _MOST)
        code, error, rest = self.bounds[:, places].max(axis=1)
        least = threshold - EXCESS - float(tile.bounds @ (error, code, rest))
        cut = np.clip(np.ceil(least / self.step**2), -(2**30), 2**30)
        passed: NDArray[np.bool_] = products >= np.int32(cut)
        return passed


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """Codes of m rows, 90 added (uint8 [m, k]), and the largest of each of their `bounds` (float64 [3])."""

    codes: NDArray[np.uint8]
    bounds: Doubles

    def first(self, count: int) -> "Tile":
        """Return the first rows."""
        return Tile(self.codes[:count], self.bounds)


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """Makes sketches by orthonormal directions (float64 [d, 2k]), with a step of codes for the first k."""

    directions: Doubles
    step: float

    @property
    def width(self) -> int:
        """The number k of directions that the codes keep."""
        return len(self.directions.T) // 2

    @property
    def row_bytes(self) -> int:
        """The bytes that the sketches of a row take, while they are sorted."""
        return 2 * self.width + 2 * 8 + 6 * 8 + 4 * (2 * self.width + 1)

    def of(self, vectors: Floats, batch: int = _SAMPLE, each: Callable[..., Iterable[Any]] = map) -> Sketched:
        """Return the sketches of some rows (float32 [n, d]), which `each` makes of a `batch` at a time."""
        n, k = len(vectors), self.width
        codes, bounds = np.empty((k, n), np.int8), np.empty((3, n))
        long = np.empty((n, 2 * k + 1), np.float32)

        def fill(at: int) -> None:
            part = slice(at, at + batch)
            projected, squares = self._projected(vectors[part])
            long[part] = _with_rest(projected, squares)
            short = projected[:, :k]
            near = np.rint(short / self.step).clip(-_MOST, _MOST)
            codes[:, part] = near.T
            near *= self.step
            bounds[0, part] = np.linalg.norm(near, axis=1)
            squares -= np.einsum("ij,ij->i", short, short)
            near -= short
            errors = np.einsum("ij,ij->i", near, near)
            bounds[1, part] = np.sqrt(errors)
            bounds[2, part] = np.sqrt(np.maximum(squares + errors, 0) + EXCESS)

        for _ in each(fill, range(0, n, batch)):
            pass
        order = np.argsort(bounds[2], kind="stable")
        return Sketched(order, codes[:, order], bounds[:, order], long, self.step)

    def floats(self, vectors: Floats) -> Floats:
        """Return float32 [n, k + 1]: the products of these rows are upper bounds of the cosines."""
        projected, squares = self._projected(vectors)
        return _with_rest(projected[:, : self.width], squares)

    def _projected(self, vectors: Floats) -> tuple[Doubles, Doubles]:
        exact = vectors.astype(np.float64)
        return exact @ self.directions, np.einsum("ij,ij->i", exact, exact)


def cheapest(left: Floats, right: Floats, threshold: float, sample: int = _SAMPLE) -> Sketch | None:
    """Return the sketch with the least work for the pairs of two matrices, or of one given twice; None if none pays.

    It looks at a `sample` of rows at most.
    """
    (n, d), m = left.shape, len(right)
    widths = [k for k in _WIDTHS if 2 * k <= d]
    count = min(sample, _SAMPLE, max(_FEW, (n + m) // 16))
    if not widths or n * m < _SMALL**2 or count < 8 * widths[0]:
        return None
    rng = np.random.default_rng(0)
    if left is right:
        x, y = np.array_split(left[rng.choice(n, min(n, count), replace=False)], 2)
    else:
        x, y = (
            side[rng.choice(len(side), min(len(side), count // 2), replace=False)] for side in (left, right)
        )
    trial = min(_TRIAL, count // 4)  # directions fit the rows that they are made from better than other rows
    rows = np.concatenate([x[trial:], y[trial:]])
    directions = _principal(rows, 2 * widths[0])
    making = 4 * d * (1 / n + 1 / m)  # of a direction: its share of a float64 product, for each pair
    best, least = None, np.inf
    for k in widths:
        sketch = _coded(directions[:, : 2 * k], rows, rng)
        a, b = sketch.of(x[:trial]), sketch.of(y[:trial])
        short = float(np.mean(_upper(a, b) >= threshold))
        long = float(np.mean(a.long @ b.long.T >= lowered(threshold, 2 * k + 1)))
        cost = (_BYTE + making) * k + short * _LONG + long * _EXACT
        if best is None:
            plain = d + long * _EXACT
        elif cost > least:
            break  # with fewer directions, more pairs are left
        best, least = sketch, cost
    return best if least < plain else None


def _upper(a: Sketched, b: Sketched) -> Doubles:
    """Return the bounds of all pairs by codes, float64 [n, m]."""
    products = a.codes.T.astype(np.float32) @ b.codes.astype(np.float32)
    code, error, rest = a.bounds
    bound: Doubles = products * a.step**2 + np.stack([error, code, rest], axis=1) @ b.bounds
    return bound


def sketches_for(vectors: Floats, threshold: float, memory: int) -> Floats | None:
    """Return sketches of all rows, float32 [n, k]: their products are upper bounds of the cosines.

    None means that they would not pay off, or take more than `memory` bytes.
    """
    part = max(1, memory // (2 * NUMBER * max(1, vectors.shape[1])))
    sketch = cheapest(vectors, vectors, threshold, part)
    if sketch is None or 8 * len(vectors) * (sketch.width + 1) > memory:
        return None
    return np.concatenate([sketch.floats(vectors[at : at + part]) for at in range(0, len(vectors), part)])


def _coded(directions: Doubles, rows: Floats, rng: np.random.Generator) -> Sketch:
    """Return a sketch by orthonormal directions, with the step that fits some rows.

    The first half is turned at random, since principal directions differ in size and have one step.
    """
    k = directions.shape[1] // 2
    turned = directions[:, :k] @ np.linalg.qr(rng.standard_normal((k, k)))[0]
    largest = float(np.abs(rows @ turned.astype(np.float32)).max(initial=EXCESS))
    return Sketch(np.concatenate([turned, directions[:, k:]], axis=1), largest / _MOST)


def _principal(rows: Floats, width: int) -> Doubles:
    """Return orthonormal columns, float64 [d, width], near the principal directions of `rows`, strongest first."""
    basis = rows[:width].T
    for _ in range(2):
        q = np.linalg.qr((rows.T @ (rows @ basis)).astype(np.float64))[0]
        basis = q.astype(np.float32)
    projected = (rows @ basis).astype(np.float64)
    _, turn = np.linalg.eigh(projected.T @ projected)
    turned: Doubles = q @ turn[:, ::-1]
    return turned


def _with_rest(projected: Doubles, squares: Doubles) -> Floats:
    """Return float32 rows (p, r): see the docstring of the module."""
    rest = np.sqrt(np.maximum(squares - np.einsum("ij,ij->i", projected, projected), 0) + EXCESS)
    return np.column_stack((projected, rest)).astype(np.float32)


def lowered(threshold: float, terms: int) -> np.float32:
    """Return the value that a float32 dot product of `terms` terms reaches if the true one reaches the threshold.

    Rounding the factors to float32 counts as three more terms, and the vectors may be slightly longer than 1.
    """
    error = (terms + 3) * 2.0**-24
    slack = error / (1 - error) * (1 + 4 * UNIT) + EXCESS
    cut: np.float32 = np.nextafter(np.float32(threshold - slack), np.float32(-2))
    return cut
