"""Full-text search in the Library: the terms of every published passage, and BM25 over them.

SQLite's FTS5 needs a second or two to rank 100,000 passages by a question in plain words, since most passages hold
some of the words. Here the passages of a term are one array, and NumPy adds up the arrays of a query in milliseconds,
so *every* passage gets its exact score. The stemmer is FTS5's.

Terms are stored in segments, one for each batch of published passages. A passage that is removed is marked in its
segment (a *tombstone*). Segments of similar size are merged, like the digits of a binary counter, so they stay few.
"""

import math
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamaged
from semsearch.text.analyzer import index_terms

SCHEMA = """
CREATE TABLE segments (id INTEGER PRIMARY KEY, passages BLOB NOT NULL, sum INTEGER NOT NULL) STRICT;
CREATE TABLE postings (
    segment_id INTEGER NOT NULL, term TEXT NOT NULL, passages BLOB NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (segment_id, term)
) STRICT, WITHOUT ROWID;
"""
ENTRY = "number, vector_id, document_id, heading, text"
"""The columns of `passages` that full-text search indexes."""
SEGMENT_SUM = "sum = checksum(passages)"
POSTINGS_SUM = "sum = checksum(segment_id, term, passages)"
"""SQL that is true where a row of `segments` or `postings` is as it was stored."""
_K1, _B = 1.2, 0.75
"""The parameters of BM25, with the values of Lucene and FTS5: saturation of repeated words, weight of length."""
_SEGMENT, _LARGEST = 8_192, 65_536
"""The most passages in a new segment and in a merged one, and so in memory at once."""
_HEADING = 3
"""The weight of the words of the headings above a passage, which its author does not repeat. Chosen on questions about
the Rust book and the Chinese Vue pages (benchmarks/passages.py --only words)."""
_KNOWN_WORDS = 200_000
_known_stems: dict[str, str] = {}
_stemming = threading.Lock()
_TERMS = 500
"""The most terms that one statement reads. SQLite can bind 32,766 values."""
_COMMON, _KEPT, _EACH = 1_000, 5_000_000, 20
"""The fewest rows of a term whose impact is kept, and the most rows of all: the first, or so many for each passage.

A row takes at most 12 bytes. docs/decisions/0173-impacts-by-size.md."""
_GONE = 0
_PASSAGE = np.dtype([("number", "<i8"), ("vector", "<i8"), ("document", "<i8"), ("length", "<u4")])
_POSTING = 4 + 1
"""Bytes of a passage in a term's list: all row numbers in the segment come first, then the counts of the term."""


@dataclass(frozen=True, slots=True)
class PassageTable:
    """Every published passage: `numbers`, the numbers of their `vectors` and `documents`, and the `norms` of BM25.

    Removed passages keep their rows: `gone` is their number, their vector is 0, and they are not `live`. `segments`
    maps each segment to its rows [start, end). The arrays are not to be changed; any number of threads may share them.
    """

    numbers: NDArray[np.int64]
    vectors: NDArray[np.int64]
    documents: NDArray[np.int64]
    norms: NDArray[np.float32]
    live: NDArray[np.bool_]
    gone: int
    segments: Mapping[int, tuple[int, int]]
    impacts: "_Impacts" = field(default_factory=lambda: _Impacts())
    """The impacts that earlier queries computed."""

    @property
    def rarest(self) -> float:
        """An upper bound of what any word adds to a BM25 score; a word that no passage has adds most."""
        return _highest(len(self.numbers) - self.gone, 0)


_Impact = tuple[NDArray[np.int64] | slice, NDArray[np.float32], float]
"""The rows that hold a term, what the term adds to the score of each, and an upper bound of it. Where more than a third
of all rows hold the term, as with `the`, the array covers all rows: adding zeros is faster than selecting."""


class _Impacts:
    """The impacts of frequent terms: most of the work of a query is in words that all passages have, such as `the`.

    Any number of threads may use it at once.
    """

    def __init__(self, most: int = _KEPT) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._of: dict[str, _Impact] = {}
        self._rows = 0

    def get(self, term: str) -> _Impact | None:
        """Return the impact of a term if it is known."""
        return self._of.get(term)

    def add(self, term: str, impact: _Impact, rows: int) -> None:
        """Remember the impact of a term that `rows` passages hold."""
        with self._lock:
            if self._rows + rows > self._most:
                self._of, self._rows = {}, 0
            self._rows += rows
            self._of[term] = impact


