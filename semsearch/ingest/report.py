"""Report the progress and the outcome of an ingest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from semsearch.types import Skipped

Change = Literal["added", "updated", "removed"]
"""The ways in which an ingest changes a source."""


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """The progress of an ingest: `done` of `total` bytes, and the passages so far.

    An ingest that is interrupted after this report does not embed the first `stored` of the passages again.
    """

    done: int
    total: int
    passages: int
    stored: int = 0


@dataclass(frozen=True, slots=True)
class Absent:
    """Some `sources` (their number) below a folder whose files are gone, and which the index keeps for a `reason`."""

    folder: str
    sources: int
    reason: str


@dataclass(frozen=True, slots=True)
class AddReport:
    """The outcome of `Index.add` or `Index.update`, counted in records; `embedded` counts texts.

    A record without text is `skipped`, and `removed` counts those of them that the index had. `ids` has the id of each
    record in order, empty where the records came from an iterator, which may have no end. `notes` say what else
    happened, such as how many records had the id of a later one.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    passages: int = 0
    embedded: int = 0
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    ids: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class IngestReport:
    """The outcome of an ingest. `added`, `updated`, `unchanged` and `removed` count sources; `embedded` counts texts.

    `oov_rates` has each source of whose tokens at least `HIGH_OOV_RATE` are out of the model's vocabulary, with that
    share. `absent` has what was not removed, since a drive may not be mounted. `unmatched` has the patterns of
    `include` and `exclude` that match no file. `left_out` counts the passages that are not prose by
    their reason. `notes` say what was detected in files of rows that are not plain.
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
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    dry_run: bool = False
    absent: tuple[Absent, ...] = ()
    unmatched: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[Skipped, ...]:
        """The skipped paths that should have been read and could not be."""
        return tuple(skipped for skipped in self.skipped if skipped.failed)
