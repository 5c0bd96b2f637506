"""Keep a vector engine equal to what the Library publishes, whatever the engine is."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from semsearch.embedding import Vectors
from semsearch.errors import EngineUnavailable, IndexDamaged
from semsearch.storage.library import SALVAGE, Library
from semsearch.storage.vectors.engine import Proof, VectorEngine, VectorStore
from semsearch.storage.vectors.engines import Stores

BATCH = 2_000
"""Passages that are sent to the engine at once."""
WAITING, _SHARE = 2_000, 100
"""Up to this many changes wait on the outbox, and at most one in so many vectors.

docs/decisions/0167-small-writes-wait.md."""


class VectorSync:
    """Sends the Library's outbox to the vector engine of one index, and searches the engine.

    `stores` has the store of the engine that the index uses now.
    Methods that write need the index's write lock. They raise the errors of `VectorStore`.
    """

    def __init__(self, library: Library, stores: Stores) -> None:
        self._library = library
        self._stores = stores
        self._writing = False
        self._gone = False  # a server that could not be asked by this write: it is not waited for again
        self._unsent = ""

    @property
    def _store(self) -> VectorStore:
        """The store of the engine that the index uses now: another process may move it."""
        return self._stores()

    def close(self) -> None:
        """Close the engine. A write that was not finalized stays unfinished."""
        self._writing = self._gone = False
        self._stores.close()

    # -- writing ----------------------------------------------------------------------------------------

    def sync(self, progress: Callable[[int], None] | None = None, *, now: bool = False) -> None:
        """Send the outbox to the engine, unless it `can_wait`; with `now`, in any case.

        It may be interrupted at any point and repeated. `progress` is called with the number of passages sent so far.
        Where a server cannot be asked, the rest stays on the outbox for the next writer, and `notes` say so.
        """
        if self._gone or (self.can_wait and not now):
            return
        with self._noticing():
            self._send_outbox(progress)

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except EngineUnavailable as error:
            self._gone, self._unsent = True, str(error)

    def _send_outbox(self, progress: Callable[[int], None] | None = None) -> None:
        sent = 0
        while ids := self._library.outbox(BATCH):
            engine = self._writer()
            send(self._library, engine, ids)
            self._library.mark_applied(ids)
            sent += len(ids)
            if progress is not None:
                progress(sent)

    def recover(self, *, now: bool = False) -> None:
        """Finish what an interrupted writer left: a rebuild, the outbox, a store that was not finalized.

        With `now`, send also what `can_wait`.
        """
        self._store.clean()
        if self.unfinished or (now and self._library.outbox(1)):
            with self._noticing():
                self._writer()
            self.sync()

    def finalize(self) -> None:
        """End a write. Rebuilds the engine where it keeps more deleted passages than others."""
        gone, self._gone = self._gone, False
        if gone or not self._writing:
            self._writing = False
            return
        if self._store.wants_rebuild():
            self.rebuild()
        self._writing = False
        self._store.finalize()

    def rebuild(self, progress: Callable[[int], None] | None = None) -> None:
        """Fill an empty engine from the Library and put it in place of the old one."""
        self._replace()
        self._writer()
        self._send_outbox(progress)

    def _replace(self) -> None:
        with self._store.replacing():
            self._library.fill_outbox()

    def _writer(self) -> VectorEngine:
        engine = self._store.writer()
        if engine is None:
            self._replace()
            engine = self._store.writer()
            assert engine is not None
        self._writing = True
        return engine

    # -- reading ----------------------------------------------------------------------------------------

    def nearest(self, queries: Vectors, k: int) -> list[list[str]] | None:
        """Return for each query [q, dimension] the ids of about the `k` nearest passages.

        None means that the engine cannot be relied on now: it is being written, or its files have changed.
        """
        if self.finalized and not self._library.outbox(1):
            with self._store.reader() as engine:
                if engine is not None:
                    return engine.nearest(queries, k)
        return None

    @property
    def notes(self) -> list[str]:
        """Why a server could not be asked by the last search, or sent the last changes, for people; mostly nothing."""
        trouble, unsent = self._store.trouble, self._unsent if self._library.pending() else ""
        said = (
            [f"the vector engine was not asked, and all passages were compared: {trouble}"] if trouble else []
        )
        if unsent:
            said.append(f"the vector engine has yet to be sent the last changes: {unsent}")
        return said

    @property
    def finalized(self) -> bool:
        """True where the last writer finished."""
        return self._store.finalized

    @property
    def unfinished(self) -> bool:
        """True while a writer is at work, and after one was interrupted. The next one finishes what it left."""
        return not self.finalized or not self.can_wait

    @property
    def can_wait(self) -> bool:
        """True where the outbox is empty or can wait for a later write.

        It can where it is short, no search asks the engine, and the engine has to be loaded to be written to.
        """
        waiting = len(self._library.outbox(WAITING + 1))
        if not waiting:
            return True
        if waiting > WAITING or self._writing or not self._store.deferred:
            return False
        size = self._library.vector_bytes()
        return size.scanned and waiting * _SHARE * self._library.dimension() * 4 <= size.total - size.to_read

    def prove(self) -> Proof:
        """Compare everything in the engine with the Library."""
        return self._store.prove()

    def file_problems(self) -> list[str]:
        """Return what is wrong with the engine's files."""
        return self._store.file_problems()

    def strays(self) -> list[str]:
        """Return the names of files or folders of the engine that belong to nothing."""
        return self._store.strays()


def send(library: Library, engine: VectorEngine, ids: Sequence[str]) -> None:
    """Bring some passages in an engine to what the Library publishes: changed, or deleted."""
    passages = library.passages(ids, metadata=False)
    if gone := [id_ for id_ in ids if id_ not in passages]:
        engine.delete(gone)
    if passages:
        rows = library.vectors_of(list(passages))
        engine.upsert(
            list(passages),
            _matrix([rows[id_] for id_ in passages]),
            [passage.text for passage in passages.values()],
            [passage.traits for passage in passages.values()],
        )


def _matrix(vectors: Sequence[Vectors]) -> Vectors:
    """Return the Library's vectors [n, dimension]. Raises `IndexDamaged` where one has no unit length."""
    if len({vector.shape for vector in vectors}) == 1:
        matrix = np.stack(vectors)
        if np.all(np.abs(np.linalg.norm(matrix, axis=1) - 1) < 1e-3):  # NaN fails as well
            return matrix
    raise IndexDamaged("the Library holds a vector that is not of unit length", SALVAGE)
