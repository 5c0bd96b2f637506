"""One file to Documents, by its suffix."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from semsearch.errors import UnreadableSource
from semsearch.readers.encoding import detect_encoding, storable
from semsearch.readers.html import parse_html
from semsearch.readers.rows import RowFields, read_csv, read_jsonl, read_tsv
from semsearch.records import Document, Skipped, Unit

if TYPE_CHECKING:
    from docx.table import _Row
    from docx.text.paragraph import Paragraph

_DEFAULT_FIELDS = RowFields()
_HEADING_STYLE = re.compile(r"Heading ([1-6])")


def read(path: Path, source: str, fields: RowFields = _DEFAULT_FIELDS) -> Iterator[Document | Skipped]:
    """The Documents of a file, one for the whole or one a row, and what of it could not be read.

    Rows stream; nothing else is held but the file being read. `fields` is for files of rows only.
    UnreadableSource where the file cannot be opened or vanishes; InvalidInput where `fields` names a column
    that no row has. A broken file, page or row is a Skipped with `failed`.
    """
    reader = _READERS.get(path.suffix.lower(), _read_plain)
    nothing = True
    try:
        for item in reader(path, source, fields):
            nothing = False
            yield item
    except OSError as error:
        raise UnreadableSource(f"{source}: {problem(error)}") from error
    except UnreadableSource as error:
        yield Skipped(source, str(error), failed=True)
    except UnicodeError as error:
        yield Skipped(source, f"malformed text: {error}", failed=True)
    else:
        if nothing:
            yield Skipped(source, "no text")


def read_text(text: str, source: str) -> Document:
    """The Document of a text that is no file, such as standard input."""
    return Document(source, storable(text))


def problem(error: OSError) -> str:
    """What the system says is wrong, as a short phrase such as "permission denied"."""
    return (error.strerror or str(error)).lower()


def _read_plain(path: Path, source: str, fields: RowFields) -> Iterator[Document]:
    with path.open(encoding=detect_encoding(path), newline="") as file:
        text = file.read()
    if text.strip():
        yield Document(source, text)


def _read_html(path: Path, source: str, fields: RowFields) -> Iterator[Document]:
    with path.open(encoding=detect_encoding(path, markup=True)) as file:
        title, lines = parse_html(file.read())
    yield from _document(source, lines, "line", title)


def _read_pdf(path: Path, source: str, fields: RowFields) -> Iterator[Document | Skipped]:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    data = BytesIO(path.read_bytes())
    lines: list[tuple[int, str]] = []
    without: list[Skipped] = []
    with _silent("pypdf"):
        try:
            reader = PdfReader(data)
            if reader.is_encrypted and not reader.decrypt(""):
                raise FileNotDecryptedError
            title = str(reader.metadata.title or "") if reader.metadata else ""
            count = len(reader.pages)
            for number, page in enumerate(reader.pages, 1):
                place = f"{source}:{number}"
                try:
                    text = page.extract_text()
                except Exception as error:  # one broken page does not hide the others
                    without.append(Skipped(place, f"broken page ({_said(error)})", failed=True))
                    continue
                if not text.strip():
                    without.append(Skipped(place, "page without text"))
                lines += ((number, line) for line in text.splitlines())
        except FileNotDecryptedError as error:
            raise UnreadableSource("encrypted PDF that needs a password") from error
        except DependencyError as error:
            raise UnreadableSource("encrypted PDF; the package cryptography would open it") from error
        except Exception as error:  # pypdf raises whatever a broken file leads it to
            raise UnreadableSource(f"broken PDF ({_said(error)})") from error
    if len(without) == count and not any(page.failed for page in without):
        raise UnreadableSource("PDF without a text layer (a scan?)")
    yield from without
    yield from _document(source, lines, "page", title)


def _read_docx(path: Path, source: str, fields: RowFields) -> Iterator[Document]:
    """Paragraphs with a blank line between them; a table's row is a line. Both count as paragraphs.

    A heading begins with `#` marks as in Markdown.
    """
    import docx
    from docx.table import Table

    data = BytesIO(path.read_bytes())
    lines: list[tuple[int, str]] = []
    number = 0
    try:
        document = docx.Document(data)
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
    except Exception as error:  # zipfile, lxml and python-docx each have their own for a broken file
        raise UnreadableSource(f"broken or encrypted DOCX ({_said(error)})") from error
    yield from _document(source, lines, "paragraph", title)


def _marked(paragraph: "Paragraph") -> str:
    """The text of a paragraph, with the marks of a heading if it is one."""
    heading = _HEADING_STYLE.fullmatch(paragraph.style.name or "") if paragraph.style else None
    return (
        f"{'#' * int(heading[1])} {paragraph.text}" if heading and paragraph.text.strip() else paragraph.text
    )


def _joined_cells(row: "_Row") -> str:
    cells = dict.fromkeys(row.cells)  # a merged cell comes once for each column it spans
    return " | ".join(" ".join(cell.text.split()) for cell in cells)


def _document(source: str, lines: Sequence[tuple[int, str]], unit: Unit, title: str) -> Iterator[Document]:
    """The Document of numbered lines, none if they are blank."""
    text = storable("\n".join(line for _, line in lines))
    if text.strip():
        title = storable(" ".join(title.split()))
        numbers = tuple(number for number, _ in lines)
        yield Document(source, text, unit=unit, numbers=numbers, metadata={"title": title} if title else {})


@contextmanager
def _silent(logger_name: str) -> Iterator[None]:
    """No log records below critical: what matters in them is in the result."""
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


_READERS: dict[str, Callable[[Path, str, RowFields], Iterator[Document | Skipped]]] = {
    ".html": _read_html,
    ".htm": _read_html,
    ".xhtml": _read_html,
    ".pdf": _read_pdf,
    ".docx": _read_docx,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
}
BINARY_SUFFIXES = frozenset({".pdf", ".docx"})
"""The formats here whose bytes are not text."""
