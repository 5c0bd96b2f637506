"""Parse the bytes of a PDF, a Word document or a web page. `sandbox` runs this module in a limited process."""

import io
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from semsearch.errors import UnreadableSource
from semsearch.readers.encoding import detect_encoding, storable
from semsearch.readers.html import parse_html
from semsearch.types import Unit

if TYPE_CHECKING:
    from docx.table import _Row
    from docx.text.paragraph import Paragraph

_HEADING_STYLE = re.compile(r"Heading ([1-6])")


@dataclass(frozen=True, slots=True)
class Parsed:
    """The text of a file, which may be blank. `numbers` are the places of its lines, counted in `unit`.

    `without` lists the places without text: the place, the reason, and whether this is a failure.
    """

    text: str
    unit: Unit
    numbers: tuple[int, ...]
    title: str = ""
    without: tuple[tuple[int, str, bool], ...] = ()


def parse(suffix: str, content: bytes) -> Parsed:
    """Return the text of a file with one of `SUFFIXES`. Raises `UnreadableSource` if it is broken or encrypted."""
    return _PARSERS[suffix](content)


def _parse_html(content: bytes) -> Parsed:
    file = io.BytesIO(content)
    encoding = detect_encoding(file, markup=True)
    title, lines = parse_html(io.TextIOWrapper(file, encoding).read())
    return _parsed(lines, "line", title)


def _parse_pdf(content: bytes) -> Parsed:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # the result has what matters of its warnings
    lines: list[tuple[int, str]] = []
    without: list[tuple[int, str, bool]] = []
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise FileNotDecryptedError
        title = str(reader.metadata.title or "") if reader.metadata else ""
        count = len(reader.pages)
        for number, page in enumerate(reader.pages, 1):
            try:
                text = page.extract_text()
            except MemoryError:
                raise
            except Exception as error:  # the other pages can still be read
                without.append((number, f"broken page ({_said(error)})", True))
                continue
            if not text.strip():
                without.append((number, "page without text", False))
            lines += ((number, line) for line in text.splitlines())
    except MemoryError:
        raise
    except FileNotDecryptedError as error:
        raise UnreadableSource("encrypted PDF that needs a password") from error
    except DependencyError as error:
        raise UnreadableSource("encrypted PDF; the package cryptography would open it") from error
    except Exception as error:  # a broken file makes pypdf raise any kind of exception
        raise UnreadableSource(f"broken PDF ({_said(error)})") from error
    if len(without) == count and not any(failed for *_, failed in without):
        raise UnreadableSource("PDF without a text layer (a scan?)")
    return _parsed(lines, "page", title, without)


def _parse_docx(content: bytes) -> Parsed:
    """Parse paragraphs, with a blank line between them and `#` marks for headings, and tables, with a line per row.

    A paragraph and a row each count as one paragraph.
    """
    import docx
    from docx.table import Table

    lines: list[tuple[int, str]] = []
    number = 0
    try:
        document = docx.Document(io.BytesIO(content))
        title = document.core_properties.title
        for block in document.iter_inner_content():
            rows = (
                [_joined_cells(row) for row in block.rows] if isinstance(block, Table) else [_marked(block)]
            )
            if any(rows) and lines:
                lines.append((number + 1, ""))
            for row in rows:
                number += 1
                lines += ((number, line) for line in row.splitlines())
    except MemoryError:
        raise
    except Exception as error:  # zipfile, lxml and python-docx raise different exceptions for a broken file
        raise UnreadableSource(f"broken or encrypted DOCX ({_said(error)})") from error
    return _parsed(lines, "paragraph", title)


def _marked(paragraph: "Paragraph") -> str:
    """Return the text of a paragraph, with `#` marks if it is a heading."""
    heading = _HEADING_STYLE.fullmatch(paragraph.style.name or "") if paragraph.style else None
    return (
        f"{'#' * int(heading[1])} {paragraph.text}" if heading and paragraph.text.strip() else paragraph.text
    )


def _joined_cells(row: "_Row") -> str:
    cells = dict.fromkeys(row.cells)  # a merged cell is repeated for each column that it spans
    return " | ".join(" ".join(cell.text.split()) for cell in cells)


def _parsed(
    lines: Sequence[tuple[int, str]], unit: Unit, title: str, without: Sequence[tuple[int, str, bool]] = ()
) -> Parsed:
    text = storable("\n".join(line for _, line in lines))
    numbers = tuple(number for number, _ in lines)
    return Parsed(text, unit, numbers, storable(" ".join(title.split())), tuple(without))


def _said(error: Exception) -> str:
    return storable(" ".join(f"{type(error).__name__}: {error}".split()))[:200]


_PARSERS: dict[str, Callable[[bytes], Parsed]] = {
    ".html": _parse_html,
    ".htm": _parse_html,
    ".xhtml": _parse_html,
    ".pdf": _parse_pdf,
    ".docx": _parse_docx,
}
SUFFIXES = frozenset(_PARSERS)
"""The suffixes of the formats that are parsed here."""
