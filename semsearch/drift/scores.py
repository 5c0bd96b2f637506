"""Look whether the guarantee of a saved threshold covers new pairs, by their scores and those of earlier ones.

Pairs of documents from the threshold up are counted by score, in a sample of each window. A document is in many pairs,
so whole documents are exchanged, as in the other tests.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.shift import LEAST
from semsearch.drift.contents import Contents
from semsearch.drift.exchange import Floats, Mask, exchanges, p_value

_SAMPLE = 2_000
"""The documents of a window whose pairs are compared."""
_BINS = 8
_PROPOSED = 20
_SAME = 1 - 1e-6


@dataclass(frozen=True, slots=True)
class DriftPair:
    """Two documents of the later window, and their cosine."""

    left: str
    right: str
    similarity: float


@dataclass(frozen=True, slots=True)
class DriftScores:
    """The scores of pairs from a saved threshold up, in a sample of each window.

    Args:
        threshold: The saved threshold.
        edges: The ends of the ranges of scores, one more than there are ranges.
        before: The pairs of the earlier window in each range.
        now: The pairs of the later window in each range.
        p: The chance of so great a difference where nothing has changed; None for fewer than 30 pairs in a window.
        covered: False where the guarantee does not cover the pairs of the later window; None where this is not known.
        labels: The labels that would settle it: so many random pairs of the later window, all of them duplicates,
            guarantee the same. 0 where the threshold has no guarantee of precision.
        pairs: Such pairs, drawn at random.
    """

    threshold: float
    edges: tuple[float, ...]
    before: tuple[int, ...]
    now: tuple[int, ...]
    p: float | None
    covered: bool | None
    labels: int
    pairs: tuple[DriftPair, ...]


def drift_scores(contents: Contents, late: Mask, saved: Mapping[str, Any]) -> DriftScores:
    """Return the scores of the pairs of both windows; `saved` is the setting of the threshold."""
    draw = np.random.default_rng(0)
    sides = [np.flatnonzero(side) for side in (~late, late)]
    some = np.sort(np.concatenate([draw.choice(own, min(_SAMPLE, len(own)), replace=False) for own in sides]))
    threshold = float(saved["threshold"])
    left, right, scores = _pairs(contents.vectors[some], threshold)
    edges = np.linspace(threshold, 1, _BINS + 1)
    bins = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, _BINS - 1)
    now = late[some]
    counted = {
        side: np.bincount(bins[(now[left] == side) & (now[right] == side)], minlength=_BINS)
        for side in (True, False)
    }
    enough = min(own.sum() for own in counted.values()) >= LEAST
    figures = [_differences(part, left, right, bins) for part in exchanges(now)] if enough else []
    own = np.flatnonzero(now[left] & now[right])
    shown = np.sort(draw.choice(own, min(_PROPOSED, len(own)), replace=False))
    pairs = zip(some[left[shown]].tolist(), some[right[shown]].tolist(), scores[shown].tolist(), strict=True)
    return DriftScores(
        threshold,
        tuple(edges.tolist()),
        tuple(counted[False].tolist()),
        tuple(counted[True].tolist()),
        p_value(np.concatenate(figures)) if enough else None,
        None,
        _labels(saved.get("promise")),
        tuple(DriftPair(contents.names[a], contents.names[b], score) for a, b, score in pairs),
    )


def _pairs(vectors: NDArray[np.float32], lowest: float) -> tuple[Any, Any, Any]:
    """Return the pairs of different vectors from a cosine up: two arrays of rows, and the cosines."""
    left: list[NDArray[np.int64]] = []
    right: list[NDArray[np.int64]] = []
    scores: list[NDArray[np.float32]] = []
    for start in range(0, len(vectors), 1_000):
        cosines = vectors[start : start + 1_000] @ vectors.T
        rows, columns = np.nonzero((cosines >= lowest) & (cosines < _SAME))
        keep = rows + start < columns
        left.append(rows[keep] + start)
        right.append(columns[keep])
        scores.append(cosines[rows[keep], columns[keep]])
    return np.concatenate(left), np.concatenate(right), np.concatenate(scores)


def _differences(late: Mask, left: Any, right: Any, bins: Any) -> Floats:
    """Return for each column of `late` how far the scores of late pairs differ from those of others."""
    found = np.zeros(late.shape[1])
    for at, own in enumerate(late.T):
        counts = [
            np.bincount(bins[(own[left] == side) & (own[right] == side)], minlength=_BINS)
            for side in (True, False)
        ]
        sizes = [int(count.sum()) for count in counts]
        if min(sizes):
            total = counts[0] + counts[1]
            used = total > 0
            shares = [count[used] / size for count, size in zip(counts, sizes, strict=True)]
            found[at] = float(np.sum((shares[0] - shares[1]) ** 2 / (total[used] / sum(sizes))))
    return found


def _labels(guarantee: Mapping[str, Any] | None) -> int:
    """Return how many random pairs, all of them duplicates, guarantee the same precision."""
    if not guarantee or guarantee.get("measure") != "precision":
        return 0
    target, confidence = float(guarantee["least"]), float(guarantee["confidence"])
    return math.ceil(math.log(1 - confidence) / math.log(target)) if 0 < target < 1 > confidence > 0 else 0
