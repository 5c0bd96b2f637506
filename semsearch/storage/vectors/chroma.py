"""The vector index: a plain Chroma collection in a folder, and the only place that imports chromadb.

Chroma's cosine *distances* never leave this module. Chroma never embeds anything for us, keeps no telemetry, and takes
no settings from a `.env` file or the environment.
"""

import contextlib
import functools
import importlib.util
import itertools
import os
import re
import shutil
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
REPAIR = "make it anew from the Library: semsearch repair"
_in_use: set[str] = set()
"""Paths of the clients of this process."""
_OF_THE_DISK = ("readonly", "read-only", "permission", "full", "space", "i/o error", "unable to open")
"""In what Chroma says where nothing is wrong with its files."""
_LITTLE = 1_000_000
_EF_SEARCH = 1_000
"""Candidates HNSW keeps while searching: 1,000 find 99.4% of the ten nearest of 100,000 sentences in 7 ms, and
200 find 97.5% in 3 (benchmarks/search.py --only sentences). Chroma's default is 100."""


class VectorIndex:
    """Unit vectors by passage id, searchable by cosine similarity."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        if not create and not (folder / "chroma.sqlite3").exists():
            raise IndexDamaged(f"{folder} holds no Chroma database", REPAIR)
        with _translated(folder):
            self._folder = folder
            # Clients of one path share what any of them has loaded, however old that is.
            names = (f"{folder}{'/.' * times}" for times in itertools.count())
            self._path = next(name for name in names if name not in _in_use)
            self._client = _client(folder, self._path)
            _in_use.add(self._path)
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
                    raise IndexDamaged(f"{folder} names an embedding function, and ours never does", REPAIR)

    def close(self) -> None:
        """Let go of the folder's files."""
        with contextlib.suppress(Exception):
            self._client.close()  # type: ignore[attr-defined]
        _in_use.discard(self._path)

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

    def nearest(self, queries: NDArray[np.float32], k: int) -> list[list[str]]:
        """For each query the ids of about the `k` nearest vectors, nearest first.

        How near they are is for the Library's vectors to say: Chroma's are a copy that nobody checks as it is read.
        """
        with _translated(self._folder):
            found = self._collection.query(query_embeddings=queries, n_results=k, include=[])
        return [list(row) for row in found["ids"]]

    def held(self, ids: Sequence[str]) -> tuple[list[Any], list[str | None], list[dict[str, Any]]]:
        """Vectors, texts and metadata as they are stored, in the order of `ids`, which must be there."""
        with _translated(self._folder):
            page = self._collection.get(ids=list(ids), include=["embeddings", "documents", "metadatas"])
            row_of = {id_: row for row, id_ in enumerate(page["ids"])}
            rows = [row_of[id_] for id_ in ids]
            held: Any = page["embeddings"], page["documents"], page["metadatas"]
            vectors, documents, metadata = ([column[row] for row in rows] for column in held)
        return vectors, documents, metadata

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


def _client(folder: Path, path: str) -> "ClientAPI":
    _import()
    import chromadb

    folder.mkdir(parents=True, exist_ok=True)
    return chromadb.PersistentClient(path=path, settings=_settings()(anonymized_telemetry=False))


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


def _full(folder: Path) -> bool:
    """Whether the disk has so little room that this must be why Chroma, which does not always say it, has failed."""
    with contextlib.suppress(OSError):
        return shutil.disk_usage(folder).free < _LITTLE
    return False


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Chroma raises its own errors, and bare ones from its Rust core; to a user all mean the same."""
    try:
        yield
    except SemsearchError:
        raise
    except BaseException as error:
        # A panic of its Rust core is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        text = str(error)
        if any(word in text.lower() for word in _OF_THE_DISK) or _full(folder):
            raise SemsearchError(f"{folder}: {text}", "check its permissions and the disk") from error
        raise IndexDamaged(f"the vector index in {folder} failed: {text}", REPAIR) from error
