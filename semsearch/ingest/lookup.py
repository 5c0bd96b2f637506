"""Look up one document by name, in the Library or as a file."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from semsearch.embedding import Embedder, Vectors
from semsearch.errors import InvalidInput, UnreadableSource
from semsearch.ingest.chunk import chunk
from semsearch.ingest.reading import walk_named
from semsearch.readers import read
from semsearch.storage.library import Library
from semsearch.types import Document, Skipped, Unit, place


@dataclass(frozen=True, slots=True, eq=False)
class DocumentVectors:
    """A document by name, in order: the cleaned texts of its passages, where they are, their vectors [n, d]."""

    name: str
    texts: tuple[str, ...]
    places: tuple[tuple[Unit, int, int], ...]
    vectors: Vectors

    @property
    def text(self) -> str:
        """All of its words."""
        return "\n".join(self.texts)

    def at(self, row: int) -> str:
        """A passage by name: `notes.md:3-9`."""
        return self.name + place(*self.places[row])


def find_document(name: str, embedder: Callable[[], Embedder], library: Library | None) -> DocumentVectors:
    return (library and stored_document(name, library)) or file_document(name, embedder, library)


def stored_document(name: str, library: Library) -> DocumentVectors | None:
    """A document of the Library by its name, or None."""
    sources = library.states().keys() & {name, *_rows_of(name)}
    ids, vectors = library.passages_where(sources.__contains__)
    stored = library.passages(ids)
    rows = [row for row, id_ in enumerate(ids) if stored[id_].document == name]
    found = [stored[ids[row]] for row in rows]
    if not found:
        return None
    places = tuple((passage.unit, passage.first, passage.last) for passage in found)
    return DocumentVectors(name, tuple(passage.text for passage in found), places, vectors[rows])


def _rows_of(name: str) -> Iterator[str]:
    """The sources that a name may be a row of: ids may hold a # as well as files' names."""
    return (name[:at] for at, character in enumerate(name) if character == "#")


def file_document(name: str, embedder: Callable[[], Embedder], library: Library | None) -> DocumentVectors:
    """A file that is none of the Library's documents, read, cut and embedded as `ingest` does it.

    Raises what `compare_documents` does.
    """
    document = _read(name, library)
    model = embedder()
    passages = chunk(document, model).record.passages
    if not passages:
        raise UnreadableSource(f"{name}: no text")
    texts = tuple(passage.text for passage in passages)
    places = tuple((passage.unit, passage.first, passage.last) for passage in passages)
    return DocumentVectors(name, texts, places, model.embed(texts))


def _read(name: str, library: Library | None) -> Document:
    """The document of a file, or of one row of it."""
    file = next((file for file in (name, *_rows_of(name)) if os.path.exists(file)), None)  # noqa: PTH110 - never raises
    if file is None:
        known = set(library.states()) if library else set()
        raise InvalidInput(
            f"{name} is {'neither a document of the index nor a file' if library else 'no file'}",
            _hint(name, known),
        )
    path, row, reason = Path(file), name[len(file) + 1 :], "no text"
    if path.is_dir():
        raise InvalidInput(f"{name} is a folder", "name a file in it")
    for found in walk_named([path]):
        items = read(path, file) if not isinstance(found, Skipped) else iter([found])
        for item in items:
            if isinstance(item, Skipped):
                reason = item.reason
            elif item.row_id == row:
                return item
            elif not row:
                raise InvalidInput(
                    f"{name} holds a document a row", f"name one of them, such as {name}#{item.row_id}"
                )
            else:
                reason = f"there is no row {row}"
    raise UnreadableSource(f"{name}: {reason}")


def _hint(name: str, known: set[str]) -> str:
    """What else could be meant."""
    if name in known:
        return f"it is a source of rows: name one of them, such as {name}#1"
    path = Path(name)
    try:
        beside = {str(path.parent / entry.name) for entry in path.parent.iterdir()}
    except (OSError, ValueError):
        beside = set()
    same = sorted(key for key in known if Path(key).name == path.name)
    near = list(dict.fromkeys([*same, *get_close_matches(name, sorted(known | beside), 3, 0.75)]))[:3]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "`semsearch status --sources` lists what the index holds" if known else ""
