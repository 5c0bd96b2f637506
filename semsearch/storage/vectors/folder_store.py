"""The vector engine of an index in a folder of it: sealed at rest, proved where its seal is broken, and rebuilt.

An engine such as Chroma overwrites its files in place and without fsync, and trusts what it reads from them. A torn or
corrupt file can give a wrong answer or end the process. So a writer *seals* the files when it is done: it saves their
sizes, times and digests in the Library, and the next writer breaks the seal before it changes anything. Files that
differ from their seal are first opened in a separate process, which compares all they hold with the Library.

Nothing is lost with the files. A writer that finds the seal broken, since the last one was interrupted, rebuilds
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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from semsearch.errors import FingerprintMismatch, IndexDamaged, IndexLocked, MissingExtra, SemsearchError
from semsearch.files import disk, restrict
from semsearch.storage.library import Library, database_problems, segments
from semsearch.storage.lock import graph_lock
from semsearch.storage.vectors.engine import REPAIR, Proof, VectorEngine
from semsearch.storage.vectors.seal import is_newer, same_bytes, stamps, version_of

_DELETED = 2_000
"""Up to this many deleted passages never cause a rebuild."""
_LOADING = 60.0
"""Seconds to wait for another process that loads the graph. Loading a million passages takes two."""


class EmbeddedEngine(VectorEngine, Protocol):
    """A vector engine in a folder."""

    @property
    def deleted(self) -> int:
        """The number of vectors that were deleted through this engine, and still take place in its files."""
        ...

    def settle(self) -> None:
        """Build what a search needs, and bring everything written to the disk."""
        ...


class _Open(Protocol):
    def __call__(self, folder: Path, *, create: bool = False) -> EmbeddedEngine: ...


@dataclass(frozen=True, slots=True)
class Embedded:
    """The engine of a `FolderStore`.

    `name` names its folder in an index, and the setting with its seal. `package` is what makes its files, `open` opens
    them, `files` yields those that nothing but a write changes, and `tidy` removes some when nobody has them open.
    `database` is the SQLite file in the folder, if it has one.
    """

    name: str
    package: str
    open: _Open
    files: Callable[[Path], Iterable[Path]]
    tidy: Callable[[Path], None] = lambda folder: None
    database: str = ""


class FolderStore:
    """The `VectorStore` of one index's engine in a folder. `index` is the index's folder.

    It serves one thread at a time; `reader` and `writer` wait for one another.
    """

    deferred = True

    def __init__(self, kind: Embedded, library: Library, index: Path) -> None:
        self._kind = kind
        self._library = library
        self._index = index
        self._folder = index / kind.name
        self._lock = threading.RLock()
        self._engine: EmbeddedEngine | None = None
        self._writing = False
        self._opened: Any = None
        """The seal that a reader opened `_engine` under."""
        self.trouble = ""

    def create(self) -> None:
        """Make an empty, sealed engine for a new index."""
        self._kind.open(self._folder, create=True).close()
        with disk(self._folder):
            restrict(self._folder, self._index)
            files = self._stamps(None)
        self._save({self._kind.package: version_of(self._kind.package), "files": files, "sealed": True})

    def discard(self) -> None:
        """Remove the folder and the seal."""
        with self._lock:
            self.close()
            self._save(None)
            with disk(self._index):
                for folder in [*self._index.glob(f"{self._kind.name}-*"), self._folder]:
                    if folder.is_dir():
                        shutil.rmtree(folder)

    def close(self) -> None:
        """Close the engine's files. The store can be used again."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
            self._engine, self._writing, self._opened = None, False, None

    # -- writing ----------------------------------------------------------------------------------------

    def writer(self) -> EmbeddedEngine | None:
        """Return the engine with its seal broken; None where it was broken before and the files do not prove sound.

        Raises `IndexDamaged` where sealed files have changed, `FingerprintMismatch` where a newer package wrote them,
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
            self._engine, self._writing = self._kind.open(self._folder), True
            return self._engine

    @contextmanager
    def replacing(self) -> Iterator[None]:
        """Put an empty engine, open for writing, in place of this one at the end of the block."""
        with self._lock:
            self.close()
            self.clean()
            with disk(self._index):
                fresh = Path(tempfile.mkdtemp(prefix=f"{self._kind.name}-", dir=self._index))
            try:
                self._kind.open(fresh, create=True).close()
                self._break_seal(deleted=0)
                yield
                with disk(self._index):
                    if self._folder.exists():
                        old = Path(tempfile.mkdtemp(prefix=f"{self._kind.name}-", dir=self._index))
                        self._folder.rename(old / "old")
                    fresh.rename(self._folder)
            finally:
                self.clean()  # free the room on a full disk
            self._engine, self._writing = self._kind.open(self._folder), True

    def finalize(self) -> None:
        """Let the engine build what it needs, close its files and seal them as they are."""
        with self._lock:
            deleted = self._deleted()
            if self._engine is not None and self._writing:
                self._engine.settle()
            self.close()
            self.clean()
            before = self._seal()
            with disk(self._folder):
                self._kind.tidy(self._folder)
                restrict(self._folder, self._index)
                files = self._stamps(before.get("files"))
                for name in files:
                    with (self._folder / name).open("rb") as file:
                        os.fsync(file.fileno())  # the files must be on the disk before their seal is
            seal = {
                self._kind.package: version_of(self._kind.package),
                "number": before.get("number", 0) + 1,  # readers notice a write by it
                "files": files,
                "deleted": deleted,
                "sealed": True,
            }
            self._save(seal)

    def wants_rebuild(self) -> bool:
        """Return True where the graph keeps more deleted passages than there are others: it never forgets a place."""
        deleted = self._deleted()
        return deleted > _DELETED and deleted > self._library.counts()["passages"]  # counting is slow

    def clean(self) -> None:
        """Remove the folders that an interrupted rebuild has left."""
        for left in self._index.glob(f"{self._kind.name}-*"):
            shutil.rmtree(left, ignore_errors=True)

    def _deleted(self) -> int:
        """Return how many deleted passages the graph keeps."""
        now = self._engine.deleted if self._engine is not None and self._writing else 0
        return int(self._seal().get("deleted", 0)) + now

    def _break_seal(self, **changes: Any) -> None:
        with graph_lock(self._index, _LOADING) as nobody_loads:
            if not nobody_loads:
                raise IndexLocked(f"another process is reading {self._folder}", "try again later")
            seal = self._seal() | {
                self._kind.package: version_of(self._kind.package),
                "sealed": False,
                **changes,
            }
            self._save(seal)

    # -- reading ----------------------------------------------------------------------------------------

    @contextmanager
    def reader(self) -> Iterator[EmbeddedEngine | None]:
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
                if (
                    nobody_writes
                    and self.finalized
                    and self.intact()
                    and not is_newer(seal, self._kind.package)
                ):
                    try:
                        self._engine, self._opened = self._kind.open(self._folder), seal
                        self.trouble = ""
                    except SemsearchError as error:
                        self.trouble = str(error) if isinstance(error, MissingExtra) else ""
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

        With `thoroughly`, compare all digests, and let SQLite check a database: opening Chroma's changes it, so it has
        no digest.
        """
        return self.finalized and self._as_sealed(thoroughly)

    def _as_sealed(self, thoroughly: bool) -> bool:
        """Compare the files with the last seal, even if it is broken."""
        files = self._seal().get("files", {})
        try:
            same = same_bytes(files, self._stamps(None if thoroughly else files))
        except OSError:
            return False
        return same and not (thoroughly and self._database and database_problems(self._database, quick=True))

    # -- checking ---------------------------------------------------------------------------------------

    def prove(self, *, pending: bool = False) -> Proof:
        """Compare the whole engine with the Library, in a separate process, since opening the files may end it."""
        if not (self._database or self._folder).exists():
            return Proof((f"{self._folder} holds no {self._kind.name} database",))
        self._refuse_newer()
        self.close()
        program = [sys.executable, "-P", "-m", "semsearch.storage.vectors.prove"]
        command = [*program, str(self._index), self._kind.name, *(["pending"] if pending else [])]
        limit = 120 + self._library.counts()["passages"] / 100
        try:
            ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return Proof((f"{self._kind.name} did not open its files within {limit:.0f} s",))
        if ended.returncode < 0:
            name = signal.Signals(-ended.returncode).name
            return Proof((f"opening the files of {self._kind.name} ends a process ({name})",))
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
        return [*changed, *(database_problems(self._database) if self._database else ())]

    def strays(self) -> list[str]:
        """Return the names of folders that the engine does not use, and those that a rebuild has left."""
        folders = list(self._index.glob(f"{self._kind.name}-*/"))
        if self._database is not None:
            known = segments(self._database)
            folders += [path for path in self._folder.glob("*/") if path.name not in known]
        return sorted(path.name for path in folders)

    # -- plumbing ---------------------------------------------------------------------------------------

    @property
    def _database(self) -> Path | None:
        return self._folder / self._kind.database if self._kind.database else None

    def _stamps(self, known: Any) -> dict[str, list[Any]]:
        return stamps(self._folder, self._kind.files(self._folder), known)

    def _seal(self) -> dict[str, Any]:
        return self._library.setting(self._kind.name) or {}

    def _save(self, seal: dict[str, Any] | None) -> None:
        self._library.save_setting(self._kind.name, seal)

    def _refuse_newer(self) -> None:
        seal, package = self._seal(), self._kind.package
        if is_newer(seal, package):
            raise FingerprintMismatch(
                f"{self._folder} was written by {package} {seal[package]}; {version_of(package)} is installed",
                f"pip install '{package}>={seal[package]}', or semsearch repair",
            )
