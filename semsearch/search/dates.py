"""Find the date of each document in a field of its metadata."""

from semsearch.errors import InvalidInput
from semsearch.search.query import asked_name
from semsearch.storage.library import Library, PassageMatrix
from semsearch.types import as_date, several


def dates_of(library: Library, table: PassageMatrix, name: str) -> tuple[str, list[str | None]]:
    """Return a field as it is spelled, and the date of each document of a table by it, see `as_date`.

    Of several dates, a document has the first. Raises `InvalidInput` where no document has the field, or none of its
    values is a date.
    """
    known = library.fields()
    spellings = [one for one in known if asked_name(one) == asked_name(name)]
    if not spellings:
        shown = ", ".join(sorted(known)[:20])
        raise InvalidInput(
            f"no document has a field {name!r:.80}",
            f"the fields: {shown}" if shown else "there are no fields",
        )
    numbers, names_of = library.document_names()
    key_of = dict(zip(numbers.tolist(), zip(names_of.sources, names_of.documents, strict=True), strict=True))
    dates: dict[tuple[str, str], str] = {}
    for column in library.columns(spellings).values():
        for code, document in zip(column.codes.tolist(), column.documents.tolist(), strict=True):
            found = filter(None, map(as_date, several(column.values[code])))
            if date := next(found, None):
                dates.setdefault(key_of[document], date)
    if not dates:
        raise InvalidInput(f"no value of the field {name!r:.80} is a date such as 2024-05-31 or 2024")
    return spellings[0], [dates.get(key) for key in zip(table.sources, table.names, strict=True)]
