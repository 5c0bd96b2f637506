"""Train the pair classifier with scikit-learn, and keep it only where it ranks pairs better than their cosine."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semsearch.dedup.alignment import Aligner
from semsearch.dedup.classifier import (
    Floats,
    PairClassifier,
    ReadTogether,
    features_of,
    known_share,
    logit,
    trust_of,
    vocabulary_of,
    weighed,
    words_of,
)
from semsearch.dedup.features import FEATURES
from semsearch.dedup.forest import LEAF, Forest
from semsearch.dedup.kernel import KernelMachine, PairSpace, gaussian
from semsearch.embedding.packed_tensors import rounded
from semsearch.errors import extra
from semsearch.text import clean
from semsearch.tuning.cross_encoder import EPOCHS, CrossEncoderTrainer
from semsearch.tuning.metrics import average_precision, precision_recall_curve
from semsearch.tuning.split import Ints, Mask, pair_clusters
from semsearch.types import LabelledPair

MIN_PAIRS = 50
"""Training needs this many duplicates and this many other pairs."""
_TREES, _FOLDS = 200, 5
_MISSED, _SCREENED = 0.01, 0.005
"""The shares of the training duplicates that may lie below the floor, and below the screen."""
_BLENDS, _UNFAMILIAR = (0.3, 0.6, 0.8, 1.0), (0.3, 0.6, 1.0)
_SAME = 0.005
"""Average precisions that differ by no more are the same: then the trees are trusted less with unfamiliar pairs."""
_GAIN = 0.01
"""The least gain in average precision with which the classifier is kept, and a cross-encoder."""
_LIKELY = -4.0
"""The logit by the trees from which on a cross-encoder reads a pair: a probability of 2%."""
_JUDGES = 25
"""The likely duplicates and other pairs that must be left for choosing a cross-encoder's share."""
_SAMPLES = 100
"""Bootstrap samples (Efron 1979) that say whether a gain may be chance."""
_AXES, _COST, _FEATURES_WEIGHT = 128, 2.0, 2.0
"""The axes of a kernel machine, its penalty for an error, and the weight of the trees' features next to the axes."""
_RIDGE, _JITTER = 0.1, 1e-6
"""The penalty of the regression on grades, and what keeps its equations solvable."""
_MOST_POINTS = 5_000
"""Pairs that train a kernel machine, drawn at random if there are more: it takes the square of their number."""
_CONSTANT = 1e-4
"""The standard deviation up to which a value is constant for a kernel machine."""
_GRADE, _KIND, _MOST_KINDS = 0.8, 0.5, 5
"""The weights of a grade and of a kind next to the label where the trees split, and the most kinds that count."""

Rows = NDArray[np.float32]


class NotBetter(Exception):
    """The classifier ranks the pairs no better than their cosine: `ours` and `cosine` are average precisions."""

    def __init__(self, ours: float, cosine: float) -> None:
        super().__init__(ours, cosine)
        self.ours, self.cosine = ours, cosine


