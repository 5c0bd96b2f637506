"""Extract the text of XML: DocBook, TEI, FictionBook, OPML, feeds, and any other by its text alone."""

import re
from collections.abc import Iterator
from html.entities import html5
from xml.parsers import expat

from semsearch.errors import UnreadableSource
from semsearch.readers.parsed import Parsed, parsed, said
from semsearch.readers.parsers.flow import is_power
from semsearch.types import Scalar

_INLINE = frozenset({
    "a", "abbr", "acronym", "application", "b", "c", "choice", "citetitle", "code", "command", "date", "em", "emphasis",
    "filename", "foreignphrase", "g", "hi", "i", "interfacename", "link", "literal", "name", "option", "orig",
    "parameter", "persName", "phrase", "placeName", "prompt", "q", "quote", "ref", "reg", "rs", "seg",
    "span", "strong", "style",
    "sub", "subscript", "sup", "superscript", "t", "term", "tspan", "u", "ulink", "userinput", "varname", "w", "xref",
})  # fmt: skip
"""The elements that do not end a line."""
_RAISED = frozenset({"sup", "superscript"})
_SECTION = re.compile(
    r"(?:sect(?:ion|[1-5])|div[1-7]?|chapter|part|book|article|appendix|preface|body|glossary|topic|channel|feed|item|entry)"
)
_TITLES = frozenset({"head", "title"})
_HIDDEN = frozenset({"binary", "description-fb2", "script", "teiHeader"})
_NOTES = frozenset({"info", "articleinfo", "bookinfo", "chapterinfo", "front"})
_NAMESPACE = re.compile(r".*[}: ]")


def parse_xml(content: bytes) -> Iterator[Parsed]:
    """Yield the text of an XML file, line by line.

    A block is a line, and the title of a section is a heading with `#` marks. The outlines of OPML are read from their
    attributes. Pictures, scripts and the headers of TEI and FictionBook are left out; the title and the author of the
    latter are fields. Raises `UnreadableSource` if the file is malformed.
    """
    page = _Page()
    try:
        page.parser.Parse(content, True)
    except expat.ExpatError as error:
        raise UnreadableSource(f"malformed XML ({said(error)})") from error
    page.end_line()
    author: dict[str, Scalar] = {"author": " ".join(page.author)} if page.author else {}
    title = " ".join(page.title) or next((line.lstrip("# ") for _, line in page.lines if line[:1] == "#"), "")
    yield parsed(page.lines, "line", title, metadata=author)


class _Page:
    """The lines of an XML file, as its elements come."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []
        self.title: list[str] = []
        self.author: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.SkippedEntityHandler = self._skipped
        self._open: list[str] = []
        self._pieces: list[str] = []
        self._number = 1
        self._hidden = self._sections = 0
        self._raised = False
        """The next text begins a superscript."""
        self._heading = 0
        """The number of open elements at the title of a section, or 0 outside of titles."""

    def end_line(self, mark: str = "") -> None:
        """End a line, which is a heading if it has a mark."""
        text = " ".join("".join(self._pieces).split())
        self._pieces = []
        if text:
            blank = [(self._number, "")] if self.lines else []
            self.lines += [*blank, (self._number, mark + text)]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = _NAMESPACE.sub("", name)
        hidden = name in _HIDDEN or (name == "description" and self._open == ["FictionBook"])
        self._hidden += hidden or self._hidden > 0
        if not (self._heading or name in _INLINE):
            self.end_line()
        if name in _TITLES and not self._heading and self._open and _SECTION.fullmatch(self._section()):
            self._heading = len(self._open) + 1
        elif self._heading:
            self._pieces.append(" " if name not in _INLINE else "")
        self._raised |= name in _RAISED or attributes.get("rend") in _RAISED
        self._sections += _SECTION.fullmatch(name) is not None
        self._open.append(name)
        if name == "outline":
            for key in ("text", "_note"):
                self._data(attributes.get(key, ""))
                self.end_line()

    def _section(self) -> str:
        """Return the element that a title here belongs to."""
        return next((name for name in reversed(self._open[-2:]) if name not in _NOTES), "")

    def _end(self, name: str) -> None:
        name = _NAMESPACE.sub("", name)
        if self._heading == len(self._open):
            self.end_line("#" * min(max(self._sections, 1), 6) + " ")
            self._heading = 0
        elif not (self._heading or name in _INLINE):
            self.end_line()
        self._sections -= _SECTION.fullmatch(name) is not None
        self._open.pop()
        self._raised = False
        self._hidden -= self._hidden > 0

    def _data(self, text: str) -> None:
        if self._hidden:
            if self._open[-1] == "book-title":
                self.title.append(text.strip())
            elif "author" in self._open[-2:] and "title-info" in self._open and text.strip():
                self.author.append(text.strip())
            return
        if not self._pieces:
            if not text.strip():
                return
            self._number = self.parser.CurrentLineNumber
        power = self._raised and is_power(self._pieces, text)
        self._raised = False
        self._pieces.append(f"^{text}" if power else text)

    def _skipped(self, entity: str, is_parameter: bool) -> None:
        if not is_parameter:
            self._data(html5.get(f"{entity};", ""))
