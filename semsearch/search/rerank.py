"""Reorder hits by a cross-encoder, which reads a query and a passage together."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

import numpy as np

from semsearch import text
from semsearch.embedding import Embedder, Reranker, embed_checked, load_reranker
from semsearch.requests import SearchRequest
from semsearch.search.sentences import SentenceVectors, by_meaning, highlighted
from semsearch.types import Hit


class HitReranker:
    """Reorders hits, from any number of threads. `embedder` and `sentences` are for the best sentences."""

    def __init__(self, embedder: Callable[[], Embedder], sentences: SentenceVectors) -> None:
        self._embedder, self._sentences = embedder, sentences
        self._lock = Lock()
        self._loaded: Reranker | None = None

    def rerank(self, query: str, hits: Sequence[Hit], model: str, *, k: int, highlight: bool) -> list[Hit]:
        """Return the best `k` of some hits, with the cross-encoder's scores; see `Index.rerank`."""
        if not hits:
            return []
        scores = self._model(model).scores(query, [text.clean(hit.text) for hit in hits])
        order = np.argsort(-scores, kind="stable")[:k]
        best = [replace(hits[at], score=float(scores[at])) for at in order]
        if not highlight:
            return best
        vector = embed_checked(self._embedder(), [text.clean(query).strip()], "query")
        return highlighted(best, by_meaning(self._sentences, np.repeat(vector, len(best), axis=0)))

    def _model(self, name: str) -> Reranker:
        """Return the cross-encoder of that name; the latest one stays loaded."""
        with self._lock:
            if self._loaded is None or self._loaded.name != name:
                self._loaded = load_reranker(name)
            return self._loaded


def widened(request: SearchRequest) -> SearchRequest:
    """Return the search for the hits that a request's cross-encoder reads, or the request where it names none."""
    if request.rerank is None:
        return request
    return replace(request, k=max(request.k, request.rerank_top), highlight=False)
