"""Tell what an error of SQLite means: damage, a file in use, a disk that fails, or a fault of semsearch."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from semsearch.errors import IndexDamaged, IndexLocked, SemsearchError
from semsearch.storage.library.connection import connect
from semsearch.storage.library.schema import foreign_parts

SALVAGE = "semsearch repair saves what can be read"
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT")
_IN_USE = ("SQLITE_BUSY", "SQLITE_LOCKED")
_DISK = (
    "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOLFS", "SQLITE_NOMEM", "SQLITE_PERM",
    "SQLITE_PROTOCOL", "SQLITE_READONLY",
)  # fmt: skip
_BAD_VALUE = ("Could not decode", "malformed JSON", "user-defined function raised")
"""The beginnings of messages about a stored value that is not of its kind. These errors have no code for it."""
_IMPOSSIBLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Exceptions that reading a row raises where a value is not of its kind."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as ours: `IndexDamaged` for corruption only, `IndexLocked` for a file in use."""
    try:
        yield
    except sqlite3.Error as error:
        raise _ours(path, error) from error


@contextmanager
def decoded(path: Path) -> Iterator[None]:
    """Raise `IndexDamaged` where a stored value is not of its kind."""
    try:
        yield
    except _IMPOSSIBLE as error:
        raise IndexDamaged(f"{path} holds an impossible value: {error}", SALVAGE) from error


def _ours(path: Path, error: sqlite3.Error) -> SemsearchError:
    name, text = getattr(error, "sqlite_errorname", ""), str(error)
    if name.startswith(_DAMAGE) or text.startswith(_BAD_VALUE):
        return IndexDamaged(f"{path} is damaged: {text}", SALVAGE)
    if name.startswith(_IN_USE):
        return IndexLocked(f"{path} is in use: {text}", "try again later")
    if name.startswith(_DISK):
        return SemsearchError(f"{path}: {text}", "is the disk full, or the folder read-only?")
    if isinstance(error, sqlite3.ProgrammingError):
        return SemsearchError(f"{path} cannot be used: {text}", "open the index again")
    if name == "SQLITE_INTERRUPT":
        return SemsearchError(f"{path}: the operation was interrupted", "run it again")
    if not _is_sound(path):
        return IndexDamaged(f"{path} is damaged: {text}", SALVAGE)
    return SemsearchError(
        f"{path}: {text}", "the index is sound, so this is a fault of semsearch: please report it"
    )


def _is_sound(path: Path) -> bool:
    """Return False where SQLite finds a Library's pages corrupt, or its schema is not ours."""
    try:
        with closing(connect(path)) as db:
            pages = db.execute("PRAGMA quick_check(1)").fetchone()
            return pages == ("ok",) and not foreign_parts(db)
    except sqlite3.Error as error:
        return not getattr(error, "sqlite_errorname", "").startswith(_DAMAGE)
    except SemsearchError:
        return True
