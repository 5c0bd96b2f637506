"""Two documents side by side: how alike they are to the model and in their words, and passage by passage."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup import jaccard, shingles, tier_of
from semsearch.embedding import Embedder
from semsearch.embedding.similarity import PassageRows, document_similarities
from semsearch.ingest.lookup import DocumentVectors, find_document
from semsearch.storage.library import Library
from semsearch.text.diff import Difference, difference
from semsearch.types import Tier


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
    """Compare each passage of `a` with all of `b`; both have at least one. Equal texts have a cosine of 1."""
    numbers: dict[str, int] = {}
    own, other = (
        PassageRows(
            side.vectors.astype(np.float64),
            np.array([len(text) for text in side.texts], np.float64),
            np.array([numbers.setdefault(text, len(numbers)) for text in side.texts]),
        )
        for side in (b, a)
    )
    found = document_similarities(own, other, np.zeros(1, np.int64), find_nearest=True)
    return Coverage(found.nearest, found.cosine, float(found.back[0]))
