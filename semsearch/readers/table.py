"""Read tables (CSV and TSV): the layout, the header, the numbers of the rows, and what is wrong with a row.

Data sets, copies of them, labelled pairs and labels are all read here, so a row has the same number for everyone.
"""

import csv
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from semsearch.errors import UnreadableSource
from semsearch.readers.dialect import (
    CSV,
    DELIMITED,
    DETECT,
    MOST_COLUMNS,
    TABBED,
    TSV,
    Dialect,
    Layout,
    RowFormat,
    detect,
)
from semsearch.readers.encoding import BAD

__all__ = ["CSV", "DELIMITED", "TABBED", "TSV", "Dialect", "Record", "RowFormat", "Table"]

_SAMPLE_LINES, _SAMPLE_CHARACTERS = 1_000, 1 << 16
"""The part of a table from which its layout is detected."""
_LEAST_LINES, _MOST_CHARACTERS = 20, 1 << 20
"""The least number of lines in that part, unless they have more characters than this."""
_NUL = "a NUL character"
_LONGEST_RECORD = 10_000_000
"""The most characters of a record of several lines: a quotation mark that is not closed within them is an error."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a table, the line on which it starts, from 1, and the number of lines it takes.

    A row has a `number`, from 1, and a `problem` if it cannot be parsed or is longer than the header. A row that lacks
    cells has been filled up with as many empty ones as are `missing`. Records without a number are the header, which
    has cells, and lines that are not part of the table (blank, above the header, comments), which have none.
    """

    line: int
    lines: int
    number: int
    cells: Sequence[str]
    problem: str = ""
    missing: int = 0


