"""Read a Library: for searching, for comparing, and for the vector engine. Any number of threads may do so at once."""

import sqlite3
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial, reduce
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamaged, SemsearchError
from semsearch.patterns import Names
from semsearch.storage.library.connection import VECTOR_SUM, Connections, checksum
from semsearch.storage.library.faults import SALVAGE, decoded, translated
from semsearch.storage.library.fulltext import FullText, PassageTable, stemmed
from semsearch.storage.library.records import (
    Column,
    PassageMatrix,
    SourceState,
    SourceSummary,
    StoredPassage,
    possible_sources,
    stored_fields,
    stored_passage,
)
from semsearch.storage.library.settings import VECTOR_FILE, parsed_setting
from semsearch.storage.library.vector_file import VectorBytes, VectorTable, mapped, row_file
from semsearch.text.analyzer import normalize, phrase_pattern, query_terms
from semsearch.types import FieldValue

_T = TypeVar("_T")
_READ = 5_000
"""Vectors that are read at once."""
_PAGE = 500
"""Values that are bound in one statement. SQLite's oldest limit is 999."""
STATE = ", ".join(field.name for field in fields(SourceState))
"""The columns of `sources` that make a `SourceState`."""

_COLUMNS = (
    "document_id, id, source, document, text, unit, first, last, heading, original, sum,"
    f" substr(document, 1, length(source)) = source AND (SELECT {VECTOR_SUM}"
    " AND digest = text_digest(text) FROM vectors WHERE vectors.id = vector_id)"
)
"""The columns of `published` that `_passages` takes; the last is true where the row is as it was stored."""


