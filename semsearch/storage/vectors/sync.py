"""Chroma as a copy of what the Library publishes: told of changes, sealed at rest, proved, and made anew.

Chroma overwrites the files of its graph in place and without fsync, and what it reads from them it trusts: a torn or
spoilt file can be a wrong answer, or the end of the process. So they are *sealed*: once a writer is done, their sizes,
times and digests are saved in the Library, and the seal is broken before the next write. Files that are not as their
seal says are opened in a process of their own first, which compares all they hold with the Library.

Nothing is lost with Chroma's files. A writer that finds them unsealed, since the last one was cut off, makes them anew
unless the graph is still as it was last sealed and proves sound: links between passages that were written halfway show
in no comparison. One that finds a seal that does not fit says so, since then something else is wrong.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from semsearch.embedding import Vectors
from semsearch.errors import FingerprintMismatch, IndexDamaged, IndexLocked, SemsearchError
from semsearch.files import disk
from semsearch.storage.library import Library, database_problems, segments
from semsearch.storage.lock import alone
from semsearch.storage.vectors.chroma import REPAIR, VectorIndex
from semsearch.storage.vectors.prove import Proof
from semsearch.storage.vectors.seal import FOLDER, chroma_version, is_newer, same_bytes, stamps

_SEAL = "chroma"
_APPLY = 2_000
_DELETED = 2_000
"""So many passages may be deleted from a graph in any case before it is made anew."""
_LOADING = 60.0
"""Seconds to wait for another process that loads the graph; for a million passages that takes two."""


class VectorSync:
    """The Chroma of one index. What writes must hold the index's write lock."""

    def __init__(self, library: Library, index: Path) -> None:
        self._library = library
        self._index = index
        self._folder = index / FOLDER
        self._vectors: VectorIndex | None = None
        self._deleted = 0
        """DocumentVectors that this writer has deleted from Chroma."""
        self._opened: Any = None
        """The seal that `_vectors` was opened under; None for a writer."""

    def close(self) -> None:
        """Let go of Chroma's files."""
        if self._vectors is not None:
            self._vectors.close()
            self._vectors = None

    # -- writing ----------------------------------------------------------------------------------------

    def tell(self, progress: Callable[[int], None] | None = None) -> None:
        """Tell Chroma what is on the outbox. Can be cut off at any point and repeated.

        `progress` is called with the passages told so far. Raises `IndexDamaged`.
        """
        told = 0
        while ids := self._library.outbox(_APPLY):
            chroma = self._writable()
            passages = self._library.passages(ids)
            if gone := [id_ for id_ in ids if id_ not in passages]:
                chroma.delete(gone)
                self._deleted += len(gone)
            if passages:
                rows = self._library.vectors_of(list(passages))
                chroma.upsert(
                    list(passages),
                    np.stack([rows[id_] for id_ in passages]),
                    [passage.text for passage in passages.values()],
                    [passage.traits for passage in passages.values()],
                )
            self._library.mark_applied(ids)
            told += len(ids)
            if progress is not None:
                progress(told)

    def complete(self) -> None:
        """Finish what a writer that was cut off has left: folders, the outbox, and files without a seal."""
        self._sweep()
        if self.unfinished:
            self._writable()
            self.tell()

    def settle(self) -> None:
        """End a write: let go of Chroma's files and seal them as they are.

        The graph keeps the place of every passage that was deleted. It is made anew when these outnumber the others.
        """
        if self._vectors is not None and self._opened is None:
            deleted = self._seal().get("deleted", 0) + self._deleted
            if deleted > _DELETED and deleted > self._library.counts()["passages"]:  # counting takes a while
                self.renew()
                deleted = 0
            self._deleted = 0
            self.close()
            self._sweep()
            before = self._seal()
            with disk(self._folder):
                files = stamps(self._folder, before.get("files"))
                for name in files:
                    with (self._folder / name).open("rb") as file:
                        os.fsync(file.fileno())  # the seal must not outlive what it is of
            number = before.get("number", 0) + 1  # readers tell by it that something was written
            seal = {
                "chromadb": chroma_version(),
                "number": number,
                "files": files,
                "deleted": deleted,
                "sealed": True,
            }
            self._library.save_setting(_SEAL, seal)

    def renew(self, progress: Callable[[int], None] | None = None) -> None:
        """Make Chroma's files anew from the Library, in a new folder that then takes the old one's place."""
        self.close()
        self._sweep()
        with disk(self._index):
            fresh = Path(tempfile.mkdtemp(prefix=f"{FOLDER}-", dir=self._index))
            fresh.chmod(0o755)
        try:
            VectorIndex(fresh, create=True).close()
            self._break_seal(deleted=0)
            self._deleted = 0
            self._library.tell_everything()
            with disk(self._index):
                if self._folder.exists():
                    self._folder.rename(Path(tempfile.mkdtemp(prefix=f"{FOLDER}-", dir=self._index)) / "old")
                fresh.rename(self._folder)
        finally:
            self._sweep()  # where the disk is full it must not stay so
        self._vectors, self._opened = VectorIndex(self._folder), None
        self.tell(progress)

    def _sweep(self) -> None:
        """Clear away what a repair has put aside, this one or one that was cut off."""
        for left in self._index.glob(f"{FOLDER}-*"):
            shutil.rmtree(left, ignore_errors=True)

    def _writable(self) -> VectorIndex:
        """Chroma, proved sound, and its seal broken."""
        if self._vectors is not None and self._opened is None:
            return self._vectors
        self.close()
        self._refuse_newer()
        sound = self._as_sealed(thoroughly=True)
        if self.sealed and not sound:
            raise IndexDamaged(f"the files in {self._folder} are not as the last writer left them", REPAIR)
        if self.sealed or (sound and not self.prove().problems):
            self._break_seal()
            self._vectors, self._opened = VectorIndex(self._folder), None
        else:
            self.renew()
        assert self._vectors is not None
        return self._vectors

    def _break_seal(self, **changes: Any) -> None:
        with alone(self._index, _LOADING) as nobody_loads:
            if not nobody_loads:
                raise IndexLocked(f"{self._folder} is being read by another process", "try again later")
            seal = self._seal() | {"chromadb": chroma_version(), "sealed": False, **changes}
            self._library.save_setting(_SEAL, seal)

    # -- reading ----------------------------------------------------------------------------------------

    def candidates(self, queries: Vectors, k: int) -> list[list[str]] | None:
        """For each query the ids of about the `k` nearest passages, by Chroma's graph.

        None where the graph is not as it was sealed, is being written or cannot be opened.
        """
        if self.unfinished:
            return None
        if self._vectors is None or self._opened not in (None, self._seal()):
            self.close()
            with alone(self._index, _LOADING) as nobody_writes:
                seal = self._seal()
                if not (nobody_writes and self.sealed and self.intact() and not is_newer(seal)):
                    return None
                try:
                    self._vectors, self._opened = VectorIndex(self._folder), seal
                    return self._vectors.nearest(queries, k)  # it loads the graph, which nobody changes now
                except SemsearchError:
                    self.close()
                    return None
        return self._vectors.nearest(queries, k)

    @property
    def sealed(self) -> bool:
        """Whether the last writer has ended as it should."""
        return bool(self._seal().get("sealed"))

    @property
    def unfinished(self) -> bool:
        """Whether a writer was cut off, or is at work: the next one completes what it has left."""
        return not self.sealed or bool(self._library.outbox(1))

    def intact(self, *, thoroughly: bool = False) -> bool:
        """Whether the graph's files are as they were sealed: by size and time, and by digest where these differ.

        Thoroughly, all by their digests, and Chroma's database as SQLite finds it: opening that changes it.
        """
        return self.sealed and self._as_sealed(thoroughly)

    def _as_sealed(self, thoroughly: bool) -> bool:
        """`intact`, of the last seal there was even if it is broken since."""
        files = self._seal().get("files", {})
        try:
            same = same_bytes(files, stamps(self._folder, None if thoroughly else files))
        except OSError:
            return False
        return same and not (thoroughly and database_problems(self._folder / "chroma.sqlite3", quick=True))

    # -- proving ----------------------------------------------------------------------------------------

    def prove(self) -> Proof:
        """Compare all that Chroma holds with the Library, in a process of its own, for Chroma may end that."""
        if not (self._folder / "chroma.sqlite3").exists():
            return Proof((f"{self._folder} holds no Chroma database",))
        self._refuse_newer()
        self.close()
        command = [sys.executable, "-P", "-m", "semsearch.storage.vectors.prove", str(self._index)]
        limit = 120 + self._library.counts()["passages"] / 100
        try:
            ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return Proof((f"Chroma has not opened its files within {limit:.0f} s",))
        if ended.returncode < 0:
            return Proof(
                (f"opening Chroma's files ends a process ({signal.Signals(-ended.returncode).name})",)
            )
        try:
            answer = json.loads(ended.stdout.splitlines()[-1])
        except (ValueError, IndexError):
            reason = ended.stderr.decode(errors="replace").splitlines()[-1:] or ["it said nothing"]
            raise SemsearchError(
                f"{self._folder} could not be compared with the Library: {reason[0]}"
            ) from None
        return Proof(**answer | {"problems": tuple(answer["problems"])})

    def strays(self) -> list[str]:
        """Folders of Chroma that no segment of it uses, and new ones that a repair has left."""
        known = segments(self._folder / "chroma.sqlite3")
        return sorted(
            path.name
            for path in [*self._folder.glob("*/"), *self._index.glob(f"{FOLDER}-*/")]
            if path.name not in known
        )

    # -- plumbing ---------------------------------------------------------------------------------------

    def _seal(self) -> dict[str, Any]:
        return self._library.setting(_SEAL) or {}

    def _refuse_newer(self) -> None:
        seal = self._seal()
        if is_newer(seal):
            raise FingerprintMismatch(
                f"{self._folder} was written by chromadb {seal['chromadb']}; {chroma_version()} is installed",
                f"pip install 'chromadb>={seal['chromadb']}', or semsearch repair",
            )


def sealed_empty(library: Library, index: Path) -> None:
    """Make the Chroma of a new index."""
    VectorIndex(index / FOLDER, create=True).close()
    library.save_setting(_SEAL, {"chromadb": chroma_version(), "files": {}, "sealed": True})
