"""Put documents in an earlier and a later window, by their dates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.shift import LEAST
from semsearch.errors import InvalidInput
from semsearch.requests import INGESTED, MODIFIED, DriftRequest
from semsearch.search.dates import dates_of
from semsearch.search.query import asked_name
from semsearch.storage.library import Library, PassageMatrix

NOWHERE, EARLY, LATE = -1, 0, 1
_DAY = 10


@dataclass(frozen=True, slots=True)
class DriftWindow:
    """A window of time: its first and last date, and the documents and passages in it.

    Queries of a log without dates have the numbers of their rows as dates. `drawn` is the number of documents that were
    compared: all, or a random part of very many.
    """

    first: str
    last: str
    documents: int
    passages: int
    drawn: int


def document_dates(library: Library, table: PassageMatrix, by: str) -> tuple[str, list[str | None]]:
    """Return the name of the dates, and the date of each document: by a field, else by the times of its source.

    Raises `InvalidInput` as `dates_of` does.
    """
    times = by in (INGESTED, MODIFIED) and asked_name(by) not in map(asked_name, library.fields())
    if not times:
        return dates_of(library, table, by)
    if by == INGESTED:
        seconds = {key: summary.indexed for key, summary in library.summaries().items()}
    else:
        seconds = {key: state.mtime_ns // 10**9 for key, state in library.states().items()}
    return by, [_moment(seconds.get(key, 0)) for key in table.sources]


def windows_of(dates: Sequence[str | None], request: DriftRequest) -> NDArray[np.int64]:
    """Return the window of each date: EARLY, LATE, or NOWHERE.

    Without a date in the request, the day (or the time, where all are of one day) that halves the dates best begins the
    later window. Raises `InvalidInput` where a window has too few documents.
    """
    since, before = request.since or request.before, request.before or request.since
    if since is None or before is None:
        since = before = _middle([date for date in dates if date is not None])
    if since[: len(before)] < before[: len(since)]:
        raise InvalidInput(f"the later window begins on {since}, before the earlier one ends on {before}")
    early = np.array(
        [date is not None and len(date) >= len(before) and date < before for date in dates], bool
    )
    late = np.array(
        [date is not None and len(date) >= len(since) and date[: len(since)] >= since for date in dates], bool
    )
    windows = np.where(late, LATE, np.where(early, EARLY, NOWHERE))
    require_enough(windows, dates)
    return windows


def require_enough(windows: NDArray[np.int64], dates: Sequence[str | None]) -> None:
    """Raise `InvalidInput` where a window has too few documents."""
    known = sorted(date for date in dates if date is not None)
    hint = f"the dates are from {known[0]} to {known[-1]}" if known else "none of them has a date"
    early, late = (int(np.count_nonzero(windows == side)) for side in (EARLY, LATE))
    if early < LEAST:
        raise InvalidInput(f"the earlier window has {early} of {len(dates):,} texts, and needs {LEAST}", hint)
    if late < LEAST:
        raise InvalidInput(f"the later window has {late} of {len(dates):,} texts, and needs {LEAST}", hint)


def _middle(dates: Sequence[str]) -> str:
    days = [date[:_DAY] for date in dates]
    shown = days if len(set(days)) > 1 else list(dates)
    names, counts = np.unique(shown, return_counts=True)
    if len(names) < 2:
        raise InvalidInput(
            f"all dates are {names[0]}" if len(names) else "no text has a date",
            "name a field with more dates by --by",
        )
    later = len(shown) - np.cumsum(counts)[:-1]
    return str(names[1 + int(np.argmin(np.abs(later - len(shown) / 2)))])


def _moment(seconds: int) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19] if seconds else None
