"""Pairs of documents that have several passages each: every one at or above the threshold, none missed.

A mean that reaches the threshold has a term that does, so two documents can only be a pair where passages match. Few
that share a passage are alike, though: think of the licence at the foot of every file. So passages are joined down to
a *reach* somewhat below the threshold. What a passage has no match for is then less alike than the reach, which
bounds the similarity of two documents from above by their matches alone; their vectors are multiplied only where
that bound reaches the threshold.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.join import DEFAULT_MEMORY, Doubles, Floats, Integers, Pairs, join
from semsearch.errors import InvalidInput

_BELOW = (0.1, 0.05, 0.02)
"""How far the reach may lie below the threshold: the first for which there is memory for all matches."""
_SAMPLE = 2048
_MATCH, _LINK = 160, 200
"""Bytes, at the peak, for a match of two passages and for a link of two documents."""
_ROUNDING = 1e-9
"""More than rounding takes from a bound."""


@dataclass(frozen=True, slots=True, eq=False)
class DocumentPassages:
    """A document: the `rows` of its passages' vectors, and their `weights` (> 0, such as lengths in characters)."""

    rows: Integers
    weights: Doubles


def document_pairs(
    vectors: Floats,
    documents: Sequence[DocumentPassages],
    threshold: float,
    *,
    progress: Callable[[int, int], None] | None = None,
    memory: int = DEFAULT_MEMORY,
) -> Pairs:
    """Every pair of `documents`, by position, whose similarity is >= `threshold`.

    `vectors` (float32 [u, d], unit rows) are those of the distinct passages. The similarity of A and B is the
    smaller of two weighted means: over the passages of A, of the best cosine of each in B, and the other way about.
    For documents of one passage it is the cosine of the two. A row that both have counts as 1. A document without
    passages is in no pair. `progress` and `memory` are those of `join`; what a single document needs, and the
    passages that match at the threshold, are held whatever the memory.

    Raises `InvalidInput` for rows that `vectors` lacks and weights that are no lengths, and as `join` does.
    """
    corpus = _Corpus(vectors, documents)
    reach = threshold if np.all(corpus.size <= 1) else _reach(vectors, threshold, memory)
    matches = join(vectors, reach, progress=progress, memory=memory)
    found = []
    for links in corpus.links(matches, memory // _LINK):
        a, b = corpus.document[links.x], corpus.document[links.y]
        single = (corpus.size[a] == 1) & (corpus.size[b] == 1)
        pair = single & (links.similarity >= threshold)
        found.append(Pairs(a[pair], b[pair], links.similarity[pair]))
        found += corpus.verified(*corpus.candidates(links[~single], reach, threshold), threshold, memory)
    return Pairs.merged(found)


def _reach(vectors: Floats, threshold: float, memory: int) -> float:
    n = len(vectors)
    sample = vectors[np.random.default_rng(0).choice(n, min(n, _SAMPLE), replace=False)]
    cosines = sample @ sample.T
    np.fill_diagonal(cosines, -2)
    for below in _BELOW:
        if np.mean(cosines >= threshold - below) * n * n / 2 * _MATCH <= memory:
            return max(threshold - below, -1.0)
    return threshold


@dataclass(frozen=True, slots=True, eq=False)
class _Links:
    """Passages of different documents that match, by their numbers in the corpus; `x` is in the earlier document."""

    x: Integers
    y: Integers
    similarity: Doubles

    def __getitem__(self, kept: NDArray[np.bool_]) -> "_Links":
        return _Links(self.x[kept], self.y[kept], self.similarity[kept])


class _Corpus:
    """The passages of all documents one after another, numbered from 0.

    Of each passage: its `row`, `weight` and `document`. Of each document: the number of passages (`size`), that of
    the first of them (`start`), and their `total` weight.
    """

    def __init__(self, vectors: Floats, documents: Sequence[DocumentPassages]) -> None:
        self.vectors = vectors
        self.size = np.array([len(document.rows) for document in documents], np.int64)
        self.start = np.cumsum(self.size) - self.size
        self.document = np.repeat(np.arange(len(documents)), self.size)
        self.row = np.concatenate([np.empty(0, np.int64), *(document.rows for document in documents)])
        self.weight = np.concatenate([np.empty(0), *(document.weights for document in documents)])
        uneven = np.flatnonzero(self.size != [len(document.weights) for document in documents])
        if len(uneven):
            raise InvalidInput(f"document {uneven[0]} has not as many weights as rows")
        possible = (self.row >= 0) & (self.row < len(vectors)) & (self.weight > 0) & np.isfinite(self.weight)
        if not np.all(possible):
            wrong = int(np.argmin(possible))
            raise InvalidInput(
                f"document {self.document[wrong]} has row {self.row[wrong]} of {len(vectors)} with weight "
                f"{self.weight[wrong]}, but rows must be there and weights above 0"
            )
        self.total = np.bincount(self.document, self.weight, len(documents))

    def links(self, matches: Pairs, limit: int) -> Iterator[_Links]:
        """The links of some consecutive documents to all later ones at a time, about `limit` or one document's."""
        every = np.arange(len(self.vectors))
        x = np.concatenate([matches.left, matches.right, every])
        y = np.concatenate([matches.right, matches.left, every])
        similarity = np.concatenate([matches.similarity, matches.similarity, np.ones(len(every))])
        matched, match_start, match_count = _grouped(x, len(every))
        used, use_start, use_count = _grouped(self.row, len(every))
        place = self.row[used] * len(used) + used
        fan = np.bincount(x, use_count[y], len(every))[self.row]
        made = np.concatenate([[0], np.cumsum(np.bincount(self.document, fan, len(self.size)))])
        first = 0
        while first < len(self.size):
            last = max(first + 1, int(np.searchsorted(made, made[first] + limit, "right")) - 1)
            passages = np.arange(self.start[first], self.start[last - 1] + self.size[last - 1])
            owner, at = _ragged(match_start[self.row[passages]], match_count[self.row[passages]])
            passage, match = passages[owner], matched[at]
            next_document = self.start[self.document[passage]] + self.size[self.document[passage]]
            later = np.searchsorted(place, y[match] * len(used) + next_document)
            owner, at = _ragged(later, use_start[y[match]] + use_count[y[match]] - later)
            yield _Links(passage[owner], used[at], similarity[match[owner]])
            first = last

    def candidates(self, links: _Links, reach: float, threshold: float) -> tuple[Integers, Integers]:
        """The linked documents whose similarity may reach the threshold, sorted.

        A passage may have several links to a document and counts with all, which only raises the bound.
        """
        key = self.document[links.x] * len(self.size) + self.document[links.y]
        keys, pair = np.unique(key, return_inverse=True)
        a, b = np.divmod(keys, max(1, len(self.size)))
        possible = np.ones(len(keys), np.bool_)
        for documents, passages in ((a, links.x), (b, links.y)):
            above = np.bincount(pair, self.weight[passages] * (links.similarity - reach), len(keys))
            possible &= reach + above / self.total[documents] >= threshold - _ROUNDING
        return a[possible], b[possible]

    def verified(self, a: Integers, b: Integers, threshold: float, memory: int) -> Iterator[Pairs]:
        """Those of the candidates, sorted, that are pairs."""
        edges = np.flatnonzero(np.diff(a, prepend=-1, append=-1))
        for start, stop in pairwise(edges.tolist()):
            mine = slice(self.start[a[start]], self.start[a[start]] + self.size[a[start]])
            x = self.vectors[self.row[mine]].astype(np.float64)
            room = memory // (32 * (self.vectors.shape[1] + len(x)))
            while start < stop:
                step = max(1, int(np.searchsorted(np.cumsum(self.size[b[start:stop]]), room, "right")))
                others = b[start : start + step]
                _, theirs = _ragged(self.start[others], self.size[others])
                cosines = np.minimum(x @ self.vectors[self.row[theirs]].astype(np.float64).T, 1)
                cosines[self.row[mine, None] == self.row[theirs]] = 1
                first = np.cumsum(self.size[others]) - self.size[others]
                there = self.weight[mine] @ np.maximum.reduceat(cosines, first, axis=1)
                back = np.add.reduceat(cosines.max(axis=0) * self.weight[theirs], first)
                similarity = np.minimum(there / self.total[a[start]], back / self.total[others])
                kept = similarity >= threshold
                yield Pairs(a[start : start + step][kept], others[kept], similarity[kept])
                start += step


def _grouped(values: Integers, n: int) -> tuple[Integers, Integers, Integers]:
    """The positions of the values 0 to n - 1, one value after another; where each begins there; how many it has."""
    count = np.bincount(values, minlength=n)
    return np.argsort(values, kind="stable"), np.cumsum(count) - count, count


def _ragged(starts: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """The numbers of several ranges, one after another: which range each is of, and the number."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) + (starts - (np.cumsum(counts) - counts))[owner]
