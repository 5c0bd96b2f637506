"""Classify pairs: compute the probability that two texts are duplicates, from their cosine, words and tokens.

Extremely randomised trees (Geurts, Ernst and Wehenkel 2006), trained with scikit-learn and kept as plain arrays:
classifying loads only NumPy. Platt scaling turns their mean into a probability. It is fitted to pairs that share no
text with the pairs of training. Where the model gives tokens, a kernel machine sees in which directions they differ.

Most pairs of a collection are not duplicates, which their words tell at once. Only those that pass this screen are
looked at by the trees, and have their tokens read by the model. Of these, those that may be duplicates are read by a
cross-encoder, if one was trained. Decisions 130, 166 and 169 have the measurements.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semsearch.dedup.alignment import ALIGNMENT_FEATURES, Aligner
from semsearch.dedup.features import FEATURES, TextWords, word_features
from semsearch.dedup.forest import Forest
from semsearch.dedup.kernel import KernelMachine
from semsearch.embedding.cross_encoder import CrossEncoderWeights
from semsearch.errors import IndexDamaged
from semsearch.text import clean
from semsearch.types import LabelledPair

VERSION = 4
"""The version of `PairClassifier.to_dict`. A classifier of another version is not used."""
MOST = 6.9
"""The highest logit that counts, odds of 1,000: it bounds what the tokens of a pair can say (decision 174)."""
_NUMBERS = (
    "floor", "least", "blend", "unfamiliar", "slope", "intercept", "cosine_slope", "cosine_intercept", "bias",
)  # fmt: skip
_WORDS = 1 + len(FEATURES)
_ARRAYS = {"weights": (_WORDS,), "vocabulary": (-1,), "reference": (-1, 1 + _WORDS)}
_MOST_REFERENCES, _MOST_WORDS = 1_000, 1_000_000
_BLEND = ("least", "trees", "read", "bias")
_SMALL = 1e-4
"""The least distance from 0 and 1 with which the mean of the trees counts."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ReadTogether:
    """A cross-encoder that reads the pairs whose logit by the trees is at least `least`.

    The logit of such a pair is `trees` times the trees' logit, plus `read` times the cross-encoder's, plus `bias`.
    """

    weights: CrossEncoderWeights
    least: float
    trees: float
    read: float
    bias: float

    def blended(self, found: Floats, read: Floats) -> Floats:
        """Return the logit of pairs by the trees and by the cross-encoder; NaN by the latter counts for nothing."""
        blended = self.trees * found + self.read * read + self.bias
        return np.where(np.isnan(read), found, blended)

    def to_dict(self) -> dict[str, Any]:
        """Return values for JSON."""
        return self.weights.to_dict() | {name: getattr(self, name) for name in _BLEND}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ReadTogether":
        """Return what `to_dict` wrote. Raises `ValueError`, `TypeError` or `KeyError` for any other value."""
        numbers = {name: float(values[name]) for name in _BLEND}
        if not np.isfinite(list(numbers.values())).all():
            raise ValueError("impossible numbers")
        return cls(CrossEncoderWeights.from_dict(values), **numbers)


