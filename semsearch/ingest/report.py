"""Report what an ingest did."""

from dataclasses import dataclass
from typing import Literal

from semsearch.types import Skipped

UNKNOWN_SHARE = 0.05
"""From this share of unknown tokens on, the model does not know the text of a source."""
Change = Literal["added", "updated", "removed"]
"""What an ingest does to a source that is not as it was."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingest has come: `done` of `total` bytes, and passages so far."""

    done: int
    total: int
    passages: int


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did. `added`, `updated`, `unchanged` and `removed` count sources; `embedded` counts texts.

    `unknown` names the sources of whose tokens the model does not know `UNKNOWN_SHARE` or more, with the share.
    """

    added: int
    updated: int
    unchanged: int
    removed: int
    documents: int = 0
    passages: int = 0
    embedded: int = 0
    skipped: tuple[Skipped, ...] = ()
    unknown: tuple[tuple[str, float], ...] = ()
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def failed(self) -> tuple[Skipped, ...]:
        """What should have been read and could not be."""
        return tuple(skipped for skipped in self.skipped if skipped.failed)
