"""The vector engine Chroma: a plain collection in a folder. The only module that imports chromadb.

Cosine *distances* of Chroma stay in this module. Chroma never embeds for us, sends no telemetry, and takes no settings
from a `.env` file or the environment.
"""

import contextlib
import functools
import importlib.machinery
import importlib.util
import itertools
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamaged, IndexLocked, SemsearchError
from semsearch.storage.library import refuse_foreign
from semsearch.storage.vectors.engine import REPAIR, Metadata, Stored, check_query, check_rows
from semsearch.storage.vectors.folder_store import Embedded

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.config import Settings

COLLECTION = "passages"
_PAGE = 5_000
"""Rows in a call. Chroma writes at most 5,461, and its SQLite fails to read more than 32,766."""
_paths: set[str] = set()
"""The paths of this process's clients."""
_clients = threading.Lock()
_importing = threading.Lock()
_DISK = (
    "readonly", "read-only", "permission", "full", "space", "i/o error", "unable to open", "too many open files",
    "memory",
)  # fmt: skip
"""Words in Chroma's messages about a disk or a machine that fails. Its files are sound then."""
_IN_USE = ("database is locked", "database table is locked")
_FAULTS = ("too many sql variables", "interrupted", "cannot start a transaction", "batch size")
"""Words in Chroma's messages about a call that it does not take. Its files are sound then."""
_LITTLE = 1_000_000
_VIRTUAL = {"embedding_fulltext_search"}
"""The virtual tables that Chroma's database has."""
_EF_SEARCH = 1_000
"""Candidates that HNSW keeps while searching: 1,000 find 99.4% of the ten nearest of 100,000 sentences in 7 ms, and
200 find 97.5% in 3 ms (benchmarks/search.py --only sentences). Chroma's default is 100."""


# A collection keeps the space it was made with, and Chroma's default is l2.
CONFIGURATION: Any = {"hnsw": {"space": "cosine", "ef_search": _EF_SEARCH}}
"""The configuration of a collection."""
COLUMNS: tuple[Any, ...] = ("embeddings", "documents", "metadatas")
"""Chroma's names for vectors, texts and metadata."""


class ChromaEngine:
    """The `VectorEngine` over a Chroma collection in a folder. `create` makes the collection.

    Raises `IndexDamaged` where the folder holds none.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        if not create and not (folder / "chroma.sqlite3").exists():
            raise IndexDamaged(f"{folder} holds no Chroma database", REPAIR)
        if not create:
            refuse_foreign(folder / "chroma.sqlite3", _VIRTUAL, REPAIR)
        self._folder = folder
        self.deleted = 0
        """Vectors that were deleted through this engine. The graph keeps their places."""
        # Clients of one path share what any of them has loaded, however old it is.
        with _clients:
            names = (f"{folder}{'/.' * times}" for times in itertools.count())
            self._path = next(name for name in names if name not in _paths)
            _paths.add(self._path)
        self._client: ClientAPI | None = None
        try:
            with self._translated():
                self._client = _client(folder, self._path)
                if create:
                    self._collection = self._client.create_collection(
                        COLLECTION,
                        embedding_function=None,
                        configuration=CONFIGURATION,
                    )
                else:
                    self._collection = self._client.get_collection(COLLECTION, embedding_function=None)
                    if _names_a_function(self._collection.get_model().serialized_schema):
                        raise IndexDamaged(f"{folder} names an embedding function; ours never does", REPAIR)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the folder's files. A second call does nothing."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()  # type: ignore[attr-defined]
            with contextlib.suppress(OSError):
                remove_unsaved(self._folder)
        with _clients:
            _paths.discard(self._path)
        self._path = ""

    def count(self) -> int:
        """Return the number of vectors."""
        with self._used():
            return self._collection.count()

    def settle(self) -> None:
        """Do nothing: Chroma's graph is written with its vectors."""

    def upsert(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        metadata: Sequence[Metadata],
    ) -> None:
        """Add or replace vectors [n, dimension] with their texts and metadata."""
        check_rows(ids, vectors, texts, metadata)
        with self._used():
            for start in range(0, len(ids), _PAGE):
                page = slice(start, start + _PAGE)
                self._collection.upsert(
                    ids=list(ids[page]),
                    embeddings=vectors[page],
                    documents=list(texts[page]),
                    metadatas=[dict(row) for row in metadata[page]],
                )

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors. Ids that do not exist are ignored."""
        with self._used():
            for start in range(0, len(ids), _PAGE):
                self._collection.delete(ids=list(ids[start : start + _PAGE]))
        self.deleted += len(ids)

    def nearest(self, queries: NDArray[np.float32], k: int) -> list[list[str]]:
        """Return for each query [q, dimension] the ids of about the `k` nearest vectors, nearest first."""
        check_query(queries, k)
        with self._used():
            return self._collection.query(query_embeddings=queries, n_results=k, include=[])["ids"]

    def vectors(self, ids: Sequence[str]) -> Stored:
        """Return what is stored under those of the ids that exist, in the order of `ids`."""
        rows: dict[str, tuple[Any, ...]] = {}
        with self._used():
            for start in range(0, len(ids), _PAGE):
                some = list(ids[start : start + _PAGE])
                page: Any = self._collection.get(ids=some, include=[*COLUMNS])
                rows |= {id_: row for id_, *row in zip(page["ids"], *map(page.get, COLUMNS), strict=True)}
        return Stored.of(ids, rows)

    @contextlib.contextmanager
    def _used(self) -> Iterator[None]:
        if self._client is None:
            raise SemsearchError(f"{self._folder} is closed", "open the index again")
        with self._translated():
            yield

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise Chroma's errors as ours, and the bare ones of its Rust core, which are strings for the most part."""
        try:
            yield
        except SemsearchError:
            raise
        except BaseException as error:
            # A panic of the Rust core is a BaseException.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise _ours(self._folder, error) from error


