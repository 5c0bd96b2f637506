"""Save the tuned threshold and classifier in an index.

The keys are those of the settings on disk; `semsearch.dedup.decision` reads them. They keep older names: a guarantee is
a "promise", the classifier a "verifier", and its probability threshold a "chance".
"""

from datetime import UTC, datetime
from typing import Any

from semsearch.storage.library import Library
from semsearch.tuning.guarantee import Guarantee
from semsearch.tuning.threshold import TuningResult


def save(library: Library, tuning: TuningResult) -> None:
    """Save the threshold and its guarantee, and the classifier, or delete an older one if there is none."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"pairs": tuning.name, "rule": tuning.rule, "saved": now}
    cosine = {"threshold": tuning.threshold, "promise": _stored(tuning.guarantee)}
    verifier = None
    if tuned := tuning.classifier:
        decision = {"chance": tuned.probability_threshold, "promise": _stored(tuned.guarantee)}
        verifier = {"verifier": tuned.model.to_dict()} | decision | about
    library.save_setting("verifier", verifier)
    library.save_setting("threshold", cosine | about)


def _stored(guarantee: Guarantee | None) -> dict[str, Any] | None:
    """Return a guarantee under the keys it has on disk."""
    if guarantee is None:
        return None
    return {
        "measure": guarantee.measure,
        "least": guarantee.target,
        "confidence": guarantee.confidence,
        "threshold": guarantee.threshold,
        "pairs": guarantee.pairs,
        "right": guarantee.correct,
        "effective": guarantee.effective_pairs,
    }
