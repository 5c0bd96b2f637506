"""The tables of a Library, and the migration of a Library that an older release made.

Rows carry checksums (`sum`), since SQLite's pages do not: a query shows only what was stored.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from semsearch.errors import IndexDamaged, SemsearchError
from semsearch.files import disk, mode_within, new_file
from semsearch.storage.library.connection import FIFTH_PASSAGE_SUM, PASSAGE_SUM, connect
from semsearch.storage.library.fulltext import SCHEMA, FullText
from semsearch.storage.library.untrusted import foreign_objects, refuse_journal, schema_problems

VERSION = 6
_AGAIN = "remove the index's folder and ingest again"

_TABLES = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    published INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    digest TEXT NOT NULL,
    reading TEXT NOT NULL,
    passages INTEGER NOT NULL DEFAULT 0,
    ctime_ns INTEGER NOT NULL DEFAULT 0,
    inode INTEGER NOT NULL DEFAULT 0,
    device INTEGER NOT NULL DEFAULT 0,
    tokens INTEGER NOT NULL DEFAULT 0,
    oov INTEGER NOT NULL DEFAULT 0,
    indexed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX source_of_key ON sources (key) WHERE published = 1;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES sources ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    metadata TEXT NOT NULL
) STRICT;
CREATE INDEX document_of_source ON documents (source_id);
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    vector BLOB NOT NULL,
    sum INTEGER NOT NULL
) STRICT;
CREATE TABLE passages (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    document_id INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    vector_id INTEGER NOT NULL REFERENCES vectors,
    text TEXT NOT NULL,
    unit TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    heading TEXT NOT NULL,
    original TEXT NOT NULL DEFAULT '',
    sum INTEGER NOT NULL
) STRICT;
CREATE INDEX passage_of_document ON passages (document_id);
CREATE INDEX passage_of_id ON passages (id);
CREATE INDEX passage_of_vector ON passages (vector_id);
CREATE TABLE outbox (passage_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
"""
_VIEW = """
CREATE VIEW published AS
    SELECT passages.*, documents.name AS document, documents.metadata, sources.key AS source
    FROM passages JOIN documents ON documents.id = document_id JOIN sources ON sources.id = source_id
    WHERE published = 1;
"""


def make(db: sqlite3.Connection) -> None:
    """Create all tables of a new Library. The caller owns the transaction."""
    _run(db, _TABLES + SCHEMA + _VIEW)
    db.execute(f"PRAGMA user_version = {VERSION}")


def _second(db: sqlite3.Connection) -> None:
    """Add headings of passages, checksums, and the number of passages of a source."""
    _run(
        db,
        """
DROP VIEW published;
ALTER TABLE sources ADD COLUMN passages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE passages ADD COLUMN heading TEXT NOT NULL DEFAULT '';
ALTER TABLE passages ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vectors ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE settings ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE sources SET passages = (
    SELECT count(*) FROM documents JOIN passages ON document_id = documents.id WHERE source_id = sources.id
);
UPDATE settings SET sum = checksum(key, value);
UPDATE vectors SET sum = checksum(digest, vector);
UPDATE passages SET sum = (
    SELECT checksum(name, metadata, passages.id, text, unit, first, last, heading)
    FROM documents WHERE documents.id = document_id
);
"""
        + _VIEW,
    )


def _third(db: sqlite3.Connection) -> None:
    """Do nothing: the next step creates full-text search."""


def _fourth(db: sqlite3.Connection) -> None:
    """Make full-text search with checksums: nothing tells whether the existing tables are right."""
    _run(db, "DROP TABLE IF EXISTS postings;\nDROP TABLE IF EXISTS segments;\n" + SCHEMA)


def _fifth(db: sqlite3.Connection) -> None:
    """Add what is known of a source's file and of its text, and index the words as this release splits them."""
    for column in ("ctime_ns", "inode", "device", "tokens", "oov", "indexed"):
        db.execute(f"ALTER TABLE sources ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    FullText(db).rebuild()


def _sixth(db: sqlite3.Connection) -> None:
    """Add what the text of a passage was made from. A passage has it once its source is ingested again."""
    db.execute("ALTER TABLE passages ADD COLUMN original TEXT NOT NULL DEFAULT ''")
    row = (
        "(SELECT {} FROM (SELECT name AS document, metadata FROM documents WHERE documents.id = document_id))"
    )
    sums = row.format(f"{PASSAGE_SUM.removeprefix('sum = ')}"), row.format(FIFTH_PASSAGE_SUM)
    db.execute(f"UPDATE passages SET sum = {sums[0]} WHERE {sums[1]}")  # damage stays visible


_STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {
    1: _second,
    2: _third,
    3: _fourth,
    4: _fifth,
    5: _sixth,
}
"""The steps of a migration by the version they start from."""


def foreign_parts(db: sqlite3.Connection) -> list[str]:
    """Return what differs from the schema of `make`, by name: other views or tables could answer or do anything."""
    with closing(sqlite3.connect(":memory:")) as sample:
        make(sample)
        return schema_problems(db, sample)


def _has_own_views(db: sqlite3.Connection) -> bool:
    """Return True where the views, triggers and virtual tables are those of every version."""
    (sql,) = db.execute("SELECT group_concat(sql) FROM sqlite_schema WHERE name = 'published'").fetchone()
    return foreign_objects(db, ()) == ["view published"] and sql == _VIEW.strip().removesuffix(";")


def outdated(path: Path) -> bool:
    """Return True where an older release made the Library at `path`, and `migrate` can update it."""
    with suppress(sqlite3.Error, SemsearchError), closing(connect(path)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0] in _STEPS
    return False


def migrate(path: Path) -> None:
    """Update a Library to this version in one transaction, and keep a copy of the old file next to it.

    The caller holds the write lock. Raises `SemsearchError`, and then nothing has changed.
    """
    try:
        with closing(connect(path)) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version not in _STEPS:  # another process has updated it
                return
            if not _has_own_views(db):
                raise IndexDamaged(f"{path} does not have the tables and views of a Library", _AGAIN)
            backup = path.with_name(f"{path.name}.v{version}")
            with disk(path.parent):
                backup.unlink(missing_ok=True)
                new_file(backup, mode_within(path.parent)).close()
            refuse_journal(backup)
            try:
                db.execute("VACUUM INTO ?", (str(backup),))
            except sqlite3.Error:
                with suppress(OSError):  # free the room on a full disk
                    backup.unlink(missing_ok=True)
                raise
            db.execute("BEGIN IMMEDIATE")
            while version in _STEPS:
                _STEPS[version](db)
                version += 1
            if foreign_parts(db):
                db.execute("ROLLBACK")
                raise IndexDamaged(f"{path} does not have the tables and views of a Library", _AGAIN)
            db.execute(f"PRAGMA user_version = {version}")
            db.execute("COMMIT")
    except sqlite3.Error as error:
        raise SemsearchError(
            f"{path} was made by an older release and could not be updated: {error}",
            "check its folder's permissions and the disk; nothing has changed",
        ) from error


def _run(db: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";\n"):
        db.execute(statement)
