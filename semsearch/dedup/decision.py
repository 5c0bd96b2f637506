"""Decide which pairs are duplicates, by the threshold and the classifier that `tune` saved in an index."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semsearch.dedup.alignment import Aligner
from semsearch.dedup.classifier import VERSION, PairClassifier
from semsearch.dedup.features import TextWords
from semsearch.embedding import Embedder, Fingerprint
from semsearch.embedding.scale import passage_scale
from semsearch.errors import FingerprintMismatch, IndexDamaged, InvalidInput, MissingExtra, ModelError
from semsearch.requests import DedupRequest

DEFAULT_THRESHOLD = 0.85
"""The threshold where none is tuned, in cosines of the default model; see `default_threshold` for other models."""
_IMPOSSIBLE = 2.0
"""A threshold that no similarity reaches."""


@dataclass(frozen=True, slots=True, eq=False)
class DecisionRule:
    """The rule that says which pairs are duplicates.

    A pair counts from `threshold` on by its cosine, or from `probability` on by the classifier. Each has the precision
    that `tune` guaranteed for it, or 0. With a `min_precision`, only a guarantee of at least that precision counts.
    """

    threshold: float | None
    threshold_precision: float
    classifier: PairClassifier | None
    probability: float
    classifier_precision: float
    min_precision: float | None = None
    default: Callable[[], float] = lambda: DEFAULT_THRESHOLD
    aligner: Callable[[], Aligner | None] = lambda: None

    @classmethod
    def from_settings(
        cls,
        threshold: Mapping[str, Any] | None,
        verifier: Mapping[str, Any] | None,
        default: Callable[[], float] = lambda: DEFAULT_THRESHOLD,
        aligner: Callable[[], Aligner | None] = lambda: None,
    ) -> "DecisionRule":
        """Return the rule in an index's settings `threshold` and `verifier`; `default` is for an index without.

        `aligner` reads tokens by the index's model, for a classifier that knows them. A classifier of another version
        counts as none. Raises `IndexDamaged` where they hold something else.
        """
        try:
            if verifier and verifier["verifier"].get("version") != VERSION:
                verifier = None
            return cls(
                float(threshold["threshold"]) if threshold else None,
                _guaranteed_precision(threshold),
                PairClassifier.from_dict(verifier["verifier"]) if verifier else None,
                float(verifier["chance"]) if verifier else 1.0,
                _guaranteed_precision(verifier),
                default=default,
                aligner=aligner,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise IndexDamaged("the saved tuning is damaged", "run `semsearch tune` again") from error

    def with_precision(self, min_precision: float) -> "DecisionRule":
        """Return the rule for a precision. Raises `InvalidInput` where `tune` guaranteed less."""
        if not 0 < min_precision <= max(self.threshold_precision, self.classifier_precision):
            raise InvalidInput(
                f"no saved threshold guarantees a precision of {min_precision:g}",
                f"tune one: semsearch tune --pairs FILE --min-precision {min_precision:g}",
            )
        return replace(self, min_precision=min_precision)

    def probabilities(
        self,
        cosines: ArrayLike,
        a: Sequence[TextWords],
        b: Sequence[TextWords],
        *,
        at_least: float = 0.0,
    ) -> NDArray[np.float64]:
        """Return the probability of each pair by the classifier, float64 [n]; the model is loaded if it knows tokens.

        `at_least` is the probability from which on it matters: see `PairClassifier.probabilities`.
        Raises `ModelError`, `MissingExtra` or `FingerprintMismatch` where the model cannot be loaded.
        """
        assert self.classifier is not None
        aligner = self.aligner() if self.classifier.tokens else None
        if self.classifier.tokens and aligner is None:
            raise ModelError(
                "the saved classifier reads the tokens of texts, which this model does not give",
                "run `semsearch tune` again",
            )
        return self.classifier.probabilities(cosines, a, b, aligner, at_least=at_least)

    @property
    def uses_classifier(self) -> bool:
        """True if the classifier decides. It decides on pairs of documents that have one passage each."""
        return (
            bool(self.classifier)
            and self.min_precision is not None
            and self.classifier_precision >= self.min_precision
        )

    @property
    def long_threshold(self) -> float:
        """The threshold for documents of several passages; above 1 where none is guaranteed."""
        if (
            self.threshold is None
            or self.min_precision is None
            or self.threshold_precision < self.min_precision
        ):
            return _IMPOSSIBLE
        return self.threshold


NO_RULE = DecisionRule(None, 0.0, None, 1.0, 0.0)
"""The rule where nothing is tuned: `DEFAULT_THRESHOLD` counts."""


def default_threshold(fingerprint: Fingerprint, embedder: Callable[[], Embedder]) -> float:
    """Return the cosine that stands for `DEFAULT_THRESHOLD` of the default model, for the model with a fingerprint.

    For a model that was not measured, `embedder` loads it, once on a machine. Raises `ModelError`, `MissingExtra` or
    `FingerprintMismatch` where it cannot be loaded: the number of another model would merge what is not alike.
    """
    try:
        return round(passage_scale(fingerprint, embedder).from_default(DEFAULT_THRESHOLD), 4)
    except (ModelError, MissingExtra, FingerprintMismatch) as error:
        raise type(error)(
            f"the default threshold of {fingerprint.model} is not known yet, and only the model can tell it: {error}",
            "; ".join(filter(None, ["give --threshold", error.hint])),
        ) from error


def threshold_origin(threshold: float, *, given: bool) -> str:
    """Return a phrase that says where a threshold comes from that was not tuned."""
    if given:
        return "given"
    if threshold == DEFAULT_THRESHOLD:
        return "a default, not tuned"
    return f"a default, not tuned: it says of this model what {DEFAULT_THRESHOLD:g} says of the default model"


def guarantee_text(saved: Mapping[str, Any]) -> str:
    """Return in English words a guarantee as an index stores it."""
    return f"{saved['measure']} at least {saved['least']:g} with {saved['confidence']:.0%} confidence"


def origin_in_index(
    threshold: float,
    request: DedupRequest,
    saved: Mapping[str, Any] | None,
    classifier: Mapping[str, Any] | None,
) -> str:
    """Return a phrase that says where the threshold of a request comes from.

    `saved` and `classifier` are those of an index, see `Index.threshold` and `Index.classifier`.
    """
    if request.min_precision is not None:
        rule = classifier
        if rule and rule["guarantee"] and rule["guarantee"]["least"] >= request.min_precision:
            guarantee = guarantee_text(rule["guarantee"])
            return f"and a probability of {rule['probability']:g}: {guarantee}, guaranteed on {rule['pairs']}"
        if saved and saved["guarantee"]:
            return f"{guarantee_text(saved['guarantee'])}, guaranteed on {saved['pairs']}"
    if request.threshold is None and saved:
        return f"tuned on {saved['pairs']}"
    origin = threshold_origin(threshold, given=request.threshold is not None)
    return origin if request.threshold is not None else f"{origin}; `semsearch tune` replaces it"


def _guaranteed_precision(saved: Mapping[str, Any] | None) -> float:
    guarantee = saved and saved.get("promise")
    return float(guarantee["least"]) if guarantee and guarantee["measure"] == "precision" else 0.0
