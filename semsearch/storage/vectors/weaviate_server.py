"""The vector engine Weaviate on a server, by its REST interface and GraphQL, from version 1.21 on.

Each index has a separate class without a vectorizer: the server embeds nothing. Texts are in one field and metadata
are JSON in another; Weaviate indexes neither. Requests follow https://docs.weaviate.io/weaviate/api (2025).
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamaged, SemsearchError
from semsearch.storage.vectors.engine import REPAIR, Metadata, Stored, check_query, check_rows
from semsearch.storage.vectors.qdrant_edge import EF_SEARCH, point_of
from semsearch.storage.vectors.server import Connection, T

_PAGE = 1_000
"""Rows in a request. Weaviate finds at most 10,000 for one (QUERY_MAXIMUM_RESULTS)."""
_TEXT = {"dataType": ["text"], "indexFilterable": False, "indexSearchable": False}
_FIELDS = ("passage", "content", "metadata")
"""The id, the text and the metadata of a passage. Weaviate keeps the name `id` for itself."""
_FOUND = f"{' '.join(_FIELDS)} _additional {{ vector }}"


class WeaviateServer:
    """The `ServerEngine` over a class on a Weaviate server."""

    def __init__(self, url: str, collection: str) -> None:
        self._connection = Connection(url, "a Weaviate server from version 1.21 on", None)
        self._class = collection

    def create(self) -> None:
        """Make an empty class in place of any of this name."""
        self.drop()
        body = {
            "class": self._class,
            "vectorizer": "none",
            "vectorIndexType": "hnsw",
            "vectorIndexConfig": {"distance": "dot", "ef": EF_SEARCH},
            "properties": [{"name": name, **_TEXT} for name in _FIELDS],
        }
        self._connection.ask("POST", "/v1/schema", body)

    def drop(self, *, quick: bool = False) -> None:
        """Remove the class, if there is one."""
        if self._exists(quick=quick):
            self._connection.ask("DELETE", f"/v1/schema/{self._class}", quick=quick)

    def close(self) -> None:
        """Refuse further requests. A second call does nothing."""
        self._connection.close()

    def count(self) -> int:
        """Return the number of vectors."""
        query = f"{{ Aggregate {{ {self._class} {{ meta {{ count }} }} }} }}"
        return self._query(query, lambda data: int(data["Aggregate"][self._class][0]["meta"]["count"]))

    def upsert(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        metadata: Sequence[Metadata],
    ) -> None:
        """Add or replace vectors [n, dimension] with their texts and metadata."""
        check_rows(ids, vectors, texts, metadata)
        if len(ids):
            self._require()  # Weaviate would make a class as it thinks fit
        for start in range(0, len(ids), _PAGE):
            page = slice(start, start + _PAGE)
            rows = zip(ids[page], vectors[page].tolist(), texts[page], metadata[page], strict=True)
            objects = [
                {
                    "class": self._class,
                    "id": point_of(id_),
                    "properties": dict(
                        zip(_FIELDS, (id_, text, json.dumps(dict(traits), ensure_ascii=False)), strict=True)
                    ),
                    "vector": vector,
                }
                for id_, vector, text, traits in rows
            ]
            failed = self._connection.ask("POST", "/v1/batch/objects", {"objects": objects}, _failed)
            self._refuse(failed)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors. Ids that do not exist are ignored."""
        if len(ids):
            self._require()
        for start in range(0, len(ids), _PAGE):
            objects = list(map(point_of, ids[start : start + _PAGE]))
            where = {"path": ["id"], "operator": "ContainsAny", "valueTextArray": objects}
            body = {"match": {"class": self._class, "where": where}, "output": "minimal"}
            failed = self._connection.ask("DELETE", "/v1/batch/objects", body, _undeleted)
            self._refuse(failed)

    def nearest(self, queries: NDArray[np.float32], k: int) -> list[list[str]]:
        """Return for each query [q, dimension] the ids of about the `k` nearest vectors, nearest first."""
        check_query(queries, k)
        asked = " ".join(
            f"q{at}: {self._class}(nearVector: {{vector: {json.dumps(query)}}}, limit: {k}) {{ {_FIELDS[0]} }}"
            for at, query in enumerate(queries.tolist())
        )

        def rows(data: Any) -> list[list[str]]:
            return [[str(row[_FIELDS[0]]) for row in data["Get"][f"q{at}"]] for at in range(len(queries))]

        return self._query(f"{{ Get {{ {asked} }} }}", rows, quick=True) if len(queries) else []

    def vectors(self, ids: Sequence[str]) -> Stored:
        """Return what is stored under those of the ids that exist, in the order of `ids`."""
        rows: dict[str, tuple[Any, ...]] = {}
        for start in range(0, len(ids), _PAGE):
            objects = json.dumps(list(map(point_of, ids[start : start + _PAGE])))
            where = f'where: {{path: ["id"], operator: ContainsAny, valueText: {objects}}}, limit: {_PAGE}'
            rows |= self._query(f"{{ Get {{ {self._class}({where}) {{ {_FOUND} }} }} }}", self._stored)
        return Stored.of(ids, rows)

    def _stored(self, data: Any) -> dict[str, tuple[Any, ...]]:
        found = {}
        for row in data["Get"][self._class]:
            id_, text, traits = (row[name] for name in _FIELDS)
            found[str(id_)] = row["_additional"]["vector"], text, json.loads(traits)
        return found

    def _query(self, query: str, read: Callable[[Any], T], *, quick: bool = False) -> T:
        """Return what `read` finds in the data of a GraphQL query."""
        answer = self._connection.ask("POST", "/v1/graphql", {"query": query}, dict, quick=quick)
        if answer.get("errors"):
            self._require(quick=quick)  # the class may be what is wrong
            self._refuse(answer["errors"])
        return self._connection.read(answer, lambda found: read(found["data"]))

    def _exists(self, *, quick: bool = False) -> bool:
        def named(answer: Any) -> bool:
            return any(one["class"] == self._class for one in answer["classes"] or ())

        return self._connection.ask("GET", "/v1/schema", None, named, quick=quick)

    def _require(self, *, quick: bool = False) -> None:
        if not self._exists(quick=quick):
            raise IndexDamaged(f"{self._connection.url} has no class {self._class}", REPAIR)

    def _refuse(self, errors: Any) -> None:
        """Raise `SemsearchError` with the first of the errors that an answer of success has, if there is one."""
        if errors:
            said = errors[0].get("message") if isinstance(errors[0], dict) else None
            raise SemsearchError(f"{self._connection.url} says: {str(said or errors[0])[:200]!r}")


def _failed(answer: Any) -> list[Any]:
    """Return the errors of the objects of a batch: it has a status of 200 also where some were not stored."""
    return [
        error
        for one in answer
        if one["result"]["status"] != "SUCCESS"
        for error in (one["result"].get("errors") or {}).get("error") or [one["result"]["status"]]
    ]


def _undeleted(answer: Any) -> list[Any]:
    failed = int(answer["results"]["failed"])
    return [f"{failed:,} objects were not deleted"] if failed else []
