"""Compare several queries with all vectors at once: vectors are read from memory once for all of them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Vectors
from semsearch.storage.library import VectorTable

_TOGETHER = 16
"""The most queries that are compared at once."""
_Floats = NDArray[np.float32]


class ProductsWith(Protocol):
    """Computes the products of all vectors of a table with the one of a query, or with `bounds` their bounds."""

    def __call__(self, table: VectorTable, *, bounds: bool = False) -> _Floats:
        """Return the products, or what they cannot exceed, one a row of the table."""


class ProductBatch:
    """The products of all vectors of an index with those of several queries, computed for some queries at once."""

    def __init__(self, vectors: Sequence[Vectors | None]) -> None:
        self._vectors = {number: vector for number, vector in enumerate(vectors) if vector is not None}
        self._table: VectorTable | None = None
        self._found: dict[bool, dict[int, _Floats]] = {}

    def of(self, number: int, table: VectorTable, *, bounds: bool = False) -> _Floats:
        """Return the products with the vector of one query. They are asked for in the order of the queries."""
        if table is not self._table:
            self._table, self._found = table, {}
        if number not in self._found.get(bounds, ()):
            numbers = [at for at in self._vectors if at >= number][:_TOGETHER]
            compute = table.bounds if bounds else table.products
            found = compute(np.stack([self._vectors[at] for at in numbers]))
            self._found[bounds] = dict(zip(numbers, found, strict=True))
        return self._found[bounds][number]
