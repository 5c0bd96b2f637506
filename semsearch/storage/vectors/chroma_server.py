"""The vector engine Chroma on a server (`chroma run`), by version 2 of its REST interface.

The server knows no users, and embeds nothing: vectors are sent with each request.
"""

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamaged
from semsearch.storage.vectors.chroma import COLUMNS, CONFIGURATION
from semsearch.storage.vectors.engine import Metadata, Stored, check_query, check_rows
from semsearch.storage.vectors.server import Connection, T

_BASE = "/api/v2/tenants/default_tenant/databases/default_database/collections"
_PAGE = 1_000
"""Rows in a request. Chroma takes at most 5,461."""


class ChromaServer:
    """The `ServerEngine` over a collection on a Chroma server."""

    def __init__(self, url: str, collection: str) -> None:
        self._connection = Connection(url, "a Chroma server", "NotFoundError")
        self._name = collection
        self._path = ""
        """The path of the collection, by the id that the server gave it."""

    def create(self) -> None:
        """Make an empty collection in place of any of this name."""
        self.drop()
        body = {"name": self._name, "configuration": CONFIGURATION}
        self._connection.ask("POST", _BASE, body)

    def drop(self, *, quick: bool = False) -> None:
        """Remove the collection, if there is one."""
        self._path = ""
        with suppress(IndexDamaged):
            self._connection.ask("DELETE", f"{_BASE}/{self._name}", quick=quick)

    def close(self) -> None:
        """Refuse further requests. A second call does nothing."""
        self._connection.close()

    def count(self) -> int:
        """Return the number of vectors."""
        return self._ask("GET", "count", read=int)

    def upsert(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        metadata: Sequence[Metadata],
    ) -> None:
        """Add or replace vectors [n, dimension] with their texts and metadata."""
        check_rows(ids, vectors, texts, metadata)
        for start in range(0, len(ids), _PAGE):
            page = slice(start, start + _PAGE)
            body = {
                "ids": list(ids[page]),
                "embeddings": vectors[page].tolist(),
                "documents": list(texts[page]),
                "metadatas": [dict(row) for row in metadata[page]],
            }
            self._ask("POST", "upsert", body)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors. Ids that do not exist are ignored."""
        for start in range(0, len(ids), _PAGE):
            self._ask("POST", "delete", {"ids": list(ids[start : start + _PAGE])})

    def nearest(self, queries: NDArray[np.float32], k: int) -> list[list[str]]:
        """Return for each query [q, dimension] the ids of about the `k` nearest vectors, nearest first."""
        check_query(queries, k)
        body = {"query_embeddings": queries.tolist(), "n_results": k, "include": []}
        return self._ask("POST", "query", body, _rows, quick=True)

    def vectors(self, ids: Sequence[str]) -> Stored:
        """Return what is stored under those of the ids that exist, in the order of `ids`."""
        rows: dict[str, tuple[Any, ...]] = {}
        for start in range(0, len(ids), _PAGE):
            rows |= self._ask(
                "POST", "get", {"ids": list(ids[start : start + _PAGE]), "include": COLUMNS}, _stored
            )
        return Stored.of(ids, rows)

    def _ask(
        self,
        method: str,
        action: str,
        body: dict[str, Any] | None = None,
        read: Callable[[Any], T] = lambda answer: answer,
        *,
        quick: bool = False,
    ) -> T:
        known = bool(self._path)
        if not known:
            at = self._connection.ask("GET", f"{_BASE}/{self._name}", None, _id, quick=quick)
            self._path = f"{_BASE}/{at}"
        try:
            return self._connection.ask(method, f"{self._path}/{action}", body, read, quick=quick)
        except IndexDamaged:
            self._path = ""
            if not known:
                raise
            return self._ask(method, action, body, read, quick=quick)  # it may have been made again


def _id(answer: Any) -> uuid.UUID:
    return uuid.UUID(answer["id"])


def _rows(answer: Any) -> list[list[str]]:
    return [list(map(str, row)) for row in answer["ids"]]


def _stored(answer: Any) -> dict[str, tuple[Any, ...]]:
    return {id_: tuple(row) for id_, *row in zip(answer["ids"], *map(answer.get, COLUMNS), strict=True)}
