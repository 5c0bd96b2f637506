"""Detect how a table (CSV or TSV) is written: delimiter, quotes, lines above the header, and whether it has one.

Each dialect that a table may have reads a sample. The one under which most lines fit the header wins. Whole records are
compared, so a comma within quotation marks, or in the name of one column, is not taken for a delimiter. DuckDB's
sniffer works like this, and so do van den Burg et al., "Wrangling messy CSV files by detecting row and type patterns"
(2019).
"""

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from semsearch.errors import InvalidInput, UnreadableSource

MOST_COLUMNS = 10_000
_LONGEST_CELL = 2**31 - 1
"""Characters of a cell: the most that Python's parser takes on every platform. Its default is 128 KiB."""
_MOST_ABOVE = 30
"""The most lines above a header."""
_SHORT, _LONE, _ONE_COLUMN, _ABOVE, _NO_QUOTES = 0.7, 0.3, 0.8, 0.98, 0.97
"""Weights of a line that fits less well: a row of too few cells, of one, and readings that assume more."""
_WORDS = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "bar": "|", "space": " "}
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
_MOST_IN_APOSTROPHES = 0.8
"""With a cell in apostrophes in more than this share of the lines, apostrophes are quotation marks."""
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_NUMBER = re.compile(r"[-+(]?[$€£¥]?\d[\d.,:/ T%eE+-]*\)?[%Z]?")
"""Numbers, dates and times."""
_SENTENCE_END = re.compile(r"""[.!?。！？…]["'”’»)]*$""")
_ESCAPED = re.compile(r'\\(["\\\r\n])')
_USUAL_NAMES = frozenset({
    "answer", "author", "body", "category", "class", "comment", "content", "context", "date", "description",
    "document", "id", "idx", "index", "input", "instruction", "key", "label", "lang", "language", "message", "name",
    "note", "output", "passage", "prompt", "question", "rating", "response", "review", "score", "sentence", "source",
    "split", "subject", "summary", "target", "text", "timestamp", "title", "topic", "tweet", "type", "url", "user",
    "text_a", "text_b", "sentence1", "sentence2", "sentence_a", "sentence_b", "question1", "question2",
})  # fmt: skip
"""Names of columns that make a first line the header, whatever else speaks against it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The format of a table: what separates its cells, and how a cell is quoted.

    If it is not `quoted`, a quotation mark is data. `escaped` means that a backslash precedes a quotation mark within a
    cell, as MySQL and Spark write it. `padded` means that blanks before a cell do not count. Without a `delimiter`,
    each line is one cell. `quote` is the quotation mark, which some programs write as an apostrophe.
    """

    delimiter: str
    quoted: bool = True
    escaped: bool = False
    padded: bool = False
    quote: str = '"'

    def reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """Return Python's strict reader of these lines.

        If it were not strict, a stray quotation mark would take all rows up to the next one with it.
        """
        if self.escaped:
            lines = (_ESCAPED.sub(_unescape, line) for line in lines)
        csv.field_size_limit(_LONGEST_CELL)
        return csv.reader(
            lines,
            delimiter=self.delimiter or "\x1f",
            quotechar=self.quote,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            skipinitialspace=self.padded,
            strict=True,
        )


def _unescape(match: re.Match[str]) -> str:
    return '""' if match[1] == '"' else match[1]


CSV = Dialect(",")
TSV = Dialect("\t", quoted=False)
"""TSV has no quoting (IANA text/tab-separated-values)."""
DELIMITED = tuple(Dialect(mark) for mark in ",;\t|")
"""The dialects that a .csv file may have, the plain one first."""
TABBED = (TSV, Dialect("\t"), *DELIMITED)
"""The dialects that a .tsv file may have. Spreadsheets quote cells with line ends or tabs."""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """Say how files with rows are written. An empty value is detected.

    Args:
        delimiter: What separates the cells of a table: one character, or `tab`.
        no_header: The first row of a table is data.
        encoding: The name of a codec of Python, such as `cp1252`.
        lines: Each line of a text is a record, in files that have no other rows.
    """

    delimiter: str = ""
    no_header: bool = False
    encoding: str = ""
    lines: bool = False

    def __post_init__(self) -> None:
        mark = _WORDS.get(self.delimiter.lower(), self.delimiter)
        if len(mark) > 1 or mark in ('"', "\n", "\r", "\\"):
            raise InvalidInput(f"{self.delimiter!r} cannot separate cells", "give one character, or tab")
        object.__setattr__(self, "delimiter", mark)
        if self.encoding:
            try:
                "".encode(self.encoding)
            except (LookupError, ValueError):
                raise InvalidInput(
                    f"unknown encoding {self.encoding!r}", "such as utf-8, cp1252, gb18030 or utf-16"
                ) from None


