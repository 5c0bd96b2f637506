"""Copy files of rows without some of their rows. The rest is copied byte for byte, except in Parquet."""

import codecs
import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from semsearch.errors import InvalidInput, SemsearchError, UnreadableSource
from semsearch.files import replacing, require_writable
from semsearch.readers import parquet
from semsearch.readers.encoding import BAD, BAD_BYTES
from semsearch.readers.formats import os_reason
from semsearch.readers.json_rows import json_object, json_pieces
from semsearch.readers.packed import PACKINGS, compression, inner_suffix, opened_unpacked, packing
from semsearch.readers.parsing import FORMATS
from semsearch.readers.rows import SUFFIXES, RowFields, RowFile, row_file
from semsearch.readers.table import Dialect

_WIDE = {
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, since it begins with the same bytes
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Codecs in which a line end is more than one byte. They write no byte order mark."""

Columns: TypeAlias = Mapping[str, Callable[[int], str]]
"""The columns to add to the rows of a file, each with a function of the row's number that returns the value."""
_NO_COLUMNS = "a file with columns is needed: CSV, TSV, JSON Lines or Parquet"


def copy_rows(
    source: Path,
    to: Path,
    *,
    keep: Callable[[int], bool],
    columns: Columns = MappingProxyType({}),
    fields: RowFields = RowFields(),
    force: bool = False,
) -> int:
    """Write the rows of `source` for which `keep` is true to `to`, in order; return the number of rows written.

    Rows have the same numbers as in `read` with the same `fields`. `keep` is called with the number of every row in
    turn, even if the row cannot be read. The header, blank lines, encoding, line ends and compression stay the same,
    and so do the bytes of each row, except in Parquet. `columns` are added at the end, each with a function that
    returns its value in a row. A row that does not fit the header gets empty cells, and a row that cannot be parsed
    gets none.

    The file is written completely or not at all, with the permissions of `source`. Raises `InvalidInput` if `source`
    is not a file of rows or has such a column already, or if `to` is `source`, is not a plain file, is named as a file
    of another format or compression, or exists and `force` is not set. Raises `UnreadableSource` if `source` cannot be
    read, and `SemsearchError` if `to` cannot be written.
    """
    require_copyable(source, to, fields=fields, columns=columns, force=force)
    kept = 0
    try:
        file = _copyable(source, fields, columns)
        with replacing(to, like=source) as raw_copy, packing(raw_copy, compression(source)) as copy:
            if file.kind == "parquet":
                kept = parquet.copy(source, copy, keep=keep, columns=columns)
            else:
                for is_row, raw in _copied(file, keep, columns):
                    copy.write(raw)
                    kept += is_row
    except UnreadableSource as error:
        raise UnreadableSource(f"{source}: {error}") from error
    except OSError as error:
        raise SemsearchError(
            f"cannot write {to}: {os_reason(error)}", "check the folder and the disk"
        ) from error
    return kept


def read_otherwise(copy: Path, source: Path, fields: RowFields = RowFields()) -> str:
    """Return a note if a copy is detected as another kind of table than its source; "" if it is not.

    A copy of few rows may no longer show how its cells are separated or quoted. `fields` are those of the source.
    Raises `OSError`, and `UnreadableSource` for a file that is damaged.
    """
    theirs, ours = _layout(source, fields), _layout(copy, fields)
    if theirs is None or ours is None:
        return ""
    dialect, header, columns = theirs
    if ours[:2] == theirs[:2] and ours[2][: len(columns)] == columns:  # a column may have been added
        return ""
    advice = ""
    if dialect.delimiter and not fields.format.delimiter:
        mark = "tab" if dialect.delimiter == "\t" else dialect.delimiter
        advice = f": read it with --delimiter '{mark}'" + " --no-header" * (not header)
    return f"the rows left do not show the format of {source.name}{advice}"


def _layout(path: Path, fields: RowFields) -> tuple[Dialect, bool, Sequence[str]] | None:
    """Return the dialect, whether there is a header, and the columns; None if it has no rows or is not a table."""
    file = row_file(path, fields)
    if file is None or file.kind != "table":
        return None
    with file.opened() as lines:
        table = file.table(lines)
        found = any(record.cells for record in table)
    return (table.dialect, table.header, table.columns) if found else None


def has_rows(source: str) -> bool:
    """Return whether a file of this name may be one of rows, which can be copied without some of them."""
    return inner_suffix(Path(source)) in (*SUFFIXES, ".txt", ".text")


def require_copyable(
    source: Path, to: Path, *, fields: RowFields = RowFields(), columns: Collection[str] = (), force: bool
) -> None:
    """Raise the errors of `copy_rows` that are known before all of `source` is read."""
    try:
        file = _copyable(source, fields, columns)
        _require_name_of(to, file)
        if columns:
            _require_new_in_first_row(file, columns)
        if to.exists() and source.samefile(to):
            raise InvalidInput(
                f"{to} is the file to copy from", "choose another name; you can rename it afterwards"
            )
    except UnreadableSource as error:
        raise UnreadableSource(f"{source}: {error}") from error
    except OSError as error:
        raise UnreadableSource(f"{source}: {os_reason(error)}") from error
    require_writable(to, force=force)


def _require_new_in_first_row(file: RowFile, columns: Collection[str]) -> None:
    """Raise `InvalidInput` if the first row of a file has one of the columns to add, or can have none."""
    added = dict.fromkeys(columns, lambda number: "")
    if file.kind == "parquet":
        _Selection(file.path, "", bool, added).require_new(parquet.names(file.path))
    else:
        next((raw for is_row, raw in _copied(file, lambda number: True, added) if is_row), None)


def _require_name_of(to: Path, file: RowFile) -> None:
    """Raise `InvalidInput` if the name of a copy says another format or compression than the file has.

    Rows are copied, not converted. A name that says nothing, such as copy.txt, is fine.
    """
    source = file.path
    own, said = inner_suffix(source), inner_suffix(to)
    kind = compression(source)
    end = next((suffix for suffix, packing in PACKINGS.items() if packing == kind), "")
    ends = {source.suffix.lower(), end} & {*PACKINGS, ""} or {""}
    fitting = {own} | ({".jsonl", ".ndjson"} if file.json.kind in ("lines", "stream") else set())
    speaks = said in SUFFIXES or said in FORMATS
    packed = to.suffix.lower() if to.suffix.lower() in PACKINGS else ""
    if (not speaks or said in fitting) and (packed in ends or not (packed or speaks)):
        return
    name = to.name.removesuffix(to.suffix) if packed else to.name
    name = name[: len(name) - len(said)] if speaks else name
    raise InvalidInput(
        f"{to}: the copy has the format of {source.name}, and this name says another",
        f"name it {name}{own}{end}; rows are copied, not converted",
    )


def _copyable(source: Path, fields: RowFields, columns: Collection[str]) -> RowFile:
    """Return how a file of rows is read. Raises `InvalidInput` if it has no rows that can be left out."""
    file = row_file(source, fields)
    if file is None:
        hint = f"files of rows are {', '.join(SUFFIXES)}, and texts with --lines"
        raise InvalidInput(f"{source} is not a file of rows", hint)
    if file.json.kind in ("columns", "index", "record"):
        raise InvalidInput(
            f"{source} has no rows that can be left out: {_KINDS[file.json.kind]}",
            "write it as JSON Lines, one object a line",
        )
    if columns and file.kind == "lines":
        raise InvalidInput(f"{source} has no columns to add one to", _NO_COLUMNS)
    return file


_KINDS = {
    "columns": "its records are in columns",
    "index": "its records are members of an object",
    "record": "it is one record",
}


def _copied(file: RowFile, keep: Callable[[int], bool], columns: Columns) -> "_Copied":
    encoding = _codec(file)
    selection = _Selection(file.path, encoding, keep, columns)
    if file.kind == "table":
        return _copy_table(file, _lines(file, encoding), selection)
    if file.json.kind in ("array", "stream"):
        return _copy_json(file, selection)
    return _copy_lines(_lines(file, encoding), selection)


@dataclass(frozen=True, slots=True)
class _Selection:
    """The rows to keep, and the columns to add."""

    source: Path
    encoding: str
    keep: Callable[[int], bool]
    columns: Columns

    def insert(self, raw: bytes, tail: str, text: str) -> bytes:
        """Return `raw`, which ends with `tail`, with `text` inserted before the tail."""
        try:
            return raw[: len(raw) - len(tail.encode(self.encoding))] + (text + tail).encode(self.encoding)
        except UnicodeEncodeError as error:
            raise InvalidInput(f"{self.source} is {self.encoding}, which cannot encode {text!r}") from error

    def require_new(self, known: Iterable[str]) -> None:
        """Raise `InvalidInput` if a column to add is known."""
        if both := self.columns.keys() & set(known):
            raise InvalidInput(
                f"{self.source} already has a column {min(both)!r}", "choose another name for the new one"
            )


_Line = tuple[bytes, str]
"""A line with its end: its bytes in the file, and its text without byte order mark."""
_Copied = Iterator[tuple[bool, bytes]]
"""True for a row, and the bytes to write."""


def _copy_lines(lines: Iterator[_Line], selection: _Selection) -> _Copied:
    for number, (raw, text) in enumerate(lines, 1):
        if not text.strip():
            yield False, raw
        elif selection.keep(number):
            yield True, _with_member(raw, text, number, selection)


def _copy_json(file: RowFile, selection: _Selection) -> _Copied:
    """Yield the records of an array or a stream; what is between two goes with the second of them."""
    between, kept, first = "", 0, True
    with file.opened() as text:
        for piece in json_pieces(text, file.json):
            if BAD in piece.text:
                raise UnreadableSource(f"line {piece.line}: not valid text, so it cannot be copied")
            if not piece.number:
                between += piece.text
                continue
            keep = selection.keep(piece.number)
            if first or (keep and kept):
                yield False, between.encode(selection.encoding)
            if keep:
                raw = piece.text.encode(selection.encoding)
                yield True, _with_member(raw, piece.text, piece.number, selection)
                kept += 1
            between, first = "", False
        yield False, between.encode(selection.encoding)


def _with_member(raw: bytes, text: str, number: int, selection: _Selection) -> bytes:
    if not selection.columns:
        return raw
    try:
        members = json_object(text)
        end = text.rindex("}")
    except ValueError:  # malformed, or a text
        if text.strip().startswith('"'):
            raise InvalidInput(
                f"{selection.source} has rows that are texts, which have no columns", _NO_COLUMNS
            ) from None
        return raw
    selection.require_new(members)
    added = json.dumps({name: value(number) for name, value in selection.columns.items()}, ensure_ascii=False)
    return selection.insert(raw, text[end:], f"{', ' if members else ''}{added[1:-1]}")


def _copy_table(file: RowFile, lines: Iterator[_Line], selection: _Selection) -> _Copied:
    """Yield the records of a table, each with the bytes of its lines."""
    read: deque[_Line] = deque()

    def texts() -> Iterator[str]:
        for line in lines:
            read.append(line)
            yield line[1]

    table = file.table(texts())
    for record in table:
        taken = [read.popleft() for _ in range(record.lines)]
        raw, text = b"".join(line[0] for line in taken), "".join(line[1] for line in taken)
        if record.number and not selection.keep(record.number):
            continue
        if selection.columns and record.cells:
            delimiter = table.dialect.delimiter
            if not delimiter:
                raise InvalidInput(f"{selection.source} has no columns to add one to", _NO_COLUMNS)
            if not record.number:
                selection.require_new(table.columns)
            cells = (
                name if not record.number else "" if record.problem else value(record.number)
                for name, value in selection.columns.items()
            )
            added = "".join(delimiter + _cell(cell, table.dialect) for cell in cells)
            end = text[len(text.rstrip("\r\n")) :]
            raw = selection.insert(raw, end, delimiter * record.missing + added)
        yield bool(record.number), raw


def _cell(value: str, dialect: Dialect) -> str:
    """Return a cell as it is written; without quoting, blanks stand for tabs and line ends."""
    if not dialect.quoted:
        return " ".join(value.split())
    quote = dialect.quote
    special = any(mark in value for mark in (dialect.delimiter, quote, "\r", "\n"))
    return quote + value.replace(quote, quote * 2) + quote if special else value


def _codec(file: RowFile) -> str:
    """Return the codec of a file, which writes no byte order mark. Raises `OSError`."""
    encoding = codecs.lookup(file.encoding).name
    if encoding not in ("utf-16", "utf-32"):
        return encoding.removesuffix("-sig")
    with opened_unpacked(file.path) as stream:
        head = stream.read(4)
    return next((codec for mark, codec in _WIDE.items() if head.startswith(mark)), f"{encoding}-le")


def _lines(file: RowFile, encoding: str) -> Iterator[_Line]:
    """Yield the lines of a file as bytes and text.

    The bytes are those of the file, not encoded again, since some codecs have two ways to encode a character. Raises
    `OSError`, and `UnreadableSource` for bytes in UTF-16 or UTF-32 that are not valid.
    """
    if encoding.startswith(("utf-16", "utf-32")):
        with replace(file, encoding=encoding).opened() as wide:
            for at, text in enumerate(wide):
                if BAD in text:
                    raise UnreadableSource(f"line {at + 1} is not valid {encoding}, so it cannot be copied")
                yield text.encode(encoding), text if at else text.removeprefix("\ufeff")
    else:
        with opened_unpacked(file.path) as narrow:
            raws = (raw for line in narrow for raw in line.splitlines(keepends=True))
            for at, raw in enumerate(raws):
                text = raw.decode(encoding, BAD_BYTES)
                yield raw, text if at else text.removeprefix("\ufeff")
