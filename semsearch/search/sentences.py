"""Find the sentence of a passage that answers a query best."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import text
from semsearch.embedding import Embedder, Vectors, embed_checked
from semsearch.text.analyzer import query_terms
from semsearch.types import Hit

Scorer = Callable[[Sequence[str], NDArray[np.int64]], NDArray[Any]]
"""Scores each of some sentences, given with the position of the text that each comes from."""


def by_meaning(embedder: Embedder, vectors: Vectors) -> Scorer:
    """Return a scorer: the cosine of each sentence with its text's query, of which `vectors` has one for each text."""

    def score(sentences: Sequence[str], text_of: NDArray[np.int64]) -> NDArray[Any]:
        rows = {sentence: row for row, sentence in enumerate(dict.fromkeys(sentences))}
        embedded = embed_checked(embedder, list(rows))[[rows[sentence] for sentence in sentences]]
        scores: NDArray[Any] = np.sum(embedded * vectors[text_of], axis=1)
        return scores

    return score


def by_words(queries: Sequence[str]) -> Scorer:
    """Return a scorer: how many words of its text's query a sentence has. `queries` has one for each text."""
    words = {query: set(query_terms(query)) for query in queries}

    def score(sentences: Sequence[str], text_of: NDArray[np.int64]) -> NDArray[Any]:
        pairs = zip(text_of.tolist(), sentences, strict=True)
        return np.array([len(words[queries[at]].intersection(query_terms(one))) for at, one in pairs])

    return score


def best_sentences(texts: Sequence[str], scorer: Scorer) -> list[tuple[int, int]]:
    """Return the [start, end) span of the sentence of each text that scores best."""
    spans = [text.sentences(one) for one in texts]
    counts = np.array([len(some) for some in spans], np.int64)
    text_of = np.repeat(np.arange(len(texts)), counts)
    scores = scorer(
        [text.clean(one[a:b]) for one, some in zip(texts, spans, strict=True) for a, b in some], text_of
    )
    ends = np.cumsum(counts).tolist()
    return [
        some[int(np.argmax(scores[end - len(some) : end]))] for some, end in zip(spans, ends, strict=True)
    ]


def highlighted(hits: Sequence[Hit], scorer: Scorer) -> list[Hit]:
    """Return the hits, each with the span of its best sentence."""
    spans = best_sentences([hit.text for hit in hits], scorer)
    return [replace(hit, highlight=span) for hit, span in zip(hits, spans, strict=True)]
