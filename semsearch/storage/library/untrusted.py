"""Refuse what a stranger can put next to SQLite's files or into them, before SQLite acts on it.

Opening a database is not only reading: SQLite plays back a journal that it finds, deletes the file that the end of the
journal names as its super-journal, and evaluates the views, triggers and expressions of the schema.
https://www.sqlite.org/fileformat2.html#the_rollback_journal
"""

import os
import sqlite3
import stat
from collections.abc import Collection
from pathlib import Path

from semsearch.errors import IndexDamaged
from semsearch.files import opened
from semsearch.storage.location import SOCKET

_MAGIC = bytes.fromhex("d9d505f920a163d7")
"""The last bytes of a journal that names a super-journal."""
_WRITTEN, _WAL = 18, b"\x02"
"""The place of the write version in a database, and the version that has a write-ahead log and so no journal."""

_ABOUT_TABLES = (
    "SELECT strict, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?",
    "SELECT name, type, \"notnull\", pk, hidden, coalesce(instr(dflt_value, '('), 0) FROM pragma_table_xinfo(?)",
)
"""Queries for the parts of a table that have to be equal. A default may be a value, but not an expression."""


def refuse_journal(database: Path) -> None:
    """Raise `IndexDamaged` where the rollback journal next to a database is not one that its writers leave.

    A Library has a write-ahead log and never a journal. A killed Chroma leaves a journal, which changes its own
    database only: no transaction of Chroma spans two databases, so its journal names no super-journal.
    """
    journal = database.with_name(f"{database.name}-journal")
    if not os.path.lexists(journal):  # in most cases
        return
    try:
        with opened(journal) as file:
            file.seek(max(0, journal.stat().st_size - len(_MAGIC)))
            foreign = file.read() == _MAGIC
        with opened(database) as file:
            foreign = foreign or file.read(_WRITTEN + 1)[_WRITTEN:] == _WAL
    except FileNotFoundError:  # its writer has just finished
        return
    except OSError:
        foreign = True
    if foreign:
        raise IndexDamaged(
            f"{journal} is not of this index, and SQLite would change or delete files by it",
            f"remove {journal}",
        )


def refuse_special_files(folder: Path, apart: Collection[str] = ()) -> None:
    """Raise `IndexDamaged` where a folder holds a link, a device or a FIFO, or a file that has another name elsewhere.

    Writing through one of these changes other files. The socket of a server is allowed.
    The folders `apart` directly in it are not entered.
    """
    for at, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(at) / name
            try:
                found = path.lstat()
            except FileNotFoundError:  # another process removed it
                continue
            if stat.S_ISSOCK(found.st_mode) and path == folder / SOCKET:
                continue
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
                raise IndexDamaged(
                    f"{path} is neither a file nor a folder, and an index holds nothing else",
                    "remove it, or ingest into a new index with --index",
                )
            if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 and os.access(path, os.W_OK):
                raise IndexDamaged(
                    f"{path} is a hard link: writing to it would change a file elsewhere",
                    "copy the index to another folder, and use the copy",
                )
        if Path(at) == folder:
            folders[:] = [name for name in folders if name not in apart]


def schema_problems(db: sqlite3.Connection, own: sqlite3.Connection) -> list[str]:
    """Return the names of what the schema of `db` has, or lacks, against the schema of `own`, which is trusted.

    Views, triggers and indexes must be written as there, since SQLite evaluates their expressions. Tables must be plain
    ones with the same columns; a migration writes them in another way.
    """
    return sorted({f"{kind} {name}" for kind, name, _ in _parts(db) ^ _parts(own)})


def foreign_objects(db: sqlite3.Connection, virtual: Collection[str]) -> list[str]:
    """Return the names of a schema's views, triggers and virtual tables, without the tables in `virtual`."""
    query = "SELECT type, name FROM sqlite_schema WHERE type = 'trigger' OR rootpage IS NULL OR rootpage = 0"
    found = db.execute(query).fetchall()
    return sorted(f"{kind} {name}" for kind, name in found if kind != "table" or name not in virtual)


def is_plain_table(db: sqlite3.Connection, name: str) -> bool:
    """Return True where a name belongs to a table with its own rows, not to a view or a virtual table."""
    query = "SELECT rootpage > 0 FROM sqlite_schema WHERE type = 'table' AND name = ?"
    return bool((db.execute(query, (name,)).fetchone() or (0,))[0])


def _parts(db: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """Return the parts of a schema, each as kind, name and what has to be equal."""
    found = set()
    for kind, name, sql, plain in db.execute(
        "SELECT type, name, sql, rootpage > 0 FROM sqlite_schema"
    ).fetchall():
        if kind != "table":
            found.add((kind, name, str(sql)))
        elif not str(name).startswith("sqlite_"):  # statistics of the query planner
            found.add((kind, name, f"{plain} {'CHECK' in str(sql).upper()}"))
            for query in _ABOUT_TABLES:
                found |= {(kind, name, str(row)) for row in db.execute(query, (name,))}
    return found
