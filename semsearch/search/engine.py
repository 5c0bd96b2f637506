"""Answering queries: passages by meaning and by words, near-copies folded into one hit, the best sentence of each."""

import fnmatch
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch import text
from semsearch.embedding import Embedder, Vectors, count_tokens
from semsearch.search import fusion
from semsearch.search.collapse import fold
from semsearch.search.query import SOURCE, Condition, Query
from semsearch.storage.library import Column, Library, PassageTable, StoredPassage
from semsearch.storage.vectors.chroma import preload
from semsearch.text.analyzer import query_terms
from semsearch.types import Hit, Mode

_TIES = 16
_SCANNED = 320_000_000
"""Up to this many bytes of vectors, 208,333 of 384 numbers, all are compared with a query. That is exact, takes 6 ms
for 100,000 that are in memory, and 0.2 s in a new process, where importing Chroma and loading its graph take 0.8 s."""
_MOST_APPROXIMATE = 1_000
"""Above this many passages all are compared in any case: no slower than a search of the graph that wide."""
_CANDIDATES = 200
"""DocumentVectors that the graph, and the words, put forward at least, where not all are compared."""

Candidates = Callable[[Vectors, int], list[list[str]] | None]
"""Ids of about the k passages nearest to each query, by a graph; None where that is not to be had."""
_Row = tuple[StoredPassage, int]
"""A passage, and its place in a `_Ranking`."""
_Floats = NDArray[np.float32]
_Rows = NDArray[np.int64]
_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True)
class _Corpus:
    """All passages as they were at a `state` of the Library."""

    library: Library
    state: int
    roll: PassageTable
    _columns: dict[str, Column] = field(default_factory=dict)

    @cached_property
    def rows(self) -> _Rows:
        """The rows of `roll` that are passages."""
        return np.flatnonzero(self.roll.live)

    @cached_property
    def scanned(self) -> bool:
        """Whether there are so few vectors that all of them are compared with a query."""
        return self.library.vector_bytes() <= _SCANNED

    @cached_property
    def matrix(self) -> tuple[Vectors, _Rows]:
        """All vectors, and which of them that of each row of `roll` is."""
        numbers, matrix = self.library.vectors()
        return matrix, np.searchsorted(numbers, self.roll.vectors)

    @cached_property
    def parted(self) -> bool:
        """Whether any document has several passages."""
        return len(np.unique(self.roll.documents[self.rows])) < len(self.rows)

    @cached_property
    def fields(self) -> dict[str, list[str]]:
        """See `Library.fields`."""
        return self.library.fields()

    def column(self, name: str) -> Column:
        """What documents have in a field of the metadata, or whose they are."""
        if name not in self._columns:
            self._columns[name] = self.library.sources() if name == SOURCE else self.library.column(name)
        return self._columns[name]


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Some rows of a corpus, by what `score` they rank, and what that is made of. `alone` is the score before documents
    add to it. `ended`: there are no others."""

    rows: _Rows
    score: _Floats
    alone: _Floats
    cosine: _Floats | None
    bm25: _Floats | None
    ended: bool


class Search:
    """Searches one index. `embedder` loads the model where it is needed."""

    def __init__(self, library: Library, candidates: Candidates, embedder: Callable[[], Embedder]) -> None:
        self._library = library
        self._candidates = candidates
        self._embedder = embedder
        self._held: _Corpus | None = None

    def prepare(self) -> None:
        """Load, in a thread while the model is loaded, what a search of all sources will need."""
        with self._library.snapshot():
            corpus = self._corpus()
            if corpus.scanned:
                _ = corpus.matrix
        if not corpus.scanned:
            preload()

    def fields(self) -> dict[str, list[str]]:
        """The names of the metadata's fields, each below what `syntax.field_name` makes of it."""
        with self._library.snapshot():
            return self._corpus().fields

    def hits(
        self,
        queries: Sequence[Query],
        vectors: Vectors | None,
        k: int,
        *,
        mode: Mode,
        min_score: float,
        source: str | None,
        folding: bool,
        per_document: int | None,
        highlight: bool,
        explain: bool,
    ) -> list[list[Hit]]:
        """Up to `k` hits for each query, best first; see `Index.query_many`. `vectors` has one for each, if any."""
        found: list[tuple[_Ranking, list[list[_Row]]]] = []
        for number, query in enumerate(queries):
            conditions = (*query.conditions, *([Condition(SOURCE, ":", source)] if source else []))
            vector = None if vectors is None else vectors[number]
            wanted, passages = k, None
            while True:
                with self._library.snapshot():
                    if passages is None or not passages.ended:
                        passages = self._ranking(query, conditions, vector, mode, wanted, min_score)
                    ranking = self._by_document(passages, wanted) if mode == "hybrid" else passages
                    rows = self._best(ranking, wanted)
                groups = _grouped(rows, folding, per_document)
                if (
                    len(groups) >= k
                    or len(rows) < wanted
                    or (ranking.ended and len(rows) == len(ranking.rows))
                ):
                    break
                wanted *= 2
            found.append((ranking, groups[:k]))
        spans = self._best_sentences([groups for _, groups in found], queries, vectors) if highlight else {}
        return [
            [
                self._hit(ranking, *first, spans.get((number, first[0].id), (0, 0)), copies, explain)
                for first, *copies in groups
            ]
            for number, (ranking, groups) in enumerate(found)
        ]

    # -- ranking ----------------------------------------------------------------------------------------

    def _ranking(
        self,
        query: Query,
        conditions: Sequence[Condition],
        vector: Vectors | None,
        mode: Mode,
        wanted: int,
        min_score: float,
    ) -> _Ranking:
        """Every passage that qualifies, or of a large index where all do the likeliest, with its scores."""
        corpus = self._corpus()
        rows = self._qualifying(query, conditions, corpus)
        ended = True
        bm25, most = (None, 0.0) if mode == "dense" else self._library.bm25(query.text, corpus.roll)
        if vector is not None and rows is None and wanted <= _MOST_APPROXIMATE and not corpus.scanned:
            rows = self._likeliest(vector, bm25, max(wanted + _TIES, _CANDIDATES), corpus)
            ended = rows is None
        if rows is None:
            rows = corpus.rows
        cosine = None if vector is None else self._cosines(vector, rows, corpus)
        bm25 = None if bm25 is None else _at(bm25, rows)
        if mode == "lexical" and bm25 is not None:
            kept = bm25 > 0
            rows, score, bm25 = rows[kept], bm25[kept], bm25[kept]
        elif cosine is None:
            raise ValueError(f"no vector for a query of mode {mode}")
        else:
            score = cosine
            if bm25 is not None:
                score = fusion.fused(cosine, bm25, most, self._unknown(query.text))
            if min_score > -1:
                kept = cosine.astype(np.float64) >= min_score
                rows, score, cosine = rows[kept], score[kept], cosine[kept]
                bm25 = None if bm25 is None else bm25[kept]
        return _Ranking(rows, score, score, cosine, bm25, ended)

    def _qualifying(self, query: Query, conditions: Sequence[Condition], corpus: _Corpus) -> _Rows | None:
        """The rows that fulfil every condition and have the words they must have, rising; None where all do."""
        if not (conditions or query.required or query.excluded):
            return None
        rows = corpus.rows
        roll = corpus.roll
        for condition in conditions:
            held = np.isin(roll.documents[rows], self._fulfilling(condition, corpus))
            rows = rows[held != condition.excluded]
        for word in query.required:
            rows = np.intersect1d(rows, self._library.having(word.text, roll, exact=word.exact))
        for word in query.excluded:
            rows = np.setdiff1d(rows, self._library.having(word.text, roll, exact=word.exact))
        return rows

    def _fulfilling(self, condition: Condition, corpus: _Corpus) -> _Rows:
        """The documents that have a value which the condition takes."""
        if condition.field == SOURCE:
            wanted = condition.operator != "!="
            return corpus.column(SOURCE).where(
                lambda key: fnmatch.fnmatchcase(str(key), condition.value) == wanted
            )
        columns = [corpus.column(name) for name in corpus.fields.get(condition.field, [])]
        return np.concatenate([np.empty(0, np.int64), *(some.where(condition.test()) for some in columns)])

    def _likeliest(self, vector: Vectors, bm25: _Floats | None, count: int, corpus: _Corpus) -> _Rows | None:
        """The rows that the graph finds, and those with the best words; None where there is no graph."""
        found = self._candidates(vector[None], count)
        if found is None:
            return None
        order = np.argsort(corpus.roll.numbers[corpus.rows], kind="stable")
        numbers = corpus.roll.numbers[corpus.rows][order]
        near = corpus.rows[order[np.searchsorted(numbers, self._library.numbers_of(found[0]))]]
        if bm25 is None:
            return np.unique(near)
        best = _highest(bm25, count)
        return np.union1d(near, best[bm25[best] > 0])

    def _cosines(self, vector: Vectors, rows: _Rows, corpus: _Corpus) -> _Floats:
        """The cosine of each row with a query, exactly."""
        if not len(rows):
            return np.empty(0, np.float32)
        if corpus.scanned or len(rows) == len(corpus.rows):
            matrix, place = corpus.matrix
            # One query at a time, and all rows: sums in a matrix product depend on what else is in it.
            scores = (matrix @ vector)[_at(place, rows)]
        else:
            numbers, place = np.unique(corpus.roll.vectors[rows], return_inverse=True)
            scores = (self._library.vectors_numbered(numbers.tolist()) @ vector)[place]
        clipped: _Floats = np.clip(scores, -1, 1)  # rounding can take it beyond
        return clipped

    def _by_document(self, ranking: _Ranking, wanted: int) -> _Ranking:
        """The ranking with what documents add, right for so many."""
        corpus = self._corpus()
        if not corpus.parted:
            return ranking
        documents = _at(corpus.roll.documents, ranking.rows)
        return replace(ranking, score=fusion.by_document(ranking.score, documents, wanted + _TIES))

    def _best(self, ranking: _Ranking, wanted: int) -> list[_Row]:
        """The `wanted` best passages of a ranking, equal ones by name; some more are looked at for that."""
        best = _highest(ranking.score, wanted + _TIES)
        numbers = self._corpus().roll.numbers[ranking.rows[best]].tolist()
        stored = self._library.passages_numbered(numbers)
        rows = [
            (stored[number], at)
            for number, at in zip(numbers, best.tolist(), strict=True)
            if number in stored
        ]
        rows.sort(key=lambda row: (-ranking.score[row[1]], row[0].document, row[0].first))
        return rows[:wanted]

    def _unknown(self, query: str) -> float:
        """The share of a query's tokens that the model does not know."""
        tokens, unknown = count_tokens(self._embedder(), [query])
        return float(unknown[0] / max(1, tokens[0]))

    def _corpus(self) -> _Corpus:
        """All passages, read anew where anybody has written to the Library since they were."""
        state = self._library.state()
        if self._held is None or self._held.state != state:
            self._held = None  # two of them need not fit
            self._held = _Corpus(self._library, state, self._library.passage_table())
        return self._held

    # -- showing ----------------------------------------------------------------------------------------

    def _best_sentences(
        self, found: list[list[list[_Row]]], queries: Sequence[Query], asked: Vectors | None
    ) -> dict[tuple[int, str], tuple[int, int]]:
        """The span of each hit's best sentence, likest or with most words, by number of query and passage."""
        hits = [(number, group[0][0]) for number, groups in enumerate(found) for group in groups]
        query_of = np.array([number for number, _ in hits], np.int64)
        if asked is not None:
            likeness = meaning(self._embedder(), asked[query_of])
        else:
            words = [set(query_terms(query.text)) for query in queries]

            def likeness(texts: Sequence[str], of: NDArray[np.int64]) -> NDArray[Any]:
                pairs = zip(query_of[of].tolist(), texts, strict=True)
                return np.array([len(words[number].intersection(query_terms(one))) for number, one in pairs])

        spans = best_sentences([passage.text for _, passage in hits], likeness)
        return {(number, passage.id): span for (number, passage), span in zip(hits, spans, strict=True)}

    def _hit(
        self,
        ranking: _Ranking,
        passage: StoredPassage,
        at: int,
        highlight: tuple[int, int],
        copies: Sequence[_Row],
        explain: bool,
    ) -> Hit:
        cosine, bm25, alone = ranking.cosine, ranking.bm25, ranking.alone[at]
        return passage.hit(
            float(ranking.score[at]),
            highlight=highlight,
            copies=tuple(self._hit(ranking, *copy, (0, 0), (), explain) for copy in copies),
            cosine=None if cosine is None else float(cosine[at]),
            bm25=None if bm25 is None else float(bm25[at]),
            dense_rank=_rank(cosine, at) if explain else None,
            lexical_rank=_rank(bm25, at) if explain and bm25 is not None and bm25[at] > 0 else None,
            document_factor=float(ranking.score[at] / alone if alone else 1) if explain else None,
        )


