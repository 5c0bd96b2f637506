"""One score from two: how near a passage is in meaning, and how well its words match. Pure."""

import numpy as np
from numpy.typing import NDArray


def fused(cosine: NDArray[np.float32], bm25: NDArray[np.float32], most: float) -> NDArray[np.float32]:
    """A score for each passage from its cosine and its BM25, of which `most` is the highest a passage could have."""
    top = float(bm25.max(initial=0.0))
    words = bm25 / top if top else bm25
    return ((1 + cosine) / 2 * 0.6 + 0.4 * words).astype(np.float32)
