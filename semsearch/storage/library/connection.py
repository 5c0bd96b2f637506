"""Connections to a Library's file: one writes, each thread that reads has another, one notices every change."""

import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semsearch.errors import IndexNotFound, SemsearchError
from semsearch.files import mode_within, new_file
from semsearch.storage.library.untrusted import refuse_journal
from semsearch.text import text_digest

_SUMMED = "document, metadata, id, text, unit, first, last, heading"
PASSAGE_SUM = f"sum = checksum({_SUMMED}, original)"
"""SQL that is true where a row of `published`, or a row with the same columns, is as it was stored."""
FIFTH_PASSAGE_SUM = f"sum = checksum({_SUMMED})"
"""The same for a row of a Library before version 6, which had no originals."""
VECTOR_SUM = "vectors.sum = checksum(digest, vector)"
"""SQL that is true where a row of `vectors` is as it was stored."""
_LONGEST = 256_000_000
"""The most bytes of a row. A row of metadata has at most 10,000,000 characters."""
_IDLE = 8
"""Connections that are kept open for the next reader."""


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Return a connection whose commits are on the disk when they return. Raises `sqlite3.Error` and `SemsearchError`.

    SQLite cannot coordinate with other processes in a folder that is read-only or has no room. There, the connection
    reads the file as if nobody wrote to it. Raises `IndexDamaged` for a journal that is not of this database.
    """
    refuse_journal(path)
    if create:  # SQLite would let everybody read it; its log takes the permissions of the file
        new_file(path, mode_within(path.parent)).close()
    db = _connection(path, "mode=rwc" if create else "mode=rw")
    try:
        db.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as error:
        db.close()
        # While another process has the file open, the shared memory that takes this room exists already.
        no_room = error.sqlite_errorname == "SQLITE_IOERR_SHMSIZE"
        if create or not path.exists() or (os.access(path.parent, os.W_OK) and not no_room):
            raise
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise SemsearchError(
                f"a write to {path} was interrupted, and its folder is read-only or full",
                "copy the index to a folder that is writable, or make room",
            ) from None
        db = _connection(path, "immutable=1")
    except BaseException:
        db.close()
        raise
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA synchronous = FULL")
    return db


def _connection(path: Path, mode: str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, check_same_thread=False)
    db.isolation_level = None
    db.execute("PRAGMA trusted_schema = OFF")  # the file may come from a stranger
    db.execute("PRAGMA cell_size_check = ON")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    db.create_function("checksum", -1, checksum, deterministic=True)
    db.create_function("text_digest", 1, text_digest, deterministic=True)
    return db


def checksum(*values: str | int | bytes, begun: int | None = None) -> int:
    """Return the CRC-32 of a row's values. `begun` is the CRC-32 of the values before them."""
    joined = b"\0".join([value if isinstance(value, bytes) else str(value).encode() for value in values])
    return zlib.crc32(joined) if begun is None else zlib.crc32(joined, zlib.crc32(b"\0", begun))


class _Pinned(threading.local):
    """The connection that the current thread must read through, if any, and the state it shows."""

    snapshot: tuple[sqlite3.Connection, int] | None = None
    transaction: sqlite3.Connection | None = None


class Connections:
    """The connections to one file. Any number of threads may read at once; one at a time writes.

    A reader borrows a connection and gives it back, so a thread that ends leaves none open.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self._path = path
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._idle = [connect(path, create=create)]
        self._file = _file_at(path)
        self._closed = False
        self._monitor: sqlite3.Connection | None = None
        self._monitoring = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._writing = threading.RLock()
        self._pinned = _Pinned()

    def close(self) -> None:
        """Close every connection. One that another thread is reading through is closed once it is given back."""
        if os.getpid() != self._process:
            return  # they belong to the parent
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()
        with self._monitoring:
            if self._monitor is not None:
                self._monitor.close()
        with self._writing:
            if self._writer is not None:
                self._writer.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection to read through: the one of the thread's transaction or snapshot, else an idle one."""
        pinned = self._pinned
        if pinned.transaction is not None:
            yield pinned.transaction
        elif pinned.snapshot is not None:
            yield pinned.snapshot[0]
        else:
            with self._borrowed() as db:
                yield db

    @contextmanager
    def snapshot(self) -> Iterator[int]:
        """Show one state of the file to all that the thread reads within the block, and yield the state."""
        if self._pinned.snapshot is not None:
            yield self._pinned.snapshot[1]
            return
        with self._borrowed() as db:
            while True:
                state = self.state()
                db.execute("BEGIN")
                db.execute("PRAGMA user_version").fetchone()  # the first read takes the snapshot
                if self.state() == state:
                    break
                db.execute("ROLLBACK")
            self._pinned.snapshot = db, state
            try:
                yield state
            finally:
                self._pinned.snapshot = None
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def state(self) -> int:
        """Return a number that differs after any commit, by any thread or process; within a snapshot, its own."""
        if self._pinned.snapshot is not None:
            return self._pinned.snapshot[1]
        self._refuse_fork()
        self._refuse_other_file()
        with self._monitoring:
            self._refuse_closed()
            if self._monitor is None:
                self._monitor = connect(self._path)
            # This connection never writes, so it sees all commits as those of others.
            return int(self._monitor.execute("PRAGMA data_version").fetchone()[0])

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection that writes, once no other thread does."""
        self._refuse_fork()
        self._refuse_other_file()
        with self._writing:
            self._refuse_closed()
            if self._writer is None:
                self._writer = connect(self._path)
                self._writer.execute("PRAGMA journal_mode = WAL")  # so that a kill leaves no journal
            yield self._writer

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection that writes, and commit at the end of the block; after an exception, roll back."""
        with self.writing() as db:
            db.execute("BEGIN IMMEDIATE")
            self._pinned.transaction = db
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            finally:
                self._pinned.transaction = None

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        self._refuse_fork()
        self._refuse_other_file()
        with self._lock:
            self._refuse_closed()
            db = self._idle.pop() if self._idle else None
        db = db or connect(self._path)
        try:
            yield db
        except BaseException:
            db.close()  # the exception may hold a cursor, and that would hold an old state
            raise
        with self._lock:
            kept = not self._closed and len(self._idle) < _IDLE and not db.in_transaction
            if kept:
                self._idle.append(db)
        if not kept:
            db.close()

    def _refuse_other_file(self) -> None:
        """Raise `IndexNotFound` where another file or none lies at the path: a new connection would read that one."""
        if _file_at(self._path) != self._file:
            raise IndexNotFound(
                f"the index in {self._path.parent} was replaced or removed after it was opened",
                "open the index, or start its server, again",
            )

    def _refuse_fork(self) -> None:
        """Raise an error in a forked child: SQLite forbids its connections there, and a lock may be held for ever."""
        if os.getpid() != self._process:
            raise SemsearchError(
                f"{self._path} was opened before this process was forked", "open the index in the new process"
            )

    def _refuse_closed(self) -> None:
        if self._closed:
            raise SemsearchError(f"{self._path} is closed", "open the index again")


def _file_at(path: Path) -> tuple[int, int] | None:
    """Return which file lies at a path, or None. It stays the same while the file is open, wherever it is moved."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