class Table:
    """A table that is read once, from its lines with their ends.

    `dialects` are those it may have, the plain one first; `format` says what is not to be detected, and `named` which
    columns a header is known to have. `dialect`, `columns` (the names in the header, without blanks around them) and
    `header` (whether there is one) are set when the first row is yielded. `notes` say what was detected that is not
    plain, and are complete at the end.
    """

    def __init__(
        self,
        lines: Iterable[str],
        dialects: Sequence[Dialect],
        format: RowFormat = DETECT,
        named: Collection[str] = (),
    ) -> None:
        self._lines = iter(lines)
        self._waiting: deque[str] = deque()
        self._plain = dialects[0].delimiter
        self._dialects = [Dialect(format.delimiter)] if format.delimiter else dialects
        if format.delimiter == "\t":
            self._dialects = TABBED[:2]
        self._format, self._named = format, named
        self._doubtful = 0
        self.dialect = self._dialects[0]
        self.columns: Sequence[str] = ()
        self.header = True
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Record]:
        """Yield every record, and lines that are not part of the table too.

        Raises `UnreadableSource` for a malformed header, or one of more than 10,000 columns.
        """
        layout = self._detect()
        self.dialect, self.header = layout.dialect, layout.header
        line, number, width = 1, 0, 0
        short, comments = [], 0
        while (first := self._take()) is not None:
            if line <= layout.first or not first.strip():
                yield Record(line, 1, 0, ())
                line += 1
                continue
            lines, cells, problem = self._record(first, width)
            at, line = line, line + lines
            if not width:
                if problem == _NUL:
                    raise UnreadableSource("binary file")  # the reason such a file has in a folder
                if problem:
                    raise UnreadableSource(f"malformed header: {problem.removeprefix('malformed row: ')}")
                header = [""] * layout.indexed + cells if layout.header else [""] * len(cells)
                width = len(header)
                if width > MOST_COLUMNS:
                    raise UnreadableSource(f"more than {MOST_COLUMNS:,} columns")
                self.columns = tuple(cell.strip() for cell in header)
                if layout.header:
                    yield Record(at, lines, 0, header)
                    continue
            if not problem and not any(map(str.strip, cells)):
                if len(cells) == width > 1:
                    number += 1
                    yield Record(at, lines, number, cells)
                else:
                    yield Record(at, lines, 0, ())
                continue
            if layout.comments and len(cells) != width and first.startswith("#"):
                comments += 1
                yield Record(at, lines, 0, ())
                continue
            number += 1
            if problem and lines > 1 and problem.startswith("malformed"):
                problem += f", and {lines - 1:,} more line{'s' * (lines > 2)} left out with it"
            while len(cells) > width and not cells[-1].strip():
                cells.pop()
            missing = max(0, width - len(cells)) if not problem else 0
            if not problem and len(cells) > width:
                problem = f"{len(cells)} fields where the header has {width}"
            if missing:
                short.append(at)
            yield Record(at, lines, number, cells + [""] * missing, problem, missing)
        if short:
            self.notes.append(f"{_rows(short)} shorter than the header: the cells that are missing are empty")
        if comments:
            self.notes.append(f"{comments:,} comment line{'s' * (comments > 1)} left out")

    def _detect(self) -> Layout:
        size = 0
        sample: list[str] = []
        whole = False
        while len(sample) < _SAMPLE_LINES and (
            size < _SAMPLE_CHARACTERS or (len(sample) < _LEAST_LINES and size < _MOST_CHARACTERS)
        ):
            if (line := next(self._lines, None)) is None:
                whole = True
                break
            sample.append(line)
            size += len(line)
        self._waiting.extend(sample)
        if sample and sample[0].startswith("\ufeff"):
            sample[0] = self._waiting[0] = sample[0][1:]
        layout = detect(
            sample, self._dialects, whole=whole, named=self._named, no_header=self._format.no_header
        )
        notes = layout.notes(self._format.delimiter or self._plain)
        self.notes += notes if not self._format.no_header else (n for n in notes if "no header" not in n)
        return layout

    def _take(self) -> str | None:
        return self._waiting.popleft() if self._waiting else next(self._lines, None)

    def _record(self, first: str, width: int) -> tuple[int, list[str], str]:
        """Return the lines that a record takes, its cells, and what is wrong with it. `first` is its first line.

        A malformed record ends before the next line at which a record with `width` cells begins: a quotation mark that
        is not closed costs its row, and not all rows up to the next one.
        """
        taken, cells, problem = self._parse(first)
        if not problem and (BAD in first or any(BAD in line for line in taken)):
            problem = "not valid text in the encoding of the file"
        elif not problem and "\0" in "".join(cells):
            problem = _NUL
        if not problem or not problem.startswith("malformed"):
            return 1 + len(taken), cells, problem
        lines = 1
        self._waiting.extendleft(reversed(taken))
        for _ in taken:
            start = self._take()
            assert start is not None
            more, found, wrong = self._parse(start)
            self._waiting.extendleft(reversed(more))
            if not wrong and len(found) == width:
                self._waiting.appendleft(start)
                break
            lines += 1
        return lines, [], problem

    def _parse(self, first: str) -> tuple[list[str], list[str], str]:
        """Return the lines after the first that a record takes, its cells, and what is wrong with it."""
        taken: list[str] = []
        size = 0
        most = _LONGEST_RECORD if self._doubtful < _LONGEST_RECORD else _LONGEST_RECORD // 1000

        def lines() -> Iterator[str]:
            nonlocal size
            yield first
            while size <= most and (line := self._take()) is not None:
                taken.append(line)
                size += len(line)
                yield line

        try:
            return taken, next(iter(self.dialect.reader(lines()))), ""
        except csv.Error as error:
            self._doubtful += size
            said = str(error)
            reason = "a quotation mark that is not closed" if "unexpected end" in said else said
            return taken, [], f"malformed row: {reason}"


def _rows(lines: Sequence[int]) -> str:
    first = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
    return f"{len(lines):,} row{'s are' if len(lines) > 1 else ' is'} (line{'s' * (len(lines) > 1)} {first})"


def unquoted(cell: str) -> str:
    """Return a cell without the quotation marks around all of it, which Excel writes even where there is no quoting."""
    inner = cell[1:-1].replace('""', "")
    whole = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner
    return cell[1:-1].replace('""', '"') if whole else cell


def distinct_names(header: Sequence[str]) -> list[str]:
    """Return the column names of a header, none blank and none twice."""
    names: dict[str, None] = {}
    for position, cell in enumerate(header, 1):
        name = cell.strip() or f"column {position}"
        while name in names:
            name += f" ({position})"
        names[name] = None
    return list(names)
