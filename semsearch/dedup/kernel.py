"""Keep a support vector machine with a Gaussian kernel as plain arrays, and evaluate it with NumPy alone.

It sees what the trees cannot: in which directions the aligned tokens of two texts differ, at each layer of the model.
These are more values than there are training pairs, so principal axes make fewer of them. The features of the trees
stand next to them. What is read from a file is data of a stranger: shapes and numbers are checked, and nothing is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.packed_tensors import pack, unpack
from semsearch.errors import ModelError

_SPACE, _MACHINE = ("middle", "scale", "axes"), ("vectors", "shares", "gamma", "bias")
_FAR = 8.0
"""The most standard deviations that a value is away from its mean."""
_ROWS = 256
"""Pairs whose kernels are computed at a time: they stay in the processor's cache."""
_DECIMALS = 4
"""Decimals of a logit: further ones may depend on the pairs that are decided with it."""

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PairSpace:
    """The space of pairs with d differences of tokens and f features: k axes of the differences, and the features.

    A value is standardised by `middle` and `scale` [d + f]; `axes` are [d, k].
    """

    middle: Singles
    scale: Singles
    axes: Singles

    def project(self, differences: Singles) -> Floats:
        """Return the values of each pair on the axes for its differences [n, d], float64 [n, k].

        Raises `ModelError` where the tokens of another model make other differences.
        """
        if differences.shape[1] != len(self.axes):
            raise ModelError("the saved classifier is of another model", "run `semsearch tune` again")
        found: Floats = self._standardised(differences, slice(len(self.axes))) @ self.axes
        return found

    def points(self, projected: Floats, features: Singles) -> Floats:
        """Return the points of pairs, float64 [n, k + f]."""
        return np.column_stack([projected, self._standardised(features, slice(len(self.axes), None))])

    def _standardised(self, values: Singles, part: slice) -> Floats:
        found: Floats = values.astype(np.float64)
        found -= self.middle[part]
        found *= self.scale[part]
        return np.clip(found, -_FAR, _FAR, out=found)


@dataclass(frozen=True, slots=True, eq=False)
class KernelMachine:
    """A machine in a `space` of pairs: a sum over `vectors` [m, k + f], each with its share of `shares` [m].

    The kernel is Gaussian, exp(-gamma |x - y|^2), and `bias` is added; both are arrays of one value. All arrays are
    float32 with the values of float16.
    """

    space: PairSpace
    vectors: Singles
    shares: Singles
    gamma: Singles
    bias: Singles

    def logits(self, projected: Floats, features: Singles) -> Floats:
        """Return the logit of each pair by what `space` projected and its features [n, f], float64 [n]."""
        points = self.space.points(projected, features)
        found = np.empty(len(points))
        for start in range(0, len(points), _ROWS):
            some = slice(start, start + _ROWS)
            found[some] = gaussian(points[some], self.vectors, self.gamma) @ self.shares
        return np.round(found + self.bias, _DECIMALS)

    def to_dict(self) -> dict[str, Any]:
        """Return values for JSON."""
        return pack(
            {name: getattr(self.space if name in _SPACE else self, name) for name in (*_SPACE, *_MACHINE)}
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], features: int) -> "KernelMachine":
        """Return the machine that `to_dict` wrote, for some number of `features`.

        Raises `ValueError`, `TypeError` or `KeyError` for any other value.
        """
        tensors = unpack(values)
        space = PairSpace(*(tensors[name] for name in _SPACE))
        machine = cls(space, *(tensors[name] for name in _MACHINE))
        (differences, axes), (count, _) = space.axes.shape, machine.vectors.shape
        if not (
            space.middle.shape == space.scale.shape == (differences + features,)
            and machine.vectors.shape == (count, axes + features)
            and machine.shares.shape == (count,)
            and machine.gamma.shape == machine.bias.shape == (1,)
            and machine.gamma[0] >= 0
        ):
            raise ValueError("a machine whose arrays do not fit together")
        return machine


def gaussian(points: Floats, vectors: Singles, gamma: Singles) -> Floats:
    """Return exp(-gamma |x - y|^2) for each of n points and m vectors, float64 [n, m]."""
    others = vectors.astype(np.float64)
    found: Floats = points @ (-2 * others.T)  # the squares of distances, in place: it may be large
    found += (points**2).sum(axis=1)[:, None]
    found += (others**2).sum(axis=1)
    found *= -gamma
    return np.exp(found, out=found)
