"""What resembles a document, or one passage of it."""

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder, Vectors
from semsearch.embedding.similarity import PassageRows, document_similarities
from semsearch.errors import InvalidInput
from semsearch.ingest.lookup import DocumentVectors, file_document, stored_document
from semsearch.search.engine import best_sentences, meaning
from semsearch.storage.library import Library, PassageMatrix
from semsearch.types import Hit

_COARSE = 2e-4
"""Twice the most by which a similarity in float32 can be wrong, for vectors of up to 1,600 numbers."""


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
            scores, passage, own = _best_documents(document, library, layout, matrix, allowed, k)
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


def _best_documents(
    document: DocumentVectors,
    library: Library,
    layout: PassageMatrix,
    matrix: Vectors,
    allowed: NDArray[np.bool_],
    k: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the similarity of the `k` most similar allowed documents or more, the passage of each that is most like
    one of the document, and the row of that one in the document.

    A pass in float32 over all documents leaves those that may be among the best; their similarity is then exact.
    """
    starts = np.flatnonzero(np.diff(layout.document, prepend=-1))
    lengths = np.array([len(text) for text in document.texts], np.float64)
    unknown = np.full(len(lengths), -1)  # equal texts have a cosine of almost 1 here
    own = PassageRows(document.vectors, lengths, unknown)
    every = PassageRows(matrix, layout.length, layout.row, layout.row)
    coarse = document_similarities(own, every, starts).similarity[allowed]
    least = np.partition(coarse, -k)[-k] if k < len(coarse) else -np.inf
    chosen = np.zeros(len(starts), np.bool_)
    chosen[np.flatnonzero(allowed)[coarse >= least - _COARSE]] = True

    passage = np.flatnonzero(chosen[layout.document])
    numbers: dict[str, int] = {}
    texts = [
        np.array([numbers.setdefault(text, len(numbers)) for text in side])
        for side in (document.texts, library.texts(layout.numbers[passage].tolist()))
    ]
    own = PassageRows(document.vectors.astype(np.float64), lengths, texts[0])
    vectors = matrix[layout.row[passage]].astype(np.float64)
    starts = np.flatnonzero(np.diff(layout.document[passage], prepend=-1))
    exact = document_similarities(
        own, PassageRows(vectors, layout.length[passage], texts[1]), starts, find_nearest=True
    )
    best = np.lexsort((-exact.cosine, layout.document[passage]))[starts]
    return exact.similarity, passage[best], exact.nearest[best]


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
