"""Read files of rows: each row of a table, JSON or Parquet file, or each line of a text, is a Document. Rows stream.

`row_file` alone decides how a file is read as rows: the reading, the copy without some rows, and the check for leaks
ask it, so a row has one number everywhere.
"""

import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from semsearch.errors import InvalidInput, UnreadableSource
from semsearch.readers import parquet
from semsearch.readers.dialect import DETECT, RowFormat
from semsearch.readers.encoding import BAD, BAD_BYTES, detect_encoding, storable
from semsearch.readers.json_rows import (
    LONGEST_ROW,
    TOO_DEEP,
    JsonLayout,
    json_layout,
    json_members,
    json_object,
    json_pieces,
)
from semsearch.readers.packed import inner_suffix, opened_unpacked
from semsearch.readers.table import DELIMITED, TABBED, Dialect, Table, distinct_names, unquoted
from semsearch.types import Document, FieldValue, Skipped, Unit

TEXT_FIELDS = (
    *("text", "content", "body", "passage", "description", "message", "sentence"),
    *("文本", "正文", "内容", "內容", "本文", "텍스트", "본문", "texte", "texto", "testo", "текст", "tekst"),
)
"""The columns that hold the text if none is named: the first of these that exists, in upper or lower case."""
_TABLES: dict[str, Sequence[Dialect]] = {".csv": DELIMITED, ".tsv": TABBED}
_JSON = {".json": False, ".jsonl": True, ".ndjson": True}
"""The suffixes of JSON, and whether they say that each line is a value."""
SUFFIXES = (*_TABLES, *_JSON, ".parquet")
"""The suffixes of files of rows, each of which the suffix of a compression may follow."""
Tell = Callable[[str], None]
"""Called with what was detected in a file that is not plain."""


@dataclass(frozen=True, slots=True)
class RowFields:
    """The columns of the text (several are joined by line ends) and of the id, and the format of files with rows.

    An empty field is detected. A field may be a path to a nested value: `meta.text`, `messages.0.content`, or
    `messages.*.content` for all of them. A column with that very name comes first, and `\\.` stands for a point in a
    key. Unless `titled` is False, a `title` is put in front of a text that is detected.
    """

    text: tuple[str, ...] = ()
    id: str = ""
    format: RowFormat = DETECT
    titled: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """A row: the line on which it starts, its number, its values as in JSON, and how many cells it lacks.

    All values of a table are strings.
    """

    line: int
    number: int
    values: Mapping[str, object]
    missing: int = 0


_MOST_ITEMS = 1_000
"""The most items of a list that is a field. A longer one is text."""
_NO_JSON = JsonLayout("")


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file of rows: its `kind` is "table", "json", "lines" or "parquet".

    `json` has the layout of a JSON file, `dialects` those of a table, and `named` the columns that its header
    is known to have.
    """

    path: Path
    kind: str
    encoding: str = ""
    format: RowFormat = DETECT
    json: JsonLayout = _NO_JSON
    dialects: Sequence[Dialect] = ()
    named: Sequence[str] = ()

    @property
    def unit(self) -> Unit:
        """The unit of the rows' numbers."""
        return "line" if self.kind == "lines" or self.json.kind == "lines" else "row"

    def opened(self) -> io.TextIOWrapper:
        """Open the text of the file; bytes that are not valid in its encoding become `BAD`. Lines keep their ends."""
        file = opened_unpacked(self.path)
        return io.TextIOWrapper(file, self.encoding, errors=BAD_BYTES, newline="")

    def table(self, lines: Iterable[str]) -> Table:
        """Return the table in these lines."""
        return Table(lines, self.dialects, self.format, self.named)


