"""Extract the text of OpenDocument files: .odt, .odp and .ods, and their flat forms such as .fodt."""

import re
from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple
from xml.etree.ElementTree import Element

from semsearch.errors import UnreadableSource
from semsearch.readers.fields import About, about
from semsearch.readers.parsed import Parsed, parsed
from semsearch.readers.parsers.flow import Flow, heading, is_power, row_text
from semsearch.readers.parsers.sheet import MOST_ROWS, Cell, Row, sheet
from semsearch.readers.parsers.zipped import Package, reading, xml_tree

_DROPPED = frozenset({
    "bibliography-configuration", "forms", "note-citation", "notes-configuration", "object", "object-ole",
    "page-count", "page-number", "sequence-decls", "settings", "tracked-changes", "user-field-decls", "variable-decls",
})  # fmt: skip
"""Elements without text that is read. The texts of deletions are in `tracked-changes`."""
_MOST_COLUMNS = 16_384
_RAISED = re.compile(r"super|[1-9]")
"""The beginning of a position above the line: "super 58%" or "33% 58%"."""


def parse_odt(content: bytes) -> Iterator[Parsed]:
    """Yield paragraphs, with a blank line between them and `#` marks for headings, and tables, with a line per row.

    A paragraph and a row each count as one paragraph. Text boxes, notes and comments follow the paragraph that they
    belong to, at its place. Headers and footers come last, each once.
    """
    with reading("ODT"):
        opened = _opened(content, "ODT", "text")
        text = _Text(opened.raised)
        for block in _blocks(opened.body):
            text.block(block)
        banners = (
            banner
            for page in opened.styles.iter("master-page")
            for banner in page
            if banner.tag.startswith(("header", "footer"))
        )
        text.flow.write(dict.fromkeys(text.inner(banner) for banner in banners))
        yield parsed(text.flow.lines, "paragraph", opened.about.title, metadata=opened.about.fields)


def parse_odp(content: bytes) -> Iterator[Parsed]:
    """Yield the slides, hidden ones too: the title as a heading, then shapes, tables and notes."""
    with reading("ODP"):
        opened = _opened(content, "ODP", "presentation")
        lines: list[tuple[int, str]] = []
        without: list[tuple[int, str, bool]] = []
        for number, page in enumerate(opened.body.iter("page"), 1):
            texts = list(filter(None, _slide(page, opened.raised)))
            if not texts:
                without.append((number, "slide without text", False))
            for text in texts:
                lines += [(number, "")] * bool(lines) + [(number, text)]
        yield parsed(lines, "slide", opened.about.title, without, metadata=opened.about.fields)


def parse_ods(content: bytes, columns: Sequence[str] = ()) -> Iterator[Parsed]:
    """Yield each sheet, hidden ones too, or its rows; see `sheet`. Values are as the file shows them."""
    with reading("ODS"):
        opened = _opened(content, "ODS", "spreadsheet")
        for table in opened.body.iterfind("table"):
            yield from sheet(table.get("name", ""), opened.about, _sheet_rows(table, opened.raised), columns)


_PROPERTIES = {
    "creation-date": "created",
    "date": "modified",
    "initial-creator": "author",
    "keyword": "keywords",
}
"""Other names of properties, see `about`."""


class _Opened(NamedTuple):
    """A document: its body, the styles of its pages, the names of styles in superscript, and what it says of itself."""

    body: Element
    styles: Element
    raised: frozenset[str]
    about: About


def _opened(content: bytes, kind: str, tag: str) -> _Opened:
    """Return the document of an archive, or of a flat file, which is one XML document.

    Raises `UnreadableSource` if it is encrypted or holds anything else.
    """
    if content.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        root = styles = meta = xml_tree(content)
    else:
        package = Package(content, kind)
        if next(package.tree("META-INF/manifest.xml").iter("encryption-data"), None) is not None:
            raise UnreadableSource(f"encrypted {kind} that needs a password")
        if "content.xml" not in package:
            raise UnreadableSource(f"broken {kind} (it has no content.xml)")
        root, styles, meta = map(package.tree, ("content.xml", "styles.xml", "meta.xml"))
    body = root.find(f"body/{tag}")
    if body is None:
        raise UnreadableSource(f"not {kind}, in spite of its name")
    entries = [(one.tag, one.text or "") for one in meta.iterfind("meta/*")]
    if "initial-creator" in dict(entries):  # then `creator` is who changed it last
        entries = [entry for entry in entries if entry[0] != "creator"]
    renamed = ((_PROPERTIES.get(name, name), value) for name, value in entries)
    raised = (
        style.get("name", "")
        for part in {id(part): part for part in (root, styles)}.values()
        for style in part.iter("style")
        for properties in style.iterfind("text-properties")
        if _RAISED.match(properties.get("text-position", ""))
    )
    return _Opened(body, styles, frozenset(raised), about(renamed))


