"""The Chroma of an index: sealed at rest, proved where its seal is broken, and rebuilt in a new folder.

Chroma overwrites the files of its graph in place and without fsync, and trusts what it reads from them. A torn or
corrupt file can give a wrong answer or end the process. So a writer *seals* the files when it is done: it saves their
sizes, times and digests in the Library, and the next writer breaks the seal before it changes anything. Files that
differ from their seal are first opened in a separate process, which compares all they hold with the Library.

Nothing is lost with Chroma's files. A writer that finds the seal broken, since the last one was interrupted, rebuilds
them, unless the graph is as it was last sealed and proves sound: a comparison does not show links between passages
that were half written. A writer that finds a seal that does not fit reports it, since then something else is wrong.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from semsearch.errors import FingerprintMismatch, IndexDamaged, IndexLocked, SemsearchError
from semsearch.files import disk, restrict
from semsearch.storage.library import Library, database_problems, segments
from semsearch.storage.lock import graph_lock
from semsearch.storage.vectors.chroma import REPAIR, ChromaEngine, remove_unsaved
from semsearch.storage.vectors.engine import Proof
from semsearch.storage.vectors.seal import FOLDER, chroma_version, is_newer, same_bytes, stamps

_SEAL = "chroma"
_DELETED = 2_000
"""Up to this many deleted passages never cause a rebuild."""
_LOADING = 60.0
"""Seconds to wait for another process that loads the graph. Loading a million passages takes two."""


class ChromaStore:
    """The `VectorStore` of one index's Chroma. `index` is the index's folder.

    It serves one thread at a time; `reader` and `writer` wait for one another.
    """

    def __init__(self, library: Library, index: Path) -> None:
        self._library = library
        self._index = index
        self._folder = index / FOLDER
        self._lock = threading.RLock()
        self._engine: ChromaEngine | None = None
        self._writing = False
        self._opened: Any = None
        """The seal that a reader opened `_engine` under."""

    def create(self) -> None:
        """Make an empty, sealed Chroma for a new index."""
        ChromaEngine(self._folder, create=True).close()
        with disk(self._folder):
            restrict(self._folder, self._index)
        self._library.save_setting(_SEAL, {"chromadb": chroma_version(), "files": {}, "sealed": True})

    def close(self) -> None:
        """Close Chroma's files. The store can be used again."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
            self._engine, self._writing, self._opened = None, False, None

    # -- writing ----------------------------------------------------------------------------------------

    def writer(self) -> ChromaEngine | None:
        """Return the engine with its seal broken; None where it was broken before and the files do not prove sound.

        Raises `IndexDamaged` where sealed files have changed, `FingerprintMismatch` where a newer chromadb wrote them,
        and `IndexLocked` while another process loads them.
        """
        with self._lock:
            if self._writing:
                return self._engine
            self.close()
            self._refuse_newer()
            sound = self._as_sealed(thoroughly=True)
            if self.finalized and not sound:
                raise IndexDamaged(f"the files in {self._folder} changed after the last write", REPAIR)
            if not (self.finalized or (sound and not self.prove().problems)):
                return None
            self._break_seal()
            self._engine, self._writing = ChromaEngine(self._folder), True
            return self._engine

    @contextmanager
    def replacing(self) -> Iterator[None]:
        """Put an empty Chroma, open for writing, in place of this one at the end of the block."""
        with self._lock:
            self.close()
            self.clean()
            with disk(self._index):
                fresh = Path(tempfile.mkdtemp(prefix=f"{FOLDER}-", dir=self._index))
            try:
                ChromaEngine(fresh, create=True).close()
                self._break_seal(deleted=0)
                yield
                with disk(self._index):
                    if self._folder.exists():
                        old = Path(tempfile.mkdtemp(prefix=f"{FOLDER}-", dir=self._index))
                        self._folder.rename(old / "old")
                    fresh.rename(self._folder)
            finally:
                self.clean()  # free the room on a full disk
            self._engine, self._writing = ChromaEngine(self._folder), True

    def finalize(self) -> None:
        """Close Chroma's files and seal them as they are."""
        with self._lock:
            deleted = self._deleted()
            self.close()
            self.clean()
            before = self._seal()
            with disk(self._folder):
                remove_unsaved(self._folder)
                restrict(self._folder, self._index)
                files = stamps(self._folder, before.get("files"))
                for name in files:
                    with (self._folder / name).open("rb") as file:
                        os.fsync(file.fileno())  # the files must be on the disk before their seal is
            seal = {
                "chromadb": chroma_version(),
                "number": before.get("number", 0) + 1,  # readers notice a write by it
                "files": files,
                "deleted": deleted,
                "sealed": True,
            }
            self._library.save_setting(_SEAL, seal)

    def wants_rebuild(self) -> bool:
        """Return True where the graph keeps more deleted passages than there are others: it never forgets a place."""
        deleted = self._deleted()
        return deleted > _DELETED and deleted > self._library.counts()["passages"]  # counting is slow

    def clean(self) -> None:
        """Remove the folders that an interrupted rebuild has left."""
        for left in self._index.glob(f"{FOLDER}-*"):
            shutil.rmtree(left, ignore_errors=True)

    def _deleted(self) -> int:
        """Return how many deleted passages the graph keeps."""
        now = self._engine.deleted if self._engine is not None and self._writing else 0
        return int(self._seal().get("deleted", 0)) + now

    def _break_seal(self, **changes: Any) -> None:
        with graph_lock(self._index, _LOADING) as nobody_loads:
            if not nobody_loads:
                raise IndexLocked(f"another process is reading {self._folder}", "try again later")
            seal = self._seal() | {"chromadb": chroma_version(), "sealed": False, **changes}
            self._library.save_setting(_SEAL, seal)

    # -- reading ----------------------------------------------------------------------------------------

    @contextmanager
    def reader(self) -> Iterator[ChromaEngine | None]:
        """Yield the engine; None while it is written, where its files differ from the seal, or where they do not open.

        An error of the first search, which loads the graph, is dropped: the caller's block then ends early.
        """
        with self._lock:
            if self._writing:
                yield None
                return
            if self._engine is not None and self._opened == self._seal():
                yield self._engine
                return
            self.close()
            with graph_lock(self._index, _LOADING) as nobody_writes:
                seal = self._seal()
                if nobody_writes and self.finalized and self.intact() and not is_newer(seal):
                    try:
                        self._engine, self._opened = ChromaEngine(self._folder), seal
                    except SemsearchError:
                        self.close()
                if self._engine is None:
                    yield None
                    return
                try:
                    yield self._engine
                except SemsearchError:
                    self.close()

    @property
    def finalized(self) -> bool:
        """True where the last writer sealed the files."""
        return bool(self._seal().get("sealed"))

    def intact(self, *, thoroughly: bool = False) -> bool:
        """Return True where the graph's files are as they were sealed, by size and time, or else by digest.

        With `thoroughly`, compare all digests, and let SQLite check Chroma's database: opening it changes it, so it
        has no digest.
        """
        return self.finalized and self._as_sealed(thoroughly)

    def _as_sealed(self, thoroughly: bool) -> bool:
        """Compare the files with the last seal, even if it is broken."""
        files = self._seal().get("files", {})
        try:
            same = same_bytes(files, stamps(self._folder, None if thoroughly else files))
        except OSError:
            return False
        return same and not (thoroughly and database_problems(self._database, quick=True))

    # -- checking ---------------------------------------------------------------------------------------

    def prove(self) -> Proof:
        """Compare everything in Chroma with the Library, in a separate process, since opening the files may end it."""
        if not self._database.exists():
            return Proof((f"{self._folder} holds no Chroma database",))
        self._refuse_newer()
        self.close()
        command = [sys.executable, "-P", "-m", "semsearch.storage.vectors.prove", str(self._index)]
        limit = 120 + self._library.counts()["passages"] / 100
        try:
            ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return Proof((f"Chroma did not open its files within {limit:.0f} s",))
        if ended.returncode < 0:
            name = signal.Signals(-ended.returncode).name
            return Proof((f"opening Chroma's files ends a process ({name})",))
        try:
            answer = json.loads(ended.stdout.splitlines()[-1])
        except (ValueError, IndexError):
            reason = ended.stderr.decode(errors="replace").splitlines()[-1:] or ["no output"]
            raise SemsearchError(
                f"{self._folder} could not be compared with the Library: {reason[0]}"
            ) from None
        return Proof(**answer | {"problems": tuple(answer["problems"])})

    def file_problems(self) -> list[str]:
        """Return what is wrong with the files: changes since they were sealed, and what SQLite finds."""
        changed = [] if self.intact(thoroughly=True) else ["they changed after the last write"]
        return [*changed, *database_problems(self._database)]

    def strays(self) -> list[str]:
        """Return the names of folders that no segment of Chroma uses, and those that a rebuild has left."""
        known = segments(self._database)
        return sorted(
            path.name
            for path in [*self._folder.glob("*/"), *self._index.glob(f"{FOLDER}-*/")]
            if path.name not in known
        )

    # -- plumbing ---------------------------------------------------------------------------------------

    @property
    def _database(self) -> Path:
        return self._folder / "chroma.sqlite3"

    def _seal(self) -> dict[str, Any]:
        return self._library.setting(_SEAL) or {}

    def _refuse_newer(self) -> None:
        seal = self._seal()
        if is_newer(seal):
            raise FingerprintMismatch(
                f"{self._folder} was written by chromadb {seal['chromadb']}; {chroma_version()} is installed",
                f"pip install 'chromadb>={seal['chromadb']}', or semsearch repair",
            )