def remove_unsaved(folder: Path) -> None:
    """Remove the files of each graph that was never saved. Raises `OSError`.

    When Chroma makes a graph, it writes the room for its vectors to a file as it came from the allocator. So that file
    holds what this process used the memory for before, such as vectors that were just forgotten. Chroma never reads
    the file: it builds such a graph from its database whenever it opens it.
    """
    for header in folder.glob("*/header.bin"):
        if not header.with_name("index_metadata.pickle").exists():
            for path in header.parent.iterdir():
                path.unlink(missing_ok=True)


def _ours(folder: Path, error: BaseException) -> SemsearchError:
    text = str(error)
    lower = text.lower()
    if any(words in lower for words in _IN_USE):
        return IndexLocked(f"{folder} is in use: {text}", "try again later")
    if isinstance(error, MemoryError) or any(words in lower for words in _DISK) or _is_full(folder):
        return SemsearchError(
            f"{folder}: {text or 'out of memory'}", "check its permissions, the disk and the memory"
        )
    if any(words in lower for words in _FAULTS):
        return SemsearchError(
            f"{folder}: {text}", "the index is sound, so this is a fault of semsearch: please report it"
        )
    return IndexDamaged(f"the vector index in {folder} failed: {text}", REPAIR)


def _is_full(folder: Path) -> bool:
    """Return True where the disk has so little room that Chroma, which does not always say so, failed for it."""
    with contextlib.suppress(OSError):
        return shutil.disk_usage(folder).free < _LITTLE
    return False


def _names_a_function(schema: Any) -> bool:
    """Return True where a collection's schema names an embedding function.

    Chroma makes the named function when vectors are written. In a stranger's index, that would run code with arguments
    of the stranger's choice.
    """
    if isinstance(schema, dict):
        function = schema.get("embedding_function")
        named = isinstance(function, dict) and function.keys() != {"type"}
        return named or any(map(_names_a_function, schema.values()))
    return isinstance(schema, list) and any(map(_names_a_function, schema))


def chroma_files(folder: Path) -> Iterator[Path]:
    """Yield the files of each graph that was saved. Chroma builds any other again whenever it is opened."""
    for saved in folder.glob("*/index_metadata.pickle"):
        yield from saved.parent.iterdir()


def preload() -> None:
    """Import chromadb before it is needed, from another thread: it takes most of a second."""
    _import()


def _client(folder: Path, path: str) -> "ClientAPI":
    _import()
    import chromadb

    folder.mkdir(parents=True, exist_ok=True)
    settings = _settings()(_env_file=None, anonymized_telemetry=False)  # type: ignore[call-arg]
    return chromadb.PersistentClient(path=path, settings=settings)


@functools.cache
def _settings() -> type["Settings"]:
    """Return a class of Chroma's settings that reads neither environment nor files.

    One class for the process, since Chroma refuses a second client on a folder whose settings differ in class. Made
    here, since at module level it would import chromadb.
    """
    from chromadb.config import Settings

    class OurSettings(Settings):
        settings_customise_sources = staticmethod(_only_arguments)  # type: ignore[assignment]

    return OurSettings


def _only_arguments(settings_cls: Any, init_settings: Any, **others: Any) -> tuple[Any, ...]:
    """Return the sources of a settings class: its arguments. pydantic-settings calls this."""
    return (init_settings,)


def _import() -> None:
    """Import chromadb without the settings that it would take from `.env` in the working directory or the environment.

    It makes such settings as it is imported, and bad ones fail. Its class `Settings` is changed until the import ends;
    nothing that other threads could see changes. Raises `SemsearchError` where chromadb is not installed or broken.
    """
    with _importing:
        if "chromadb" in sys.modules:
            return
        if importlib.util.find_spec("chromadb") is None:
            raise SemsearchError("chromadb is not installed", "pip install chromadb")
        finder = _ConfigFinder()
        if (config := sys.modules.get("chromadb.config")) is not None:  # left by an import that failed
            finder.change(config.Settings)
        sys.meta_path.insert(0, finder)
        try:
            import chromadb  # noqa: F401
        except Exception as error:
            raise SemsearchError(f"chromadb cannot be loaded: {error}") from error
        finally:
            sys.meta_path.remove(finder)
            finder.restore()


class _ConfigFinder:
    """A finder that loads `chromadb.config` with a `Settings` that reads no files and no environment."""

    def __init__(self) -> None:
        self._changed: Any = None
        self._env_file: Any = None

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the module's usual spec with another loader; None for any other module."""
        if name != "chromadb.config":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _ConfigLoader(name, spec.origin, self)
        return spec

    def change(self, settings: Any) -> None:
        """Let the class `Settings` take its values from arguments only."""
        self._changed, self._env_file = settings, settings.model_config.get("env_file")
        settings.model_config["env_file"] = None
        settings.settings_customise_sources = staticmethod(_only_arguments)

    def restore(self) -> None:
        """Give the class `Settings` its own ways back: the program may use Chroma too."""
        if self._changed is not None:
            self._changed.model_config["env_file"] = self._env_file
            del self._changed.settings_customise_sources


class _ConfigLoader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, finder: _ConfigFinder) -> None:
        super().__init__(name, path)
        self._finder = finder

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        self._finder.change(module.Settings)


CHROMA = Embedded(
    name="chroma",
    package="chromadb",
    open=ChromaEngine,
    files=chroma_files,
    tidy=remove_unsaved,
    database="chroma.sqlite3",
)
