"""A classifier of texts by their vectors, trained on a few examples a label, that knows when it is not sure.

Two kinds are tried: prototypes, where a label is the mean of its examples (Snell, Swersky and Zemel, arXiv:1703.05175),
and multinomial logistic regression. Cross-validation takes the one with the lower log loss. A temperature makes its
probabilities those that it deserves (Guo, Pleiss, Sun and Weinberger, arXiv:1706.04599).

The answers of cross-validation then say two things. From some probability up, the promised share is right
(`semsearch.tuning.guarantee`). This carries over to new texts, since they get the mean of the models of all folds. A
model of all examples would be surer of itself than any that was judged. And a text is *unknown* whose nearest example
is further away than almost all examples are from theirs: a conformal p-value (Bates, Candès, Lei, Romano and Sesia,
arXiv:2104.08279). Decision 150 has the measurements.
"""

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Vectors
from semsearch.errors import InvalidInput, extra
from semsearch.tuning.guarantee import CONFIDENCE, Guarantee, find_guarantee
from semsearch.tuning.metrics import Estimate, share_of

Kind = Literal["prototypes", "linear"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

MIN_EXAMPLES = 2
"""The fewest different texts of a label."""
_FOLDS = 5
_CANDIDATES: tuple[tuple[Kind, float], ...] = (
    ("prototypes", 1.0), ("linear", 1.0), ("linear", 10.0), ("linear", 100.0),
)  # fmt: skip
"""The kinds that are tried, each with its inverse strength of regularisation."""
_UNKNOWN = 0.05
"""The share of texts like the examples that may be called unknown."""
_LOWER = (0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
"""The promises to propose where the one that is asked for cannot be made."""
_HOTTEST = 1e4
_BLOCK = 1_000


@dataclass(frozen=True, slots=True)
class LabelReport:
    """A label in cross-validation: its number of `examples`, and the share of them that got it back."""

    label: str
    examples: int
    recall: Estimate


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """The result of cross-validation for a classifier that was trained on so many different `examples`.

    `accuracy` belongs to the `kind` in use, and `others` has the accuracy of the other kind. At least the share
    `promise` of the sure answers is right, by `guarantee`. It is None where the examples do not allow that promise. No
    answer is sure then, and `possible` is the highest of a few lower promises that they would allow, or None. `sure` is
    the share of the examples that are. So many texts are `ambiguous`: they have two labels or more.
    """

    examples: int
    kind: Kind
    accuracy: Estimate
    others: tuple[tuple[Kind, Estimate], ...]
    labels: tuple[LabelReport, ...]
    promise: float
    guarantee: Guarantee | None
    possible: float | None
    sure: Estimate
    ambiguous: int


@dataclass(frozen=True, slots=True, eq=False)
class TextClassifier:
    """A trained classifier: the logits of unit vectors [n, d] are `vectors @ weights + bias`, weights [d, labels].

    An answer is sure from the probability `cut` up. `examples` [m, d] and `nearest` [m], the ascending cosines of each
    one's nearest other example, say which texts are unknown. `within` is the mean cosine of two examples of a label.
    """

    labels: tuple[str, ...]
    weights: Floats
    bias: Floats
    cut: float
    examples: Vectors
    nearest: Floats
    within: float
    report: TrainingReport

    def probabilities(self, vectors: Vectors) -> Floats:
        """Return the probability of each label for each text, float [n, labels]."""
        return _softmax(vectors @ self.weights + self.bias)

    def unknown(self, vectors: Vectors) -> Mask:
        """Return which texts are like no example, bool [n]."""
        best = [(block @ self.examples.T).max(axis=1) for block in _blocks(vectors)]
        return _p_values(self.nearest, np.concatenate([np.empty(0), *best])) <= _UNKNOWN


def train(
    vectors: Vectors,
    labels: Sequence[str],
    texts: Sequence[bytes],
    promise: float,
    confidence: float = CONFIDENCE,
) -> TextClassifier:
    """Train a classifier on examples: unit vectors [n, d], their labels, and digests of their texts.

    An example that repeats another counts once, and equal texts with different labels stay on one side of a fold.
    Training is deterministic. Raises `InvalidInput` for fewer than two labels, for a label with fewer than
    `MIN_EXAMPLES` different texts, and for a `promise` outside (0, 1); raises `MissingExtra` without scikit-learn.
    """
    pairs = list(zip(texts, labels, strict=True))
    once = sorted({pair: at for at, pair in reversed(list(enumerate(pairs)))}.values())
    vectors, labels = vectors[once], [labels[at] for at in once]
    require_trainable(labels, promise)
    names = sorted(set(labels))
    y = np.array([names.index(label) for label in labels], np.int64)
    group = np.unique([texts[at].hex() for at in once], return_inverse=True)[1]
    rows, folds = vectors.astype(np.float64), list(_folds(y, group))
    tried = []
    for candidate in _CANDIDATES:
        logits = np.empty((len(y), len(names)))
        models = []
        for rest, held in folds:
            weights, bias = _fitted(rows[rest], y[rest], len(names), *candidate)
            logits[held] = rows[held] @ weights + bias
            models.append((weights, bias))
        loss, temperature = _tempered(logits, y)
        tried.append((loss, temperature, candidate[0], _softmax(logits / temperature), models))
    tried.sort(key=lambda one: one[0])
    _, temperature, kind, probability, models = tried[0]
    weights, bias = _averaged(models)
    others = {one[2]: one[3].argmax(axis=1) == y for one in reversed(tried)}
    right = others.pop(kind)
    own = _nearest_others(vectors, group)
    nearest = np.sort(own)
    known = _p_values(nearest, own) > _UNKNOWN
    score = np.where(known, probability.max(axis=1), 0.0)
    guarantee = find_guarantee(score, right, "precision", promise, confidence)
    lower = (
        one for one in _LOWER if one < promise and find_guarantee(score, right, "precision", one, confidence)
    )
    possible = next(lower, None) if guarantee is None else None
    cut = guarantee.threshold if guarantee is not None else math.inf
    report = TrainingReport(
        len(y),
        kind,
        share_of(right),
        tuple((kind, share_of(found)) for kind, found in others.items()),
        tuple(
            LabelReport(name, int((y == at).sum()), share_of(right[y == at])) for at, name in enumerate(names)
        ),
        promise,
        guarantee,
        possible,
        share_of(score >= cut) if guarantee is not None else Estimate(0.0, 0.0, 0.0),
        sum(count > 1 for count in Counter(texts[at] for at in once).values()),
    )
    return TextClassifier(
        tuple(names),
        weights / temperature,
        bias / temperature,
        cut,
        vectors,
        nearest,
        _within(rows, y),
        report,
    )


def require_trainable(labels: Sequence[str], promise: float) -> None:
    """Raise the errors of `train` that labels and a promise tell before any text is embedded."""
    if not (isinstance(promise, int | float) and 0 < promise < 1):
        raise InvalidInput(f"the promise is {promise!r:.80}, but must be a number between 0 and 1")
    counts = Counter(labels)
    if len(counts) < 2:
        raise InvalidInput("examples of two labels or more are needed", "add examples of another label")
    if few := [label for label, count in counts.items() if count < MIN_EXAMPLES]:
        raise InvalidInput(
            f"too few different examples of {', '.join(f'{one!r:.80}' for one in few[:10])}: {MIN_EXAMPLES} are needed",
            "ten a label are a good beginning",
        )


def _folds(y: Ints, group: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield the positions to train on, and those held out; no group is on both sides."""
    with extra("tune", "training a classifier"):
        from sklearn.model_selection import StratifiedGroupKFold
    dealt = StratifiedGroupKFold(min(_FOLDS, int(np.bincount(y).max())), shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a label with fewer examples than folds is not in each
        yield from dealt.split(y, y, group)


def _fitted(rows: Floats, y: Ints, labels: int, kind: Kind, strength: float) -> tuple[Floats, Floats]:
    """Return the weights [d, labels] and the bias [labels] of a kind. A label without examples is never the answer."""
    weights, bias = np.zeros((rows.shape[1], labels)), np.full(labels, -np.inf)
    present = np.unique(y)
    if kind == "prototypes":
        means = np.stack([rows[y == at].mean(axis=0) for at in present.tolist()])
        weights[:, present] = (means / np.linalg.norm(means, axis=1, keepdims=True)).T
        bias[present] = 0
        return weights, bias
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few examples a label, which is what it is for
        model: Any = LogisticRegression(C=strength, max_iter=1_000).fit(rows, y)
    logits, shift = model.coef_, model.intercept_
    if len(present) == 2:  # which has one row of weights, for the second label
        logits, shift = np.vstack([-logits, logits]) / 2, np.append(-shift, shift) / 2
    weights[:, present], bias[present] = logits.T, shift
    return weights, bias


def _averaged(models: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Return the mean of the models of all folds, for each label of those that know it."""
    weights, bias = (np.stack(part) for part in zip(*models, strict=True))
    known = np.isfinite(bias)
    count = known.sum(axis=0)
    return weights.sum(axis=0) / count, np.where(known, bias, 0).sum(axis=0) / count


def _tempered(logits: Floats, y: Ints) -> tuple[float, float]:
    """Return the lowest log loss of the logits at any temperature, and that temperature."""
    from scipy.optimize import minimize_scalar

    def loss(inverse: float) -> float:
        probability = _softmax(logits * math.exp(inverse))[np.arange(len(y)), y]
        return float(-np.log(np.maximum(probability, 1e-12)).mean())

    found = minimize_scalar(loss, bounds=(-math.log(_HOTTEST), math.log(_HOTTEST)), method="bounded")
    return float(found.fun), math.exp(-found.x)


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = powers / powers.sum(axis=1, keepdims=True)
    return found


def _nearest_others(vectors: Vectors, group: Ints) -> Floats:
    """Return the cosine of each text and the nearest text of another group, float [n]."""
    found, at = [], 0
    for block in _blocks(vectors):
        cosines = block @ vectors.T
        cosines[group[at : at + len(block), None] == group] = -1
        found.append(cosines.max(axis=1))
        at += len(block)
    return np.concatenate(found).astype(np.float64)


def _within(rows: Floats, y: Ints) -> float:
    """Return the mean cosine of two examples of a label, over all labels alike."""
    counts = np.bincount(y)
    sums = np.array([np.square(rows[y == at].sum(axis=0)).sum() for at in range(len(counts))])
    return float(((sums - counts) / (counts * (counts - 1))).mean())


def _p_values(nearest: Floats, cosines: NDArray[Any]) -> Floats:
    """Return the share of ascending cosines up to each of others, counting the text itself."""
    return (1 + np.searchsorted(nearest, cosines, side="right")) / (1 + len(nearest))


def _blocks(vectors: Vectors) -> Iterator[Vectors]:
    for start in range(0, len(vectors), _BLOCK):
        yield vectors[start : start + _BLOCK]
