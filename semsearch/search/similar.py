"""What resembles a document, or one passage of it."""

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder, Vectors
from semsearch.errors import InvalidInput
from semsearch.ingest.lookup import DocumentVectors, file_document, stored_document
from semsearch.search.engine import best_sentences, meaning
from semsearch.storage.library import Library, PassageMatrix
from semsearch.types import Hit

_BLOCK = 2**23
"""Cosines of passages of the document with all passages that are held at a time."""


def similar(
    name: str,
    keys: Sequence[str],
    line: int | None,
    library: Library,
    embedder: Callable[[], Embedder],
    *,
    k: int,
    min_score: float,
    source: str | None,
    highlight: bool,
) -> list[Hit]:
    """The `k` documents most like one, or passages most like the one at `line`; see `Index.similar`.

    The document is the first of `keys` that the Library holds, else the file `name`.
    """
    held = next(filter(None, (stored_document(key, library) for key in keys)), None)
    document = held or file_document(name, embedder, library)
    with library.snapshot():
        layout, matrix = library.passage_matrix()
        allowed = np.array([
            not (held and name == held.name) and (source is None or fnmatch.fnmatchcase(key, source))
            for name, key in zip(layout.names, layout.sources, strict=True)
        ], bool)  # fmt: skip
        if not allowed.any():
            return []
        if line is None:
            scores, passage, own = _of_documents(document, layout, matrix, allowed)
        else:
            at = _passage_at(document, line)
            passage = np.flatnonzero(allowed[layout.document])
            scores = (matrix @ document.vectors[at])[layout.row[passage]].astype(np.float64)
            own = np.full(len(passage), at)
        best = np.lexsort((passage, -scores))[:k]
        best = best[scores[best] >= min_score]
        numbers = layout.numbers[passage[best]].tolist()
        stored = library.passages_numbered(numbers)
    hits = [stored[number].hit(min(1.0, float(scores[at]))) for number, at in zip(numbers, best, strict=True)]
    return highlighted(hits, document.vectors[own[best]], embedder()) if highlight and hits else hits


def _of_documents(
    document: DocumentVectors, layout: PassageMatrix, matrix: Vectors, allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """For each allowed document how similar it is, as near-duplicates are judged: the smaller of two means, weighted by
    length, of the best cosine of each passage. And its passage that is most like one of the document, and that one."""
    lengths = np.array([len(text) for text in document.texts], np.float64)
    starts = np.flatnonzero(np.diff(layout.document, prepend=-1))
    forth = np.zeros(len(starts))
    back = np.full(len(layout.row), -np.inf)
    own = np.zeros(len(layout.row), np.int64)
    block = max(1, _BLOCK // len(back))
    for at in range(0, len(lengths), block):
        cosines = (document.vectors[at : at + block] @ matrix.T)[:, layout.row].astype(np.float64)
        forth += lengths[at : at + block] @ np.maximum.reduceat(cosines, starts, axis=1)
        nearest = cosines.argmax(axis=0)
        best = cosines[nearest, np.arange(len(back))]
        own = np.where(best > back, nearest + at, own)
        back = np.maximum(best, back)
    total = np.bincount(layout.document, layout.length)
    mean = np.bincount(layout.document, back * layout.length) / total
    order = np.lexsort((-back, layout.document))
    passage = order[starts]
    return np.minimum(forth / lengths.sum(), mean)[allowed], passage[allowed], own[passage][allowed]


def _passage_at(document: DocumentVectors, line: int) -> int:
    """The passage that holds a line, or a page or row, or else the one before it."""
    unit, _, last = document.places[-1]
    if not 1 <= line <= last:
        raise InvalidInput(
            f"{document.name} has no text at {unit} {line}", f"its last {unit} with text is {last}"
        )
    begun = [at for at, (_, first, _) in enumerate(document.places) if first <= line]
    return begun[-1] if begun else 0


def highlighted(hits: Sequence[Hit], vectors: Vectors, embedder: Embedder) -> list[Hit]:
    """The hits with the sentence of each that is most like the vector beside it."""
    spans = best_sentences([hit.text for hit in hits], meaning(embedder, vectors))
    return [replace(hit, highlight=span) for hit, span in zip(hits, spans, strict=True)]
