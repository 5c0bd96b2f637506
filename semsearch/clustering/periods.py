"""Put documents in periods by a field of dates: days, months or years, whichever are few enough to read."""

from dataclasses import dataclass

import numpy as np

from semsearch.clustering.communities import Ints
from semsearch.search.dates import dates_of
from semsearch.storage.library import Library, PassageMatrix

_LENGTHS = (10, 7, 4)
"""The characters of a date that name its day, its month and its year."""
_MOST = 36
"""The most periods, unless there are more years."""


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """The `names` of the periods, in order, and the period of each document (`of`, int64), -1 without a date."""

    field: str
    names: tuple[str, ...]
    of: Ints

    def counted(self, documents: Ints) -> Ints:
        """Return how many of some documents, which may be given repeatedly, are of each period."""
        periods = self.of[documents]
        return np.bincount(periods[periods >= 0], minlength=len(self.names))


def periods_of(library: Library, table: PassageMatrix, name: str) -> Periods:
    """Return the periods of the documents of a table by a field. Of several dates, a document has the first.

    Raises `InvalidInput` where no document has the field, or none of its values is a date.
    """
    spelling, own = dates_of(library, table, name)
    given = [date for date in own if date is not None]
    shortest = min(map(len, given))
    for length in _LENGTHS:
        names = sorted({date[:length] for date in given})
        if length <= shortest and len(names) <= _MOST:
            break
    place = {period: at for at, period in enumerate(names)}
    of = np.array([-1 if date is None else place[date[:length]] for date in own], np.int64)
    return Periods(spelling, tuple(names), of)
