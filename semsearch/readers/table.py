"""Read tables (CSV and TSV): the dialect, the header, the numbers of the rows, and what is wrong with a row.

Data sets, copies of them, labelled pairs and labels are all read here, so a row has the same number for everyone.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from semsearch.errors import UnreadableSource

_MOST_COLUMNS = 10_000
_LONGEST_CELL = 2**31 - 1
"""Characters of a cell: the most that Python's parser takes on every platform. Its default is 128 KiB."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The format of a table: what separates its cells. If it is not `quoted`, a quotation mark is data."""

    delimiter: str
    quoted: bool = True

    @property
    def quoting(self) -> Literal[0, 3]:
        """The constant of Python's `csv` for it."""
        return csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE


CSV = Dialect(",")
TSV = Dialect("\t", quoted=False)
"""TSV has no quoting (IANA text/tab-separated-values)."""
DELIMITED = tuple(Dialect(mark) for mark in ",;\t|")
"""The dialects that a .csv file may have."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a table and the line on which it starts, from 1.

    A row has a `number`, from 1, and a `problem` if it cannot be parsed or does not fit the header. Records without
    a number are the header, which has cells, and blank lines, which have none.
    """

    line: int
    number: int
    cells: Sequence[str]
    problem: str = ""


class Table:
    """A table that is read once, from its lines with their ends.

    `dialects` are those it may have. Its `dialect` is the one that separates the first line that is not blank into
    the most cells, the first of equals. That line is the header. `dialect` and `columns` (the names in the header,
    without blanks around them) are set when the header is yielded.
    """

    def __init__(self, lines: Iterable[str], dialects: Sequence[Dialect]) -> None:
        self._lines = iter(lines)
        self._dialects = dialects
        self.dialect = dialects[0]
        self.columns: Sequence[str] = ()

    def __iter__(self) -> Iterator[Record]:
        """Yield every record, blank lines too; the lines of each are consumed before it is yielded.

        Parses strictly: otherwise a stray quotation mark takes all rows up to the next one with it. Raises
        `UnreadableSource` for a malformed header, or one of more than 10,000 columns.
        """
        blank, first = 0, ""
        for first in self._lines:
            if first.strip():
                break
            blank += 1
            yield Record(blank, 0, ())
        else:
            return
        self.dialect = _best(first, self._dialects)
        lines = chain([first], self._lines)
        csv.field_size_limit(_LONGEST_CELL)
        reader = csv.reader(
            lines, delimiter=self.dialect.delimiter, quoting=self.dialect.quoting, strict=True
        )
        number = width = 0
        while True:
            line, problem = blank + reader.line_num + 1, ""
            cells: list[str] = []
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if not width:
                    raise UnreadableSource(f"malformed header: {error}") from error
                problem = f"malformed row: {error}"
            if not width:
                width = len(cells)
                self.columns = tuple(cell.strip() for cell in cells)
                yield Record(line, 0, cells)
            elif problem or len(cells) == width or any(map(str.strip, cells)):
                number += 1
                if not problem and len(cells) != width:
                    problem = f"{len(cells)} fields where the header has {width}"
                yield Record(line, number, cells, problem)
            else:
                yield Record(line, 0, ())


def _best(header: str, dialects: Sequence[Dialect]) -> Dialect:
    """Return the dialect that separates a header into the most cells."""
    if max(header.count(dialect.delimiter) for dialect in dialects) > _MOST_COLUMNS:
        raise UnreadableSource(f"more than {_MOST_COLUMNS:,} columns")
    if len(dialects) == 1:
        return dialects[0]
    csv.field_size_limit(_LONGEST_CELL)

    def width(dialect: Dialect) -> int:
        return len(next(csv.reader([header], delimiter=dialect.delimiter, quoting=dialect.quoting)))

    return max(dialects, key=width)


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
