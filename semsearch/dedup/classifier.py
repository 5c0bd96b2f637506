"""Classify pairs: compute the probability that two texts are duplicates, from their cosine and their words.

Gradient-boosted trees (Friedman 2001), three forests with different random halves of the pairs, trained with
scikit-learn and kept as plain arrays: classifying loads only NumPy. Platt scaling turns the sum of the trees into a
probability. It is fitted to the sums of pairs that share no text with the pairs of training.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semsearch.dedup.features import FEATURES, TextWords, word_features
from semsearch.errors import IndexDamaged
from semsearch.text import clean
from semsearch.types import LabelledPair

LEAF = -1
_ROWS = 256
"""Rows classified at a time: their data stays in the processor's cache."""
_NUMBERS = ("floor", "slope", "intercept")
_ARRAYS: dict[str, type] = {
    "roots": np.int64,
    "feature": np.int64,
    "most": np.float64,
    "left": np.int64,
    "right": np.int64,
    "value": np.float64,
}

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PairClassifier:
    """A classifier of pairs whose cosine is at least `floor`; all other pairs are not duplicates.

    The trees are stored one after another. Each node has the number of its `feature` (-1 in a leaf), the highest value
    (`most`) with which a pair goes `left` and not `right`, and the `value` of a leaf. `roots` are the first nodes.
    """

    floor: float
    slope: float
    intercept: float
    roots: Ints
    feature: Ints
    most: Floats
    left: Ints
    right: Ints
    value: Floats

    def probabilities(self, cosines: ArrayLike, a: Sequence[TextWords], b: Sequence[TextWords]) -> Floats:
        """Return the probability of each pair to be duplicates, float64 [n] in [0, 1]; 0 below the floor."""
        cosines = np.asarray(cosines, np.float64)
        found = np.zeros(len(cosines))
        able = np.flatnonzero(cosines >= self.floor)
        if len(able):
            rows = features_of(
                cosines[able], [a[at] for at in able.tolist()], [b[at] for at in able.tolist()]
            )
            found[able] = _logistic(self.slope * self._sum(rows) + self.intercept)
        return found

    def _sum(self, rows: NDArray[np.float32]) -> Floats:
        # All trees at once, for some rows. A leaf leads to itself, so paths may differ in length.
        leaf, every = self.feature == LEAF, np.arange(len(self.feature))
        feature, most = np.where(leaf, 0, self.feature), np.where(leaf, np.inf, self.most)
        left, right = np.where(leaf, every, self.left), np.where(leaf, every, self.right)
        total = np.zeros(len(rows))
        for start in range(0, len(rows), _ROWS):
            values = rows[start : start + _ROWS]
            begin = (np.arange(len(values)) * values.shape[1])[:, None]
            node = np.tile(self.roots, (len(values), 1))
            while not leaf.take(node).all():
                turned = values.take(begin + feature.take(node)) <= most.take(node)
                node = np.where(turned, left.take(node), right.take(node))
            total[start : start + _ROWS] = self.value.take(node).sum(axis=1)
        return total

    def to_dict(self) -> dict[str, Any]:
        """Return values for JSON."""
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return {"features": len(FEATURES), **numbers, **arrays}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "PairClassifier":
        """Return the classifier that `to_dict` wrote.

        Raises `IndexDamaged` for any other value, so that trees have no loops and no node is missing.
        """
        try:
            arrays: dict[str, Any] = {name: np.array(values[name], kind) for name, kind in _ARRAYS.items()}
            numbers: dict[str, Any] = {name: float(values[name]) for name in _NUMBERS}
            classifier = cls(**numbers, **arrays)
            possible = values["features"] == len(FEATURES) and classifier._possible()
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
            possible = False
        if not possible:
            raise IndexDamaged(
                "the saved classifier is damaged, or of another version", "run `semsearch tune` again"
            )
        return classifier

    def _possible(self) -> bool:
        n = len(self.feature)
        shapes = {array.shape for array in (self.feature, self.most, self.left, self.right, self.value)}
        if shapes != {(n,)} or self.roots.ndim != 1 or not n:
            return False
        numbers = np.concatenate([[self.floor, self.slope, self.intercept], self.most, self.value])
        inner = np.flatnonzero(self.feature != LEAF)
        children = np.stack([self.left[inner], self.right[inner]])
        return bool(
            np.isfinite(numbers).all()
            and (self.feature >= LEAF).all()
            and (self.feature <= len(FEATURES)).all()
            and (children > inner).all()
            and (children < n).all()
            and (self.roots >= 0).all()
            and (self.roots < n).all()
        )


def words_of(pairs: Sequence[LabelledPair]) -> tuple[list[TextWords], list[TextWords]]:
    """Return both sides of some pairs as words; each text is parsed once."""
    known = {text: TextWords(text) for pair in pairs for text in (clean(pair.text_a), clean(pair.text_b))}
    a, b = (
        [known[clean(text)] for text in side]
        for side in zip(*((p.text_a, p.text_b) for p in pairs), strict=True)
    )
    return a, b


def features_of(cosines: Floats, a: Iterable[TextWords], b: Iterable[TextWords]) -> NDArray[np.float32]:
    """Return the features of each pair, float32 [n, 1 + len(FEATURES)]: the cosine, then those of its words."""
    rows = [word_features(x, y) for x, y in zip(a, b, strict=True)]
    return np.column_stack([cosines, np.array(rows, np.float64)]).astype(np.float32)


def _logistic(score: Floats) -> Floats:
    probability: Floats = 1 / (1 + np.exp(-np.clip(score, -500, 500)))
    return probability
