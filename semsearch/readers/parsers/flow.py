"""Collect the paragraphs and tables of a text document with their places."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_EXPONENT = re.compile(r"[-+−]?\d")


@dataclass(slots=True)
class Flow:
    """The lines of a document with their places: a paragraph and a row of a table each count as one paragraph.

    A blank line separates paragraphs and tables. `aside` has the texts that follow the next paragraph at its place,
    such as its notes.
    """

    lines: list[tuple[int, str]] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    number: int = 0

    def paragraph(self, text: str) -> None:
        """Add a paragraph at the next place, and what is aside of it."""
        self.number += 1
        self.write([text])

    def table(self, rows: Iterable[str]) -> None:
        """Add a table, each row at the next place."""
        rows = list(rows)
        apart = any(rows)
        for row in rows:
            self.number += 1
            self.write([row], apart=apart)
            apart = False

    def write(self, texts: Iterable[str], *, apart: bool = True) -> None:
        """Add texts at the present place, and what is aside of them. If not `apart`, the first has no blank line."""
        for text in [*texts, *self.aside]:
            if text or not apart:
                if apart and self.lines:
                    self.lines.append((self.number, ""))
                self.lines.append((self.number, text))
            apart = True
        self.aside.clear()


def row_text(cells: list[str]) -> str:
    """Return the cells of a row on one line, or the lines of its only cell."""
    return cells[0] if len(cells) == 1 else " | ".join(" ".join(cell.split()) for cell in cells)


def heading(text: str, level: int) -> str:
    """Return a text as a heading of a level from 1 to 6, on one line; of level 0, or if it is blank, as it is."""
    return f"{'#' * min(level, 6)} {' '.join(text.split())}" if level and text.strip() else text


def is_power(pieces: Sequence[str], raised: str) -> bool:
    """Return whether a text in superscript is a power of the number that ends the text before it: 10³ is not 103.

    The number of a note after a word is not, and in "m²" nothing can be mistaken.
    """
    before = next(filter(None, reversed(pieces)), "")
    return before[-1:].isdigit() and _EXPONENT.match(raised) is not None
