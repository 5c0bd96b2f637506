"""Measure whether pairs are like those that a guarantee was made on, by a classifier two-sample test.

A linear discriminant learns on half of both sets to tell them apart, and says on the other half which is which
(Lopez-Paz and Oquab 2017, arXiv:1610.06545). Where it can, a precision that was guaranteed on the one set says nothing
about the other.
"""

import numpy as np
from numpy.typing import NDArray

LEAST = 30
"""Pairs of each set that the test takes."""
SHIFTED = 0.7
"""The area under the curve from which on two sets differ, with two standard errors to spare."""
_RIDGE = 0.1

Rows = NDArray[np.float32]


def shift(reference: Rows, rows: Rows) -> tuple[float, float] | None:
    """Return the area under the ROC curve of the test and its standard error, or None for fewer rows than `LEAST`.

    Both have a row of features for each pair. 0.5 says that nothing tells the sets apart, and 1 that everything does.
    """
    if min(len(reference), len(rows)) < LEAST:
        return None
    values = np.concatenate([reference, rows]).astype(np.float64)
    spread = values.std(axis=0)
    values = (values - values.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    new = np.arange(len(values)) >= len(reference)
    half = np.random.default_rng(0).permuted(np.arange(len(values)) % 2)
    areas = [_area(values[half == 0], new[half == 0], values[half == 1], new[half == 1])]
    areas.append(_area(values[half == 1], new[half == 1], values[half == 0], new[half == 0]))
    area = float(np.mean(areas))
    # Hanley and McNeil 1982.
    n, m = len(rows), len(reference)
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (n - 1) * (first - area**2) + (m - 1) * (second - area**2)
    return area, float(np.sqrt(max(0.0, variance) / (n * m)))


def carries_over(found: tuple[float, float] | None) -> bool | None:
    """Return whether a guarantee holds after a test by `shift`; None where there were too few pairs."""
    return None if found is None else found[0] - 2 * found[1] < SHIFTED


def _area(
    values: NDArray[np.float64], new: NDArray[np.bool_], others: NDArray[np.float64], kind: NDArray[np.bool_]
) -> float:
    if values.shape[1] == 0 or not 0 < np.count_nonzero(new) < len(new):
        return 0.5
    means = [values[part].mean(axis=0) for part in (new, ~new)]
    centred = values - np.where(new[:, None], *means)
    covariance = centred.T @ centred / len(values) + _RIDGE * np.eye(values.shape[1])
    scores = others @ np.linalg.solve(covariance, means[0] - means[1])
    # The rank of equal scores is the middle of theirs.
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    n, m = np.count_nonzero(kind), np.count_nonzero(~kind)
    return float((rank[kind].sum() - n * (n + 1) / 2) / (n * m)) if n and m else 0.5
