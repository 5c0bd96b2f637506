"""Group near-duplicates around keepers, by one of three linkages."""

from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

from semsearch.dedup.join import PAIR_BYTES, Doubles, Integers, Pairs
from semsearch.dedup.neighbours import Neighbours
from semsearch.errors import InvalidInput
from semsearch.types import Linkage

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_BLOCK = 2048
"""Nodes that meet all others at a time; their own pairs are kept meanwhile."""
_CANDIDATES = 256


def group(
    texts: Integers,
    pairs: Pairs | Neighbours,
    linkage: Linkage = "keeper",
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Integers]:
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

    With `Pairs` the time is linear in documents and pairs, except for sorting. With `Neighbours`, whose pairs are too
    many to keep, memory does not grow with their number; `progress` is called with the pairs of texts that are dealt
    with, and all. The groups are the same. Raises `InvalidInput` for any other linkage.
    """
    if linkage not in _LEADERS:
        raise InvalidInput(f"{linkage!r} is not a linkage", f"the linkages are {', '.join(_LEADERS)}")
    if isinstance(pairs, Pairs):
        first, pairs = by_first(texts, pairs)
        leader = _LEADERS[linkage](_graph(pairs, len(texts)))[first]
    else:
        numbers, heads, text = np.unique(texts, return_index=True, return_inverse=True)
        order = np.argsort(heads)
        ranks = _FROM_NEIGHBOURS[linkage](_Ranked(pairs, numbers[order], progress))
        leader = np.empty(len(texts), np.int64)
        leader[heads[order]] = heads[order][ranks]
        leader = leader[heads[text]]
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


def _graph(pairs: Pairs, size: int) -> "csr_array":
    from scipy.sparse import csr_array

    return csr_array((pairs.similarity, (pairs.left, pairs.right)), shape=(size, size))


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


class _Ranked:
    """Texts by their rank in the order of preference, and their pairs as pairs of ranks."""

    def __init__(
        self, neighbours: Neighbours, texts: Integers, progress: Callable[[int, int], None] | None
    ) -> None:
        self._neighbours = neighbours
        self._texts = texts
        self._rank = np.zeros(int(texts.max(initial=0)) + 1, np.int64)
        self._rank[texts] = np.arange(len(texts))
        self._progress = progress
        self.size = len(texts)
        self.most = max(1, neighbours.memory // (2 * PAIR_BYTES))
        """Pairs that may be kept for a while."""
        self.block = min(_BLOCK, isqrt(self.most) + 1)

    def within(self, nodes: Integers) -> Iterator[Pairs]:
        """Yield the pairs of some nodes; `left` is the one that comes first among them."""
        return map(self._ranked, self._neighbours.within(self._texts[nodes]))

    def between(self, left: Integers, right: Integers) -> Iterator[Pairs]:
        """Yield the pairs of a node on the left and one on the right."""
        return map(self._ranked, self._neighbours.between(self._texts[left], self._texts[right]))

    def _ranked(self, pairs: Pairs) -> Pairs:
        return Pairs(self._rank[pairs.left], self._rank[pairs.right], pairs.similarity)

    def exact(self, left: Integers, right: Integers) -> Doubles:
        """Return the similarity of nodes left[k] and right[k]."""
        return self._neighbours.similarity(self._texts[left], self._texts[right])

    def report(self, left: int) -> None:
        """Report progress, with a number of nodes left."""
        if self._progress:
            total = self.size * (self.size - 1) // 2
            self._progress(total - left * (left - 1) // 2, total)


def _keepers_first(nodes: _Ranked) -> Integers:
    """Return the leaders of `_by_keeper`: a block finds its keepers, and only these meet the nodes behind it."""
    leader, free = np.arange(nodes.size), np.arange(nodes.size)
    while len(free):
        block, free = free[: nodes.block], free[nodes.block :]
        own = Pairs.merged(nodes.within(block))
        x, y = (np.searchsorted(block, side) for side in (own.left, own.right))
        leader[block] = block[_by_keeper(_graph(Pairs(x, y, own.similarity), len(block)))]
        for pairs in nodes.between(block[leader[block] == block], free):
            new = np.flatnonzero(leader[pairs.right] == pairs.right)[::-1]
            leader[pairs.right[new]] = pairs.left[
                new
            ]  # of several values the last one stays: the first keeper
        free = free[leader[free] == free]
        nodes.report(len(free))
    return leader


def _all_of_each(nodes: _Ranked) -> Integers:
    """Return the leaders of `_by_all`: the candidates of a keeper meet each other some at a time."""
    leader, free, count = np.arange(nodes.size), np.arange(nodes.size), _CANDIDATES
    while len(free):
        block, rest = free[:count], free[count:]
        parts, found = [], 0
        for pairs in chain(nodes.within(block), nodes.between(block, rest)):
            parts.append(pairs)
            found += len(pairs)
            if found > nodes.most and len(block) > 1:
                break
        if found > nodes.most and len(block) > 1:
            count = len(block) // 2
            continue
        count = min(nodes.block, 2 * len(block)) if 4 * found < nodes.most else len(block)
        graph = _graph(Pairs.merged(parts), nodes.size)
        for node in block.tolist():
            near = graph.indices[graph.indptr[node] : graph.indptr[node + 1]].astype(np.int64)
            near = near[leader[near] == near]
            if leader[node] == node and len(near):
                similarity = nodes.exact(np.full(len(near), node), near)
                leader[_clique(nodes, near[np.lexsort((near, -similarity))])] = node
        free = free[len(block) :]
        free = free[leader[free] == free]
        nodes.report(len(free))
    return leader


def _clique(nodes: _Ranked, candidates: Integers) -> Integers:
    """Return the candidates that are paired with all candidates returned before them."""
    taken = []
    while len(candidates):
        some, candidates = candidates[:_CANDIDATES], candidates[_CANDIDATES:]
        if len(some) > 1:
            like = np.eye(len(some), dtype=np.bool_)
            place = np.argsort(some)
            for pairs in nodes.within(some):
                x, y = (
                    place[np.searchsorted(some, side, sorter=place)] for side in (pairs.left, pairs.right)
                )
                like[x, y] = like[y, x] = True
            possible, chosen = np.ones(len(some), np.bool_), []
            for at in range(len(some)):
                if possible[at]:
                    chosen.append(at)
                    possible &= like[at]
            some = some[chosen]
        taken.append(some)
        if len(candidates):
            met = np.zeros(nodes.size, np.int64)
            for pairs in nodes.between(some, candidates):
                met += np.bincount(pairs.right, minlength=nodes.size)
            candidates = candidates[met[candidates] == len(some)]
    return np.concatenate(taken)


def _chains(nodes: _Ranked) -> Integers:
    """Return the leaders of `_by_chain`: a pair of two nodes that are connected already costs nothing."""
    component, free = np.arange(nodes.size), np.arange(nodes.size)
    while len(free):
        free = free[np.argsort(component[free], kind="stable")]
        block, free = free[: nodes.block], free[nodes.block :]
        own = component[block]
        others = free[component[free] != own[0]] if own[0] == own[-1] else free
        links: list[Integers] = []
        for pairs in chain(nodes.within(block), nodes.between(block, others)):
            x, y = component[pairs.left], component[pairs.right]
            if np.any(x != y):
                links.append(np.unique(np.stack([x, y])[:, x != y], axis=1))
            if sum(map(np.size, links)) > nodes.most:
                component, links = _connected(component, links), []
        component = _connected(component, links)
        nodes.report(len(free))
    return component


def _connected(component: Integers, links: list[Integers]) -> Integers:
    """Return the lowest node of each node's component, once the linked components are one."""
    if not links:
        return component
    left, right = np.concatenate(links, axis=1)
    return _by_chain(_graph(Pairs(left, right, np.ones(len(left))), len(component)))[component]


_FROM_NEIGHBOURS: dict[str, Callable[[_Ranked], Integers]] = {
    "keeper": _keepers_first,
    "complete": _all_of_each,
    "single": _chains,
}
