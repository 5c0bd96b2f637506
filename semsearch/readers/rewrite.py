"""Copy files of rows without some of their rows. The rest is copied byte for byte."""

import codecs
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from semsearch.errors import InvalidInput, SemsearchError, UnreadableSource
from semsearch.files import opened, replacing
from semsearch.readers.encoding import detect_encoding
from semsearch.readers.formats import os_reason
from semsearch.readers.rows import json_object
from semsearch.readers.table import DELIMITED, TSV, Dialect, Table

_WIDE = {
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, since it begins with the same bytes
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Codecs in which a line end is more than one byte. They write no byte order mark."""


def copy_rows(
    source: Path,
    to: Path,
    *,
    keep: Callable[[int], bool],
    group: tuple[str, Callable[[int], str]] | None = None,
    force: bool = False,
) -> int:
    """Write the rows of `source` for which `keep` is true to `to`, in order; return the number of rows written.

    Rows have the same numbers as in `read`: line numbers in JSONL, and from 1 below the header in CSV and TSV. `keep`
    is called with the number of every row in turn, even if the row cannot be read. The header, blank lines, encoding
    and line ends stay the same. `group` is the name of a column to add at the end, and a function that returns its
    value in a row. A row that does not fit the header gets an empty cell, and a row that cannot be parsed gets none.

    The file is written completely or not at all, with the permissions of `source`. Raises `InvalidInput` if `source`
    is not a file of rows or already has the column, or if `to` is `source`, is not a plain file, or exists and `force`
    is not set. Raises `UnreadableSource` if `source` cannot be read, and `SemsearchError` if `to` cannot be written.
    """
    require_copyable(source, to, force=force)
    rewrite = _REWRITES[source.suffix.lower()]
    kept = 0
    try:
        encoding = _codec(source)
        with replacing(to, like=source) as copy:
            for is_row, raw in rewrite(_lines(source, encoding), _Selection(source, encoding, keep, group)):
                copy.write(raw)
                kept += is_row
    except UnreadableSource as error:
        raise UnreadableSource(f"{source}: {error}") from error
    except OSError as error:
        raise SemsearchError(
            f"cannot write {to}: {os_reason(error)}", "check the folder and the disk"
        ) from error
    return kept


def has_rows(source: str) -> bool:
    """Return whether a file of this name is one of rows, which can be copied without some of them."""
    return Path(source).suffix.lower() in _REWRITES


def require_copyable(source: Path, to: Path, *, force: bool) -> None:
    """Raise the errors of `copy_rows` that are known before `source` is read."""
    if source.suffix.lower() not in _REWRITES:
        raise InvalidInput(f"{source} is not a file of rows", f"files of rows are {', '.join(_REWRITES)}")
    try:
        if to.exists() and source.samefile(to):
            raise InvalidInput(
                f"{to} is the file to copy from", "choose another name; you can rename it afterwards"
            )
    except OSError as error:
        raise UnreadableSource(f"{source}: {os_reason(error)}") from error
    if os.path.lexists(to) and not to.is_file():
        raise InvalidInput(f"{to} is not a plain file")
    if to.exists() and not force:
        raise InvalidInput(f"{to} already exists", "choose another name, or use --force to overwrite it")


@dataclass(frozen=True, slots=True)
class _Selection:
    """The rows to keep, and the column to add."""

    source: Path
    encoding: str
    keep: Callable[[int], bool]
    group: tuple[str, Callable[[int], str]] | None

    def insert(self, raw: bytes, tail: str, text: str) -> bytes:
        """Return `raw`, which ends with `tail`, with `text` inserted before the tail."""
        try:
            return raw[: len(raw) - len(tail.encode(self.encoding))] + (text + tail).encode(self.encoding)
        except UnicodeEncodeError as error:
            raise InvalidInput(f"{self.source} is {self.encoding}, which cannot encode {text!r}") from error

    def require_new(self, columns: Iterator[str]) -> None:
        """Raise `InvalidInput` if the column to add is one of `columns`."""
        if self.group is not None and self.group[0] in columns:
            raise InvalidInput(f"{self.source} already has a column {self.group[0]!r}", "choose another name")


_Line = tuple[bytes, str]
"""A line with its end: its bytes in the file, and its text without byte order mark."""
_Copied = Iterator[tuple[bool, bytes]]
"""True for a row, and the bytes to write."""


def _copy_jsonl(lines: Iterator[_Line], selection: _Selection) -> _Copied:
    for number, (raw, text) in enumerate(lines, 1):
        if not text.strip():
            yield False, raw
        elif selection.keep(number):
            yield True, _with_member(raw, text, number, selection)


def _with_member(raw: bytes, text: str, number: int, selection: _Selection) -> bytes:
    if selection.group is None:
        return raw
    try:
        members = json_object(text)
    except ValueError:
        return raw
    selection.require_new(iter(members))
    name, value = selection.group
    end = text.rindex("}")
    member = f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value(number), ensure_ascii=False)}"
    return selection.insert(raw, text[end:], f", {member}" if members else member)


def _copy_table(dialects: Sequence[Dialect], lines: Iterator[_Line], selection: _Selection) -> _Copied:
    """Yield the records of a table; a record has the lines that the table consumed for it."""
    taken: list[_Line] = []

    def texts() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line[1]

    table = Table(texts(), dialects)
    for record in table:
        raw, text = b"".join(line[0] for line in taken), "".join(line[1] for line in taken)
        taken.clear()
        if record.number and not selection.keep(record.number):
            continue
        if selection.group is not None and record.cells:
            name, value = selection.group
            if not record.number:
                selection.require_new(iter(table.columns))
            cell = name if not record.number else "" if record.problem else value(record.number)
            end = text[len(text.rstrip("\r\n")) :]
            raw = selection.insert(raw, end, table.dialect.delimiter + _cell(cell, table.dialect))
        yield bool(record.number), raw


def _cell(value: str, dialect: Dialect) -> str:
    """Return a cell as it is written; without quoting, blanks stand for tabs and line ends."""
    if not dialect.quoted:
        return " ".join(value.split())
    special = any(mark in value for mark in (dialect.delimiter, '"', "\r", "\n"))
    return '"' + value.replace('"', '""') + '"' if special else value


def _codec(path: Path) -> str:
    """Return the codec of a file, which writes no byte order mark. Raises `UnreadableSource`."""
    try:
        with opened(path) as file:
            encoding = detect_encoding(file)
            if encoding not in ("utf-16", "utf-32"):
                return encoding.removesuffix("-sig")
            head = file.read(4)
    except OSError as error:
        raise UnreadableSource(os_reason(error)) from error
    return next(codec for mark, codec in _WIDE.items() if head.startswith(mark))


def _lines(path: Path, encoding: str) -> Iterator[_Line]:
    """Yield the lines of a file as bytes and text.

    The bytes are those of the file, not encoded again, since some codecs have two ways to encode a character. Raises
    `UnreadableSource`.
    """
    try:
        if encoding in _WIDE.values():
            with io.TextIOWrapper(opened(path), encoding, newline="") as wide:
                for at, text in enumerate(wide):
                    yield text.encode(encoding), text if at else text.removeprefix("\ufeff")
        else:
            with opened(path) as narrow:
                raws = (raw for line in narrow for raw in line.splitlines(keepends=True))
                for at, raw in enumerate(raws):
                    text = raw.decode(encoding)
                    yield raw, text if at else text.removeprefix("\ufeff")
    except OSError as error:
        raise UnreadableSource(os_reason(error)) from error
    except UnicodeError as error:
        raise UnreadableSource(f"malformed text: {error}") from error


_REWRITES: dict[str, Callable[[Iterator[_Line], _Selection], _Copied]] = {
    ".csv": partial(_copy_table, DELIMITED),
    ".tsv": partial(_copy_table, (TSV,)),
    ".jsonl": _copy_jsonl,
    ".ndjson": _copy_jsonl,
}
