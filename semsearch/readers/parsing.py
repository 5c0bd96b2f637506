"""List the formats that are parsed, and parse the bytes of a file. `sandbox` runs this in a limited process."""

from collections.abc import Iterator
from typing import NamedTuple

from semsearch.readers.parsed import Parsed, Parser
from semsearch.readers.parsers.docx import parse_docx
from semsearch.readers.parsers.html import parse_html
from semsearch.readers.parsers.pdf import parse_pdf
from semsearch.readers.parsers.pptx import parse_pptx


class Format(NamedTuple):
    """A format: its parser, whether a line that begins with `#` is a heading, and whether its bytes are not text."""

    parse: Parser
    headings: bool = True
    binary: bool = False


_HTML = Format(parse_html)
FORMATS: dict[str, Format] = {
    **dict.fromkeys((".docm", ".docx", ".dotm", ".dotx"), Format(parse_docx, binary=True)),
    ".htm": _HTML,
    ".html": _HTML,
    ".pdf": Format(parse_pdf, headings=False, binary=True),
    **dict.fromkeys((".potx", ".ppsm", ".ppsx", ".pptm", ".pptx"), Format(parse_pptx, binary=True)),
    ".xhtml": _HTML,
}
"""The formats that are parsed, by the suffix of the file. To read another format, write a parser and add a line."""
UNREAD = {
    ".doc": "old Word format: save it as .docx to have it read",
    ".ppt": "old PowerPoint format: save it as .pptx to have it read",
    ".xls": "old Excel format: save it as .xlsx to have it read",
}
"""The reason why files with a suffix are not read."""


def parse(suffix: str, content: bytes) -> Iterator[Parsed]:
    """Yield the texts of a file with one of the suffixes of `FORMATS`.

    Raises `UnreadableSource` if it is broken or encrypted, and `MissingExtra` if a library is not installed.
    """
    return FORMATS[suffix].parse(content)
