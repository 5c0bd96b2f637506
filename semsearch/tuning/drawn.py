"""Draw the pairs that a person labels where a guarantee of precision needs them, and say what the labels guarantee.

The frame is a known list of pairs with scores. Each draw is uniform among the unlabelled pairs with a score from a
`floor` up, so its sampling probability is known. A draw also names a `cut`, a threshold to be tested. Both may depend
on all earlier labels, not on this one.

For each cut a gambler bets that fewer than `target` of the pairs from the cut up are duplicates, on every draw since
the cut was first named whose floor is not above it. While the gambler is right, the wealth, from 1, is a nonnegative
supermartingale. It ever reaches 1 / (1 - confidence) with a probability of at most 1 - confidence (Ville 1939). So a
person may look at it after every label, and stop at any time (Waudby-Smith and Ramdas, JRSS B 2024). Draws are without
replacement: what is known of the labelled pairs is taken off what the others must make up (Waudby-Smith, Stark and
Ramdas 2021; Shekhar et al., UAI 2023).

Cuts are tested in the order in which they are named, up to the first that fails. Only the first false one can do harm,
and its gambler starts with the draw that named it. So many cuts cost nothing, and neither does choosing the next one by
the labels. A cut that is above the last one starts a new sequence, with a quarter of the error that is left.

Nothing is assumed of the pairs, the scores or shared texts: all chance is in the draws. The guarantee is about the
pairs of the frame.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.classifier import PairClassifier
from semsearch.errors import InvalidInput
from semsearch.tuning.guarantee import CONFIDENCE, Guarantee, threshold_between
from semsearch.types import Draw, LabelledPair

COSINE = "cosine"
"""The scorer of documents where no classifier is."""
CLASSIFIER = "classifier"
"""The first word of the name of a classifier as a scorer."""
PILOT = 20
"""Labels that the first cut is chosen by. They need no sampling probability."""
_STAKES = np.array([0.2, 0.4, 0.6, 0.8, 0.95])
"""The gamblers' stakes, as shares of the highest possible stake. Each gets a part of the money."""
_FIRST_TRY = 0.75
"""The share of the error that is left which a sequence of cuts may spend."""
_SURE, _LIKELY, _POSSIBLE = 0.8, 0.4, 0.2
"""The likely precision less the target, as a share of the way from the target to 1: at the first cut of a sequence,
at its last one, and where nothing better is left."""
_WIDER = 1.6
"""The last cut of a sequence, and each further one, flags up to this many times the pairs of the one before."""
_FEWEST = 30
"""The pairs that a first cut flags at least, where there are as many."""
_CUTS = 4

Floats = NDArray[np.float64]


