"""Save the tuned threshold and classifier in an index."""

from dataclasses import asdict
from datetime import UTC, datetime

from semsearch.storage.library import Library
from semsearch.tuning.threshold import Tuning


def save(library: Library, tuning: Tuning) -> None:
    """Save a threshold with what is promised of it, and the verifier beside it; without one an older is forgotten."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"pairs": tuning.name, "rule": tuning.rule, "saved": now}
    cosine = {"threshold": tuning.threshold, "promise": tuning.promise and asdict(tuning.promise)}
    verifier = None
    if made := tuning.verified:
        decision = {"chance": made.chance, "promise": made.promise and asdict(made.promise)}
        verifier = {"verifier": made.verifier.to_dict()} | decision | about
    library.save_setting("verifier", verifier)
    library.save_setting("threshold", cosine | about)
