"""The Library: one SQLite file that holds what is indexed. It is the truth; the vector index is built from it.

A *source* (a file, or standard input) holds documents, a document holds passages, a passage points to the
vector of its text. Vectors are kept by the digest of the cleaned text, so equal text is embedded once.

A source is staged in as many transactions as its size asks for and then published in one, which replaces its
older version and writes to the outbox what the vector index has yet to be told. A reader never sees half a source.
"""

import json
import sqlite3
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import FingerprintMismatch, IndexDamaged, IndexLocked, SemsearchError
from semsearch.storage.library.connection import PASSAGE_SUM, VECTOR_SUM, connected
from semsearch.storage.library.fulltext import ENTRY, FullText, PassageTable
from semsearch.storage.library.schema import VERSION, made_here, make
from semsearch.text.analyzer import fold, phrase, query_terms
from semsearch.types import Hit, Scalar, Unit, field_name

_T = TypeVar("_T")
_SALVAGE = "semsearch repair saves what can be read"
_IMPOSSIBLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading rows raises where a value is not of its kind."""
_PAGE = 500
"""Values bound in one statement: below SQLite's oldest limit of 999."""

_COLUMNS = (
    "id, source, document, text, unit, first, last, heading, metadata,"
    f" {PASSAGE_SUM} AND substr(document, 1, length(source)) = source AND (SELECT {VECTOR_SUM}"
    " AND digest = text_digest(text) FROM vectors WHERE vectors.id = vector_id)"
)
"""Of `published`: what `_passage` takes, and whether it is what was stored."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """What a source looked like when it was indexed. `reading` names the options it was read with.

    `digest` is empty when the source must be read again whatever its size and time say.
    """

    size: int
    mtime_ns: int
    digest: str
    reading: str


@dataclass(frozen=True, slots=True)
class PassageRecord:
    """A passage to store; `digest` is that of `text` and names its vector. `heading` is the path it stands under."""

    id: str
    text: str
    digest: bytes
    unit: Unit
    first: int
    last: int
    heading: str = ""


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document to store with its passages; `digest` is that of the whole cleaned text."""

    name: str
    digest: bytes
    metadata: Mapping[str, Scalar]
    passages: Sequence[PassageRecord]


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A published passage as it comes back from the Library."""

    id: str
    source: str
    document: str
    text: str
    unit: Unit
    first: int
    last: int
    heading: str
    metadata: Mapping[str, Scalar]

    @property
    def traits(self) -> dict[str, str | int]:
        """What Chroma is told of it, beside its text."""
        return {
            "source": self.source,
            "document": self.document,
            "unit": self.unit,
            "first": self.first,
            "last": self.last,
        }

    def hit(self, score: float, **found: Any) -> Hit:
        """The passage as a hit; `found` are the fields that only who found it knows."""
        return Hit(
            score=score,
            source=self.source,
            document=self.document,
            text=self.text,
            unit=self.unit,
            start=self.first,
            end=self.last,
            heading=self.heading,
            passage_id=self.id,
            metadata=self.metadata,
            **found,
        )


@dataclass(frozen=True, slots=True)
class PassageMatrix:
    """Every published document and passage as arrays, passages grouped by document, both in order of source.

    `names`, `sources` (keys), `digests`: one a document. `places` (unit, first and last number), `numbers` (see
    `Library.texts`), `document`, `row` (of the vectors' matrix) and `length` (characters): one a passage.
    """

    names: list[str]
    sources: list[str]
    digests: list[bytes]
    places: list[tuple[Unit, int, int]]
    numbers: NDArray[np.int64]
    document: NDArray[np.int64]
    row: NDArray[np.int64]
    length: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the metadata: its distinct `values`, and which of them (`codes`) each of some `documents` has."""

    values: list[Scalar]
    codes: NDArray[np.int64]
    documents: NDArray[np.int64]

    def where(self, accepts: Callable[[Scalar], bool]) -> NDArray[np.int64]:
        """The documents with a value that is accepted."""
        accepted = [code for code, value in enumerate(self.values) if accepts(value)]
        held: NDArray[np.int64] = self.documents[np.isin(self.codes, accepted)]
        return held


class Library:
    """An open Library. Not safe to use from several threads at once; open one a thread."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        with self._translated():
            self._db = connected(path, create=create)
            self._fulltext = FullText(self._db)
            if create:
                self._db.execute("PRAGMA journal_mode = WAL")
                with self._transaction():
                    make(self._db)
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            self.close()
            if 0 < version < VERSION:
                raise SemsearchError(
                    f"{path} is of an older release and could not be brought up to date",
                    "is the disk full, or the folder read-only?",
                )
            if version < VERSION:
                raise IndexDamaged(f"{path} is no Library", _SALVAGE)
            raise FingerprintMismatch(
                f"{path} is of version {version}; this semsearch reads version {VERSION}",
                "use the semsearch that made it, or ingest into a new index",
            )
        with self._translated():
            ours = made_here(self._db)
        if not ours:
            self.close()
            raise IndexDamaged(f"{path} has views or triggers that no semsearch makes", _SALVAGE)

    def close(self) -> None:
        """Close the file; the Library cannot be used afterwards."""
        self._db.close()

    # -- settings ---------------------------------------------------------------------------------------

    def setting(self, key: str) -> Any:
        """A value saved under `key`, or None."""
        with self._translated():
            query = "SELECT value, sum = checksum(key, value) FROM settings WHERE key = ?"
            value, sound = self._db.execute(query, (key,)).fetchone() or ("null", True)
            if not sound:
                raise IndexDamaged(f"{self.path}: the setting {key!r} is not what was saved", _SALVAGE)
            return json.loads(value)

    def save_setting(self, key: str, value: Any) -> None:
        """Save a JSON value under `key`."""
        with self._translated():
            self._db.execute(
                "INSERT OR REPLACE INTO settings VALUES (?1, ?2, checksum(?1, ?2))", (key, json.dumps(value))
            )

    # -- writing ----------------------------------------------------------------------------------------

    def missing(self, digests: Iterable[bytes]) -> set[bytes]:
        """Those of `digests` that have no vector yet."""
        wanted = set(digests)
        with self._translated():
            known = self._each("SELECT digest FROM vectors WHERE digest", list(wanted))
            return wanted.difference(digest for (digest,) in known)

    def begin_source(self, key: str, state: SourceState) -> int:
        """Start a new version of a source, unseen until it is published; returns its number."""
        with self._translated():
            values = (key, state.size, state.mtime_ns, state.digest, state.reading)
            cursor = self._db.execute(
                "INSERT INTO sources (key, size, mtime_ns, digest, reading) VALUES (?, ?, ?, ?, ?)", values
            )
        return int(cursor.lastrowid or 0)

    def add(
        self,
        documents: Iterable[tuple[int, DocumentRecord]],
        vectors: Mapping[bytes, NDArray[np.float32]],
    ) -> None:
        """Store documents, each under the number of its source, and the vectors they need that are new."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO vectors (digest, vector, sum) VALUES (?1, ?2, checksum(?1, ?2))",
                ((digest, vector.astype("<f4").tobytes()) for digest, vector in vectors.items()),
            )
            for source, document in documents:
                of = document.name, json.dumps(dict(document.metadata))
                cursor = self._db.execute(
                    "INSERT INTO documents (source_id, name, digest, metadata) VALUES (?, ?, ?, ?)",
                    (source, document.name, document.digest, of[1]),
                )
                stored = self._db.executemany(
                    "INSERT INTO passages (id, document_id, vector_id, text, unit, first, last, heading, sum)"
                    " SELECT ?1, ?2, id, ?3, ?4, ?5, ?6, ?7, checksum(?9, ?10, ?1, ?3, ?4, ?5, ?6, ?7)"
                    " FROM vectors WHERE digest = ?8",
                    (
                        (p.id, cursor.lastrowid, p.text, p.unit, p.first, p.last, p.heading, p.digest, *of)
                        for p in document.passages
                    ),
                )
                if stored.rowcount != len(document.passages):
                    raise IndexDamaged(f"a passage of {document.name} has no vector", "run the ingest again")

    def publish(self, sources: Sequence[tuple[int, str]]) -> list[bool | None]:
        """Make new versions of sources, given with their digest, visible; older versions go; one transaction.

        Returns for each: None when it had no older version, else whether any passage or document changed.
        """
        outcome: list[bool | None] = []
        with self._transaction():
            for new, digest in sources:
                row = self._db.execute(
                    "SELECT old.id FROM sources AS old JOIN sources AS new USING (key)"
                    " WHERE new.id = ? AND old.published = 1",
                    (new,),
                ).fetchone()
                old = row[0] if row else None
                changed = self._differing(old, new)
                self._db.executemany("INSERT OR IGNORE INTO outbox VALUES (?)", ((id_,) for id_ in changed))
                same_documents = self._documents(old) == self._documents(new)
                self._strike(old)
                self._db.execute("DELETE FROM sources WHERE id = ?", (old,))
                self._db.execute(
                    "UPDATE sources SET published = 1, digest = ?1, passages = (SELECT count(*) FROM documents"
                    " JOIN passages ON document_id = documents.id WHERE source_id = ?2) WHERE id = ?2",
                    (digest, new),
                )
                outcome.append(None if old is None else bool(changed) or not same_documents)
            self._fulltext.add(self._texts_of(new for new, _ in sources))
        return outcome

    def _texts_of(self, sources: Iterable[int]) -> Iterator[tuple[int, int, int, str, str]]:
        for source in sources:
            yield from self._db.execute(
                f"SELECT {ENTRY} FROM passages"
                " JOIN documents ON documents.id = document_id WHERE source_id = ? ORDER BY number",
                (source,),
            )

    def _strike(self, source: int | None) -> None:
        """Take the passages of a source out of full-text search."""
        query = "SELECT number FROM passages JOIN documents ON documents.id = document_id WHERE source_id = ?"
        self._fulltext.strike([number for (number,) in self._db.execute(query, (source,))])

    def _differing(self, old: int | None, new: int) -> list[str]:
        if old is None:  # the texts of a new source need not be held
            query = "SELECT passages.id FROM passages JOIN documents ON documents.id = document_id WHERE source_id = ?"
            return sorted({id_ for (id_,) in self._db.execute(query, (new,))})
        query = (
            "SELECT passages.id, text, unit, first, last"
            " FROM passages JOIN documents ON documents.id = document_id WHERE source_id = ?"
        )
        rows = [set(self._db.execute(query, (source,)).fetchall()) for source in (old, new)]
        return sorted({row[0] for row in rows[0] ^ rows[1]})

    def _documents(self, source: int | None) -> list[tuple[Any, ...]]:
        query = "SELECT name, digest, metadata FROM documents WHERE source_id = ? ORDER BY id"
        return self._db.execute(query, (source,)).fetchall()

    def touch(self, states: Mapping[str, SourceState]) -> None:
        """Record the new size and time of sources whose content is as it was."""
        with self._transaction():
            self._db.executemany(
                "UPDATE sources SET size = ?, mtime_ns = ? WHERE key = ? AND published = 1",
                ((state.size, state.mtime_ns, key) for key, state in states.items()),
            )

    def remove(self, keys: Iterable[str]) -> None:
        """Remove sources with all that belongs to them; the outbox tells the vector index."""
        with self._transaction():
            for key in keys:
                self._db.execute(
                    "INSERT OR IGNORE INTO outbox SELECT id FROM published WHERE source = ?", (key,)
                )
                row = self._db.execute(
                    "SELECT id FROM sources WHERE key = ? AND published = 1", (key,)
                ).fetchone()
                self._strike(row and row[0])
                self._db.execute("DELETE FROM sources WHERE key = ? AND published = 1", (key,))

    def discard_unpublished(self) -> None:
        """Drop versions that were never published: their ingest was cut off. Their vectors stay for the next."""
        with self._transaction():
            self._db.execute("DELETE FROM sources WHERE published = 0")

    def sweep(self) -> None:
        """Drop unpublished versions, and vectors that no passage uses."""
        self.discard_unpublished()
        with self._transaction():
            self._db.execute("DELETE FROM vectors WHERE id NOT IN (SELECT vector_id FROM passages)")

    def refill(self) -> None:
        """Make the full-text part anew from the passages."""
        with self._transaction():
            self._fulltext.refill()

    def compact(self) -> None:
        """Write the file anew, so that nothing that was removed is left in it or its log.

        Raises `IndexLocked` while another process reads.
        """
        with self._transaction():
            self._fulltext.purge()
        with self._translated():
            self._db.execute("VACUUM")
            (busy, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise IndexLocked(f"{self.path} is being read by another process", "try again later")

    # -- the outbox -------------------------------------------------------------------------------------

    def outbox(self, limit: int) -> list[str]:
        """Up to `limit` ids of passages that the vector index has yet to be told about."""
        with self._translated():
            return [id_ for (id_,) in self._db.execute("SELECT passage_id FROM outbox LIMIT ?", (limit,))]

    def tell_everything(self) -> None:
        """Put every published passage on the outbox, for a vector index that is made anew."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO outbox SELECT id FROM published")

    def pending(self) -> int:
        """How many passages are on the outbox."""
        with self._translated():
            return int(self._db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def mark_applied(self, ids: Sequence[str]) -> None:
        """Take ids off the outbox."""
        with self._transaction():
            self._db.executemany("DELETE FROM outbox WHERE passage_id = ?", ((id_,) for id_ in ids))

    # -- reading ----------------------------------------------------------------------------------------

    def states(self) -> dict[str, SourceState]:
        """The state of every published source by key."""
        query = "SELECT key, size, mtime_ns, digest, reading FROM sources WHERE published = 1"
        with self._translated():
            return {key: SourceState(*state) for key, *state in self._db.execute(query)}

    def counts(self) -> dict[str, int]:
        """How many sources, documents, passages and vectors are published."""
        queries = {
            "sources": "SELECT count(*) FROM sources WHERE published = 1",
            "documents": "SELECT count(*) FROM documents JOIN sources ON sources.id = source_id WHERE published = 1",
            "passages": "SELECT count(*) FROM published",
            "vectors": "SELECT count(*) FROM vectors",
        }
        with self._translated():
            return {name: self._db.execute(query).fetchone()[0] for name, query in queries.items()}

    def vector_bytes(self) -> int:
        """How much memory all vectors take."""
        query = "SELECT count(*), (SELECT length(vector) FROM vectors LIMIT 1) FROM vectors"
        with self._translated():
            count, size = self._db.execute(query).fetchone()
        return int(count) * int(size or 0)

    def passages(self, ids: Sequence[str]) -> dict[str, StoredPassage]:
        """Published passages by id; an id that is not published is left out."""
        found: dict[str, StoredPassage] = {}
        with self._translated():
            for passage in map(_passage, self._each(f"SELECT {_COLUMNS} FROM published WHERE id", ids)):
                found[passage.id] = passage
        return found

    def vectors_of(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The vectors of published passages by passage id."""
        query = "SELECT published.id, vector FROM published JOIN vectors ON vectors.id = vector_id WHERE published.id"
        with self._translated():
            return {id_: np.frombuffer(vector, "<f4") for id_, vector in self._each(query, ids)}

    def passages_where(self, accepts: Callable[[str], bool]) -> tuple[list[str], NDArray[np.float32]]:
        """Ids and vectors [n, dimension] of the passages whose source's key is accepted."""
        ids: list[str] = []
        parts: list[bytes] = []
        query = "SELECT published.id, vector FROM published JOIN vectors ON vectors.id = vector_id WHERE source = ?"
        with self._translated():
            for key in filter(accepts, sorted(self.states())):
                for id_, vector in self._db.execute(query, (key,)):
                    ids.append(id_)
                    parts.append(vector)
            return ids, np.frombuffer(b"".join(parts), "<f4").reshape(len(ids), -1 if ids else 0)

    def vectors(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Every vector [n, dimension], and the numbers rising; within a snapshot."""
        numbers, start = array("q"), 0
        # Memory of NumPy's own lies in large pages, where a product with it takes three quarters of the time.
        matrix = np.empty(self.vector_bytes(), np.uint8)
        room = matrix.data
        with self._translated():
            for number, vector in self._db.execute("SELECT id, vector FROM vectors ORDER BY id"):
                numbers.append(number)
                room[start : start + len(vector)] = vector
                start += len(vector)
            if start != len(matrix):
                raise ValueError("vectors of several lengths")
            shaped = matrix.view("<f4").reshape(len(numbers), -1 if numbers else 0)
            return np.array(numbers, np.int64), shaped

    def numbers_of(self, ids: Sequence[str]) -> list[int]:
        """The numbers of those of some passages that are published."""
        with self._translated():
            return [number for (number,) in self._each("SELECT number FROM published WHERE id", ids)]

    def vectors_numbered(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Vectors [n, dimension] by their numbers."""
        with self._translated():
            found: dict[int, bytes] = dict(self._each("SELECT id, vector FROM vectors WHERE id", numbers))
        joined = b"".join(found[number] for number in numbers)
        return np.frombuffer(joined, "<f4").reshape(len(numbers), -1 if len(numbers) else 0)

    def passages_numbered(self, numbers: Sequence[int]) -> dict[int, StoredPassage]:
        """Published passages by number, while `state` is as it was."""
        query = f"SELECT number, {_COLUMNS} FROM published WHERE number"
        with self._translated():
            return {number: _passage(row) for number, *row in self._each(query, numbers)}

    def layout(self) -> tuple[PassageMatrix, NDArray[np.float32]]:
        """Every published document with its passages, and the matrix of the vectors they use [u, dimension]."""
        used = "SELECT DISTINCT vector_id FROM published"
        with self._translated():
            query = f"SELECT id, vector FROM vectors WHERE id IN ({used}) ORDER BY id"
            row_of: dict[int, int] = {}
            buffer = bytearray()
            for number, vector in self._db.execute(query):
                row_of[number] = len(row_of)
                buffer += vector
            documents: dict[int, int] = {}
            names, sources, digests, places, rows = [], [], [], [], []
            query = (
                "SELECT documents.id, documents.name, key, documents.digest, number, vector_id, length(text),"
                " unit, first, last"
                " FROM sources JOIN documents ON sources.id = source_id JOIN passages ON documents.id = document_id"
                " WHERE published = 1 ORDER BY key, documents.id, number"
            )
            for document, name, source, digest, number, vector, length, *place in self._db.execute(query):
                if document not in documents:
                    documents[document] = len(documents)
                    names.append(name)
                    sources.append(source)
                    digests.append(digest)
                places.append(tuple(place))
                rows.append((number, documents[document], row_of[vector], length))
            matrix = np.frombuffer(buffer, "<f4").reshape(len(row_of), -1 if row_of else 0)
            columns = np.array(rows, np.int64).reshape(-1, 4).T
            return PassageMatrix(names, sources, digests, places, *columns), matrix

    # -- full-text search -------------------------------------------------------------------------------

    def roll(self) -> PassageTable:
        """Every published passage as full-text search knows it, while `state` is as it was."""
        with self._translated():
            return self._fulltext.roll()

    def bm25(self, text: str, roll: PassageTable) -> tuple[NDArray[np.float32], float]:
        """The score of every passage of `roll` for the words of a text, and more than any can have."""
        with self._translated():
            return self._fulltext.bm25(Counter(self._fulltext.stems(query_terms(text))), roll)

    def having(self, text: str, roll: PassageTable, *, exact: bool) -> NDArray[np.int64]:
        """The rows of `roll` whose passages have the words of a text, one after the other where these are several.

        One word is looked for in any form, unless it must be `exact`. No row has no words.
        """
        pattern, terms = phrase(text), query_terms(text)
        if pattern is None:
            return np.empty(0, np.int64)
        with self._translated():
            stems = self._fulltext.stems(list(dict.fromkeys(terms)))
            rows = reduce(np.intersect1d, (self._fulltext.occurrences(stem, roll)[0] for stem in stems))
            if len(terms) == 1 and not exact:
                return rows
            numbers = roll.numbers[rows].tolist()
            query = "SELECT number, heading || char(10) || text FROM passages WHERE number"
            texts: dict[int, str] = dict(self._each(query, numbers))
        return rows[[bool(pattern.search(fold(texts[number]))) for number in numbers]]

    def fields(self) -> dict[str, list[str]]:
        """The names of the metadata's fields, each below what `syntax.field_name` makes of it."""
        names: dict[str, list[str]] = {}
        query = (
            "SELECT DISTINCT json_each.key FROM documents JOIN sources ON sources.id = source_id, json_each(metadata)"
            " WHERE published = 1"
        )
        with self._translated():
            for (name,) in self._db.execute(query):
                names.setdefault(field_name(name), []).append(name)
        return names

    def column(self, field: str) -> Column:
        """What the published documents have in a field of the metadata."""
        query = (
            "SELECT documents.id, value, json_each.type FROM documents JOIN sources ON sources.id = source_id,"
            " json_each(metadata) WHERE published = 1 AND json_each.key = ?"
        )
        documents, codes = array("q"), array("q")
        known: dict[tuple[Any, str], int] = {}  # by type too: 1, 1.0 and true are one key
        with self._translated():
            for document, value, kind in self._db.execute(query, (field,)):
                if value is not None:
                    documents.append(document)
                    codes.append(known.setdefault((value, kind), len(known)))
        values = [bool(value) if kind in ("true", "false") else value for value, kind in known]
        return Column(values, np.array(codes, np.int64), np.array(documents, np.int64))

    def sources(self) -> Column:
        """The keys of the sources of the published documents."""
        query = "SELECT key, documents.id FROM sources JOIN documents ON sources.id = source_id WHERE published = 1"
        documents, codes = array("q"), array("q")
        known: dict[str, int] = {}
        with self._translated():
            for key, document in self._db.execute(query):
                documents.append(document)
                codes.append(known.setdefault(key, len(known)))
        return Column([*known], np.array(codes, np.int64), np.array(documents, np.int64))

    # -- reading for near-duplicates --------------------------------------------------------------------

    def texts(self, numbers: Sequence[int]) -> list[str]:
        """The texts of passages by their numbers in a `PassageMatrix`, while `state` is as it was: numbers are used again."""
        with self._translated():
            found: dict[int, str] = dict(
                self._each("SELECT number, text FROM passages WHERE number", numbers)
            )
            return [found[number] for number in numbers]

    def places(self, names: Sequence[str]) -> dict[str, tuple[str, int]]:
        """The source of documents and the row there, or 0 for all of it, by name; one that is not there is left out."""
        found: dict[str, tuple[str, int]] = {}
        with self._translated():
            for page in _pages(names):
                query = (
                    "SELECT document, source, min(first) FROM published"
                    f" WHERE document IN ({','.join('?' * len(page))}) GROUP BY document, source"
                )
                for name, source, row in self._db.execute(query, page):
                    found[name] = source, 0 if name == source else row
        return found

    def state(self) -> tuple[int, int]:
        """What changes when anybody writes to the Library."""
        with self._translated():
            (version,) = self._db.execute("PRAGMA data_version").fetchone()
        return version, self._db.total_changes

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Show the Library as it is now to everything read within, whatever other processes write meanwhile."""
        with self._translated():
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    # -- plumbing ---------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _each(self, query: str, values: Sequence[Any]) -> Iterator[Any]:
        """The rows of a query whose end is to be `IN` some values, more than one statement can bind."""
        for page in _pages(values):
            yield from self._db.execute(f"{query} IN ({','.join('?' * len(page))})", page)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError as error:
            raise SemsearchError(f"{self.path} cannot be used: {error}", "open the index again") from error
        except sqlite3.OperationalError as error:
            # A statement that cannot be, or text that cannot be decoded, is no fault of the disk.
            if getattr(error, "sqlite_errorname", "SQLITE_ERROR") == "SQLITE_ERROR":
                raise IndexDamaged(f"{self.path} is damaged: {error}", _SALVAGE) from error
            raise SemsearchError(
                f"{self.path}: {error}", "is the disk full, or the folder read-only?"
            ) from error
        except sqlite3.DatabaseError as error:
            raise IndexDamaged(f"{self.path} is damaged: {error}", _SALVAGE) from error
        except _IMPOSSIBLE as error:
            raise IndexDamaged(f"{self.path} holds what cannot be: {error}", _SALVAGE) from error


def _passage(row: Sequence[Any]) -> StoredPassage:
    """A passage from `_COLUMNS`. Raises `IndexDamaged` where it is not what was stored."""
    id_, source, document, text, unit, first, last, heading, metadata, sound = row
    if not sound:
        raise IndexDamaged(f"passage {id_} of {source} is not what was stored", _SALVAGE)
    return StoredPassage(id_, source, document, text, unit, first, last, heading, json.loads(metadata))


def _pages(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), _PAGE):
        yield values[start : start + _PAGE]