class DrawnLabels:
    """Labels in the order in which they were given, and what they guarantee so far."""

    def __init__(self, target: float, confidence: float = CONFIDENCE) -> None:
        if not (0 < target < 1 and 0 < confidence < 1):
            raise InvalidInput(
                f"{target:g} with confidence {confidence:g} cannot be guaranteed: both must lie between 0 and 1"
            )
        self.target, self.confidence = target, confidence
        self._scores: list[float] = []
        self._gains: list[float] = []
        # Of each cut, in the order of naming: its sequence, and the error it may spend; the labelled pairs' gains above
        # it; the logarithms of its gamblers' wealth, and the highest that their mean has been.
        self._cuts, self._error, self._surplus, self._highest = (np.empty(0) for _ in range(4))
        self._sequence = np.empty(0, np.int64)
        self._wealth = np.empty((0, len(_STAKES)))
        self._floor = math.inf

    def __len__(self) -> int:
        return len(self._scores)

    def add(self, score: float, positive: bool, draw: Draw | None = None) -> None:
        """Add a label. One that was not drawn is known, and no bet."""
        gain = float(positive) - self.target
        if draw and draw.cut is not None and draw.floor is not None and draw.probability is not None:
            self._name(draw.cut)
            self._floor = draw.floor
            tested = self._cuts >= draw.floor
            owed = self._surplus[tested] * draw.probability
            gains = gain * (score >= self._cuts[tested]) + owed
            worst = np.maximum(self.target, self.target - owed)  # so that a loss never exceeds the wealth
            stakes = _STAKES / worst[:, None]
            self._wealth[tested] += np.log1p(stakes * gains[:, None])
            self._highest = np.maximum(self._highest, self._mean())
        self._surplus[score >= self._cuts] += gain
        self._scores.append(score)
        self._gains.append(gain)

    def _name(self, cut: float) -> None:
        """Add a cut to the last sequence, or start another one if it lies above."""
        if (self._cuts == cut).any():
            return
        sequence = int(self._sequence[-1]) if len(self._cuts) else -1
        sequence += not len(self._cuts) or cut > self._cuts[-1]
        above = np.array(self._scores) >= cut
        self._cuts = np.append(self._cuts, cut)
        self._sequence = np.append(self._sequence, sequence)
        self._error = np.append(
            self._error, (1 - self.confidence) * _FIRST_TRY * (1 - _FIRST_TRY) ** sequence
        )
        self._surplus = np.append(self._surplus, np.array(self._gains)[above].sum())
        self._highest = np.append(self._highest, 0.0)
        self._wealth = np.vstack([self._wealth, np.zeros(len(_STAKES))])

    def _passed(self) -> NDArray[np.bool_]:
        """Return which cuts have passed: those before the first of their sequence that has not."""
        passed = self._highest >= -np.log(self._error)
        for sequence in np.unique(self._sequence):
            ours = self._sequence == sequence
            passed[ours] = np.logical_and.accumulate(passed[ours])
        return passed

    def needed(self, frame: "Frame") -> int | None:
        """Return about how many more draws the next guarantee takes; None if it is unlikely, or no cut is tested."""
        open_cuts = np.flatnonzero((self._sequence == self._sequence[-1:]) & ~self._passed())
        if not len(open_cuts):
            return None
        at = open_cuts[0]
        flagged, drawn_from = frame.size(self._cuts[at]), frame.size(min(self._floor, self._cuts[at]))
        p = float(frame.precisions()[flagged - 1])
        stakes = _STAKES / self.target
        growth = p * np.log1p(stakes * (1 - self.target)) + (1 - p) * np.log1p(-stakes * self.target)
        speed = float(growth.max()) * flagged / drawn_from
        missing = -math.log(self._error[at]) - float(self._mean()[at])
        return max(1, math.ceil(missing / speed)) if speed > 0 and missing / speed < 10_000 else None

    def _mean(self) -> Floats:
        """Return the logarithm of the gamblers' mean wealth at each cut."""
        mean: Floats = np.logaddexp.reduce(self._wealth, axis=1) - math.log(len(_STAKES))
        return mean

    def guarantee(self) -> Guarantee | None:
        """Return the guarantee with the lowest threshold, or None if there is none."""
        cuts = self._cuts[self._passed()]
        if not len(cuts):
            return None
        above = np.array(self._scores) >= cuts.min()
        n, right = int(above.sum()), int((np.array(self._gains)[above] > 0).sum())
        return Guarantee("precision", self.target, self.confidence, float(cuts.min()), n, right, float(n))

    def next_choice(self, frame: "Frame") -> tuple[float, float, NDArray[np.int64]]:
        """Return the cut and the floor of the next draw, and the positions of the pairs to draw one from, all alike."""
        cut, floor = self._next_cut(frame)
        while not len(free := frame.free(floor)):
            cut = floor = frame.next_free(floor)
        return cut, floor, free

    def _next_cut(self, frame: "Frame") -> tuple[float, float]:
        """Return the cut to test with the next draw, and the floor to draw from, by what the labels say so far."""
        ours = self._cuts[self._sequence == self._sequence[-1:]]
        if len(ours) and ours[-1] > self._floor:  # more cuts between the last one and the floor
            last, end = frame.size(ours[-1]), frame.size(self._floor)
            step = frame.cut(round(last * (end / last) ** (1 / max(1, _CUTS - len(ours)))))
            return (step if self._floor < step < ours[-1] else self._floor), self._floor
        passed = self._passed()
        best = frame.size(self._cuts[passed].min()) if passed.any() else 0
        everything = passed[self._sequence == self._sequence[-1:]].all()
        first = np.argmax(self._sequence == self._sequence[-1:]) if len(ours) else 0
        if len(ours) and not everything and (best or self._surplus[first] >= 0):
            return float(ours[-1]), float(ours[-1])
        precision = frame.precisions()

        def loosest(sure: float, fewest: float, most: float = math.inf) -> int:
            """Return the largest number of pairs whose precision is likely this far above the target, or 0."""
            sizes = 1 + np.flatnonzero(precision >= self.target + sure * (1 - self.target))
            sizes = sizes[(sizes >= fewest) & (sizes <= most)]
            return int(sizes[-1]) if len(sizes) else 0

        if len(ours) and everything:
            wider = loosest(_LIKELY, 1.05 * best, _WIDER * best) or loosest(
                _POSSIBLE, 1.05 * best, _WIDER * best
            )
            cut = frame.cut(wider) if wider else float(ours[-1])
            return cut, cut
        size = loosest(_SURE, _FEWEST)
        # Fewer duplicates than the target so far: start again where it is likelier, if there is such a place.
        if len(ours):
            now = frame.size(ours[0])
            hopeless = precision[now - 1] < self.target + _POSSIBLE * (1 - self.target)
            if not (hopeless and 0 < size < 0.8 * now):
                return float(ours[-1]), float(ours[-1])
        size = size or min(_FEWEST, len(precision))
        return frame.cut(size), frame.cut(loosest(_LIKELY, size, _WIDER * size) or size)


