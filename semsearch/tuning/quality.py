"""What a threshold does to labelled pairs: each that makes a difference, in counts; one, with its intervals.

Pairs that were sampled unevenly, as by `semsearch label`, have weights: how many pairs each stands for. Shares are then
weighted (Horvitz and Thompson, JASA 1952), so they are those of what was sampled from; their intervals are Clopper and
Pearson's at the effective sample size, (sum of w)^2 / sum of w^2 (Korn and Graubard, Survey Methodology 1998).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semsearch.errors import InvalidInput
from semsearch.types import LabelledPair

CONFIDENCE = 0.95
"""Of every interval in this module."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64] | Floats
"""Numbers of pairs, or sums of their weights."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What every threshold that makes a difference does: one entry a distinct score, the strictest first.

    `tp`, `fp` and `fn` count the pairs rightly flagged, wrongly flagged and missed when all pairs with a
    score >= `thresholds[i]` are flagged. Something is always flagged and a positive always exists, so the
    quotients below are all defined.
    """

    thresholds: Floats
    tp: Counts
    fp: Counts
    fn: Counts

    @property
    def precision(self) -> Floats:
        """The share of the flagged pairs that are positive, in [0, 1]."""
        return self.tp / (self.tp + self.fp)

    @property
    def recall(self) -> Floats:
        """The share of the positive pairs that are flagged, in [0, 1]; never falls along the curve."""
        return self.tp / (self.tp + self.fn)

    @property
    def f1(self) -> Floats:
        """The harmonic mean of precision and recall, in [0, 1]."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn)

    def at(self, threshold: float) -> int | None:
        """The entry that flags the same pairs as `threshold`; None if it flags none."""
        flagged = int(np.count_nonzero(self.thresholds >= threshold))
        return flagged - 1 if flagged else None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share measured on a sample, with the ends of its 95% confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Quality:
    """What a threshold does to a part of the pairs: counts of pairs, and shares, which are weighted if the pairs are.

    A share with nothing to divide by is None, neither 0 nor 1: `precision` when no pair reached the
    threshold, `recall` when no pair is positive, `f1` when both.
    """

    threshold: float
    tp: int
    fp: int
    fn: int
    tn: int
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None

    @property
    def pairs(self) -> int:
        """How many pairs were judged."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def positives(self) -> int:
        """How many of them are duplicates by the rule."""
        return self.tp + self.fn

    @property
    def flagged(self) -> int:
        """How many of them reach the threshold."""
        return self.tp + self.fp


@dataclass(frozen=True, slots=True)
class TradeOff:
    """One row of the table of thresholds, on the report part. `flagged` is a share; None as in `Quality`."""

    threshold: float
    flagged: float
    precision: float | None
    recall: float | None
    f1: float | None


def sweep(scores: ArrayLike, positive: ArrayLike, weights: ArrayLike | None = None) -> Curve:
    """What each distinct score does as the threshold, exactly; equal scores go together. O(n log n).

    With `weights` (float [n], above 0) it counts these.

    Raises InvalidInput if no pair is positive, or if the scores are not one finite number a pair.
    """
    scores, positive = checked(scores, positive)
    if not positive.any():
        raise InvalidInput("no pair is positive, so there is no recall to measure")
    order = np.argsort(-scores)
    ranked = scores[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # of each run of equal scores
    counts: Counts = (
        np.ones(len(scores), np.int64) if weights is None else np.asarray(weights, np.float64)[order]
    )
    tp: Counts = np.cumsum(np.where(positive[order], counts, 0))[last]
    fp: Counts = np.cumsum(np.where(positive[order], 0, counts))[last]
    return Curve(ranked[last], tp, fp, tp[-1] - tp)


def evaluate(
    scores: ArrayLike, positive: ArrayLike, threshold: float, weights: ArrayLike | None = None
) -> Quality:
    """Counts and shares at a threshold, with 95% intervals: Wilson's, or those of pairs with `weights` (see above).

    A share with nothing to divide by is None.
    """
    scores, positive = checked(scores, positive)
    flagged = scores >= threshold
    cells = flagged & positive, flagged & ~positive, ~flagged & positive, ~flagged & ~positive
    tp, fp, fn, tn = (int(np.count_nonzero(cell)) for cell in cells)
    w = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    interval = _wilson if weights is None else _weighted
    shares = [interval(w[whole], w[cells[0]]) for whole in (flagged, positive, flagged | positive)]
    return Quality(
        threshold,
        tp,
        fp,
        fn,
        tn,
        shares[0],
        shares[1],
        _f1(shares[2], *(w[cell].sum() for cell in cells[:3])),
    )


def trade_off(scores: Floats, positive: Mask, weights: Floats | None, threshold: float) -> TradeOff:
    """The row of a threshold in such a table."""
    quality = evaluate(scores, positive, threshold, weights)
    precision, recall, f1 = (
        share.value if share else None for share in (quality.precision, quality.recall, quality.f1)
    )
    flagged = float(np.average(scores >= threshold, weights=weights))
    return TradeOff(threshold, flagged, precision, recall, f1)


def weights_of(pairs: Sequence[LabelledPair]) -> Floats | None:
    """How many pairs each stands for, float64 [n]; None where that is the same for all."""
    weights = np.array([pair.weight for pair in pairs], np.float64)
    return None if np.all(weights == weights[:1]) else weights


def checked(scores: ArrayLike, positive: ArrayLike) -> tuple[Floats, Mask]:
    """Both as arrays. Raises `InvalidInput` unless there is one finite score a pair."""
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if scores.ndim != 1 or scores.shape != positive.shape or not np.isfinite(scores).all():
        raise InvalidInput(
            f"there must be one finite score a pair: {scores.shape} scores, {positive.shape} pairs"
        )
    return scores, positive


def _wilson(whole: Floats, part: Floats) -> Estimate | None:
    """The share of some pairs that a part of them is."""
    if not len(whole):
        return None
    from scipy.stats import binomtest

    interval = binomtest(len(part), len(whole)).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(len(part) / len(whole), float(interval.low), float(interval.high))


def _weighted(whole: Floats, part: Floats) -> Estimate | None:
    """The share of the weight of some pairs that a part of them has."""
    if not len(whole):
        return None
    from scipy.special import betaincinv

    value = float(part.sum() / whole.sum())
    n = float(whole.sum() ** 2 / np.square(whole).sum())
    x, tail = value * n, (1 - CONFIDENCE) / 2
    low = float(betaincinv(x, n - x + 1, tail)) if len(part) else 0.0
    high = float(betaincinv(x + 1, n - x, 1 - tail)) if len(part) < len(whole) else 1.0
    return Estimate(value, low, high)


def _f1(share: Estimate | None, tp: float, fp: float, fn: float) -> Estimate | None:
    """F1 is 2j / (1 + j) of the share j = tp / (tp + fp + fn): the ends of that share's interval are mapped.

    Covers its 95% on small samples and near 1, where a bootstrap over the pairs is too narrow (simulated: 63% at an
    F1 of 0.95 on 50 pairs).
    """
    if share is None:
        return None
    low, high = (2 * end / (1 + end) for end in (share.low, share.high))
    return Estimate(float(2 * tp / (2 * tp + fp + fn)), low, high)
