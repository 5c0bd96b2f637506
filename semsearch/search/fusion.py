"""Compute one score from several: the cosine of a passage, its words, and its document. Pure functions."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch.search.highest import highest

WORDS = 1.5
"""The weight of all words of a query; a cosine of 1 weighs 1. On every collection it was chosen on, nDCG@10 is at most
0.0051 below the better of dense and lexical search."""
DOCUMENT, NEXT, TYPICAL = 0.25, 2, 0.8
"""The weight of a document's `NEXT` best passages, and the neutral ratio of their scores to the best one.
Chosen by benchmarks/fusion.py on train queries of SciFact, and on questions about the Rust book and Vue in Chinese."""

LEAST, MOST = 1 - DOCUMENT * TYPICAL, 1 + DOCUMENT * (1 - TYPICAL)
"""The bounds of the factor that the scores of a document are multiplied by."""

_Number = TypeVar("_Number", float, NDArray[np.float64])


def fused(
    cosine: NDArray[np.float32], bm25: NDArray[np.float32], most: float, oov_rate: float
) -> NDArray[np.float32]:
    """Return a score for each passage: its cosine, and what its words add to it.

    `most` is a BM25 score that no passage can exceed, or 0 where no passage has a word of the query. BM25 is divided by
    it, not by the best score found. So few matching words add little, and all words, as of a name, decide. A score also
    does not depend on what else qualifies. On sums of scores and sums of ranks see Bruch, Gai and Ingber, An Analysis
    of Fusion Functions for Hybrid Retrieval, ACM TOIS 42(1), 2023.

    `oov_rate` is the share of the query's tokens outside the model's vocabulary, high for Chinese. The higher it is,
    the less the cosine counts. Where no word is found a score is the cosine.
    """
    if not most:
        return cosine
    score = known_weight(oov_rate) * cosine
    score += WORDS / most * bm25
    return score


def known_weight(oov_rate: _Number) -> _Number:
    """Return the weight of a query's cosine, if this share of its tokens is outside the model's vocabulary."""
    return (1 - oov_rate) ** 2


def by_document(score: NDArray[np.float32], documents: NDArray[np.int64], wanted: int) -> NDArray[np.float32]:
    """Return the scores with what documents add to them, exact for the `wanted` best.

    `documents` has the document of each passage. A document with several passages that answer a query is more likely
    relevant than one with a single such passage: Callan, Passage-Level Evidence in Document Retrieval, SIGIR 1994.
    All scores of a document are multiplied by 1 + `DOCUMENT` (r - `TYPICAL`). Here r is the mean score of its `NEXT`
    best passages, divided by its best score; `TYPICAL` stands for each passage it lacks. The score of a document's
    only passage does not change.
    """
    if not len(score):
        return score
    near = score > 0
    if wanted < len(score):
        near &= score >= score[highest(score, wanted)].min() * np.float32(LEAST / MOST * (1 - 1e-6))
    affected = np.zeros(documents.max() + 1, np.bool_)
    affected[documents[near]] = True
    rows = np.flatnonzero(affected[documents])
    rows = rows[np.lexsort((-score[rows], documents[rows]))]
    own = score[rows]
    first = np.flatnonzero(np.diff(documents[rows], prepend=-1))
    count = np.diff(first, append=len(rows))
    best = own[first]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = [
            np.where(count > n, np.maximum(own[np.minimum(first + n, len(rows) - 1)] / best, 0), TYPICAL)
            for n in range(1, NEXT + 1)
        ]
    factor = np.where(best > 0, 1 + DOCUMENT * np.mean(np.array(ratios) - TYPICAL, axis=0), 1)
    adjusted = score.copy()
    adjusted[rows] *= np.repeat(factor, count)
    return adjusted
