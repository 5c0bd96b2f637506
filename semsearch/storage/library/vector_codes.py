"""Bound the cosines of many vectors from codes of eight bits: a quarter of the memory, and a third of the time.

A vector x is kept as whole numbers k from -127 to 127 and a scale s, with the norms of the rest x - sk and of sk. By
the Cauchy-Schwarz inequality these say how far the product of codes may be from the product of vectors, so no vector
whose bound is too low can be among the best. docs/decisions/0163-codes-bound-each-cosine.md has the derivation.

A file of codes has blocks of `ROWS` vectors. In a block are the codes, one row for each number of a vector and one
column for each vector, as `MatMulInteger` reads them fastest, and then `_KEPT` rows of four-byte numbers. The last
block is filled with zeros.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from semsearch import threads

ROWS = 8_192
"""Vectors of a block: 3 MB, which stay in the cache while bounds are computed from them."""
_HIGHEST, _STEPS, _ZERO = 127, 63, 64
"""The highest code of a vector and of a query, and what is added to a query's: `byte_products` takes none below 0."""
_KEPT = 5
"""Numbers that are kept with the codes of a vector: scale and two norms (float32), sum of the codes, checksum."""
_UNIT = 2.0**-24
"""The largest relative error of a rounding to float32."""
_LARGEST, _LEAST = 1e6, 1e-20
"""The norms that are possible; those of vectors that are stored are near 1, but a stranger's may be any number."""
_FACTORS = np.array([2_654_435_761, 2_246_822_519, 3_266_489_917, 668_265_263, 374_761_393], np.uint32)
"""The factors of a checksum. They are odd, so it sees each change of a single part (the primes of xxHash)."""

Floats = NDArray[np.float32]


