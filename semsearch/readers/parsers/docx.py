"""Extract the text of a Word document, as it reads with all tracked changes accepted."""

import re
from collections.abc import Iterator
from itertools import count
from xml.etree.ElementTree import Element

from semsearch.readers.parsed import Parsed, parsed
from semsearch.readers.parsers.drawing import graphic_text
from semsearch.readers.parsers.flow import Flow, heading, is_power, row_text
from semsearch.readers.parsers.numbering import Numbering
from semsearch.readers.parsers.zipped import Package, children, reading

_DROPPED = frozenset({
    "del", "delInstrText", "delText", "instrText", "moveFrom", "pPr", "rPr", "sdtEndPr", "sdtPr", "sectPr", "tblGrid",
    "tblPr", "tblPrEx", "tcPr", "trPr",
})  # fmt: skip
"""Elements without text that is read: deleted or moved away, the instructions of fields, and properties."""
_CHARACTERS = {"br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t", "tab": "\t"}
_BEFORE = {"den": "/", "sub": "_", "sup": "^"}
"""The marks before parts of an equation."""
_SYMBOLS = {
    ("Wingdings", ord(code)): sign for code, sign in zip("üûþý¨oqØàßáâ", "✓✗☑☒☐☐☐➢→←↑↓", strict=True)
} | {
    ("Symbol", ord(code)): sign
    for code, sign in zip(
        "abcdefghijklmnopqrstuvwxyzDFGLPQSWXY·£³¹±´°¥®¬ÎÏÇÈÌ",
        "αβχδεφγηιϕκλμνοπθρστυϖωξψζΔΦΓΛΠΘΣΩΞΨ•≤≥≠±×°∞→←∈∉∩∪⊂",
        strict=True,
    )
}
"""The signs of two fonts that Word has for symbols, by the low byte of their code."""
_BLOCKS = frozenset({"altChunk", "p", "tbl"})
_HEADING_NAME = re.compile(r"heading ([1-9])", re.IGNORECASE)
_CHUNKS = {"htm": ".html", "html": ".html", "xhtml": ".html", "rtf": ".rtf", "docx": ".docx"}
_NOTES = ("footnote", "endnote", "comment")


def parse_docx(content: bytes) -> Iterator[Parsed]:
    """Yield paragraphs, with a blank line between them and `#` marks for headings, and tables, with a line per row.

    A paragraph and a row each count as one paragraph. Text boxes, notes and comments follow the paragraph that they
    belong to, at its place. Headers and footers come last, each once.
    """
    with reading("DOCX"):
        yield _Document(Package(content, "DOCX")).parsed()


