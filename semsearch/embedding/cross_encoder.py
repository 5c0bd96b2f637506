"""Read two texts together with an index's model: a cross-encoder that is the model, a low-rank adapter and a head.

What is trained is a value of 2 MB for the default model, which the saved classifier has in it. It comes from a file, so
it is data of a stranger: sizes, names, shapes and a digest are checked, and nothing in it is run. The graph is made of
it and of the model's own tensors when a first pair is read, and runs on ONNX Runtime.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.adapter import with_factors
from semsearch.embedding.model_files import ModelFiles
from semsearch.embedding.packed_tensors import Tensors, pack, rounded, unpack

HEAD = {"segment": 1, "hidden.weight": 2, "hidden.bias": 1, "output.weight": 2, "output.bias": 1}
"""The tensors of the head and their dimensions; see `semsearch.embedding.graph.build_cross_encoder`."""
_PAIRS = 16
"""Pairs read at a time, each in both orders."""
_DECIMALS = 4
"""Decimals of a logit: further ones depend on the pairs that are read with it."""

Read = Callable[[Mapping[str, NDArray[np.int64]]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class CrossEncoderWeights:
    """Trained weights: two factors for each adapted matrix, as in an adapter, and the tensors of `HEAD`; all float32.

    Make it with `rounded`: the numbers are those of float16, in which they are stored.
    """

    tensors: Tensors

    @classmethod
    def rounded(cls, tensors: Tensors) -> "CrossEncoderWeights":
        """Return tensors as they are after `to_dict` and `from_dict`."""
        return cls(dict(zip(tensors, rounded(*tensors.values()), strict=True)))

    def graph(self, files: ModelFiles) -> bytes:
        """Return the graph of a model with these weights. Raises `ModelError` and what `graph.build` raises."""
        from semsearch.embedding.graph import build_cross_encoder

        factors = {name: one for name, one in self.tensors.items() if name not in HEAD}
        built = build_cross_encoder(with_factors(files, factors), self.tensors)
        return bytes(built.SerializeToString())

    def to_dict(self) -> dict[str, Any]:
        """Return values for JSON."""
        return pack(self.tensors)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "CrossEncoderWeights":
        """Return the weights that `to_dict` wrote. Raises `ValueError`, `TypeError` or `KeyError` for other values."""
        tensors = unpack(values)
        shapes = [tensors[name].shape for name in HEAD]
        (width,), (hidden, inputs), bias, (outputs, inner), output_bias = shapes
        if (inputs, bias, inner, output_bias) != (2 * width, (hidden,), hidden, (outputs,)) or not outputs:
            raise ValueError("a cross-encoder whose head does not fit together")
        if any(one.ndim != 2 for name, one in tensors.items() if name not in HEAD):
            raise ValueError("a cross-encoder whose factors are not matrices")
        return cls(tensors)


@dataclass(frozen=True, slots=True)
class PairTokens:
    """Tokenizes pairs: `ids` gives the tokens of texts, and `before` and `after` are the special ones around a text.

    Both texts with the special tokens have to fit into `window` tokens.
    """

    ids: Callable[[Sequence[str]], Iterable[list[int]]]
    before: Sequence[int]
    after: Sequence[int]
    window: int

    def pairs(self, a: Sequence[str], b: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """Return the tokens of both texts of each pair."""
        return list(zip(self.ids(a), self.ids(b), strict=True))

    def fit(self, pairs: Sequence[tuple[list[int], list[int]]]) -> NDArray[np.bool_]:
        """Return which pairs fit into the window, bool [n]."""
        special = len(self.before) + 2 * len(self.after)
        return np.array([len(a) + len(b) + special <= self.window for a, b in pairs], np.bool_)

    def inputs(self, pairs: Sequence[tuple[list[int], list[int]]]) -> dict[str, NDArray[np.int64]]:
        """Return the inputs of the graph for pairs, each int64 [n, longest]."""
        rows = [([*self.before, *a, *self.after], [*b, *self.after]) for a, b in pairs]
        width = max(len(a) + len(b) for a, b in rows)
        ids, mask, second = np.zeros((3, len(rows), width), np.int64)
        for at, (a, b) in enumerate(rows):
            end = len(a) + len(b)
            ids[at, :end], mask[at, :end], second[at, len(a) : end] = [*a, *b], 1, 1
        return {"input_ids": ids, "attention_mask": mask, "second": second}


class CrossEncoder:
    """Gives the logit of two texts to be duplicates; `read` runs the graph."""

    def __init__(self, tokens: PairTokens, read: Read) -> None:
        self._tokens, self._read = tokens, read

    def logits(self, a: Sequence[str], b: Sequence[str]) -> NDArray[np.float64]:
        """Return the mean logit of both orders, float64 [n]; NaN for two texts that do not fit into the window."""
        pairs = self._tokens.pairs(a, b)
        order = np.flatnonzero(self._tokens.fit(pairs))
        order = order[np.argsort([-len(x) - len(y) for x, y in map(pairs.__getitem__, order)], kind="stable")]
        found = np.full(len(a), np.nan)
        for start in range(0, len(order), _PAIRS):
            rows = order[start : start + _PAIRS]
            batch = [pairs[at] for at in rows.tolist()]
            read = self._read(self._tokens.inputs([*batch, *((y, x) for x, y in batch)]))
            found[rows] = read.astype(np.float64).reshape(2, -1).mean(axis=0).round(_DECIMALS)
        return found
