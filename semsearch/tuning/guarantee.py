"""What can be promised of a threshold chosen by looking at the labels: a precision, or a recall, with a confidence.

Precision. Thresholds are tested from strict to loose up to the first failure: fixed-sequence testing, started at
several places that share the error between them ("Learn then Test", Angelopoulos, Bates, Candès, Jordan and Lei,
arXiv:2110.01052). So looking at many thresholds costs nothing: the chance that one of those that pass breaks its
promise is at most 1 - confidence. The p-value of a threshold is the binomial tail of Clopper and Pearson (Biometrika
1934), which is exact: pairs are flagged by their scores alone. What is next in the sequence is said by the *number* of
pairs flagged, never by their labels. That a sequence starts where enough pairs are flagged presumes that below the
threshold where the promise fails first, lower scores make no likelier duplicates.

Recall. It falls as thresholds get stricter, so they are tested from loose to strict, by the same tail of the positives.

Pairs that share a text are not independent. How alike their labels are beyond what the scores explain is measured on
all pairs, and n divided by 1 + that correlation * the mean number of other flagged pairs that a pair shares a text
with (the design effect, Kish 1965); the tail is that of so many pairs (Korn and Graubard, Survey Methodology 1998).

Pairs that were not sampled evenly come with weights, the inverse of each one's chance to be sampled. Where these differ
among the pairs in question the p-value is 1 / W: W is what has become of the 1 of a gambler who stakes on each pair in
turn that the promise holds, on average over a few stakes (Waudby-Smith and Ramdas, JRSS B 2024). That asks no more of
the numbers than that they are bounded.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semsearch.errors import InvalidInput

Measure = Literal["precision", "recall"]
CONFIDENCE = 0.9
"""Of a promise, unless the user says otherwise."""
_STEP = 1.15
"""Each threshold in the sequence flags so many times the pairs that the one before it does."""
_STARTS, _APART = 3, 3
"""At most so many starts, each at so many times the pairs of the one before it."""
_STAKES = np.array([0.2, 0.4, 0.6, 0.8, 0.9, 1.0])
"""What the gambler stakes, as shares of what may be staked: a sixth of the money on each."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Promise:
    """At least `least` of `measure`, with `confidence`, for pairs like those given that score `threshold` or more.

    It rests on `pairs`, of which `right` are: those flagged that are positive (precision), or the positive ones that
    are flagged (recall). They count as much as `effective` independent ones.
    """

    measure: Measure
    least: float
    confidence: float
    threshold: float
    pairs: int
    right: int
    effective: float


