"""Read files of rows: each row of a CSV, TSV or JSONL file is a Document. Rows stream."""

import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from semsearch.errors import InvalidInput
from semsearch.files import opened
from semsearch.readers.encoding import detect_encoding, storable
from semsearch.readers.table import DELIMITED, TSV, Dialect, Table, distinct_names, unquoted
from semsearch.types import Document, Scalar, Skipped, Unit

TEXT_FIELDS = ("text", "content", "body", "passage", "description", "message", "sentence")
"""The columns that hold the text if none is named: the first of these that exists, in upper or lower case."""


@dataclass(frozen=True, slots=True)
class RowFields:
    """The columns of the text (several are joined by line ends) and of the id. An empty field is detected."""

    text: tuple[str, ...] = ()
    id: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    """A row: the line on which it starts, its number, and its values as in JSON (all strings in CSV)."""

    line: int
    number: int
    values: Mapping[str, object]


_LONGEST_ROW = 10_000_000
"""The most characters of a row in JSON, whose values take fifty times the memory."""
_TOO_DEEP = "malformed JSON: nested too deeply"
_LINE_END = re.compile(r"\r\n?|\n")
_RowReader = Callable[[], Iterator[_Row | Skipped]]


def read_csv(path: Path, source: str, fields: RowFields) -> Iterator[Document | Skipped]:
    """Yield a Document for each row below the header.

    The delimiter is the one of comma, semicolon, tab and bar that separates the header into the most columns.
    """
    rows = partial(_table_rows, path, _encoding(path), source, DELIMITED)
    return _documents(rows, source, fields, "row")


def read_tsv(path: Path, source: str, fields: RowFields) -> Iterator[Document | Skipped]:
    """Yield a Document for each row below the header.

    TSV has no quoting (IANA text/tab-separated-values), yet Excel quotes. So a quotation mark is data, except in a
    field that is quoted as a whole.
    """
    rows = partial(_table_rows, path, _encoding(path), source, (TSV,))
    return _documents(rows, source, fields, "row")


def read_jsonl(path: Path, source: str, fields: RowFields) -> Iterator[Document | Skipped]:
    """Yield a Document for each line that is not blank; it should be a JSON object."""
    return _documents(partial(_json_rows, path, _encoding(path), source), source, fields, "line")


def _encoding(path: Path) -> str:
    with opened(path) as file:
        return detect_encoding(file)


def _documents(rows: _RowReader, source: str, fields: RowFields, unit: Unit) -> Iterator[Document | Skipped]:
    _require_columns(rows(), source, fields)
    taken: set[str] = set()
    for row in rows():
        if isinstance(row, Skipped):
            yield row
            continue
        try:
            yield _document(row, source, fields, unit, taken)
        except (
            RecursionError
        ):  # parsed at the last level for which the stack has room, and too deep to be written
            yield Skipped(f"{source}:{row.line}", _TOO_DEEP, failed=True)


def _document(row: _Row, source: str, fields: RowFields, unit: Unit, taken: set[str]) -> Document | Skipped:
    """Return the Document of a row, and add its id to those `taken` if the file has ids."""
    text, used = _text_of(row.values, fields)
    if not text.strip():
        return Skipped(f"{source}:{row.line}", "row without text")
    metadata = {
        storable(name): scalar
        for name, value in row.values.items()
        if name not in used and name != fields.id and (scalar := _metadata_value(value)) is not None
    }
    row_id = str(row.number)
    if fields.id:
        row_id = storable(_as_text(row.values.get(fields.id)).strip()) or row_id
        while row_id in taken:
            row_id += f"@{row.number}"
        taken.add(row_id)
    numbers = (row.number,) * (1 + len(_LINE_END.findall(text)))
    return Document(source, storable(text), row_id, unit, numbers, metadata)


def row_document(
    number: int, name: str, values: Mapping[str, object], source: str, fields: RowFields, taken: set[str]
) -> Document | Skipped:
    """Return the Document of a row that is not in a file of text, such as one of a spreadsheet.

    `name` is its id unless `fields` names a column of ids; `taken` are those of the other rows.
    """
    item = _document(_Row(number, number, values), source, fields, "row", taken)
    return item if isinstance(item, Skipped) or fields.id else replace(item, row_id=name)


def _require_columns(rows: Iterable[_Row | Skipped], source: str, fields: RowFields) -> None:
    """Raise `InvalidInput` if no row has a column that is named. Usually one row has to be read for it."""
    missing = dict.fromkeys(name for name in (*fields.text, fields.id) if name)
    seen: dict[str, None] = {}
    for row in rows if missing else ():
        if isinstance(row, _Row):
            seen.update(dict.fromkeys(row.values))
            if missing.keys() <= seen.keys():
                return
    absent = next((name for name in missing if name not in seen), None)
    if seen and absent is not None:
        raise InvalidInput(f"{source} has no column {absent!r}", f"its columns: {', '.join(seen)}")


def _text_of(values: Mapping[str, object], fields: RowFields) -> tuple[str, set[str]]:
    """Return the text of a row, and the columns from which it is made."""
    if fields.text:
        parts = [_as_text(values.get(name)) for name in fields.text]
        return "\n".join(part for part in parts if part.strip()), set(fields.text)
    strings = {name: value for name, value in values.items() if isinstance(value, str) and name != fields.id}
    folded = {name.strip().casefold(): name for name in strings}
    main = next((name for name in TEXT_FIELDS if name in folded), None)
    if main is None:
        labelled = (f"{name}: {value}" for name, value in strings.items() if value.strip())
        return "\n".join(labelled), set(strings)
    names = [folded[name] for name in ("title", main) if name in folded]
    return "\n".join(strings[name] for name in names if strings[name].strip()), set(names)


def _as_text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _metadata_value(value: object) -> Scalar | None:
    """Return `value` as metadata: nested values, and numbers that no store can hold, become text; None stays None."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return storable(_as_text(value))


def _json_rows(path: Path, encoding: str, source: str) -> Iterator[_Row | Skipped]:
    with io.TextIOWrapper(opened(path), encoding) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            place = f"{source}:{number}"
            if len(line) > _LONGEST_ROW:
                yield Skipped(place, f"row of more than {_LONGEST_ROW:,} characters", failed=True)
                continue
            try:
                yield _Row(number, number, json_object(line))
            except ValueError as error:
                yield Skipped(place, str(error), failed=True)


def json_object(line: str) -> dict[str, object]:
    """Return the object on a line of JSON Lines; NaN becomes None.

    Raises `ValueError`, which says what is wrong with the line.
    """
    try:
        # with a line end at the error, its column would be counted on the next line
        value = json.loads(line.rstrip(), parse_constant=lambda name: None)
    except json.JSONDecodeError as error:
        raise ValueError(f"malformed JSON: {error.msg} (column {error.colno})") from error
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError as error:  # a number of thousands of digits
        raise ValueError(f"malformed JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _table_rows(
    path: Path, encoding: str, source: str, dialects: Sequence[Dialect]
) -> Iterator[_Row | Skipped]:
    """Yield the rows below the header."""
    with io.TextIOWrapper(opened(path), encoding, newline="") as file:
        table = Table(file, dialects)
        names: list[str] = []
        for record in table:
            if record.problem:
                yield Skipped(f"{source}:{record.line}", record.problem, failed=True)
            elif record.number:
                cells = record.cells if table.dialect.quoted else map(unquoted, record.cells)
                yield _Row(record.line, record.number, dict(zip(names, cells, strict=True)))
            elif record.cells:
                names = distinct_names(record.cells)