class Codes:
    """The mapped codes of the first rows of a vector file, whose `numbers` they must have.

    Each vector has a checksum, for which one more product is computed when the codes are first used. A vector with
    another checksum, or with impossible norms, has no bound: it is always compared exactly. So codes that are damaged,
    moved or never written cost time and hide nothing.
    """

    def __init__(self, blocks: NDArray[np.int8], numbers: NDArray[np.int64]) -> None:
        self._blocks = blocks
        self._numbers = numbers

    def bounds(self, vectors: Floats, found: Floats) -> None:
        """Set `found`, float32 [m, rows], to what the float32 product of each vector with each row cannot exceed."""
        asked = [_Query(vector) for vector in vectors]

        def bound(rows: slice, codes: NDArray[np.int8], kept: NDArray[np.int32]) -> None:
            for query, own in zip(asked, found, strict=True):
                query.bound(codes, kept, own[rows])

        self._each(bound)
        if self.unsound.any():
            found[:, self.unsound] = np.inf

    @cached_property
    def unsound(self) -> NDArray[np.bool_]:
        """True for each vector with another checksum than its own, or with norms that are impossible."""
        unsound = np.empty(len(self._numbers), np.bool_)

        def compare(rows: slice, codes: NDArray[np.int8], kept: NDArray[np.int32]) -> None:
            numbers = self._numbers[rows]
            own, norms = kept[:, : len(numbers)], kept[:3, : len(numbers)].view(np.float32)
            sums = _checksums(_products(_weights(len(codes)), codes)[: len(numbers)], own, numbers)
            possible = np.all((norms >= 0) & (norms < _LARGEST), axis=0) & (norms[2] > 0)
            unsound[rows] = (sums != own[4]) | ~possible

        self._each(compare)
        return unsound

    def _each(self, work: Callable[[slice, NDArray[np.int8], NDArray[np.int32]], None]) -> None:
        """Do some work on each block, given its rows and what `_parts` returns."""

        def some(blocks: range) -> None:
            for at in blocks:
                work(slice(at * ROWS, (at + 1) * ROWS), *_parts(self._blocks[at]))

        count = min(threads.cpus(), len(self._blocks))
        if count > 1:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(some, [range(at, len(self._blocks), count) for at in range(count)]))
        else:
            some(range(len(self._blocks)))

    def wrong(self, rows: NDArray[np.int64], vectors: Floats) -> NDArray[np.bool_]:
        """Return which of some rows, sorted, have codes that do not bound the products of these vectors."""
        found = self.unsound[rows]
        for at in np.unique(rows // ROWS):
            some = np.flatnonzero(rows // ROWS == at)
            codes, kept = (part[:, rows[some] % ROWS] for part in _parts(self._blocks[at]))
            scale, rest, norm = kept[:3].view(np.float32)
            with np.errstate(all="ignore"):  # of unsound ones
                near = codes.T * scale.astype(np.float64)[:, None]
                found[some] |= ~(np.linalg.norm(vectors[some] - near, axis=1) <= rest)
                found[some] |= ~(np.linalg.norm(near, axis=1) <= norm)
            found[some] |= codes.sum(axis=0, dtype=np.int32) != kept[3]
        return found


class CodeWriter:
    """Writes codes to a file from a row on. Those of the rows before it, in the same block, stay as they are."""

    def __init__(self, file: BinaryIO, row: int, dimension: int) -> None:
        self._file = file
        self._at, self._used = divmod(row, ROWS)
        self._block = np.zeros(block_bytes(dimension), np.int8)
        file.seek(self._at * len(self._block))
        if self._used:
            before = np.frombuffer(file.read(len(self._block)), np.int8)
            if len(before) != len(self._block):
                raise OSError(f"{file.name} is too short")
            self._block[:] = before

    def add(self, numbers: NDArray[np.int64], vectors: Floats) -> None:
        """Write the codes of vectors, but those of a block that is not full: see `flush`. Raises `OSError`."""
        codes, kept = encode(numbers, vectors)
        own_codes, own_kept = _parts(self._block)
        done = 0
        while done < len(vectors):
            count = min(ROWS - self._used, len(vectors) - done)
            place = slice(self._used, self._used + count)
            own_codes[:, place] = codes[done : done + count].T
            own_kept[:, place] = kept[:, done : done + count]
            done, self._used = done + count, self._used + count
            if self._used == ROWS:
                self.flush()
                self._at, self._used = self._at + 1, 0
                self._block[:] = 0

    def flush(self) -> None:
        """Write the last block, filled with zeros. Raises `OSError`."""
        if self._used:
            self._file.seek(self._at * len(self._block))
            self._file.write(self._block.data)


class _Query:
    """A query in codes from 1 to 127, of which 64 stands for zero, and what its bounds are made of."""

    def __init__(self, vector: Floats) -> None:
        exact = vector.astype(np.float64)
        step = float(np.abs(exact).max(initial=0)) / _STEPS
        codes = np.rint(exact / step) if step > 0 else np.zeros_like(exact)
        norm, rest = (float(np.linalg.norm(each)) for each in (exact, exact - step * codes))
        self._codes = (codes + _ZERO).astype(np.uint8)
        self._step = np.float32(step)
        # The errors of the float32 product that is bounded, and of the bound itself.
        computed, rounded = 1.01 * len(vector) * _UNIT, 16 * _UNIT
        self._of_rest = np.float32(norm * (1 + computed) * (1 + rounded))
        self._of_norm = np.float32((rest + norm * computed + (norm + rest) * rounded) * (1 + rounded))

    def bound(self, codes: NDArray[np.int8], kept: NDArray[np.int32], found: Floats) -> None:
        """Set `found` to the bounds for the first vectors of a block."""
        scale, rest, norm = kept[:3, : len(found)].view(np.float32)
        products = _products(self._codes, codes)[: len(found)]
        products -= kept[3, : len(found)] * np.int32(_ZERO)
        with np.errstate(all="ignore"):  # what is not a number here gets no bound
            found[:] = products
            found *= scale
            found *= self._step
            found += rest * self._of_rest + norm * self._of_norm


def encode(numbers: NDArray[np.int64], vectors: Floats) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Return the codes [n, dimension] of vectors, and what is kept with them [_KEPT, n]."""
    kept = np.empty((_KEPT, len(vectors)), np.int32)
    scale, rest, norm = kept[:3].view(np.float32)
    with np.errstate(all="ignore"):  # of vectors that are zero or not numbers
        exact = vectors.astype(np.float64)
        scale[:] = np.abs(exact).max(axis=1, initial=0) / _HIGHEST
        steps = scale.astype(np.float64)[:, None]
        codes = np.nan_to_num(np.clip(np.rint(exact / steps), -_HIGHEST, _HIGHEST)).astype(np.int8)
        near = codes * steps
        for part, to in ((exact - near, rest), (near, norm)):
            to[:] = np.linalg.norm(part, axis=1) * (1 + 4 * _UNIT)
    norm[:] = np.maximum(norm, np.float32(_LEAST))
    kept[3] = codes.sum(axis=1, dtype=np.int32)
    kept[4] = _checksums(codes @ _weights(codes.shape[1]).astype(np.int32), kept, numbers)
    return codes, kept


def block_bytes(dimension: int) -> int:
    """Return the size of a block in bytes."""
    return ROWS * (dimension + 4 * _KEPT)


def _parts(block: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Return the codes of a block, [dimension, ROWS], and what is kept with them, [_KEPT, ROWS]."""
    end = len(block) - 4 * _KEPT * ROWS
    return block[:end].reshape(-1, ROWS), block[end:].view(np.int32).reshape(_KEPT, ROWS)


def _weights(dimension: int) -> NDArray[np.uint8]:
    """Return what the codes of a vector are multiplied with for its checksum."""
    return (np.arange(dimension) * 37 % _HIGHEST + 1).astype(np.uint8)


def _checksums(
    products: NDArray[np.int32], kept: NDArray[np.int32], numbers: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Return the checksums of vectors from the products of their codes with the `_weights`."""
    sums = products.view(np.uint32)
    for factor, part in zip(_FACTORS, (*kept[:4], numbers.astype(np.int32)), strict=True):
        sums = sums + factor * part.view(np.uint32)
    return sums.view(np.int32)


def _products(one: NDArray[np.uint8], many: NDArray[np.int8]) -> NDArray[np.int32]:
    from semsearch.embedding.byte_products import byte_products  # other commands need no ONNX Runtime

    found: NDArray[np.int32] = byte_products(one[None], many)[0]
    return found
