"""Two documents side by side: how alike they are to the model and in their words, and passage by passage."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup import jaccard, shingles, tier_of
from semsearch.embedding import Embedder, Vectors
from semsearch.ingest.lookup import DocumentVectors, find_document
from semsearch.storage.library import Library
from semsearch.text.diff import Difference, difference
from semsearch.types import Tier

_BLOCK = 1024
"""DocumentVectors whose cosines with all of another document are held at a time."""


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

    a: DocumentVectors
    b: DocumentVectors
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
    x, y = (find_document(name, embedder, library) for name in (a, b))
    return Comparison(
        x,
        y,
        difference(x.text, y.text),
        coverage(x, y),
        coverage(y, x),
        jaccard(shingles(x.text), shingles(y.text)),
        threshold,
    )


def coverage(a: DocumentVectors, b: DocumentVectors) -> Coverage:
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
