"""Report the progress and the outcome of an ingest."""

from dataclasses import dataclass
from typing import Literal

from semsearch.types import Skipped

Change = Literal["added", "updated", "removed"]
"""The ways in which an ingest changes a source."""


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """The progress of an ingest: `done` of `total` bytes, and the passages so far."""

    done: int
    total: int
    passages: int


@dataclass(frozen=True, slots=True)
class IngestReport:
    """The outcome of an ingest. `added`, `updated`, `unchanged` and `removed` count sources; `embedded` counts texts.

    `oov_rates` has each source of whose tokens at least `HIGH_OOV_RATE` are out of the model's vocabulary, with that
    share.
    """

    added: int
    updated: int
    unchanged: int
    removed: int
    documents: int = 0
    passages: int = 0
    embedded: int = 0
    skipped: tuple[Skipped, ...] = ()
    oov_rates: tuple[tuple[str, float], ...] = ()
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def failed(self) -> tuple[Skipped, ...]:
        """The skipped paths that should have been read and could not be."""
        return tuple(skipped for skipped in self.skipped if skipped.failed)
