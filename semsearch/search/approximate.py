"""Find the passages of a large index that are likely to be the best, by the graph of a vector engine and by words."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Vectors
from semsearch.search.corpus import Corpus, Rows
from semsearch.search.highest import highest

Nearest = Callable[[Vectors, int], list[list[str]] | None]
"""Returns the ids of about the k passages nearest to each query, by a graph; None where no graph can be used."""
_MOST_ASKED = 10_000
"""The highest number of passages that the graph is asked for to find some that meet a condition."""
_Floats = NDArray[np.float32]


def likeliest(
    corpus: Corpus, nearest: Nearest, vector: Vectors, bm25: _Floats | None, count: int, among: Rows | None
) -> Rows | None:
    """Return the rows of about the `count` passages nearest to a vector, and of those with the best words.

    With `among`, only these rows qualify. None means that all must be compared: no graph can be used, or few of its
    nearest qualify.
    """
    total = len(corpus.rows)
    asked = count if among is None else 2 * count * total // max(1, len(among))
    while True:
        if asked > _MOST_ASKED or (found := nearest(vector[None], asked)) is None:
            return None
        near = corpus.rows_numbered(corpus.library.numbers_of(found[0]))
        if among is None:
            break
        near = np.intersect1d(near, among)
        if len(near) >= count or asked >= total:
            break
        asked *= 4
    if bm25 is None:
        return np.unique(near)
    of = bm25 if among is None else bm25[among]
    best = highest(of, count)
    best = best[of[best] > 0]
    return np.union1d(near, best if among is None else among[best])
