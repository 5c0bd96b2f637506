"""Align the tokens of two texts by their vectors, and compute features of what fits and what does not.

Each token of a text has its best match in the other, at each of a few layers of the model. The lowest layer knows the
word alone, the highest what it says in its sentence (Zhang et al. 2020, BERTScore, arXiv:1904.09675).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.features import SMALL_WORDS
from semsearch.embedding import Embedder
from semsearch.embedding.cross_encoder import CrossEncoder, CrossEncoderWeights
from semsearch.embedding.token_vectors import LAYERS, TextTokens, TokenReader, token_reader
from semsearch.errors import ModelError

_SIGNS = [".", ",", ";", ":", "!", "?", "'", '"', "(", ")", "-", "。", "，", "；", "：", "！", "？"]
_SMALL_WEIGHT = 0.2
"""The weight of a small word or a sign in a mean, where another token has 1."""
_ORDERED = LAYERS // 2
"""The layer whose matches are looked at for their order."""
_OF_A_LAYER = (
    "mean best match, the lower", "the same, the higher", "worst match of a content token, the lower",
    "the same, the higher", "match of what one side only has, the lower", "the same, the higher",
    "sum of what does not match, the smaller", "the same, the larger",
)  # fmt: skip
_OF_SHARED = ("least likeness of a shared token", "mean likeness of shared tokens")
ALIGNMENT_FEATURES = (
    *(
        f"layer {layer}: {name}"
        for layer in range(LAYERS)
        for name in (*_OF_A_LAYER, *(_OF_SHARED if layer else ()))
    ),
    "matches out of order, the fewer",
    "matches out of order, the more",
)
"""The names of the values of `Aligner.features`, in order."""
_KEPT = 5_000
"""Texts whose tokens are kept for the next pairs: about 500 MB of sentences of 15 tokens."""

Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]
Singles = NDArray[np.float32]
Project = Callable[[Singles], NDArray[Any]]


class Aligner:
    """The features of pairs of texts by the vectors of their tokens, as a `reader` of a model gives them.

    `cross_encoder` makes of trained weights what reads pairs together.
    """

    def __init__(
        self, reader: TokenReader, cross_encoder: Callable[[CrossEncoderWeights], CrossEncoder] | None = None
    ) -> None:
        self._reader = reader
        self._cross_encoder = cross_encoder and lru_cache(1)(cross_encoder)
        small = reader([*sorted(SMALL_WORDS), *_SIGNS])
        self._small = np.array([int(one.numbers[0]) for one in small if len(one.numbers) == 1], np.int64)
        self._known: dict[str, tuple[TextTokens, Mask]] = {}

    def features(
        self, a: Sequence[str], b: Sequence[str], project: Project | None = None
    ) -> tuple[Singles, NDArray[Any]]:
        """Return `ALIGNMENT_FEATURES` of each pair of texts, float32 [n, features], and their differences.

        The differences are float32 [n, LAYERS * width]: by how much the tokens differ from their best matches in each
        direction of the model's space. With `project` they are what it makes of them. The order of texts does not
        matter.
        """
        found = np.zeros((len(a), len(ALIGNMENT_FEATURES)), np.float32)
        others: list[NDArray[Any]] = []
        step = max(1, _KEPT // 4)
        for start in range(0, len(a), step):
            pairs = list(zip(a[start : start + step], b[start : start + step], strict=True))
            self._read(text for pair in pairs for text in pair)
            differences = []
            for at, (x, y) in enumerate(
                map(sorted, pairs), start
            ):  # one order, so one result to the last digit
                found[at], difference = _align(*self._known[x], *self._known[y])
                differences.append(difference)
            others.append(project(np.stack(differences)) if project else np.stack(differences))
        return found, np.concatenate(others)

    def read_together(
        self, weights: CrossEncoderWeights, a: Sequence[str], b: Sequence[str]
    ) -> NDArray[np.float64]:
        """Return the logits of pairs by a cross-encoder with these weights; see `CrossEncoder.logits`.

        Raises `ModelError` for weights of another model, and for a model that cannot run them.
        """
        if self._cross_encoder is None:
            raise ModelError(
                "the saved classifier has a cross-encoder, which this model cannot run",
                "run `semsearch tune` again",
            )
        return self._cross_encoder(weights).logits(a, b) if a else np.zeros(0)

    def _read(self, texts: Iterable[str]) -> None:
        wanted = dict.fromkeys(texts)
        new = [text for text in wanted if text not in self._known]
        if len(self._known) + len(new) > _KEPT:
            self._known = {text: self._known[text] for text in wanted if text in self._known}
        for text, tokens in zip(new, self._reader(new) if new else (), strict=True):
            self._known[text] = tokens, ~np.isin(tokens.numbers, self._small)


def aligner_of(embedder: Embedder) -> Aligner | None:
    """Return what aligns texts by a model, or None for a model that gives no tokens."""
    reader = token_reader(embedder)
    return Aligner(reader, getattr(embedder, "cross_encoder", None)) if reader else None


def _align(a: TextTokens, content_a: Mask, b: TextTokens, content_b: Mask) -> tuple[Sequence[float], Singles]:
    """Return the features of two texts, and their differences [LAYERS * width]."""
    if not (len(a.numbers) and len(b.numbers)):
        width = LAYERS * (a if len(a.numbers) else b).vectors.shape[-1]
        return [0.0] * len(ALIGNMENT_FEATURES), np.zeros(width, np.float32)
    alike = a.vectors @ b.vectors.transpose(0, 2, 1)
    squares = _squares(a, b, alike.argmax(axis=2), content_a) + _squares(
        b, a, alike.argmax(axis=1), content_b
    )
    same = a.numbers[:, None] == b.numbers
    sides = (
        (alike.max(axis=2), content_a, content_a & ~same.any(axis=1)),
        (alike.max(axis=1), content_b, content_b & ~same.any(axis=0)),
    )
    values: list[float] = []
    by_side = [
        np.stack(
            [
                (best * (weight := np.where(content, 1.0, _SMALL_WEIGHT))).sum(axis=1) / weight.sum(),
                best[:, content].min(axis=1) if content.any() else np.ones(LAYERS),
                best[:, alone].mean(axis=1) if alone.any() else np.ones(LAYERS),
                ((1 - best) * weight).sum(axis=1),
            ]
        )
        for best, content, alone in sides
    ]
    ordered = np.sort(np.stack(by_side), axis=0)  # [2, 4, layers]
    only_same = np.where(same, alike, -1)
    shared = [
        only_same.max(axis=2)[:, content_a & same.any(axis=1)],
        only_same.max(axis=1)[:, content_b & same.any(axis=0)],
    ]
    likeness = np.concatenate(shared, axis=1)
    for layer in range(LAYERS):
        values += ordered[:, :, layer].T.ravel().tolist()
        if layer:
            values += [likeness[layer].min(), likeness[layer].mean()] if likeness.size else [0.0, 0.0]
    middle = alike[_ORDERED]
    values += sorted(
        [_disorder(middle.argmax(axis=1)[content_a]), _disorder(middle.argmax(axis=0)[content_b])]
    )
    return values, np.sqrt(squares)


def _squares(text: TextTokens, other: TextTokens, matches: NDArray[np.int64], content: Mask) -> Singles:
    """Return the weighted sum of the squared distances of tokens to their matches, for each layer and direction."""
    apart = text.vectors - np.take_along_axis(other.vectors, matches[:, :, None], axis=1)
    found: Singles = (np.where(content, 1.0, _SMALL_WEIGHT).astype(np.float32) @ (apart * apart)).ravel()
    return found


def _disorder(places: NDArray[np.int64]) -> float:
    """Return the share of neighbours whose matches stand the other way round."""
    return float((np.diff(places) < 0).mean()) if len(places) > 1 else 0.0
