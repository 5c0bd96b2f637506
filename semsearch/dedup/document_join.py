"""Find every pair of documents at or above a threshold, where documents have several passages.

A mean that reaches the threshold has a term that does, so two documents are a pair only if passages of them match.
Most documents that share a passage are not similar: a licence may stand at the foot of every file. So passages are
joined down to a *reach* somewhat below the threshold. A passage without a match is less similar than the reach, and
the matches alone bound the similarity of two documents from above. Vectors are multiplied only where that bound
reaches the threshold.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.join import Doubles, Floats, Integers, PairLimit, Pairs, between, cosines, join
from semsearch.dedup.sketch import lowered
from semsearch.embedding.similarity import ONE, PassageRows, document_similarities, rounded
from semsearch.errors import InvalidInput
from semsearch.requests import DEFAULT_MEMORY

_BELOW = (0.1, 0.05, 0.02)
"""Distances of the reach below the threshold; the first for which all matches fit in memory is used."""
_SHARE = 1 / 0.15
"""A distance is at most this many times its share of what lies above the threshold: some models crowd their cosines."""
_SAMPLE = 2048
_PAIRS = 2**18
"""Pairs of documents compared at a time."""
_MATCH, _LINK = 160, 200
"""Bytes, at the peak, for a match of two passages and for a link of two documents."""
_LEAST_BYTES = 64 * 2**20
"""Working memory for the least similarity in a group."""
_FEW = 4096
_ROUNDING = 1e-9
"""An upper limit of the rounding error of a bound."""


@dataclass(frozen=True, slots=True, eq=False)
class DocumentPassages:
    """A document: the `rows` of its passages' vectors, and their `weights` (> 0, such as characters)."""

    rows: Integers
    weights: Doubles


def _reach(vectors: Floats, left: Integers, right: Integers, threshold: float, memory: int) -> float:
    """Return the similarity down to which the rows of the two sides are matched."""
    i, j = (
        np.random.default_rng(0).choice(side, min(len(side), _SAMPLE), replace=False)
        for side in (left, right)
    )
    sample = vectors[i] @ vectors[j].T
    sample[i[:, None] == j] = -2
    pairs = len(left) * len(right) / (2 if left is right else 1)
    for most in _BELOW:
        below = min(most, most * _SHARE * (1 - threshold))
        if np.count_nonzero(sample >= threshold - below) / max(1, sample.size) * pairs * _MATCH <= memory:
            return max(threshold - below, -1.0)
    return threshold


def _across(
    vectors: Floats,
    left: Integers,
    right: Integers,
    reach: float,
    progress: Callable[[int, int], None] | None,
    memory: int,
    limit: int | None,
) -> Pairs:
    """Return the matches between two sets of rows, each pair once with `left < right`."""
    matched = between(vectors[left], vectors[right], reach, progress=progress, memory=memory, limit=limit)
    i, j = left[matched.left], right[matched.right]
    key, first = np.unique(np.minimum(i, j) * len(vectors) + np.maximum(i, j), return_index=True)
    i, j = np.divmod(key, max(1, len(vectors)))
    return Pairs(i, j, matched.similarity[first])[i < j]


@dataclass(frozen=True, slots=True, eq=False)
class _Links:
    """Matching passages of different documents, by their numbers in the corpus; `x` is in the earlier one."""

    x: Integers
    y: Integers
    similarity: Doubles

    def __getitem__(self, kept: NDArray[np.bool_]) -> "_Links":
        return _Links(self.x[kept], self.y[kept], self.similarity[kept])


