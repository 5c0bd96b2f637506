"""Extract the text of a book: an EPUB, chapter by chapter."""

import posixpath
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from semsearch.errors import UnreadableSource
from semsearch.readers.encoding import decoded
from semsearch.readers.fields import collected_fields
from semsearch.readers.parsed import Parsed, parsed, said
from semsearch.readers.parsers.html import parse_markup
from semsearch.readers.parsers.zipped import Package, reading

_MOST_BYTES = 500_000_000
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"})
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
"""The algorithms that obfuscate fonts only, not text (EPUB 3.3, 4.2.6.3.1.2)."""
_FIELDS = ("author", "language", "date", "publisher", "identifier", "subject", "description")
_CONTENTS = frozenset({"toc", "toc-ncx", "copyright-toc"})


def parse_epub(content: bytes) -> Iterator[Parsed]:
    """Yield the chapters of a book in the order of its spine, without its table of contents.

    The title is the book's; `author`, `language`, `date`, `publisher`, `identifier`, `subject` and `description` are
    fields. A chapter that is missing or broken is reported, and the others are read. Raises `UnreadableSource` if the
    book is broken or its text is encrypted (DRM).
    """
    with reading("EPUB"):
        package = Package(content, "EPUB")
        if sum(info.file_size for info in package.names.values()) > _MOST_BYTES:
            raise UnreadableSource(f"it unpacks to more than {_MOST_BYTES // 10**6} MB")
        yield _parsed_book(package)


def _parsed_book(package: Package) -> Parsed:
    encrypted = _encrypted(package)
    container = package.tree("META-INF/container.xml")
    root = next((one.get("full-path", "") for one in container.iter("rootfile")), "")
    book = package.tree(_resolved("", root))
    items = {one.get("id", ""): one for one in book.iter("item")}
    spine = [items.get(one.get("idref", "")) for one in book.iter("itemref")]
    spine = spine or [*items.values()]  # a book without a spine has its chapters in the order of its files
    contents = {
        _resolved(root, one.get("href", "").partition("#")[0])
        for one in book.iter("reference")
        if one.get("type", "").lower() in _CONTENTS
    }
    lines: list[tuple[int, str]] = []
    without: list[tuple[int, str, bool]] = []
    number = 0
    read: set[str] = set()
    for item in spine:
        name = _resolved(root, item.get("href", "").partition("#")[0]) if item is not None else ""
        if item is None or item.get("media-type", "text/html") not in _PAGES:
            continue
        if name in read or "nav" in item.get("properties", "").split():
            continue
        read.add(name)
        number += 1
        if name in contents and len(spine) > 1:
            continue
        if name in encrypted:
            raise UnreadableSource("encrypted EPUB (DRM): its text can only be read with the shop's program")
        try:
            page = parse_markup(decoded(package.read(name), markup=True))
        except (KeyError, UnicodeError, zipfile.BadZipFile) as error:
            reason = "is missing" if isinstance(error, KeyError) else f"is broken ({said(error)})"
            without.append((number, f"chapter {name[:200]} {reason}", True))
            continue
        text = page.text.split("\n")
        if text[0] == page.title and not text[0].startswith("#"):
            text = text[1:]  # the title of the page is in its head, and its heading says it again
        if any(line.strip() for line in text):
            lines += ((number, line) for line in ([""] if lines else []) + text)
    if not spine:
        raise UnreadableSource("broken EPUB (it has no spine)")
    return _with_metadata(book, lines, without)


def _with_metadata(
    book: Element, lines: list[tuple[int, str]], without: list[tuple[int, str, bool]]
) -> Parsed:
    found: dict[str, list[str]] = {}
    for one in book.iterfind("metadata//"):
        if text := " ".join("".join(one.itertext()).split()):
            found.setdefault(one.tag, []).append(text)
    title = found.get("title", [""])[0]
    found["author"] = found.get("creator", [])
    fields = collected_fields({name: found[name] for name in _FIELDS if name in found})
    return parsed(lines, "chapter", title, without, metadata=fields)


def _encrypted(package: Package) -> set[str]:
    """Return the files of which the text is encrypted. Those of fonts do not matter."""
    names: set[str] = set()
    for entry in package.tree("META-INF/encryption.xml").iter("EncryptedData"):
        method = entry.find("EncryptionMethod")
        if method is None or method.get("Algorithm", "") not in _FONTS:
            names.update(_resolved("", one.get("URI", "")) for one in entry.iter("CipherReference"))
    return names


def _resolved(base: str, href: str) -> str:
    """Return the name in the archive of a reference in `base`; one that leaves the archive stays in it."""
    path = posixpath.normpath(posixpath.join("/", posixpath.dirname(base), unquote(href)))
    return path.lstrip("/")
