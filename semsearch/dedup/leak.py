"""Find the test records that occur in training data."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from semsearch.dedup.collection import DocumentCollection
from semsearch.dedup.containment import contained_documents
from semsearch.dedup.document_join import Corpus
from semsearch.dedup.join import PAIR_BYTES, Integers, Pairs, TooManyPairs
from semsearch.dedup.lexical import tier_of
from semsearch.dedup.neighbours import Neighbours, Refused
from semsearch.dedup.veto import Veto
from semsearch.text.shingles import jaccard, shingles
from semsearch.types import Contained, Pair, Rejected, Tier

_READ = 256


@dataclass(frozen=True, slots=True)
class Leaks:
    """The records of a test set, out of `total`, that occur in a training set at a `threshold`.

    Each pair has the test record on the left. On the right is the most similar of `against` training records, the
    first of equals. Pairs come by falling similarity, then in the order of the test set. `positions` (int64) are the
    test records' positions in the `Dataset`.

    With a `containment`, `contained` has the other test records of which this share lies in a training record, each
    with the container that has the most of it, and `contained_positions` has their positions.
    """

    pairs: tuple[Pair, ...]
    threshold: float
    total: int
    against: int
    positions: Integers = field(repr=False, compare=False)
    containment: float | None = None
    contained: tuple[Contained, ...] = ()
    contained_positions: tuple[int, ...] = field(default=(), repr=False, compare=False)
    alike: tuple[Rejected, ...] = ()
    """The test records that do not occur, but are as similar to a training record that has a veto, with its reason."""

    @property
    def vetoed(self) -> dict[str, int]:
        """The number of records that are only `alike`, by the rule of the veto; see `semsearch.dedup.veto.RULES`."""
        return dict(Counter(pair.rule for pair in self.alike))

    @property
    def leaked(self) -> int:
        """The number of test records that occur in the training set, on their own or in a longer record."""
        return len(self.pairs) + len(self.contained)

    @property
    def rate(self) -> float:
        """The share of all test records that occurs in the training set; 0 if there are none."""
        return self.leaked / self.total if self.total else 0.0

    def count(self, tier: Tier) -> int:
        """Return the number of pairs of a tier."""
        return sum(pair.tier == tier for pair in self.pairs)


def find_leaks(
    collection: DocumentCollection,
    total: int,
    threshold: float,
    *,
    memory: int,
    contained: float | None = None,
    differing: bool = False,
    matches: Callable[[float], Pairs] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Leaks:
    """Return the first `total` documents that also occur among the others, with at least this similarity.

    With `contained` also return those of which this share lies in one of the others; see `contained_documents`. Every
    text is compared with every text of the other side. With `differing`, texts that state different facts count too
    (see `Veto`). `matches` and `progress` are those of `Corpus.pairs`, and so are the errors.
    """
    collection = collection.by_indentation()
    names, digests = collection.names, collection.digests
    # Each text counts once. Texts that both sides have are found without a comparison.
    train = _first_positions(digests, range(total, len(names)))
    test = {
        digest: at for digest, at in _first_positions(digests, range(total)).items() if digest not in train
    }
    test_digests, positions = list(test), [*test.values(), *train.values()]
    corpus = Corpus(collection.vectors, [collection.documents[at] for at in positions])
    veto = Veto(
        lambda numbers: collection.read([positions[number] for number in numbers]),
        len(positions),
        unknown=collection.unknown,
        differing=differing,
        written=lambda numbers: collection.shown([positions[number] for number in numbers]),
    )
    best, refused = _best(corpus, threshold, len(test), veto, matches, progress, memory)
    found: dict[bytes, tuple[int, float, float, Tier]]
    found = {digest: (at, 1.0, 1.0, "exact") for digest, at in train.items()}
    columns = (column.tolist() for column in (best.left, best.right, best.similarity))
    for x, y, similarity in zip(*columns, strict=True):
        share = jaccard(*map(shingles, collection.read((positions[x], positions[y]))))
        found[test_digests[x]] = (positions[y], similarity, share, tier_of(False, share))
    leaked = [at for at in range(total) if digests[at] in found]
    leaked.sort(key=lambda at: -found[digests[at]][1])
    inside: dict[bytes, Contained] = {}
    if contained is not None:
        inside = _contained(
            collection, corpus, positions, len(test), contained, threshold, set(found), memory
        )
    alike: dict[int, Rejected] = {}
    for at in np.argsort(-refused.similarity, kind="stable").tolist():
        x, y = int(refused.left[at]), int(refused.right[at])
        if x not in alike and test_digests[x] not in found and test_digests[x] not in inside:
            rule, reason = veto.reason(x, y)
            pair = names[positions[x]], names[positions[y]]
            alike[x] = Rejected(*pair, float(refused.similarity[at]), None, reason, rule)
    held = [at for at in range(total) if digests[at] in inside]
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
        contained,
        tuple(replace(inside[digests[at]], document=names[at]) for at in held),
        tuple(held),
        tuple(alike.values()),
    )


def _best(
    corpus: Corpus,
    threshold: float,
    split: int,
    veto: Veto,
    matches: Callable[[float], Pairs] | None,
    progress: Callable[[int, int], None] | None,
    memory: int,
) -> tuple[Pairs, Pairs]:
    """Return for each document before the split its most similar one behind it, the first of equals.

    Also return pairs with a veto: all of them, or where they are too many, the most similar of each text behind it.
    """
    try:
        pairs = corpus.pairs(
            threshold,
            matches=matches,
            split=split,
            progress=progress,
            memory=memory,
            limit=max(1, memory // PAIR_BYTES),
        )
    except TooManyPairs:
        every = np.arange(len(corpus.size))
        refused = Refused(len(every))
        near = Neighbours(corpus, threshold, accepts=veto.accepts, refused=refused.add, memory=memory)
        return near.best(every[:split], every[split:]), refused.pairs(corpus)
    accepted = veto.accepts(pairs.left, pairs.right)
    pairs, out = pairs[accepted], pairs[~accepted]
    ranked = np.lexsort((pairs.right, -pairs.similarity, pairs.left))
    return pairs[ranked[np.flatnonzero(np.diff(pairs.left[ranked], prepend=-1))]], out


def _contained(
    collection: DocumentCollection,
    corpus: Corpus,
    positions: Sequence[int],
    split: int,
    least: float,
    threshold: float,
    known: Collection[bytes],
    memory: int,
) -> dict[bytes, Contained]:
    """Return the best container of each text before the `split` of the corpus that is not `known`, by its digest.

    `positions` are the positions of the corpus's texts in the collection.
    """
    searched = np.array([collection.digests[at] not in known for at in positions[:split]] + [False], np.bool_)
    names = [collection.names[at] for at in positions]

    def read(numbers: Sequence[int]) -> Iterator[str]:
        for start in range(0, len(numbers), _READ):
            yield from collection.read([positions[number] for number in numbers[start : start + _READ]])

    pairs, _ = contained_documents(
        corpus,
        least,
        threshold,
        names=[str(number) for number in range(len(names))],
        read=read,
        places=lambda number: collection.places(positions[number]),
        allowed=lambda x, y: searched[np.minimum(x, split)] & (y >= split),
        memory=memory,
    )
    best: dict[bytes, Contained] = {}
    for pair in pairs:  # the best container of each text comes first
        digest = collection.digests[positions[int(pair.document)]]
        best.setdefault(digest, replace(pair, container=names[int(pair.container)]))
    return best


def _first_positions(digests: Sequence[bytes], positions: range) -> dict[bytes, int]:
    """Return the first of some positions that has each digest, in order."""
    first: dict[bytes, int] = {}
    for at in positions:
        first.setdefault(digests[at], at)
    return first
