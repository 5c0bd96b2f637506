"""Split labelled pairs into a part that a threshold is chosen on and a part that measures it."""

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
    """Positions of the pairs to choose on (`choose`) and of the held-out pairs (`report`), and a note on the split."""

    choose: NDArray[np.intp]
    report: NDArray[np.intp]
    note: str


def split_pairs(
    pairs: Sequence[LabelledPair], positive: ArrayLike, *, seed: int = 0, ignore_marks: bool = False
) -> Split:
    """Split pairs into those that a threshold is chosen on and those held out to report on.

    If the data marks some pairs as "test", these are held out, unless `ignore_marks`. Otherwise the pairs are halved
    at random, the same way for the same seed, with the positives and the negatives spread evenly. Pairs that share a
    text, directly or through other pairs, stay together. If that left a half with under a quarter of the positives or
    of the negatives, the pairs are halved one by one, and the note says so.
    """
    positive = np.asarray(positive, bool)
    report = np.array([pair.split == "test" for pair in pairs], bool)
    if 0 < np.count_nonzero(report) < len(pairs) and not ignore_marks:
        how = "the data's own test part is held out"
    else:
        report = _halve(pair_clusters(pairs), positive, seed)
        how = "split at random into halves that share no text"
        quarter = np.bincount(positive, minlength=2) / 4
        if any((np.bincount(positive[part], minlength=2) < quarter).any() for part in (report, ~report)):
            report = _halve(np.arange(len(pairs)), positive, seed)
            how = "split at random into halves"
    seen = {text for pair, held in zip(pairs, report, strict=True) if not held for text in _texts(pair)}
    shared = sum(held and not seen.isdisjoint(_texts(pair)) for pair, held in zip(pairs, report, strict=True))
    if shared:
        how += f"; {shared:,} of the {report.sum():,} held-out pairs share a text with the others"
    return Split(np.flatnonzero(~report), np.flatnonzero(report), how)


def pair_clusters(pairs: Sequence[LabelledPair]) -> Ints:
    """Return the cluster number of each pair, int [n]. A cluster links pairs that share texts, also through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = text_ids(pairs)
    links = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(ends.max() + 1,) * 2)
    _, cluster = connected_components(links, directed=False)
    return np.asarray(cluster[ends[:, 0]], np.int64)


def text_ids(pairs: Sequence[LabelledPair]) -> Ints:
    """Return the numbers of the two texts of each pair, int [n, 2]; equal texts have equal numbers."""
    numbers: dict[str, int] = {}
    return np.array([[numbers.setdefault(text, len(numbers)) for text in _texts(pair)] for pair in pairs])


def _texts(pair: LabelledPair) -> tuple[str, str]:
    return clean(pair.text_a), clean(pair.text_b)


def _halve(clusters: Ints, positive: Mask, seed: int) -> Mask:
    """Return the mask of the held-out half. Clusters stay whole; both halves get about half of each class.

    Clusters are placed in random order, the largest first, each in the half that lacks more of its pairs.
    """
    sizes = np.bincount(clusters)
    kinds = [np.bincount(clusters, weights=kind) / max(kind.sum(), 1) for kind in (positive, ~positive)]
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    reports = np.zeros(len(sizes), bool)
    ahead = [0.0, 0.0]  # the choosing half's lead, as shares of the positives and of the negatives
    for cluster, *shares in zip(order.tolist(), *(kind[order].tolist() for kind in kinds), strict=True):
        reports[cluster] = ahead[0] * shares[0] + ahead[1] * shares[1] > 0
        sign = -1 if reports[cluster] else 1
        ahead = [lead + sign * share for lead, share in zip(ahead, shares, strict=True)]
    return reports[clusters]
