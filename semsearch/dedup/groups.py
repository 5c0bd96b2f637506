"""Group near-duplicates around keepers, by one of three linkages."""

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from semsearch.dedup.join import Integers, Pairs
from semsearch.errors import InvalidInput
from semsearch.types import Linkage

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def group(texts: Integers, pairs: Pairs, linkage: Linkage = "keeper") -> list[Integers]:
    """Return the positions of each group's documents, the keeper first.

    Documents come in the order of preference: the first is kept rather than the second. Groups are in the order of
    their keepers, and members in the order of documents. `texts[i]` (int64) is the number of document i's text in
    `pairs`. Exact copies have the same number and are always in one group. Singletons are not groups; groups are
    disjoint.

    keeper: each document in turn that has no group becomes the keeper of all documents paired with it that have no
    group. So every member is paired with its keeper, and belongs to the first keeper that it is paired with.
    complete: as keeper, but a keeper takes the most similar first, and of equals the first in order. It takes only a
    document that is paired with all members so far. So all members are paired with each other.
    single: all documents that a chain of pairs connects. The ends of a chain may be quite different.

    The time is linear in documents and pairs, except for sorting. Raises `InvalidInput` for any other linkage.
    """
    from scipy.sparse import csr_array

    if linkage not in _LEADERS:
        raise InvalidInput(f"{linkage!r} is not a linkage", f"the linkages are {', '.join(_LEADERS)}")
    first, pairs = by_first(texts, pairs)
    graph = csr_array((pairs.similarity, (pairs.left, pairs.right)), shape=(len(texts), len(texts)))
    leader = _LEADERS[linkage](graph)[first]
    kept = np.flatnonzero(np.bincount(leader)[leader] > 1)
    members = kept[np.argsort(leader[kept], kind="stable")]
    edges = np.flatnonzero(np.diff(leader[members], prepend=-1, append=-1))
    return [members[start:stop] for start, stop in pairwise(edges.tolist())]


def by_first(texts: Integers, pairs: Pairs) -> tuple[Integers, Pairs]:
    """Return the first document with the text of each document, and the pairs of texts as pairs of such documents.

    A pair is left out if no document has one of its texts.
    """
    numbers, first, text = np.unique(texts, return_index=True, return_inverse=True)
    had = np.isin(pairs.left, numbers) & np.isin(pairs.right, numbers)
    x, y = (first[np.searchsorted(numbers, side[had])] for side in (pairs.left, pairs.right))
    return first[text], Pairs.merged([Pairs(np.minimum(x, y), np.maximum(x, y), pairs.similarity[had])])


# Each of these functions returns the leader of each node: the lowest node of its group. The graph has an edge from the
# lower node of a pair to the higher one, weighted by similarity; edges are sorted.


def _by_keeper(graph: "csr_array") -> Integers:
    leader = np.arange(graph.shape[0])
    for node in np.flatnonzero(np.diff(graph.indptr)).tolist():
        if leader[node] == node:
            near = graph.indices[graph.indptr[node] : graph.indptr[node + 1]]
            leader[near[leader[near] == near]] = node
    return leader


def _by_all(graph: "csr_array") -> Integers:
    from scipy.sparse import csr_array

    leader = np.arange(graph.shape[0])
    x, y = graph.tocoo().coords
    ends = np.concatenate([x, y]), np.concatenate([y, x])
    both = csr_array((np.ones(len(ends[0]), np.bool_), ends), shape=graph.shape)
    like = np.zeros(graph.shape[0], np.bool_)
    for node in np.flatnonzero(np.diff(graph.indptr)).tolist():
        if leader[node] != node:
            continue
        edges = slice(graph.indptr[node], graph.indptr[node + 1])
        near, similarity = graph.indices[edges], graph.data[edges]
        free = leader[near] == near
        candidates = near[free][np.argsort(-similarity[free], kind="stable")]
        # A step costs as much as the document taken has pairs, and each document is taken once.
        while len(candidates):
            taken, candidates = candidates[0], candidates[1:]
            leader[taken] = node
            its = both.indices[both.indptr[taken] : both.indptr[taken + 1]]
            like[its] = True
            candidates = candidates[like[candidates]]
            like[its] = False
    return leader


def _by_chain(graph: "csr_array") -> Integers:
    from scipy.sparse.csgraph import connected_components

    _, component = connected_components(graph, directed=False)
    return np.unique(component, return_index=True)[1][component]


_LEADERS: dict[str, Callable[["csr_array"], Integers]] = {
    "keeper": _by_keeper,
    "complete": _by_all,
    "single": _by_chain,
}
