"""Extract the text of a web page, each line with its line number in the file.

This uses html.parser directly: a parse tree has the line numbers of tags only, while `getpos` has those of the text.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import NamedTuple

from semsearch.readers.encoding import detect_encoding
from semsearch.readers.fields import collected_fields, document_fields
from semsearch.readers.heads import front_matter
from semsearch.readers.parsed import Parsed, parsed
from semsearch.readers.parsers.flow import is_power

_MACHINERY = frozenset({"iframe", "noscript", "script", "style", "svg", "template"})
_ABSENT = frozenset({"del", "dialog", "nav"})
"""Deleted text, and what stands around the text of a page."""
_ROLES = frozenset({"alertdialog", "banner", "contentinfo", "dialog", "navigation", "search"})
# The banner and footer of the page, unless they are inside a section (see the landmark roles of W3C HTML-AAM).
_BANNERS = frozenset({"header", "footer"})
_SECTIONS = frozenset({"article", "aside", "main", "section"})
_NOTICE = re.compile(
    r"\b(?:cookies?|consent|gdpr)[-_]?(?:banner|bar|box|dialog|law|message|modal|notice|overlay|popup|wall)"
)
_INVISIBLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)\b", re.IGNORECASE)
_VOID = frozenset({
    "area", "base", "basefont", "br", "col", "embed", "frame", "hr", "img", "input", "keygen", "link", "meta", "param",
    "source", "track", "wbr",
})  # fmt: skip
_DEEPEST = 50
"""The most regions inside each other that are told apart."""
_AUTHORED = frozenset({"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hgroup", "p", "pre"})
"""The elements of a page's banner that count as its text."""
_CONTENT = _AUTHORED | _SECTIONS | {"dl", "figure", "footer", "header", "table"}
"""The elements that end a menu or the like which is never closed."""
_SPACE, _WRAP, _CELL, _LINE, _BLOCK = range(1, 6)
_SEPARATORS = ("", " ", "\n", " | ", "\n", "\n\n")
"""The text between two pieces of text, by the strongest break between them."""
_BREAKS = {
    **dict.fromkeys(["button", "input", "select", "textarea"], _SPACE),
    **dict.fromkeys(["td", "th"], _CELL),
    **dict.fromkeys(["br", "caption", "dd", "dt", "legend", "li", "option", "summary", "tr"], _LINE),
    **dict.fromkeys([
        "address", "article", "aside", "blockquote", "body", "details", "div", "dl", "fieldset", "figcaption",
        "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "main", "ol", "p",
        "pre", "section", "table", "title", "ul",
    ], _BLOCK),
}  # fmt: skip
_ABOUT = {
    **dict.fromkeys(["author", "article:author", "citation_author", "dc.creator", "dcterms.creator"], "author"),
    **dict.fromkeys(["description", "dc.description", "og:description"], "description"),
    **dict.fromkeys(["keywords", "news_keywords", "dc.subject"], "keywords"),
    **dict.fromkeys([
        "article:published_time", "citation_publication_date", "date", "datepublished", "dc.date", "dcterms.created",
        "dcterms.date", "pubdate",
    ], "date"),
    **dict.fromkeys(["article:modified_time", "datemodified", "dcterms.modified", "last-modified"], "modified"),
    "article:section": "section", "article:tag": "tags",
}  # fmt: skip
"""The fields by the names of `<meta>` that people and programs give them."""
_HEADINGS = {f"h{level}": f"{'#' * level} " for level in range(1, 7)}
"""The marks at the start of a heading, as in Markdown."""
_NEWLINE_REFERENCE = re.compile(r"&(?:#0*10(?!\d);?|#x0*a(?![\da-f]);?|NewLine;)", re.IGNORECASE)


def parse_html(content: bytes) -> Iterator[Parsed]:
    """Yield the text of a page, without scripts, menus and banners.

    A line ends where a line of the file ends, or a block element. A blank line separates paragraphs, and " | " the
    cells of a table's row. A heading is one line that begins with `#` marks, as in Markdown.
    """
    file = io.BytesIO(content)
    encoding = detect_encoding(file, markup=True)
    yield parse_markup(io.TextIOWrapper(file, encoding).read())


def parse_markup(markup: str) -> Parsed:
    """Return the text of a page that is decoded already, with its lines in the markup.

    What the page says about itself, in `<meta>` or in front matter, are its fields.
    """
    entries, first, fault = front_matter(markup)
    if first:
        markup = "\n" * first + markup.split("\n", first)[-1]
    page = _Page()
    page.feed(_NEWLINE_REFERENCE.sub(" ", markup))  # such a reference does not end a line of the file
    page.close()
    fields = {**collected_fields(page.about), **document_fields(entries)}
    title = str(fields.pop("title", "")) or "".join(page.title)
    return parsed(page.lines(), "line", title, [(1, fault, False)] if fault else (), metadata=fields)


