"""Answer queries: rank passages by meaning and by words, collapse near-copies, and pick each hit's best sentence."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch import text
from semsearch.embedding import Embedder, Vectors, count_tokens, embed_checked
from semsearch.embedding.scale import DEFAULT_SCALE, known_scale
from semsearch.errors import IndexDamaged, InvalidInput
from semsearch.requests import SearchRequest
from semsearch.search import fusion
from semsearch.search.approximate import Nearest, likeliest
from semsearch.search.collapse import leaders
from semsearch.search.contenders import contenders
from semsearch.search.corpus import Corpus, CorpusCache, Rows
from semsearch.search.facets import counted, facet
from semsearch.search.filtering import listed, qualifying, remarks
from semsearch.search.highest import highest
from semsearch.search.product_batch import ProductBatch, ProductsWith
from semsearch.search.query import Query, asked_name, fields_hint, parse
from semsearch.search.relevance import SETTING, NullModel, Rater, measured, read_null_model
from semsearch.search.sentences import SentenceVectors, by_meaning, by_words, highlighted
from semsearch.storage.library import SALVAGE, Library, StoredPassage
from semsearch.storage.vectors.chroma import preload
from semsearch.types import FieldCounts, FieldValue, Hit, Mode, field_name

LONGEST_QUERY = 10_000
"""The highest number of characters in a query."""

_TIES = 16
_MOST_APPROXIMATE = 1_000
"""The highest number of hits that the graph is asked for; beyond it comparing all passages is as fast."""
_CANDIDATES = 200
"""The lowest number of passages that the graph, and the words, propose where not all are compared."""
_COMPARED = 20_000
"""Up to this many passages that meet a condition are all compared, in 82 ms: decision 140."""
_BOUNDED_FROM, _FEW = 50_000, 16
"""From this many passages on, codes say which can be among the best. Up to one of `_FEW` are compared one by one."""
_MAPPED_FROM = 2_000
"""Up to this many vectors are read from the Library, in 8 ms; more are taken from the vector file, in a fifth of it."""

_Floats = NDArray[np.float32]
_Value = TypeVar("_Value", bound=np.generic)
_Ranked = tuple[StoredPassage, int]
"""A passage, and its position in a `_Ranking`."""


_Fuse = Callable[[_Floats, Rows | slice], _Floats]
"""Computes the scores of some rows from their cosines: a higher cosine never has a lower score."""


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Some rows of a corpus with their scores, one number a row.

    `score` is what they rank by, and `passage_score` the same before the document adds to it. `cosine` and `bm25` are
    what it is made of, `most` a BM25 that no passage can exceed, and `known` the weight of the cosine. `complete` is
    True where no other row qualifies.
    """

    rows: Rows
    score: _Floats
    passage_score: _Floats
    cosine: _Floats | None
    bm25: _Floats | None
    most: float
    known: float
    complete: bool