class Frame:
    """The pairs that may be drawn, and what is guessed of them.

    `scores` float [n] is what cuts are thresholds of. `guess` float [n] is the logarithm of the odds of a duplicate, as
    far as one can guess it from the score; `doubt` are the standard deviations of its scale and its level.
    """

    def __init__(self, scores: Floats, guess: Floats, doubt: tuple[float, float]) -> None:
        self.order = np.argsort(-scores, kind="stable")
        self.scores, self._guess, self._doubt = scores[self.order], guess[self.order], doubt
        self.known = np.full(len(scores), np.nan)
        """1 for a duplicate, 0 for another labelled pair, NaN for the others; in the order of falling scores."""
        self._skipped = np.zeros(len(scores), np.bool_)
        self._rank = np.empty(len(scores), np.int64)
        self._rank[self.order] = np.arange(len(scores))

    def label(self, position: int, label: bool | None) -> None:
        """Take the label of the pair at a position; None if it was skipped, and counts as if it were not there."""
        if label is None:
            self._skipped[self._rank[position]] = True
        else:
            self.known[self._rank[position]] = label

    @property
    def labels(self) -> int:
        """The number of labelled pairs."""
        return int(np.isfinite(self.known).sum())

    def free(self, floor: float) -> NDArray[np.int64]:
        """Return the positions of the unlabelled pairs from a floor up."""
        above = slice(int(np.searchsorted(-self.scores, -floor, "right")))
        found: NDArray[np.int64] = self.order[above][np.isnan(self.known[above]) & ~self._skipped[above]]
        return found

    def next_free(self, floor: float) -> float:
        """Return a cut below `floor` that flags a tenth more pairs, and at least one that is unlabelled."""
        below = np.flatnonzero(np.isnan(self.known) & ~self._skipped & (self.scores < floor))
        return self.cut(max(int(below[0]) + 1, math.ceil(1.1 * self.size(floor))))

    def size(self, cut: float) -> int:
        """Return how many pairs a cut flags, at least 1."""
        return max(1, int(np.searchsorted(-self.scores, -cut, "right")))

    def cut(self, size: int) -> float:
        """Return a cut that flags this many pairs, and those with the score of the last."""
        size = self.size(self.scores[min(size, len(self.scores)) - 1])
        upper = float(self.scores[size - 1])
        return threshold_between(upper, float(self.scores[size])) if size < len(self.scores) else upper

    def precisions(self) -> Floats:
        """Return the likely precision of the first 1, 2, ... pairs, float [n]."""
        labelled = ~np.isnan(self.known)
        slope, level = _recalibrated(self._guess[labelled], self.known[labelled], self._doubt)
        likely = np.where(labelled, self.known, _logistic(slope * self._guess + level))
        found: Floats = np.cumsum(likely) / np.arange(1, len(likely) + 1)
        return found


def scorer_name(classifier: PairClassifier) -> str:
    """Return the name of a classifier as a scorer, which tells it from any other that gives other probabilities."""
    decides = {name: value for name, value in classifier.to_dict().items() if name != "reference"}
    written = json.dumps(decides, sort_keys=True).encode()
    return f"{CLASSIFIER} {blake2b(written, digest_size=8).hexdigest()}"


def _recalibrated(guess: Floats, positive: Floats, doubt: tuple[float, float]) -> tuple[float, float]:
    """Return the slope and level of the log-odds that labels make likeliest, with a normal prior around 1 and 0."""

    from scipy.optimize import minimize

    def loss(x: Floats) -> tuple[float, Floats]:
        odds = x[0] * guess + x[1]
        away = (x - [1.0, 0.0]) / doubt
        error = _logistic(odds) - positive
        value = float((np.logaddexp(0, odds) - positive * odds).sum() + (away @ away) / 2)
        return value, np.array([error @ guess, error.sum()]) + away / doubt

    # A rough answer will do: it only decides which pairs a person is asked about.
    found = minimize(loss, [1.0, 0.0], jac=True, bounds=((0.05, 20), (-20, 20)), options={"ftol": 1e-4}).x
    return float(found[0]), float(found[1])


def _logistic(odds: Floats) -> Floats:
    probability: Floats = 1 / (1 + np.exp(-odds))
    return probability


def labels_so_far(
    labels: Iterable[tuple[bool, Draw | None]], scorer: str, target: float, confidence: float = CONFIDENCE
) -> DrawnLabels:
    """Return the labels with a score by `scorer`, of each whether it is a duplicate, and its draw.

    The others, such as those of a review, belong to pairs that are not drawn any more, so the frame is without them.
    """
    found = DrawnLabels(target, confidence)
    for positive, draw in labels:
        if draw is not None and draw.scorer == scorer:
            found.add(draw.score, positive, draw)
    return found


def drawn_by(pairs: Sequence[LabelledPair]) -> str | None:
    """Return the scorer by which most of the pairs were drawn; None if none was drawn."""
    scorers = Counter(pair.draw.scorer for pair in pairs if pair.draw and pair.draw.drawn)
    return scorers.most_common(1)[0][0] if scorers else None


def drawn_guarantee(
    pairs: Sequence[LabelledPair], positive: NDArray[np.bool_], scorer: str, target: float, confidence: float
) -> Guarantee | None:
    """Return what labelled pairs, in the order of labelling, guarantee of the thresholds of a scorer."""
    rows = ((bool(y), pair.draw) for pair, y in zip(pairs, positive, strict=True))
    return labels_so_far(rows, scorer, target, confidence).guarantee()