@dataclass(slots=True)
class _Region:
    """An element to leave out, such as a menu. One that is not `closed` ends at the text number `cut`.

    `banner` is True for the header of the page, of which headings and paragraphs are kept.
    """

    tag: str
    outer: "_Region | None"
    start: int
    banner: bool = False
    machinery: bool = False
    depth: int = 0
    closed: bool = False
    cut: int | None = None

    def leaves_out(self, piece: int, authored: bool) -> bool:
        """Return whether a text is left out, here or by a region around this one."""
        region: _Region | None = self
        while region is not None:
            ended = not region.closed and region.cut is not None and piece >= region.cut
            if not ended and not (region.banner and authored):
                return True
            region = region.outer
        return False

    def is_machinery(self) -> bool:
        """Return whether this is a script or the like, or inside one."""
        region: _Region | None = self
        while region is not None and not region.machinery:
            region = region.outer
        return region is not None


class _Piece(NamedTuple):
    """A text of a line: the break before it, its line in the file, the marks of a heading that it begins, and more."""

    strength: int
    number: int
    mark: str
    text: str
    region: _Region | None
    authored: bool


class _Page(HTMLParser):
    """The pieces of text of a page. The regions that they are in show their ends later only."""

    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.about: dict[str, list[str]] = {}
        self._pieces: list[_Piece] = []
        self._break = 0  # the strongest break since the last piece of text
        self._open: list[
            tuple[str, _Region | None]
        ] = []  # open elements, each with the region that it begins
        self._counts: Counter[str] = Counter()
        self._region: _Region | None = None
        self._heading = ""  # the marks of the open heading
        self._mark = ""  # the same, until they are written
        self._ruby: list[str] = []  # the pronunciation of the open <ruby>
        self._raised = False  # the next text begins a <sup>

    def lines(self) -> list[tuple[int, str]]:
        """Return the lines without what is left out; if nothing is left, with menus and banners."""
        kept = [
            piece
            for at, piece in enumerate(self._pieces)
            if piece.region is None or not piece.region.leaves_out(at, piece.authored)
        ]
        if any(piece.text.strip() for piece in kept):
            return _lines(self._pieces, set(map(id, kept)))
        return _lines(
            self._pieces,
            {id(piece) for piece in self._pieces if not (piece.region and piece.region.is_machinery())},
        )

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if _BREAKS.get(tag, 0) >= _LINE:
            self._end_paragraph()
        self._part(_BREAKS.get(tag, 0))
        self._raised |= tag == "sup"
        if tag in _HEADINGS:
            self._heading = self._mark = _HEADINGS[tag]
        self._cut(tag in _CONTENT or (tag == "div" and self._region_has_text()))
        attributes = {name: value or "" for name, value in attrs}
        if tag == "img" and any(map(str.isalpha, attributes.get("alt", ""))):
            self.handle_data(f" {' '.join(attributes['alt'].split())} ")
        if tag == "meta":
            self._note(attributes)
        elif tag == "html" and attributes.get("lang"):
            self.about["language"] = [attributes["lang"]]
        if tag not in _VOID:
            region = self._region_of(tag, attributes)
            self._open.append((tag, region))
            self._counts[tag] += 1
            self._region = region or self._region

    def _note(self, attributes: Mapping[str, str]) -> None:
        """Keep what a `<meta>` says of the page. Of several names of a field the first counts, and all tags do."""
        named = next(filter(None, map(attributes.get, ("name", "property", "itemprop"))), "")
        field = _ABOUT.get(named.strip().lower())
        if field and attributes.get("content", "").strip() and (field == "tags" or field not in self.about):
            self.about.setdefault(field, []).append(attributes["content"])

    def handle_endtag(self, tag: str) -> None:
        self._part(_BREAKS.get(tag, 0))
        if tag in _HEADINGS:
            self._heading = self._mark = ""
        self._raised &= tag != "sup"
        if not self._counts[tag]:
            return  # there is no such open element
        while self._open[-1][0] != tag:
            self._pop()
        self._pop(closed=True)
        if tag == "ruby" and self._ruby:
            self._add(self.getpos()[0], f"({''.join(self._ruby)})")
            self._ruby = []
        self._cut(tag in ("menu", "ol", "ul"))

    def handle_data(self, data: str) -> None:
        if self._counts["title"] and not (self._region and self._region.is_machinery()):
            self.title.append(data)
        if self._counts["rt"] or self._counts["rp"]:
            self._ruby += [data.strip()] if self._counts["rt"] else []
            return
        if self._counts["pre"]:
            self._add_lines(data)
            return
        wrap = _SPACE if self._heading else _WRAP
        for offset, line in enumerate(data.split("\n")):
            self._part(wrap if offset else _SPACE if line[:1].isspace() else 0)
            if words := line.split():
                self._add(self.getpos()[0] + offset, " ".join(words))
                self._part(_SPACE if line[-1].isspace() else 0)

    def _add_lines(self, data: str) -> None:
        """Add text with its blanks and empty lines, as in `<pre>`."""
        lines = data.split("\n")
        for offset, line in enumerate(lines):
            self._part(_WRAP if offset else 0)
            if line or 0 < offset < len(lines) - 1:
                self._add(self.getpos()[0] + offset, line.rstrip("\r"))

    def parse_html_declaration(self, i: int) -> int:
        """Treat a CDATA section as text, as in XHTML."""
        end = self.rawdata.find("]]>", i) if self.rawdata.startswith("<![CDATA[", i) else -1
        if end < 0:
            return super().parse_html_declaration(i)
        self.handle_data(self.rawdata[i + 9 : end])
        return end + 3

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Treat `<![...` as a bogus comment (HTML, 13.2.5.42), which the overridden method does not always accept."""
        return self.parse_bogus_comment(i)

    def _part(self, strength: int) -> None:
        self._break = max(self._break, strength)

    def _add(self, number: int, text: str) -> None:
        if self._raised and not self._break and is_power([one.text for one in self._pieces[-1:]], text):
            text = f"^{text}"
        self._raised = False
        authored = False
        if self._region is not None:
            tags = (tag for tag, _ in self._open[self._region.start :])
            authored = not _AUTHORED.isdisjoint(tags)
        self._pieces.append(_Piece(self._break, number, self._mark, text, self._region, authored))
        self._break, self._mark = 0, ""

    def _pop(self, *, closed: bool = False) -> None:
        tag, region = self._open.pop()
        self._counts[tag] -= 1
        if region is not None:
            region.closed = closed
            self._region = region.outer

    def _end_paragraph(self) -> None:
        """Close an open paragraph, as a block does that begins."""
        if self._counts["p"]:
            for at in range(len(self._open) - 1, -1, -1):
                tag = self._open[at][0]
                if tag == "p":
                    while len(self._open) > at:
                        self._pop()
                    return
                if tag in _BREAKS:
                    return

    def _region_of(self, tag: str, attributes: Mapping[str, str]) -> _Region | None:
        """Return the region that an element begins, or None for one whose text is kept."""
        role = attributes.get("role", "").lower()
        named = f"{attributes.get('id', '')} {attributes.get('class', '')}".lower()
        banner = tag in _BANNERS and not any(self._counts[section] for section in _SECTIONS)
        hidden = (
            "hidden" in attributes and attributes["hidden"].lower() != "until-found" and role != "tabpanel"
        )
        machinery = tag in _MACHINERY and "shadowrootmode" not in attributes
        if not (
            machinery
            or banner
            or hidden
            or tag in _ABSENT
            or role in _ROLES
            or (tag not in ("body", "html") and _NOTICE.search(named))
            or _INVISIBLE.search(attributes.get("style", ""))
        ):
            return None
        depth = self._region.depth + 1 if self._region else 0
        if depth > _DEEPEST:
            return None  # the text is left out already
        header = (banner and tag == "header") or role == "banner"
        return _Region(tag, self._region, len(self._open), header, machinery, depth=depth)

    def _region_has_text(self) -> bool:
        return bool(self._region and self._pieces and self._pieces[-1].region is self._region)

    def _cut(self, here: bool) -> None:
        """End all open regions before the next piece of text, if it turns out that they are never closed."""
        region = self._region if here else None
        while region is not None and region.cut is None:
            region.cut = len(self._pieces)
            region = region.outer


def _lines(pieces: Sequence[_Piece], kept: set[int]) -> list[tuple[int, str]]:
    """Return the lines of the pieces whose `id` is in `kept`."""
    lines: list[tuple[int, list[str]]] = []
    strength = 0
    for piece in pieces:
        strength = max(strength, piece.strength)
        if id(piece) not in kept:
            continue
        separator = _SEPARATORS[strength]
        if not lines:
            lines.append((piece.number, []))
        elif "\n" in separator:
            lines += ((piece.number, []) for _ in separator)
        else:
            lines[-1][1].append(separator)
        lines[-1][1].append(piece.mark + piece.text)
        strength = 0
    return [(number, "".join(texts)) for number, texts in lines]
