"""Check SQLite files, the Library's or Chroma's, without trusting them."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamaged, SemsearchError
from semsearch.storage.library.connection import PASSAGE_SUM, VECTOR_SUM, connect
from semsearch.storage.library.fulltext import POSTINGS_SUM, FullText
from semsearch.storage.library.records import StoredPassage, stored_fields, stored_passage
from semsearch.storage.library.schema import foreign_parts
from semsearch.storage.library.settings import parsed_setting
from semsearch.storage.library.untrusted import foreign_objects

_NO_DAMAGE = ("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_PERM")
"""The beginnings of SQLite's names for errors that do not come from the file. An error of reading it does."""
_UNIT = 1e-3
"""The largest difference between the length of a vector and 1."""


def database_problems(path: Path, *, quick: bool = False) -> list[str]:
    """Return what SQLite finds wrong with a database: its pages, and unless `quick`, its indexes and full text.

    Raises `SemsearchError` where the file cannot be read now.
    """
    try:
        with closing(_connect(path)) as db:
            found = [
                str(row[0]) for row in db.execute(f"PRAGMA {'quick' if quick else 'integrity'}_check(20)")
            ]
            problems = [line for text in found if text != "ok" for line in text.splitlines()]
            return problems if quick else [*problems, *_index_problems(db)]
    except (sqlite3.Error, SemsearchError, ValueError) as error:
        return [_problem(path, error)]


