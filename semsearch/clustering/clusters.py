"""Find the clusters of an index: what its passages or documents are about, at the granularity that the user turns."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.clustering.communities import Floats, Ints, communities
from semsearch.clustering.kept import KeptRun, carried, digests_of
from semsearch.clustering.names import class_terms, name_of
from semsearch.clustering.periods import Periods, periods_of
from semsearch.embedding import Vectors
from semsearch.errors import InvalidInput, SemsearchError
from semsearch.requests import ClusterRequest
from semsearch.search.keywords import Term, central_sentence, joined, words_of
from semsearch.storage.library import Library, PassageMatrix
from semsearch.tables import Table
from semsearch.tuning.metrics import Estimate
from semsearch.types import Level, Unit

_SHOWN = 3
"""The representatives, and the outliers, that a cluster shows."""
_SAMPLE = 200
"""The texts of a cluster that say whether two pairs of Chinese characters are one word."""
_BATCH = 1_000
_BLOCK = 4096
_FENCE = 1.5


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure, with its lowest and highest value in all runs; each run but one leaves a fifth of the vectors out."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClusterMember:
    """A passage of a cluster, or of a document that is in it, with the item's cosine to the cluster's centre."""

    document: str
    unit: Unit
    start: int
    end: int
    similarity: float
    text: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of passages or documents.

    Args:
        number: Its place by size, from 1.
        name: A few of its `terms`, or the name that it had in the last run.
        new: There was an earlier run, and none of its clusters was this one.
        terms: The words that set it apart, each with its weight, see `semsearch.clustering.names`.
        sentence: The sentence of its most central passage that has the most of these words.
        size: The number of its passages or documents.
        share: Its share of all of them, with its range by the most similar clusters of other runs.
        stability: The mean Jaccard similarity to these clusters, in [0, 1]. Below about 0.6 a cluster is one of several
            ways to part the texts (Hennig 2007).
        representatives: The most central ones.
        outliers: The least central ones, and `outlier_count` the number of all: those further from the centre than 1.5
            times the range between the quartiles beyond the quartile (Tukey 1977).
        counts: The number of its texts in each of the periods.
    """

    number: int
    name: str
    new: bool
    terms: tuple[Term, ...]
    sentence: str
    size: int
    share: Spread
    stability: Spread
    representatives: tuple[ClusterMember, ...]
    outliers: tuple[ClusterMember, ...]
    outlier_count: int
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Clusters(Table):
    """The clusters of an index, the largest first.

    `total` is the number of passages or documents, and `number` the number of clusters with its range over other runs.
    `of` [total] has the cluster of each one, from 0, `similarity` its cosine to the centre, and `outlier` whether it is
    far from there. `vectors` [m, d] are the different vectors, and `row` [total] says which one each has. `read`
    returns some of the texts by their positions, or raises `SemsearchError` once the index has changed.
    """

    clusters: tuple[Cluster, ...]
    level: Level
    granularity: float
    total: int
    number: Spread
    periods: Periods | None
    of: Ints = field(compare=False)
    similarity: Floats = field(compare=False)
    outlier: NDArray[np.bool_] = field(compare=False)
    vectors: Vectors = field(compare=False)
    row: Ints = field(compare=False)
    read: Callable[[Sequence[int]], list[ClusterMember]] = field(compare=False)

    def __repr__(self) -> str:
        return f"<{len(self.clusters)} clusters of {self.total:,} {self.level}s>"

    def __len__(self) -> int:
        """Return the number of clusters."""
        return len(self.clusters)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dict for each cluster."""
        return [
            {
                "cluster": one.number,
                "name": one.name,
                "size": one.size,
                "share": one.share.value,
                "stability": one.stability.value,
                "sentence": one.sentence,
            }
            for one in self.clusters
        ]

    @property
    def undated(self) -> int:
        """The number of passages or documents that are of no period, where there are periods."""
        return (
            0
            if self.periods is None
            else self.total - sum(map(sum, zip(*(one.counts for one in self.clusters), strict=True)))
        )

    def over_time(self, cluster: Cluster) -> list[tuple[str, int, Estimate]]:
        """Return each period with the count of a cluster, and its share of all texts of that period.

        The share has Clopper and Pearson's 95% interval, as if the texts were drawn from more of their kind. Without
        periods there is nothing.
        """
        if self.periods is None:
            return []
        from scipy.stats import beta

        counts = np.array(cluster.counts)
        totals = np.sum([one.counts for one in self.clusters], axis=0)
        low = np.nan_to_num(beta.ppf(0.025, counts, totals - counts + 1), nan=0.0)
        high = np.nan_to_num(beta.ppf(0.975, counts + 1, totals - counts), nan=1.0)
        shares = map(Estimate, (counts / totals).tolist(), low.tolist(), high.tolist())
        return list(zip(self.periods.names, counts.tolist(), shares, strict=True))

    def members(self, number: int) -> Ints:
        """Return the positions of the passages or documents of a cluster, the most central first."""
        own = np.flatnonzero(self.of == number - 1)
        ordered: Ints = own[np.argsort(-self.similarity[own], kind="stable")]
        return ordered


def find_clusters(
    library: Library,
    request: ClusterRequest,
    before: Sequence[KeptRun] = (),
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Clusters, KeptRun]:
    """Return the clusters of a Library, and what to keep of them. Those that a run `before` had too keep their names.

    `progress` is called with the vectors compared so far, and all. Raises `InvalidInput` for an empty index and for an
    unknown field, and `MissingExtra`.
    """
    with library.snapshot() as state:
        table, vectors = library.passage_matrix()
        if not len(table.row):
            raise InvalidInput(
                "the index has no passages yet", "ingest some texts first: semsearch ingest FOLDER"
            )
        periods = None if request.over_time is None else periods_of(library, table, request.over_time)
        items = _Items(table, vectors, request.level)
        copies = np.bincount(items.row, minlength=len(items.vectors))
        found = communities(items.vectors, copies, request.granularity, progress)
        count = int(found.of.max()) + 1
        similarity, centres = _centred(items.vectors, found.of, count)
        of, cosine = found.of[items.row], similarity[items.row]
        far = _far(found.of, similarity, count)[items.row]
        passage = items.central(centres, of)

        def read(some: Sequence[int]) -> list[ClusterMember]:
            if library.state() != state:
                raise SemsearchError("the index has changed since its clusters were found", "find them again")
            return _members(library, table, passage, cosine, some)

        digests = digests_of(items.vectors)
        earlier = next((run for run in before if run.answers(request)), None)
        names = carried(earlier, digests, found.of) if earlier else {}
        sizes = np.bincount(of, minlength=count)
        order = np.lexsort((-cosine, of))
        starts = np.concatenate([[0], np.cumsum(sizes)])
        members = [order[starts[at] : starts[at + 1]].tolist() for at in range(count)]
        terms = [
            joined(some, library.originals(table.numbers[passage[_spread(own)]].tolist()))
            for some, own in zip(_terms(library, table, items, of, count), members, strict=True)
        ]
        clusters = []
        for at, own in enumerate(members):
            name = names.get(at) or name_of(terms[at], names.values())
            new = earlier is not None and at not in names
            names[at] = name
            # The ratio is of a run's vectors, and the share of all texts, of which there is never more than all.
            ranges = np.minimum(1, found.sizes[:, at] * sizes[at] / len(of))
            outliers = [one for one in reversed(own) if far[one]]
            best = read(own[:_SHOWN])
            clusters.append(
                Cluster(
                    at + 1,
                    name,
                    new,
                    tuple(terms[at]),
                    central_sentence(best[0].text, terms[at]),
                    int(sizes[at]),
                    _spread_of(sizes[at] / len(of), [sizes[at] / len(of), *ranges]),
                    _spread_of(found.stability[:, at].mean(), found.stability[:, at]),
                    tuple(best),
                    tuple(read(outliers[:_SHOWN])),
                    len(outliers),
                    () if periods is None else tuple(periods.counted(items.document[own]).tolist()),
                )
            )
    run = KeptRun(request.level, request.granularity, [names[at] for at in range(count)], digests, found.of)
    return Clusters(
        tuple(clusters),
        request.level,
        request.granularity,
        len(of),
        _spread_of(count, [count, *found.counts]),
        periods,
        of,
        cosine,
        far,
        items.vectors,
        items.row,
        read,
    ), run


class _Items:
    """The passages or the documents of an index: their different `vectors`, and for each one its `row` among these.

    `document` has the document of each one, and `of_passage` says which one each passage belongs to. A document's
    vector is the mean of those of its passages, by their lengths.
    """

    def __init__(self, table: PassageMatrix, vectors: Vectors, level: Level) -> None:
        self._table, self._vectors, self._whole = table, vectors, level == "document"
        self._starts = np.searchsorted(table.document, np.arange(len(table.names) + 1))
        if self._whole:
            _, first, self.row = np.unique(table.digests, return_index=True, return_inverse=True)
            self.vectors = np.stack([self._mean(at) for at in first.tolist()])
            self.document, self.of_passage = np.arange(len(table.names)), table.document
        else:
            self.vectors, self.row, self.document = vectors, table.row, table.document
            self.of_passage = np.arange(len(table.row))

    def _mean(self, document: int) -> Vectors:
        part = slice(self._starts[document], self._starts[document + 1])
        mean = self._table.length[part].astype(np.float32) @ self._vectors[self._table.row[part]]
        unit: Vectors = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return unit

    def central(self, centres: Vectors, of: Ints) -> Ints:
        """Return the passage that stands for each one: of a document, the most central in the document's cluster."""
        if not self._whole:
            return np.arange(len(self.row))
        table = self._table
        similarity = _similarities(self._vectors, table.row, centres, of[table.document])
        order = np.lexsort((similarity, table.document))
        return order[self._starts[1:] - 1]


