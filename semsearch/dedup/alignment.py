"""Align the tokens of two texts by their vectors, and compute features of what fits and what does not.

Each token of a text has its best match in the other, at each of a few layers of the model. The lowest layer knows the
word alone, the highest what it says in its sentence (Zhang et al. 2020, BERTScore, arXiv:1904.09675).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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
_TOGETHER = 1_250
"""Pairs whose texts are read at a time."""
_KEPT = 80_000
"""Tokens that are kept for the next pairs: about 500 MB."""

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
        for start in range(0, len(a), _TOGETHER):
            pairs = list(zip(a[start : start + _TOGETHER], b[start : start + _TOGETHER], strict=True))
            self._read(text for pair in pairs for text in pair)
            sides: list[_Side] = []
            rows, differences = [], []
            # One order, so one result to the last digit.
            for at, (x, y) in enumerate(map(sorted, pairs), start):
                difference, matched = _match(*self._known[x], *self._known[y])
                differences.append(difference)
                if matched:
                    sides += matched
                    rows.append(at)
            if rows:
                found[rows] = _features(sides)
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
        if sum(len(content) for _, content in self._known.values()) > _KEPT:
            self._known = {text: self._known[text] for text in wanted if text in self._known}
        if not new:
            return
        read = self._reader(new)
        numbers = [tokens.numbers for tokens in read]
        content = ~np.isin(np.concatenate(numbers), self._small)
        ends = np.cumsum([len(some) for some in numbers])
        self._known.update(zip(new, zip(read, np.split(content, ends[:-1]), strict=True), strict=True))


def aligner_of(embedder: Embedder) -> Aligner | None:
    """Return what aligns texts by a model, or None for a model that gives no tokens."""
    reader = token_reader(embedder)
    return Aligner(reader, getattr(embedder, "cross_encoder", None)) if reader else None


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """Keep how the tokens of a text fit another text.

    `best` and `shared` are float32 [LAYERS, tokens]: the cosine to the best match, and to an equal token, or -1 without
    one. `places` int64 [tokens] are the best matches at one layer. `content` and `same` bool [tokens] say which tokens
    are not small, and which the other text has too.
    """

    best: Singles
    shared: Singles
    places: NDArray[np.int64]
    content: Mask
    same: Mask


def _match(
    a: TextTokens, content_a: Mask, b: TextTokens, content_b: Mask
) -> tuple[Singles, tuple[_Side, _Side] | None]:
    """Return the differences of two texts [LAYERS * width], and how each fits the other if both have tokens."""
    if not (len(a.numbers) and len(b.numbers)):
        return np.zeros(LAYERS * (a if len(a.numbers) else b).vectors.shape[-1], np.float32), None
    alike = a.vectors @ b.vectors.transpose(0, 2, 1)
    same = a.numbers[:, None] == b.numbers
    shared = np.where(same, alike, np.float32(-1))
    to_b, to_a = alike.argmax(axis=2), alike.argmax(axis=1)
    return np.sqrt(_squares(a, b, to_b, content_a) + _squares(b, a, to_a, content_b)), (
        _Side(alike.max(axis=2), shared.max(axis=2), to_b[_ORDERED], content_a, same.any(axis=1)),
        _Side(alike.max(axis=1), shared.max(axis=1), to_a[_ORDERED], content_b, same.any(axis=0)),
    )


def _squares(text: TextTokens, other: TextTokens, matches: NDArray[np.int64], content: Mask) -> Singles:
    """Return the weighted sum of the squared distances of tokens to their matches, for each layer and direction."""
    layers, count, width = other.vectors.shape
    rows = matches + count * np.arange(layers)[:, None]
    apart = other.vectors.reshape(-1, width).take(rows, axis=0)
    np.subtract(text.vectors, apart, out=apart)
    apart *= apart
    found: Singles = (np.where(content, 1.0, _SMALL_WEIGHT).astype(np.float32) @ apart).ravel()
    return found


def _features(sides: Sequence[_Side]) -> Doubles:
    """Return the features of pairs, float64 [n, features]; each pair is two neighbours of `sides`.

    All pairs are computed at once: the tokens of all sides stand one after another.
    """
    best, shared = (
        np.concatenate([getattr(side, name) for side in sides], axis=1) for name in ("best", "shared")
    )
    places, content, same = (
        np.concatenate([getattr(side, name) for side in sides]) for name in ("places", "content", "same")
    )
    counts = np.array([len(side.places) for side in sides])
    starts = np.cumsum(counts) - counts
    weight = np.where(content, 1.0, _SMALL_WEIGHT)
    mean = np.add.reduceat(best * weight, starts, axis=1) / np.add.reduceat(weight, starts)
    missing = np.add.reduceat((1 - best) * weight, starts, axis=1)
    worst, _ = _of_some(best, content, starts, 1.0)
    _, alone = _of_some(best, content & ~same, starts, 1.0)
    by_side = np.stack([mean, worst, alone, missing]).reshape(4, LAYERS, -1, 2)
    by_layer = np.sort(by_side, axis=3).transpose(1, 0, 3, 2).reshape(LAYERS, 8, -1)
    likeness = np.stack(_of_some(shared, content & same, starts[::2], 0.0), axis=1)
    text = np.repeat(np.arange(len(sides)), counts)[content]
    turned = (np.diff(places[content]) < 0) & (np.diff(text) == 0)
    neighbours = np.maximum(1, np.bincount(text, minlength=len(sides)) - 1)
    disorder = np.bincount(text[1:][turned], minlength=len(sides)) / neighbours
    columns = [by_layer[0]]
    for layer in range(1, LAYERS):
        columns += [by_layer[layer], likeness[layer]]
    return np.concatenate([*columns, np.sort(disorder.reshape(-1, 2), axis=1).T]).T


def _of_some(
    values: Singles, mask: Mask, starts: NDArray[np.int64], without: float
) -> tuple[Doubles, Doubles]:
    """Return the least and the mean value of the tokens of each text in a mask, [LAYERS, texts], or `without` any."""
    count = np.add.reduceat(mask, starts, dtype=np.int64)
    least = np.minimum.reduceat(np.where(mask, values, np.inf), starts, axis=1)
    total = np.add.reduceat(np.where(mask, values, 0.0), starts, axis=1)
    return np.where(count, least, without), np.where(count, total / np.maximum(1, count), without)