class Corpus:
    """Documents of one or several passages, compared by the vectors of the passages.

    `vectors` (float32 [u, d], unit rows) has a row for each distinct passage. The similarity of two documents is
    defined in `semsearch.embedding.similarity`; two passages with the same row have a cosine of 1.

    Raises `InvalidInput` for rows that `vectors` lacks, and for weights that are not positive numbers.
    """

    # For each passage, one document after another: its `row`, `weight` and `document`. For each document: its number
    # of passages (`size`), the number of its first passage (`start`), and the `total` weight of its passages.

    def __init__(self, vectors: Floats, documents: Sequence[DocumentPassages]) -> None:
        self.vectors = vectors
        self.size = np.array([len(document.rows) for document in documents], np.int64)
        self.start = np.cumsum(self.size) - self.size
        self.document = np.repeat(np.arange(len(documents)), self.size)
        self.row = np.concatenate([np.empty(0, np.int64), *(document.rows for document in documents)])
        self.weight = np.concatenate([np.empty(0), *(document.weights for document in documents)])
        uneven = np.flatnonzero(self.size != [len(document.weights) for document in documents])
        if len(uneven):
            raise InvalidInput(
                f"document {uneven[0]} has {len(documents[uneven[0]].weights)} weights for {self.size[uneven[0]]} rows"
            )
        possible = (self.row >= 0) & (self.row < len(vectors)) & (self.weight > 0) & np.isfinite(self.weight)
        if not np.all(possible):
            wrong = int(np.argmin(possible))
            raise InvalidInput(
                f"document {self.document[wrong]} has row {self.row[wrong]} of {len(vectors)} with weight "
                f"{self.weight[wrong]}, but rows must exist and weights must be above 0"
            )
        self.total = np.bincount(self.document, self.weight, len(documents))

    def pairs(
        self,
        threshold: float,
        *,
        matches: Callable[[float], Pairs] | None = None,
        split: int | None = None,
        progress: Callable[[int, int], None] | None = None,
        memory: int = DEFAULT_MEMORY,
        limit: int | None = None,
    ) -> Pairs:
        """Return every pair of documents, by position, with a similarity of at least `threshold`.

        A document without passages is in no pair. With `split`, each pair has one of the first `split` documents and
        one of the others. `matches(reach)` replaces `join(vectors, reach)`, for example with pairs from a file; it may
        return pairs below the reach too, but must miss none. `progress` and `memory` are those of `join`. Memory for a
        single document, for the passages that match, and for copies of rows with `split`, is not counted. Raises
        `TooManyPairs` for more pairs of documents than `limit`, or more matches of passages; raises the errors of
        `join`.
        """
        threshold = ONE if ONE < threshold <= 1 else threshold
        sides = self._sides(split)
        reach = threshold if np.all(self.size <= 1) else _reach(self.vectors, *sides, threshold, memory)
        if matches is not None:
            matched = matches(reach)
            matched = matched[matched.similarity >= reach]
        elif split is not None:
            matched = _across(self.vectors, *sides, reach, progress, memory, limit)
        else:
            matched = join(self.vectors, reach, progress=progress, memory=memory, limit=limit)
        counted = PairLimit(limit)
        found = []
        for links in self._links(matched, split, memory // _LINK):
            a, b = self.document[links.x], self.document[links.y]
            single = (self.size[a] == 1) & (self.size[b] == 1)
            pair = single & (links.similarity >= threshold)
            found.append(counted.take(Pairs(a[pair], b[pair], links.similarity[pair])))
            a, b = self._candidates(links[~single], reach, threshold)
            for part, similarity in self._means(a, b, memory):
                pair = similarity >= threshold
                found.append(counted.take(Pairs(a[part][pair], b[part][pair], similarity[pair])))
        pairs = Pairs.merged(found)
        return Pairs(pairs.left, pairs.right, rounded(pairs.similarity))

    def passages(self, positions: Integers) -> tuple[Integers, Integers]:
        """Return the numbers of some documents' passages, and where those of each document start among them."""
        counts = self.size[positions]
        return ragged(self.start[positions], counts)[1], np.cumsum(counts) - counts

    def similarity(self, left: Integers, right: Integers, *, memory: int = DEFAULT_MEMORY) -> Doubles:
        """Return the similarity of documents left[k] and right[k] for every k, float64.

        `memory` limits the working bytes, not counting arguments, result and a single document. Raises `InvalidInput`
        for a position that does not exist, and for a document without passages.
        """
        asked = np.concatenate([left, right])
        for wrong in asked[(asked < 0) | (asked >= len(self.size))][:1]:
            raise InvalidInput(f"document {wrong} does not exist; there are {len(self.size)}")
        for wrong in asked[self.size[asked] == 0][:1]:
            raise InvalidInput(f"document {wrong} has no passages, so it has no similarity to others")
        a, b = np.minimum(left, right), np.maximum(left, right)
        found = np.empty(len(a))
        single = (self.size[a] == 1) & (self.size[b] == 1)
        i, j = self.row[self.start[a[single]]], self.row[self.start[b[single]]]
        found[single] = np.where(i == j, 1, cosines(self.vectors, i, self.vectors, j, memory))
        order = np.flatnonzero(~single)
        order = order[np.argsort(a[order], kind="stable")]
        for part, similarity in self._means(a[order], b[order], memory):
            found[order[part]] = similarity
        return rounded(found)

    def least(self, positions: Integers, *, memory: int = DEFAULT_MEMORY) -> float:
        """Return the lowest similarity of any two of some documents with passages; 1 if there are no two."""
        least, count = 1.0, len(positions)
        if count < 2:
            return least
        if np.all(self.size[positions] == 1):
            return self._least_cosine(positions, min(memory, _LEAST_BYTES))
        step = max(1, _PAIRS // count)
        for start in range(0, count, step):
            x, y = np.nonzero(np.arange(start, min(start + step, count))[:, None] < np.arange(count))
            similarity = self.similarity(positions[start + x], positions[y], memory=memory)
            least = min(least, float(np.min(similarity, initial=1)))
        return least

    def _least_cosine(self, positions: Integers, memory: int) -> float:
        """Return `least` of documents of one passage each.

        Products in float32 show which pairs may be the least similar; these are computed exactly. Where many are
        equally so, the least of a float64 product is taken, which is right except for its last bits.
        """
        vectors = self.vectors[self.row[self.start[positions]]]
        slack = 2 * (1 - float(lowered(1, vectors.shape[1])))
        least, bound, height = 1.0, 1.0, max(1, memory // (16 * len(vectors)))
        for start in range(0, len(vectors), height):
            part = vectors[start : start + height]
            product = part @ vectors[start:].T
            bound = min(bound, float(product.min()) + slack)
            i, j = np.nonzero(product <= bound)
            if len(i) > _FEW:
                product = part.astype(np.float64) @ vectors[start:].astype(np.float64).T
                i, j = (np.array([at]) for at in np.divmod(np.argmin(product), product.shape[1]))
            similarity = self.similarity(positions[start + i], positions[start + j])
            least = min(least, float(np.min(similarity, initial=1)))
        return least

    def _sides(self, split: int | None) -> tuple[Integers, Integers]:
        """Return the rows of the two sides, sorted: all rows twice, or the rows used before the split and after it."""
        if split is None:
            every = np.arange(len(self.vectors))
            return every, every
        if not 0 <= split <= len(self.size):
            raise InvalidInput(f"{len(self.size)} documents cannot be split at {split}")
        first, others = np.split(self.row, [np.sum(self.size[:split])])
        return np.unique(first), np.unique(others)

    def _links(self, matches: Pairs, split: int | None, limit: int) -> Iterator[_Links]:
        """Yield the links of some consecutive documents to all later ones, about `limit` or one document's at a time.

        With a split, the links are from documents before it to the others.
        """
        every = np.arange(len(self.vectors))
        x = np.concatenate([matches.left, matches.right, every])
        y = np.concatenate([matches.right, matches.left, every])
        similarity = np.concatenate([matches.similarity, matches.similarity, np.ones(len(every))])
        matched, match_start, match_count = _grouped(x, len(every))
        used, use_start, use_count = _grouped(self.row, len(every))
        place = self.row[used] * len(used) + used
        fan = np.bincount(x, use_count[y], len(every))[self.row]
        made = np.concatenate([[0], np.cumsum(np.bincount(self.document, fan, len(self.size)))])
        first, end = 0, len(self.size) if split is None else split
        others = 0 if split is None else np.sum(self.size[:split])
        while first < end:
            last = min(end, max(first + 1, int(np.searchsorted(made, made[first] + limit, "right")) - 1))
            passages = np.arange(self.start[first], self.start[last - 1] + self.size[last - 1])
            owner, at = ragged(match_start[self.row[passages]], match_count[self.row[passages]])
            passage, match = passages[owner], matched[at]
            next_document = self.start[self.document[passage]] + self.size[self.document[passage]]
            next_document = np.maximum(next_document, others)
            later = np.searchsorted(place, y[match] * len(used) + next_document)
            owner, at = ragged(later, use_start[y[match]] + use_count[y[match]] - later)
            yield _Links(passage[owner], used[at], similarity[match[owner]])
            first = last

    def _candidates(self, links: _Links, reach: float, threshold: float) -> tuple[Integers, Integers]:
        """Return the linked documents whose similarity may reach the threshold, sorted.

        A passage with several links to a document counts with each, which only raises the bound.
        """
        key = self.document[links.x] * len(self.size) + self.document[links.y]
        keys, pair = np.unique(key, return_inverse=True)
        a, b = np.divmod(keys, max(1, len(self.size)))
        possible = np.ones(len(keys), np.bool_)
        for documents, passages in ((a, links.x), (b, links.y)):
            above = np.bincount(pair, self.weight[passages] * (links.similarity - reach), len(keys))
            possible &= reach + above / self.total[documents] >= threshold - _ROUNDING
        return a[possible], b[possible]

    def _means(self, a: Integers, b: Integers, memory: int) -> Iterator[tuple[slice, Doubles]]:
        """Yield the similarity of documents a[k] and b[k], for a slice of k at a time; `a` is sorted."""
        edges = np.flatnonzero(np.diff(a, prepend=-1, append=-1))
        for start, stop in pairwise(edges.tolist()):
            mine = slice(self.start[a[start]], self.start[a[start]] + self.size[a[start]])
            own = PassageRows(
                self.vectors[self.row[mine]].astype(np.float64), self.weight[mine], self.row[mine]
            )
            room = memory // (32 * (self.vectors.shape[1] + len(own.weights)))
            while start < stop:
                step = max(1, int(np.searchsorted(np.cumsum(self.size[b[start:stop]]), room, "right")))
                others = b[start : start + step]
                _, theirs = ragged(self.start[others], self.size[others])
                y = self.vectors[self.row[theirs]].astype(np.float64)
                starts = np.cumsum(self.size[others]) - self.size[others]
                found = document_similarities(
                    own, PassageRows(y, self.weight[theirs], self.row[theirs]), starts
                )
                yield slice(start, start + step), found.similarity
                start += step


def _grouped(values: Integers, n: int) -> tuple[Integers, Integers, Integers]:
    """Return the positions of the values 0 to n - 1, where the positions of each value start, and their count."""
    count = np.bincount(values, minlength=n)
    return np.argsort(values, kind="stable"), np.cumsum(count) - count, count


def ragged(starts: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Return the numbers of several ranges, one after another: the range of each, and the number."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) + (starts - (np.cumsum(counts) - counts))[owner]
