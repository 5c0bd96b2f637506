"""Find the rows that can be among the best of a search, from bounds of their cosines. What is left out cannot be."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from semsearch.search import fusion
from semsearch.search.highest import highest

_MOST = 16
"""The share of rows, one of so many, above which comparing all vectors in their order is as fast."""
_Floats = NDArray[np.float32]
_Rows = NDArray[np.int64]


def contenders(
    bounds: _Floats,
    count: int,
    exact: Callable[[_Rows], _Floats],
    score: Callable[[_Floats, _Rows | slice], _Floats],
    documents: NDArray[np.int64] | None,
    min_cosine: float,
) -> _Rows | None:
    """Return rows, sorted, that have all of the `count` best and those as good as the last; None where most may be.

    `bounds` has what the cosine of each row cannot exceed, and `exact` computes some cosines. `score` returns the
    scores of some rows from their cosines, and never a lower one for a higher cosine. With the `documents` of the rows,
    these add to scores (see `fusion.by_document`), and the rows of a document are returned together. Rows with a
    cosine below `min_cosine` do not count.
    """
    if count * _MOST > len(bounds):
        return None
    possible = bounds >= np.float32(min_cosine - 1e-6)  # or a little less: `scored` decides
    highest_scores = score(bounds, slice(None))

    def scored(rows: _Rows) -> tuple[_Rows, _Floats] | None:
        """Return those of some rows that count, and their scores; None where a cosine exceeds its bound."""
        cosine = exact(rows)
        if np.any(cosine > bounds[rows]):
            return None  # the codes are of other vectors
        kept = cosine.astype(np.float64) >= min_cosine
        return rows[kept], score(cosine[kept], rows[kept])

    # What some reach, all of the best reach.
    some = _whole(highest(highest_scores, count), documents)
    if len(some) * _MOST > len(bounds) or (found := scored(some)) is None:
        return None
    rows, scores = found
    if len(rows) < count:
        rows = np.flatnonzero(possible)
        return rows if len(rows) * _MOST <= len(bounds) else None
    if documents is not None:
        scores = fusion.by_document(scores, documents[rows], count)
    last = np.partition(scores, -count)[-count]
    last -= abs(last) * np.float32(1e-6)  # more than the rounding of what follows
    if documents is None:
        rows = np.flatnonzero((highest_scores >= last) & possible)
        return rows if len(rows) * _MOST <= len(bounds) else None
    if last <= 0:
        return None
    near = np.flatnonzero((highest_scores * np.float32(fusion.MOST) >= last) & possible)
    if len(near) * _MOST > len(bounds) or (found := scored(near)) is None:
        return None
    rows = _whole(found[0], documents)
    if min_cosine <= -1:  # every row counts
        # What others of a document can score at most says how much it can add. They do not exceed its best, or else
        # none of its rows reaches the last score.
        scores = highest_scores[rows]
        scores[np.searchsorted(rows, found[0])] = found[1]
    elif len(rows) * _MOST > len(bounds) or (found := scored(rows)) is None:
        return None
    else:  # a row that does not count may help its document: in its place there is a typical one
        rows, scores = found
    rows = _whole(rows[fusion.by_document(scores, documents[rows], count) >= last], documents)
    return rows if len(rows) * _MOST <= len(bounds) else None


def _whole(rows: _Rows, documents: NDArray[np.int64] | None) -> _Rows:
    """Return some rows, sorted, with all others of their documents."""
    if documents is None:
        return np.sort(rows)
    if np.all(documents[1:] >= documents[:-1]):  # as ingest stores them: a tenth of the time
        wanted = np.sort(documents[rows])
        wanted = wanted[np.diff(wanted, prepend=-1) > 0]  # np.unique imports numpy.ma
        starts = np.searchsorted(documents, wanted)
        sizes = np.searchsorted(documents, wanted, side="right") - starts
        shifts: _Rows = np.repeat(starts - np.cumsum(sizes) + sizes, sizes)
        return shifts + np.arange(len(shifts))
    chosen = np.zeros(int(documents.max()) + 1, np.bool_)
    chosen[documents[rows]] = True
    return np.flatnonzero(chosen[documents])