def row_file(path: Path, fields: RowFields = RowFields(), *, table: bool = False) -> RowFile | None:
    """Return how a file is read as rows; None if it has no rows, so it is one text as a whole.

    A .csv or .tsv file is a table, and a .jsonl, .ndjson or .parquet file has rows. A .json file has rows if it is an
    array of objects or strings, an object that holds one, JSON Lines, columns as pandas writes them, or one record.
    With `format.lines`, a text has a row in each line, and with `table` it is a table. Any of these may be compressed.
    Raises `OSError` and `MissingExtra`, and `UnreadableSource` for a file that is damaged.
    """
    suffix, format = inner_suffix(path), fields.format
    if suffix == ".parquet":
        return RowFile(path, "parquet")
    if suffix not in SUFFIXES and not (format.lines or table):
        return None
    encoding = format.encoding or _encoding(path)
    if suffix in _TABLES or (table and suffix not in _JSON):
        dialects = _TABLES.get(suffix) or _likely(path, encoding)
        return RowFile(path, "table", encoding, format, dialects=dialects, named=_named(fields))
    if suffix in _JSON:
        with RowFile(path, "json", encoding).opened() as file:
            layout = json_layout(file, fields.text, lines=_JSON[suffix])
        if layout.kind or not format.lines:
            return RowFile(path, "json", encoding, format, layout) if layout.kind else None
    return RowFile(path, "lines", encoding, format)


def _likely(path: Path, encoding: str) -> Sequence[Dialect]:
    """Return the dialects of a table whose name does not tell: tabs if its first line has some."""
    with RowFile(path, "table", encoding).opened() as file:
        return TABBED if "\t" in file.readline() else DELIMITED


def table_rows(path: Path, fields: RowFields, tell: "Tell") -> Iterator[Row | Skipped]:
    """Yield the rows of a file that has rows whatever its name. Raises what `row_file` raises."""
    file = row_file(path, fields, table=True)
    if file is None:
        raise UnreadableSource(f"not records: {how_to_split(path, fields)}")
    return _rows(file, str(path), tell)


def _named(fields: RowFields) -> list[str]:
    return [name for name in (*fields.text, fields.id) if name]


def read_rows(file: RowFile, source: str, fields: RowFields, tell: Tell) -> Iterator[Document | Skipped]:
    """Yield a Document for each row with text, and tell what was detected."""
    _require_columns(_rows(file, source), source, fields)
    if file.encoding not in ("", "utf-8", "utf-8-sig", "ascii") and not file.format.encoding:
        tell(f"read as {file.encoding}")
    taken = _names_of_files(file.path)
    for row in _rows(file, source, tell):
        if isinstance(row, Skipped):
            yield row
            continue
        try:
            yield _document(row, source, fields, file.unit, taken)
        except (
            RecursionError
        ):  # parsed at the last level for which the stack has room, and too deep to be written
            yield Skipped(f"{source}:{row.line}", TOO_DEEP, failed=True)


def first_rows(path: Path, fields: RowFields, most: int) -> list[Mapping[str, object]]:
    """Return the values of the first rows of a file of rows; none of any other. Raises what `row_file` raises."""
    file = row_file(path, fields)
    rows = (row.values for row in _rows(file, "") if isinstance(row, Row)) if file else iter(())
    return list(islice(rows, most))


def require_columns(path: Path, source: str, fields: RowFields) -> None:
    """Raise `InvalidInput` if a file of rows has no row with a column that is named; see also `row_file`."""
    if _named(fields) and (file := row_file(path, fields)):
        _require_columns(_rows(file, source), source, fields)


def how_to_split(path: Path, fields: RowFields) -> str:
    """Return what to do with a file that is one text as a whole, to have a record for each part of it."""
    suffix = inner_suffix(path)
    if suffix not in _JSON:
        return "use --lines to read each line as a record, or convert it to JSON Lines"
    with RowFile(path, "json", fields.format.encoding or _encoding(path)).opened() as file:
        advice = json_layout(file, fields.text, lines=_JSON[suffix]).advice
    return advice.replace("FILE", path.name) or "write one object a line, as JSON Lines"


def _encoding(path: Path) -> str:
    with opened_unpacked(path) as file:
        return detect_encoding(file, rows=True)


def _names_of_files(path: Path) -> set[str]:
    """Return the ids that no row may have, since there is a file of that name: `1` if there is `a.csv#1`."""
    try:
        return {other.name[len(path.name) + 1 :] for other in path.parent.glob(f"{_glob(path.name)}#*")}
    except OSError:
        return set()