DETECT = RowFormat()
"""Nothing is said of the format, so all of it is detected."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Describe the layout of a table.

    `first` is the line of the header, or of the first row without one, counted from 0. `above` means that lines above
    it are left out. `indexed` means that rows have one cell more than the header, as R writes them. `comments` means
    that lines that begin with # are left out.
    """

    dialect: Dialect
    first: int = 0
    header: bool = True
    above: bool = False
    indexed: bool = False
    comments: bool = False

    def notes(self, plain: str) -> Iterator[str]:
        """Yield what was detected, in words, where it is not what a file with `plain` delimiters has."""
        dialect = self.dialect
        if not dialect.delimiter:
            yield "each line is one cell: no delimiter separates columns"
        elif dialect.delimiter != plain:
            yield f"{_NAMES.get(dialect.delimiter, repr(dialect.delimiter))} separate the columns"
        if dialect.quote == "'":
            yield "apostrophes quote the cells"
        if dialect.escaped:
            yield "backslashes escape quotation marks"
        if plain == "\t" and dialect == Dialect("\t"):
            yield "cells are quoted"
        if plain != "\t" and not dialect.quoted:
            yield "quotation marks are part of the cells"
        if self.above:
            lines = "line 1" if self.first == 1 else f"lines 1 to {self.first}"
            yield f"{lines} above the {'header' if self.header else 'rows'} left out"
        if self.indexed:
            yield "rows have one cell more than the header, so the first column has no name"
        if not self.header:
            yield "no header: the first row is data, and the columns are 'column 1', 'column 2', ..."


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A record of the sample: its first line from 0, the lines it spans, and its cells; None if malformed."""

    line: int
    lines: int
    cells: list[str] | None


def detect(
    sample: Sequence[str],
    dialects: Sequence[Dialect],
    *,
    whole: bool,
    named: Collection[str] = (),
    no_header: bool = False,
) -> Layout:
    """Return the layout of a table from its first lines with their ends.

    `dialects` are those it may have, the first of equals wins. `whole` says that there are no more lines. `named` are
    columns that the header must have if it has one of them. Raises `UnreadableSource` for more than 10,000 columns.
    """
    start = next((at for at, line in enumerate(sample) if line.strip()), 0)
    if said := _SEP_LINE.fullmatch(sample[start].lstrip("\ufeff")) if sample else None:
        dialects, start = [Dialect(said[1])], start + 1
    best: tuple[float, Layout, list[_Parsed]] | None = None
    for dialect in _variants(sample, dialects):
        records = list(_parse(sample, start, dialect, whole))
        score, layout = _fit(records, dialect)
        if not dialect.quoted and dialect != dialects[0]:
            score *= _NO_QUOTES if score > 0.99 else 0
        if best is None or score > best[0] + 1e-9:
            best = score, layout, records
    if best is None:
        return Layout(dialects[0])
    _, layout, records = best
    rows = [record.cells for record in records if record.line >= layout.first and record.cells]
    header = not no_header and (layout.indexed or _has_header(rows, named))
    above = any(line.strip() for line in sample[: layout.first])
    return replace(layout, header=header, above=above)


def _variants(sample: Sequence[str], dialects: Sequence[Dialect]) -> Iterator[Dialect]:
    """Yield the dialects, each after what of its variants the sample has signs of, and one column last."""
    text = "".join(sample)
    if (
        max(line.count(dialect.delimiter) for line in sample[:1] or [""] for dialect in dialects)
        > MOST_COLUMNS
    ):
        raise UnreadableSource(f"more than {MOST_COLUMNS:,} columns")
    for dialect in dialects:
        if dialect.delimiter not in text and dialect != dialects[0]:
            continue
        if dialect.quoted and re.search(re.escape(dialect.delimiter) + ' +"', text):
            yield replace(dialect, padded=True)
        in_apostrophes = _share_in_apostrophes(sample, dialect)
        if in_apostrophes > _MOST_IN_APOSTROPHES:  # they do not belong to the cells
            yield replace(dialect, quote="'")
        yield dialect
        if 0 < in_apostrophes <= _MOST_IN_APOSTROPHES:
            yield replace(dialect, quote="'")
        if dialect.quoted and '\\"' in text:
            yield replace(dialect, escaped=True)
    if len(dialects) > 1:
        yield from (Dialect(d.delimiter, quoted=False) for d in dialects if d.quoted and '"' in text)
        yield Dialect("")


def _share_in_apostrophes(sample: Sequence[str], dialect: Dialect) -> float:
    """Return the share of lines below the first that have a cell in apostrophes."""
    if not dialect.quoted:
        return 0.0
    mark = re.escape(dialect.delimiter)
    cell = re.compile(rf"(?:^|{mark})'(?:[^'\n]|'')*+'(?=\s*$|{mark})")
    below = sample[1:] or sample
    return sum(bool(cell.search(line)) for line in below) / max(1, len(below))


def _parse(sample: Sequence[str], start: int, dialect: Dialect, whole: bool) -> Iterator[_Parsed]:
    """Yield the records of a sample that are not blank."""
    source = iter(sample[start:])
    reader = dialect.reader(source)
    line = start
    while True:
        cells: list[str] | None = None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            pass
        end = start + reader.line_num  # type: ignore[attr-defined]
        if cells is None and end == len(sample) and not whole:
            return  # the sample ends within a record
        if cells is None or any(map(str.strip, cells)):
            yield _Parsed(line, end - line, cells)
        line = end


def _fit(records: Sequence[_Parsed], dialect: Dialect) -> tuple[float, Layout]:
    """Return how well records fit a header, in [0, 1], and the layout with the header that they fit best."""
    best, found = -1.0, Layout(dialect, records[0].line if records else 0)
    total = sum(record.lines for record in records) or 1
    comments = False
    for at, record in enumerate(records[:_MOST_ABOVE]):
        cells = record.cells
        if cells is None:
            break
        width, rest = len(cells), records[at + 1 :]
        lines = sum(other.lines for other in rest)
        if at and not all(_is_above(other, cells) for other in records[:at]):
            continue
        fitting = sum(other.lines * _weight(other.cells, width) for other in rest)
        score = (record.lines + fitting) / total
        if at:  # what is below must be nearly perfect to take what is above for no part of it
            exact = sum(other.lines for other in rest if _weight(other.cells, width) >= _SHORT)
            ok = rest and exact >= 0.8 * lines and width > 1 and not _is_title(record, rest)
            score = _ABOVE * (record.lines + fitting) / (record.lines + lines) if ok else 0
        elif _is_title(record, rest):
            score = 0.01
        elif width > 1 and _like_names(cells):  # names of columns count, even if many rows are torn
            least = 0.81 if _usual(cells) else 0.5
            score = least + (1 - least) * score
        layout = Layout(dialect, record.line, comments=comments)
        if not at and _is_indexed(cells, rest):
            score, layout = 0.99, replace(layout, indexed=True)
        if width == 1:
            score *= _ONE_COLUMN
        if score > best + 1e-9:
            best, found = score, layout
        comments |= cells[0].startswith("#")
    return best, found


def _weight(cells: list[str] | None, width: int) -> float:
    """Return how well a row fits a header with `width` cells, in [0, 1]."""
    if cells is None:
        return 0
    own = len(cells)
    while own > width and not cells[own - 1].strip():
        own -= 1
    if own == width:
        return 1
    return 0 if own > width else _SHORT if own > 1 else _LONE


def _is_above(record: _Parsed, header: list[str]) -> bool:
    """Return whether a record may be a title, a comment or metadata above a header.

    A title may have the delimiter too. Then only a header with usual names tells that it is one.
    """
    cells, width = record.cells, len(header)
    if cells is None:
        return False
    if len(cells) <= max(1, width // 2) or not any(map(str.strip, cells[1:])) or cells[0].startswith("#"):
        return True
    return len(cells) != width and _like_names(header) and _usual(header) and not _usual(cells)


def _is_title(record: _Parsed, rest: Sequence[_Parsed]) -> bool:
    """Return whether a record is a title in a row of empty cells, above a table, or a comment."""
    cells = record.cells or []
    if len(cells) < 2:
        return False
    if re.match(r"#\s", cells[0]) and rest and rest[0].cells and _like_names(rest[0].cells):
        return True
    if not cells[0].strip() or any(map(str.strip, cells[1:])):
        return False
    full = sum(sum(bool(cell.strip()) for cell in other.cells or ()) > 1 for other in rest)
    return full > len(rest) / 2


def _is_indexed(header: list[str], rest: Sequence[_Parsed]) -> bool:
    """Return whether the rows have a first cell more than the header, as R writes the names of rows."""
    rows = [other.cells for other in rest if other.cells]
    longer = [row for row in rows if len(row) == len(header) + 1 and row[-1].strip()]
    if not rows or len(longer) < 0.9 * len(rows) or (_usual(rows[0]) and not _usual(header)):
        return False
    counted = all(row[0].strip() == str(number) for number, row in enumerate(longer, 1))
    return _like_names(header) and (counted or len(header) > 1)


def _like_names(cells: Sequence[str]) -> bool:
    """Return whether cells may be the names of columns: short, none a number, none twice."""
    names = [cell.strip() for cell in cells]
    named = [name for name in names if name]
    return (
        len(set(named)) == len(named) > 0
        and all(len(name) <= 60 and not _NUMBER.fullmatch(name) for name in named)
        and not any(_SENTENCE_END.search(name) and len(name) > 4 for name in named)
    )


def _usual(cells: Sequence[str]) -> bool:
    """Return whether one of the cells is a usual name of a column."""
    names = {cell.strip().lstrip("#\ufeff").strip().lower().replace(" ", "_") for cell in cells}
    return bool(names & _USUAL_NAMES)


def _has_header(rows: Sequence[list[str]], named: Collection[str]) -> bool:
    """Return whether the first row names the columns. If nothing tells, it does, as in nearly all files.

    A name that a user gave or that is usual, or a word above a column of numbers, makes it the header. A number above
    numbers, a sentence above sentences, or a value that returns in its column makes it a row.
    """
    first, body = (rows[0], rows[1:]) if rows else ([], [])
    if not body and any(_NUMBER.fullmatch(cell.strip()) for cell in first) and not _usual(first):
        return False
    if not body or _usual(first) or {cell.strip() for cell in first} & set(named):
        return True
    like_row = False
    for at, cell in enumerate(map(str.strip, first)):
        column = [row[at].strip() for row in body if len(row) > at and row[at].strip()]
        if not column or not cell:
            continue
        numbers = sum(bool(_NUMBER.fullmatch(value)) for value in column)
        if numbers >= 0.9 * len(column):
            if not _NUMBER.fullmatch(cell):
                return True
            like_row = True
        elif not numbers and not _NUMBER.fullmatch(cell):
            long = len(cell) >= 0.4 * median(map(len, column)) and len(cell) > 6
            told = long and (len(cell.split()) > 3 or bool(_SENTENCE_END.search(cell)))
            sentences = sum(len(value.split()) > 3 or bool(_SENTENCE_END.search(value)) for value in column)
            like_row |= told and sentences > len(column) / 2
            like_row |= len(first) > 1 and len(column) > 3 and column.count(cell) > 1
    return not like_row
