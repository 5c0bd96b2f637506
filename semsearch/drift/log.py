"""Read the queries of a log that the user names."""

from dataclasses import replace
from pathlib import Path

from semsearch.readers import RowFields, read
from semsearch.text import clean
from semsearch.types import Record, Skipped


def read_queries(path: Path, fields: RowFields) -> tuple[list[Record], list[Skipped]]:
    """Return the queries of a file in their order, and what of it was not read.

    A query is a row, or a line of a text. Raises the errors of `read`.
    """
    fields = replace(fields, format=replace(fields.format, lines=True))
    queries, skipped = [], []
    for item in read(path, path.name, fields):
        if isinstance(item, Skipped):
            skipped.append(item)
        elif text := clean(item.text):
            queries.append(Record(item.name, text, item.metadata))
    return queries, skipped