def _problem(path: Path, error: Exception) -> str:
    """Return what an error says of a database. Raises `SemsearchError` where it only cannot be read now."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(_NO_DAMAGE) and not name.startswith("SQLITE_IOERR_READ"):
        raise SemsearchError(f"{path}: {error}", "is the disk full, or the folder read-only?") from error
    return str(error)


def _index_problems(db: sqlite3.Connection) -> Iterator[str]:
    """Yield what is wrong with full-text indexes, which compare themselves with what they index."""
    tables = "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%fts5%'"
    for (name,) in db.execute(tables).fetchall():
        quoted = '"' + name.replace('"', '""') + '"'
        try:
            db.execute(f"INSERT INTO {quoted} ({quoted}, rank) VALUES ('integrity-check', 1)")
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):  # the check needs a file that is writable
                yield f"full-text index {name}: {error}"
        except sqlite3.DatabaseError as error:
            yield f"full-text index {name}: {error}"
        finally:
            db.rollback()


def content_problems(path: Path) -> list[str]:
    """Return what is wrong with the contents of a Library whose pages are sound.

    Raises `SemsearchError` where the file cannot be read now.
    """
    wrong: Counter[str] = Counter()
    try:
        with closing(_connect(path)) as db:
            if foreign := foreign_parts(db):
                return [f"it does not have the tables and views of a Library: {', '.join(foreign[:5])}"]
            wrong["rows refer to rows that do not exist"] += len(
                db.execute("PRAGMA foreign_key_check").fetchall()
            )
            dimension = None
            query = f"SELECT digest, vector, {VECTOR_SUM} FROM vectors"
            for digest, vector, sound in db.execute(query):
                numbers = np.frombuffer(vector, "<f4")
                dimension = dimension or len(numbers)
                wrong["vectors are not of unit length"] += len(numbers) != dimension or not is_unit(numbers)
                wrong["vectors are not as they were stored"] += not sound or len(digest) != 16
            query = (
                f"SELECT {PASSAGE_SUM} AND text_digest(text) ="
                " (SELECT digest FROM vectors WHERE vectors.id = vector_id),"
                " metadata, id, source, document, text, unit, first, last, heading, original FROM published"
            )
            for sound, *values in db.execute(query):
                wrong["passages are not as they were stored"] += not (
                    sound and _is_possible(_published, *values)
                )
            for sound, *values in db.execute("SELECT sum = checksum(key, value), key, value FROM settings"):
                wrong["settings are not as they were saved"] += not (
                    sound and _is_possible(parsed_setting, *values)
                )
            query = (
                "SELECT count(*) FROM sources WHERE published = 1 AND passages != (SELECT count(*) FROM documents"
                " JOIN passages ON document_id = documents.id WHERE source_id = sources.id)"
            )
            wrong["sources do not have all their passages"] += db.execute(query).fetchone()[0]
            twice = "SELECT count(*) - count(DISTINCT id) FROM published"
            wrong["passages have the id of another"] += db.execute(twice).fetchone()[0]
            unknown = "SELECT count(*) FROM sources WHERE published NOT IN (0, 1)"
            wrong["sources are neither published nor staged"] += db.execute(unknown).fetchone()[0]
    except (sqlite3.Error, SemsearchError, ValueError, TypeError, AttributeError) as error:
        return [f"cannot be read: {_problem(path, error)}"]
    return [f"{count:,} {what}" for what, count in wrong.items() if count]


def _published(metadata: str, *columns: Any) -> StoredPassage:
    """Return a published passage from its columns, and the metadata of its document as text."""
    return stored_passage(*[*columns, stored_fields(metadata)])


def _is_possible(read: Callable[..., object], *values: object) -> bool:
    """Return False where a reader takes the values of a row for impossible."""
    try:
        read(*values)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return False
    return True


def full_text_problems(path: Path) -> list[str]:
    """Return what is wrong with the full-text part of a Library, which can be rebuilt from the rest.

    Raises `SemsearchError` where the file cannot be read now.
    """
    try:
        with closing(_connect(path)) as db:
            query = f"SELECT count(*) FROM postings WHERE NOT ({POSTINGS_SUM})"
            if count := db.execute(query).fetchone()[0]:
                return [f"{count:,} lists of a word's passages are not as they were stored"]
            table = FullText(db).passage_table()
            published = {number for (number,) in db.execute("SELECT number FROM published")}
            if count := len(published.symmetric_difference(table.numbers[table.live].tolist())):
                return [f"{count:,} passages are indexed and not published, or not indexed"]
    except (sqlite3.Error, SemsearchError, ValueError, TypeError) as error:
        return [f"cannot be read: {_problem(path, error)}"]
    return []


def is_unit(vector: NDArray[np.float32]) -> bool:
    """Return True where a vector is finite and of unit length."""
    return bool(np.isfinite(vector).all()) and abs(float(np.linalg.norm(vector)) - 1) < _UNIT


def stored_of(path: Path, keys: Collection[str]) -> Iterator[tuple[str, str, str, bytes, bytes]]:
    """Yield text, original, metadata of the document, digest of the vector and vector, of the passages of sources."""
    query = (
        "SELECT text, original, metadata, vectors.digest, vector FROM passages JOIN vectors ON vectors.id = vector_id"
        " JOIN documents ON documents.id = document_id JOIN sources ON sources.id = source_id WHERE key = ?"
    )
    with closing(_connect(path)) as db:
        for key in keys:
            yield from db.execute(query, (key,))


def every_text(path: Path) -> Iterator[str]:
    """Yield every text and all metadata of a Library."""
    with closing(_connect(path)) as db:
        for query in (
            "SELECT text FROM passages",
            "SELECT original FROM passages",
            "SELECT metadata FROM documents",
        ):
            yield from (text for (text,) in db.execute(query))


def refuse_foreign(path: Path, virtual: Collection[str], hint: str) -> None:
    """Raise `IndexDamaged` where opening a database would act for a stranger.

    It would by a journal that is not of this database, and by views, triggers and virtual tables; those named in
    `virtual` may be there. A file that SQLite cannot read passes, since whoever opens it next says why.
    """
    with suppress(sqlite3.Error), closing(_connect(path)) as db:
        if foreign := foreign_objects(db, virtual):
            raise IndexDamaged(f"{path} has what its program never makes: {foreign[0]}", hint)


def segments(path: Path) -> set[str]:
    """Return the names of the folders that a Chroma database uses; an empty set where it cannot be read."""
    try:
        with closing(_connect(path)) as db:
            return {str(name) for (name,) in db.execute("SELECT id FROM segments")}
    except (sqlite3.Error, SemsearchError):
        return set()


def _connect(path: Path) -> sqlite3.Connection:
    db = connect(path)
    db.isolation_level = "DEFERRED"
    return db
