"""Correlations of a model's similarities with grades that people gave."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from semsearch.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Agreement:
    """Correlations in [-1, 1] over `n` pairs: `pearson` of the values, `spearman` of their ranks."""

    pearson: float
    spearman: float
    n: int


def agreement(scores: ArrayLike, gold: ArrayLike) -> Agreement:
    """Return the Pearson and Spearman correlation of cosine `scores` with `gold` grades on any scale.

    Raises `InvalidInput` if the two differ in length, if there are fewer than three pairs (two always correlate
    perfectly), if a number is not finite, or if one side is constant and so has no correlation.
    """
    sides = {"scores": np.asarray(scores, np.float64), "grades": np.asarray(gold, np.float64)}
    shapes = [side.shape for side in sides.values()]
    if shapes[0] != shapes[1] or len(shapes[0]) != 1 or shapes[0][0] < 3:
        raise InvalidInput(
            f"a correlation needs at least three pairs, each with a score and a grade, not {shapes}"
        )
    for name, side in sides.items():
        if not np.isfinite(side).all():
            raise InvalidInput(f"there is no correlation: some of the {name} are not finite numbers")
        if np.ptp(side) == 0:
            raise InvalidInput(f"there is no correlation: all {len(side):,} {name} are {side[0]:g}")
    from scipy.stats import pearsonr, spearmanr

    x, y = sides.values()
    return Agreement(float(pearsonr(x, y).statistic), float(spearmanr(x, y).statistic), len(x))
