"""Look whether the model, or what runs it, has changed: embed some stored texts again, and compare the vectors."""

from dataclasses import dataclass

import numpy as np

from semsearch.drift.contents import Ints
from semsearch.embedding import Embedder, Vectors, embed_checked
from semsearch.embedding.canary import CLOSE
from semsearch.storage.library import Library, PassageMatrix
from semsearch.tuning.metrics import Estimate, share_of

_TEXTS = 32
"""The passages of each window that are embedded again."""
_TOLERATED = 0.01
"""The share of passages that may differ: int8 rounds by what else is in a batch."""


@dataclass(frozen=True, slots=True)
class DriftModel:
    """The answer to whether the model gives the vectors that the index has.

    Args:
        texts: The passages that were embedded again.
        differing: The share of them whose new vector has a cosine below 0.995 to the stored one; None where the model
            cannot be asked.
        lowest: The lowest of these cosines.
        changed: More than one in a hundred differ, with 95% confidence; or the model's fingerprint is another one.
        reason: Why the model could not be asked; empty where it was.
    """

    texts: int
    differing: Estimate | None
    lowest: float | None
    changed: bool
    reason: str = ""


def drift_model(
    library: Library, table: PassageMatrix, vectors: Vectors, windows: Ints, embedder: Embedder
) -> DriftModel:
    """Return whether some passages of each window have the vectors that the model gives now."""
    draw = np.random.default_rng(0)
    window = windows[table.document]
    own = (np.flatnonzero(window == side) for side in np.unique(window[window >= 0]))
    some = np.concatenate([draw.choice(one, min(_TEXTS, len(one)), replace=False) for one in own])
    again = embed_checked(embedder, library.texts(table.numbers[some].tolist()))
    cosines = np.einsum("ij,ij->i", again, vectors[table.row[some]])
    differing = share_of(cosines < CLOSE)
    return DriftModel(len(some), differing, float(min(1, cosines.min())), differing.low > _TOLERATED)
