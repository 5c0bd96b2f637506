"""Choosing the threshold above which a pair counts as a duplicate, and saying how good that choice is.

A pair is flagged when its score, a cosine, is at least the threshold. The threshold is chosen on one part
of the labelled pairs and its quality reported on the other, so the figures are not those it was fitted to.

Pairs that were sampled unevenly, as by `semsearch label`, have weights: how many pairs each stands for. Shares are then
weighted (Horvitz and Thompson, JASA 1952), so they are those of what was sampled from; their intervals are Clopper and
Pearson's at the effective sample size, (sum of w)^2 / sum of w^2 (Korn and Graubard, Survey Methodology 1998).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semsearch.errors import InvalidInput
from semsearch.records import LabelledPair
from semsearch.text import clean
from semsearch.tuning.guarantee import CONFIDENCE as PROMISED
from semsearch.tuning.guarantee import Promise, cut_between, promise
from semsearch.tuning.pairs import positives

if TYPE_CHECKING:
    from semsearch.tuning.verifier import Verified

CONFIDENCE = 0.95
"""Of every interval in this module."""
FEW = 30
"""With fewer positives (or negatives) than this in a part, a note says so: the intervals are wide."""
_WEIGHED = "the pairs were sampled unevenly: shares are weighted, so they are those of all pairs sampled from"
_TABLE = tuple(step / 100 for step in range(50, 100, 5))

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Counts = Ints | Floats
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
class Aim:
    """What a threshold is chosen for: the best F1, or at least so much precision or recall with that confidence."""

    measure: Literal["f1", "precision", "recall"] = "f1"
    least: float = 0.0
    confidence: float = PROMISED

    def __str__(self) -> str:
        if self.measure == "f1":
            return "best F1"
        return f"{self.measure} at least {self.least:g} with {self.confidence:.0%} confidence"


F1 = Aim()


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


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Positions of the pairs to choose on and of those to report on, and how they were split, in words."""

    choose: NDArray[np.intp]
    report: NDArray[np.intp]
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class Tuning:
    """A chosen threshold, and how it does on the pairs it was chosen on and on those kept back (`reported`).

    `table` and `curve` are of the pairs kept back. `notes` are sentences for the user: how the pairs were
    split, and what to be wary of. `promise` is what can be promised of the threshold, if anything was asked for;
    `verified` a verifier of pairs, where there are enough to train one (see `semsearch.tuning.verifier`).
    """

    name: str
    rule: str
    aim: Aim
    threshold: float
    promise: Promise | None
    chosen_on: Quality
    reported: Quality
    table: tuple[TradeOff, ...]
    curve: Curve
    notes: tuple[str, ...]
    split: Split
    verified: "Verified | None" = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values: everything but what has an entry a pair, and the trees of the verifier."""
        values = asdict(self)
        del values["curve"], values["split"]
        if values["verified"]:
            del values["verified"]["verifier"]
        return values


def sweep(scores: ArrayLike, positive: ArrayLike, weights: ArrayLike | None = None) -> Curve:
    """What each distinct score does as the threshold, exactly; equal scores go together. O(n log n).

    With `weights` (float [n], above 0) it counts these.

    Raises InvalidInput if no pair is positive, or if the scores are not one finite number a pair.
    """
    scores, positive = _checked(scores, positive)
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


def choose(curve: Curve) -> float:
    """The threshold of the best F1; of equals the highest, which flags the fewest pairs.

    It keeps clear of every score (see `cut_between`), but is the lowest when every pair is flagged, since nothing was
    seen below.
    """
    best = int(np.argmax(curve.f1))
    upper = float(curve.thresholds[best])
    if best + 1 == len(curve.thresholds):
        return upper
    return cut_between(upper, float(curve.thresholds[best + 1]))


def decide(
    pairs: Sequence[LabelledPair], scores: ArrayLike, positive: ArrayLike, aim: Aim
) -> tuple[float, Promise | None]:
    """The threshold that `aim` asks for and what is promised of it; that of the best F1 where nothing can be."""
    weights = weights_of(pairs)
    if aim.measure != "f1":
        ends = _ends(pairs)
        made = promise(scores, positive, aim.measure, aim.least, aim.confidence, texts=ends, weights=weights)
        if made is not None:
            return made.threshold, made
    return choose(sweep(scores, positive, weights)), None


def weights_of(pairs: Sequence[LabelledPair]) -> Floats | None:
    """How many pairs each stands for, float64 [n]; None where that is the same for all."""
    weights = np.array([pair.weight for pair in pairs], np.float64)
    return None if np.all(weights == weights[:1]) else weights


def evaluate(
    scores: ArrayLike, positive: ArrayLike, threshold: float, weights: ArrayLike | None = None
) -> Quality:
    """Counts and shares at a threshold, with 95% intervals: Wilson's, or those of pairs with `weights` (see above).

    A share with nothing to divide by is None.
    """
    scores, positive = _checked(scores, positive)
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


def split_pairs(
    pairs: Sequence[LabelledPair], positive: ArrayLike, *, seed: int = 0, ignore_marks: bool = False
) -> Split:
    """The pairs to choose a threshold on, and those to report on.

    Where the data marks some of its pairs as "test" (and marks count), those report and all others choose. Otherwise
    the pairs are halved at random (the same way for the same seed), positives and negatives alike. Pairs that
    share a text, directly or through others, stay together, unless that leaves a half with under a quarter
    of the positives or of the negatives; then they are halved one by one, and the note says so.
    """
    positive = np.asarray(positive, bool)
    report = np.array([pair.split == "test" for pair in pairs], bool)
    if 0 < np.count_nonzero(report) < len(pairs) and not ignore_marks:
        how = "the data's own test part reports, the rest chooses"
    else:
        report = _halve(linked(pairs), positive, seed)
        how = "split at random into halves that share no text"
        quarter = np.bincount(positive, minlength=2) / 4
        if any((np.bincount(positive[part], minlength=2) < quarter).any() for part in (report, ~report)):
            report = _halve(np.arange(len(pairs)), positive, seed)
            how = "split at random into halves"
    seen = {text for pair, held in zip(pairs, report, strict=True) if not held for text in _texts(pair)}
    shared = sum(held and not seen.isdisjoint(_texts(pair)) for pair, held in zip(pairs, report, strict=True))
    if shared:
        how += f"; {shared:,} of the {report.sum():,} reporting pairs share a text with the others"
    return Split(np.flatnonzero(~report), np.flatnonzero(report), how)


def tune(
    pairs: Sequence[LabelledPair],
    scores: ArrayLike,
    rule: str,
    *,
    aim: Aim = F1,
    name: str = "",
    seed: int = 0,
) -> Tuning:
    """Choose the threshold for an aim on one part of the pairs, and report on the other (see `split_pairs`).

    Where no threshold can promise what is asked for, it is that of the best F1, without a promise.

    `scores` has a cosine a pair; `rule` says what a duplicate is (see `positives`); `name` is what the set is
    called. Raises InvalidInput unless each part has at least one positive and one negative pair.
    """
    scores, positive = _checked(scores, positives(pairs, rule))
    _demand_both(positive, "pairs", rule)
    split = split_pairs(pairs, positive, seed=seed)
    _demand_both(positive[split.choose], "choosing pairs", rule)
    _demand_both(positive[split.report], "reporting pairs", rule)
    weights = weights_of(pairs)
    fit, kept = (
        (scores[part], positive[part], None if weights is None else weights[part])
        for part in (split.choose, split.report)
    )
    threshold, promised = decide([pairs[at] for at in split.choose.tolist()], *fit[:2], aim)
    chosen_on = evaluate(*fit[:2], threshold, fit[2])
    reported = evaluate(*kept[:2], threshold, kept[2])
    return Tuning(
        name,
        rule,
        aim,
        threshold,
        promised,
        chosen_on,
        reported,
        table=tuple(_trade_off(*kept, cut) for cut in sorted({*_TABLE, threshold})),
        curve=sweep(*kept),
        notes=(
            split.note,
            *(() if weights is None else (_WEIGHED,)),
            *_cautions(chosen_on, "choosing"),
            *_cautions(reported, "reporting"),
        ),
        split=split,
    )


def _checked(scores: ArrayLike, positive: ArrayLike) -> tuple[Floats, Mask]:
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if scores.ndim != 1 or scores.shape != positive.shape or not np.isfinite(scores).all():
        raise InvalidInput(
            f"there must be one finite score a pair: {scores.shape} scores, {positive.shape} pairs"
        )
    return scores, positive


def _demand_both(positive: Mask, what: str, rule: str) -> None:
    for kind, count in (("positive", np.count_nonzero(positive)), ("negative", np.count_nonzero(~positive))):
        if not count:
            raise InvalidInput(
                f"none of the {len(positive):,} {what} is {kind} by the rule {rule}",
                hint="a threshold needs one positive and one negative pair to be chosen on and as much to be "
                "checked on: add pairs, or take another --positive",
            )


def _cautions(quality: Quality, part: str) -> list[str]:
    counts = {"positives": quality.positives, "negatives": quality.pairs - quality.positives}
    few = [f"only {n} {kind} in the {part} part: wide intervals" for kind, n in counts.items() if n < FEW]
    every = [f"the threshold flags every pair of the {part} part"] if quality.flagged == quality.pairs else []
    return few + every


def _trade_off(scores: Floats, positive: Mask, weights: Floats | None, threshold: float) -> TradeOff:
    quality = evaluate(scores, positive, threshold, weights)
    precision, recall, f1 = (
        share.value if share else None for share in (quality.precision, quality.recall, quality.f1)
    )
    flagged = float(np.average(scores >= threshold, weights=weights))
    return TradeOff(threshold, flagged, precision, recall, f1)


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


def _texts(pair: LabelledPair) -> tuple[str, str]:
    return clean(pair.text_a), clean(pair.text_b)


def linked(pairs: Sequence[LabelledPair]) -> Ints:
    """The number of the cluster that each pair is in: pairs that share a text, directly or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = _ends(pairs)
    links = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(ends.max() + 1,) * 2)
    _, cluster = connected_components(links, directed=False)
    return np.asarray(cluster[ends[:, 0]], np.int64)


def _ends(pairs: Sequence[LabelledPair]) -> Ints:
    """The numbers of the two texts of each pair."""
    numbers: dict[str, int] = {}
    return np.array([[numbers.setdefault(text, len(numbers)) for text in _texts(pair)] for pair in pairs])


def _halve(clusters: Ints, positive: Mask, seed: int) -> Mask:
    """Which pairs report: clusters stay whole, and both halves get near the same share of each kind.

    Clusters come in random order, the largest first, and each goes to the half that lacks more of what it
    holds.
    """
    sizes = np.bincount(clusters)
    kinds = [np.bincount(clusters, weights=kind) / max(kind.sum(), 1) for kind in (positive, ~positive)]
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    reports = np.zeros(len(sizes), bool)
    ahead = [0.0, 0.0]  # by how much the choosing half leads, in shares of the positives and of the negatives
    for cluster, *shares in zip(order.tolist(), *(kind[order].tolist() for kind in kinds), strict=True):
        reports[cluster] = ahead[0] * shares[0] + ahead[1] * shares[1] > 0
        sign = -1 if reports[cluster] else 1
        ahead = [lead + sign * share for lead, share in zip(ahead, shares, strict=True)]
    return reports[clusters]
