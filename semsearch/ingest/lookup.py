"""Look up one document by its name, in the Library or as a file."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from semsearch.embedding import Embedder, Vectors, embed_checked
from semsearch.errors import InvalidInput, UnreadableSource
from semsearch.ingest.chunk import chunk
from semsearch.ingest.inputs import walk_named
from semsearch.readers import read
from semsearch.readers.encoding import storable
from semsearch.storage.library import Library, PassageRecord, StoredPassage
from semsearch.types import Document, FieldValue, Skipped, Unit, place


@dataclass(frozen=True, slots=True, eq=False)
class DocumentVectors:
    """A document and the passages it has: their cleaned `texts`, their `places` and their `vectors` [n, d].

    `metadata` has the fields of the document, and `originals` what the texts were made from, to be shown.
    """

    name: str
    texts: tuple[str, ...]
    places: tuple[tuple[Unit, int, int], ...]
    vectors: Vectors
    metadata: Mapping[str, FieldValue] = field(default_factory=dict)
    originals: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The texts of all passages, one after the other."""
        return "\n".join(self.texts)

    @property
    def original(self) -> str:
        """The text of all passages as it was written, one after the other."""
        return "\n".join(self.originals or self.texts)

    def at(self, row: int) -> str:
        """Return the name of a passage, such as `notes.md:3-9`."""
        return self.name + place(*self.places[row])


def find_document(name: str, embedder: Callable[[], Embedder], library: Library | None) -> DocumentVectors:
    """Return the document of the Library that has this name, or else the file. Raises what `file_document` raises."""
    return (library and stored_document(name, library)) or file_document(name, embedder, library)


def stored_document(name: str, library: Library) -> DocumentVectors | None:
    """Return the document of the Library that has this name, or None."""
    sources = library.states().keys() & {name, *_possible_files(name)}
    ids, vectors = library.passages_where(sources.__contains__)
    stored = library.passages(ids)
    rows = [row for row, id_ in enumerate(ids) if stored[id_].document == name]
    if not rows:
        return None
    passages = [stored[ids[row]] for row in rows]
    return _with_vectors(name, passages, vectors[rows], passages[0].metadata)


def file_document(name: str, embedder: Callable[[], Embedder], library: Library | None) -> DocumentVectors:
    """Return a file, or one row of it such as `data.csv#3`, read, chunked and embedded as `ingest` does it.

    Raises `InvalidInput` if there is no such file, with the nearest names as hint, or if it is a folder or needs a
    row. Raises `UnreadableSource` if it cannot be read, or has no text or no such row.
    """
    (found,) = _embedded({name: _read_document(name, library)}, embedder())
    return found


def text_documents(texts: Mapping[str, str], embedder: Embedder) -> list[DocumentVectors]:
    """Return texts by name, chunked and embedded as `ingest` does it with files, all at once.

    Raises `UnreadableSource` for a text without words.
    """
    return _embedded({name: Document(name, storable(text)) for name, text in texts.items()}, embedder)


def _embedded(documents: Mapping[str, Document], model: Embedder) -> list[DocumentVectors]:
    passages = [chunk(document, model).record.passages for document in documents.values()]
    for name, some in zip(documents, passages, strict=True):
        if not some:
            raise UnreadableSource(f"{name}: no text")
    vectors = embed_checked(model, [passage.text for some in passages for passage in some])
    parts = np.split(vectors, np.cumsum([len(some) for some in passages])[:-1])
    return [
        _with_vectors(name, some, part, document.metadata)
        for (name, document), some, part in zip(documents.items(), passages, parts, strict=True)
    ]


def _with_vectors(
    name: str,
    passages: Sequence[PassageRecord | StoredPassage],
    vectors: Vectors,
    metadata: Mapping[str, FieldValue],
) -> DocumentVectors:
    texts = tuple(passage.text for passage in passages)
    places = tuple((passage.unit, passage.first, passage.last) for passage in passages)
    originals = tuple(passage.original or passage.text for passage in passages)
    return DocumentVectors(name, texts, places, vectors, metadata, originals)


def _possible_files(name: str) -> Iterator[str]:
    """Yield the files that a name may be a row of. Both file names and row ids may contain a #."""
    return (name[:at] for at, character in enumerate(name) if character == "#")


def _read_document(name: str, library: Library | None) -> Document:
    """Return the document of a file, or of one row of it. Raises what `file_document` raises."""
    file = next((file for file in (name, *_possible_files(name)) if os.path.exists(file)), None)  # noqa: PTH110 - never raises
    if file is None:
        known = set(library.states()) if library else set()
        missing = "is neither a document of the index nor a file" if library else "does not exist"
        raise InvalidInput(f"{name} {missing}", _hint(name, known))
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
                    f"{name} has several documents", f"name one of them, such as {name}#{item.row_id}"
                )
            else:
                reason = f"there is no row {row}"
    raise UnreadableSource(f"{name}: {reason}")


def _hint(name: str, known: set[str]) -> str:
    """Return a hint that names what else could be meant."""
    if name in known:
        return f"it has several documents: name one of them, such as {name}#1"
    path = Path(name)
    try:
        siblings = {str(path.parent / entry.name) for entry in path.parent.iterdir()}
    except (OSError, ValueError):
        siblings = set()
    same = sorted(key for key in known if Path(key).name == path.name)
    near = list(dict.fromkeys([*same, *get_close_matches(name, sorted(known | siblings), 3, 0.75)]))[:3]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "`semsearch status --sources` lists what the index holds" if known else ""
