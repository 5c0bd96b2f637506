"""List the formats that are parsed, and parse the bytes of a file. `sandbox` runs this in a limited process."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from semsearch.readers.encoding import decoded
from semsearch.readers.parsed import Parsed, Parser, parsed
from semsearch.readers.parsers.asciidoc import parse_asciidoc
from semsearch.readers.parsers.bib import parse_bib
from semsearch.readers.parsers.cards import parse_cards
from semsearch.readers.parsers.code import PARSED_CODE, parse_code
from semsearch.readers.parsers.docx import parse_docx
from semsearch.readers.parsers.epub import parse_epub
from semsearch.readers.parsers.html import parse_html
from semsearch.readers.parsers.mail import parse_mail
from semsearch.readers.parsers.markdown import parse_markdown
from semsearch.readers.parsers.notebook import parse_notebook
from semsearch.readers.parsers.odf import parse_odp, parse_ods, parse_odt
from semsearch.readers.parsers.org import parse_org
from semsearch.readers.parsers.pdf import parse_pdf
from semsearch.readers.parsers.pptx import parse_pptx
from semsearch.readers.parsers.rtf import parse_rtf
from semsearch.readers.parsers.subtitles import parse_subtitles
from semsearch.readers.parsers.tex import parse_tex
from semsearch.readers.parsers.wiki import parse_wiki
from semsearch.readers.parsers.xlsx import parse_xlsx
from semsearch.readers.parsers.xml import parse_xml


class Format(NamedTuple):
    """A format and its parser.

    A line that begins with `#` is a heading, unless `headings` is False. `binary` files are read although their bytes
    are not text. `rows` parses a spreadsheet whose columns are named, and yields the rows of sheets that have them.
    Where a file is parsed `by_lines`, a hit shows the lines of the file, and otherwise what was extracted.
    """

    parse: Parser
    headings: bool = True
    binary: bool = False
    rows: Callable[[bytes, Sequence[str]], Iterator[Parsed]] | None = None
    by_lines: bool = False


def _parse_mail(content: bytes) -> Iterator[Parsed]:
    return parse_mail(content, _parse_attachment)


def _parse_attachment(suffix: str, content: bytes) -> Iterator[Parsed]:
    if suffix in _PLAIN:
        return iter([parsed(enumerate(decoded(content).split("\n"), 1), "line")])
    return parse(suffix, content)


_PLAIN = frozenset({".csv", ".log", ".rst", ".text", ".tsv", ".txt"})
"""The suffixes of attachments that are read as they are."""
_HTML = Format(parse_html)
_MAIL = Format(_parse_mail)
_MARKDOWN = Format(parse_markdown, by_lines=True)
_SUBTITLES = Format(parse_subtitles, headings=False)
FORMATS: dict[str, Format] = {
    **dict.fromkeys((".adoc", ".asc", ".asciidoc"), Format(parse_asciidoc, by_lines=True)),
    ".bib": Format(parse_bib, by_lines=True),
    **dict.fromkeys((".docm", ".docx", ".dotm", ".dotx"), Format(parse_docx, binary=True)),
    ".eml": _MAIL,
    ".epub": Format(parse_epub, binary=True),
    ".htm": _HTML,
    ".html": _HTML,
    ".ipynb": Format(parse_notebook),
    **dict.fromkeys((".markdown", ".md", ".mdown", ".mdx", ".mkd", ".qmd", ".rmd"), _MARKDOWN),
    **dict.fromkeys((".mht", ".mhtml"), _MAIL),
    ".org": Format(parse_org, by_lines=True),
    ".pdf": Format(parse_pdf, headings=False, binary=True),
    **dict.fromkeys((".potx", ".ppsm", ".ppsx", ".pptm", ".pptx"), Format(parse_pptx, binary=True)),
    **dict.fromkeys((".fodp", ".odp", ".otp"), Format(parse_odp, binary=True)),
    **dict.fromkeys((".fods", ".ods", ".ots"), Format(parse_ods, binary=True, rows=parse_ods)),
    **dict.fromkeys((".fodt", ".odt", ".ott"), Format(parse_odt, binary=True)),
    ".rtf": Format(parse_rtf, binary=True),
    **dict.fromkeys((".sbv", ".srt", ".vtt"), _SUBTITLES),
    **dict.fromkeys((".latex", ".ltx", ".tex"), Format(parse_tex)),
    **dict.fromkeys((".mediawiki", ".wiki"), Format(parse_wiki, by_lines=True)),
    ".xhtml": _HTML,
    **dict.fromkeys(
        (".atom", ".dbk", ".docbook", ".fb2", ".opml", ".rss", ".svg", ".tei", ".xml"), Format(parse_xml)
    ),
    **dict.fromkeys((".ics", ".vcf"), Format(parse_cards)),
    **dict.fromkeys((".xlsm", ".xlsx", ".xltm", ".xltx"), Format(parse_xlsx, binary=True, rows=parse_xlsx)),
}
"""The formats that are parsed, by the suffix of the file. To read another format, write a parser and add a line."""
UNREAD = {
    ".doc": "old Word format: save it as .docx to have it read",
    ".ppt": "old PowerPoint format: save it as .pptx to have it read",
    ".xlsb": "binary Excel format: save it as .xlsx to have it read",
    ".xls": "old Excel format: save it as .xlsx to have it read",
}
"""The reason why files with a suffix are not read."""


def parse(suffix: str, content: bytes, columns: Sequence[str] = ()) -> Iterator[Parsed]:
    """Yield the texts of a file with one of the suffixes of `FORMATS`, or the rows that have these `columns`.

    Of code with a suffix of `PARSED_CODE`, yield the definitions.

    Raises `UnreadableSource` if it is broken or encrypted, and `MissingExtra` if a library is not installed.
    """
    if suffix in PARSED_CODE:
        return parse_code(suffix, content)
    format_ = FORMATS[suffix]
    return format_.rows(content, columns) if columns and format_.rows else format_.parse(content)
