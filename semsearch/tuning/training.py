"""Train the pair classifier with scikit-learn and flatten its trees to plain arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semsearch.dedup.classifier import LEAF, Floats, PairClassifier, features_of, words_of
from semsearch.errors import extra
from semsearch.tuning.split import pair_clusters
from semsearch.types import LabelledPair

MIN_PAIRS = 100
"""Training needs this many duplicates and this many other pairs."""
_SEEDS, _FOLDS = 3, 5
_MISSED = 0.01
"""The share of the training duplicates that may lie below the floor."""


def train_classifier(
    pairs: Sequence[LabelledPair], cosines: ArrayLike, positive: ArrayLike
) -> PairClassifier | None:
    """Train a classifier on pairs, with `cosines` float [n] and `positive` bool [n].

    Training is deterministic. Return None if there are fewer than `MIN_PAIRS` duplicates or other pairs, or if the
    cosine alone separates the two. Raises `MissingExtra` if scikit-learn is not installed.
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
    a, b = words_of([pairs[at] for at in able.tolist()])
    rows, truth, cosines = features_of(cosines[able], a, b), positive[able], cosines[able]
    cluster = pair_clusters([pairs[at] for at in able.tolist()])
    fold = np.random.default_rng(0).integers(0, _FOLDS, cluster.max() + 1)[cluster]
    unseen = np.zeros(len(rows))
    for held in range(_FOLDS):
        rest, part = fold != held, fold == held
        if part.any() and 0 < np.count_nonzero(truth[rest]) < np.count_nonzero(rest):
            unseen[part] = _flatten([_boosted_trees(rows[rest], truth[rest], held)], floor)._sum(rows[part])
    forests = [_boosted_trees(rows, truth, seed) for seed in range(_SEEDS)]
    slope, intercept = _platt(unseen, truth)
    return _flatten(forests, floor, slope, intercept)


def _boosted_trees(rows: NDArray[np.float32], truth: NDArray[np.bool_], seed: int) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(
        n_estimators=150, learning_rate=0.06, max_depth=4, min_samples_leaf=10, subsample=0.5, max_features=0.5,
        random_state=seed,
    ).fit(rows, truth)  # fmt: skip


def _flatten(
    forests: Sequence[Any], floor: float, slope: float = 1.0, intercept: float = 0.0
) -> PairClassifier:
    """Return a classifier that holds the trees of some forests as arrays and averages the forests."""
    trees = [(tree[0].tree_, forest.learning_rate) for forest in forests for tree in forest.estimators_]
    sizes = [tree.node_count for tree, _ in trees]
    starts = np.cumsum([0, *sizes[:-1]])
    inner = np.concatenate([tree.children_left != -1 for tree, _ in trees])

    def joined(name: str) -> Any:
        return np.concatenate([getattr(tree, name) for tree, _ in trees])

    offset = np.repeat(starts, sizes)
    value = np.concatenate([tree.value[:, 0, 0] * rate / len(forests) for tree, rate in trees])
    return PairClassifier(
        floor,
        slope,
        intercept,
        starts,
        np.where(inner, joined("feature"), LEAF).astype(np.int64),
        np.where(inner, joined("threshold"), 0.0),
        np.where(inner, joined("children_left") + offset, 0),
        np.where(inner, joined("children_right") + offset, 0),
        np.where(inner, 0.0, value),
    )


def _platt(scores: Floats, truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit the slope and intercept that turn scores into probabilities (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e6).fit(scores[:, None], truth)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