class Reader:
    """The reading half of a `Library`.

    Each method sees one state of the file; within a `snapshot`, all methods that a thread calls see the same.
    """

    path: Path
    _connections: Connections

    @property
    def base(self) -> Path:
        """The folder that contains the index. The keys of sources are relative to it."""
        return self.path.absolute().parent.parent

    @contextmanager
    def snapshot(self) -> Iterator[int]:
        """Show one state of the Library to all that this thread reads within the block, and yield the state.

        Snapshots nest; an inner one shows the state of the outer.
        """
        with translated(self.path), self._connections.snapshot() as state:
            yield state

    def state(self) -> int:
        """Return a number that changes with every commit, by any thread or process.

        All threads get the same number for the same state. Within a snapshot it is the snapshot's.
        """
        with translated(self.path):
            return self._connections.state()

    def setting(self, key: str) -> Any:
        """Return the value saved under `key`, or None."""
        with self._reading() as db:
            query = "SELECT value, sum = checksum(key, value) FROM settings WHERE key = ?"
            value, sound = db.execute(query, (key,)).fetchone() or ("null", True)
            if not sound:
                raise IndexDamaged(f"{self.path}: the setting {key!r} is not as it was saved", SALVAGE)
            return parsed_setting(key, value)

    def missing(self, digests: Iterable[bytes]) -> set[bytes]:
        """Return those of `digests` that have no vector yet."""
        wanted = set(digests)
        with self._reading() as db:
            known = _each(db, "SELECT digest FROM vectors WHERE digest", list(wanted))
            return wanted.difference(digest for (digest,) in known)

    def outbox(self, limit: int) -> list[str]:
        """Return up to `limit` ids of passages that are to be sent to the vector engine, or deleted from it."""
        with self._reading() as db:
            return [id_ for (id_,) in db.execute("SELECT passage_id FROM outbox LIMIT ?", (limit,))]

    def pending(self) -> int:
        """Return the number of passages on the outbox."""
        with self._reading() as db:
            return int(db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def states(self, below: Iterable[str] | None = None) -> dict[str, SourceState]:
        """Return the state of every published source by key, or of those with the keys, or paths, of `below`.

        Sources whose path lies below one of these paths are among them.
        """
        query = f"SELECT key, {STATE} FROM sources WHERE published = 1"
        with self._reading() as db:
            if below is None:
                return {key: SourceState(*state) for key, *state in db.execute(query)}
            some = f"{query} AND key = ?1 UNION ALL {query} AND key > ?1 || '/' AND key < ?1 || '0'"  # '0' follows '/'
            rows = chain.from_iterable(db.execute(some, (path,)).fetchall() for path in below)
            return {key: SourceState(*state) for key, *state in rows}

    def summaries(self) -> dict[str, SourceSummary]:
        """Return the contents of every published source by key."""
        query = (
            "SELECT key, (SELECT count(*) FROM documents WHERE source_id = sources.id), passages, tokens, oov, indexed"
            " FROM sources WHERE published = 1"
        )
        with self._reading() as db:
            return {key: SourceSummary(*summary) for key, *summary in db.execute(query)}

    def state_of(self, key: str) -> SourceState | None:
        """Return the state of a published source, or None."""
        query = f"SELECT {STATE} FROM sources WHERE published = 1 AND key = ?"
        with self._reading() as db:
            row = db.execute(query, (key,)).fetchone()
        return row and SourceState(*row)

    def counts(self) -> dict[str, int]:
        """Return the numbers of published `sources`, `documents` and `passages`, and of stored `vectors`."""
        queries = {
            "sources": "SELECT count(*) FROM sources WHERE published = 1",
            "documents": "SELECT count(*) FROM documents JOIN sources ON sources.id = source_id WHERE published = 1",
            "passages": "SELECT count(*) FROM published",
            "vectors": "SELECT count(*) FROM vectors",
        }
        with self._reading() as db:
            return {name: db.execute(query).fetchone()[0] for name, query in queries.items()}

    def passage_count(self) -> int:
        """Return the number of passages, with those that are not published yet, by reading an index of them only."""
        with self._reading() as db:
            (count,) = db.execute("SELECT count(*) FROM passages").fetchone()
            return int(count)

    def vector_bytes(self) -> VectorBytes:
        """Return the size of the vectors. Those that are gone from the Library count where the vector file has them.

        A search compares them too.
        """
        dimension = self.dimension()
        numbers, _, codes = mapped(self.path.parent, self.setting(VECTOR_FILE), dimension)
        later = self.vectors_beyond(int(numbers[-1]) if len(numbers) else 0)
        return VectorBytes(4 * dimension * (len(numbers) + later), 4 * dimension * later, codes is not None)

    def passages(self, ids: Sequence[str], *, metadata: bool = True) -> dict[str, StoredPassage]:
        """Return published passages by id. Ids that are not published are left out.

        Without `metadata` theirs is empty: it may be megabytes, and the vector engine does not need it.
        """
        with self._reading_one_state() as db:
            found = _passages(db, "id", ids, metadata)
        return {passage.id: passage for passage in found.values()}

    def vectors_of(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of published passages by passage id. Ids that are not published are left out."""
        query = "SELECT published.id, vector FROM published JOIN vectors ON vectors.id = vector_id WHERE published.id"
        with self._reading() as db:
            found = dict(_each(db, query, ids))
            return dict(zip(found, self._matrix([*found.values()]), strict=True))

    def passage_ids(self, size: int) -> Iterator[list[str]]:
        """Yield the ids of all published passages in lists of at most `size`. Nothing may be written meanwhile."""
        last = -(2**63)
        query = "SELECT number, id FROM published WHERE number > ? ORDER BY number LIMIT ?"
        while True:
            with self._reading() as db:
                rows = db.execute(query, (last, size)).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [id_ for _, id_ in rows]

    def passages_where(self, accepts: Callable[[str], bool]) -> tuple[list[str], NDArray[np.float32]]:
        """Return ids and vectors [n, dimension] of the passages whose source's key is accepted."""
        ids: list[str] = []
        parts: list[bytes] = []
        query = "SELECT published.id, vector FROM published JOIN vectors ON vectors.id = vector_id WHERE source = ?"
        with self._reading() as db:
            for key in filter(accepts, sorted(self.states())):
                for id_, vector in db.execute(query, (key,)):
                    ids.append(id_)
                    parts.append(vector)
            return ids, self._matrix(parts)

    def vectors(self, *, map_file: bool = True) -> VectorTable:
        """Return all vectors, those in the vector file as it maps them. Call it within a snapshot.

        The file may have vectors that the Library has no more. Whether it has all that the Library had when it was
        written is for the caller to see; without `map_file` all are read from the Library.
        """
        held = self.setting(VECTOR_FILE) if map_file else None
        numbers, vectors, codes = mapped(self.path.parent, held, self.dimension())
        last = int(numbers[-1]) if len(numbers) else 0
        later = self.vectors_beyond(last)
        # NumPy allocates in large pages, where a matrix product takes three quarters of the time.
        rest, row = np.empty((later, self.dimension()), np.float32), 0
        found = [numbers]
        for some, rows in self.vectors_after(last):
            rest[row : row + len(rows)] = rows
            row += len(rows)
            found.append(some)
        parts = tuple(part for part in (vectors, rest) if len(part)) or (rest,)
        file = row_file(self.path.parent, held) if len(vectors) else None
        return VectorTable(np.concatenate(found), parts, codes, file)

    def stored_vectors(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the digest and the bytes of every vector, in order. Call it with the write lock."""
        last, query = -1, "SELECT id, digest, vector FROM vectors WHERE id > ? ORDER BY id LIMIT ?"
        while True:
            with self._reading() as db:
                rows = db.execute(query, (last, _READ)).fetchall()
            if not rows:
                return
            self._matrix([vector for *_, vector in rows])  # or it raises
            last = rows[-1][0]
            yield from ((digest, vector) for _, digest, vector in rows)

    def embedded_texts(self, size: int) -> Iterator[list[tuple[bytes, str]]]:
        """Yield the digest and the text of each vector that a passage uses. Call it with the write lock."""
        last = -1
        query = (
            "SELECT id, digest, (SELECT text FROM passages WHERE vector_id = vectors.id LIMIT 1) FROM vectors"
            " WHERE id > ? ORDER BY id LIMIT ?"
        )
        while True:
            with self._reading() as db:
                rows = db.execute(query, (last, size)).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [(digest, text) for _, digest, text in rows if text is not None]

    def vector_counts(self, last: int) -> tuple[int, int]:
        """Return how many vectors have a number up to `last`, and how many a larger one."""
        later = self.vectors_beyond(last)
        with self._reading() as db:
            (total,) = db.execute("SELECT count(*) FROM vectors").fetchone()
            return total - later, later

    def vectors_beyond(self, last: int) -> int:
        """Return how many vectors have a number larger than `last`."""
        with self._reading() as db:
            (count,) = db.execute("SELECT count(*) FROM vectors WHERE id > ?", (last,)).fetchone()
            return int(count)

    def vectors_after(self, last: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield the vectors with a number larger than `last`, in order, as numbers [n] and vectors [n, dimension]."""
        with self._reading() as db:
            rows = db.execute("SELECT id, vector FROM vectors WHERE id > ? ORDER BY id", (last,))
            while some := rows.fetchmany(_READ):
                numbers, vectors = zip(*some, strict=True)
                yield np.array(numbers, np.int64), self._matrix(vectors)

    def dimension(self) -> int:
        """Return the dimension of the vectors: the model's, else the one of the first vector, else 0."""
        with self._reading() as db:
            row = db.execute("SELECT length(vector) FROM vectors LIMIT 1").fetchone()
            return self._vector_size(row[0] if row else 0) // 4

    def numbers_of(self, ids: Sequence[str]) -> list[int]:
        """Return the numbers of those passages that are published."""
        with self._reading() as db:
            return [number for (number,) in _each(db, "SELECT number FROM published WHERE id", ids)]

    def vectors_numbered(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Return vectors [n, dimension] by number, in order. Call it within the snapshot the numbers are from."""
        with self._reading() as db:
            found: dict[int, bytes] = dict(_each(db, "SELECT id, vector FROM vectors WHERE id", numbers))
            return self._matrix([found[number] for number in numbers])

    def passages_numbered(self, numbers: Sequence[int]) -> dict[int, StoredPassage]:
        """Return published passages by number. Call it within the snapshot, or at the state, the numbers are from."""
        with self._reading_one_state() as db:
            return _passages(db, "number", numbers)

    def passages_in(self, sources: Sequence[str]) -> list[StoredPassage]:
        """Return all passages of published sources by key, in the order of the sources. Unknown keys are left out."""
        query = "SELECT number, source FROM published WHERE source"
        with self._reading_one_state() as db:
            numbers: dict[str, list[int]] = {}
            for number, source in _each(db, query, sources):
                numbers.setdefault(source, []).append(number)
            found = _passages(db, "number", [number for some in numbers.values() for number in some])
            return [found[number] for source in sources for number in sorted(numbers.get(source, ()))]

    def passages_of(self, document: str) -> list[StoredPassage]:
        """Return the passages of a document by its name, in their order; none where no document has this name."""
        sources = possible_sources(document)  # which have an index by key, and documents have none by name
        query = "SELECT number, document FROM published WHERE source"
        with self._reading_one_state() as db:
            numbers = sorted(number for number, name in _each(db, query, sources) if name == document)
            found = _passages(db, "number", numbers)
            return [found[number] for number in numbers]

    def passage_matrix(self) -> tuple[PassageMatrix, NDArray[np.float32]]:
        """Return every published document with its passages, and the matrix [u, dimension] of the vectors they use."""
        used = "SELECT DISTINCT vector_id FROM published"
        with self._reading() as db:
            query = f"SELECT id, vector FROM vectors WHERE id IN ({used}) ORDER BY id"
            row_of: dict[int, int] = {}
            buffer = bytearray()
            size = None
            for number, vector in db.execute(query):
                size = size or self._vector_size(len(vector))
                if len(vector) != size:
                    raise ValueError("a vector has not the length that the model gives")
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
            for document, name, source, digest, number, vector, length, *place in db.execute(query):
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

    def passage_table(self) -> PassageTable:
        """Return every published passage as full-text search stores it. It is valid for the present `state`."""
        with self._reading() as db:
            return FullText(db).passage_table()

    def bm25(self, text: str, table: PassageTable) -> tuple[NDArray[np.float32], float]:
        """Return the BM25 score of every row of `table` for the words of a text, and an upper bound of the scores.

        Call it at the state that the table is from.
        """
        with self._reading() as db:
            return FullText(db).bm25(Counter(stemmed(query_terms(text))), table)

    def having(self, text: str, table: PassageTable, *, exact: bool) -> NDArray[np.int64]:
        """Return the rows of `table` whose passages hold the words of a text, several of them as a phrase.

        A single word matches in any form, unless `exact`. A text without words matches nothing. Call it at the state
        that the table is from.
        """
        pattern, terms = phrase_pattern(text), query_terms(text)
        if pattern is None:
            return np.empty(0, np.int64)
        with self._reading() as db:
            stems = stemmed(list(dict.fromkeys(terms)))
            having = (FullText(db).occurrences(stem, table)[0] for stem in stems)
            rows = reduce(partial(np.intersect1d, assume_unique=True), having)
            if len(terms) == 1 and not exact:
                return rows
            numbers = table.numbers[rows].tolist()
            query = "SELECT number, heading || char(10) || text FROM passages WHERE number"
            texts: dict[int, str] = dict(_each(db, query, numbers))
        return rows[[bool(pattern.search(normalize(texts[number]))) for number in numbers]]

    def fields(self) -> list[str]:
        """Return the names of the metadata's fields, as the documents have them."""
        query = (
            "SELECT DISTINCT json_each.key FROM documents JOIN sources ON sources.id = source_id, json_each(metadata)"
            " WHERE published = 1 AND typeof(json_each.key) = 'text'"  # a stranger's list has numbers as keys
        )
        with self._reading() as db:
            return [name for (name,) in db.execute(query)]

    def columns(self, names: Collection[str]) -> dict[str, Column]:
        """Return the values that published documents have in some fields of the metadata, in one pass."""
        wanted = sorted(names)
        query = (
            "SELECT json_each.key, documents.id, value, json_each.type FROM documents"
            " JOIN sources ON sources.id = source_id, json_each(metadata)"
            " WHERE published = 1 AND value IS NOT NULL AND json_each.key IN"
        )
        documents: dict[str, array[int]] = {name: array("q") for name in wanted}
        codes: dict[str, array[int]] = {name: array("q") for name in wanted}
        known: dict[str, dict[tuple[Any, str], int]] = {
            name: {} for name in wanted
        }  # 1, 1.0 and true would be one key
        with self._reading() as db:
            for page in _pages(wanted):
                for name, document, value, kind in db.execute(f"{query} ({','.join('?' * len(page))})", page):
                    documents[name].append(document)
                    codes[name].append(known[name].setdefault((value, kind), len(known[name])))
        return {
            name: Column(
                [_value(value, kind) for value, kind in known[name]],
                np.array(codes[name], np.int64),
                np.array(documents[name], np.int64),
            )
            for name in wanted
        }

    def field_values(self) -> Iterator[tuple[str, FieldValue, int]]:
        """Yield the name and the value of every field, with the number of published documents that have it."""
        query = (
            "SELECT json_each.key, value, json_each.type, count(*) FROM documents"
            " JOIN sources ON sources.id = source_id, json_each(metadata)"
            " WHERE published = 1 AND value IS NOT NULL AND typeof(json_each.key) = 'text' GROUP BY 1, 2, 3"
        )
        with self._reading() as db:
            for name, value, kind, count in db.execute(query).fetchall():
                yield name, _value(value, kind), count

    def document_names(self) -> tuple[NDArray[np.int64], Names]:
        """Return the number of every published document, and the names of the documents and of their sources."""
        query = (
            "SELECT documents.id, key, name FROM sources JOIN documents ON sources.id = source_id"
            " WHERE published = 1"
        )
        documents = array("q")
        keys: list[str] = []
        names: list[str] = []
        shared: dict[str, str] = {}
        with self._reading() as db:
            for document, key, name in db.execute(query):
                documents.append(document)
                keys.append(shared.setdefault(key, key))
                names.append(shared.get(name, name))
        return np.array(documents, np.int64), Names(keys, names, self.base)

    # -- reading for near-duplicates --------------------------------------------------------------------

    def texts(self, numbers: Sequence[int]) -> list[str]:
        """Return the texts of passages by their numbers, in order. Call it at the state the numbers are from."""
        with self._reading() as db:
            found: dict[int, str] = dict(_each(db, "SELECT number, text FROM passages WHERE number", numbers))
            return [found[number] for number in numbers]

    def originals(self, numbers: Sequence[int]) -> list[str]:
        """Return what the texts of passages were made from, as `texts` does."""
        query = "SELECT number, iif(original = '', text, original) FROM passages WHERE number"
        with self._reading() as db:
            found: dict[int, str] = dict(_each(db, query, numbers))
            return [found[number] for number in numbers]

    def places(self, names: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Return the source of each named document, and its row there, or 0 where the document is the whole source.

        Names that are not published are left out. Raises `SemsearchError` for the name of two documents: row 1 of
        `a.csv`, and a file called `a.csv#1`.
        """
        found: dict[str, tuple[str, int]] = {}
        with self._reading() as db:
            for page in _pages(names):
                query = (
                    "SELECT document, source, min(first) FROM published"
                    f" WHERE document IN ({','.join('?' * len(page))}) GROUP BY document, source"
                )
                for name, source, row in db.execute(query, page):
                    if name in found:
                        raise SemsearchError(
                            f"{name} is the name of two documents, of {found[name][0]} and of {source}",
                            f"rename the file {name} and ingest again",
                        )
                    found[name] = source, 0 if name == source else max(row, 1)  # seconds count from 0
        return found

    def _vector_size(self, otherwise: int) -> int:
        """Return the bytes of a vector of the index's model, or `otherwise` where its dimension is not known."""
        fingerprint = self.setting("fingerprint") or {}
        return 4 * int(fingerprint["dimension"]) if "dimension" in fingerprint else otherwise

    def _matrix(self, vectors: Sequence[bytes]) -> NDArray[np.float32]:
        """Return vectors [n, dimension]. Raises `ValueError` where one has another length than the model gives."""
        size = self._vector_size(len(vectors[0])) if vectors else 0
        if any(len(vector) != size for vector in vectors):
            raise ValueError("a vector has not the length that the model gives")
        return np.frombuffer(b"".join(vectors), "<f4").reshape(len(vectors), -1 if vectors else 0)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with translated(self.path), decoded(self.path), self._connections.reading() as db:
            yield db

    @contextmanager
    def _reading_one_state(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection for several reads that belong together, though others write meanwhile."""
        with self._reading() as db:
            if db.in_transaction:  # the one of the thread
                yield db
                return
        with self.snapshot(), self._reading() as db:
            yield db


def _each(db: sqlite3.Connection, query: str, values: Sequence[Any]) -> Iterator[Any]:
    """Yield the rows of a query that ends with a column, where that column is one of the values.

    The values are bound a page at a time, since a statement can bind only so many.
    """
    for page in _pages(values):
        # fetchall, since an open cursor would outlive its connection where a reader fails
        yield from db.execute(f"{query} IN ({','.join('?' * len(page))})", page).fetchall()


def _passages(
    db: sqlite3.Connection, key: str, values: Sequence[_T], metadata: bool = True
) -> dict[_T, StoredPassage]:
    """Return the published passages that have one of the values in the column `key`, by that value.

    The passages of a document share its metadata, which may be megabytes. Raises `IndexDamaged` where a passage is not
    as it was stored.
    """
    found: dict[_T, StoredPassage] = {}
    rows = list(_each(db, f"SELECT {key}, {_COLUMNS} FROM published WHERE {key}", values))
    numbers = list({number for _, number, *_ in rows})
    # The checksum of a passage includes the metadata of its document, which is read once.
    shown = "metadata" if metadata else "'{}'"
    query = f"SELECT id, checksum(name, metadata), {shown} FROM documents WHERE id"
    documents = {id_: (begun, text) for id_, begun, text in _each(db, query, numbers)}
    fields: dict[int, dict[str, FieldValue]] = {}
    for value, number, *columns, sum_, sound in rows:
        id_, source, _, *rest = columns
        begun, text = documents[number]
        if not (sound and sum_ == checksum(id_, *rest, begun=begun)):
            raise IndexDamaged(f"passage {id_} of {source} is not as it was stored", SALVAGE)
        if number not in fields:
            fields[number] = stored_fields(text)
        found[value] = stored_passage(*[*columns, fields[number]])
    return found


def _value(value: Any, kind: str) -> FieldValue:
    """Return a value of a field as SQLite's JSON gives it: a list as text, and true as 1."""
    if kind == "array":
        return stored_fields(f'{{"": {value}}}')[""]
    one: FieldValue = bool(value) if kind in ("true", "false") else value
    return one


def _pages(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), _PAGE):
        yield values[start : start + _PAGE]
