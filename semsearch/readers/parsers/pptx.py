"""Extract the text of a presentation, slide by slide."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from semsearch.readers.parsed import Parsed, parsed
from semsearch.readers.parsers.drawing import graphic_text
from semsearch.readers.parsers.flow import is_power
from semsearch.readers.parsers.zipped import Package, children, reading

_TITLES = frozenset({"ctrTitle", "title"})
_REPEATED = frozenset({"ftr", "hdr"})
_COUNTED = frozenset({"dt", "sldNum"})
"""Placeholders that PowerPoint fills: the date and the slide's number."""


def parse_pptx(content: bytes) -> Iterator[Parsed]:
    """Yield the slides in their order, hidden ones too: the title as a heading, then shapes, tables, notes, comments.

    A blank line separates shapes, and " | " the cells of a table's row. A footer is written once.
    """
    with reading("PPTX"):
        package = Package(content, "PPTX")
        main, root = package.main("ppt/presentation.xml", "presentation")
        related = package.related(main)
        slides = [related[item.get("r:id", "")].target for item in root.iter("sldId")]
        lines: list[tuple[int, str]] = []
        without: list[tuple[int, str, bool]] = []
        footers: set[str] = set()
        for number, part in enumerate(slides, 1):
            slide = _Slide(package, part, footers)
            texts = slide.texts()
            if not texts:
                without.append((number, "slide without text", False))
            for text in texts:
                if lines:
                    lines.append((number, ""))
                lines.append((number, text))
        about = package.about()
        yield parsed(lines, "slide", about.title, without, metadata=about.fields)


class _Slide:
    """A slide with its notes and comments. `footers` are those that are written already."""

    def __init__(self, package: Package, part: str, footers: set[str]) -> None:
        self._package = package
        self._part = part
        self._related = package.related(part)
        self._footers = footers

    def texts(self) -> list[str]:
        """Return the texts of the slide, the title first."""
        titles: list[str] = []
        texts: list[str] = []
        for shape in _shapes(self._package.tree(self._part)):
            placeholder = shape.find("nvSpPr/nvPr/ph")
            kind = placeholder.get("type", "") if placeholder is not None else ""
            if kind in _COUNTED:
                continue
            text = self._shape(shape)
            if kind in _TITLES and text:
                titles.append(f"# {' '.join(text.split())}")
            elif text and text not in self._footers:
                texts.append(text)
                self._footers.update([text] if kind in _REPEATED else [])
        return titles + texts + list(self._remarks())

    def _shape(self, shape: Element) -> str:
        texts = [alternative.get("descr", "") for alternative in shape.iter("cNvPr")]
        texts += (_paragraphs(body) for body in shape.iter("txBody") if shape.tag != "graphicFrame")
        for row in shape.iter("tr"):
            cells = [cell for cell in row.iter("tc") if cell.get("hMerge", "0") not in ("1", "true")]
            texts.append(" | ".join(" ".join(_paragraphs(cell).split()) for cell in cells))
        for reference in shape.iter():
            if reference.tag in ("chart", "relIds"):
                texts.append(graphic_text(self._package, self._related, reference))
        return "\n".join(filter(None, texts))

    def _remarks(self) -> Iterator[str]:
        """Yield the notes and the comments of the slide, each with a mark."""
        for kind, part in self._related.values():
            if kind == "notesSlide":
                for shape in _shapes(self._package.tree(part)):
                    body = shape.find("nvSpPr/nvPr/ph[@type='body']") is not None
                    if body and (text := _paragraphs(shape)):
                        yield f"[notes] {text}"
            elif kind == "comments":
                for comment in self._package.tree(part).iter("cm"):
                    text = comment.findtext("text") or _paragraphs(comment)
                    if text.strip():
                        yield f"[comment] {text.strip()}"


def _shapes(element: Element) -> Iterator[Element]:
    """Yield the shapes of a slide, and those in groups, in order."""
    for child in children(element):
        if child.tag in ("sp", "graphicFrame", "pic", "cxnSp"):
            yield child
        else:
            yield from _shapes(child)


def _paragraphs(body: Element) -> str:
    """Return the paragraphs below an element that are not blank, a line each."""
    lines = []
    for paragraph in body.iter("p"):
        pieces: list[str] = []
        _text(paragraph, pieces)
        lines.append("".join(pieces).strip())
    return "\n".join(filter(None, lines))


def _text(element: Element, pieces: list[str]) -> None:
    for child in children(element):
        if child.tag == "t":
            pieces.append(child.text or "")
        elif child.tag == "r":
            style = child.find("rPr")
            raised = style is not None and style.get("baseline", "0").lstrip("0")[:1] not in ("", "-", "%")
            text = child.findtext("t") or ""
            pieces.append(f"^{text}" if raised and is_power(pieces, text) else text)
        elif child.tag == "br":
            pieces.append("\n")
        elif child.get("type") != "slidenum":
            _text(child, pieces)
