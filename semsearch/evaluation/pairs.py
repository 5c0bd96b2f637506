"""Evaluate a model on labelled pairs: its agreement with people, its speed, and its errors."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder, ProgressCallback
from semsearch.errors import InvalidInput
from semsearch.text import clean
from semsearch.text.diff import count_words, difference
from semsearch.tuning.agreement import agreement
from semsearch.tuning.metrics import PrecisionRecallCurve, average_precision, precision_recall_curve
from semsearch.tuning.pairs import PairSet, positives
from semsearch.tuning.scoring import score_pairs
from semsearch.types import LabelledPair

WORST = 10
"""The default number of pairs to list as a model's largest errors."""
_LENGTHS = ((10, "at most 10 words"), (20, "11 to 20 words"), (35, "21 to 35 words"))
_LONGEST = "more than 35 words"
_KINDS = 8
"""The number of the data's own labels that get a slice: the most frequent ones."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the pairs with something in common: the length of the longer text, a difference, or a label (`by`).

    The error of a pair is the mean grade of pairs with its cosine, less its own grade, on a scale of 0 to 1. `bias` is
    the mean error (above 0: scored too high) and `error` the mean absolute error. `pearson` is None for fewer than ten
    pairs, and if all grades are equal.
    """

    by: str
    name: str
    pairs: int
    positives: int | None
    pearson: float | None
    bias: float
    error: float


