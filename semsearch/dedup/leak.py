"""Find the test records that occur in training data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from semsearch.dedup.collection import DocumentCollection
from semsearch.dedup.document_join import Corpus
from semsearch.dedup.join import PAIR_BYTES, Integers, Pairs, TooManyPairs
from semsearch.dedup.lexical import tier_of
from semsearch.dedup.neighbours import Neighbours
from semsearch.text.shingles import jaccard, shingles
from semsearch.types import Pair, Tier


@dataclass(frozen=True, slots=True)
class Leaks:
    """The records of a test set, out of `total`, that occur in a training set at a `threshold`.

    Each pair has the test record on the left. On the right is the most similar of `against` training records, the
    first of equals. Pairs come by falling similarity, then in the order of the test set. `positions` (int64) are the
    test records' positions in the `Dataset`.
    """

    pairs: tuple[Pair, ...]
    threshold: float
    total: int
    against: int
    positions: Integers = field(repr=False, compare=False)

    @property
    def rate(self) -> float:
        """The share of all test records that occurs in the training set; 0 if there are none."""
        return len(self.pairs) / self.total if self.total else 0.0

    def count(self, tier: Tier) -> int:
        """Return the number of pairs of a tier."""
        return sum(pair.tier == tier for pair in self.pairs)


def find_leaks(
    collection: DocumentCollection,
    total: int,
    threshold: float,
    *,
    memory: int,
    progress: Callable[[int, int], None] | None = None,
) -> Leaks:
    """Return the first `total` documents that also occur among the others, with at least this similarity.

    Every text is compared with every text of the other side. Raises the errors of `Corpus.pairs`.
    """
    names, digests = collection.names, collection.digests
    # Each text counts once. Texts that both sides have are found without a comparison.
    train = _first_positions(digests, range(total, len(names)))
    test = {
        digest: at for digest, at in _first_positions(digests, range(total)).items() if digest not in train
    }
    test_digests, positions = list(test), [*test.values(), *train.values()]
    corpus = Corpus(collection.vectors, [collection.documents[at] for at in positions])
    best = _best(corpus, threshold, len(test), progress, memory)
    found: dict[bytes, tuple[int, float, float, Tier]]
    found = {digest: (at, 1.0, 1.0, "exact") for digest, at in train.items()}
    columns = (column.tolist() for column in (best.left, best.right, best.similarity))
    for x, y, similarity in zip(*columns, strict=True):
        share = jaccard(*map(shingles, collection.read((positions[x], positions[y]))))
        found[test_digests[x]] = (positions[y], similarity, share, tier_of(False, share))
    leaked = [at for at in range(total) if digests[at] in found]
    leaked.sort(key=lambda at: -found[digests[at]][1])
    return Leaks(
        tuple(
            Pair(names[at], names[match], similarity, share, tier)
            for at in leaked
            for match, similarity, share, tier in (found[digests[at]],)
        ),
        threshold,
        total,
        len(names) - total,
        np.array(leaked, np.int64),
    )


def _best(
    corpus: Corpus, threshold: float, split: int, progress: Callable[[int, int], None] | None, memory: int
) -> Pairs:
    """Return for each document before the split its most similar one behind it, the first of equals."""
    try:
        pairs = corpus.pairs(
            threshold, split=split, progress=progress, memory=memory, limit=max(1, memory // PAIR_BYTES)
        )
    except TooManyPairs:
        every = np.arange(len(corpus.size))
        return Neighbours(corpus, threshold, memory=memory).best(every[:split], every[split:])
    ranked = np.lexsort((pairs.right, -pairs.similarity, pairs.left))
    return pairs[ranked[np.flatnonzero(np.diff(pairs.left[ranked], prepend=-1))]]


def _first_positions(digests: Sequence[bytes], positions: range) -> dict[bytes, int]:
    """Return the first of some positions that has each digest, in order."""
    first: dict[bytes, int] = {}
    for at in positions:
        first.setdefault(digests[at], at)
    return first
