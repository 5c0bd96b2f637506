"""Files of rows written again without some of their rows; what is kept is kept byte for byte."""

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
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Codecs whose line ends are not bytes of their own, and which write no mark by themselves."""


def copy_rows(
    source: Path,
    to: Path,
    *,
    keep: Callable[[int], bool],
    group: tuple[str, Callable[[int], str]] | None = None,
    force: bool = False,
) -> int:
    """Write the rows of `source` for which `keep` is true to `to`, in their order; returns how many.

    Rows have the numbers that `read` gives them: those of lines in JSONL, from 1 below the header in CSV and TSV.
    `keep` is asked about every row in turn, also one that cannot be read. Header, blank lines, encoding and line
    ends stay as they are. `group` is the name of a column to add at the end and what it says for a row; a row that
    does not fit the header gets an empty cell, and one that cannot be parsed none.

    The file appears whole or not at all, with the permissions of `source`. `InvalidInput` where `source` is no file
    of rows or has the column already, or where `to` is `source`, is not a plain file, or is there without `force`;
    `UnreadableSource` where `source` cannot be read; `SemsearchError` where `to` cannot be written.
    """
    require_copyable(source, to, force=force)
    rewrite = _REWRITES[source.suffix.lower()]
    kept = 0
    try:
        encoding = _codec(source)
        with replacing(to, like=source) as copy:
            for is_row, raw in rewrite(_lines(source, encoding), _Choice(source, encoding, keep, group)):
                copy.write(raw)
                kept += is_row
    except UnreadableSource as error:
        raise UnreadableSource(f"{source}: {error}") from error
    except OSError as error:
        raise SemsearchError(
            f"cannot write {to}: {os_reason(error)}", "check the folder and the disk"
        ) from error
    return kept


def require_copyable(source: Path, to: Path, *, force: bool) -> None:
    """Raise what `copy_rows` would, as far as that can be told before `source` is read."""
    if source.suffix.lower() not in _REWRITES:
        raise InvalidInput(f"{source} is no file of rows", f"rows are read from {', '.join(_REWRITES)} files")
    try:
        if to.exists() and source.samefile(to):
            raise InvalidInput(
                f"{to} is the file to copy from", "choose another name; it can take its place later"
            )
    except OSError as error:
        raise UnreadableSource(f"{source}: {error.strerror or error}") from error
    if os.path.lexists(to) and not to.is_file():
        raise InvalidInput(f"{to} is not a file that can be written anew")
    if to.exists() and not force:
        raise InvalidInput(f"{to} is there already", "choose another name, or overwrite it with --force")


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which rows are kept, and the column they get."""

    source: Path
    encoding: str
    keep: Callable[[int], bool]
    group: tuple[str, Callable[[int], str]] | None

    def insert(self, raw: bytes, tail: str, text: str) -> bytes:
        """`raw`, which ends with `tail`, with `text` before that."""
        try:
            return raw[: len(raw) - len(tail.encode(self.encoding))] + (text + tail).encode(self.encoding)
        except UnicodeEncodeError as error:
            raise InvalidInput(f"{self.source} is {self.encoding}, which cannot hold {text!r}") from error

    def require_new(self, columns: Iterator[str]) -> None:
        """`InvalidInput` where the column to add is one of `columns`."""
        if self.group is not None and self.group[0] in columns:
            raise InvalidInput(f"{self.source} has a column {self.group[0]!r} already", "choose another name")


_Line = tuple[bytes, str]
"""A line with its end: as it is in the file, and decoded, without byte order mark."""
_Parts = Iterator[tuple[bool, bytes]]
"""What is to be written, and whether it is a row."""


def _jsonl(lines: Iterator[_Line], choice: _Choice) -> _Parts:
    for number, (raw, text) in enumerate(lines, 1):
        if not text.strip():
            yield False, raw
        elif choice.keep(number):
            yield True, _with_member(raw, text, number, choice)


def _with_member(raw: bytes, text: str, number: int, choice: _Choice) -> bytes:
    if choice.group is None:
        return raw
    try:
        members = json_object(text)
    except ValueError:
        return raw
    choice.require_new(iter(members))
    name, value = choice.group
    end = text.rindex("}")
    member = f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value(number), ensure_ascii=False)}"
    return choice.insert(raw, text[end:], f", {member}" if members else member)


def _table(dialects: Sequence[Dialect], lines: Iterator[_Line], choice: _Choice) -> _Parts:
    """Yield the records of a table; the lines of a record are those that the table took for it."""
    taken: list[_Line] = []

    def texts() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line[1]

    table = Table(texts(), dialects)
    for record in table:
        raw, text = b"".join(line[0] for line in taken), "".join(line[1] for line in taken)
        taken.clear()
        if record.number and not choice.keep(record.number):
            continue
        if choice.group is not None and record.cells:
            name, value = choice.group
            if not record.number:
                choice.require_new(iter(table.columns))
            cell = name if not record.number else "" if record.problem else value(record.number)
            end = text[len(text.rstrip("\r\n")) :]
            raw = choice.insert(raw, end, table.dialect.delimiter + _cell(cell, table.dialect))
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
    """Lines that end where text files' lines do. Their bytes are cut, not encoded anew: some codecs have two ways
    to write a character."""
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


_REWRITES: dict[str, Callable[[Iterator[_Line], _Choice], _Parts]] = {
    ".csv": partial(_table, DELIMITED),
    ".tsv": partial(_table, (TSV,)),
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
}
