"""The vector engine of an index on a server: a collection that the Library fills.

A server keeps its files itself, so there is no seal. The Library says whether the last write ended, and how many
vectors the collection had then. Every write can be repeated: an interrupted one goes on with the outbox.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from semsearch.errors import EngineUnavailable, IndexDamaged, SemsearchError
from semsearch.storage.library import Library
from semsearch.storage.vectors.engine import REPAIR, Proof, VectorEngine
from semsearch.storage.vectors.prove import compare

_SETTING = "collections"


class ServerEngine(VectorEngine, Protocol):
    """A vector engine on a server. Its methods raise `EngineUnavailable` where the server cannot be asked."""

    def create(self) -> None:
        """Make an empty collection, in place of any that is there."""
        ...

    def drop(self, *, quick: bool = False) -> None:
        """Remove the collection, if there is one. With `quick`, give up soon."""
        ...


class ServerStore:
    """The `VectorStore` of one index's collection on a server. `id` is the collection's in the Library's settings."""

    deferred = False

    def __init__(self, engine: ServerEngine, library: Library, id: str) -> None:
        self._engine, self._library, self._id = engine, library, id
        self.trouble = ""

    @property
    def finalized(self) -> bool:
        """True where the last writer ended, and the collection had all that was sent to it."""
        return bool(self._state().get("finalized"))

    def create(self) -> None:
        """Make an empty, finalized collection."""
        self._engine.create()
        self._save({"finalized": True, "sound": True, "count": 0})

    def writer(self) -> ServerEngine | None:
        """Return the engine; None where it was being replaced when a process was killed.

        Raises `IndexDamaged` where a finalized collection has not as many vectors as it had.
        """
        state = self._state()
        if not state.get("sound"):
            return None
        if state["finalized"]:
            if (count := self._engine.count()) != state["count"]:
                raise IndexDamaged(
                    f"the server has {count:,} vectors, and should have {state['count']:,}", REPAIR
                )
            self._save(state | {"finalized": False})
        return self._engine

    @contextmanager
    def reader(self) -> Iterator[ServerEngine | None]:
        """Yield the engine, or None while it is written. An error ends the caller's block, and is kept as `trouble`."""
        if not self.finalized:
            yield None
            return
        try:
            yield self._engine
            self.trouble = ""
        except SemsearchError as error:
            self.trouble = str(error)

    @contextmanager
    def replacing(self) -> Iterator[None]:
        """Put an empty collection in place of this one at the end of the block."""
        with suppress(IndexDamaged):  # do not begin without a server
            self._engine.count()
        self._save({"finalized": False, "sound": False, "count": 0})
        yield
        self._engine.create()
        self._save({"finalized": False, "sound": True, "count": 0})

    def finalize(self) -> None:
        """End a write. Where the server is gone, the collection stays unfinished, and the next writer goes on."""
        with suppress(EngineUnavailable):
            self._save({"finalized": True, "sound": True, "count": self._engine.count()})

    def wants_rebuild(self) -> bool:
        """Return False: a server frees the room of deleted vectors by itself."""
        return False

    def clean(self) -> None:
        """Do nothing: a rebuild leaves nothing."""

    def prove(self, *, pending: bool = False) -> Proof:
        """Compare everything on the server with the Library."""
        try:
            return compare(self._library, self._engine, pending=pending)
        except IndexDamaged as error:
            return Proof((str(error),))

    def file_problems(self) -> list[str]:
        """Return an empty list: the files are the server's."""
        return []

    def strays(self) -> list[str]:
        """Return an empty list."""
        return []

    def discard(self) -> None:
        """Remove the collection from the server. One that was never made has no texts, and needs no server."""
        try:
            self._engine.drop(quick=True)
        except EngineUnavailable:
            if self._state():
                raise
        self._save(None)

    def close(self) -> None:
        """Do nothing: the connections close with their process."""

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = (self._library.setting(_SETTING) or {}).get(self._id, {})
        return state

    def _save(self, state: dict[str, Any] | None) -> None:
        others = {id_: one for id_, one in (self._library.setting(_SETTING) or {}).items() if id_ != self._id}
        self._library.save_setting(_SETTING, others | ({self._id: state} if state else {}))
