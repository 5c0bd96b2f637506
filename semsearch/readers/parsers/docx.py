"""Extract the text of a Word document."""

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from semsearch.errors import UnreadableSource
from semsearch.readers.parsed import Parsed, parsed, said

if TYPE_CHECKING:
    from docx.table import _Row
    from docx.text.paragraph import Paragraph

_HEADING_STYLE = re.compile(r"Heading ([1-6])")


def parse_docx(content: bytes) -> Iterator[Parsed]:
    """Yield paragraphs, with a blank line between them and `#` marks for headings, and tables, with a line per row.

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
        raise UnreadableSource(f"broken or encrypted DOCX ({said(error)})") from error
    yield parsed(lines, "paragraph", title)


def _marked(paragraph: "Paragraph") -> str:
    """Return the text of a paragraph, with `#` marks if it is a heading."""
    heading = _HEADING_STYLE.fullmatch(paragraph.style.name or "") if paragraph.style else None
    return (
        f"{'#' * int(heading[1])} {paragraph.text}" if heading and paragraph.text.strip() else paragraph.text
    )


def _joined_cells(row: "_Row") -> str:
    cells = dict.fromkeys(row.cells)  # a merged cell is repeated for each column that it spans
    return " | ".join(" ".join(cell.text.split()) for cell in cells)
