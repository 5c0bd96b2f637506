"""Find a threshold with a guaranteed precision or recall, at a stated confidence, on pairs that chose the threshold.

Precision. Thresholds are tested from strict to loose until the first failure. This is fixed-sequence testing ("Learn
then Test", Angelopoulos, Bates, Candès, Jordan and Lei, arXiv:2110.01052). The probability that any threshold that
passes misses its target is at most 1 - confidence, however many are tested. The p-value of a threshold is the binomial
tail of Clopper and Pearson (Biometrika 1934).

Proof. Let t be the loosest threshold that reaches the target in the population, and m the number of given pairs from t
up. Given m, these pairs are independent, and each is right with the target as its probability. A looser threshold flags
them and some pairs below t. It misses the target, so the pairs below t are right with a lower probability. The number
of right pairs is then at most binomial, and the threshold passes with a probability of at most 1 - confidence. The
numbers of pairs to flag depend on the number of all pairs only, so m tells which one is the first that is too loose. No
looser one is tested unless that one passes. The proof takes for granted that thresholds stricter than t reach the
target too. Decision 133 measures what happens where they do not.

A threshold that allows one wrong pair fails as soon as there are two, and the sequence ends. So each threshold flags as
few pairs as can pass with a number of wrong ones. Fewer pairs would have the same limit. The first one allows a few
wrong pairs where there are many pairs, since some labels at the top are always wrong.

Recall. It falls as thresholds get stricter, so they are tested from loose to strict, with the same tail over the
positives.

Pairs that share a text are not independent. The correlation of their labels, beyond what the scores explain, is
measured on all pairs. The sample size n is then divided by the design effect (Kish 1965): 1 + that correlation * the
mean number of other flagged pairs that share a text with a pair. The tail is the one of that effective size (Korn and
Graubard, Survey Methodology 1998).

Pairs that were not sampled evenly come with weights, the inverse of their sampling probabilities. Where the weights
differ, the p-value is 1 / W. W is the wealth, from 1, of a gambler who bets on every pair that the target is missed,
averaged over a few stakes (Waudby-Smith and Ramdas, JRSS B 2024). This only requires that the values are bounded.
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
"""The default confidence of a guarantee."""
_STEP = 1.1
"""The ratio of the numbers of wrong pairs that two successive thresholds may flag, if that is a step of one or more."""
_START_WRONG, _START_SHARE = 3, 1 / 20
"""The first threshold allows up to this many wrong pairs, as long as it flags no more than this share of all pairs."""
_STAKES = np.array([0.2, 0.4, 0.6, 0.8, 0.9, 1.0])
"""The gambler's stakes, as shares of the highest possible stake. Each gets a sixth of the money."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Guarantee:
    """A `measure` of at least `target`, with `confidence`, for pairs like those given with a score from `threshold` up.

    It rests on `pairs` pairs, of which `correct` are right. For precision these are the flagged pairs and the
    duplicates among them; for recall the duplicates and the flagged ones among them. `effective_pairs` is the
    effective sample size.
    """

    measure: Measure
    target: float
    confidence: float
    threshold: float
    pairs: int
    correct: int
    effective_pairs: float


