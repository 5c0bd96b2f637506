"""The vector engine Qdrant in a folder, without a server (extra `qdrant`). The only module that imports qdrant_edge.

Scores of Qdrant stay in this module. It keeps no log of writes: the Library has all that a log could bring back, and a
log would keep texts that were forgotten.
"""

import contextlib
import hashlib
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamaged, SemsearchError, extra
from semsearch.storage.vectors.engine import REPAIR, Metadata, Stored, check_query, check_rows
from semsearch.storage.vectors.folder_store import Embedded

_CONFIG = "edge_config.json"
_PAGE = 2_000
_DISK = (
    "no space",
    "read-only",
    "permission",
    "too many open files",
    "cannot allocate",
    "out of memory",
    "quota",
)
"""Words in Qdrant's messages about a disk or a machine that fails. Its files are sound then."""
LINKS, EF_CONSTRUCT, _PLAIN = 32, 200, 10_000
"""Links of a vector in HNSW, candidates for them, and the kilobytes of vectors below which there is no graph.

docs/decisions/0172-qdrant-searches-codes.md."""
EF_SEARCH, EF_MOST = 1_000, 8_000
"""Candidates that HNSW keeps while searching: ten for each vector that is asked for, within these. Qdrant's default
is 100. A search with a condition asks for more vectors, and so it gets more candidates."""


class QdrantEngine:
    """The `VectorEngine` over a Qdrant shard in a folder. `create` makes the folder.

    Raises `IndexDamaged` where there is no such folder, and `MissingExtra` without the package.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        with extra("qdrant", "the vector engine qdrant:"):
            import qdrant_edge
        self._qdrant = qdrant_edge
        self._folder = folder
        self._shard: Any = None
        """None as long as there are no vectors: a shard is made for their dimension."""
        self._closed = False
        self.deleted = 0
        """Always 0: Qdrant frees the places of deleted vectors by itself."""
        with self._translated():
            if create:
                folder.mkdir(parents=True, exist_ok=True)
            elif not folder.is_dir():
                raise IndexDamaged(f"{folder} does not exist", REPAIR)
            elif (folder / _CONFIG).exists():
                self._shard = qdrant_edge.EdgeShard.load(str(folder))

    def close(self) -> None:
        """Close the folder's files. A second call does nothing."""
        shard, self._shard, self._closed = self._shard, None, True
        if shard is not None:
            with contextlib.suppress(Exception):
                shard.close()

    def count(self) -> int:
        """Return the number of vectors."""
        with self._used() as shard:
            return int(shard.count(self._qdrant.CountRequest(exact=True))) if shard else 0

    def settle(self) -> None:
        """Build the graph of what was written, free the places of what was deleted, and write all to the disk."""
        with self._used() as shard:
            if shard:
                shard.optimize()
                shard.flush()
                shard.close()
                # Qdrant ends some of what it does to its files when it loads them the next time.
                self._shard = self._qdrant.EdgeShard.load(str(self._folder))

    def upsert(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        metadata: Sequence[Metadata],
    ) -> None:
        """Add or replace vectors [n, dimension] with their texts and metadata."""
        check_rows(ids, vectors, texts, metadata)
        qdrant = self._qdrant
        rows = zip(ids, vectors.tolist(), texts, metadata, strict=True)
        points = [
            qdrant.Point(point_of(id_), vector, {"id": id_, "text": text, "metadata": dict(traits)})
            for id_, vector, text, traits in rows
        ]
        with self._used() as shard:
            if shard is None and points:
                params = qdrant.EdgeVectorParams(size=vectors.shape[1], distance=qdrant.Distance.Dot)
                graph = qdrant.HnswIndexConfig(m=LINKS, ef_construct=EF_CONSTRUCT, full_scan_threshold=_PLAIN)
                codes = qdrant.ScalarQuantizationConfig(type=qdrant.ScalarType.Int8)
                config = qdrant.EdgeConfig(
                    vectors=params, hnsw_config=graph, quantization_config=codes, wal_enabled=False
                )
                shard = self._shard = qdrant.EdgeShard.create(str(self._folder), config)
            for start in range(0, len(points), _PAGE):
                shard.update(qdrant.UpdateOperation.upsert_points(points[start : start + _PAGE]))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors. Ids that do not exist are ignored."""
        with self._used() as shard:
            if shard and ids:
                shard.update(self._qdrant.UpdateOperation.delete_points(list(map(point_of, ids))))

    def nearest(self, queries: NDArray[np.float32], k: int) -> list[list[str]]:
        """Return for each query [q, dimension] the ids of about the `k` nearest vectors, nearest first."""
        check_query(queries, k)
        with self._used() as shard:
            if shard is None or not len(queries):
                return [[] for _ in queries]
            qdrant = self._qdrant
            params = qdrant.SearchParams(hnsw_ef=max(k, min(max(EF_SEARCH, 10 * k), EF_MOST)))
            requests = [
                qdrant.QueryRequest(
                    query=qdrant.Query.Nearest(query), limit=k, params=params, with_payload=["id"]
                )
                for query in queries.tolist()
            ]
            found = shard.query_batch(qdrant.QueryBatchRequest(requests))
            return [[point.payload["id"] for point in row] for row in found]

    def vectors(self, ids: Sequence[str]) -> Stored:
        """Return what is stored under those of the ids that exist, in the order of `ids`."""
        with self._used() as shard:
            points = shard.retrieve(list(map(point_of, ids)), True, True) if shard and ids else []
        rows = {
            point.payload["id"]: (point.vector, point.payload["text"], point.payload["metadata"])
            for point in points
        }
        return Stored.of(ids, rows)

    @contextlib.contextmanager
    def _used(self) -> Iterator[Any]:
        if self._closed:
            raise SemsearchError(f"{self._folder} is closed", "open the index again")
        with self._translated():
            yield self._shard

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise Qdrant's errors as ours. They are bare exceptions with a message, and panics of its Rust core."""
        try:
            yield
        except (SemsearchError, ValueError):
            raise
        except BaseException as error:
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            if isinstance(error, OSError | MemoryError) or any(
                words in str(error).lower() for words in _DISK
            ):
                raise SemsearchError(
                    f"{self._folder}: {error}", "check its permissions, the disk and the memory"
                ) from error
            raise IndexDamaged(f"the vector index in {self._folder} failed: {error}", REPAIR) from error


def point_of(id_: str) -> str:
    """Return the UUID of the point for a passage: Qdrant's ids are numbers or UUIDs."""
    return str(
        uuid.UUID(bytes=hashlib.blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=16).digest())
    )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


QDRANT = Embedded(name="qdrant", package="qdrant-edge-py", open=QdrantEngine, files=_files)
