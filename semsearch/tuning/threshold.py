"""Choosing the threshold above which a pair counts as a duplicate, and saying how good that choice is.

A pair is flagged when its score, a cosine, is at least the threshold. The threshold is chosen on one part
of the labelled pairs and its quality reported on the other, so the figures are not those it was fitted to. A verifier
of pairs has its threshold as well, a chance, chosen and reported in the same way.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from semsearch.dedup.classifier import PairClassifier, words_of
from semsearch.errors import InvalidInput
from semsearch.tuning.guarantee import CONFIDENCE, Promise, cut_between, promise
from semsearch.tuning.pairs import positives
from semsearch.tuning.quality import (
    Curve,
    Mask,
    Quality,
    TradeOff,
    checked,
    evaluate,
    sweep,
    trade_off,
    weights_of,
)
from semsearch.tuning.split import Split, ends_of, split_pairs
from semsearch.tuning.training import train
from semsearch.types import LabelledPair

FEW = 30
"""With fewer positives (or negatives) than this in a part, a note says so: the intervals are wide."""
_WEIGHED = "the pairs were sampled unevenly: shares are weighted, so they are those of all pairs sampled from"
_TABLE = tuple(step / 100 for step in range(50, 100, 5))


@dataclass(frozen=True, slots=True)
class Aim:
    """What a threshold is chosen for: the best F1, or at least so much precision or recall with that confidence."""

    measure: Literal["f1", "precision", "recall"] = "f1"
    least: float = 0.0
    confidence: float = CONFIDENCE

    def __str__(self) -> str:
        if self.measure == "f1":
            return "best F1"
        return f"{self.measure} at least {self.least:g} with {self.confidence:.0%} confidence"


F1 = Aim()


@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """A verifier, the least `chance` at which a pair counts, what is promised of it, and how it does on pairs that
    neither it nor that choice has seen."""

    verifier: PairClassifier
    chance: float
    promise: Promise | None
    reported: Quality


@dataclass(frozen=True, slots=True, eq=False)
class Tuning:
    """A chosen threshold, and how it does on the pairs it was chosen on and on those kept back (`reported`).

    `table` and `curve` are of the pairs kept back. `notes` are sentences for the user: how the pairs were
    split, and what to be wary of. `promise` is what can be promised of the threshold, if anything was asked for;
    `verified` a verifier of pairs, where there are enough to train one (see `semsearch.dedup.classifier`).
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
    verified: Verified | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values: everything but what has an entry a pair, and the trees of the verifier."""
        values = asdict(self)
        del values["curve"], values["split"]
        if values["verified"]:
            del values["verified"]["verifier"]
        return values


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
        ends = ends_of(pairs)
        made = promise(scores, positive, aim.measure, aim.least, aim.confidence, texts=ends, weights=weights)
        if made is not None:
            return made.threshold, made
    return choose(sweep(scores, positive, weights)), None


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
    scores, positive = checked(scores, positives(pairs, rule))
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
        table=tuple(trade_off(*kept, cut) for cut in sorted({*_TABLE, threshold})),
        curve=sweep(*kept),
        notes=(
            split.note,
            *(() if weights is None else (_WEIGHED,)),
            *_cautions(chosen_on, "choosing"),
            *_cautions(reported, "reporting"),
        ),
        split=split,
    )


def verify(
    pairs: Sequence[LabelledPair], cosines: ArrayLike, positive: ArrayLike, split: Split, aim: Aim = F1
) -> Verified | None:
    """Train a verifier on one half of the choosing part, choose its cut on the other, and report as `tune` does.

    The halves share no text where that can be, as in `split_pairs`. None where there are too few pairs to train on.
    """
    cosines, positive = np.asarray(cosines, np.float64), np.asarray(positive, np.bool_)
    chosen = [pairs[at] for at in split.choose.tolist()]
    halves = split_pairs(chosen, positive[split.choose], ignore_marks=True)
    fit, cut = split.choose[halves.choose], split.choose[halves.report]
    verifier = train([pairs[at] for at in fit.tolist()], cosines[fit], positive[fit])
    if verifier is None:
        return None
    judged = np.concatenate([cut, split.report])
    chances = verifier.probabilities(cosines[judged], *words_of([pairs[at] for at in judged.tolist()]))
    ours, kept = chances[: len(cut)], chances[len(cut) :]
    chance, promised = decide([pairs[at] for at in cut.tolist()], ours, positive[cut], aim)
    return Verified(verifier, chance, promised, evaluate(kept, positive[split.report], chance))


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
