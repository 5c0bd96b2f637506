"""Find lexical near-copies exactly: texts that share most of their word triples.

The join is a set-similarity join by prefix filtering (Chaudhuri et al., ICDE 2006; Bayardo et al., WWW 2007; Xiao et
al., WWW 2008). If |x & y| / |x | y| >= t and |x| <= |y|, then

    |x & y|  >=  t |y|    and    |x & y|  >=  2t / (1 + t) |x|,

and two sets that share at least k elements share one even of the first |x| - k + 1 of x and the first |y| - k + 1 of
y, in any one order of all elements. With the rarest elements first, few sets that differ share one of these, and only
sets that do are compared. MinHash is faster on the worst data, but it finds a pair only with a probability, and near
the threshold that probability is far from 1.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from semsearch.dedup.join import Doubles, Integers, PairLimit, Pairs
from semsearch.errors import InvalidInput
from semsearch.text.shingles import LEXICAL
from semsearch.types import Tier

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_PRODUCTS = 2**22
"""Elements processed at a time: about 100 MB."""
_DENSE = 1 / 32
"""From this share of candidates on, one product of all elements is cheaper than one for each candidate."""
_ROUNDING = 1e-9
"""An upper limit of the relative rounding error of a number of elements."""


def tier_of(exact: bool, share: float) -> Tier:
    """Return the tier of two near-duplicates; `share` is the Jaccard similarity of their word triples."""
    if exact:
        return "exact"
    return "lexical" if share >= LEXICAL else "semantic"


class LexicalSets:
    """Sets of elements, such as those of `shingles`, of which pairs with a Jaccard similarity are found.

    The similarity is the quotient of two whole numbers, rounded once, so 2 of 3 reach a threshold of `2 / 3`. The sets
    take about 30 bytes for each element, and 70 while they are made. Raises `InvalidInput` for a threshold outside
    (0, 1].
    """

    def __init__(self, sets: Sequence[Integers], threshold: float) -> None:
        from scipy.sparse import csr_array

        if not 0 < threshold <= 1:
            raise InvalidInput(f"the threshold is {threshold}, but must be above 0 and at most 1")
        self.threshold = threshold
        self.sizes = np.array([len(elements) for elements in sets], np.int64)
        elements = np.concatenate([np.empty(0, np.int64), *sets])
        _, number, count = np.unique(elements, return_inverse=True, return_counts=True)
        # An element that only one set has counts for the size of that set only.
        shared = count[number] > 1
        rank = np.argsort(np.argsort(count, kind="stable"))
        owner, element = np.repeat(np.arange(len(sets)), self.sizes)[shared], rank[number[shared]]
        self._shape = (len(sets), len(count))
        self._whole = csr_array((np.ones(len(owner), np.int32), (owner, element)), shape=self._shape)
        self._whole.sort_indices()  # the rarest first
        self._able = np.diff(self._whole.indptr)
        self._long = self._prefixes(threshold)

    def _prefixes(self, share: float) -> "csr_array":
        """Return the first elements of each set; sets that share this part of their size share one of these."""
        from scipy.sparse import csr_array

        least = np.ceil(share * self.sizes * (1 - _ROUNDING)).astype(np.int64)
        length = np.clip(self._able - least + 1, 0, self._able)
        place = np.arange(self._whole.nnz) - np.repeat(self._whole.indptr[:-1], self._able)
        first = place < np.repeat(length, self._able)
        starts = np.concatenate([[0], np.cumsum(length)])
        return csr_array((self._whole.data[first], self._whole.indices[first], starts), shape=self._shape)

    def pairs(self, *, limit: int | None = None) -> Pairs:
        """Return every pair of sets with at least this similarity; raise `TooManyPairs` for more than `limit`.

        The working memory is about 80 bytes for each pair found, and 100 MB.
        """
        order = np.argsort(self.sizes, kind="stable")
        sizes, able = self.sizes[order], self._able[order]
        smaller = self._prefixes(2 * self.threshold / (1 + self.threshold))[order]
        larger = self._long[order]
        work = smaller @ np.diff(larger.tocsc().indptr)
        counted = PairLimit(limit)
        found = []
        for start, stop in batches(work, _PRODUCTS):
            end = int(np.searchsorted(sizes * self.threshold * (1 - _ROUNDING), sizes[stop - 1], "right"))
            candidates = (smaller[start:stop] @ larger[start:end].T).tocoo()
            x, y = (side.astype(np.int64) + start for side in candidates.coords)
            possible = (x < y) & (sizes[x] / np.maximum(sizes[y], 1) >= self.threshold)
            x, y = x[possible], y[possible]
            for first, last in batches(able[x] + able[y], _PRODUCTS):
                i, j = order[x[first:last]], order[y[first:last]]
                similarity = self._similarity(i, j)
                kept = similarity >= self.threshold
                a, b = np.minimum(i, j)[kept], np.maximum(i, j)[kept]
                found.append(counted.take(Pairs(a, b, similarity[kept])))
        return Pairs.merged(found)

    def _similarity(self, i: Integers, j: Integers) -> Doubles:
        overlap: Integers = self._whole[i].multiply(self._whole[j]).sum(axis=1)
        similarity: Doubles = overlap / (self.sizes[i] + self.sizes[j] - overlap)
        return similarity

    def near(self, left: Integers, right: Integers) -> tuple[Integers, Integers]:
        """Return the positions in `left` and in `right` of all sets that have at least this similarity.

        At the peak, a pair of a set on the left and one on the right takes about 40 bytes.
        """
        i, j = (self._long[left] @ self._long[right].T).tocoo().coords
        if len(i) > _DENSE * len(left) * len(right):
            product = (self._whole[left] @ self._whole[right].T).tocoo()
            (i, j), overlap = product.coords, product.data
            similarity = overlap / (self.sizes[left[i]] + self.sizes[right[j]] - overlap)
        else:
            similarity = self._similarity(left[i], right[j])
        kept = similarity >= self.threshold
        return i[kept].astype(np.int64), j[kept].astype(np.int64)


def lexical_join(sets: Sequence[Integers], threshold: float) -> Pairs:
    """Return every pair of sets with a Jaccard similarity of at least `threshold`; see `LexicalSets`."""
    return LexicalSets(sets, threshold).pairs()


def batches(costs: Integers, limit: int) -> Iterator[tuple[int, int]]:
    """Yield consecutive ranges [start, stop) that cost at most `limit` each, or hold one item."""
    total = np.cumsum(costs)
    start = 0
    while start < len(total):
        spent = total[start] - costs[start]
        stop = max(start + 1, int(np.searchsorted(total, spent + limit, "right")))
        yield start, stop
        start = stop