def find_guarantee(
    scores: ArrayLike,
    positive: ArrayLike,
    measure: Measure,
    target: float,
    confidence: float = CONFIDENCE,
    *,
    texts: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Guarantee | None:
    """Return the best threshold with a guaranteed precision or recall of `target`, or None if there is none.

    For precision the best threshold has the highest recall; for recall it is the strictest.

    `scores` (float, higher is more similar) and `positive` (bool) have shape [n]. `texts` (int [n, 2]) numbers the two
    texts of each pair; leave it out if no two pairs share a text. `weights` (float [n], above 0, on any scale) are the
    inverse sampling probabilities, a function of the score; leave them out if all are equal. The guarantee is about the
    population that the pairs were sampled from.

    Raises `InvalidInput` if the shapes do not fit together, and for a `target` or `confidence` outside (0, 1).
    """
    s, y = np.asarray(scores, np.float64), np.asarray(positive, np.bool_)
    w = np.ones(s.shape) if weights is None else np.asarray(weights, np.float64)
    ends = np.arange(2 * s.size).reshape(-1, 2) if texts is None else np.asarray(texts, np.int64)
    if not (s.ndim == 1 and y.shape == w.shape == s.shape and ends.shape == (len(s), 2)):
        raise InvalidInput(
            "a guarantee needs a score, a label, a weight and two texts a pair; the shapes are"
            f" {s.shape}, {y.shape}, {w.shape} and {ends.shape}"
        )
    if not (np.isfinite(s).all() and np.isfinite(w).all() and (w > 0).all()):
        raise InvalidInput("a guarantee needs finite scores, and finite weights above 0")
    if not (0 < target < 1 and 0 < confidence < 1):
        raise InvalidInput(
            f"{target:g} with confidence {confidence:g} cannot be guaranteed: both must lie between 0 and 1"
        )
    if not y.any():
        return None
    order = np.argsort(-s, kind="stable")
    sample = _Sample(s[order], y[order], w[order], ends[order])
    test = sample.precision if measure == "precision" else sample.recall
    return test(target, confidence)


def min_pairs(target: float, confidence: float = CONFIDENCE, wrong: int = 0) -> int:
    """Return how many independent pairs a guarantee takes if some are wrong: 45 for 0.95 and 0.9 with none wrong."""
    from scipy.special import nbdtrik

    # The right pairs before the next wrong one are distributed as a negative binomial.
    return wrong + 1 + math.ceil(round(float(nbdtrik(confidence, wrong + 1, 1 - target)), 9))


def threshold_between(upper: float, lower: float) -> float:
    """Return a threshold between `upper`, the lowest score flagged, and `lower`, the highest one not flagged.

    It lies halfway, so a cosine that differs in the last digit (another batch size or machine) stays on its side. It is
    rounded to the fewest decimals that keep it in the middle half of the gap. If no float lies between, it is `upper`.
    """
    middle = lower + (upper - lower) / 2
    rounded = [*(round(middle, decimals) for decimals in range(2, 17)), middle]
    quarter = (upper - lower) / 4
    return next((cut for cut in rounded if lower < cut < upper and abs(cut - middle) <= quarter), upper)


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Labelled pairs, sorted from the highest score down."""

    scores: Floats
    positive: Mask
    weights: Floats
    texts: NDArray[np.int64]

    def precision(self, target: float, confidence: float) -> Guarantee | None:
        # Equal scores are flagged together: these are the numbers of pairs that a threshold can flag.
        ends = 1 + np.flatnonzero(np.append(self.scores[1:] != self.scores[:-1], True))
        every = np.ones(len(self.scores), np.bool_)
        effective = self._effective_size(every, self._correlation(self._residuals()))
        grown = np.maximum.accumulate(effective[ends - 1])
        best: Guarantee | None = None
        for size in _sizes(target, confidence, float(grown[-1])):
            k = int(ends[np.searchsorted(grown, size * (1 - 1e-12))])
            flagged = np.arange(len(self.scores)) < k
            if self._p_value(flagged, self.positive, target, effective[k - 1]) > 1 - confidence:
                break
            # Every passing threshold is valid. Among those with the highest recall, take the strictest.
            correct = int(np.count_nonzero(self.positive[:k]))
            if best is None or correct > best.correct:
                best = Guarantee(
                    "precision", target, confidence, self._cut(k), k, correct, float(effective[k - 1])
                )
        return best

    def recall(self, target: float, confidence: float) -> Guarantee | None:
        counted = self.positive
        n = int(np.count_nonzero(counted))
        spread = np.zeros(len(self.scores))
        spread[counted] = (np.arange(n) + 0.5) / n - 0.5
        correlation = self._correlation((spread, counted / math.sqrt(12)))
        effective = float(self._effective_size(counted, correlation)[-1])
        best: Guarantee | None = None
        for score in np.unique(self.scores[counted]).tolist():
            flagged = self.scores >= score
            if self._p_value(counted, flagged, target, effective) > 1 - confidence:
                break
            k, correct = int(np.count_nonzero(flagged)), int(np.count_nonzero(flagged & counted))
            best = Guarantee("recall", target, confidence, self._cut(k), n, correct, effective)
        return best

    def _p_value(self, among: Mask, correct: Mask, target: float, effective: float) -> float:
        """Return the p-value of the hypothesis that in the population of `among`, under `target` is `correct`."""
        n, x = int(np.count_nonzero(among)), int(np.count_nonzero(among & correct))
        if not np.ptp(self.weights[among]):
            from scipy.special import betainc

            return float(betainc(x * effective / n, (n - x) * effective / n + 1, target)) if x else 1.0
        gains = self.weights[among] / self.weights[among].max() * (correct[among] - target)
        stakes = _STAKES / target
        with np.errstate(divide="ignore"):
            wealth = np.log1p(np.maximum(stakes[:, None] * gains, -1)).sum(axis=1)
        kish = self.weights[among].sum() ** 2 / np.square(self.weights[among]).sum()
        top = float(wealth.max())
        logarithm = top + math.log(np.exp(wealth - top).mean()) if top > -math.inf else top
        return min(1.0, math.exp(-min(logarithm, 700.0) * effective / kish)) if logarithm > 0 else 1.0

    def _cut(self, k: int) -> float:
        """Return a threshold that flags the first k pairs."""
        upper = float(self.scores[k - 1])
        return threshold_between(upper, float(self.scores[k])) if k < len(self.scores) else upper

    def _residuals(self) -> tuple[Floats, Floats]:
        """Return each label less its probability given the score, and the standard deviation of that."""
        from scipy.optimize import isotonic_regression

        fitted = isotonic_regression(self.positive.astype(float), weights=self.weights, increasing=False).x
        return self.positive - fitted, np.sqrt(fitted * (1 - fitted))

    def _correlation(self, values: tuple[Floats, Floats]) -> float:
        """Return the correlation, at least 0, between pairs that share a text; `values` are values and deviations."""
        products = []
        for value in values:
            sums = np.bincount(self.texts.ravel(), np.repeat(value, 2))
            products.append(np.square(sums).sum() - 2 * np.square(value).sum())
        return float(min(1.0, max(0.0, products[0] / products[1]))) if products[1] > 0 else 0.0

    def _effective_size(self, counted: Mask, correlation: float) -> Floats:
        """Return the effective sample size of the counted pairs among the first 1, 2, ... pairs, float [n]."""
        weights = np.where(counted, self.weights, 0)
        tiny = np.finfo(np.float64).tiny
        total: Floats = np.cumsum(weights) ** 2 / np.maximum(np.cumsum(np.square(weights)), tiny)
        if not correlation:
            return total
        # Each pair adds one shared text to itself and one to every earlier counted pair with the same text.
        seen: Counter[int | tuple[int, int]] = Counter()
        shared = np.zeros(len(counted))
        for at in np.flatnonzero(counted).tolist():
            a, b = sorted(self.texts[at].tolist())
            shared[at] = 2 * (seen[a] + seen[b] - seen[a, b])
            seen.update((a, b, (a, b)))
        others = np.cumsum(shared) / np.maximum(np.cumsum(counted), 1)
        effective: Floats = total / (1 + correlation * others)
        return effective


def _sizes(target: float, confidence: float, n: float) -> Iterator[int]:
    """Yield the effective numbers of pairs to flag, of n in all, from few to many."""
    allowed = range(1, _START_WRONG + 1)
    wrong = sum(min_pairs(target, confidence, number) <= n * _START_SHARE for number in allowed)
    while (size := min_pairs(target, confidence, wrong)) <= n:
        yield size
        wrong = max(wrong + 1, math.floor(wrong * _STEP))