class FullText:
    """The full-text tables, read and written over a connection. The caller owns the transactions."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    # -- writing ----------------------------------------------------------------------------------------

    def add(self, passages: Iterable[tuple[int, int, int, str, str]]) -> None:
        """Index passages, each given as an `ENTRY`."""
        waiting = iter(passages)
        while some := list(islice(waiting, _SEGMENT)):
            self._add(some)

    def tombstone(self, numbers: Sequence[int]) -> None:
        """Mark passages as removed. Numbers that do not exist are ignored."""
        gone = np.array(numbers, np.int64)
        for id_ in self._likeliest(gone):
            if not len(gone):
                return
            ((_, passages),) = self._segments([id_])
            struck = np.isin(passages["number"], gone) & (passages["vector"] != _GONE)
            if not struck.any():
                continue
            gone = gone[~np.isin(gone, passages["number"][struck])]
            passages = passages.copy()
            passages["vector"][struck] = _GONE
            left = np.count_nonzero(passages["vector"] != _GONE)
            query = "UPDATE segments SET passages = ?1, sum = checksum(?1) WHERE id = ?2"
            self._db.execute(query, (passages.tobytes(), id_))
            if left < len(passages) / 2:
                self._merge([id_])

    def _likeliest(self, numbers: NDArray[np.int64]) -> list[int]:
        """Return all segments, first those that probably have passages of some numbers.

        Numbers mostly rise from segment to segment, so these are the segments with the highest first number below.
        """
        if not len(numbers):
            return []
        ids = [id_ for (id_,) in self._db.execute("SELECT id FROM segments ORDER BY id")]
        firsts = np.empty(len(ids), np.int64)
        for at, id_ in enumerate(ids):
            with self._db.blobopen("segments", "passages", id_, readonly=True) as blob:
                firsts[at] = np.frombuffer(blob.read(8).ljust(8, b"\0"), "<i8")[0]  # reads one page of many
        order = np.argsort(firsts, kind="stable")
        places = np.searchsorted(firsts[order], np.unique(numbers), side="right") - 1
        likely = [ids[order[place]] for place in dict.fromkeys(places.tolist()) if place >= 0]
        return [*likely, *(id_ for id_ in ids if id_ not in likely)]

    def expunge(self) -> None:
        """Delete everything that is left of removed passages."""
        for id_, passages in list(self._segments()):
            if np.any(passages["vector"] == _GONE):
                self._merge([id_])

    def rebuild(self) -> None:
        """Index every published passage again, and nothing else."""
        self._db.execute("DELETE FROM postings")
        self._db.execute("DELETE FROM segments")
        self.add(self._db.execute(f"SELECT {ENTRY} FROM published ORDER BY number"))

    def _add(self, passages: Sequence[tuple[int, int, int, str, str]]) -> None:
        words: dict[str, int] = {}
        found: list[int] = []
        rows = np.empty(len(passages), _PASSAGE)
        occurrences = np.empty(len(passages), np.int64)
        for row, (number, vector, document, heading, text) in enumerate(passages):
            terms, length = index_terms(f"{heading}\n" * _HEADING + text)
            rows[row] = number, vector, document, length
            occurrences[row] = len(terms)
            found += [words.setdefault(term, len(words)) for term in terms]
        stems = stemmed(list(words))
        terms = sorted(set(stems))
        place = {term: at for at, term in enumerate(terms)}
        term_of = np.array([place[stem] for stem in stems], np.int64)
        # Sorted by term, then by row: the count of equal keys is how often a term occurs in a passage.
        keys = term_of[np.array(found, np.int64)] * len(passages) + np.repeat(
            np.arange(len(passages)), occurrences
        )
        keys, counts = np.unique(keys, return_counts=True)
        edges = np.searchsorted(keys // len(passages), np.arange(len(terms) + 1))
        self._insert(rows, terms, edges, keys % len(passages), np.minimum(counts, 255))
        query = "SELECT id, length(passages) FROM segments ORDER BY id"  # the length is known without reading them
        sizes = [(segment, size // _PASSAGE.itemsize) for segment, size in self._db.execute(query)]
        merged, total = [sizes[-1][0]], sizes[-1][1]
        for segment, size in reversed(sizes[:-1]):
            if size > total or size + total > _LARGEST:
                break
            merged.append(segment)
            total += size
        if len(merged) > 1:
            self._merge(merged[::-1])

    def _merge(self, segments: Sequence[int]) -> None:
        """Merge segments into one, without the removed passages."""
        held = dict(self._segments(segments))
        sizes = np.array([len(held[segment]) for segment in segments])
        starts = dict(zip(segments, (np.cumsum(sizes) - sizes).tolist(), strict=True))
        passages = np.concatenate([held[segment] for segment in segments])
        live = passages["vector"] != _GONE
        marks = ",".join("?" * len(segments))
        query = (
            f"SELECT term, segment_id, passages, {POSTINGS_SUM} FROM postings WHERE segment_id IN ({marks})"
            " ORDER BY term, segment_id"
        )
        found = self._db.execute(query, segments).fetchall()
        terms, owners, parts, sound = zip(*found, strict=True) if found else ((),) * 4
        if not all(sound):
            raise _damaged()
        lists = [_postings(part, len(held[owner])) for owner, part in zip(owners, parts, strict=True)]
        sizes = np.array([len(rows) for rows, _ in lists], np.int64)
        rows = np.concatenate([np.empty(0, "<u4"), *(rows for rows, _ in lists)])
        counts = np.concatenate([np.empty(0, "u1"), *(counts for _, counts in lists)])
        rows += np.repeat(np.array([starts[owner] for owner in owners], np.uint32), sizes)
        kept = live[rows]
        ends = np.concatenate([[0], np.cumsum(kept)])[np.cumsum(sizes)]
        last = [at for at, (a, b) in enumerate(pairwise((*terms, None))) if a != b]
        rows, counts = (np.cumsum(live) - 1)[rows[kept]], counts[kept]
        self._insert(passages[live], [terms[at] for at in last], np.array([0, *ends[last]]), rows, counts)
        for table, column in (("postings", "segment_id"), ("segments", "id")):
            self._db.execute(f"DELETE FROM {table} WHERE {column} IN ({marks})", segments)

    def _insert(
        self,
        passages: NDArray[np.void],
        terms: Sequence[str],
        edges: NDArray[np.int64],
        rows: NDArray[np.int64],
        counts: NDArray[np.int64],
    ) -> None:
        """Write a segment. The rows and counts of a term lie between two of the `edges`."""
        if not len(passages):
            return
        query = "INSERT INTO segments (passages, sum) VALUES (?1, checksum(?1))"
        id_ = self._db.execute(query, (passages.tobytes(),)).lastrowid
        rows, counts = rows.astype("<u4"), counts.astype("u1")
        self._db.executemany(
            "INSERT INTO postings VALUES (?1, ?2, ?3, checksum(?1, ?2, ?3))",
            (
                (id_, term, rows[a:b].tobytes() + counts[a:b].tobytes())
                for term, (a, b) in zip(terms, pairwise(edges.tolist()), strict=True)
                if b > a
            ),
        )

    # -- reading ----------------------------------------------------------------------------------------

    def passage_table(self) -> PassageTable:
        """Return every passage as arrays."""
        found = list(self._segments())
        total = sum(len(passages) for _, passages in found)
        numbers, vectors, documents = (np.empty(total, np.int64) for _ in range(3))
        lengths = np.empty(total, np.uint32)
        segments: dict[int, tuple[int, int]] = {}
        start = 0
        for id_, passages in found:
            end = start + len(passages)
            segments[id_] = start, end
            numbers[start:end], vectors[start:end] = passages["number"], passages["vector"]
            documents[start:end], lengths[start:end] = passages["document"], passages["length"]
            start = end
        live = vectors != _GONE
        average = max(1.0, float(lengths[live].mean())) if live.any() else 1.0
        norms = (_K1 * (1 - _B + _B / average * lengths)).astype(np.float32)
        gone = len(live) - int(np.count_nonzero(live))
        impacts = _Impacts(max(_KEPT, _EACH * total))
        return PassageTable(numbers, vectors, documents, norms, live, gone, segments, impacts)

    def occurrences(self, term: str, table: PassageTable) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return the rows that hold a stemmed term, rising, and how often each does."""
        ((_, rows, counts),) = self._occurrences([term], table)
        return rows, counts

    def _occurrences(
        self, terms: Sequence[str], table: PassageTable
    ) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.uint8]]]:
        """Yield each of some terms with the rows that hold it, rising, and how often each does."""
        segments = ",".join(map(str, table.segments))
        for at in range(0, len(terms), _TERMS):
            parts = {
                term: [(np.empty(0, np.int64), np.empty(0, np.uint8))] for term in terms[at : at + _TERMS]
            }
            query = (
                f"SELECT segment_id, term, passages, {POSTINGS_SUM} FROM postings"
                f" WHERE segment_id IN ({segments}) AND term IN ({','.join('?' * len(parts))}) ORDER BY segment_id"
            )
            for segment, term, data, sound in self._db.execute(query, list(parts)).fetchall():
                if not sound:
                    raise _damaged()
                start, end = table.segments[segment]
                places, often = _postings(data, end - start)
                parts[term].append((places.astype(np.int64) + start, often))
            for term, some in parts.items():
                rows, counts = (np.concatenate(column) for column in zip(*some, strict=True))
                live = table.live[rows] if table.gone else slice(None)
                yield term, rows[live], counts[live]

    def bm25(self, terms: Mapping[str, int], table: PassageTable) -> tuple[NDArray[np.float32], float]:
        """Return the score of every row for stemmed terms, given with their counts in the query, and an upper bound.

        Okapi BM25 with Lucene's inverse document frequency, never negative: ln(1 + (N - n + 0.5) / (n + 0.5)).
        Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.
        """
        scores, most = np.zeros(len(table.numbers), np.float32), 0.0
        known = {term: found for term in terms if (found := table.impacts.get(term)) is not None}
        for term, rows, counts in self._occurrences([term for term in terms if term not in known], table):
            known[term] = self._impact(term, rows, counts, table)
        for term, weight in terms.items():
            where, impact, highest = known[term]
            scores[where] += impact if weight == 1 else weight * impact
            most += weight * highest
        return scores, most

    def _impact(
        self, term: str, rows: NDArray[np.int64], counts: NDArray[np.uint8], table: PassageTable
    ) -> _Impact:
        """Return the impact of a term in some rows; remember it if the term is common."""
        total = len(table.numbers) - table.gone
        highest = _highest(total, len(rows))
        often = counts.astype(np.float32)
        impact = np.float32(highest) * often / (often + table.norms[rows])
        found: _Impact = rows, impact, highest
        if len(rows) > len(table.numbers) // 3:
            everywhere = np.zeros(len(table.numbers), np.float32)
            everywhere[rows] = impact
            found = slice(None), everywhere, highest
        if len(rows) >= _COMMON:
            table.impacts.add(term, found, len(found[1]))
        return found

    def _segments(self, ids: Sequence[int] | None = None) -> Iterator[tuple[int, NDArray[np.void]]]:
        """Yield segments with their passages, by default all, in the order of their numbers."""
        some = "" if ids is None else f"WHERE id IN ({','.join(map(str, ids))})"
        query = f"SELECT id, passages, {SEGMENT_SUM} FROM segments {some} ORDER BY id"
        for id_, data, sound in self._db.execute(query).fetchall():
            if not sound or len(data) % _PASSAGE.itemsize:
                raise _damaged()
            yield id_, np.frombuffer(data, _PASSAGE)