def _glob(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _document(row: Row, source: str, fields: RowFields, unit: Unit, taken: set[str]) -> Document | Skipped:
    """Return the Document of a row, and add its id to those `taken` if the file has ids."""
    text, used = _text_of(row.values, fields)
    place = f"{source}:{row.line}"
    if not text.strip():
        if row.missing:
            width = len(row.values)
            return Skipped(
                place, f"{width - row.missing} fields where the header has {width}, and no text", failed=True
            )
        nested = [
            name for name, value in row.values.items() if value and isinstance(value, list | dict | bytes)
        ]
        if name := main_field(nested):
            return Skipped(place, f"row whose {storable(name)} is not plain text", failed=True)
        return Skipped(place, "row without text")
    metadata = {
        storable(name): scalar
        for name, value in row.values.items()
        if name not in used and name != fields.id and (scalar := _metadata_value(value)) is not None
    }
    row_id = str(row.number)
    if fields.id:
        row_id = storable(_as_text(value_at(row.values, fields.id)).strip()) or row_id
    while row_id in taken:
        row_id += f"@{row.number}"
    if fields.id:
        taken.add(row_id)
    numbers = (row.number,) * (1 + len(_LINE_END.findall(text)))
    return Document(source, storable(text), row_id, unit, numbers, metadata)


def row_document(
    number: int, name: str, values: Mapping[str, object], source: str, fields: RowFields, taken: set[str]
) -> Document | Skipped:
    """Return the Document of a row that is not in a file of text, such as one of a spreadsheet.

    `name` is its id unless `fields` names a column of ids; `taken` are those of the other rows.
    """
    item = _document(Row(number, number, values), source, fields, "row", taken)
    return item if isinstance(item, Skipped) or fields.id else replace(item, row_id=name)


_LONGEST_FIELD = 100
"""The most characters of a cell that is a field although it is a part of the text."""
_LINE_END = re.compile(r"\r\n?|\n")
_ABSENT = object()


def value_at(values: Mapping[str, object], name: str) -> object:
    """Return the value of a column, or at a path of keys and positions; None if there is none."""
    found = _found(values, name)
    return None if found is _ABSENT else found


def _found(values: Mapping[str, object], name: str) -> object:
    if name in values:
        return values[name]
    if name.isdigit() and f"column {name}" in values:
        return values[f"column {name}"]
    if "." not in name:
        return _ABSENT
    return _within(values, [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", name)])


def _within(value: object, path: Sequence[str]) -> object:
    """Return the value at a path of keys; `*` takes all items of a list, and joins their texts by line ends."""
    for at, key in enumerate(path):
        if isinstance(value, str) and value[:1] in ("{", "["):  # JSON in a cell of a table
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return _ABSENT
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key == "*":
            found = [_within(item, path[at + 1 :]) for item in value]
            return "\n".join(_as_text(item) for item in found if item is not _ABSENT)
        elif (
            isinstance(value, list)
            and re.fullmatch(r"-?\d{1,9}", key)
            and -len(value) <= int(key) < len(value)
        ):
            value = value[int(key)]
        else:
            return _ABSENT
    return value


def _require_columns(rows: Iterable[Row | Skipped], source: str, fields: RowFields) -> None:
    """Raise `InvalidInput` if no row has a column that is named. Usually one row has to be read for it."""
    missing = dict.fromkeys(_named(fields))
    seen: dict[str, None] = {}
    for row in rows if missing else ():
        if isinstance(row, Row):
            seen.update(dict.fromkeys(_paths(row.values)))
            missing = {name: None for name in missing if _found(row.values, name) is _ABSENT}
            if not missing:
                return
    if seen and missing:
        raise InvalidInput(
            f"{source} has no column {next(iter(missing))!r}", f"its columns: {', '.join(seen)}"
        )


def _paths(values: Mapping[str, object]) -> Iterator[str]:
    """Yield the names of columns, and after those that hold objects the paths to what they hold."""
    for name, value in values.items():
        yield name
        if isinstance(value, dict):
            yield from (f"{name}.{key}" for key in list(value)[:20])
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from (f"{name}.0.{key}" for key in list(value[0])[:20])


def main_field(names: Iterable[str]) -> str | None:
    """Return the column that holds the text if none is named, or None."""
    folded = {name.strip().casefold(): name for name in names}
    return next((folded[name] for name in TEXT_FIELDS if name in folded), None)


def _text_of(values: Mapping[str, object], fields: RowFields) -> tuple[str, set[str]]:
    """Return the text of a row, and the columns from which it is made and that are not fields.

    Where no column has the text, all of them make it, each with its name, and short ones are fields as well.
    """
    if fields.text:
        parts = [_as_text(value_at(values, name)) for name in fields.text]
        return "\n".join(part for part in parts if part.strip()), set(fields.text)
    strings = {name: value for name, value in values.items() if isinstance(value, str) and name != fields.id}
    main = main_field(strings)
    if main is None:
        unnamed = all(re.fullmatch(r"column \d+", name) for name in strings)
        labelled = (
            value if unnamed else f"{name}: {value}" for name, value in strings.items() if value.strip()
        )
        fields_too = {
            n for n, v in strings.items() if not unnamed and len(v) <= _LONGEST_FIELD and "\n" not in v
        }
        return "\n".join(labelled), strings.keys() - fields_too
    title = next((name for name in strings if name.strip().casefold() == "title"), None)
    names = [name for name in (title if fields.titled else None, main) if name is not None]
    return "\n".join(strings[name] for name in names if strings[name].strip()), set(names)


def _as_text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except (RecursionError, ValueError) as error:  # a value that has itself as a part
        raise InvalidInput(
            f"a value is nested too deeply: {error}", "give texts, numbers or lists"
        ) from error


def _metadata_value(value: object) -> FieldValue | None:
    """Return `value` as metadata: nested values, and numbers that no store can hold, become text; None stays None.

    A list of texts and numbers stays one, such as tags.
    """
    if isinstance(value, list | tuple) and 0 < len(value) <= _MOST_ITEMS and all(map(_is_scalar, value)):
        return tuple(one for item in value if isinstance(one := _metadata_value(item), str | int | float))
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, bytes):
        return None
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return storable(_as_text(value))


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)


def _ignore(note: str) -> None:
    pass


def _rows(file: RowFile, source: str, tell: Tell = _ignore) -> Iterator[Row | Skipped]:
    """Yield the rows of a file."""
    if file.kind == "parquet":
        for number, values in parquet.rows(file.path):
            yield Row(number, number, values)
    elif file.kind == "table":
        yield from _table_rows(file, source, tell)
    elif file.kind == "lines":
        with file.opened() as lines:
            for number, line in enumerate(lines, 1):
                if BAD in line or "\0" in line:
                    yield Skipped(
                        f"{source}:{number}", "not valid text in the encoding of the file", failed=True
                    )
                elif line.strip("\ufeff \t\r\n"):
                    yield Row(number, number, {"text": line.removeprefix("\ufeff").rstrip("\r\n")})
    elif file.json.kind == "lines":
        with file.opened() as lines:
            for number, line in enumerate(lines, 1):
                if line.strip("\ufeff \t\r\n"):
                    yield _json_row(line.removeprefix("\ufeff"), number, number, source)
    elif file.json.kind in ("array", "stream"):
        tell(
            f"each record of {f'the array {file.json.key!r}' if file.json.key else f'the {file.json.kind}'} is a row"
        )
        with file.opened() as text:
            for piece in json_pieces(text, file.json):
                if piece.number:
                    yield _json_row(piece.text, piece.line, piece.number, source)
    else:
        tell(
            {"columns": "records are in columns", "index": "records are by name"}.get(
                file.json.kind, "one record"
            )
        )
        with file.opened() as text:
            for number, value in enumerate(json_members(text, file.json), 1):
                if isinstance(value, dict):
                    yield Row(1, number, value)
                else:
                    yield Skipped(f"{source}:{number}", "not a JSON object", failed=True)


def _json_row(text: str, line: int, number: int, source: str) -> Row | Skipped:
    try:
        if len(text) > LONGEST_ROW:
            raise ValueError(f"row of more than {LONGEST_ROW:,} characters")
        if BAD in text:
            raise ValueError("not valid text in the encoding of the file")
        return Row(line, number, json_object(text))
    except ValueError as error:
        return Skipped(f"{source}:{line}", str(error), failed=True)


def _table_rows(file: RowFile, source: str, tell: Tell) -> Iterator[Row | Skipped]:
    """Yield the rows below the header, if the table has one."""
    with file.opened() as lines:
        table = file.table(lines)
        names: list[str] = []
        for record in table:
            if record.problem:
                yield Skipped(f"{source}:{record.line}", record.problem, failed=True)
            elif record.number:
                names = names or distinct_names(table.columns if table.header else [""] * len(record.cells))
                cells = record.cells if table.dialect.quoted else map(unquoted, record.cells)
                yield Row(record.line, record.number, dict(zip(names, cells, strict=True)), record.missing)
        for note in table.notes:
            tell(note)