@dataclass(frozen=True, slots=True)
class Miss:
    """A pair with a large error: its cosine, the mean grade of pairs with that cosine (`expected`), and its grade."""

    text_a: str
    text_b: str
    cosine: float
    expected: float
    grade: float
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class ModelReport:
    """The results of a model on labelled pairs.

    `pearson` and `spearman` are the correlations with the grades. A `rule` says which pairs are duplicates
    (`positives` of them). `average_precision` is the mean precision over recall; `recall_at_90` and `recall_at_95` are
    the highest recall with that precision, 0 if no threshold has it. Without a rule these are None. `rates` are the
    distinct texts embedded a second, one for each round. `size` is the size of the weights in bytes, and `oov_rate` the
    share of tokens outside the model's vocabulary.

    The arrays have shape [pairs]: the cosines (`scores`), the `grades` scaled to 0 to 1, the mean grade of pairs with
    that cosine (`expected`, an isotonic regression), and the mask of the duplicates (`positive`).
    """

    model: str
    dtype: str
    dimension: int
    pairs: int
    pearson: float
    spearman: float
    rule: str | None
    positives: int | None
    average_precision: float | None
    recall_at_90: float | None
    recall_at_95: float | None
    texts: int
    rates: tuple[float, ...]
    size: int
    oov_rate: float
    slices: tuple[Slice, ...]
    worst: tuple[Miss, ...]
    scores: Floats
    grades: Floats
    expected: Floats
    positive: Mask | None
    curve: PrecisionRecallCurve | None

    @property
    def rate(self) -> float:
        """The median of the texts embedded a second."""
        return median(self.rates)

    @property
    def label(self) -> str:
        """The model, with its arithmetic if that is not float32."""
        return self.model if self.dtype == "float32" else f"{self.model} ({self.dtype})"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, without the arrays."""
        values: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in ("slices", "worst"):
                value = [{f.name: getattr(part, f.name) for f in fields(part)} for part in value]
            if not isinstance(value, np.ndarray | PrecisionRecallCurve):
                values[one.name] = value
        return values | {"texts_per_second": self.rate}


def evaluate_model(
    pairs: PairSet,
    embedder: Embedder,
    *,
    rule: str | None = None,
    repeats: int = 1,
    worst: int = WORST,
    progress: ProgressCallback | None = None,
) -> ModelReport:
    """Evaluate a model on pairs with grades, or with labels, which count as 0 and 1.

    `rule` says which pairs are duplicates (see `positives`); the default is the pairs' own rule, if they have one. All
    texts are embedded `repeats` times. Raises `InvalidInput` if a pair has neither a grade nor a label, if all grades
    are equal, or if the rule does not fit the pairs.
    """
    runs = [score_pairs(pairs, embedder, progress, recompute=True) for _ in range(repeats)]
    found = runs[0]
    grades = _grades(pairs)
    agreed = agreement(found.scores, grades)
    grades = (grades - grades.min()) / np.ptp(grades)
    expected = expected_grades(found.scores, grades)
    rule, positive = _positive(pairs, rule)
    curve = precision_recall_curve(found.scores, positive) if positive is not None else None
    wrong = np.argsort(-np.abs(expected - grades), kind="stable")[:worst]
    return ModelReport(
        model=embedder.fingerprint.model,
        dtype=embedder.fingerprint.dtype,
        dimension=embedder.fingerprint.dimension,
        pairs=agreed.n,
        pearson=agreed.pearson,
        spearman=agreed.spearman,
        rule=rule,
        positives=int(positive.sum()) if positive is not None else None,
        average_precision=average_precision(curve) if curve else None,
        recall_at_90=recall_at(curve, 0.90) if curve else None,
        recall_at_95=recall_at(curve, 0.95) if curve else None,
        texts=found.texts,
        rates=tuple(run.texts / run.seconds for run in runs),
        size=embedder.size,
        oov_rate=found.oov_rate,
        slices=tuple(_slices(pairs.pairs, found.scores, grades, expected, positive)),
        worst=tuple(
            _miss(pairs.pairs[at], found.scores[at], expected[at], grades[at]) for at in wrong.tolist()
        ),
        scores=found.scores,
        grades=grades,
        expected=expected,
        positive=positive,
        curve=curve,
    )


def recall_at(curve: PrecisionRecallCurve, precision: float) -> float:
    """Return the highest recall of the thresholds with at least this precision, or 0 if there is none."""
    return float(curve.recall[curve.precision >= precision].max(initial=0))


def _grades(pairs: PairSet) -> Floats:
    grades = [pair.score if pair.score is not None else pair.duplicate for pair in pairs.pairs]
    if any(value is None for value in grades):
        raise InvalidInput(f"{pairs.name}: some pairs have neither a score nor a label")
    return np.array(grades, float)


def _positive(pairs: PairSet, rule: str | None) -> tuple[str | None, Mask | None]:
    """Return the rule and its mask of duplicates, or (None, None) without a rule or without a duplicate."""
    if rule is None:
        try:
            rule = pairs.default_rule
        except InvalidInput:
            return None, None
    positive = positives(pairs.pairs, rule)
    return (rule, positive) if positive.any() else (None, None)


def expected_grades(scores: Floats, grades: Floats) -> Floats:
    """Return the isotonic regression of the grades on the cosines, float64 [pairs]; equal for equal cosines."""
    from scipy.optimize import isotonic_regression

    _, at, counts = np.unique(scores, return_inverse=True, return_counts=True)
    means = np.bincount(at, grades) / counts
    fitted: Floats = isotonic_regression(means, weights=counts).x[at]
    return fitted


def _slices(
    pairs: tuple[LabelledPair, ...], scores: Floats, grades: Floats, expected: Floats, positive: Mask | None
) -> Iterator[Slice]:
    """Yield every part that has a pair: by length, by difference, then by the data's labels."""
    marks = [_properties(pair) for pair in pairs]
    kinds = [kind for kind, _ in Counter(pair.kind for pair in pairs if pair.kind).most_common(_KINDS)]
    parts = [
        *(("length", name) for name in (*(name for _, name in _LENGTHS), _LONGEST)),
        *(("negation", name) for name in ("differs", "in neither, or both")),
        *(("number", name) for name in ("differs", "in neither, or the same")),
        *(("label", kind) for kind in (sorted(kinds) if len(kinds) > 1 else ())),
    ]
    for by, name in parts:
        inside = np.array([mark[by] == name for mark in marks], bool)
        count = int(np.count_nonzero(inside))
        if not count:
            continue
        off = expected[inside] - grades[inside]
        tells = count >= 10 and np.ptp(grades[inside]) > 0 and np.ptp(scores[inside]) > 0
        yield Slice(
            by,
            name,
            count,
            int(np.count_nonzero(positive[inside])) if positive is not None else None,
            agreement(scores[inside], grades[inside]).pearson if tells else None,
            float(off.mean()),
            float(np.abs(off).mean()),
        )


def _properties(pair: LabelledPair) -> dict[str, str]:
    a, b = clean(pair.text_a), clean(pair.text_b)
    length = max(count_words(a), count_words(b))
    found = difference(a, b)
    return {
        "length": next((name for most, name in _LENGTHS if length <= most), _LONGEST),
        "negation": "differs" if found.negations else "in neither, or both",
        "number": "differs" if found.numbers else "in neither, or the same",
        "label": pair.kind,
    }


def _miss(pair: LabelledPair, cosine: float, expected: float, grade: float) -> Miss:
    return Miss(pair.text_a, pair.text_b, float(cosine), float(expected), float(grade), pair.kind)
