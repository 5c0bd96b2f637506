"""The vector engine Qdrant on a server, by its REST interface.

A collection is made with the first vectors, since Qdrant wants to know their dimension.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamaged
from semsearch.storage.vectors.engine import Metadata, Stored, check_query, check_rows
from semsearch.storage.vectors.qdrant_edge import EF_SEARCH, point_of
from semsearch.storage.vectors.server import Connection, T

_PAGE = 1_000
"""Rows in a request."""


class QdrantServer:
    """The `ServerEngine` over a collection on a Qdrant server."""

    def __init__(self, url: str, collection: str) -> None:
        self._connection = Connection(
            url, "a Qdrant server from version 1.10 on", "Not found: Collection", "api-key"
        )
        self._path = f"/collections/{collection}"

    def create(self) -> None:
        """Remove the collection: the first `upsert` makes it."""
        self.drop()

    def drop(self, *, quick: bool = False) -> None:
        """Remove the collection, if there is one."""
        with suppress(IndexDamaged):
            self._connection.ask("DELETE", self._path, quick=quick)

    def close(self) -> None:
        """Refuse further requests. A second call does nothing."""
        self._connection.close()

    def count(self) -> int:
        """Return the number of vectors."""
        return self._ask("POST", "/points/count", {"exact": True}, lambda found: int(found["count"]), 0)

    def upsert(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        metadata: Sequence[Metadata],
    ) -> None:
        """Add or replace vectors [n, dimension] with their texts and metadata."""
        check_rows(ids, vectors, texts, metadata)
        if len(ids) and not self._ask("GET", "/exists", None, lambda found: bool(found["exists"]), False):
            params = {"size": vectors.shape[1], "distance": "Dot"}
            self._connection.ask("PUT", self._path, {"vectors": params})
        for start in range(0, len(ids), _PAGE):
            page = slice(start, start + _PAGE)
            rows = zip(ids[page], vectors[page].tolist(), texts[page], metadata[page], strict=True)
            points = [
                {
                    "id": point_of(id_),
                    "vector": vector,
                    "payload": {"id": id_, "text": text, "metadata": dict(traits)},
                }
                for id_, vector, text, traits in rows
            ]
            self._connection.ask("PUT", f"{self._path}/points?wait=true", {"points": points})

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors. Ids that do not exist are ignored."""
        for start in range(0, len(ids), _PAGE):
            points = list(map(point_of, ids[start : start + _PAGE]))
            self._ask("POST", "/points/delete?wait=true", {"points": points}, lambda found: None, None)

    def nearest(self, queries: NDArray[np.float32], k: int) -> list[list[str]]:
        """Return for each query [q, dimension] the ids of about the `k` nearest vectors, nearest first."""
        check_query(queries, k)
        search = {"limit": k, "with_payload": ["id"], "params": {"hnsw_ef": max(EF_SEARCH, k)}}
        body = {"searches": [{"query": query, **search} for query in queries.tolist()]}
        return self._ask("POST", "/points/query/batch", body, _rows, [[] for _ in queries], quick=True)

    def vectors(self, ids: Sequence[str]) -> Stored:
        """Return what is stored under those of the ids that exist, in the order of `ids`."""
        rows: dict[str, tuple[Any, ...]] = {}
        for start in range(0, len(ids), _PAGE):
            points = list(map(point_of, ids[start : start + _PAGE]))
            body = {"ids": points, "with_payload": True, "with_vector": True}
            rows |= self._ask("POST", "/points", body, _stored, dict[str, tuple[Any, ...]]())
        return Stored.of(ids, rows)

    def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        read: Callable[[Any], T],
        empty: T,
        *,
        quick: bool = False,
    ) -> T:
        """Return what `read` finds in the result of a request; `empty` where there is no collection yet."""
        try:
            return self._connection.ask(
                method, self._path + path, body, lambda answer: read(answer["result"]), quick=quick
            )
        except IndexDamaged:
            return empty


def _rows(result: Any) -> list[list[str]]:
    return [[str(point["payload"]["id"]) for point in row["points"]] for row in result]


def _stored(result: Any) -> dict[str, tuple[Any, ...]]:
    rows = ((point["payload"], point["vector"]) for point in result)
    return {payload["id"]: (vector, payload["text"], payload["metadata"]) for payload, vector in rows}
