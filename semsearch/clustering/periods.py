"""Put documents in periods by a field of dates: days, months or years, whichever are few enough to read."""

from dataclasses import dataclass

import numpy as np

from semsearch.clustering.communities import Ints
from semsearch.errors import InvalidInput
from semsearch.search.query import as_date, asked_name
from semsearch.storage.library import Library, PassageMatrix
from semsearch.types import several

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
    spellings = [one for one in library.fields() if asked_name(one) == asked_name(name)]
    if not spellings:
        known = ", ".join(sorted(library.fields())[:20])
        raise InvalidInput(
            f"no document has a field {name!r:.80}",
            f"the fields: {known}" if known else "there are no fields",
        )
    numbers, names_of = library.document_names()
    key_of = dict(zip(numbers.tolist(), zip(names_of.sources, names_of.documents, strict=True), strict=True))
    dates: dict[tuple[str, str], str] = {}
    for column in library.columns(spellings).values():
        for code, document in zip(column.codes.tolist(), column.documents.tolist(), strict=True):
            found = filter(None, map(as_date, several(column.values[code])))
            if date := next(found, None):
                dates.setdefault(key_of[document], date)
    own = [dates.get(key) for key in zip(table.sources, table.names, strict=True)]
    given = [date for date in own if date is not None]
    if not given:
        raise InvalidInput(f"no value of the field {name!r:.80} is a date such as 2024-05-31 or 2024")
    shortest = min(map(len, given))
    for length in _LENGTHS:
        names = sorted({date[:length] for date in given})
        if length <= shortest and len(names) <= _MOST:
            break
    place = {period: at for at, period in enumerate(names)}
    of = np.array([-1 if date is None else place[date[:length]] for date in own], np.int64)
    return Periods(spellings[0], tuple(names), of)