def _centred(vectors: Vectors, of: Ints, count: int) -> tuple[Floats, Vectors]:
    """Return the cosine of each vector to the centre of its cluster, and the centres: unit vectors [count, d]."""
    from scipy.sparse import csr_matrix

    ones = np.ones(len(of), np.float32)
    sums = csr_matrix((ones, (of, np.arange(len(of)))), (count, len(of))) @ vectors
    centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return _similarities(vectors, np.arange(len(of)), centres, of), centres


def _similarities(vectors: Vectors, rows: Ints, centres: Vectors, of: Ints) -> Floats:
    """Return the cosine of some rows of the vectors, each to its centre."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        found[part] = np.einsum("ij,ij->i", vectors[rows[part]], centres[of[part]])
    return np.minimum(found, 1)


def _far(of: Ints, similarity: Floats, count: int) -> NDArray[np.bool_]:
    """Return which vectors are outliers of their cluster, by Tukey's fences."""
    far = np.zeros(len(of), np.bool_)
    order = np.argsort(of, kind="stable")
    for own in np.split(order, np.cumsum(np.bincount(of, minlength=count))[:-1]):
        low, high = np.percentile(similarity[own], [25, 75])
        far[own] = similarity[own] < low - _FENCE * (high - low)
    return far


def _terms(library: Library, table: PassageMatrix, items: _Items, of: Ints, count: int) -> list[list[Term]]:
    """Return the words that set each cluster apart."""
    words: list[Counter[str]] = [Counter() for _ in range(count)]
    cluster = of[items.of_passage]
    for start in range(0, len(cluster), _BATCH):
        part = slice(start, start + _BATCH)
        texts = library.texts(table.numbers[part].tolist())
        for at, text in zip(cluster[part].tolist(), texts, strict=True):
            words[at].update(words_of(text))
    return class_terms(words)


def _members(
    library: Library, table: PassageMatrix, passage: Ints, cosine: Floats, some: Sequence[int]
) -> list[ClusterMember]:
    shown = passage[list(some)].tolist()
    texts = library.originals(table.numbers[shown].tolist())
    return [
        ClusterMember(table.names[table.document[at]], unit, start, end, float(cosine[item]), text)
        for item, at, text in zip(some, shown, texts, strict=True)
        for unit, start, end in [table.places[at]]
    ]


def _spread(own: Sequence[int]) -> list[int]:
    """Return some of the members of a cluster, evenly."""
    return list(own[:: max(1, len(own) // _SAMPLE)])


def _spread_of(value: float, values: Sequence[float] | Floats) -> Spread:
    return Spread(float(value), float(min(values)), float(max(values)))