class _Document:
    def __init__(self, package: Package) -> None:
        self._package = package
        main, self._root = package.main("word/document.xml", "document")
        self._related = package.related(main)
        styles = package.tree(self._part("styles"))
        self._levels, self._titles = _headings(styles)
        self._numbered = _numbered(styles)
        self._numbering = Numbering(package.tree(self._part("numbering")))
        self._notes = {
            kind: {item.get("id", ""): item for item in package.tree(self._part(f"{kind}s")).iter(kind)}
            for kind in _NOTES
        }
        self._numbers = count(1)
        self._about = package.about()
        self._title = self._about.title
        self._flow = Flow()
        self._fields: list[bool] = []  # the open fields, and True for those whose result has begun
        self._joined = ""  # the text of a paragraph whose mark is deleted, which continues in the next

    def _part(self, kind: str) -> str:
        return next((related.target for related in self._related.values() if related.kind == kind), "")

    def parsed(self) -> Parsed:
        for block in _blocks(self._root):
            self._block(block)
        if self._joined:
            self._flow.write([self._joined])
        for id_ in list(self._notes["comment"]):
            self._note("comment", id_)
        self._flow.write([])
        self._banners()
        return parsed(self._flow.lines, "paragraph", self._title, metadata=self._about.fields)

    def _block(self, block: Element) -> None:
        """Write a paragraph or a table at the next places."""
        if block.tag == "tbl":
            self._flow.table(self._row(row) for row in _rows(block))
            return
        text, self._joined = self._joined + self._block_text(block), ""
        if block.find("pPr/rPr/del") is not None:
            self._flow.number += 1
            self._joined = text
        else:
            self._flow.paragraph(text)

    def _banners(self) -> None:
        """Write each header and footer once; pages that share a text share it here."""
        seen = dict.fromkeys(
            self._related[id_].target
            for reference in self._root.iter()
            if reference.tag in ("headerReference", "footerReference")
            if (id_ := reference.get("r:id", "")) in self._related
        )
        texts = dict.fromkeys(self._inner_text(self._package.tree(part)) for part in seen)
        self._flow.write([text for text in texts if text])

    def _block_text(self, block: Element) -> str:
        """Return the text of a paragraph, of a table inside another, or of a part in another format."""
        if block.tag == "tbl":
            return "\n".join(filter(None, map(self._row, _rows(block))))
        if block.tag == "altChunk":
            return self._chunk(block.get("r:id", ""))
        pieces: list[str] = []
        self._inline(block, pieces)
        while self._fields and not self._fields[-1]:  # an instruction ends with its paragraph
            self._fields.pop()
        text = "".join(pieces).strip("\n")
        style = _value(block.find("pPr/pStyle"))
        level = _level(block.find("pPr")) or self._levels.get(style, 0)
        if style in self._titles and not self._title:
            self._title = text
        numbered = block.find("pPr/numPr")
        label = self._numbering.label(self._numbered.get(style) if numbered is None else numbered)
        return heading(f"{label} {text}" if label and text else text, level)

    def _inner_text(self, element: Element) -> str:
        """Return the text of all blocks below an element, a line each."""
        return "\n".join(filter(None, map(self._block_text, _blocks(element))))

    def _row(self, row: Element) -> str:
        """Return the text of a row; a cell that is covered by another has none."""
        cells = ["" if _is_blank(cell) else self._inner_text(cell) for cell in _below(row, "tc")]
        return row_text(cells)

    def _inline(self, element: Element, pieces: list[str]) -> None:
        for child in children(element):
            tag = child.tag
            if tag in _DROPPED:
                continue
            if tag == "fldChar":
                if (box := child.find("ffData/checkBox")) is not None:
                    pieces.append("☒" if _is_checked(box) else "☐")
                self._field(child.get("fldCharType", ""))
            elif not all(self._fields):
                self._inline(child, [])  # other fields may begin and end in an instruction
            elif tag == "t":
                pieces.append(child.text or "")
            elif tag in _CHARACTERS:
                pieces.append(_CHARACTERS[tag])
            elif tag == "sym":
                pieces.append(_symbol(child.get("font", ""), child.get("char", "")))
            elif tag == "ruby":
                self._ruby(child, pieces)
            elif tag == "d":
                self._delimited(child, pieces)
            elif tag == "txbxContent":
                self._flow.aside.append(self._inner_text(child))
            elif tag.removesuffix("Reference") in _NOTES:
                self._note(tag.removesuffix("Reference"), child.get("id", ""))
            elif tag in ("docPr", "textpath"):
                self._flow.aside.append(child.get("descr") or child.get("string") or "")
            elif tag in ("chart", "relIds"):
                self._flow.aside.append(graphic_text(self._package, self._related, child))
            else:
                pieces.append("^" if tag == "r" and _is_power(child, pieces) else _BEFORE.get(tag, ""))
                self._inline(child, pieces)

    def _field(self, step: str) -> None:
        if step == "begin":
            self._fields.append(False)
        elif step == "separate" and self._fields:
            self._fields[-1] = True
        elif step == "end" and self._fields:
            self._fields.pop()

    def _ruby(self, element: Element, pieces: list[str]) -> None:
        """Add the base, and then its reading in parentheses."""
        base: list[str] = []
        above: list[str] = []
        for child in element:
            self._inline(child, base if child.tag == "rubyBase" else above)
        pieces.append("".join(base) + (f"({''.join(above)})" if any(above) else ""))

    def _delimited(self, element: Element, pieces: list[str]) -> None:
        """Add a part of an equation between delimiters, which are parentheses if it does not name them."""
        first, last = (element.find(f"dPr/{name}") for name in ("begChr", "endChr"))
        pieces.append("(" if first is None else _value(first))
        self._inline(element, pieces)
        pieces.append(")" if last is None else _value(last))

    def _note(self, kind: str, id_: str) -> None:
        # A note is written once, and refers to no other without an end.
        note = self._notes[kind].pop(id_, None)
        if note is None or not (text := self._inner_text(note)):
            return
        mark = f"comment by {note.get('author')}" if kind == "comment" else str(next(self._numbers))
        self._flow.aside.append(f"[{mark}] {text}")

    def _chunk(self, id_: str) -> str:
        """Return the text of an inserted part that is a file of another format. It is not searched for more of them."""
        from semsearch.readers.parsing import parse

        part = self._related[id_].target if id_ in self._related else ""
        suffix = _CHUNKS.get(part.rpartition(".")[2].lower(), "")
        content = self._package.read(part) if part in self._package else b""
        if suffix == ".docx" and b"afchunk" in content:
            return ""
        return "\n".join(item.text for item in parse(suffix, content)) if suffix and content else ""


