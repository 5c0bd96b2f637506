"""The port: what semsearch needs of a vector engine, and of the place where an index keeps one.

`VectorEngine` holds the vectors and searches them. `VectorStore` creates, opens, rebuilds and checks the engine of one
index. To add an engine, implement both and run `tests/test_vector_engine.py` on them.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Metadata = Mapping[str, str | int]
"""The metadata of a passage, stored with its vector and text: see `StoredPassage.traits`."""


REPAIR = "rebuild it from the Library: semsearch repair"
"""The hint of an error about an engine that is not what the Library says."""


class VectorEngine(Protocol):
    """Unit vectors by passage id, each with a text and metadata, searched by cosine similarity.

    Vectors are float32 of shape [n, dimension] and unit length; the first upsert fixes the dimension. An engine stores
    them as they are, to within 1e-5 in each number, and never embeds a text. Distances stay inside the engine: callers
    compute exact cosines from the Library's vectors.

    One thread writes at a time. `nearest` may be called by several threads.

    Every method raises `ValueError` for arguments that break this contract, `IndexDamaged` where the stored data is
    corrupt, `IndexLocked` where another process keeps it, and `SemsearchError` for any other failure, such as a full
    disk or a closed engine.
    """

    def count(self) -> int:
        """Return the number of vectors."""
        ...

    def upsert(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        metadata: Sequence[Metadata],
    ) -> None:
        """Add rows of vector, text and metadata, or replace those whose ids exist. The ids are distinct."""
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors. Ids that do not exist are ignored."""
        ...

    def nearest(self, queries: NDArray[np.float32], k: int) -> list[list[str]]:
        """Return for each query, of shape [q, dimension], the ids of about the `k` nearest vectors, nearest first.

        The search may be approximate. A row is shorter than `k` only where there are fewer vectors.
        """
        ...

    def vectors(self, ids: Sequence[str]) -> "Stored":
        """Return what is stored under those of the ids that exist, in the order of `ids`."""
        ...

    def close(self) -> None:
        """Release files and connections. A second call does nothing."""
        ...


class Stored(NamedTuple):
    """Rows of an engine as they are stored: ids, vectors [n, dimension], texts and metadata."""

    ids: list[str]
    vectors: NDArray[np.float32]
    texts: list[str | None]
    metadata: list[dict[str, Any]]

    @classmethod
    def of(cls, ids: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> "Stored":
        """Return the rows of vector, text and metadata under those of the ids that exist, in the order of `ids`."""
        found = [id_ for id_ in ids if id_ in rows]
        vectors, texts, metadata = zip(*map(rows.__getitem__, found), strict=True) if found else ((), (), ())
        matrix = np.array(vectors, np.float32).reshape(len(found), -1 if found else 0)
        return cls(found, matrix, list(texts), [dict(traits or {}) for traits in metadata])


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of comparing an engine with the Library: its `problems`, and the number of `passages` that agree.

    `found` of `asked` passages are the nearest to themselves. Fewer are not a problem: a search may be approximate.
    """

    problems: tuple[str, ...] = ()
    passages: int = 0
    asked: int = 0
    found: int = 0


class VectorStore(Protocol):
    """The place where one index keeps its vector engine.

    A writer calls `writer`, changes what it wants, and calls `finalize`. Until then the store is not `finalized`, and a
    process that dies leaves it so: the next writer then gets None from `writer` unless what is stored proves sound.
    Methods that write need the index's write lock. All raise the errors that `VectorEngine` does.
    """

    deferred: bool
    """True where writing costs much even for one passage, since the engine has to be loaded: a few can wait."""

    trouble: str
    """Why the last `reader` could not be asked, where a person can do something about it; or ""."""

    @property
    def finalized(self) -> bool:
        """True where the last writer called `finalize`."""
        ...

    def create(self) -> None:
        """Make an empty, finalized store for a new index."""
        ...

    def writer(self) -> VectorEngine | None:
        """Return the engine to write to, the same until `finalize`; None where only a rebuild makes it reliable.

        Raises `IndexDamaged` where a finalized store has changed since.
        """
        ...

    def reader(self) -> AbstractContextManager[VectorEngine | None]:
        """Yield the engine to search, or None where it cannot be relied on now."""
        ...

    def replacing(self) -> AbstractContextManager[None]:
        """Put an empty engine in place of the stored one at the end of the block; after an exception, keep the old one.

        Within the block the store is not finalized.
        """
        ...

    def finalize(self) -> None:
        """End a write: make what was written durable, and let readers use it."""
        ...

    def wants_rebuild(self) -> bool:
        """Return True where deletions have left more in the engine than a rebuild is worth."""
        ...

    def clean(self) -> None:
        """Remove what an interrupted rebuild has left."""
        ...

    def prove(self, *, pending: bool = False) -> Proof:
        """Compare everything in the engine with the Library, passages on the outbox only with `pending`."""
        ...

    def discard(self) -> None:
        """Remove the engine with all that it holds, and what the Library says about it."""
        ...

    def file_problems(self) -> list[str]:
        """Return what is wrong with the stored files, as sentences; an empty list for a store without files."""
        ...

    def strays(self) -> list[str]:
        """Return the names of stored files or folders that belong to nothing, sorted."""
        ...

    def close(self) -> None:
        """Close the engine. The store can be used again."""
        ...


def check_rows(
    ids: Sequence[str], vectors: NDArray[np.float32], texts: Sequence[str], metadata: Sequence[Metadata]
) -> None:
    """Raise `ValueError` where the arguments of an upsert break the contract."""
    if vectors.ndim != 2 or not len(ids) == len(vectors) == len(texts) == len(metadata):
        raise ValueError(
            f"{len(ids)} ids, {len(texts)} texts and vectors of shape {vectors.shape} do not match"
        )
    if len(set(ids)) != len(ids):
        raise ValueError("an id occurs twice")
    if not np.all(np.abs(np.linalg.norm(vectors, axis=1) - 1) < 1e-3):  # NaN fails as well
        raise ValueError("a vector is not of unit length")


def check_query(queries: NDArray[np.float32], k: int) -> None:
    """Raise `ValueError` where the arguments of `nearest` break the contract."""
    if queries.ndim != 2 or k < 1:
        raise ValueError(f"queries of shape {queries.shape} and k = {k}")
