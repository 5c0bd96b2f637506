"""Put vectors in clusters: communities of the graph that links each one to its nearest neighbours.

The neighbours are exact. The Louvain method (Blondel, Guillaume, Lambiotte and Lefebvre, J. Stat. Mech. 2008) finds
communities of high modularity, at a resolution that the user turns (Reichardt and Bornholdt, Physical Review E 2006).
Unlike k-means it needs no number of clusters, and unlike HDBSCAN it calls nothing noise. Beyond `MOST_LINKED` vectors a
sample is clustered in this way, and mini-batch k-means (Sculley, WWW 2010) goes on from its centres.

How far to trust a cluster: the same is done without a fifth of the vectors, a few times. The share of a cluster that
comes back is its stability (Hennig, Computational Statistics & Data Analysis 2007). Decision 147 has the measurements.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import threads
from semsearch.embedding import Vectors
from semsearch.errors import extra

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_LINKED = 200_000
"""The most vectors of which each is compared with each."""
SAMPLE = 100_000
"""The vectors that are clustered in place of more than these."""
RUNS = 10
"""The runs that find the clusters again, each without a fifth of the vectors."""
_KEPT = 0.8
_NEIGHBOURS = 15
_BLOCK = 2**24
"""The cosines that are computed at once."""
_GROUP = 64
"""The cosines of which the highest is compared first, since a whole row takes longer to sort than to compute."""


@dataclass(frozen=True, slots=True, eq=False)
class Communities:
    """The cluster of each of n vectors (`of`, int64 [n]; 0 has most texts), and what came of it in each other run.

    `stability` [runs, clusters] has the Jaccard similarity of each cluster and the most similar one of a run, and
    `sizes` [runs, clusters] the size of that one as a multiple of the cluster's. Both count the vectors of the run.
    `counts` [runs] is the number of clusters of each run.
    """

    of: Ints
    stability: Floats
    sizes: Floats
    counts: Ints


def communities(
    vectors: Vectors, copies: Ints, granularity: float, progress: Callable[[int, int], None] | None = None
) -> Communities:
    """Return the clusters of unit vectors [n, d], n > 0; more and smaller ones at a higher granularity.

    `copies` [n] counts the texts with each vector, which only matter for the order of the clusters.

    The same vectors give the same clusters. `progress` is called with the vectors compared so far, and all. Raises
    `MissingExtra` without the libraries.
    """
    with extra("clusters", "clustering"):
        import sknetwork  # noqa: F401 - before a minute's work
        from sklearn.cluster import MiniBatchKMeans

    draw = np.random.default_rng(0)
    size = len(vectors)
    some = np.sort(draw.choice(size, SAMPLE, replace=False)) if size > MOST_LINKED else np.arange(size)
    graph = _graph(vectors[some], progress)
    of = _louvain(graph, granularity)
    count = int(of.max()) + 1
    stability, sizes, counts = np.zeros((RUNS, count)), np.zeros((RUNS, count)), np.zeros(RUNS, np.int64)
    for run in range(RUNS):
        kept = np.sort(draw.choice(len(some), math.ceil(_KEPT * len(some)), replace=False))
        again = _louvain(graph[kept][:, kept], granularity)
        stability[run], sizes[run], counts[run] = *_best(of[kept], again, count), len(np.unique(again))
    if size > len(some):
        centres = np.stack([vectors[some[of == at]].mean(axis=0) for at in range(count)])
        model: Any = MiniBatchKMeans(count, init=centres, n_init=1, random_state=0, batch_size=4096)
        of = model.fit_predict(vectors).astype(np.int64)
    present, first = np.unique(of, return_index=True)  # k-means may leave a centre without vectors
    order = present[np.lexsort((first, -np.bincount(of, copies)[present]))]
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(len(order))
    return Communities(rank[of], stability[:, order], sizes[:, order], counts)


def nearest(
    vectors: Vectors, count: int, progress: Callable[[int, int], None] | None = None
) -> tuple[Ints, Vectors]:
    """Return the rows [n, count] of the most similar other vectors of each unit vector, and their cosines [n, count].

    They are exact, and in the order of their rows.
    """
    size = len(vectors)
    rows, cosines = np.empty((size, count), np.int64), np.empty((size, count), np.float32)
    step = max(1, _BLOCK // size)
    groups = np.arange(0, size, _GROUP) if size > 4 * count * _GROUP else np.arange(size)

    def find(start: int) -> int:
        block = vectors[start : start + step] @ vectors.T
        own = np.arange(len(block))
        block[own, start + own] = -2
        highest = np.maximum.reduceat(block, groups, axis=1)
        least = np.partition(highest, -count, axis=1)[:, -count]  # so many groups have this or more
        at, found = np.divmod(np.flatnonzero(block >= least[:, None]), size)
        order = np.lexsort((found, -block[at, found], at))
        first = np.searchsorted(at, own)
        best = np.sort(found[order[first[:, None] + np.arange(count)]], axis=1)
        rows[start : start + step], cosines[start : start + step] = best, np.take_along_axis(block, best, 1)
        return start + len(block)

    with threads.in_place_of_blas(threads.workers()) as pool:
        for done in pool.map(find, range(0, size, step)):
            if progress:
                progress(done, size)
    return rows, cosines


def _graph(vectors: Vectors, progress: Callable[[int, int], None] | None) -> Any:
    """Return the graph of the nearest neighbours, in either direction, weighted by their cosines: sparse [n, n]."""
    from scipy.sparse import csr_matrix

    size = len(vectors)
    count = min(_NEIGHBOURS, math.ceil(math.sqrt(size)), size - 1)  # fewer, where all would be neighbours
    if not count:
        return csr_matrix(np.zeros((size, size), np.float32))  # of one vector
    rows, cosines = nearest(vectors, count, progress)
    weights = np.maximum(cosines, 1e-6).ravel()  # a vertex without edges would be left out
    one_way = csr_matrix((weights, rows.ravel(), np.arange(0, size * count + 1, count)), (size, size))
    return (one_way + one_way.T).tocsr()


def _louvain(graph: Any, granularity: float) -> Ints:
    """Return the community of each vertex."""
    from sknetwork.clustering import Louvain

    if not graph.nnz:
        return np.arange(graph.shape[0])
    model = Louvain(granularity, return_probs=False, return_aggregate=False, random_state=0)
    found: Ints = model.fit_predict(graph).astype(np.int64)
    return found


def overlaps(some: Ints, others: Ints) -> tuple[Ints, Ints, Floats, Floats]:
    """Return the pairs of a cluster and one of another clustering that share vectors.

    The clusters of the same vectors are given twice, from 0 on. The result has the numbers of both clusters, their
    Jaccard similarity, and the size of the second as a multiple of the first.
    """
    from scipy.sparse import coo_matrix

    shape = int(some.max(initial=-1)) + 1, int(others.max(initial=-1)) + 1
    both = coo_matrix((np.ones(len(some)), (some, others)), shape).tocsr().tocoo()
    a, b = np.bincount(some)[both.row], np.bincount(others)[both.col]
    return both.row.astype(np.int64), both.col.astype(np.int64), both.data / (a + b - both.data), b / a


def _best(of: Ints, again: Ints, count: int) -> tuple[Floats, Floats]:
    """Return the Jaccard similarity of each cluster and the most similar one of another run, and their sizes' ratio."""
    own, _, jaccard, ratio = overlaps(of, again)
    best, sizes = np.zeros(count), np.zeros(count)
    order = np.argsort(jaccard, kind="stable")  # so the last one that is written is the most similar
    best[own[order]], sizes[own[order]] = jaccard[order], ratio[order]
    return best, sizes