def _blocks(element: Element) -> Iterator[Element]:
    """Yield the paragraphs and tables below an element, through content controls and the like, in order."""
    return _below(element, *_BLOCKS)


def _below(element: Element, *tags: str) -> Iterator[Element]:
    """Yield the nearest descendants that have one of the tags."""
    for child in children(element):
        if child.tag in tags:
            yield child
        elif child.tag not in _DROPPED:
            yield from _below(child, *tags)


def _rows(table: Element) -> Iterator[Element]:
    return (row for row in _below(table, "tr") if row.find("trPr/del") is None)


def _is_blank(cell: Element) -> bool:
    """Return whether a cell is covered by the one above it, or deleted."""
    merge = cell.find("tcPr/vMerge")
    covered = merge is not None and merge.get("val", "continue") == "continue"
    return covered or cell.find("tcPr/cellDel") is not None


def _symbol(font: str, code: str) -> str:
    """Return a character; those of symbol fonts are in the private area, and mean nothing but by the font."""
    try:
        number = int(code, 16)
        return _SYMBOLS.get((font, number & 0xFF), "") if 0xE000 <= number < 0xF900 else chr(number)
    except (ValueError, OverflowError):
        return ""


def _is_checked(box: Element) -> bool:
    state = box.find("checked")
    state = box.find("default") if state is None else state
    return state is not None and state.get("val", "1") in ("1", "true", "on")


def _is_power(run: Element, pieces: list[str]) -> bool:
    align = run.find("rPr/vertAlign")
    raised = align is not None and align.get("val") == "superscript"
    return raised and is_power(pieces, run.findtext("t") or "")


def _headings(styles: Element) -> tuple[dict[str, int], set[str]]:
    """Return the level of each style of headings, from 1 to 6, and the styles of a title.

    A style has the outline level of the one that it is based on. Names in other languages do not matter, then.
    """
    by_id = {style.get("styleId", ""): style for style in styles.iter("style")}
    levels: dict[str, int] = {}
    for id_, style in by_id.items():
        at, chain = style, {id_}
        while not (level := _level(at.find("pPr")) or _named(at)):
            parent = _value(at.find("basedOn"))
            if parent in chain or parent not in by_id:
                break
            chain.add(parent)
            at = by_id[parent]
        if level:
            levels[id_] = level
    return levels, {id_ for id_, style in by_id.items() if _value(style.find("name")).lower() == "title"}


def _numbered(styles: Element) -> dict[str, Element]:
    """Return the numbering of each style that has one itself, such as a numbered heading."""
    found = ((style.get("styleId", ""), style.find("pPr/numPr")) for style in styles.iter("style"))
    return {id_: properties for id_, properties in found if properties is not None}


def _level(properties: Element | None) -> int:
    """Return the level of a heading, 0 for text. Outline levels count from 0, and 9 is text."""
    value = _value(properties.find("outlineLvl")) if properties is not None else ""
    return min(6, int(value) + 1) if value.isdecimal() and int(value) < 9 else 0


def _named(style: Element) -> int:
    match = _HEADING_NAME.fullmatch(_value(style.find("name")))
    return min(6, int(match[1])) if match else 0


def _value(element: Element | None) -> str:
    return element.get("val", "") if element is not None else ""
