"""Name the vector engines, and open the one that an index uses."""

import threading
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from semsearch.errors import FingerprintMismatch
from semsearch.storage.library import Library
from semsearch.storage.vectors.engine import VectorStore
from semsearch.storage.vectors.folder_store import Embedded, FolderStore

SETTING = "engine"
"""The setting of a Library that says where its vectors are. Without it, they are in Chroma in the folder."""

EMBEDDED = {"chroma": ("chroma", "CHROMA"), "qdrant": ("qdrant_edge", "QDRANT")}
"""The module and the name of each engine that keeps its vectors in the folder of the index."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an index keeps its vectors: the name of an engine, and on a server the `id` of this copy of the index."""

    name: str = "chroma"
    id: str = ""


class Stores:
    """Returns the store of the engine that an index uses now. Another process may have moved it."""

    def __init__(self, library: Library, folder: Path) -> None:
        self._library, self._folder = library, folder
        self._lock = threading.Lock()
        self._place: Place | None = None
        self._store: VectorStore | None = None

    def __call__(self) -> VectorStore:
        """Return the same store as before, unless the engine has moved since."""
        place = place_of(self._library)
        with self._lock:
            if self._store is None or place != self._place:
                if self._store is not None:
                    self._store.close()
                self._store, self._place = store_at(place, self._library, self._folder), place
            return self._store


def place_of(library: Library) -> Place:
    """Return where the index of a Library keeps its vectors."""
    setting = library.setting(SETTING)
    return Place(setting["name"], setting.get("id", "")) if setting else Place()


def store_at(place: Place, library: Library, folder: Path) -> VectorStore:
    """Return the store of the engine at a place. Raises `FingerprintMismatch` for an engine that is not known."""
    return FolderStore(embedded(place.name), library, folder)


def embedded(name: str) -> Embedded:
    """Return how the engine of this name is used. It is not imported before."""
    if name not in EMBEDDED:
        raise FingerprintMismatch(
            f"this semsearch has no vector engine {name!r}", "use the semsearch that made it"
        )
    module, attribute = EMBEDDED[name]
    kind: Embedded = getattr(import_module(f"semsearch.storage.vectors.{module}"), attribute)
    return kind
