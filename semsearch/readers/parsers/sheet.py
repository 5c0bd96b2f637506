"""Write the cells of a spreadsheet as text, a line for each row, whatever its format."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from semsearch.readers.fields import About
from semsearch.readers.parsed import Parsed, parsed
from semsearch.readers.table import distinct_names
from semsearch.types import Scalar

_LOOK_AHEAD = 50
"""Rows from which a header is told."""
MOST_ROWS = 2**24
"""The highest number of a row, the limit of LibreOffice. A file may claim any other."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that is not blank: its text as shown, and its value."""

    shown: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its number, its cells by column, and texts that belong to it, such as comments.

    It is `uncomputed` if the file has a formula in it without the value.
    """

    number: int
    cells: Mapping[int, Cell]
    remarks: Sequence[str] = ()
    uncomputed: bool = False


def sheet(name: str, about: About, rows: Iterable[Row], columns: Sequence[str]) -> Iterator[Parsed]:
    """Yield a sheet as one text, with its name as heading.

    If all `columns` are in its first row that is not blank, yield each row below it instead, as its values. The cells
    of a line are separated by " | ". Below a header each has the name of its column: `Tool: saw | Price: 4`. The
    first row is a header if it has texts only, no two alike, and a column of numbers or dates begins below it.
    """
    remaining = (row for row in rows if row.cells or row.remarks or row.uncomputed)
    first = list(islice(remaining, _LOOK_AHEAD))
    names = _names(first[0]) if first else {}
    if columns and set(columns) <= set(names.values()):
        for row in _chain(first[1:], remaining):
            values = {names.get(at, f"column {at + 1}"): cell.value for at, cell in row.cells.items()}
            yield Parsed("", "row", (row.number,), part=f"{name}!{row.number}", values=values)
        return
    lines = [(first[0].number, f"# {' '.join(name.split())}")] if first else []
    without: list[tuple[int, str, bool]] = []
    labelled = _is_header(first)
    for position, row in enumerate(_chain(first, remaining)):
        cells = {at: " ".join(cell.shown.split()) for at, cell in row.cells.items()}
        if labelled and position:
            cells = {at: f"{names[at]}: {cell}" if at in names else cell for at, cell in cells.items()}
        if row.uncomputed and not without:
            without.append(
                (row.number, "a formula without its value: open and save the workbook in Excel", False)
            )
        lines += [(row.number, " | ".join(cells.values()))] * bool(cells)
        lines += ((row.number, remark) for remark in row.remarks)
    yield parsed(lines, "row", about.title, without, part=name, metadata=about.fields)


def _chain(first: Iterable[Row], others: Iterable[Row]) -> Iterator[Row]:
    yield from first
    yield from others


def _names(header: Row) -> dict[int, str]:
    return dict(
        zip(header.cells, distinct_names([cell.shown for cell in header.cells.values()]), strict=True)
    )


def _is_header(rows: Sequence[Row]) -> bool:
    if len(rows) < 2 or len(rows[0].cells) < 2:
        return False
    header = rows[0].cells
    texts = [cell.value for cell in header.values()]
    if not all(isinstance(text, str) for text in texts) or len(set(texts)) < len(texts):
        return False
    for at in header:
        below = [row.cells[at] for row in rows[1:] if at in row.cells]
        if 2 * sum(cell.shown[:1].isdigit() or not isinstance(cell.value, str) for cell in below) > len(
            below
        ):
            return True
    return False
