"""Train the pair classifier with scikit-learn and flatten it to plain arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semsearch.dedup.classifier import LEAF, Floats, PairClassifier, features_of, words_of
from semsearch.errors import extra
from semsearch.tuning.split import linked
from semsearch.types import LabelledPair

LEAST = 100
"""Pairs of each kind, duplicates and others, that it takes to train on."""
_SEEDS, _FOLDS = 3, 5
_MISSED = 0.01
"""The share of the duplicates trained on that may lie below the floor."""


def train(pairs: Sequence[LabelledPair], cosines: ArrayLike, positive: ArrayLike) -> PairClassifier | None:
    """A verifier for pairs like these, or None where fewer than `LEAST` are duplicates, or are none, or where the
    cosine tells them apart.

    `cosines` are float [n], `positive` bool [n]. The same pairs give the same verifier.
    """
    cosines, positive = np.asarray(cosines, np.float64), np.asarray(positive, np.bool_)
    if min(np.count_nonzero(positive), np.count_nonzero(~positive)) < LEAST:
        return None
    floor = float(np.floor(100 * np.quantile(cosines[positive], _MISSED)) / 100)
    able = np.flatnonzero(cosines >= floor)
    if positive[able].all():
        return None
    with extra("tune", "training the classifier"):
        import sklearn  # noqa: F401 - the functions below import what they use
    a, b = words_of([pairs[at] for at in able.tolist()])
    rows, truth, cosines = features_of(cosines[able], a, b), positive[able], cosines[able]
    cluster = linked([pairs[at] for at in able.tolist()])
    fold = np.random.default_rng(0).integers(0, _FOLDS, cluster.max() + 1)[cluster]
    unseen = np.zeros(len(rows))
    for held in range(_FOLDS):
        rest, part = fold != held, fold == held
        if part.any() and 0 < np.count_nonzero(truth[rest]) < np.count_nonzero(rest):
            unseen[part] = _flat([_forest(rows[rest], truth[rest], held)], floor)._sum(rows[part])
    forests = [_forest(rows, truth, seed) for seed in range(_SEEDS)]
    slope, intercept = _platt(unseen, truth)
    return _flat(forests, floor, slope, intercept)


def _forest(rows: NDArray[np.float32], truth: NDArray[np.bool_], seed: int) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(
        n_estimators=150, learning_rate=0.06, max_depth=4, min_samples_leaf=10, subsample=0.5, max_features=0.5,
        random_state=seed,
    ).fit(rows, truth)  # fmt: skip


def _flat(forests: Sequence[Any], floor: float, slope: float = 1.0, intercept: float = 0.0) -> PairClassifier:
    """The trees of some forests as arrays, to be summed: the mean of what the forests say."""
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
    """The slope and intercept that make scores chances (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e6).fit(scores[:, None], truth)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
