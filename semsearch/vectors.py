"""The vector index: a plain Chroma collection in a folder, and the only place that imports chromadb.

Chroma speaks of cosine *distance*; here it is turned into similarity, and it never leaves this module. Chroma never
embeds anything for us, keeps no telemetry, and takes no settings from a `.env` file or the environment.
"""

import contextlib
import functools
import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamaged, SemsearchError

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.config import Settings

COLLECTION = "passages"
_PAGE = 5_000
"""Rows a call. Chroma takes at most 5,461 a write, and more than 32,766 a read fail in its SQLite."""
_REPAIR = "make it anew from the Library: semsearch repair"
_EF_SEARCH = 200
"""Candidates HNSW keeps while searching; Chroma's default is 100."""


class VectorIndex:
    """Unit vectors by passage id, searchable by cosine similarity."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        if not create and not (folder / "chroma.sqlite3").exists():
            raise IndexDamaged(f"{folder} holds no Chroma database", _REPAIR)
        with _translated(folder):
            self._folder = folder
            self._client = _client(folder)
            if create:
                # A collection keeps the space it was made with, and Chroma's default is l2.
                self._collection = self._client.create_collection(
                    COLLECTION,
                    embedding_function=None,
                    configuration={"hnsw": {"space": "cosine", "ef_search": _EF_SEARCH}},
                )
            else:
                self._collection = self._client.get_collection(COLLECTION, embedding_function=None)
                if _names_a_function(self._collection.get_model().serialized_schema):
                    raise IndexDamaged(f"{folder} names an embedding function, and ours never does", _REPAIR)

    def close(self) -> None:
        """Let go of the folder's files."""
        with contextlib.suppress(Exception):
            self._client.close()  # type: ignore[attr-defined]

    def count(self) -> int:
        """How many vectors there are."""
        with _translated(self._folder):
            return self._collection.count()

    def upsert(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        documents: Sequence[str],
        metadata: Sequence[dict[str, str | int]],
    ) -> None:
        """Add or replace vectors with their texts and metadata."""
        with _translated(self._folder):
            for start in range(0, len(ids), _PAGE):
                page = slice(start, start + _PAGE)
                self._collection.upsert(
                    ids=list(ids[page]),
                    embeddings=vectors[page],
                    documents=list(documents[page]),
                    metadatas=list(metadata[page]),
                )

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors; ids that are not there are passed over."""
        with _translated(self._folder):
            for start in range(0, len(ids), _PAGE):
                self._collection.delete(ids=list(ids[start : start + _PAGE]))

    def nearest(self, queries: NDArray[np.float32], k: int) -> list[list[tuple[str, float]]]:
        """For each query the ids of the `k` nearest vectors and their cosine similarity, nearest first."""
        with _translated(self._folder):
            found = self._collection.query(query_embeddings=queries, n_results=k, include=["distances"])
        distances = found["distances"] or []
        return [
            [
                (id_, max(-1.0, min(1.0, 1.0 - distance)))
                for id_, distance in zip(row, row_distances, strict=True)
            ]
            for row, row_distances in zip(found["ids"], distances, strict=True)
        ]

    def ids(self) -> Iterator[str]:
        """Every id there is, page by page."""
        offset = 0
        while True:
            with _translated(self._folder):
                page = self._collection.get(limit=_PAGE, offset=offset, include=[])["ids"]
            if not page:
                return
            yield from page
            offset += len(page)


def _names_a_function(schema: Any) -> bool:
    """Whether a collection's schema names an embedding function. Chroma makes what it names when vectors are written:
    in a stranger's index that is code with arguments of the stranger's choice."""
    if isinstance(schema, dict):
        function = schema.get("embedding_function")
        named = isinstance(function, dict) and function.keys() != {"type"}
        return named or any(map(_names_a_function, schema.values()))
    return isinstance(schema, list) and any(map(_names_a_function, schema))


def preload() -> None:
    """Import chromadb ahead of its use, in a thread: it takes most of a second.

    Does nothing beside a `.env` file, since hiding that means changing the working directory of every thread.
    """
    if not Path(".env").exists():
        _import()


def _client(folder: Path) -> "ClientAPI":
    _import()
    import chromadb

    folder.mkdir(parents=True, exist_ok=True)
    return chromadb.PersistentClient(path=str(folder), settings=_settings()(anonymized_telemetry=False))


@functools.cache
def _settings() -> type["Settings"]:
    """Chroma's settings, taken from our arguments alone: no environment, no files.

    One class a process, since Chroma refuses a second client on a folder whose settings differ in class; and made
    here, since at module level it would import chromadb with this module.
    """
    from chromadb.config import Settings

    class OurSettings(Settings):
        @classmethod
        def settings_customise_sources(  # type: ignore[override]
            cls, settings_cls: Any, init_settings: Any, **others: Any
        ) -> tuple[Any, ...]:
            return (init_settings,)

    return OurSettings


def _import() -> None:
    """Import chromadb. It takes settings from `.env` in the working directory and from the environment as it does, by
    names of its own and by such as MIGRATIONS: show it neither."""
    spec = importlib.util.find_spec("chromadb")
    if spec is None or spec.origin is None:
        raise SemsearchError("chromadb is not installed", "pip install chromadb")
    home = Path(spec.origin).parent
    settings = set(
        re.findall(r"^    (\w+): ", (home / "config.py").read_text(encoding="utf-8"), re.MULTILINE)
    )
    taken = [name for name in os.environ if name.upper().startswith("CHROMA_") or name.lower() in settings]
    hidden = {name: os.environ.pop(name) for name in taken}
    aside = contextlib.chdir(home) if Path(".env").exists() else contextlib.nullcontext()
    try:
        with aside:
            import chromadb  # noqa: F401
    except Exception as error:  # it checks its settings as it is imported
        raise SemsearchError(f"chromadb cannot be loaded: {error}") from error
    finally:
        os.environ.update(hidden)


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Chroma raises its own errors, and bare ones from its Rust core; to a user all mean the same."""
    try:
        yield
    except SemsearchError:
        raise
    except Exception as error:
        text = str(error)
        if any(word in text.lower() for word in ("readonly", "read-only", "permission", "full", "space")):
            raise SemsearchError(f"{folder}: {text}", "check its permissions and the disk") from error
        raise IndexDamaged(f"the vector index in {folder} failed: {text}", _REPAIR) from error
