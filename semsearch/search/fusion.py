"""One score from several: of how near a passage is in meaning, how well its words match, and of its document. Pure."""

import numpy as np
from numpy.typing import NDArray

WORDS = 1.5
"""What all of a query's words count beside a cosine of 1. Chosen on train queries of SciFact and on smaller collections
made of SICK, STS-B in English and Chinese, titles and names in PEPs, and headings of Chinese pages: of the forms and
weights that were tried, the one nowhere more than 0.0051 of nDCG@10 below the better of the two."""
DOCUMENT, NEXT, TYPICAL = 0.25, 2, 0.8
"""How much the `NEXT` best passages of a document count beside its best, and how their scores compare with that of the
best if they say nothing for or against it. Chosen on train queries of SciFact and on questions on the Rust book and, in
Chinese, on Vue's pages (benchmarks/fusion.py)."""


def fused(
    cosine: NDArray[np.float32], bm25: NDArray[np.float32], most: float, unknown: float
) -> NDArray[np.float32]:
    """A score for each passage: its cosine, and what its words add to that.

    BM25 is set against `most`, which is more than any passage could have, and not against the best that was found:
    where few words of the query are found they say little, and where all are, as those of a name, they decide. Nor
    does a score depend on what else qualifies. On sums of scores against sums of ranks see Bruch, Gai and Ingber, An
    Analysis of Fusion Functions for Hybrid Retrieval, ACM TOIS 42(1), 2023. `unknown` is the share of the query's
    tokens that the model does not know, as most of Chinese: the less it knows, the less meaning counts. With none
    of its words found a score is the cosine itself.
    """
    if not most or not bm25.any():
        return cosine
    return ((1 - unknown) ** 2 * cosine + WORDS / most * bm25).astype(np.float32)


def by_document(score: NDArray[np.float32], documents: NDArray[np.int64], wanted: int) -> NDArray[np.float32]:
    """The scores of passages with what their documents add, right for the `wanted` best; `documents` has whose each is.

    A document of which several passages answer a query is likelier the right one than another with one that does. So
    all scores of a document are multiplied by 1 + `DOCUMENT` (r - `TYPICAL`), where r is the mean of those of the
    `NEXT` best over that of the best, and `TYPICAL` stands for each that it does not have. The score of a document's
    only passage stays as it is. On passages as evidence for their documents see Callan, Passage-Level Evidence in
    Document Retrieval, SIGIR 1994.
    """
    if not len(score):
        return score
    near = score > 0
    if wanted < len(score):
        # Nothing is multiplied by less than the first of these or by more than the second.
        least, most = 1 - DOCUMENT * TYPICAL, 1 + DOCUMENT * (1 - TYPICAL)
        near &= score >= np.partition(score, -wanted)[-wanted] * np.float32(least / most)
    concerned = np.zeros(documents.max() + 1, np.bool_)
    concerned[documents[near]] = True
    rows = np.flatnonzero(concerned[documents])
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
    lifted = score.copy()
    lifted[rows] *= np.repeat(factor, count)
    return lifted
