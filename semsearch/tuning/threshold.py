"""Choose the threshold from which a pair counts as a duplicate, and measure it on held-out pairs.

A pair is flagged when its score is at least the threshold. The score is the cosine, or the probability that the pair
classifier gives. The threshold is chosen on one part of the labelled pairs and measured on the other, so the figures
come from pairs that the choice has not seen.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semsearch.dedup.alignment import Aligner
from semsearch.dedup.classifier import PairClassifier, words_of
from semsearch.errors import InvalidInput
from semsearch.tuning.cross_encoder import CrossEncoderTrainer
from semsearch.tuning.drawn import CLASSIFIER, drawn_by, drawn_guarantee, scorer_name
from semsearch.tuning.guarantee import CONFIDENCE, Guarantee, find_guarantee, threshold_between
from semsearch.tuning.metrics import (
    Mask,
    OperatingPoint,
    PrecisionRecallCurve,
    ThresholdMetrics,
    check_scores,
    operating_point,
    pair_weights,
    precision_recall_curve,
    threshold_metrics,
)
from semsearch.tuning.pairs import positives
from semsearch.tuning.split import Split, split_pairs, text_ids
from semsearch.tuning.training import train_classifier
from semsearch.types import LabelledPair

FEW = 30
"""With fewer positives or negatives in a part, a note warns that the intervals are wide."""
_LEAST = 2
"""Duplicates, and pairs that are none, that tuning takes: one to choose the threshold on, and one to measure it."""
_REFERENCES = 500
"""Accepted pairs that a classifier keeps the features of; see `semsearch.dedup.shift`."""
_WEIGHED = "the pairs were sampled unevenly, so the shares are weighted and describe all pairs sampled from"
_TABLE = tuple(step / 100 for step in range(50, 100, 5))


@dataclass(frozen=True, slots=True)
class Objective:
    """The objective of a threshold: the best F1, or a precision or recall of at least `target` with a confidence."""

    measure: Literal["f1", "precision", "recall"] = "f1"
    target: float = 0.0
    confidence: float = CONFIDENCE

    def __str__(self) -> str:
        if self.measure == "f1":
            return "best F1"
        return f"{self.measure} at least {self.target:g} with {self.confidence:.0%} confidence"


BEST_F1 = Objective()


@dataclass(frozen=True, slots=True, eq=False)
class TunedClassifier:
    """A trained classifier, its threshold and guarantee, and its metrics on the held-out pairs.

    A pair is a duplicate from a probability of `probability_threshold`. Neither the training nor the choice of that
    threshold has seen the held-out pairs.
    """

    model: PairClassifier
    probability_threshold: float
    guarantee: Guarantee | None
    reported: ThresholdMetrics


@dataclass(frozen=True, slots=True, eq=False)
class TuningResult:
    """A chosen threshold, with its metrics on the pairs it was chosen on and on the held-out pairs (`reported`).

    `table` and `curve` describe the held-out pairs. `notes` are sentences for the user: the split first, then warnings.
    `guarantee` is what holds of the threshold, if a guarantee was asked for and found. `classifier` is a pair
    classifier, if there are enough pairs to train one (see `semsearch.dedup.classifier`).
    """

    name: str
    rule: str
    objective: Objective
    threshold: float
    guarantee: Guarantee | None
    chosen_on: ThresholdMetrics
    reported: ThresholdMetrics
    table: tuple[OperatingPoint, ...]
    curve: PrecisionRecallCurve
    notes: tuple[str, ...]
    split: Split
    classifier: TunedClassifier | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, without the curve, the split and the trees of the classifier."""
        values = asdict(self)
        del values["curve"], values["split"]
        if values["classifier"]:
            del values["classifier"]["model"]
        return values


def best_f1_threshold(curve: PrecisionRecallCurve) -> float:
    """Return the threshold of the best F1; of several, the highest, which flags the fewest pairs.

    It lies between two scores (see `threshold_between`). If it flags every pair it is the lowest score.
    """
    best = int(np.argmax(curve.f1))
    upper = float(curve.thresholds[best])
    if best + 1 == len(curve.thresholds):
        return upper
    return threshold_between(upper, float(curve.thresholds[best + 1]))


