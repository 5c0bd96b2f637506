"""Read the queries of a log that the user names."""

from dataclasses import replace
from pathlib import Path

from semsearch.dedup.compared_fields import compared_fields
from semsearch.errors import InvalidInput
from semsearch.readers import RowFields, read
from semsearch.search.query import asked_name
from semsearch.text import clean
from semsearch.types import Record, Skipped


def read_queries(
    path: Path, fields: RowFields, by: str | None = None
) -> tuple[list[Record], list[Skipped], list[str]]:
    """Return the queries of a file in their order, what of it was not read, and notes on the columns.

    A query is a row, or a line of a text. Without `fields.text` its columns are chosen as those of a data set, without
    the column `by`: times would tell the windows apart by themselves. Raises the errors of `read`, and `InvalidInput`
    where no column is left.
    """
    fields = replace(fields, format=replace(fields.format, lines=True))
    chosen, notes = compared_fields([path], fields)
    if path in chosen and (columns := chosen[path].text):
        left = tuple(name for name in columns if by is None or asked_name(name) != asked_name(by))
        if left != columns:
            notes = [f"{path.as_posix()}: compared by {', '.join(map(repr, left))}"]
        if not left:
            raise InvalidInput(f"{path} has no column of texts next to {by}", "name one with --text-field")
        fields = replace(chosen[path], text=left)
    queries, skipped = [], []
    for item in read(path, path.name, fields):
        if isinstance(item, Skipped):
            skipped.append(item)
        elif text := clean(item.text):
            queries.append(Record(item.name, text, item.metadata))
    return queries, skipped, notes
