"""What `tune` leaves in an index: written there, and read again for deciding on pairs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from semsearch.dedup.classifier import PairClassifier
from semsearch.errors import IndexDamaged, InvalidInput

DEFAULT_THRESHOLD = 0.85
"""Of `duplicates` until one is tuned: what people use for this model, which is a guess; see docs/thresholds.md."""


@dataclass(frozen=True, slots=True, eq=False)
class DecisionRule:
    """What `tune` has left: the `threshold` from which the cosine counts and the `chance` from which the verifier does,
    each with the precision that is promised of it, or 0.

    With a `precision` asked for, `duplicates` takes what was promised.
    """

    threshold: float | None
    threshold_precision: float
    verifier: PairClassifier | None
    chance: float
    chance_precision: float
    precision: float | None = None

    @classmethod
    def saved(cls, threshold: Mapping[str, Any] | None, verifier: Mapping[str, Any] | None) -> "DecisionRule":
        """From the settings of an index. Raises `IndexDamaged` for a verifier that is none."""
        try:
            return cls(
                float(threshold["threshold"]) if threshold else None,
                _promised(threshold),
                PairClassifier.from_dict(verifier["verifier"]) if verifier else None,
                float(verifier["chance"]) if verifier else 1.0,
                _promised(verifier),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise IndexDamaged("the saved tuning is damaged", "run `semsearch tune` again") from error

    def asked(self, precision: float) -> "DecisionRule":
        """The same for a precision. Raises `InvalidInput` where nothing as precise was promised."""
        if not 0 < precision <= max(self.threshold_precision, self.chance_precision):
            raise InvalidInput(
                f"no threshold is known that promises a precision of {precision:g}",
                f"find one: semsearch tune --pairs FILE --precision {precision:g}",
            )
        return replace(self, precision=precision)

    @property
    def verifies(self) -> bool:
        """Whether the verifier decides, which it does on documents of one passage each."""
        return bool(self.verifier) and self.precision is not None and self.chance_precision >= self.precision

    @property
    def long(self) -> float:
        """The threshold for documents that it does not decide on; above any where nothing is promised of one."""
        if self.threshold is None or self.precision is None or self.threshold_precision < self.precision:
            return 2.0
        return self.threshold


def _promised(saved: Mapping[str, Any] | None) -> float:
    promise = saved and saved.get("promise")
    return float(promise["least"]) if promise and promise["measure"] == "precision" else 0.0
