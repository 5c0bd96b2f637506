"""Answering queries: the nearest passages, near-copies folded into one hit, the best sentence of each."""

import fnmatch
from collections.abc import Callable, Sequence

import numpy as np

from semsearch import text
from semsearch.dedup import fold
from semsearch.embedding import Embedder, Vectors
from semsearch.library import Library, StoredPassage
from semsearch.records import Hit
from semsearch.vectors import VectorIndex

Scored = tuple[StoredPassage, float]
_TIES = 16
_MOST_APPROXIMATE = 1_000
"""Above this many passages the whole Library is scanned: exact, and no slower than a search that wide."""


class Search:
    """Searches one index; `vectors` opens Chroma, which a search of some sources only does not need."""

    def __init__(self, library: Library, vectors: Callable[[], VectorIndex], embedder: Embedder) -> None:
        self._library = library
        self._vectors = vectors
        self._embedder = embedder

    def hits(
        self,
        queries: Vectors,
        k: int,
        *,
        min_score: float,
        source: str | None,
        folding: bool,
        highlight: bool,
    ) -> list[list[Hit]]:
        """Up to `k` hits for each query vector, best first; see `Index.query_many`."""
        found = self._found(queries, k, min_score, source, folding)
        spans = self._best_sentences(found, queries) if highlight else {}
        return [
            [
                _hit(
                    *first,
                    highlight=spans.get((number, first[0].id), (0, 0)),
                    copies=tuple(_hit(*copy) for copy in copies),
                )
                for first, *copies in row
            ]
            for number, row in enumerate(found)
        ]

    def _found(
        self, queries: Vectors, k: int, min_score: float, source: str | None, folding: bool
    ) -> list[list[list[Scored]]]:
        """For each query up to `k` lists of a passage and its near-copies, each with its score."""
        wanted = k
        while True:
            exact = source is not None or wanted > _MOST_APPROXIMATE
            nearest = (
                self._nearest_exactly(queries, wanted, source or "*")
                if exact
                else self._nearest(queries, wanted)
            )
            enough = True
            found = []
            for row, ended in nearest:
                kept = [hit for hit in row if hit[1] >= min_score]
                groups = _folded(kept) if folding else [[hit] for hit in kept]
                found.append(groups[:k])
                # Folding leaves fewer, and so do passages that the Library has dropped and Chroma still holds.
                enough &= len(groups) >= k or ended or len(kept) < len(row)
            if enough:
                return found
            wanted *= 2

    def _nearest(self, queries: Vectors, k: int) -> list[tuple[list[Scored], bool]]:
        """Up to `k` passages for each query, best first, and whether there are no more."""
        # HNSW gives equal scores, as copies have, in any order: ask for more, so that names decide who is cut off.
        found = self._vectors().nearest(queries, k + _TIES)
        stored = self._library.passages(list({id_ for row in found for id_, _ in row}))
        rows = ([(stored[id_], score) for id_, score in row if id_ in stored] for row in found)
        ranked = [sorted(row, key=lambda hit: (-hit[1], hit[0].document, hit[0].first))[:k] for row in rows]
        return [(best, len(row) < k + _TIES) for best, row in zip(ranked, found, strict=True)]

    def _nearest_exactly(self, queries: Vectors, k: int, glob: str) -> list[tuple[list[Scored], bool]]:
        ids, matrix = self._library.passages_where(lambda key: fnmatch.fnmatchcase(key, glob))
        if not ids:
            return [([], True) for _ in queries]
        scores = np.clip(queries @ matrix.T, -1, 1)  # rounding can take it beyond
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        stored = self._library.passages([ids[at] for at in np.unique(best)])
        rows = zip(scores, best, strict=True)
        return [([(stored[ids[at]], float(row[at])) for at in top], k >= len(ids)) for row, top in rows]

    def _best_sentences(
        self, found: list[list[list[Scored]]], queries: Vectors
    ) -> dict[tuple[int, str], tuple[int, int]]:
        """The span of the best sentence of each hit, by number of query and passage."""
        hits = [(number, group[0][0]) for number, row in enumerate(found) for group in row]
        spans = [text.sentences(passage.text) for _, passage in hits]
        texts = [passage.text[a:b] for (_, passage), some in zip(hits, spans, strict=True) for a, b in some]
        unique = list(dict.fromkeys(texts))
        row_of = {sentence: row for row, sentence in enumerate(unique)}
        vectors = self._embedder.encode(unique)[[row_of[sentence] for sentence in texts]]
        best, start = {}, 0
        for (number, passage), sentences in zip(hits, spans, strict=True):
            scores = vectors[start : start + len(sentences)] @ queries[number]
            best[number, passage.id] = sentences[int(np.argmax(scores))]
            start += len(sentences)
        return best


def _folded(row: Sequence[Scored]) -> list[list[Scored]]:
    """Each passage with the near-copies of it that rank below it."""
    groups: dict[int, list[Scored]] = {}
    for hit, leader in zip(row, fold([passage.text for passage, _ in row]), strict=True):
        groups.setdefault(leader, []).append(hit)
    return list(groups.values())


def _hit(
    passage: StoredPassage,
    score: float,
    *,
    highlight: tuple[int, int] = (0, 0),
    copies: tuple[Hit, ...] = (),
) -> Hit:
    return Hit(
        score=score,
        source=passage.source,
        document=passage.document,
        text=passage.text,
        unit=passage.unit,
        start=passage.first,
        end=passage.last,
        passage_id=passage.id,
        metadata=passage.metadata,
        highlight=highlight,
        copies=copies,
    )
