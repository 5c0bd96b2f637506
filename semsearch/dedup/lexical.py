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

import numpy as np

from semsearch.dedup.join import Doubles, Integers, Pairs
from semsearch.errors import InvalidInput
from semsearch.text.shingles import LEXICAL
from semsearch.types import Tier

_PRODUCTS = 2**22
"""Elements processed at a time: about 100 MB."""
_ROUNDING = 1e-9
"""An upper limit of the relative rounding error of a number of elements."""


def tier_of(exact: bool, share: float) -> Tier:
    """Return the tier of two near-duplicates; `share` is the Jaccard similarity of their word triples."""
    if exact:
        return "exact"
    return "lexical" if share >= LEXICAL else "semantic"


def lexical_join(sets: Sequence[Integers], threshold: float) -> Pairs:
    """Return every pair of sets, such as those of `shingles`, with a Jaccard similarity of at least `threshold`.

    The result is exact. The similarity is the quotient of two whole numbers, rounded once, so 2 of 3 reach a threshold
    of `2 / 3`. The working memory is about 70 bytes for each element of the sets, 80 for each pair found, and 100 MB.

    Raises `InvalidInput` for a threshold outside (0, 1].
    """
    from scipy.sparse import csr_array

    if not 0 < threshold <= 1:
        raise InvalidInput(f"the threshold is {threshold}, but must be above 0 and at most 1")
    sizes = np.array([len(elements) for elements in sets], np.int64)
    order = np.argsort(sizes, kind="stable")
    sizes = sizes[order]
    elements = np.concatenate([np.empty(0, np.int64), *(sets[at] for at in order)])
    _, number, count = np.unique(elements, return_inverse=True, return_counts=True)
    # An element that only one set has counts for the size of that set only.
    shared = count[number] > 1
    rank = np.argsort(np.argsort(count, kind="stable"))
    owner, element = np.repeat(np.arange(len(sets)), sizes)[shared], rank[number[shared]]
    shape = (len(sets), len(count))
    whole = csr_array((np.ones(len(owner), np.int32), (owner, element)), shape=shape)
    whole.sort_indices()  # the rarest first
    able = np.diff(whole.indptr)
    place = np.arange(len(owner)) - np.repeat(whole.indptr[:-1], able)

    def prefixes(share: float) -> csr_array:
        """Return the first elements of each set; sets that share this part of their size share one of these."""
        least = np.ceil(share * sizes * (1 - _ROUNDING)).astype(np.int64)
        length = np.clip(able - least + 1, 0, able)
        first = place < np.repeat(length, able)
        starts = np.concatenate([[0], np.cumsum(length)])
        return csr_array((whole.data[first], whole.indices[first], starts), shape=shape)

    smaller, larger = prefixes(2 * threshold / (1 + threshold)), prefixes(threshold)
    work = smaller @ np.diff(larger.tocsc().indptr)
    found = []
    for start, stop in batches(work, _PRODUCTS):
        end = int(np.searchsorted(sizes * threshold * (1 - _ROUNDING), sizes[stop - 1], "right"))
        candidates = (smaller[start:stop] @ larger[start:end].T).tocoo()
        x, y = (side.astype(np.int64) + start for side in candidates.coords)
        possible = (x < y) & (sizes[x] / np.maximum(sizes[y], 1) >= threshold)
        x, y = x[possible], y[possible]
        for first, last in batches(able[x] + able[y], _PRODUCTS):
            i, j = x[first:last], y[first:last]
            overlap = whole[i].multiply(whole[j]).sum(axis=1)
            similarity: Doubles = overlap / (sizes[i] + sizes[j] - overlap)
            kept = similarity >= threshold
            a, b = order[i[kept]], order[j[kept]]
            found.append(Pairs(np.minimum(a, b), np.maximum(a, b), similarity[kept]))
    return Pairs.merged(found)


def batches(costs: Integers, limit: int) -> Iterator[tuple[int, int]]:
    """Yield consecutive ranges [start, stop) that cost at most `limit` each, or hold one item."""
    total = np.cumsum(costs)
    start = 0
    while start < len(total):
        spent = total[start] - costs[start]
        stop = max(start + 1, int(np.searchsorted(total, spent + limit, "right")))
        yield start, stop
        start = stop
