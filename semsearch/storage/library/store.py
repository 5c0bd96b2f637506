"""The Library: one SQLite file that holds what is indexed. It is the truth; a vector engine is built from it.

A *source* (a file, or standard input) holds documents, a document holds passages, and a passage points to the vector
of its text. Vectors are stored by the digest of the cleaned text, so equal text is embedded once.

A writer stages a source in several transactions and then publishes it in one. Publishing replaces the older version
and writes to the *outbox* the ids of the passages that the vector engine must be told about. A reader never sees half
a source.
"""

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import FingerprintMismatch, IndexDamaged, IndexLocked, SemsearchError
from semsearch.storage.library.connection import Connections, checksum
from semsearch.storage.library.faults import SALVAGE, translated
from semsearch.storage.library.fulltext import ENTRY, FullText
from semsearch.storage.library.reading import STATE, Reader
from semsearch.storage.library.records import DocumentRecord, SourceState
from semsearch.storage.library.schema import VERSION, foreign_parts, make
from semsearch.storage.library.settings import UNSWEPT, VECTOR_FILE

_LOOSE = 10_000
"""Up to this many vectors are looked up one by one to see if a passage uses them; for more, all are compared."""


class Library(Reader):
    """An open Library, for any number of threads: they read at the same time, and write one after the other.

    Every method raises `SemsearchError` for a closed Library and a failing disk, `IndexLocked` while another process
    keeps the file to itself, and `IndexDamaged` where SQLite or a checksum finds it corrupt.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._token = secrets.token_hex(8)
        """The name of this Library in `UNSWEPT`."""
        self._loose: set[int] | None = set()
        """The vectors that it has added, or taken a passage from, since it last swept; None for too many."""
        self._begun: set[int] = set()
        """The versions of sources that it has begun and not published."""
        with translated(path):
            self._connections = Connections(path, create=create)
        try:
            if create:
                with self._writing() as db:
                    db.execute("PRAGMA journal_mode = WAL")
                with self._transaction() as db:
                    make(db)
            self._refuse_others()
        except BaseException:
            self.close()
            raise

    def _refuse_others(self) -> None:
        """Raise an error for a file of another version, and for one that semsearch did not make."""
        with self._reading() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            foreign = foreign_parts(db) if version == VERSION else []
        if 0 < version < VERSION:
            raise SemsearchError(
                f"{self.path} was made by an older release and could not be updated",
                "is the disk full, or the folder read-only?",
            )
        if version < VERSION:
            raise IndexDamaged(f"{self.path} is not a Library", SALVAGE)
        if version > VERSION:
            raise FingerprintMismatch(
                f"{self.path} has version {version}; this semsearch reads version {VERSION}",
                "use the semsearch that made it, or ingest into a new index",
            )
        if foreign:
            raise IndexDamaged(
                f"{self.path} does not have the tables and views of a Library: {foreign[0]}", SALVAGE
            )

    def close(self) -> None:
        """Close the file. The Library cannot be used afterwards."""
        self._connections.close()

    # -- settings ---------------------------------------------------------------------------------------

    def save_setting(self, key: str, value: Any) -> None:
        """Save a JSON value under `key`."""
        with self._writing() as db:
            _save(db, key, value)

    # -- writing ----------------------------------------------------------------------------------------

    def begin_source(self, key: str, state: SourceState) -> int:
        """Start a new version of a source, which readers do not see until it is published. Return its number."""
        return self.begin_sources([(key, state)])[0]

    def begin_sources(self, sources: Iterable[tuple[str, SourceState]]) -> list[int]:
        """Start new versions of sources in one transaction, see `begin_source`. Return their numbers."""
        with self._transaction() as db:
            self._loosen(db)
            numbers = [
                int(
                    db.execute(
                        f"INSERT INTO sources (key, {STATE}) VALUES (?, {', '.join('?' * len(astuple(state)))})",
                        (key, *astuple(state)),
                    ).lastrowid
                    or 0
                )
                for key, state in sources
            ]
            self._begun.update(numbers)
            return numbers

    def add(
        self,
        documents: Iterable[tuple[int, DocumentRecord]],
        vectors: Mapping[bytes, NDArray[np.float32]],
    ) -> None:
        """Store documents, each with the number of its source version, and new vectors by digest.

        Raises `SemsearchError`, and stores nothing, where a passage has no vector.
        """
        with self._transaction() as db:
            # Numbers are never used twice: the vector file may keep the rows of vectors that are gone.
            (number,) = db.execute("SELECT coalesce(max(id), 0) FROM vectors").fetchone()
            number = max(number, (self.setting(VECTOR_FILE) or {"last": 0})["last"])
            if vectors:
                self._loosen(db, range(number + 1, number + 1 + len(vectors)))
            db.executemany(
                "INSERT OR IGNORE INTO vectors (id, digest, vector, sum) VALUES (?1, ?2, ?3, checksum(?2, ?3))",
                (
                    (at, digest, vector.astype("<f4").tobytes())
                    for at, (digest, vector) in enumerate(vectors.items(), number + 1)
                ),
            )
            for source, document in documents:
                metadata = json.dumps(dict(document.metadata))
                begun = checksum(document.name, metadata)  # once: metadata may be megabytes
                cursor = db.execute(
                    "INSERT INTO documents (source_id, name, digest, metadata) VALUES (?, ?, ?, ?)",
                    (source, document.name, document.digest, metadata),
                )
                stored = db.executemany(
                    "INSERT INTO passages (id, document_id, vector_id, text, unit, first, last, heading, original, sum)"
                    " SELECT ?1, ?2, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM vectors WHERE digest = ?10",
                    (
                        (p.id, cursor.lastrowid, *values, checksum(p.id, *values, begun=begun), p.digest)
                        for p in document.passages
                        for values in ((p.text, p.unit, p.first, p.last, p.heading, p.original),)
                    ),
                )
                if stored.rowcount != len(document.passages):
                    raise SemsearchError(
                        f"a passage of {document.name} has no vector", "run the ingest again"
                    )

    def publish(
        self, sources: Sequence[tuple[int, str]], tokens: Mapping[int, tuple[int, int]] | None = None
    ) -> list[bool | None]:
        """Publish new versions of sources, given as number and SHA-256, in place of older ones, in one transaction.

        `tokens` has the number of tokens of a version, and of those that are out of vocabulary. Return for each None
        where the source is new, else whether any passage or document changed.
        """
        outcome: list[bool | None] = []
        with self._transaction() as db:
            for new, digest in sources:
                row = db.execute(
                    "SELECT old.id FROM sources AS old JOIN sources AS new USING (key)"
                    " WHERE new.id = ? AND old.published = 1",
                    (new,),
                ).fetchone()
                old = row[0] if row else None
                differing = _differing(db, old, new)
                told = ((id_,) for id_, to_tell in differing.items() if to_tell)
                db.executemany("INSERT OR IGNORE INTO outbox VALUES (?)", told)
                same_documents = _documents(db, old) == _documents(db, new)
                self._loosen(db, _vectors(db, old))
                _tombstone(db, old)
                db.execute("DELETE FROM sources WHERE id = ?", (old,))
                db.execute(
                    "UPDATE sources SET published = 1, digest = ?1, passages = (SELECT count(*) FROM documents"
                    " JOIN passages ON document_id = documents.id WHERE source_id = ?2), tokens = ?3, oov = ?4,"
                    " indexed = ?5 WHERE id = ?2",
                    (digest, new, *(tokens or {}).get(new, (0, 0)), int(time.time())),
                )
                outcome.append(None if old is None else bool(differing) or not same_documents)
            FullText(db).add(_entries(db, (new for new, _ in sources)))
        self._begun.difference_update(new for new, _ in sources)
        return outcome

    def touch(self, states: Mapping[str, SourceState]) -> None:
        """Save the new size and time of sources whose content has not changed."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE sources SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, device = ?"
                " WHERE key = ? AND published = 1",
                (
                    (state.size, state.mtime_ns, state.ctime_ns, state.inode, state.device, key)
                    for key, state in states.items()
                ),
            )

    def remove(self, keys: Iterable[str]) -> None:
        """Remove sources with their documents and passages, and put the passages on the outbox."""
        with self._transaction() as db:
            for key in keys:
                db.execute("INSERT OR IGNORE INTO outbox SELECT id FROM published WHERE source = ?", (key,))
                row = db.execute("SELECT id FROM sources WHERE key = ? AND published = 1", (key,)).fetchone()
                self._loosen(db, _vectors(db, row and row[0]))
                _tombstone(db, row and row[0])
                db.execute("DELETE FROM sources WHERE key = ? AND published = 1", (key,))

    def discard_unpublished(self) -> None:
        """Remove versions that an interrupted ingest never published. Their vectors stay for the next ingest."""
        with self._transaction() as db:
            if self.setting(UNSWEPT) is not None:
                db.execute("DELETE FROM sources WHERE published = 0")
                self._loose = None

    def gc(self) -> None:
        """Remove unpublished versions, and vectors that no passage uses. Everything is compared; see `sweep`."""
        with self._transaction() as db:
            db.execute("DELETE FROM sources WHERE published = 0")
            # The inner query reads indexes only, and not the pages of the vectors.
            unused = "SELECT id FROM vectors WHERE id NOT IN (SELECT vector_id FROM passages)"
            db.execute(f"DELETE FROM vectors WHERE id IN ({unused})")
            if self.setting(UNSWEPT) is not None:
                _save(db, UNSWEPT, None)
        self._loose, self._begun = set(), set()

    def sweep(self) -> None:
        """Remove the same as `gc`, and look only at the vectors that this Library has changed since it last did.

        A writer that was interrupted before has left `UNSWEPT` behind, and then everything is compared.
        """
        with self._transaction() as db:
            writer = self.setting(UNSWEPT)
            if writer is None:
                return
            some = None if self._begun or writer != self._token else self._loose
            if some is not None:
                db.executemany(
                    "DELETE FROM vectors WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM passages WHERE vector_id = ?1)",
                    ((number,) for number in sorted(some)),
                )
                _save(db, UNSWEPT, None)
        if some is None:
            self.gc()
        self._loose = set()

    def _loosen(self, db: sqlite3.Connection, vectors: Iterable[int] = ()) -> None:
        """Note vectors that may be left without a passage, and that a sweep is due."""
        if self.setting(UNSWEPT) is None:
            _save(db, UNSWEPT, self._token)
        if self._loose is not None:
            self._loose.update(islice(vectors, _LOOSE + 1))
            if len(self._loose) > _LOOSE:
                self._loose = None

    def replace_vectors(self, vectors: Iterable[tuple[bytes, bytes]], settings: Mapping[str, Any]) -> None:
        """Replace all vectors, save settings, and put every passage on the outbox, in one transaction.

        `vectors` are bytes by digest; those of unknown digests are left out. The vector file is in use no more. Raises
        `SemsearchError`, and changes nothing, if one is missing.
        """
        with self._transaction() as db:
            (count,) = db.execute("SELECT count(*) FROM vectors").fetchone()
            replaced = db.executemany(
                "UPDATE vectors SET vector = ?2, sum = checksum(digest, ?2) WHERE digest = ?1", vectors
            )
            if max(0, replaced.rowcount) != count:
                raise SemsearchError("a text has no vector of the other model", "try again")
            for key, value in {**settings, VECTOR_FILE: None}.items():
                _save(db, key, value)
            db.execute("INSERT OR IGNORE INTO outbox SELECT id FROM published")

    def rebuild_full_text(self) -> None:
        """Rebuild full-text search from the published passages."""
        with self._transaction() as db:
            FullText(db).rebuild()

    def compact(self) -> None:
        """Rewrite the file, so that nothing removed is left in it or in its log.

        Raises `IndexLocked` while anybody else reads it.
        """
        with self._transaction() as db:
            FullText(db).expunge()
        with self._writing() as db:
            db.execute("VACUUM")
            (busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise IndexLocked(f"{self.path} is being read", "try again later")

    # -- the outbox -------------------------------------------------------------------------------------

    def fill_outbox(self) -> None:
        """Put every published passage on the outbox, to rebuild the vector engine."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO outbox SELECT id FROM published")

    def mark_applied(self, ids: Sequence[str]) -> None:
        """Remove ids from the outbox."""
        with self._transaction() as db:
            db.executemany("DELETE FROM outbox WHERE passage_id = ?", ((id_,) for id_ in ids))

    # -- plumbing ---------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with translated(self.path), self._connections.writing() as db:
            yield db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with translated(self.path), self._connections.transaction() as db:
            yield db


def _save(db: sqlite3.Connection, key: str, value: Any) -> None:
    query = "INSERT OR REPLACE INTO settings VALUES (?1, ?2, checksum(?1, ?2))"
    db.execute(query, (key, json.dumps(value)))


def _entries(db: sqlite3.Connection, sources: Iterable[int]) -> Iterator[tuple[int, int, int, str, str]]:
    """Yield the passages of some sources, each an `ENTRY` of full-text search."""
    query = (
        f"SELECT {ENTRY} FROM passages"
        " JOIN documents ON documents.id = document_id WHERE source_id = ? ORDER BY number"
    )
    for source in sources:
        yield from db.execute(query, (source,))


def _vectors(db: sqlite3.Connection, source: int | None) -> Iterator[int]:
    """Yield the numbers of the vectors of a source."""
    query = "SELECT vector_id FROM passages JOIN documents ON documents.id = document_id WHERE source_id = ?"
    return (number for (number,) in db.execute(query, (source,)))


def _tombstone(db: sqlite3.Connection, source: int | None) -> None:
    """Remove the passages of a source from full-text search."""
    query = "SELECT number FROM passages JOIN documents ON documents.id = document_id WHERE source_id = ?"
    FullText(db).tombstone([number for (number,) in db.execute(query, (source,))])


def _differing(db: sqlite3.Connection, old: int | None, new: int) -> dict[str, bool]:
    """Return the ids of the passages that differ between two versions of a source, in order.

    The value is True where the vector engine must be told: it has no originals.
    """
    passages = "FROM passages JOIN documents ON documents.id = document_id WHERE source_id = ?"
    if old is None:  # do not hold the texts of a new source
        ids = db.execute(f"SELECT passages.id {passages}", (new,))
        return dict.fromkeys(sorted(id_ for (id_,) in ids), True)
    query = f"SELECT passages.id, text, unit, first, last, original {passages}"
    before, after = (set(db.execute(query, (source,)).fetchall()) for source in (old, new))
    to_tell = {id_ for id_, *_ in {row[:-1] for row in before} ^ {row[:-1] for row in after}}
    return {id_: id_ in to_tell for id_ in sorted({id_ for id_, *_ in before ^ after})}


def _documents(db: sqlite3.Connection, source: int | None) -> list[tuple[Any, ...]]:
    query = "SELECT name, digest, metadata FROM documents WHERE source_id = ? ORDER BY id"
    return db.execute(query, (source,)).fetchall()