class _Text:
    """The text of a document, and what is found in its paragraphs. `raised` are the names of styles in superscript."""

    def __init__(self, raised: frozenset[str]) -> None:
        self._raised = raised
        self.flow = Flow()
        self._numbers = count(1)

    def block(self, block: Element) -> None:
        """Write a paragraph or a table at the next places."""
        if block.tag == "table":
            self.flow.table(self._row(row) for row in _rows(block))
        else:
            self.flow.paragraph(self._block_text(block))

    def inner(self, element: Element) -> str:
        """Return the text of all blocks below an element, a line each."""
        return "\n".join(filter(None, map(self._block_text, _blocks(element))))

    def _block_text(self, block: Element) -> str:
        if block.tag == "table":
            return "\n".join(filter(None, map(self._row, _rows(block))))
        pieces: list[str] = []
        self._inline(block, pieces)
        level = block.get("outline-level", "1") if block.tag == "h" else ""
        return heading("".join(pieces).strip(), int(level) if level.isdecimal() else 0)

    def _row(self, row: Element) -> str:
        cells = [cell for cell in row if cell.tag in ("table-cell", "covered-table-cell")]
        return row_text(["" if cell.tag.startswith("covered") else self.inner(cell) for cell in cells])

    def _inline(self, element: Element, pieces: list[str]) -> None:
        """Add the text of an element. White space counts as one blank (ODF 1.3, 6.1.2)."""
        _add(pieces, element.text)
        for child in element:
            tag = child.tag
            if tag == "s":
                number = child.get("c", "1")
                pieces.append(" " * min(int(number) if number.isdecimal() else 1, 100))
            elif tag in ("tab", "line-break"):
                pieces.append("\t" if tag == "tab" else "\n")
            elif tag == "note":
                self.flow.aside.append(f"[{next(self._numbers)}] {self.inner(child)}")
            elif tag == "annotation":
                self.flow.aside.append(f"[comment by {child.findtext('creator')}] {self.inner(child)}")
            elif tag == "text-box":
                self.flow.aside.append(self.inner(child))
            elif tag in ("desc", "title"):
                self.flow.aside.append(child.text or "")
            elif tag == "ruby-text":
                pieces.append(f"({child.text or ''})")
            elif tag == "p" and pieces:  # in a shape
                pieces.append("\n")
                self._inline(child, pieces)
            elif tag not in _DROPPED:
                if child.get("style-name") in self._raised and is_power(pieces, child.text or ""):
                    pieces.append("^")
                self._inline(child, pieces)
            _add(pieces, child.tail)


def _add(pieces: list[str], text: str | None) -> None:
    if text and (plain := " ".join(text.split())):
        before = " " if text[0].isspace() else ""
        pieces.append(f"{before}{plain}{' ' if text[-1].isspace() else ''}")
    elif text:
        pieces.append(" ")


def _blocks(element: Element) -> Iterator[Element]:
    """Yield the nearest paragraphs and tables below an element, through lists, sections and the like."""
    for child in element:
        if child.tag in ("h", "p", "table"):
            yield child
        elif child.tag not in _DROPPED:
            yield from _blocks(child)


def _rows(table: Element) -> Iterator[Element]:
    for child in table:
        if child.tag == "table-row":
            yield child
        elif child.tag != "table":
            yield from _rows(child)


def _slide(page: Element, raised: frozenset[str]) -> Iterator[str]:
    """Yield the title of a slide, its other texts, and its notes."""
    text = _Text(raised)
    titles: list[str] = []
    others: list[str] = []
    notes: list[str] = []
    for shape in page:
        inner = text.inner(shape)
        if shape.get("class") == "title":
            titles.append(heading(inner, 1))
        elif shape.tag == "notes":
            notes += [f"[notes] {inner}"] if inner else []
        else:
            others.append(inner)
    yield from [*titles, *others, *text.flow.aside, *notes]


def _sheet_rows(table: Element, raised: frozenset[str]) -> Iterator[Row]:
    number = 1
    text = _Text(raised)
    for row in _rows(table):
        cells: dict[int, Cell] = {}
        column = 0
        for cell in row:
            if cell.tag not in ("table-cell", "covered-table-cell"):
                continue
            repeated = _repeated(cell, "number-columns-repeated")
            shown = "\n".join(text._block_text(block) for block in cell if block.tag == "p")
            text.flow.aside += [text.inner(box) for box in cell.iter("text-box")]
            for note in cell.iterfind("annotation"):
                text.flow.aside.append(f"[comment] {text.inner(note)}")
            if shown.strip():
                kind = cell.get("value-type", "string")
                value = (
                    float(cell.get("value", "nan")) if kind in ("float", "percentage", "currency") else shown
                )
                for at in range(column, min(column + repeated, _MOST_COLUMNS)):
                    cells[at] = Cell(shown, value)
            column = min(column + repeated, _MOST_COLUMNS)
        again = _repeated(row, "number-rows-repeated")
        remarks = [remark for remark in text.flow.aside if remark]
        text.flow.aside.clear()
        if cells or remarks:
            for at in range(number, min(number + again, MOST_ROWS)):
                yield Row(at, cells, remarks)
                remarks = []
        number = min(number + again, MOST_ROWS)


def _repeated(element: Element, name: str) -> int:
    value = element.get(name, "1")
    return min(int(value), MOST_ROWS) if value.isdecimal() and len(value) < 10 else 1