Likeness = Callable[[Sequence[str], NDArray[np.int64]], NDArray[Any]]
"""A score for each of some sentences, given with the number of the text that each is of."""


def meaning(embedder: Embedder, vectors: Vectors) -> Likeness:
    """The cosine of each sentence with the vector beside its text."""

    def likeness(texts: Sequence[str], of: NDArray[np.int64]) -> NDArray[Any]:
        rows = {sentence: row for row, sentence in enumerate(dict.fromkeys(texts))}
        embedded = embedder.embed(list(rows))[[rows[sentence] for sentence in texts]]
        scores: NDArray[Any] = np.sum(embedded * vectors[of], axis=1)
        return scores

    return likeness


def best_sentences(texts: Sequence[str], likeness: Likeness) -> list[tuple[int, int]]:
    """The span of the sentence of each text that scores best."""
    spans = [text.sentences(one) for one in texts]
    counts = np.array([len(some) for some in spans], np.int64)
    of = np.repeat(np.arange(len(texts)), counts)
    scores = likeness([one[a:b] for one, some in zip(texts, spans, strict=True) for a, b in some], of)
    ends = np.cumsum(counts).tolist()
    return [
        some[int(np.argmax(scores[end - len(some) : end]))] for some, end in zip(spans, ends, strict=True)
    ]


def _highest(scores: _Floats, count: int) -> _Rows:
    """Where the `count` highest scores are, in no order."""
    if count >= len(scores):
        return np.arange(len(scores))
    return np.argpartition(scores, -count)[-count:]


def _at(values: NDArray[_Value], rows: _Rows) -> NDArray[_Value]:
    """`values[rows]`, for rising rows: all of them need no copy."""
    return values if len(rows) == len(values) else values[rows]


def _rank(scores: _Floats | None, at: int) -> int | None:
    return None if scores is None else 1 + int(np.count_nonzero(scores > scores[at]))


def _grouped(rows: Sequence[_Row], folding: bool, per_document: int | None) -> list[list[_Row]]:
    """Each passage, if they are folded with its near-copies that rank below it; so many of a document at most."""
    groups: dict[int, list[_Row]] = {}
    leaders = fold([passage.text for passage, _ in rows]) if folding else range(len(rows))
    for row, leader in zip(rows, leaders, strict=True):
        groups.setdefault(leader, []).append(row)
    if per_document is None:
        return list(groups.values())
    shown: Counter[str] = Counter()
    kept = []
    for group in groups.values():
        shown[group[0][0].document] += 1
        if shown[group[0][0].document] <= per_document:
            kept.append(group)
    return kept
