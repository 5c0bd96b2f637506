"""Indexes that another release made: updated, with a backup next to them, or refused."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from soundness import assert_sound
from tiny_embedder import create_index, open_index

from semsearch.errors import FingerprintMismatch
from semsearch.index import FOLDER
from semsearch.storage.check import salvage_damaged
from semsearch.storage.library.connection import connect

FIRST = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    published INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    digest TEXT NOT NULL,
    reading TEXT NOT NULL
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
CREATE TABLE vectors (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, vector BLOB NOT NULL) STRICT;
CREATE TABLE passages (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    document_id INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    vector_id INTEGER NOT NULL REFERENCES vectors,
    text TEXT NOT NULL,
    unit TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;
CREATE INDEX passage_of_document ON passages (document_id);
CREATE INDEX passage_of_id ON passages (id);
CREATE INDEX passage_of_vector ON passages (vector_id);
CREATE TABLE outbox (passage_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE VIEW published AS
    SELECT passages.*, documents.name AS document, documents.metadata, sources.key AS source
    FROM passages JOIN documents ON documents.id = document_id JOIN sources ON sources.id = source_id
    WHERE published = 1;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""
TABLES = {
    "settings": "key, value",
    "sources": "id, key, published, size, mtime_ns, digest, reading",
    "documents": "id, source_id, name, digest, metadata",
    "vectors": "id, digest, vector",
    "passages": "number, id, document_id, vector_id, text, unit, first, last",
}


def age(folder: Path) -> None:
    """Turn an index into one of the first version: without checksums, headings and seal."""
    library, old = folder / "library.sqlite3", folder / "old"
    with closing(sqlite3.connect(old)) as db:
        db.executescript(FIRST)
        db.execute("ATTACH ? AS new", (str(library),))
        for table, columns in TABLES.items():
            db.execute(f"INSERT INTO {table} SELECT {columns} FROM new.{table}")
        db.execute("DELETE FROM settings WHERE key = 'chroma'")
        db.execute("""UPDATE sources SET reading = '[[], ""]'""")
        db.commit()
    for path in folder.glob("library.sqlite3*"):
        path.unlink()
    old.rename(library)


NEWEST = "".join(
    f"ALTER TABLE sources DROP COLUMN {column};\n"
    for column in ("ctime_ns", "inode", "device", "tokens", "oov", "indexed")
)
ORIGINAL = """
ALTER TABLE passages DROP COLUMN original;
UPDATE passages SET sum = (
    SELECT checksum(name, metadata, passages.id, text, unit, first, last, heading)
    FROM documents WHERE documents.id = document_id
);
PRAGMA user_version = 5;
"""
THIRD = f"""
{ORIGINAL}
{NEWEST}
DROP TABLE postings;
DROP TABLE segments;
CREATE TABLE segments (id INTEGER PRIMARY KEY, passages BLOB NOT NULL) STRICT;
CREATE TABLE postings (
    segment_id INTEGER NOT NULL, term TEXT NOT NULL, passages BLOB NOT NULL, PRIMARY KEY (segment_id, term)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 3;
"""


@pytest.fixture
def aged(tmp_path: Path) -> Path:
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(f"# About {name}\n\nThe words of {name}.")
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path])
    age(tmp_path / FOLDER)
    return tmp_path


def test_an_index_of_the_first_version_is_updated(aged: Path) -> None:
    with open_index(aged / FOLDER) as index:
        assert {hit.source for hit in index.query("the words", k=9, collapse=False, per_document=None)} == {
            "a.md",
            "b.md",
        }
        assert index.check().sound
        report = index.ingest([aged])  # read again, for headings; nothing is embedded again
        assert (report.updated + report.unchanged, report.embedded) == (2, 0)
        assert index.check().sound
        assert_sound(index)
    with closing(sqlite3.connect(aged / FOLDER / "library.sqlite3.v1")) as backup:
        assert backup.execute("PRAGMA user_version").fetchone() == (1,)
        assert backup.execute("SELECT count(*) FROM passages").fetchone() == (2,)
        assert backup.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_an_index_of_an_older_release_becomes_private(aged: Path) -> None:
    folder = aged / FOLDER
    folder.chmod(0o755)
    open_index(folder).close()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o750)  # who shares it says so
    open_index(folder).close()
    assert folder.stat().st_mode & 0o777 == 0o750


def test_full_text_search_of_the_third_version_is_rebuilt(aged: Path) -> None:
    """It had no checksums, so nothing of it is kept."""
    open_index(aged / FOLDER).close()
    with closing(connect(aged / FOLDER / "library.sqlite3")) as library:
        library.executescript(THIRD)
    with open_index(aged / FOLDER) as index:
        assert {
            hit.source for hit in index.query("words", mode="lexical", collapse=False, per_document=None)
        } == {"a.md", "b.md"}
        assert index.check().sound
        assert_sound(index)
    assert (aged / FOLDER / "library.sqlite3.v3").exists()


def test_a_repair_of_a_sound_older_version_saves_nothing(aged: Path) -> None:
    assert salvage_damaged(aged / FOLDER, wait=0) is None
    with open_index(aged / FOLDER) as index:
        assert index.sources() == ["a.md", "b.md"]
        assert index.check().sound
        assert_sound(index)


def test_an_index_of_a_later_version_is_refused(aged: Path) -> None:
    with closing(sqlite3.connect(aged / FOLDER / "library.sqlite3")) as library:
        library.execute("PRAGMA user_version = 99")
    with pytest.raises(FingerprintMismatch, match="99") as caught:
        open_index(aged / FOLDER)
    assert caught.value.exit_code == 12 and caught.value.hint
    assert not list((aged / FOLDER).glob("library.sqlite3.v*"))