def choose_threshold(
    pairs: Sequence[LabelledPair], scores: ArrayLike, positive: ArrayLike, objective: Objective
) -> tuple[float, Guarantee | None]:
    """Return the threshold that meets `objective`, and its guarantee; the best-F1 one if nothing is guaranteed."""
    weights = pair_weights(pairs)
    if objective.measure != "f1":
        found = find_guarantee(
            scores,
            positive,
            objective.measure,
            objective.target,
            objective.confidence,
            texts=text_ids(pairs),
            weights=weights,
        )
        if found is not None:
            return found.threshold, found
    return best_f1_threshold(precision_recall_curve(scores, positive, weights)), None


def tune_threshold(
    pairs: Sequence[LabelledPair],
    scores: ArrayLike,
    rule: str,
    *,
    objective: Objective = BEST_F1,
    name: str = "",
    seed: int = 0,
) -> TuningResult:
    """Choose the threshold for an objective on one part of the pairs, and measure it on the other.

    `scores` has one cosine a pair, `rule` says which pairs are duplicates (see `positives`), and `name` names the set.
    `split_pairs` makes the two parts. If no threshold has the guarantee asked for, the result is the best-F1 threshold
    without a guarantee. Raises `InvalidInput` unless each part has at least one positive and one negative pair.
    """
    scores, positive = check_scores(scores, positives(pairs, rule))
    _require_enough(positive, name, rule)
    split = split_pairs(pairs, positive, seed=seed)
    _require_both_classes(positive[split.choose], "choosing pairs", rule)
    _require_both_classes(positive[split.report], "held-out pairs", rule)
    weights = pair_weights(pairs)
    fit, held_out = (
        (scores[part], positive[part], None if weights is None else weights[part])
        for part in (split.choose, split.report)
    )
    scorer = drawn_by(pairs)
    # What pairs that were drawn by earlier labels guarantee is read from all of them, in their order.
    threshold, guarantee = choose_threshold(
        [pairs[at] for at in split.choose.tolist()], *fit[:2], BEST_F1 if scorer else objective
    )
    if scorer and not scorer.startswith(CLASSIFIER) and objective.measure == "precision":
        guarantee = drawn_guarantee(pairs, positive, scorer, objective.target, objective.confidence)
        threshold = guarantee.threshold if guarantee else threshold
    chosen_on = threshold_metrics(*fit[:2], threshold, fit[2])
    reported = threshold_metrics(*held_out[:2], threshold, held_out[2])
    return TuningResult(
        name,
        rule,
        objective,
        threshold,
        guarantee,
        chosen_on,
        reported,
        table=tuple(operating_point(*held_out, cut) for cut in sorted({*_TABLE, threshold})),
        curve=precision_recall_curve(*held_out),
        notes=(
            split.note,
            *(() if weights is None else (_WEIGHED,)),
            *_warnings(chosen_on, "choosing"),
            *_warnings(reported, "held-out"),
        ),
        split=split,
    )


def tune_classifier(
    pairs: Sequence[LabelledPair],
    cosines: ArrayLike,
    positive: ArrayLike,
    split: Split,
    objective: Objective = BEST_F1,
    aligner: Aligner | None = None,
    cross_encoder: CrossEncoderTrainer | None = None,
) -> TunedClassifier | None:
    """Train a classifier, choose its probability threshold, and measure both on the held-out part of `split`.

    One half of the choosing part trains it and the other half chooses the threshold; where possible the halves share
    no text. `aligner` gives the features of tokens, and `cross_encoder` trains a cross-encoder too. Return None if
    there are too few pairs to train on. Raises the errors of `train_classifier`.
    """
    cosines, positive = np.asarray(cosines, np.float64), np.asarray(positive, np.bool_)
    chosen = [pairs[at] for at in split.choose.tolist()]
    halves = split_pairs(chosen, positive[split.choose], ignore_marks=True)
    fit, cut = split.choose[halves.choose], split.choose[halves.report]
    model = train_classifier(
        [pairs[at] for at in fit.tolist()], cosines[fit], positive[fit], aligner, cross_encoder
    )
    if model is None:
        return None
    scored = np.concatenate([cut, split.report])
    words = words_of([pairs[at] for at in scored.tolist()])
    probabilities = model.probabilities(cosines[scored], *words, aligner)
    ours, held_out = probabilities[: len(cut)], probabilities[len(cut) :]
    threshold, guarantee = choose_threshold(
        [pairs[at] for at in cut.tolist()], ours, positive[cut], objective
    )
    model = _with_reference(model, pairs, cosines, cut[ours >= threshold])
    return TunedClassifier(
        model, threshold, guarantee, threshold_metrics(held_out, positive[split.report], threshold)
    )