def _highest(passages: int, holding: int) -> float:
    """Return an upper bound of what a word adds to a score, if so many of the passages hold it."""
    return (_K1 + 1) * math.log1p((passages - holding + 0.5) / (holding + 0.5))


def stemmed(words: Sequence[str]) -> list[str]:
    """Return the stem of each word of letters and digits: Porter's stem for ASCII, others as they are."""
    global _known_stems
    known = _known_stems  # other threads only add to it, or put another in its place
    if len(known) > _KNOWN_WORDS:
        known = _known_stems = {}
    if missing := {word for word in words if word not in known and word.isascii() and word.isalnum()}:
        known.update(_porter(sorted(missing)))
    return [known.get(word, word) for word in words]


def _porter(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each word with its stem by SQLite's own stemmer, which can be reached through full-text tables only."""
    db = _stemmer()
    with _stemming:
        db.execute("BEGIN")
        try:
            db.executemany("INSERT INTO words (rowid, word) VALUES (?, ?)", enumerate(words))
            found = db.execute("SELECT doc, term FROM stems").fetchall()
        finally:
            db.execute("ROLLBACK")
    return ((words[at], stem) for at, stem in found)


@cache
def _stemmer() -> sqlite3.Connection:
    """Return a database that stems. Its tables are kept, since making them takes ten times as long as a few words."""
    db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    db.execute("CREATE VIRTUAL TABLE words USING fts5 (word, content = '', tokenize = 'porter ascii')")
    db.execute("CREATE VIRTUAL TABLE stems USING fts5vocab (words, instance)")
    return db


def _postings(data: bytes, passages: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Return a term's rows and counts in a segment of `passages` passages. Raises `IndexDamaged`."""
    count = len(data) // _POSTING
    if len(data) % _POSTING:
        raise _damaged()
    rows = np.frombuffer(data, "<u4", count)
    if count and rows[-1] >= passages:
        raise _damaged()
    return rows, np.frombuffer(data, "u1", offset=4 * count)


def _damaged() -> IndexDamaged:
    return IndexDamaged("the full-text part of the Library is damaged", "rebuild it: semsearch repair")
