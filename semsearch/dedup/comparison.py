"""Two documents side by side: how alike they are to the model and in their words, and passage by passage."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup import jaccard, shingles, tier_of
from semsearch.embedding import Embedder, Vectors
from semsearch.errors import InvalidInput, UnreadableSource
from semsearch.ingest.run import document_record
from semsearch.readers import read, walk
from semsearch.storage.library import Library
from semsearch.text.diff import Difference, difference
from semsearch.types import Document, Skipped, Tier, Unit, place

_BLOCK = 1024
"""Passages whose cosines with all of another document are held at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Passages:
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


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """For each passage of a document the `row` (int64 [n]) of the one of another that is most like it, the `cosine`
    (float64 [n]) of the two, and how alike the document is to the other as a whole: the mean, weighted by length."""

    row: NDArray[np.int64]
    cosine: NDArray[np.float64]
    similarity: float


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two documents compared. `tier` is None where they are no near-duplicates at the `threshold`."""

    a: Passages
    b: Passages
    difference: Difference
    coverage_a: Coverage
    coverage_b: Coverage
    jaccard: float
    threshold: float

    @property
    def similarity(self) -> float:
        """What near-duplicates are judged by: the smaller of the two directions."""
        return min(self.coverage_a.similarity, self.coverage_b.similarity)

    @property
    def tier(self) -> Tier | None:
        """How alike the two are."""
        tier = tier_of(self.a.text == self.b.text, self.jaccard)
        return tier if tier != "semantic" or self.similarity >= self.threshold else None


def compare_documents(
    a: str,
    b: str,
    embedder: Callable[[], Embedder],
    *,
    threshold: float,
    library: Library | None = None,
) -> Comparison:
    """Compare two documents: of the Library by their names there, else files, read as `ingest` reads them.

    One row of a file of rows is `data.csv#3`. The embedder is asked for when a file has to be read. Raises
    `InvalidInput` for what is neither, with the nearest names as hint, and for a file without text.
    """
    x, y = (_document(name, embedder, library) for name in (a, b))
    return Comparison(
        x,
        y,
        difference(x.text, y.text),
        coverage(x, y),
        coverage(y, x),
        jaccard(shingles(x.text), shingles(y.text)),
        threshold,
    )


def coverage(a: Passages, b: Passages) -> Coverage:
    """How the passages of `a`, one or more, are covered by those of `b`. Equal texts have a cosine of 1."""
    blocks = [_best(a.vectors[at : at + _BLOCK], b.vectors) for at in range(0, len(a.texts), _BLOCK)]
    row, cosine = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    first = {text: at for at, text in reversed(list(enumerate(b.texts)))}
    for at, text in enumerate(a.texts):
        if text in first:
            row[at], cosine[at] = first[text], 1
    similarity = float(np.average(cosine, weights=[len(text) for text in a.texts]))
    return Coverage(row, cosine, similarity)


def _best(a: Vectors, b: Vectors) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    cosines = a.astype(np.float64) @ b.T.astype(np.float64)
    row = cosines.argmax(axis=1)
    return row, np.clip(cosines[np.arange(len(a)), row], -1, 1)  # rounding can take it beyond


def _document(name: str, embedder: Callable[[], Embedder], library: Library | None) -> Passages:
    return (library and stored_document(name, library)) or file_document(name, embedder, library)


def stored_document(name: str, library: Library) -> Passages | None:
    """A document of the Library by its name, or None."""
    sources = library.states().keys() & {name, *_rows_of(name)}
    ids, vectors = library.passages_where(sources.__contains__)
    stored = library.passages(ids)
    rows = [row for row, id_ in enumerate(ids) if stored[id_].document == name]
    found = [stored[ids[row]] for row in rows]
    if not found:
        return None
    places = tuple((passage.unit, passage.first, passage.last) for passage in found)
    return Passages(name, tuple(passage.text for passage in found), places, vectors[rows])


def _rows_of(name: str) -> Iterator[str]:
    """The sources that a name may be a row of: ids may hold a # as well as files' names."""
    return (name[:at] for at, character in enumerate(name) if character == "#")


def file_document(name: str, embedder: Callable[[], Embedder], library: Library | None) -> Passages:
    """A file that is none of the Library's documents, read, cut and embedded as `ingest` does it.

    Raises what `compare_documents` does.
    """
    document = _read(name, library)
    model = embedder()
    passages = document_record(
        document, lambda texts: model.measure(texts)[0].tolist(), model.fingerprint.window
    ).passages
    texts = tuple(passage.text for passage in passages)
    places = tuple((passage.unit, passage.first, passage.last) for passage in passages)
    return Passages(name, texts, places, model.encode(texts))


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
    for found in walk([path]):
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
