"""Groups of near-duplicates, one keeper each, by one of three rules of what holds a group together."""

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
    """Group documents by the pairs that their texts are in: the positions of each group's documents, keeper first.

    Documents come in the order in which they would rather be kept, and stay in it: groups by their keepers, members
    within each. `texts[i]` (int64) is the number that the text of document i has in `pairs`. Exact copies have the
    same, `pairs` need not say so, and they always go together. Nobody alone is a group, nobody is in two.

    keeper: each document in turn, if it is in no group yet, becomes the keeper of all that are paired with it and in
    no group yet. So every member is like its keeper, and belongs to the first keeper that it is like.
    complete: the same, but of those paired with it, the most similar first and of equals the most wanted, a keeper
    takes only who is paired with all whom it has taken already. So all members are like each other.
    connected: whoever a chain of pairs connects. The ends of a chain may be nothing like each other.

    Takes time linear in documents and pairs, but for the sorting. Raises `InvalidInput` for any other linkage.
    """
    from scipy.sparse import csr_array

    if linkage not in _LEADERS:
        raise InvalidInput(f"{linkage!r} is no linkage", f"the linkages are {', '.join(_LEADERS)}")
    first, pairs = by_first(texts, pairs)
    graph = csr_array((pairs.similarity, (pairs.left, pairs.right)), shape=(len(texts), len(texts)))
    leader = _LEADERS[linkage](graph)[first]
    kept = np.flatnonzero(np.bincount(leader)[leader] > 1)
    members = kept[np.argsort(leader[kept], kind="stable")]
    edges = np.flatnonzero(np.diff(leader[members], prepend=-1, append=-1))
    return [members[start:stop] for start, stop in pairwise(edges.tolist())]


def by_first(texts: Integers, pairs: Pairs) -> tuple[Integers, Pairs]:
    """For each document the first with the same text, and the pairs of texts as pairs of such documents.

    A pair with a text that no document has is left out.
    """
    numbers, first, text = np.unique(texts, return_index=True, return_inverse=True)
    had = np.isin(pairs.left, numbers) & np.isin(pairs.right, numbers)
    x, y = (first[np.searchsorted(numbers, side[had])] for side in (pairs.left, pairs.right))
    return first[text], Pairs.merged([Pairs(np.minimum(x, y), np.maximum(x, y), pairs.similarity[had])])


# Each of these gives the leader of each node: the least of its group. A graph has an edge from the lesser node of a
# pair to the greater, weighted by similarity, and its edges are sorted.


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
        # Each step costs as much as the one taken has pairs, and everyone is taken once.
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
