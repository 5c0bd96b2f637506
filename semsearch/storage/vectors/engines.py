"""Name the vector engines, and open the one that an index uses."""

import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from semsearch.errors import FingerprintMismatch, InvalidInput
from semsearch.storage.library import Library
from semsearch.storage.vectors.engine import VectorStore
from semsearch.storage.vectors.folder_store import Embedded, FolderStore
from semsearch.storage.vectors.server import url_of
from semsearch.storage.vectors.server_store import ServerStore

EMBEDDED = {"chroma": ("chroma", "CHROMA"), "qdrant": ("qdrant_edge", "QDRANT")}
"""The module and the `Embedded` of each engine that keeps its vectors in the folder of the index."""
SERVERS = {
    "chroma": ("chroma_server", "ChromaServer"),
    "qdrant": ("qdrant_server", "QdrantServer"),
    "weaviate": ("weaviate_server", "WeaviateServer"),
}
"""The module and the `ServerEngine` of each engine on a server."""
_SETTING = "engine"
"""The setting that says where the vectors are, and which copies are to be removed. Without it, all are in Chroma."""
_PROTOCOLS = ("http", "https")


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an index's vectors: `chroma`, or for example `chroma+http` and the `id` of its copy there."""

    name: str = "chroma"
    id: str = ""

    @property
    def is_server(self) -> bool:
        """True where the vectors are on a server."""
        return "+" in self.name


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

    def close(self) -> None:
        """Close the store that was used last. The Library is not asked: it may be gone, or another one."""
        with self._lock:
            if self._store is not None:
                self._store.close()


def parsed(url: str) -> tuple[str, str]:
    """Return the engine's name and the server's URL, or "", of the URL of an engine. Raises `InvalidInput`."""
    from semsearch.embedding.servers import checked_url, without_password

    name, _, rest = url.partition(":")
    if name in EMBEDDED and not rest:
        return name, ""
    engine, _, protocol = name.partition("+")
    if engine not in SERVERS or protocol not in _PROTOCOLS or not rest.startswith("//"):
        known = [f"{one}:" for one in EMBEDDED] + [f"{one}+http(s)://HOST:PORT" for one in SERVERS]
        raise InvalidInput(f"{without_password(url)!r} is not a vector engine", f"one of {', '.join(known)}")
    what, example = "the URL of the engine", f"{name}://127.0.0.1:8000"
    return name, checked_url(f"{protocol}:{rest}", what=what, example=example)


def shown(place: Place, folder: Path) -> str:
    """Return the URL of an engine; without its host, where this machine does not know it."""
    if not place.is_server:
        return f"{place.name}:"
    engine = place.name.partition("+")[0]
    url = url_of(place.id, folder)
    return f"{engine}+{url}" if url else f"{place.name}:"


def place_of(library: Library) -> Place:
    """Return where the index of a Library keeps its vectors."""
    return _place(library.setting(_SETTING) or {"name": "chroma"})


def leftovers(library: Library) -> list[Place]:
    """Return the places of copies that are no longer used, or not yet."""
    setting = library.setting(_SETTING) or {}
    return [place for one in setting.get("leftovers", ()) if (place := _place(one)) != place_of(library)]


def save_place(library: Library, place: Place, unused: Iterable[Place]) -> None:
    """Save where the vectors are, and which copies are to be removed, in one step."""
    library.save_setting(_SETTING, asdict(place) | {"leftovers": list(map(asdict, unused))})


def store_at(place: Place, library: Library, folder: Path) -> VectorStore:
    """Return the store of the engine at a place. Raises `FingerprintMismatch` for an engine that is not known."""
    if not place.is_server:
        return FolderStore(embedded(place.name), library, folder)
    engine, _, protocol = place.name.partition("+")
    if protocol not in _PROTOCOLS:
        raise _unknown(place.name)
    url = url_of(place.id, folder)
    make = _attribute(SERVERS, engine)
    return ServerStore(make(url, collection(place)), library, place.id)


def collection(place: Place) -> str:
    """Return the name of the collection on a server. Weaviate's begin with a capital letter and have no hyphen."""
    return f"Semsearch_{place.id}" if place.name.startswith("weaviate") else f"semsearch-{place.id}"


def embedded(name: str) -> Embedded:
    """Return how the engine of this name is used. Raises `FingerprintMismatch` for one that is not known."""
    kind: Embedded = _attribute(EMBEDDED, name)
    return kind


def _attribute(table: dict[str, tuple[str, str]], name: str) -> Any:
    """Return what a table names. No engine is imported before it is used."""
    if name not in table:
        raise _unknown(name)
    module, attribute = table[name]
    return getattr(import_module(f"semsearch.storage.vectors.{module}"), attribute)


def _unknown(name: str) -> FingerprintMismatch:
    return FingerprintMismatch(
        f"this semsearch has no vector engine {name!r}", "use the semsearch that made the index"
    )


def _place(setting: dict[str, Any]) -> Place:
    return Place(setting["name"], setting.get("id", ""))
