"""A model judged on labelled pairs: how far its cosine agrees with people, how fast it is, and where it goes wrong."""

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
from semsearch.tuning.pairs import PairSet, positives
from semsearch.tuning.quality import Curve, sweep
from semsearch.tuning.scoring import cosines
from semsearch.types import LabelledPair

WORST = 10
"""Pairs that are listed as those a model gets most wrong, unless the user says otherwise."""
_BANDS = ((10, "at most 10 words"), (20, "11 to 20 words"), (35, "21 to 35 words"))
_LONGEST = "more than 35 words"
_KINDS = 8
"""Labels of the data that are looked at one by one: the most frequent."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the pairs, by what they have in common: `by` the words of the longer text, a difference, a label.

    `bias` is by how much its pairs are scored too high (below 0: too low), on the scale of the grades as 0 to 1: what
    all pairs of such a cosine are graded on average, less what these are; `error` is the mean size of that. `pearson`
    is None for fewer than ten pairs, or where all are graded the same.
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
    """A pair that a model gets wrong: its cosine, what pairs of such a cosine are graded on average, and its grade."""

    text_a: str
    text_b: str
    cosine: float
    expected: float
    grade: float
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class ModelReport:
    """A model judged on pairs.

    `pearson` and `spearman` are the correlations with the `grades`. With a `rule` that says which pairs are duplicates
    (`positives` of them), `average_precision` is the mean of the precision over the recall it is reached at, and
    `recall_at_90` and `recall_at_95` the largest recall with such a precision, 0 where none has it; without, they are
    None. `rates` are distinct texts embedded a second, one for each time; `size` is that of the weights in bytes, and
    `unknown` the share of tokens that the model does not know.

    The arrays are [pairs]: the cosines (`scores`), the `grades` as 0 to 1, what pairs of such a cosine are graded on
    average (`expected`: their isotonic regression), and which are duplicates (`positive`).
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
    unknown: float
    slices: tuple[Slice, ...]
    worst: tuple[Miss, ...]
    scores: Floats
    grades: Floats
    expected: Floats
    positive: Mask | None
    curve: Curve | None

    @property
    def rate(self) -> float:
        """Texts embedded a second: the median."""
        return median(self.rates)

    @property
    def label(self) -> str:
        """The model, and how it computes where that is not the usual way."""
        return self.model if self.dtype == "float32" else f"{self.model} ({self.dtype})"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values: everything but the arrays."""
        values: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in ("slices", "worst"):
                value = [{f.name: getattr(part, f.name) for f in fields(part)} for part in value]
            if not isinstance(value, np.ndarray | Curve):
                values[one.name] = value
        return values | {"texts_per_second": self.rate}


def judge(
    pairs: PairSet,
    embedder: Embedder,
    *,
    rule: str | None = None,
    repeats: int = 1,
    worst: int = WORST,
    progress: ProgressCallback | None = None,
) -> ModelReport:
    """DecisionRule a model on pairs with graded scores, or with labels, taken as 0 and 1.

    `rule` says which pairs are duplicates (see `positives`); by default the pairs' own, where they have one. All texts
    are embedded `repeats` times. Raises `InvalidInput` where a pair has neither grade nor label, where all are graded
    alike, and for a rule that does not fit.
    """
    runs = [cosines(pairs, embedder, progress, anew=True) for _ in range(repeats)]
    found = runs[0]
    grades = _grades(pairs)
    agreed = agreement(found.scores, grades)
    grades = (grades - grades.min()) / np.ptp(grades)
    expected = expected_grades(found.scores, grades)
    rule, positive = _positive(pairs, rule)
    curve = sweep(found.scores, positive) if positive is not None else None
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
        unknown=found.unknown,
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


def average_precision(curve: Curve) -> float:
    """The mean of the precision at each threshold, weighted by the recall that it adds."""
    return float(np.sum(np.diff(curve.recall, prepend=0) * curve.precision))


def recall_at(curve: Curve, precision: float) -> float:
    """The largest recall of a threshold with at least such a precision; 0 where none has it."""
    return float(curve.recall[curve.precision >= precision].max(initial=0))


def _grades(pairs: PairSet) -> Floats:
    grades = [pair.score if pair.score is not None else pair.duplicate for pair in pairs.pairs]
    if any(value is None for value in grades):
        raise InvalidInput(f"{pairs.name}: some pairs have neither a score nor a label")
    return np.array(grades, float)


def _positive(pairs: PairSet, rule: str | None) -> tuple[str | None, Mask | None]:
    """The rule, and what it makes of the pairs; None where there is none, or where it finds no duplicate."""
    if rule is None:
        try:
            rule = pairs.default_rule
        except InvalidInput:
            return None, None
    positive = positives(pairs.pairs, rule)
    return (rule, positive) if positive.any() else (None, None)


def expected_grades(scores: Floats, grades: Floats) -> Floats:
    """The mean grade of pairs of each one's cosine, never falling as that rises; of equal cosines the same."""
    from scipy.optimize import isotonic_regression

    _, at, counts = np.unique(scores, return_inverse=True, return_counts=True)
    means = np.bincount(at, grades) / counts
    fitted: Floats = isotonic_regression(means, weights=counts).x[at]
    return fitted


def _slices(
    pairs: tuple[LabelledPair, ...], scores: Floats, grades: Floats, expected: Floats, positive: Mask | None
) -> Iterator[Slice]:
    """All the parts that have a pair, in the order of length, what differs, and the data's labels."""
    marks = [_marks(pair) for pair in pairs]
    kinds = [kind for kind, _ in Counter(pair.kind for pair in pairs if pair.kind).most_common(_KINDS)]
    parts = [
        *(("length", name) for name in (*(name for _, name in _BANDS), _LONGEST)),
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


def _marks(pair: LabelledPair) -> dict[str, str]:
    a, b = clean(pair.text_a), clean(pair.text_b)
    length = max(count_words(a), count_words(b))
    found = difference(a, b)
    return {
        "length": next((name for most, name in _BANDS if length <= most), _LONGEST),
        "negation": "differs" if found.negations else "in neither, or both",
        "number": "differs" if found.numbers else "in neither, or the same",
        "label": pair.kind,
    }


def _miss(pair: LabelledPair, cosine: float, expected: float, grade: float) -> Miss:
    return Miss(pair.text_a, pair.text_b, float(cosine), float(expected), float(grade), pair.kind)