def promise(
    scores: ArrayLike,
    positive: ArrayLike,
    measure: Measure,
    least: float,
    confidence: float = CONFIDENCE,
    *,
    texts: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Promise | None:
    """The threshold with the most recall that is sure to have a precision of `least`, or with the most precision (that
    is, the strictest) that is sure to have such a recall. None if no threshold can promise it on these pairs.

    `scores` (float, higher is more alike) and `positive` (bool) are of shape [n]; `texts` (int [n, 2]) numbers the two
    texts of each pair, so that pairs that share one are seen to, and is left out where none do. `weights` (float [n],
    above 0, on any scale) are 1 / the chance with which each pair was sampled, a function of its score; left out
    where that was the same for all. Promised is what holds of the pairs that were sampled *from*.

    Raises `InvalidInput` where these do not fit together, and for a `least` or `confidence` outside (0, 1).
    """
    s, y = np.asarray(scores, np.float64), np.asarray(positive, np.bool_)
    w = np.ones(s.shape) if weights is None else np.asarray(weights, np.float64)
    ends = np.arange(2 * s.size).reshape(-1, 2) if texts is None else np.asarray(texts, np.int64)
    if not (s.ndim == 1 and y.shape == w.shape == s.shape and ends.shape == (len(s), 2)):
        raise InvalidInput(
            f"a promise needs a score, a label, a weight and two texts a pair, not {s.shape}, {y.shape}, {w.shape}"
            f" and {ends.shape} of them"
        )
    if not (np.isfinite(s).all() and np.isfinite(w).all() and (w > 0).all()):
        raise InvalidInput("a promise needs finite scores, and finite weights above 0")
    if not (0 < least < 1 and 0 < confidence < 1):
        raise InvalidInput(
            f"{least:g} with confidence {confidence:g} cannot be promised: both lie between 0 and 1"
        )
    if not y.any():
        return None
    order = np.argsort(-s, kind="stable")
    sample = _Sample(s[order], y[order], w[order], ends[order])
    test = sample.precision if measure == "precision" else sample.recall
    return test(least, confidence)


def fewest(least: float, confidence: float = CONFIDENCE) -> int:
    """How many independent pairs, all of them right, a promise takes: 45 for 0.95 with a confidence of 0.9."""
    return math.ceil(round(math.log(1 - confidence) / math.log(least), 9))


def cut_between(upper: float, lower: float) -> float:
    """A threshold that keeps clear of the lowest score flagged, `upper`, and of the highest that is not, `lower`.

    It lies halfway. On a score itself, a cosine that comes out one unit in the last place lower (another batch size,
    another machine) would change sides; in between, no pair that was seen is near the cut. It is rounded to the fewest
    decimals that keep it in the middle half of the gap. Where no float lies between, it is `upper`.
    """
    middle = lower + (upper - lower) / 2
    candidates = [*(round(middle, decimals) for decimals in range(2, 17)), middle]
    quarter = (upper - lower) / 4
    return next((c for c in candidates if lower < c < upper and abs(c - middle) <= quarter), upper)


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Labelled pairs, the highest score first."""

    scores: Floats
    positive: Mask
    weights: Floats
    texts: NDArray[np.int64]

    def precision(self, least: float, confidence: float) -> Promise | None:
        # Equal scores go together: the numbers of pairs that a threshold can flag.
        ends = 1 + np.flatnonzero(np.append(self.scores[1:] != self.scores[:-1], True))
        worth = self._worth(np.ones(len(self.scores), np.bool_), self._likeness(self._unexplained()))
        grown = np.maximum.accumulate(worth[ends - 1])
        n = float(grown[-1])
        starts = next(
            (
                j
                for j in range(_STARTS, 1, -1)
                if fewest(least, 1 - (1 - confidence) / j) * _APART ** (j - 1) <= n / 4
            ),
            1,
        )
        level = (1 - confidence) / starts
        first = fewest(least, 1 - level)
        best: Promise | None = None
        for start in (first * _APART**j for j in range(starts)):
            for size in _growing(start, n):
                k = int(ends[np.searchsorted(grown, math.floor(size + 1e-9) * (1 - 1e-12))])
                flagged = np.arange(len(self.scores)) < k
                if self._tail(flagged, self.positive, least, worth[k - 1]) > level:
                    break
                # All that pass hold at once. Taken is the strictest of those that find the most.
                right = int(np.count_nonzero(self.positive[:k]))
                if best is None or right > best.right:
                    best = Promise(
                        "precision", least, confidence, self._cut(k), k, right, float(worth[k - 1])
                    )
        return best

    def recall(self, least: float, confidence: float) -> Promise | None:
        counted = self.positive
        n = int(np.count_nonzero(counted))
        spread = np.zeros(len(self.scores))
        spread[counted] = (np.arange(n) + 0.5) / n - 0.5
        worth = float(self._worth(counted, self._likeness((spread, counted / math.sqrt(12))))[-1])
        best: Promise | None = None
        for score in np.unique(self.scores[counted]).tolist():
            flagged = self.scores >= score
            if self._tail(counted, flagged, least, worth) > 1 - confidence:
                break
            k, right = int(np.count_nonzero(flagged)), int(np.count_nonzero(flagged & counted))
            best = Promise("recall", least, confidence, self._cut(k), n, right, worth)
        return best

    def _tail(self, of: Mask, right: Mask, least: float, worth: float) -> float:
        """The p-value of: among the pairs like those `of`, the share that is `right` is below `least`."""
        n, x = int(np.count_nonzero(of)), int(np.count_nonzero(of & right))
        if not np.ptp(self.weights[of]):
            from scipy.special import betainc

            return float(betainc(x * worth / n, (n - x) * worth / n + 1, least)) if x else 1.0
        gains = self.weights[of] / self.weights[of].max() * (right[of] - least)
        stakes = _STAKES / least
        with np.errstate(divide="ignore"):
            wealth = np.log1p(np.maximum(stakes[:, None] * gains, -1)).sum(axis=1)
        kish = self.weights[of].sum() ** 2 / np.square(self.weights[of]).sum()
        top = float(wealth.max())
        logarithm = top + math.log(np.exp(wealth - top).mean()) if top > -math.inf else top
        return min(1.0, math.exp(-min(logarithm, 700.0) * worth / kish)) if logarithm > 0 else 1.0

    def _cut(self, k: int) -> float:
        """A threshold that flags the first k pairs."""
        upper = float(self.scores[k - 1])
        return cut_between(upper, float(self.scores[k])) if k < len(self.scores) else upper

    def _unexplained(self) -> tuple[Floats, Floats]:
        """What the labels have beyond the chance that rises with the score, and its standard deviation."""
        from scipy.optimize import isotonic_regression

        chance = isotonic_regression(self.positive.astype(float), weights=self.weights, increasing=False).x
        return self.positive - chance, np.sqrt(chance * (1 - chance))

    def _likeness(self, values: tuple[Floats, Floats]) -> float:
        """The correlation, 0 at least, of a value (and its standard deviation) between pairs that share a text."""
        products = []
        for value in values:
            sums = np.bincount(self.texts.ravel(), np.repeat(value, 2))
            products.append(np.square(sums).sum() - 2 * np.square(value).sum())
        return float(min(1.0, max(0.0, products[0] / products[1]))) if products[1] > 0 else 0.0

    def _worth(self, counted: Mask, likeness: float) -> Floats:
        """How many independent pairs the counted ones among the first 1, 2, ... pairs are worth."""
        weights = np.where(counted, self.weights, 0)
        tiny = np.finfo(np.float64).tiny
        total: Floats = np.cumsum(weights) ** 2 / np.maximum(np.cumsum(np.square(weights)), tiny)
        if not likeness:
            return total
        # How many other pairs, each counted so far, share a text with the pair that comes next: one more for both.
        seen: Counter[int | tuple[int, int]] = Counter()
        shared = np.zeros(len(counted))
        for at in np.flatnonzero(counted).tolist():
            a, b = sorted(self.texts[at].tolist())
            shared[at] = 2 * (seen[a] + seen[b] - seen[a, b])
            seen.update((a, b, (a, b)))
        others = np.cumsum(shared) / np.maximum(np.cumsum(counted), 1)
        worth: Floats = total / (1 + likeness * others)
        return worth


def _growing(start: float, limit: float) -> Iterator[float]:
    while start <= limit:
        yield start
        start *= _STEP
