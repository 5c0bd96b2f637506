"""Answering queries: the nearest passages, near-copies folded into one hit, the best sentence of each."""

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch import text
from semsearch.dedup import fold
from semsearch.embedding import Embedder, Vectors
from semsearch.library import Library, StoredPassage
from semsearch.records import Hit
from semsearch.vectors import preload

Scored = tuple[StoredPassage, float]
_TIES = 16
_SCANNED = 320_000_000
"""Up to this many bytes of vectors, 208,333 of 384 numbers, all are compared with a query. That is exact, takes 6 ms
for 100,000 that are in memory, and 0.2 s in a new process, where importing Chroma and loading its graph take 0.8 s."""
_MOST_APPROXIMATE = 1_000
"""Above this many passages all are compared in any case: no slower than a search of the graph that wide."""


@dataclass(frozen=True, slots=True)
class _Scan:
    """All vectors, as they were at a `state` of the Library, with their numbers there."""

    state: tuple[int, int]
    numbers: NDArray[np.int64]
    matrix: Vectors


Candidates = Callable[[Vectors, int], list[list[str]] | None]
"""Ids of about the k passages nearest to each query, by a graph; None where that is not to be had."""


class Search:
    """Searches one index. `embedder` loads the model where it is needed."""

    def __init__(self, library: Library, candidates: Candidates, embedder: Callable[[], Embedder]) -> None:
        self._library = library
        self._candidates = candidates
        self._embedder = embedder
        self._scan: _Scan | None = None

    def prepare(self) -> None:
        """Load, in a thread while the model is loaded, what a search of all sources will need."""
        if self._scans():
            self._all()
        else:
            preload()

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
            if source:
                nearest = self._nearest_of(queries, wanted, source)
            elif wanted > _MOST_APPROXIMATE or self._scans():
                nearest = self._nearest(queries, wanted)
            else:
                nearest = self._nearest_by_graph(queries, wanted)
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

    # Each of these gives, for each query, up to k passages, best first, and whether there are no more.

    def _nearest(self, queries: Vectors, k: int) -> list[tuple[list[Scored], bool]]:
        with self._library.snapshot():
            scan = self._all()
            if not len(scan.numbers):
                return [([], True) for _ in queries]
            rows = []
            for query in queries:  # one at a time: sums in a matrix product depend on what else is in it
                scores = np.clip(scan.matrix @ query, -1, 1)  # rounding can take it beyond
                # Equal scores are settled by name, so some more are looked at.
                best = np.argpartition(-scores, min(k + _TIES, len(scores)) - 1)[: k + _TIES]
                score = dict(zip(scan.numbers[best].tolist(), scores[best].tolist(), strict=True))
                passages = self._library.passages_with(list(score))
                hits = _ranked([(passage, score[number]) for number, passage in passages])
                rows.append((hits[:k], len(best) == len(scores) and len(hits) <= k))
        return rows

    def _nearest_by_graph(self, queries: Vectors, k: int) -> list[tuple[list[Scored], bool]]:
        # HNSW gives equal scores, as copies have, in any order: ask for more, so that names decide who is cut off.
        found = self._candidates(queries, k + _TIES)
        if found is None:
            return self._nearest(queries, k)
        with self._library.snapshot():
            ids = list({id_ for row in found for id_ in row})
            stored, vectors = self._library.passages(ids), self._library.vectors_of(ids)
        rows = (
            [(stored[id_], float(np.clip(vectors[id_] @ query, -1, 1))) for id_ in row if id_ in stored]
            for query, row in zip(queries, found, strict=True)
        )
        return [(_ranked(hits)[:k], len(row) < k + _TIES) for hits, row in zip(rows, found, strict=True)]

    def _nearest_of(self, queries: Vectors, k: int, glob: str) -> list[tuple[list[Scored], bool]]:
        ids, matrix = self._library.passages_where(lambda key: fnmatch.fnmatchcase(key, glob))
        if not ids:
            return [([], True) for _ in queries]
        scores = np.clip(queries @ matrix.T, -1, 1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        stored = self._library.passages([ids[at] for at in np.unique(best)])
        rows = zip(scores, best, strict=True)
        return [([(stored[ids[at]], float(row[at])) for at in top], k >= len(ids)) for row, top in rows]

    def _scans(self) -> bool:
        return self._library.vector_bytes() <= _SCANNED

    def _all(self) -> _Scan:
        """All vectors, read anew where anybody has written to the Library since they were."""
        state = self._library.state()
        if self._scan is None or self._scan.state != state:
            self._scan = None  # two of them need not fit
            self._scan = _Scan(state, *self._library.vectors())
        return self._scan

    def _best_sentences(
        self, found: list[list[list[Scored]]], queries: Vectors
    ) -> dict[tuple[int, str], tuple[int, int]]:
        """The span of the best sentence of each hit, by number of query and passage."""
        hits = [(number, group[0][0]) for number, row in enumerate(found) for group in row]
        spans = [text.sentences(passage.text) for _, passage in hits]
        texts = [passage.text[a:b] for (_, passage), some in zip(hits, spans, strict=True) for a, b in some]
        unique = list(dict.fromkeys(texts))
        row_of = {sentence: row for row, sentence in enumerate(unique)}
        vectors = self._embedder().encode(unique)[[row_of[sentence] for sentence in texts]]
        best, start = {}, 0
        for (number, passage), sentences in zip(hits, spans, strict=True):
            scores = vectors[start : start + len(sentences)] @ queries[number]
            best[number, passage.id] = sentences[int(np.argmax(scores))]
            start += len(sentences)
        return best


def _ranked(hits: list[Scored]) -> list[Scored]:
    return sorted(hits, key=lambda hit: (-hit[1], hit[0].document, hit[0].first))


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
        heading=passage.heading,
        passage_id=passage.id,
        metadata=passage.metadata,
        highlight=highlight,
        copies=copies,
    )
