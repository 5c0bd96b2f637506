"""Open files that are a ZIP archive of XML, such as .docx, .pptx, .xlsx and .odt, and read trees of XML safely."""

import io
import posixpath
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple
from urllib.parse import unquote
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from semsearch.errors import MissingExtra, UnreadableSource
from semsearch.readers.fields import About, about
from semsearch.readers.parsed import said

_DEEPEST = 256
"""The most levels of elements, as in libxml2. Parsers walk a tree by recursion."""
_CHUNK = 1 << 16
_COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1")
"""The start of a compound file: an Office file of before 2007, or a newer one that is encrypted (MS-OFFCRYPTO)."""
_RELATIONSHIPS = ("/relationships", "/officeDocument/relationships")


class Related(NamedTuple):
    """A relationship of a part: the last word of its type, such as `comments`, and the name of the part it names."""

    kind: str
    target: str


class Package:
    """The parts of an archive, by name. Names are compared without case, as in OPC."""

    def __init__(self, content: bytes, kind: str) -> None:
        if content.startswith(_COMPOUND):
            encrypted = "EncryptedPackage".encode("utf-16-le") in content
            raise UnreadableSource(
                f"encrypted {kind} that needs a password" if encrypted else f"not {kind} but an older format"
            )
        self._kind = kind
        self._zip = zipfile.ZipFile(io.BytesIO(content))
        self.names = {
            info.filename.replace("\\", "/").lstrip("/").casefold(): info for info in self._zip.infolist()
        }

    def __contains__(self, name: str) -> bool:
        return name.casefold() in self.names

    def read(self, name: str) -> bytes:
        """Return the bytes of a part. Raises `KeyError` if there is none of this name."""
        return self._zip.read(self.names[name.casefold()])

    def elements(self, name: str, tag: str) -> Iterator[Element]:
        """Yield each element of this tag in a part, see `xml_elements`; none if there is no such part."""
        if name in self:
            with self._zip.open(self.names[name.casefold()]) as file:
                yield from xml_elements(file, tag)

    def tree(self, name: str) -> Element:
        """Return the root of a part that is XML; see `xml_elements`. It is empty if there is no such part."""
        return xml_tree(self.read(name)) if name in self else Element("")

    def related(self, part: str = "") -> dict[str, Related]:
        """Return the relationships of a part by id, or of the package, less those that lead out of it."""
        folder, name = posixpath.split(part)
        return {
            item.get("Id", ""): Related(
                item.get("Type", "").rpartition("/")[2],
                posixpath.normpath(posixpath.join("/", folder, unquote(item.get("Target", "")))).lstrip("/"),
            )
            for item in self.tree(posixpath.join(folder, "_rels", f"{name}.rels")).iter("Relationship")
            if item.get("TargetMode") != "External"
        }

    def main(self, default: str, root: str) -> tuple[str, Element]:
        """Return the name and the tree of the main part, by the relationships or else `default`.

        Raises `UnreadableSource` if there is none, or if it is of another format than `root` says.
        """
        named = (related.target for related in self.related().values() if related.kind == "officeDocument")
        part = next(named, default)
        if part not in self:
            raise UnreadableSource(f"broken {self._kind} (it has no {part})")
        tree = self.tree(part)
        if tree.tag != root:
            raise UnreadableSource(f"not {self._kind}, in spite of its name: it holds a {tree.tag}")
        return part, tree

    def about(self) -> About:
        """Return what the properties of an Office file say about it."""
        named = (related.target for related in self.related().values() if related.kind == "core-properties")
        core = self.tree(next(named, "docProps/core.xml"))
        return about((one.tag, one.text or "") for one in core)


@contextmanager
def reading(kind: str) -> Iterator[None]:
    """Turn whatever a broken file makes a library raise into `UnreadableSource`, but for a lack of memory."""
    try:
        yield
    except (MemoryError, MissingExtra, UnreadableSource):
        raise
    except Exception as error:  # zipfile, zlib, expat and struct raise different exceptions
        raise UnreadableSource(f"broken {kind} ({said(error)})") from error


def xml_tree(content: bytes) -> Element:
    """Return the root of an XML document, see `xml_elements`."""
    return next(xml_elements(io.BytesIO(content)))


def xml_elements(file: IO[bytes], tag: str = "") -> Iterator[Element]:
    """Yield each outermost element of this tag, by default the root; the rest of the document is not kept.

    Names are without their namespace, so OOXML is the same in its strict and its transitional form. Only attributes
    that are relationships keep a prefix: `r:id`. Nothing is loaded from elsewhere. Raises `UnreadableSource` for a
    document that declares entities or is nested more than 256 levels deep, and `ExpatError` for malformed XML.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    builder: TreeBuilder | None = None
    complete: list[Element] = []
    depth = outside = 0
    tags, keys = _Tags(), _Keys()

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal builder, depth, outside
        depth += 1
        if depth > _DEEPEST:
            raise UnreadableSource(f"its XML is nested more than {_DEEPEST} levels deep")
        local = tags[name]
        if builder is None and (not tag or local == tag):
            builder, outside = TreeBuilder(), depth - 1
        if builder is not None:
            builder.start(
                local, {keys[key]: value for key, value in attributes.items()} if attributes else attributes
            )

    def end(name: str) -> None:
        nonlocal builder, depth
        depth -= 1
        if builder is not None:
            builder.end(tags[name])
            if depth == outside:
                complete.append(builder.close())
                builder = None

    def text(data: str) -> None:
        if builder is not None:
            builder.data(data)

    def declared(*_: object) -> None:
        raise UnreadableSource("its XML declares entities")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = declared
    while data := file.read(_CHUNK):
        parser.Parse(data)
        yield from complete
        complete.clear()
    parser.Parse(b"", True)
    yield from complete


def children(element: Element) -> Iterator[Element]:
    """Yield the children of an element. Of alternatives (`mc:AlternateContent`) the first that has text counts."""
    for child in element:
        if child.tag != "AlternateContent":
            yield child
        elif len(child):
            with_text = (branch for branch in child if branch.find(".//t") is not None)
            yield from children(next(with_text, child[0]))


class _Tags(dict[str, str]):
    """The names of elements without their namespaces, by the names as expat has them."""

    def __missing__(self, name: str) -> str:
        self[name] = local = name.rpartition(" ")[2]
        return local


class _Keys(dict[str, str]):
    """The names of attributes without their namespaces, but for `r:`."""

    def __missing__(self, name: str) -> str:
        space, _, local = name.rpartition(" ")
        self[name] = key = f"r:{local}" if space.endswith(_RELATIONSHIPS) else local
        return key