class SearchEngine:
    """Searches one index, from any number of threads.

    `embedder` loads the model when it is needed, and `sentences` embeds what may be the best sentence of a hit.
    """

    def __init__(
        self,
        library: Library,
        nearest: Nearest,
        embedder: Callable[[], Embedder],
        sentences: SentenceVectors,
    ) -> None:
        self._library = library
        self._nearest = nearest
        self._embedder = embedder
        self._sentences = sentences
        self._corpora = CorpusCache(library)

    def search(self, requests: Sequence[SearchRequest]) -> list[list[Hit]]:
        """Return the hits of each request, best first.

        A query of conditions alone lists documents: see `semsearch.search.filtering.listed`. Raises `InvalidInput`
        where a query has nothing to search for, and for a condition that no value could meet.
        """
        queries = [self.parse(request.query, literal=request.literal) for request in requests]
        vectors = self._vectors(requests, queries)
        batch = ProductBatch(vectors)
        with self._library.snapshot():
            found = [
                self._hits(request, query, vector, partial(batch.of, number))
                for number, (request, query, vector) in enumerate(
                    zip(requests, queries, vectors, strict=True)
                )
            ]
        return self._highlighted(requests, queries, vectors, found)

    def parse(self, query: str, *, literal: bool = False) -> Query:
        """Return a query in its parts.

        Raises `InvalidInput` where it has neither a text to search for nor a condition, or is too long.
        """
        parsed = self._parsed(query, literal)
        if not (parsed.text or parsed.conditions):
            raise InvalidInput(
                "the query has only exclusions" if parsed.excluded else "the query is empty",
                "give some words to look for, or a condition such as tags:daily",
            )
        return parsed

    def _parsed(self, query: str, literal: bool) -> Query:
        cleaned = text.clean(query).strip()
        if len(cleaned) > LONGEST_QUERY:
            raise InvalidInput(
                f"the query has {len(cleaned):,} characters; the limit is {LONGEST_QUERY:,}",
                "search for the part of it that matters",
            )
        return Query(cleaned) if literal else parse(cleaned, self._fields)

    def facets(
        self, fields: Sequence[str], query: str, source: str | None, *, literal: bool
    ) -> list[FieldCounts]:
        """Return the values of some fields, with the number of documents that have each.

        The documents are those with a passage that meets every condition of the query, and has every word that it
        requires. Its other words do not matter. Raises `InvalidInput` for a field that no document has.
        """
        parsed = self._parsed(query, literal)
        with self._library.snapshot():
            corpus = self._corpora.current()
            known = corpus.fields
            for name in fields:
                if field_name(name) not in known:
                    raise InvalidInput(f"no document has a field {name!r}", fields_hint(name, known))
            asked = list(dict.fromkeys(map(field_name, fields)))
            corpus.read_columns([*asked, *(each.field for each in parsed.conditions)])
            rows = qualifying(corpus, parsed, source)
            chosen = corpus.rows if rows is None else rows
            documents = np.unique(corpus.table.documents[chosen])
            return [facet(corpus, name, documents) for name in asked]

    def fields(self) -> list[FieldCounts]:
        """Return all fields with their values, sorted by the name that a query asks for."""
        found: dict[str, list[tuple[FieldValue, int]]] = {}
        with self._library.snapshot():
            total = self._library.counts()["documents"]
            for name, value, count in self._library.field_values():
                found.setdefault(asked_name(name), []).append((value, count))
        return [
            FieldCounts(name, min(total, sum(count for _, count in found[name])), total, counted(found[name]))
            for name in sorted(found)
        ]

    def notes(self, request: SearchRequest) -> list[str]:
        """Return what the answer to a request leaves out, and what it takes as text, each in words for people.

        Raises what `parse` raises, and `InvalidInput` for a condition that no value could meet.
        """
        query = self.parse(request.query, literal=request.literal)
        if not (query.conditions or request.source):
            return list(query.notes)
        with self._library.snapshot():
            corpus = self._corpora.current()
            said = [*query.notes, *remarks(corpus, query, request.source)]
            if not query.text:
                total = len(listed(corpus, qualifying(corpus, query, request.source)))
                if total > request.k:
                    said.append(
                        f"the first {request.k:,} of {total:,} documents that meet the conditions are listed;"
                        f" -k {total} lists all"
                    )
            return said

    def _fields(self) -> dict[str, list[str]]:
        """Return the names of the metadata's fields by normalized name."""
        with self._library.snapshot():
            return self._corpora.current().fields

    def _vectors(
        self, requests: Sequence[SearchRequest], queries: Sequence[Query]
    ) -> Sequence[NDArray[np.float32] | None]:
        """Return the vector of each query, None for lexical ones; read the corpus meanwhile if none is read yet."""
        dense = [at for at, request in enumerate(requests) if request.mode != "lexical" and queries[at].text]
        vectors: list[NDArray[np.float32] | None] = [None] * len(queries)
        if not dense:
            return vectors
        whole = any(not (queries[at].conditions or requests[at].source) for at in dense)
        with ThreadPoolExecutor(1) as ahead:
            if whole and self._corpora.is_empty:
                ahead.submit(self._prepare)
            encoded = embed_checked(self._embedder(), [queries[at].text for at in dense], "query")
        for at, vector in zip(dense, encoded, strict=True):
            vectors[at] = vector
        return vectors

    def _prepare(self) -> None:
        """Load what a search of all sources needs."""
        with self._library.snapshot():
            corpus = self._corpora.current()
            if corpus.scanned:
                table, _ = corpus.vectors
                if table.codes is not None and len(corpus.rows) >= _BOUNDED_FROM:
                    _ = table.codes.unsound
        if not corpus.scanned:
            preload()

    def _hits(
        self, request: SearchRequest, query: Query, vector: Vectors | None, products: ProductsWith
    ) -> list[Hit]:
        """Return the hits of one query, without highlights, all of one state of the Library."""
        k, wanted = request.k, request.k
        ranking: _Ranking | None = None
        with self._library.snapshot():
            corpus = self._corpora.current()
            if not query.text:
                return self._listed(corpus, query, request)
            while True:
                if ranking is None or not ranking.complete:
                    ranking = self._ranking(corpus, request, query, vector, products, wanted)
                final = _by_document(corpus, ranking, wanted) if request.mode == "hybrid" else ranking
                best = self._best(corpus, final, wanted)
                groups = _grouped(best, request.collapse, request.per_document)
                seen_all = final.complete and len(best) == len(final.rows)
                if len(groups) >= k or len(best) < wanted or seen_all:
                    break
                wanted *= 2
            shown = [at for group in groups[:k] for _, at in group]
            if vector is not None and not corpus.confirm(final.rows[shown]):
                return self._hits(request, query, vector, products)
            null = self._null_model(corpus, request.mode)

        relevance = null.rater(request.mode, query, final.known, final.most, corpus.table)
        hits = [_hit(final, *first, copies, request.explain, relevance) for first, *copies in groups[:k]]
        return [hit for hit in hits if (hit.relevance or 0.0) >= (request.min_relevance or 0.0)]

    def _null_model(self, corpus: Corpus, mode: Mode) -> NullModel:
        """Return what unrelated questions find in the corpus: as `ingest` saved it, or computed once."""
        saved = corpus.once(SETTING, lambda: read_null_model(self._library.setting(SETTING)))
        if saved is not None and saved.fits(len(corpus.rows)):
            return saved
        embedder = None if mode == "lexical" else self._embedder
        key = (SETTING, embedder is None)
        return corpus.once(key, lambda: measured(self._library, corpus.table, embedder))

    def _listed(self, corpus: Corpus, query: Query, request: SearchRequest) -> list[Hit]:
        """Return the first passage of each document that meets conditions alone. Nothing scores them."""
        rows = listed(corpus, qualifying(corpus, query, request.source))[: request.k]
        numbers = corpus.table.numbers[rows].tolist()
        stored = self._library.passages_numbered(numbers)
        return [stored[number].hit(0.0) for number in numbers if number in stored]

    # -- ranking ----------------------------------------------------------------------------------------

    def _ranking(
        self,
        corpus: Corpus,
        request: SearchRequest,
        query: Query,
        vector: Vectors | None,
        products: ProductsWith,
        wanted: int,
    ) -> _Ranking:
        """Return every passage that qualifies, with its scores. Where many do in a large index, only the likeliest."""
        mode = request.mode
        rows = qualifying(corpus, query, request.source)
        complete = True
        bm25, most = (None, 0.0) if mode == "dense" else self._library.bm25(query.text, corpus.table)
        few = rows is not None and len(rows) <= _COMPARED
        if vector is not None and not few and wanted <= _MOST_APPROXIMATE and not corpus.scanned:
            count = max(wanted + _TIES, _CANDIDATES)
            likely = likeliest(corpus, self._nearest, vector, bm25, count, rows)
            if likely is not None:
                rows, complete = likely, False
        if rows is None:
            rows = corpus.rows
        bm25 = None if bm25 is None else _take(bm25, rows)
        known, cosine = 1.0, None
        if vector is None:
            assert bm25 is not None, "a lexical search has no vector, and any other has one"
            kept = bm25 > 0
            rows, score, bm25 = rows[kept], bm25[kept], bm25[kept]
        else:
            known, score_of = self._fusing(query, bm25, most)
            near = None
            if self._has_bounds(corpus, request, rows):
                near = self._contenders(corpus, request, vector, products, rows, score_of, wanted)
                products = _alone(vector)
            if near is not None:
                rows, complete = rows[near], False
            cosine = self._cosines(corpus, vector, products, rows)
            score = score_of(cosine, slice(None) if near is None else near)
            bm25 = bm25 if bm25 is None or near is None else bm25[near]
            if request.min_score > -1:
                kept = cosine.astype(np.float64) >= request.min_score
                rows, score, cosine = rows[kept], score[kept], cosine[kept]
                bm25 = None if bm25 is None else bm25[kept]
        return _Ranking(rows, score, score, cosine, bm25, most, known, complete)

    def _fusing(self, query: Query, bm25: _Floats | None, most: float) -> tuple[float, _Fuse]:
        """Return the weight of a query's cosines, and what computes scores from the cosines of some of its rows."""
        if bm25 is None:
            return 1.0, lambda cosine, _: cosine
        # Words weigh what they weigh next to cosines of the default model.
        scale = known_scale(self._embedder().fingerprint.model, "query") or DEFAULT_SCALE
        oov_rate, found = self._oov_rate(query.text), most if bm25.any() else 0.0
        return fusion.known_weight(oov_rate), lambda cosine, at: fusion.fused(
            scale.to_default(cosine), bm25[at], found, oov_rate
        )

    def _has_bounds(self, corpus: Corpus, request: SearchRequest, rows: Rows) -> bool:
        """Return whether codes say which of some rows can be among the best; a rank in `explain` counts all rows."""
        if len(rows) < _BOUNDED_FROM or request.explain or not corpus.scanned:
            return False
        table, _ = corpus.vectors
        return table.codes is not None and len(rows) * _FEW > len(table.numbers)

    def _contenders(
        self,
        corpus: Corpus,
        request: SearchRequest,
        vector: Vectors,
        products: ProductsWith,
        rows: Rows,
        score_of: _Fuse,
        wanted: int,
    ) -> Rows | None:
        """Return which of some rows can be among the best, or None where all of them are to be compared."""
        table, vector_of = corpus.vectors
        bounds = products(table, bounds=True)[_take(vector_of, rows)]
        np.clip(bounds, -1, 1, out=bounds)
        by_document = request.mode == "hybrid" and corpus.has_long_documents
        return contenders(
            bounds,
            wanted + _TIES,
            lambda at: self._cosines(corpus, vector, _alone(vector), rows[at]),
            score_of,
            _take(corpus.table.documents, rows) if by_document else None,
            request.min_score,
        )

    def _cosines(self, corpus: Corpus, vector: Vectors, products: ProductsWith, rows: Rows) -> _Floats:
        """Return the exact cosine of each row with a query. It does not depend on the other rows."""
        if not len(rows):
            return np.empty(0, np.float32)
        if corpus.scanned or len(rows) == len(corpus.rows) or (len(rows) > _MAPPED_FROM and corpus.mapped):
            table, vector_of = corpus.vectors
            at = _take(vector_of, rows)
            few = len(rows) * _FEW <= len(table.numbers)
            scores = table.products_at(at, vector) if few else products(table)[at]
        else:
            numbers, place = np.unique(corpus.table.vectors[rows], return_inverse=True)
            scores = np.vecdot(self._library.vectors_numbered(numbers.tolist()), vector)[place]
        if np.isnan(scores).any():
            raise IndexDamaged("the Library holds a vector that is not a number", SALVAGE)
        clipped: _Floats = np.clip(scores, -1, 1)  # rounding can exceed 1
        return clipped

    def _best(self, corpus: Corpus, ranking: _Ranking, wanted: int) -> list[_Ranked]:
        """Return the `wanted` best passages of a ranking; passages of equal score are sorted by name."""
        best = highest(ranking.score, wanted + _TIES)
        if wanted < len(best):  # of the others only ties with the last one matter
            scores = ranking.score[best]
            best = best[scores >= np.partition(scores, -wanted)[-wanted]]
        numbers = corpus.table.numbers[ranking.rows[best]].tolist()
        stored = self._library.passages_numbered(numbers)
        ranked = [
            (stored[number], at)
            for number, at in zip(numbers, best.tolist(), strict=True)
            if number in stored
        ]
        ranked.sort(key=lambda each: (-ranking.score[each[1]], each[0].document, each[0].first))
        return ranked[:wanted]

    def _oov_rate(self, query: str) -> float:
        """Return the share of a query's tokens that are not in the model's vocabulary."""
        tokens, unknown = count_tokens(self._embedder(), [query])
        return float(unknown[0] / max(1, tokens[0]))

    # -- highlighting -----------------------------------------------------------------------------------

    def _highlighted(
        self,
        requests: Sequence[SearchRequest],
        queries: Sequence[Query],
        vectors: Sequence[NDArray[np.float32] | None],
        found: Sequence[list[Hit]],
    ) -> list[list[Hit]]:
        """Return the hits with the best sentence of each, by meaning where a query has a vector, else by words."""
        marked = [list(hits) for hits in found]
        places = [
            (number, rank)
            for number, hits in enumerate(found)
            if requests[number].highlight and queries[number].text
            for rank in range(len(hits))
        ]
        dense = [place for place in places if vectors[place[0]] is not None]
        lexical = [place for place in places if vectors[place[0]] is None]
        for some in filter(None, (dense, lexical)):
            if some is dense:
                asked = [vector for number, _ in some if (vector := vectors[number]) is not None]
                scorer = by_meaning(self._sentences, np.stack(asked))
            else:
                scorer = by_words([queries[number].text for number, _ in some])
            hits = highlighted([found[number][rank] for number, rank in some], scorer)
            for (number, rank), hit in zip(some, hits, strict=True):
                marked[number][rank] = hit
        return marked


