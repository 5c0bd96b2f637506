"""Measure how similar documents are, from the vectors of their passages.

The similarity of A and B is the smaller of two weighted means: over the passages of A, the best cosine of each in B,
and over the passages of B, the best cosine of each in A. Longer passages weigh more. Equal texts have a cosine of 1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ONE = 1 - 5e-7
"""The cosine from which on it is 1: what six decimals show as 1.000000. Equal float32 vectors have 1 to within 2e-7."""
_BLOCK = 2**23
"""Cosines held at a time: 64 MB in float64."""


def rounded(similarity: NDArray[Any]) -> NDArray[Any]:
    """Return similarities with 1 for what is 1 but for rounding; every threshold is compared with the result."""
    return np.where(similarity >= ONE, 1, similarity)


@dataclass(frozen=True, slots=True, eq=False)
class PassageRows:
    """The passages of one document, or of several, one after another.

    `vectors` [u, d] holds unit vectors, float32 or float64. `weights` [n] are above 0, such as lengths in characters.
    `texts` [n] has the same number for equal texts. `rows` [n] gives the vector of each passage; without it u = n.
    """

    vectors: NDArray[Any]
    weights: NDArray[Any]
    texts: NDArray[np.int64]
    rows: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DocumentSimilarities:
    """One document compared with k others.

    `forth` and `back` [k] are the two weighted means: of the document's own passages, and of the other's. For each
    passage of the others, `cosine` [n] is its best, and `nearest` [n] the own passage that has it, if asked for.
    """

    forth: NDArray[np.float64]
    back: NDArray[np.float64]
    cosine: NDArray[np.float64]
    nearest: NDArray[np.int64]

    @property
    def similarity(self) -> NDArray[np.float64]:
        """The similarity to each of the others, [k]."""
        return rounded(np.minimum(self.forth, self.back))


def document_similarities(
    own: PassageRows, others: PassageRows, starts: NDArray[np.int64], *, find_nearest: bool = False
) -> DocumentSimilarities:
    """Compare the document `own` with k others, of which the first passages are at `starts` [k] in `others`.

    Cosines are computed in the type of the vectors: float64 is exact to about 1e-15, float32 to about 1e-5. With
    `find_nearest` the result has `nearest`, which takes a quarter more time.
    """
    count = len(others.weights)
    forth = np.zeros(len(starts))
    best, nearest = np.full(count, -np.inf), np.zeros(count if find_nearest else 0, np.int64)
    height = max(1, _BLOCK // max(1, count))
    for at in range(0, len(own.weights), height):
        part = slice(at, at + height)
        x = own.vectors[part] if own.rows is None else own.vectors[own.rows[part]]
        cosines = np.minimum(x @ others.vectors.T, 1)
        if others.rows is not None:
            cosines = cosines[:, others.rows]
        cosines[own.texts[part, None] == others.texts] = 1
        forth += own.weights[part] @ np.maximum.reduceat(cosines, starts, axis=1)
        block_best = cosines.max(axis=0)
        if find_nearest:
            nearest = np.where(block_best > best, cosines.argmax(axis=0) + at, nearest)
        best = np.maximum(best, block_best)
    forth /= own.weights.sum()
    back = np.add.reduceat(best * others.weights, starts) / np.add.reduceat(others.weights, starts)
    return DocumentSimilarities(forth, back, best, nearest)