def _with_reference(
    model: PairClassifier,
    pairs: Sequence[LabelledPair],
    cosines: NDArray[np.float64],
    accepted: NDArray[np.intp],
) -> PairClassifier:
    """Return the classifier with the features of accepted pairs, given by their positions, to compare others with."""
    even = np.linspace(0, len(accepted) - 1, min(len(accepted), _REFERENCES)).astype(np.intp)
    some = accepted[even]
    words = words_of([pairs[at] for at in some.tolist()])
    return replace(model, reference=model.evidence(cosines[some], *words))


def tune_drawn(
    pairs: Sequence[LabelledPair],
    cosines: ArrayLike,
    positive: ArrayLike,
    model: PairClassifier,
    objective: Objective = BEST_F1,
) -> TunedClassifier | None:
    """Choose the probability threshold of a classifier on the pairs that were drawn by it; None if there are none.

    All of them choose it, and describe it too. A guarantee holds all the same. It is about pairs like these, whatever
    the classifier was trained on.
    """
    scorer = scorer_name(model)
    mask, drawn = np.asarray(positive, np.bool_), drawn_by(pairs) == scorer
    ours = [at for at, pair in enumerate(pairs) if drawn and pair.draw and pair.draw.scorer == scorer]
    if not mask[ours].any():
        return None
    scores = np.array([pair.draw.score for at in ours if (pair := pairs[at]).draw], np.float64)
    weights = pair_weights([pairs[at] for at in ours])
    guarantee = None
    if objective.measure == "precision":
        guarantee = drawn_guarantee(pairs, mask, scorer, objective.target, objective.confidence)
    best = best_f1_threshold(precision_recall_curve(scores, mask[ours], weights))
    threshold = guarantee.threshold if guarantee else best
    accepted = np.array(ours, np.intp)[scores >= threshold]
    model = _with_reference(model, pairs, np.asarray(cosines, np.float64), accepted)
    return TunedClassifier(
        model, threshold, guarantee, threshold_metrics(scores, mask[ours], threshold, weights)
    )


def _require_enough(positive: Mask, name: str, rule: str) -> None:
    """Raise `InvalidInput` unless both parts can have a duplicate and a pair that is not one."""
    duplicates = int(np.count_nonzero(positive))
    others = len(positive) - duplicates
    if missing := max(0, _LEAST - duplicates) + max(0, _LEAST - others):
        raise InvalidInput(
            f"{name or 'the data'} has too few pairs to choose a threshold: by the rule {rule}, {duplicates:,} of"
            f" {len(positive):,} are duplicates",
            f"label at least {missing} more, so that {_LEAST} are duplicates and {_LEAST} are not, or give another"
            " --positive rule",
        )


def _require_both_classes(positive: Mask, what: str, rule: str) -> None:
    for kind, count in (("positive", np.count_nonzero(positive)), ("negative", np.count_nonzero(~positive))):
        if not count:
            raise InvalidInput(
                f"none of the {len(positive):,} {what} is {kind} by the rule {rule}",
                hint="choosing a threshold takes at least one positive and one negative pair, and so does measuring"
                " it: add pairs, or give another --positive rule",
            )


def _warnings(metrics: ThresholdMetrics, part: str) -> list[str]:
    counts = {"positives": metrics.positives, "negatives": metrics.pairs - metrics.positives}
    few = [f"only {n} {kind} in the {part} part: wide intervals" for kind, n in counts.items() if n < FEW]
    every = [f"the threshold flags every pair of the {part} part"] if metrics.flagged == metrics.pairs else []
    return few + every