def _by_document(corpus: Corpus, ranking: _Ranking, wanted: int) -> _Ranking:
    """Return the ranking with what documents add to scores, exact for the `wanted` best."""
    if not corpus.has_long_documents:
        return ranking
    documents = _take(corpus.table.documents, ranking.rows)
    return replace(ranking, score=fusion.by_document(ranking.score, documents, wanted + _TIES))


def _hit(
    ranking: _Ranking,
    passage: StoredPassage,
    at: int,
    copies: Sequence[_Ranked],
    explain: bool,
    relevance: Rater,
) -> Hit:
    """Return a passage of a ranking, with the copies collapsed into it, as a hit."""
    cosine, bm25, alone = ranking.cosine, ranking.bm25, ranking.passage_score[at]
    parts = [None if one is None else float(one[at]) for one in (cosine, bm25)]
    return passage.hit(
        float(ranking.score[at]),
        copies=tuple(_hit(ranking, *copy, (), explain, relevance) for copy in copies),
        cosine=parts[0],
        bm25=parts[1],
        relevance=relevance(passage, *parts),
        dense_rank=_rank(cosine, at) if explain else None,
        lexical_rank=_rank(bm25, at) if explain and bm25 is not None and bm25[at] > 0 else None,
        document_factor=float(ranking.score[at] / alone if alone else 1) if explain else None,
    )


def _alone(vector: Vectors) -> ProductsWith:
    """Return what computes the products with one vector, for that query alone."""
    return lambda table, **_: table.products(vector[None])[0]


def _take(values: NDArray[_Value], rows: Rows) -> NDArray[_Value]:
    """Return values[rows] for sorted rows, without a copy when all rows are selected."""
    return values if len(rows) == len(values) else values[rows]


def _rank(scores: _Floats | None, at: int) -> int | None:
    return None if scores is None else 1 + int(np.count_nonzero(scores > scores[at]))


def _grouped(ranked: Sequence[_Ranked], collapse: bool, per_document: int | None) -> list[list[_Ranked]]:
    """Return groups of a passage and the near-copies that rank below it, up to `per_document` for a document."""
    groups: dict[int, list[_Ranked]] = {}
    leading = leaders([passage.text for passage, _ in ranked]) if collapse else range(len(ranked))
    for each, leader in zip(ranked, leading, strict=True):
        groups.setdefault(leader, []).append(each)
    if per_document is None:
        return list(groups.values())
    shown: Counter[str] = Counter()
    kept = []
    for group in groups.values():
        shown[group[0][0].document] += 1
        if shown[group[0][0].document] <= per_document:
            kept.append(group)
    return kept