@dataclass(frozen=True, slots=True, eq=False)
class PairClassifier:
    """A classifier of pairs whose cosine is at least `floor`; below it the cosine alone ranks the pairs.

    The evidence of each step is a logit. `weights` and `bias` are those of the screen, which the trees only see from
    `least` on. `slope` and `intercept` calibrate the trees, `cosine_slope` and `cosine_intercept` the cosine. `blend`
    is the share of the trees, the rest is the cosine's, in a pair all of whose words training had, and `blend` times
    `unfamiliar` in one that has none of them. `vocabulary` has the checksums of these words. `tokens` says whether the
    trees know the tokens. What takes `tokens` too: `machine` is added to the trees' logit, if it helped, and `together`
    has the cross-encoder, if one was trained. `reference` has the rows of `evidence` of accepted labelled pairs: see
    `semsearch.dedup.shift`.
    """

    floor: float
    least: float
    blend: float
    unfamiliar: float
    slope: float
    intercept: float
    cosine_slope: float
    cosine_intercept: float
    bias: float
    weights: Floats
    vocabulary: frozenset[int]
    forest: Forest
    tokens: bool
    reference: NDArray[np.float32]
    machine: KernelMachine | None = None
    together: ReadTogether | None = None

    def probabilities(
        self,
        cosines: ArrayLike,
        a: Sequence[TextWords],
        b: Sequence[TextWords],
        aligner: Aligner | None = None,
        *,
        at_least: float = 0.0,
    ) -> Floats:
        """Return the probability of each pair to be duplicates, float64 [n] in [0, 1].

        `aligner` is for a classifier that knows `tokens`. Raises `ValueError` where it is missing. A pair that cannot
        reach `at_least`, whatever its words and tokens say, gets the most that it could have: nothing is read for it.
        """
        cosines = np.asarray(cosines, np.float64)
        total = self.cosine_slope * cosines + self.cosine_intercept
        able = np.flatnonzero(cosines >= self.floor)
        x, y = ([side[at] for at in able.tolist()] for side in (a, b))
        trust = self.blend * trust_of(known_share(x, y, self.vocabulary), self.unfamiliar)
        most = weighed(total[able], trust, np.full(len(able), MOST))
        asked = np.flatnonzero(logistic(most) >= at_least)
        x, y = ([side[at] for at in asked.tolist()] for side in (x, y))
        found = self._logits(cosines[able[asked]], total[able[asked]], x, y, aligner)
        most[asked] = weighed(total[able[asked]], trust[asked], found)
        total[able] = most
        return logistic(total)

    def _logits(
        self,
        cosines: Floats,
        by_cosine: Floats,
        a: Sequence[TextWords],
        b: Sequence[TextWords],
        aligner: Aligner | None,
    ) -> Floats:
        """Return the logits of pairs above the floor by all but their cosine, whose logits are `by_cosine`."""
        if not len(cosines):
            return np.zeros(0)
        rows = features_of(cosines, a, b)
        found = self.screen(rows)
        seen = np.flatnonzero(found >= self.least)
        found = np.minimum(found, by_cosine)
        if len(seen):
            passed = rows[seen]
            if self.tokens:
                if aligner is None:
                    raise ValueError("this classifier needs the tokens of the texts")
                one, other = ([side[at].text for at in seen.tolist()] for side in (a, b))
                project = self.machine.space.project if self.machine else None
                aligned, differences = aligner.features(one, other, project)
                passed = np.column_stack([passed, aligned])
            by_trees = self.slope * logit(self.forest.predict(passed)) + self.intercept
            if self.machine:
                by_trees += self.machine.logits(differences, passed)
            if self.together and aligner is not None:
                likely = np.flatnonzero(by_trees >= self.together.least)
                texts = ([side[at].text for at in seen[likely].tolist()] for side in (a, b))
                read = aligner.read_together(self.together.weights, *texts)
                by_trees[likely] = self.together.blended(by_trees[likely], read)
            found[seen] = by_trees
        return found

    def screen(self, rows: NDArray[np.float32]) -> Floats:
        """Return the logit of the screen for the features of words, float64 [n]."""
        found: Floats = rows.astype(np.float64) @ self.weights + self.bias
        return found

    def evidence(
        self, cosines: Floats, a: Sequence[TextWords], b: Sequence[TextWords]
    ) -> NDArray[np.float32]:
        """Return the features of words and the share of words that training had, float32 [n, 2 + len(FEATURES)]."""
        known = known_share(a, b, self.vocabulary)
        return np.column_stack([features_of(cosines, a, b), known]).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return values for JSON."""
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        arrays = {
            "weights": self.weights.tolist(),
            "vocabulary": sorted(self.vocabulary),
            "reference": self.reference.tolist(),
        }
        return {
            "version": VERSION,
            "tokens": self.tokens,
            "machine": self.machine and self.machine.to_dict(),
            "together": self.together and self.together.to_dict(),
            "forest": self.forest.to_dict(),
            **numbers,
            **arrays,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "PairClassifier":
        """Return the classifier that `to_dict` wrote. Raises `IndexDamaged` for any other value."""
        try:
            arrays: dict[str, Any] = {
                name: np.array(values[name], np.float64).reshape(shape) for name, shape in _ARRAYS.items()
            }
            numbers: dict[str, Any] = {name: float(values[name]) for name in _NUMBERS}
            tokens = values["tokens"]
            width = _WORDS + (len(ALIGNMENT_FEATURES) if tokens else 0)
            possible = (
                values["version"] == VERSION
                and isinstance(tokens, bool)
                and all(np.isfinite(array).all() for array in (*arrays.values(), list(numbers.values())))
                and len(arrays["reference"]) <= _MOST_REFERENCES
                and len(arrays["vocabulary"]) <= _MOST_WORDS
                and 0 <= numbers["blend"] <= 1
                and 0 <= numbers["unfamiliar"] <= 1
            )
            arrays["reference"] = arrays["reference"].astype(np.float32)
            arrays["vocabulary"] = frozenset(map(int, arrays["vocabulary"].tolist()))
            forest = Forest.from_dict(values["forest"], width)
            machine = KernelMachine.from_dict(saved, width) if (saved := values.get("machine")) else None
            together = ReadTogether.from_dict(saved) if (saved := values.get("together")) else None
            possible = possible and (tokens or not (machine or together))
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
            possible = False
        if not possible:
            raise IndexDamaged(
                "the saved classifier is damaged, or of another version", "run `semsearch tune` again"
            )
        return cls(**numbers, **arrays, forest=forest, tokens=tokens, machine=machine, together=together)


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


def vocabulary_of(texts: Iterable[TextWords]) -> frozenset[int]:
    """Return the checksums of the content words of some texts."""
    return frozenset(map(_checksum, set().union(*(text.distinct for text in texts))))


def known_share(a: Iterable[TextWords], b: Iterable[TextWords], vocabulary: frozenset[int]) -> Floats:
    """Return the share of the content words of each pair that are in a vocabulary, float64 [n]; 1 without words."""
    unknown: dict[TextWords, frozenset[str]] = {}
    found = []
    for x, y in zip(a, b, strict=True):
        for text in (x, y):
            if text not in unknown:
                unknown[text] = frozenset(w for w in text.distinct if _checksum(w) not in vocabulary)
        count = len(x.distinct | y.distinct)
        found.append((count - len(unknown[x] | unknown[y])) / count if count else 1.0)
    return np.array(found)


def trust_of(known: Floats, unfamiliar: float) -> Floats:
    """Return how far the trees are trusted with pairs of which training had a share of the words, float64 [n]."""
    return unfamiliar + (1 - unfamiliar) * known**2


def weighed(cosine: Floats, trust: Floats, found: Floats) -> Floats:
    """Return the logits of pairs by their cosines and by all else, float64 [n]; the latter counts as far as trusted."""
    return cosine + trust * (np.minimum(found, MOST) - cosine)


@lru_cache(100_000)
def _checksum(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass"))


def logit(probability: Floats) -> Floats:
    """Return the logarithm of the odds; a probability next to 0 or 1 counts as `_SMALL` from it."""
    cut = np.clip(probability, _SMALL, 1 - _SMALL)
    found: Floats = np.log(cut / (1 - cut))
    return found


def logistic(score: Floats) -> Floats:
    """Return the probability whose logit is `score`."""
    probability: Floats = 1 / (1 + np.exp(-np.clip(score, -500, 500)))
    return probability
