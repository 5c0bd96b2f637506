"""Chroma as a copy of what the Library publishes: told of changes, sealed at rest, proved, and made anew.

Chroma overwrites the files of its graph in place and without fsync, and what it reads from them it trusts: a torn or
spoilt file can be a wrong answer, or the end of the process. So they are *sealed*: once a writer is done, their sizes,
times and digests are saved in the Library, and the seal is broken before the next write. Files that are not as their
seal says are opened in a process of their own first, which compares all they hold with the Library.

Nothing is lost with Chroma's files. A writer that finds them unsealed, since the last one was cut off, makes them anew
unless the graph is still as it was last sealed and proves sound: links between passages that were written halfway show
in no comparison. One that finds a seal that does not fit says so, since then something else is wrong.
"""

import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Vectors
from semsearch.errors import FingerprintMismatch, IndexDamaged, IndexLocked, SemsearchError
from semsearch.files import disk
from semsearch.storage.library import Library, database_problems, segments
from semsearch.storage.lock import alone
from semsearch.storage.vectors.chroma import REPAIR, VectorIndex

FOLDER = "chroma"
_SEAL = "chroma"
_APPLY = 2_000
_PAGE = 5_000
_DELETED = 2_000
"""So many passages may be deleted from a graph in any case before it is made anew."""
_SELF_QUERIES = 256
_LOADING = 60.0
"""Seconds to wait for another process that loads the graph; for a million passages that takes two."""
_CLOSE = 1e-5
"""How far a number of a vector in Chroma may be from the Library's."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What comparing Chroma with the Library gave. `found` of `asked` passages are the nearest to themselves, which is
    no fault where it is not all: the graph is approximate."""

    problems: tuple[str, ...] = ()
    passages: int = 0
    asked: int = 0
    found: int = 0


class Replica:
    """The Chroma of one index. What writes must hold the index's write lock."""

    def __init__(self, library: Library, index: Path) -> None:
        self._library = library
        self._index = index
        self._folder = index / FOLDER
        self._vectors: VectorIndex | None = None
        self._deleted = 0
        """Passages that this writer has deleted from Chroma."""
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
                files = _stamps(self._folder, before.get("files"))
                for name in files:
                    with (self._folder / name).open("rb") as file:
                        os.fsync(file.fileno())  # the seal must not outlive what it is of
            number = before.get("number", 0) + 1  # readers tell by it that something was written
            seal = {
                "chromadb": _version(),
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
            seal = self._seal() | {"chromadb": _version(), "sealed": False, **changes}
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
                if not (nobody_writes and self.sealed and self.intact() and not _newer(seal)):
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
            same = _same(files, _stamps(self._folder, None if thoroughly else files))
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
        command = [sys.executable, "-P", "-m", "semsearch.storage.vectors.sync", str(self._index)]
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
        if _newer(seal):
            raise FingerprintMismatch(
                f"{self._folder} was written by chromadb {seal['chromadb']}; {_version()} is installed",
                f"pip install 'chromadb>={seal['chromadb']}', or semsearch repair",
            )


def sealed_empty(library: Library, index: Path) -> None:
    """Make the Chroma of a new index."""
    VectorIndex(index / FOLDER, create=True).close()
    library.save_setting(_SEAL, {"chromadb": _version(), "files": {}, "sealed": True})


@functools.cache
def _version() -> str:
    return metadata.version("chromadb")


def _newer(seal: Mapping[str, Any]) -> bool:
    """Whether a newer Chroma than the one that is installed has written."""

    def numbers(version: str) -> list[int]:
        return [int(part) for part in version.split(".")[:2] if part.isdecimal()]

    return numbers(str(seal.get("chromadb", ""))) > numbers(_version())


def _stamps(folder: Path, known: Mapping[str, Any] | None) -> dict[str, list[Any]]:
    """Size, time and digest of each file of the graph; where size and time are `known`, the digest is too.

    A graph without its metadata has never been saved: Chroma makes it anew whenever it is opened.
    """
    stamps = {}
    for path in sorted(
        path for saved in folder.glob("*/index_metadata.pickle") for path in saved.parent.iterdir()
    ):
        stat, name = path.stat(), path.relative_to(folder).as_posix()
        stamp: list[Any] = [stat.st_size, stat.st_mtime_ns]
        if known and known.get(name, ())[:2] == stamp:
            stamps[name] = known[name]
            continue
        with path.open("rb") as file:
            stamps[name] = [*stamp, hashlib.file_digest(file, "sha256").hexdigest()]
    return stamps


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two `_stamps` are of the same bytes."""

    def bytes_of(stamps: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
        return {name: (size, digest) for name, (size, _, digest) in stamps.items()}

    return bytes_of(one) == bytes_of(other)


# -- in a process of its own ----------------------------------------------------------------------------


def _compare(index: Path) -> Proof:
    """Compare Chroma with the Library, page by page, then let the graph find some passages by themselves."""
    with closing(Library(index / "library.sqlite3")) as library:
        try:
            return _compared(library, index / FOLDER)
        except SemsearchError as error:
            return Proof((str(error),))


def _compared(library: Library, folder: Path) -> Proof:
    wrong = dict.fromkeys(("that the Library does not hold", "whose vector differs", "whose text differs"), 0)
    waiting, told = set(library.outbox(sys.maxsize)), 0
    sample: list[NDArray[np.float32]] = []
    total = library.counts()["passages"]
    stride = max(1, total // _SELF_QUERIES)
    with closing(VectorIndex(folder)) as chroma:
        for ids, vectors, texts, traits in _pages(chroma, waiting):
            own, rows = library.passages(ids), library.vectors_of(ids)
            for id_, vector, text, trait in zip(ids, vectors, texts, traits, strict=True):
                if id_ not in own:
                    wrong["that the Library does not hold"] += 1
                    continue
                told += 1
                wrong["whose vector differs"] += not np.allclose(vector, rows[id_], rtol=0, atol=_CLOSE)
                wrong["whose text differs"] += text != own[id_].text or trait != own[id_].traits
                if told % stride == 0:
                    sample.append(rows[id_])
        missing = total - len(library.passages(list(waiting))) - told
        problems = [f"{count:,} passages {what}" for what, count in wrong.items() if count]
        if missing:
            problems.insert(0, f"{missing:,} passages of {total:,} are missing")
        found = 0
        if not problems and sample:
            best = chroma.nearest(np.stack(sample), 1)
            nearest = library.vectors_of([id_ for row in best for id_ in row])
            pairs = zip(sample, best, strict=True)
            found = sum(bool(row) and float(nearest[row[0]] @ vector) > 1 - 1e-4 for vector, row in pairs)
    return Proof(tuple(problems), told, len(sample), found)


def _pages(chroma: VectorIndex, without: set[str]) -> Iterator[Any]:
    page: list[str] = []
    for id_ in chroma.ids():
        if id_ not in without:
            page.append(id_)
        if len(page) == _PAGE:
            yield page, *chroma.held(page)
            page = []
    if page:
        yield page, *chroma.held(page)


if __name__ == "__main__":
    print(json.dumps(asdict(_compare(Path(sys.argv[1])))))
