"""Test whether two windows differ: by exchanging their documents at random, and with one decision for all tests.

Where nothing has changed, a document could as well be in the other window. So a figure of the real windows is compared
with the same figure after random exchanges (Fisher 1935; Phipson and Smyth 2010 for the p-value). Passages of one
document are not independent, so whole documents are exchanged.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Vectors

EXCHANGES = 499
"""The random exchanges, so that the lowest p-value is 0.002."""
ALARM = 0.02
"""The chance of a false alarm, over all tests of a run. It is promised to be at most 0.05."""
_BLOCK = 50
_RANDOM_FEATURES = 256

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def exchanges(late: Mask) -> Iterator[Mask]:
    """Yield which documents are late [n, b] in blocks of columns: the truth first, then `EXCHANGES` random ones."""
    draw = np.random.default_rng(0)
    for start in range(0, EXCHANGES + 1, _BLOCK):
        columns = [
            late if at == 0 else draw.permutation(late)
            for at in range(start, min(start + _BLOCK, EXCHANGES + 1))
        ]
        yield np.stack(columns, axis=1)


def p_value(figures: Floats, real: float | None = None) -> float:
    """Return the share of `figures` that are as large as the real one, the first unless another is given."""
    value = figures[0] if real is None else real
    return (1 + int(np.count_nonzero(figures[1:] >= value - 1e-6 * abs(value)))) / len(figures)


def adjusted(values: Mapping[str, float]) -> dict[str, float]:
    """Return the p-values of some tests, adjusted so that one of them is at most `ALARM` by chance in so many runs.

    By Holm (Scandinavian Journal of Statistics 1979), for any dependence between the tests.
    """
    found: dict[str, float] = {}
    highest = 0.0
    for at, name in enumerate(sorted(values, key=lambda one: values[one])):
        highest = max(highest, min(1.0, values[name] * (len(values) - at)))
        found[name] = highest
    return found


def mean_differences(late: Mask, values: Any) -> Floats:
    """Return for each column of `late` [n, b] the mean of the late rows of `values` [n, k], less the other mean."""
    counts = late.sum(axis=0)[:, None]
    sums = np.asarray((values.T @ late.astype(np.float32)).T, np.float64)
    total = np.asarray(values.sum(axis=0), np.float64).reshape(1, -1)
    found: Floats = sums / counts - (total - sums) / (len(late) - counts)
    return found


def kernel_features(vectors: Vectors) -> Vectors:
    """Return vectors whose products are a linear kernel and a Gaussian one, by random features, float32 [n, d + 256].

    The distance of two means of them is the maximum mean discrepancy by the sum of both kernels (Gretton et al., JMLR
    2012; Rahimi and Recht 2007). The width of the Gaussian is the median distance of two vectors.
    """
    draw = np.random.default_rng(0)
    some = vectors[draw.choice(len(vectors), min(1_000, len(vectors)), replace=False)]
    squares = np.maximum(0, 2 - 2 * (some @ some.T))[np.triu_indices(len(some), 1)]
    width = np.sqrt(np.median(squares)) or 1.0
    directions = draw.normal(size=(vectors.shape[1], _RANDOM_FEATURES)).astype(np.float32) / np.float32(width)
    phases = draw.uniform(0, 2 * np.pi, _RANDOM_FEATURES).astype(np.float32)
    waves = np.cos(vectors @ directions + phases) * np.float32(np.sqrt(2 / _RANDOM_FEATURES))
    return np.concatenate([vectors, waves], axis=1)


def witness(features: Vectors, late: Mask) -> Floats:
    """Return for each document how far it lies on the side of its window, its own weight left out [n]."""
    count, other = int(late.sum()), int((~late).sum())
    to_late, to_early = (features @ features[side].sum(axis=0) for side in (late, ~late))
    norms = np.einsum("ij,ij->i", features, features)
    found: Floats = np.where(
        late,
        (to_late - norms) / (count - 1) - to_early / other,
        (to_early - norms) / (other - 1) - to_late / count,
    )
    return found
