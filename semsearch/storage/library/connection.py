"""Opening a Library's file: for writing, or as it is where nothing can be written."""

import os
import sqlite3
import zlib
from pathlib import Path

from semsearch.errors import SemsearchError
from semsearch.text import text_digest

PASSAGE_SUM = "sum = checksum(document, metadata, id, text, unit, first, last, heading)"
"""Whether a row of `published`, or what stands for one, is what was stored."""
VECTOR_SUM = "vectors.sum = checksum(digest, vector)"


def connected(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """A connection whose commits are on the disk when they return. Raises `sqlite3.Error` and `SemsearchError`.

    In a folder that cannot be written, or has no room, SQLite cannot coordinate with others: the file is read as if
    nobody wrote to it.
    """
    db = _connection(path, "mode=rwc" if create else "mode=rw")
    try:
        db.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as error:
        db.close()
        # As long as anybody else has the file open, what takes that room is there already.
        no_room = error.sqlite_errorname == "SQLITE_IOERR_SHMSIZE"
        if create or not path.exists() or (os.access(path.parent, os.W_OK) and not no_room):
            raise
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise SemsearchError(
                f"{path} was being written when that was cut off, and its folder cannot be written",
                "copy the index to where it can be, or make room",
            ) from None
        db = _connection(path, "immutable=1")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA synchronous = FULL")
    return db


def _connection(path: Path, mode: str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, check_same_thread=False)
    db.isolation_level = None
    db.execute("PRAGMA trusted_schema = OFF")  # it may be a stranger's
    db.create_function("checksum", -1, _checksum, deterministic=True)
    db.create_function("text_digest", 1, text_digest, deterministic=True)
    return db


def _checksum(*values: str | int | bytes) -> int:
    """The CRC-32 of a row's values."""
    return zlib.crc32(
        b"\0".join(value if isinstance(value, bytes) else str(value).encode() for value in values)
    )
