"""Text in columns: Chinese characters take two, and a line of them may end after any but some."""

import re
from collections.abc import Iterable

import click

_OPENING, _CLOSING = "（《「『【“‘", "，。；：！？、）》」』】”’…—"
_WIDE = "\u2e80-\uffff"
_PIECE = rf"[{_OPENING}]*(?:[^\s{_WIDE}{_OPENING}]+|\S)[{_CLOSING}]*\s*"
"""A part of a text that stays on one line: a word or a wide character, with its punctuation and the blanks after it."""


def cells(text: str) -> int:
    """Return the number of columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def padded(text: str, width: int) -> str:
    """Return a text with blanks after it, so that it takes at least so many columns."""
    return text + " " * (width - cells(text))


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text in at most `width` columns each; a longer word has its own line."""
    lines, line = [], ""
    for piece in re.findall(_PIECE, " ".join(text.split())):
        if line and cells(line) + cells(piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece
    return [*lines, line.rstrip()] if line else lines


class WideFormatter(click.HelpFormatter):
    """Format help in a language with wide characters."""

    def write_heading(self, heading: str) -> None:
        """Write a heading with a wide colon."""
        self.write(f"{'':>{self.current_indent}}{heading}：\n")

    def write_text(self, text: str) -> None:
        """Write paragraphs. After click's mark \\b, a paragraph keeps its lines."""
        indent = " " * self.current_indent
        paragraphs = []
        for paragraph in text.split("\n\n"):
            kept = paragraph.startswith("\b\n")
            lines = paragraph.split("\n")[1:] if kept else wrapped(paragraph, self.width - len(indent))
            paragraphs.append("\n".join(indent + line for line in lines))
        self.write("\n\n".join(paragraphs) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names in a column and their meanings next to it."""
        rows = list(rows)
        column = min(max(cells(first) for first, _ in rows), col_max) + col_spacing
        margin = " " * self.current_indent
        for first, second in rows:
            lines = wrapped(second, max(self.width - column - 2, 10))
            if cells(first) > column - col_spacing:
                self.write(f"{margin}{first}\n")
                first = ""
            for at, line in enumerate(lines or [""]):
                self.write(f"{margin}{padded(first if at == 0 else '', column)}{line}".rstrip() + "\n")
