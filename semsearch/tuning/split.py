"""Which labelled pairs a threshold is chosen on, and which ones say how good it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semsearch.text import clean
from semsearch.types import LabelledPair

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Positions of the pairs to choose on and of those to report on, and how they were split, in words."""

    choose: NDArray[np.intp]
    report: NDArray[np.intp]
    note: str


def split_pairs(
    pairs: Sequence[LabelledPair], positive: ArrayLike, *, seed: int = 0, ignore_marks: bool = False
) -> Split:
    """The pairs to choose a threshold on, and those to report on.

    Where the data marks some of its pairs as "test" (and marks count), those report and all others choose. Otherwise
    the pairs are halved at random (the same way for the same seed), positives and negatives alike. Pairs that
    share a text, directly or through others, stay together, unless that leaves a half with under a quarter
    of the positives or of the negatives; then they are halved one by one, and the note says so.
    """
    positive = np.asarray(positive, bool)
    report = np.array([pair.split == "test" for pair in pairs], bool)
    if 0 < np.count_nonzero(report) < len(pairs) and not ignore_marks:
        how = "the data's own test part reports, the rest chooses"
    else:
        report = _halve(linked(pairs), positive, seed)
        how = "split at random into halves that share no text"
        quarter = np.bincount(positive, minlength=2) / 4
        if any((np.bincount(positive[part], minlength=2) < quarter).any() for part in (report, ~report)):
            report = _halve(np.arange(len(pairs)), positive, seed)
            how = "split at random into halves"
    seen = {text for pair, held in zip(pairs, report, strict=True) if not held for text in _texts(pair)}
    shared = sum(held and not seen.isdisjoint(_texts(pair)) for pair, held in zip(pairs, report, strict=True))
    if shared:
        how += f"; {shared:,} of the {report.sum():,} reporting pairs share a text with the others"
    return Split(np.flatnonzero(~report), np.flatnonzero(report), how)


def linked(pairs: Sequence[LabelledPair]) -> Ints:
    """The number of the cluster that each pair is in: pairs that share a text, directly or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = ends_of(pairs)
    links = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(ends.max() + 1,) * 2)
    _, cluster = connected_components(links, directed=False)
    return np.asarray(cluster[ends[:, 0]], np.int64)


def ends_of(pairs: Sequence[LabelledPair]) -> Ints:
    """The numbers of the two texts of each pair."""
    numbers: dict[str, int] = {}
    return np.array([[numbers.setdefault(text, len(numbers)) for text in _texts(pair)] for pair in pairs])


def _texts(pair: LabelledPair) -> tuple[str, str]:
    return clean(pair.text_a), clean(pair.text_b)


def _halve(clusters: Ints, positive: Mask, seed: int) -> Mask:
    """Which pairs report: clusters stay whole, and both halves get near the same share of each kind.

    Clusters come in random order, the largest first, and each goes to the half that lacks more of what it
    holds.
    """
    sizes = np.bincount(clusters)
    kinds = [np.bincount(clusters, weights=kind) / max(kind.sum(), 1) for kind in (positive, ~positive)]
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    reports = np.zeros(len(sizes), bool)
    ahead = [0.0, 0.0]  # by how much the choosing half leads, in shares of the positives and of the negatives
    for cluster, *shares in zip(order.tolist(), *(kind[order].tolist() for kind in kinds), strict=True):
        reports[cluster] = ahead[0] * shares[0] + ahead[1] * shares[1] > 0
        sign = -1 if reports[cluster] else 1
        ahead = [lead + sign * share for lead, share in zip(ahead, shares, strict=True)]
    return reports[clusters]