def train_classifier(
    pairs: Sequence[LabelledPair],
    cosines: ArrayLike,
    positive: ArrayLike,
    aligner: Aligner | None = None,
    cross_encoder: CrossEncoderTrainer | None = None,
) -> PairClassifier | None:
    """Train a classifier on pairs, with `cosines` float [n] and `positive` bool [n].

    Training is deterministic. `aligner` gives the features of tokens, if the model has them. `cross_encoder` trains
    what reads the likely pairs; it is kept only where held-out pairs show a gain. Return None if there are fewer than
    `MIN_PAIRS` duplicates or other pairs, or if the cosine alone separates the two. Raises `NotBetter` where
    cross-validation on pairs without a common text finds the cosine as good, and `MissingExtra` if scikit-learn is not
    installed.
    """
    cosines, positive = np.asarray(cosines, np.float64), np.asarray(positive, np.bool_)
    if min(np.count_nonzero(positive), np.count_nonzero(~positive)) < MIN_PAIRS:
        return None
    floor = float(np.floor(100 * np.quantile(cosines[positive], _MISSED)) / 100)
    able = np.flatnonzero(cosines >= floor)
    if positive[able].all():
        return None
    with extra("tune", "training the classifier"):
        import sklearn  # noqa: F401 - the functions below import from it
    labelled = [pairs[at] for at in able.tolist()]
    a, b = words_of(labelled)
    words, truth = features_of(cosines[able], a, b), positive[able]
    rows, differences = words, None
    if aligner is not None:
        aligned, differences = aligner.features([x.text for x in a], [y.text for y in b])
        rows = np.column_stack([words, aligned])
    outputs, shares = _targets(labelled, truth)
    targets, grades = outputs * shares, _grades(labelled)
    cosine = _line(cosines[:, None], positive)
    screened, known = np.zeros(len(rows)), np.zeros(len(rows))
    machines = 0 if differences is None else 1 if grades is None else 2
    unseen = np.zeros((len(rows), 1 + machines))  # logits by the trees, and by the machines
    for rest, held in _folds(pair_clusters(labelled)):
        if 0 < np.count_nonzero(truth[rest]) < np.count_nonzero(rest):
            unseen[held, 0] = logit(_trees(rows[rest], targets[rest], _TREES // 2).predict(rows[held]))
            if differences is not None:
                known_grades = None if grades is None else grades[rest]
                for at, one in enumerate(
                    _machines(differences[rest], rows[rest], truth[rest], known_grades), 1
                ):
                    unseen[held, at] = one.logits(one.space.project(differences[held]), rows[held])
            weights, bias = _screen(words[rest], truth[rest])
            screened[held] = words[held] @ weights + bias
            seen = vocabulary_of(side[at] for side in (a, b) for at in np.flatnonzero(rest).tolist())
            inside = np.flatnonzero(held).tolist()
            known[held] = known_share([a[at] for at in inside], [b[at] for at in inside], seen)
    weights, bias = _screen(words, truth)
    least = float(np.quantile(screened[truth], _SCREENED))
    slope, intercept = _line(unseen, truth)
    while (slope[1:] < 0).any():  # a machine that does not help is left out
        unseen[:, 1:] *= slope[1:] > 0
        slope, intercept = _line(unseen, truth)
    by_cosine = cosine[0][0] * cosines + cosine[1]
    ours = unseen @ slope + intercept
    ours = np.where(screened >= least, ours, np.minimum(screened, by_cosine[able]))
    blend, unfamiliar = _best_blend(ours, by_cosine, known, able, positive)
    together = None
    if cross_encoder is not None:
        likely = np.flatnonzero((screened >= least) & (ours >= _LIKELY))
        trust: Floats = blend * trust_of(known, unfamiliar)

        def scores(logits: Floats) -> Floats:
            found: Floats = by_cosine.copy()
            found[able] = weighed(by_cosine[able], trust, logits)
            return found

        together = _read_together(cross_encoder, pairs, positive, able[likely], likely, ours, scores)
    return PairClassifier(
        floor=floor,
        least=least,
        blend=blend,
        unfamiliar=unfamiliar,
        slope=float(slope[0]),
        intercept=intercept,
        cosine_slope=float(cosine[0][0]),
        cosine_intercept=cosine[1],
        bias=bias,
        weights=weights,
        vocabulary=vocabulary_of([*a, *b]),
        forest=_trees(rows, targets, _TREES),
        tokens=aligner is not None,
        reference=np.zeros((0, 2 + len(FEATURES)), np.float32),
        machine=_weighted(_machines(differences, rows, truth, grades), slope[1:])
        if differences is not None and slope[1:].any()
        else None,
        together=together,
    )


def _read_together(
    trainer: CrossEncoderTrainer,
    pairs: Sequence[LabelledPair],
    positive: Mask,
    likely: Ints,
    places: Ints,
    logits: Floats,
    scores: Callable[[Floats], Floats],
) -> ReadTogether | None:
    """Train a cross-encoder on four fifths of the pairs; choose its share on the rest. Return None without a gain.

    `likely` are the pairs to read, `logits` has those of the trees at `places`, by trees that were not trained on the
    pair, and `scores` turns logits into what ranks all pairs.
    """
    outputs, shares = _targets(pairs, positive)
    a, b = (
        [clean(text) for text in side] for side in zip(*((p.text_a, p.text_b) for p in pairs), strict=True)
    )
    tokens = trainer.tokens.pairs(a, b)
    rest, held = next(_folds(pair_clusters(pairs)))
    rows = np.flatnonzero(rest & trainer.tokens.fit(tokens))
    inside = held[likely]
    likely, places = likely[inside], places[inside]
    if min(np.count_nonzero(positive[likely]), np.count_nonzero(~positive[likely])) < _JUDGES:
        return None
    trainer.total = EPOCHS * len(rows)
    weights = trainer.train_pairs([tokens[at] for at in rows.tolist()], outputs[rows], shares)
    read = trainer.reader(weights).logits(*([side[at] for at in likely.tolist()] for side in (a, b)))
    values = np.column_stack([logits[places], read])
    known = ~np.isnan(read)
    (trees, share), bias = _line(values[known], positive[likely[known]])
    found = ReadTogether(weights, _LIKELY, float(trees), float(share), bias)
    blended = logits.copy()
    blended[places] = found.blended(*values.T)
    before, after = (scores(one)[held] for one in (logits, blended))
    trainer.compared = _precision(before, positive[held]), _precision(after, positive[held])
    gain = _resampled_gain(after, before, positive[held])
    return found if trainer.compared[1] >= trainer.compared[0] + _GAIN and gain > 0 and share > 0 else None


def _best_blend(
    ours: Floats, cosine: Floats, known: Floats, able: Ints, positive: Mask
) -> tuple[float, float]:
    """Return the `blend` and `unfamiliar` of `PairClassifier` that rank best.

    Raises `NotBetter` where the cosine is as good.
    """
    plain = _precision(cosine, positive)
    found = []
    for unfamiliar in _UNFAMILIAR:
        for blend in _BLENDS:
            scores = cosine.copy()
            scores[able] = weighed(cosine[able], blend * trust_of(known, unfamiliar), ours)
            found.append((_precision(scores, positive), blend, unfamiliar))
    best = max(found)[0]
    least = min(unfamiliar for value, _, unfamiliar in found if value >= best - _SAME)
    value, blend, unfamiliar = max(choice for choice in found if choice[2] == least)
    scores = cosine.copy()
    scores[able] = weighed(cosine[able], blend * trust_of(known, unfamiliar), ours)
    if value < plain + _GAIN or _resampled_gain(scores, cosine, positive) <= 0:
        raise NotBetter(value, plain)
    return blend, unfamiliar


def _precision(scores: Floats, positive: Mask) -> float:
    return average_precision(precision_recall_curve(scores, positive))


def _resampled_gain(ours: Floats, cosine: Floats, positive: Mask) -> float:
    """Return the gain in average precision that all but a tenth of the bootstrap samples of the pairs reach."""
    rng, gains = np.random.default_rng(0), []
    for _ in range(_SAMPLES):
        drawn = rng.integers(0, len(positive), len(positive))
        if positive[drawn].any():
            gain, plain = (
                average_precision(precision_recall_curve(scores[drawn], positive[drawn]))
                for scores in (ours, cosine)
            )
            gains.append(gain - plain)
    return float(np.quantile(gains, 0.1))


def _folds(cluster: Ints) -> Iterator[tuple[Mask, Mask]]:
    """Yield the pairs to train on and those to predict, which share no text, for each fold."""
    fold = np.random.default_rng(0).integers(0, _FOLDS, cluster.max() + 1)[cluster]
    for held in range(_FOLDS):
        yield fold != held, fold == held


def _targets(pairs: Sequence[LabelledPair], truth: Mask) -> tuple[Floats, Floats]:
    """Return what to predict, float64 [n, k] in [0, 1], and the weight of each column, [k].

    The columns are the label, then the grade and the kinds where all pairs have them. Only the label is used later. The
    others help to choose the splits: a leaf then has pairs alike in all respects.
    """
    columns, shares = [truth.astype(np.float64)], [1.0]
    if (grades := _grades(pairs)) is not None:
        columns.append(grades)
        shares.append(_GRADE)
    kinds = sorted({pair.kind for pair in pairs})
    if "" not in kinds and 1 < len(kinds) <= _MOST_KINDS:
        columns += [np.array([pair.kind == kind for pair in pairs], np.float64) for kind in kinds]
        shares += [_KIND] * len(kinds)
    return np.column_stack(columns), np.array(shares)


def _grades(pairs: Sequence[LabelledPair]) -> Floats | None:
    """Return the grades of pairs, float64 [n] from 0 to 1, or None where a pair has none or all have the same."""
    grades = [pair.score for pair in pairs]
    if None in grades or not np.ptp(known := np.array(grades, np.float64)):
        return None
    found: Floats = (known - known.min()) / np.ptp(known)
    return found


def _trees(rows: Rows, targets: Floats, count: int) -> Forest:
    """Train trees and return them as arrays that give the first target."""
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(count, min_samples_leaf=3, max_features=0.4, random_state=0)
    return flatten(forest.fit(rows, targets if targets.shape[1] > 1 else targets.ravel()))


def _machines(differences: Rows, features: Rows, truth: Mask, grades: Floats | None) -> list[KernelMachine]:
    """Train a support vector machine, and with `grades` a ridge regression on them that has the same vectors.

    The latter is the approximation by a subset of regressors (Rasmussen and Williams 2006, section 8.3.1).
    """
    from sklearn.decomposition import PCA
    from sklearn.svm import SVC

    drawn = np.random.default_rng(0).permutation(len(truth))[:_MOST_POINTS]
    differences, features, truth = differences[drawn], features[drawn], truth[drawn]
    width = differences.shape[1]
    values = np.column_stack([differences, features]).astype(np.float64)
    spread = values.std(axis=0)
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > _CONSTANT)
    scale[width:] *= _FEATURES_WEIGHT
    standard = (values[:, :width] - values[:, :width].mean(axis=0)) * scale[:width]
    axes = PCA(min(_AXES, *standard.shape), random_state=0).fit(standard).components_.T
    space = PairSpace(*rounded(values.mean(axis=0), scale, axes))
    points = space.points(space.project(differences), features)
    gamma = 1 / points.var(axis=0).sum()
    fitted = SVC(C=_COST, gamma=gamma).fit(points, truth)
    found = [
        KernelMachine(
            space,
            *rounded(fitted.support_vectors_, fitted.dual_coef_[0], np.array([gamma]), fitted.intercept_),
        )
    ]
    if grades is not None:
        grades, vectors = grades[drawn], found[0].vectors
        near = gaussian(points, vectors, found[0].gamma)
        smooth = gaussian(vectors.astype(np.float64), vectors, found[0].gamma)
        mean = grades.mean()
        least_squares = near.T @ near + _RIDGE * smooth + _JITTER * np.eye(len(vectors))
        shares = np.linalg.solve(least_squares, near.T @ (grades - mean))
        shares, bias = rounded(shares, np.array([mean]))
        found.append(replace(found[0], shares=shares, bias=bias))
    return found


def _weighted(machines: Sequence[KernelMachine], weights: Floats) -> KernelMachine:
    """Return the machine whose logits are the weighted sum of those of machines with the same vectors."""
    shares, bias = (
        sum(
            weight * getattr(one, name).astype(np.float64)
            for one, weight in zip(machines, weights, strict=True)
        )
        for name in ("shares", "bias")
    )
    shares, bias = rounded(shares, bias)
    return replace(machines[0], shares=shares, bias=bias)


def flatten(forest: Any) -> Forest:
    """Return scikit-learn's trees as arrays that give the same mean of the first target."""
    trees = [estimator.tree_ for estimator in forest.estimators_]
    sizes = [tree.node_count for tree in trees]
    starts = np.cumsum([0, *sizes[:-1]])

    def joined(name: str) -> Any:
        return np.concatenate([getattr(tree, name) for tree in trees])

    leaf = joined("children_left") == -1
    # Features are float32, so the next float32 below a threshold splits them in the same way.
    most = joined("threshold")
    below = most.astype(np.float32)
    below = np.where(below > most, np.nextafter(below, np.float32(-np.inf)), below)
    value = np.concatenate([tree.value[:, 0, 0] for tree in trees])
    return Forest(
        starts,
        np.where(leaf, LEAF, joined("feature")).astype(np.int16),
        np.where(leaf, value, below).astype(np.float32),
        np.where(leaf, np.arange(len(leaf)), joined("children_right") + np.repeat(starts, sizes)),
    )


def _screen(words: Rows, truth: Mask) -> tuple[Floats, float]:
    """Fit the logistic regression of the screen to the features of words. Return its weights and its bias."""
    middle, spread = words.mean(axis=0, dtype=np.float64), words.std(axis=0, dtype=np.float64) + 1e-9
    weights, bias = _line((words - middle) / spread, truth, 0.1)
    return weights / spread, bias - float(weights @ (middle / spread))


def _line(values: Floats, truth: Mask, strength: float = 1e6) -> tuple[Floats, float]:
    """Fit the weights and the intercept that turn values into logits (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=strength, max_iter=1000).fit(values, truth)
    return fitted.coef_[0], float(fitted.intercept_[0])
