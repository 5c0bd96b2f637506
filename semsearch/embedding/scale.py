"""Map cosines between models: 0.85 of one model says what 0.95 of another says.

Each model spreads its cosines in its own way: unrelated sentences have 0.07 with the default model and 0.79 with
multilingual-e5-small. So a number in cosines belongs to a model. The map is equipercentile linking (Kolen and Brennan,
Test Equating, Scaling, and Linking, 2014): both models score the same pairs of texts, and cosines that equally many
pairs reach stand for each other. The pairs run from unrelated sentences to edited copies, so no quantile is extreme.
They are those of the sample corpus. Decision 106 has what this gives on SICK and STS-B.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import cache
from itertools import pairwise
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from semsearch import text
from semsearch.embedding import DEFAULT_MODEL, MULTILINGUAL_MODEL, Embedder, Fingerprint, Kind, embed_checked
from semsearch.files import cache_folder, replacing, sample_corpus
from semsearch.strict_json import load_json

_Cosines = TypeVar("_Cosines", NDArray[np.float32], NDArray[np.float64])

_SHIFT = 7
"""Each text is also paired with the second text of the pair this much further on: these are unrelated."""
KNOTS = 24
_DEFAULT = (
    -0.0543, -0.0275, -0.0079, 0.0095, 0.0243, 0.0498, 0.0668, 0.0826, 0.1088, 0.1324, 0.1734, 0.2082,
    0.2692, 0.4054, 0.5084, 0.5656, 0.6373, 0.7137, 0.7901, 0.8532, 0.8883, 0.9363, 0.9661, 0.9886,
)  # fmt: skip
"""The quantiles of the default model at (k + 0.5) / `KNOTS`."""
_E5: dict[Kind, tuple[float, ...]] = {
    "passage": (
        0.7413, 0.7611, 0.7686, 0.7756, 0.782, 0.7886, 0.7943, 0.7986, 0.8031, 0.8107, 0.8179, 0.8264,
        0.8372, 0.8546, 0.8715, 0.8878, 0.9071, 0.9268, 0.9417, 0.9543, 0.9676, 0.9771, 0.9867, 0.9973,
    ),
    "query": (
        0.713, 0.7257, 0.7333, 0.7406, 0.7451, 0.7498, 0.7564, 0.7621, 0.7689, 0.7767, 0.7834, 0.7939,
        0.8013, 0.8127, 0.8275, 0.8437, 0.8612, 0.876, 0.8876, 0.9015, 0.9109, 0.9216, 0.9317, 0.9483,
    ),
}  # fmt: skip
_MEASURED = {MULTILINGUAL_MODEL: _E5, f"intfloat/{MULTILINGUAL_MODEL}": _E5}
"""The same of other models, by the kind of the first text of a pair. The second is a passage."""


@dataclass(frozen=True, slots=True)
class CosineScale:
    """A map between the cosines of a model and those of the default model: quantiles of the same pairs under both."""

    own: tuple[float, ...] = ()

    @property
    def is_default(self) -> bool:
        """True where cosines are those of the default model."""
        return not self.own

    def from_default(self, cosine: float) -> float:
        """Return the model's cosine that stands for a cosine of the default model."""
        return float(np.interp(cosine, _knots(_DEFAULT), _knots(self.own))) if self.own else cosine

    def to_default(self, cosines: _Cosines) -> _Cosines:
        """Return the cosines of the default model that stand for cosines of the model, in the same shape and type."""
        if not self.own:
            return cosines
        return cast(_Cosines, np.interp(cosines, _knots(self.own), _knots(_DEFAULT)).astype(cosines.dtype))

    def shifted(self, cosine: float, by: float) -> float:
        """Return the model's cosine that is higher than another one by an amount in cosines of the default model."""
        return self.from_default(float(self.to_default(np.array(cosine, np.float64))) + by)


DEFAULT_SCALE = CosineScale()


def known_scale(model: str, kind: Kind = "passage") -> CosineScale | None:
    """Return the scale of a model that was measured, or None for others.

    `kind` is "passage" for cosines of two passages, and "query" for those of a query and a passage.
    """
    if model == DEFAULT_MODEL:
        return DEFAULT_SCALE
    return CosineScale(_MEASURED[model][kind]) if model in _MEASURED else None


def passage_scale(fingerprint: Fingerprint, load: Callable[[], Embedder]) -> CosineScale:
    """Return the scale of the cosines of passages of the model with a fingerprint.

    The scale of a model that was not measured is computed once from about 500 sentences, and kept in the user's cache.
    Only then the model is loaded. Raises `ModelError` if it fails, and the errors of `load`.
    """
    if known := known_scale(fingerprint.model):
        return known
    digest = hashlib.sha256(repr((astuple(fingerprint), _DEFAULT)).encode()).hexdigest()
    path = cache_folder() / "scales" / f"{digest[:32]}.json"
    try:
        stored = load_json(path.read_bytes())
        if _valid(stored):
            return CosineScale(tuple(map(float, stored)))
    except (OSError, ValueError):
        pass
    scale = CosineScale(measured(load()))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(json.dumps(scale.own).encode())
    except OSError:  # a read-only or full cache costs seconds, but nothing fails
        pass
    return scale


def measured(embedder: Embedder, kind: Kind = "passage") -> tuple[float, ...]:
    """Return the quantiles of a model's cosines, see `known_scale` for `kind`."""
    first, second = _pairs()
    a = embed_checked(embedder, first, kind)
    b = embed_checked(embedder, second)
    cosines = np.concatenate([np.sum(a * other, axis=1) for other in (b, np.roll(b, -_SHIFT, axis=0))])
    quantiles = np.quantile(cosines.astype(np.float64), (np.arange(KNOTS) + 0.5) / KNOTS)
    return tuple(round(float(each), 4) for each in np.clip(quantiles, -1, 1))


@cache
def _pairs() -> tuple[list[str], list[str]]:
    """Return the texts of the sample corpus's pairs, but for equal ones."""
    with (sample_corpus() / "pairs.csv").open(encoding="utf-8", newline="") as file:
        pairs = [(text.clean(row["text_a"]), text.clean(row["text_b"])) for row in csv.DictReader(file)]
    different = [pair for pair in pairs if pair[0] != pair[1]]
    return [a for a, _ in different], [b for _, b in different]


def _knots(quantiles: Sequence[float]) -> NDArray[np.float64]:
    """Return rising knots from -1 to 1."""
    inner = np.maximum.accumulate(np.clip(quantiles, -1 + 1e-6, 1 - 1e-6))
    steps = np.arange(1, len(inner) + 1) * 1e-9  # a table of equal numbers has no inverse
    return np.concatenate([[-1], inner + steps, [1]])


def _valid(stored: object) -> bool:
    if not isinstance(stored, list) or len(stored) != KNOTS:
        return False
    numbers = all(isinstance(each, int | float) and -1 <= each <= 1 for each in stored)
    return numbers and all(a <= b for a, b in pairwise(stored))
