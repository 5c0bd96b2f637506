"""Sample pairs of an index for a person to label: some everywhere, then those that a guarantee of precision needs.

The first pairs come from bands of similarity, and show how similarity and duplicates go together. All later ones are
drawn for a guarantee, as `semsearch.tuning.drawn` describes, from the pairs that `dedup` would take at some threshold.
With a classifier, its probability takes the place of the similarity.

The sampling frame is all pairs above a loose similarity, divided into bands of similarity (stratified sampling). The
order within a band is random but derived from the documents' names, so it is the same in every session, and new pairs
fall anywhere. Bands take turns, those around the present threshold more often. Wherever a person stops, the labelled
pairs of a band are a simple random sample of it. Each represents (pairs in the band) / (labelled pairs in the band)
pairs; see `semsearch.tuning.labels`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup import DEFAULT_MEMORY, compare, join
from semsearch.dedup.collection import DocumentCollection
from semsearch.dedup.decision import NO_RULE, DecisionRule
from semsearch.dedup.find import Decision
from semsearch.dedup.in_index import collection_of
from semsearch.dedup.join import PAIR_BYTES, TooManyPairs
from semsearch.dedup.veto import Veto
from semsearch.embedding.scale import DEFAULT_SCALE, CosineScale
from semsearch.errors import InvalidInput
from semsearch.storage.library import Library
from semsearch.text.unseen import UnknownWords, none_unknown
from semsearch.tuning.drawn import COSINE, PILOT, Frame, labels_so_far, scorer_name
from semsearch.tuning.guarantee import CONFIDENCE, Guarantee
from semsearch.tuning.labels import SKIP, Label, SampledPair
from semsearch.types import Draw, Level

DEFAULT_LOWEST = 0.6
"""The lowest similarity of a pair to label, in cosines of the default model."""
_WIDTH = 0.05
"""The width of a band of similarity, in cosines of the default model."""
_NEAR, _OFTEN = 0.075, 4
"""Bands with their middle within `_NEAR` of the threshold come up `_OFTEN` times as often as others."""
_SAMPLE = 2048
_PAIR = 200
"""Peak memory for a pair in the frame, in bytes."""
_READ = 32
_ODDS = 30.0
"""The rise of the log-odds of a duplicate with the cosine, as a first guess: from 1 in 10 to 9 in 10 within 0.15."""
_LIKELY = 0.8
"""The classifier's probability near which the first pairs are drawn most often."""
_SMALL = 0.002
DOUBT = (0.5, 1.0)
"""The standard deviations of the scale and level of the guessed log-odds."""
DEFAULT_PRECISION = 0.9
"""The precision that labels are drawn for."""

Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]


def certain_pair(names: tuple[str, str], texts: tuple[str, str], cosine: float) -> SampledPair:
    """Return a pair that a person chose to judge, such as in a review: it was not drawn, so it represents itself.

    It is the only pair of its band, a take-all stratum, so its label has the weight 1.
    """
    return SampledPair(*names, *texts, cosine, f"chosen: {' / '.join(names)}", 1, *texts)


@dataclass(frozen=True, slots=True, eq=False)
class PairSample:
    """All pairs of different texts with a similarity of at least `lowest`, in the order to label them.

    If memory did not suffice for all pairs from `asked` up, `lowest` is higher.
    """

    lowest: float
    asked: float
    bands: tuple[tuple[str, int], ...]
    _left: Integers
    _right: Integers
    _cosine: Doubles
    _band: Integers
    _collection: DocumentCollection
    scorer: str
    _score: Doubles
    _guess: Doubles
    _decided: NDArray[np.bool_]
    _keys: NDArray[np.uint64]

    @property
    def raised(self) -> bool:
        """True if the pairs start above what was asked for."""
        return self.lowest > self.asked

    def __len__(self) -> int:
        return len(self._left)

    def __iter__(self) -> Iterator[SampledPair]:
        """Yield the pairs in order, reading their texts in batches.

        Raises `SemsearchError` if the index has changed since.
        """
        for start in range(0, len(self), _READ):
            yield from self._pairs(np.arange(start, min(start + _READ, len(self))))

    def next(
        self, rows: Sequence[Label], target: float = DEFAULT_PRECISION, confidence: float = CONFIDENCE
    ) -> "NextPair":
        """Return the pair to label after these labels, and what they guarantee so far.

        It depends on the labels and the names of the documents alone. Raises `SemsearchError` if the index has changed
        since the sample was made, and `InvalidInput` for a `target` or `confidence` outside (0, 1).
        """
        labels = labels_so_far(
            ((row.label == "1", row.draw) for row in rows if row.label != SKIP),
            self.scorer,
            target,
            confidence,
        )
        left = np.ones(len(self), np.bool_)
        decided = np.flatnonzero(self._decided)
        frame = Frame(self._score[decided], self._guess[decided], DOUBT)
        place = np.cumsum(self._decided) - 1

        def take(at: int, label: str) -> None:
            left[at] = False
            if self._decided[at]:
                frame.label(int(place[at]), None if label == SKIP else label == "1")

        known = {row.texts: row.label for row in rows}
        positions = self._positions(rows)
        for at, pair in zip(positions.tolist(), self._pairs(positions), strict=True):
            if pair.texts in known:
                take(at, known[pair.texts])
        while left.any():
            draw = None
            if frame.labels >= PILOT and left[decided].any():
                cut, floor, free = labels.next_choice(frame)
                positions = decided[free]
                chances = _shuffled(self._keys[positions] ^ _shuffled(np.array([len(rows)], np.uint64)))
                at = int(positions[np.argmin(chances)])
                draw = Draw(self.scorer, float(self._score[at]), cut, floor, 1 / len(free))
            else:
                at = int(np.argmax(left))
                if self._decided[at]:
                    draw = Draw(self.scorer, float(self._score[at]))
            pair = next(self._pairs(np.array([at])))
            if pair.texts not in known:
                return NextPair(replace(pair, draw=draw), labels.guarantee(), labels.needed(frame))
            take(at, known[pair.texts])
        return NextPair(None, labels.guarantee(), None)

    def _positions(self, rows: Sequence[Label]) -> Integers:
        """Return the positions of the labelled pairs that the documents' names tell."""
        numbers = {name: number for number, name in enumerate(self._collection.names)}
        both = [(numbers.get(row.left), numbers.get(row.right)) for row in rows]
        wanted = [(min(a, b), max(a, b)) for a, b in both if a is not None and b is not None]
        n = len(numbers)
        return np.flatnonzero(np.isin(self._left * n + self._right, [a * n + b for a, b in wanted]))

    def _pairs(self, positions: Integers) -> Iterator[SampledPair]:
        """Yield the pairs at some positions, reading their texts in batches."""
        names = self._collection.names
        for start in range(0, len(positions), _READ):
            some = positions[start : start + _READ]
            left, right = self._left[some].tolist(), self._right[some].tolist()
            texts = self._collection.read([*left, *right])
            originals = self._collection.shown([*left, *right])
            for at, (a, b) in enumerate(zip(left, right, strict=True)):
                other = at + len(left)
                name, pairs = self.bands[self._band[some[at]]]
                yield SampledPair(
                    names[a],
                    names[b],
                    texts[at],
                    texts[other],
                    float(self._cosine[some[at]]),
                    name,
                    pairs,
                    originals[at],
                    originals[other],
                )


@dataclass(frozen=True, slots=True)
class NextPair:
    """The next pair to label, None at the end; what the labels guarantee; and about how many more may guarantee more.

    The last is None where that is unlikely, or not known yet.
    """

    pair: SampledPair | None
    guarantee: Guarantee | None
    needed: int | None


def sample_pairs(
    library: Library,
    lowest: float,
    around: float,
    *,
    unknown: UnknownWords = none_unknown,
    level: Level = "document",
    scale: CosineScale = DEFAULT_SCALE,
    rule: DecisionRule = NO_RULE,
    memory: int = DEFAULT_MEMORY,
    progress: Callable[[int, int], None] | None = None,
) -> PairSample:
    """Sample the pairs with a similarity of at least `lowest`, most often near the threshold `around`.

    `lowest` is rounded down to a multiple of 0.05, on the `scale` of the default model. The classifier of the `rule`
    draws the pairs, if there is one.

    If the pairs would need more than `memory` bytes, estimated from a
    sample of the index, the frame starts higher. Raises `InvalidInput` for a `lowest` outside [0, 1), and where even
    the pairs of the highest band need more memory.
    """
    if not 0 <= lowest < 1:
        raise InvalidInput(
            f"the lowest similarity of a pair to label cannot be {lowest:g}", "give one from 0 to 0.95"
        )
    with library.snapshot():
        everything = collection_of(library, level, unknown)
    least, affordable, middle = scale.to_default(
        np.array([lowest, _affordable(everything.vectors, memory), around], np.float64)
    )
    asked = np.floor(max(0, least) / _WIDTH + 1e-9)
    first = max(asked, np.ceil(affordable / _WIDTH - 1e-9))
    first = min(first, np.floor(1 / _WIDTH + 1e-9) - 1)
    lowest = _edge(first, scale)
    while True:
        compared = compare(
            everything,
            lowest,
            matches=lambda reach: join(
                everything.vectors,
                reach,
                progress=progress,
                memory=memory,
                limit=max(1, memory // PAIR_BYTES),
            ),
            memory=memory,
        )
        if compared.pairs is not None:
            break
        first += 1
        if first * _WIDTH > 1 - 1e-9:
            raise TooManyPairs
        lowest = _edge(first, scale)
    # Whether texts that state different facts are duplicates is what a person says.
    veto = Veto(compared.read, len(compared.corpus.size), unknown=unknown, differing=True)
    pairs = compared.pairs[veto.accepts(compared.pairs.left, compared.pairs.right)]
    position = np.unique(compared.texts, return_index=True)[1]  # the first document with each text
    left, right = position[pairs.left], position[pairs.right]
    left, right = np.minimum(left, right), np.maximum(left, right)
    cosine = pairs.similarity
    decided = Veto(
        compared.read, len(compared.corpus.size), unknown=unknown, written=compared.written
    ).accepts(pairs.left, pairs.right)
    numbers = _numbers(everything.names)
    keys = numbers[left] + numbers[right]
    least = round(float(first) * _WIDTH, 2)
    if rule.classifier is None:
        scorer, score, guess = COSINE, cosine, (scale.to_default(cosine) - middle) * _ODDS
        order, band, bands = labelling_order(keys, scale.to_default(cosine), least, float(middle), scale)
    else:
        scorer = scorer_name(rule.classifier)
        decision = Decision(compared, rule)
        decided &= decision.single(pairs.left, pairs.right) & (cosine >= rule.classifier.floor)
        score = np.zeros(len(pairs))
        score[decided] = decision.probabilities(pairs.left[decided], pairs.right[decided], cosine[decided])
        likely = np.clip(score, _SMALL, 1 - _SMALL)
        guess = np.log(likely / (1 - likely))
        decided &= score > 0
        order, band, bands = labelling_order(keys, score, 0.0, _LIKELY)
        bands = tuple((f"{name} by the classifier", size) for name, size in bands)
    if level == "passage":  # one file may hold labels of both levels
        scorer = f"{scorer} of passages"
        bands = tuple((f"{name} passages", size) for name, size in bands)
    return PairSample(
        lowest,
        _edge(min(float(asked), float(first)), scale),
        bands,
        left[order],
        right[order],
        cosine[order],
        band[order],
        everything,
        scorer,
        score[order],
        guess[order],
        decided[order],
        _shuffled(keys[order]),
    )


def labelling_order(
    keys: NDArray[np.uint64],
    cosine: Doubles,
    lowest: float,
    around: float,
    scale: CosineScale = DEFAULT_SCALE,
) -> tuple[Integers, Integers, tuple[tuple[str, int], ...]]:
    """Return the positions of the pairs in labelling order, the band of each pair, and each band's name and size.

    `keys` and `cosine` have shape [pairs]. Cosines are those of the default model; names have those of `scale`.

    The order within a band depends on the keys alone.
    """
    edges = np.round(np.arange(lowest, 1 - 1e-9, _WIDTH), 2)
    band = np.clip(np.searchsorted(edges, cosine, "right") - 1, 0, len(edges) - 1)
    sizes = np.bincount(band, minlength=len(edges))
    keys = _shuffled(keys)
    within = np.lexsort((keys, band))
    rank = np.empty(len(band), np.int64)
    rank[within] = np.arange(len(band)) - (np.cumsum(sizes) - sizes)[band[within]]
    often = np.where(np.abs(edges + _WIDTH / 2 - around) <= _NEAR, _OFTEN, 1)
    named = tuple((_name(edge, scale), int(size)) for edge, size in zip(edges.tolist(), sizes, strict=True))
    return np.lexsort((keys, (rank + 1) / often[band])), band, named


def _shuffled(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return keys by the finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014): a deterministic shuffle."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        keys = (keys ^ (keys >> np.uint64(shift))) * np.uint64(factor)
    return keys


def _edge(number: float, scale: CosineScale) -> float:
    """Return the lower edge of a band in cosines of a model."""
    return round(scale.from_default(round(float(number) * _WIDTH, 2)), 4)


def _name(edge: float, scale: CosineScale) -> str:
    """Return the name of the band above an edge."""
    places = 2 if scale.is_default else 4
    return "-".join(f"{scale.from_default(end):.{places}f}" for end in (edge, edge + _WIDTH))


def _affordable(vectors: NDArray[np.float32], memory: int) -> float:
    """Return the lowest similarity above which all pairs fit into memory."""
    n = len(vectors)
    rows = vectors[np.random.default_rng(0).choice(n, min(n, _SAMPLE), replace=False)]
    found = np.sort((rows @ rows.T)[np.triu_indices(len(rows), 1)])[::-1]
    room = memory / _PAIR / max(1.0, n * (n - 1) / 2) * len(found)
    return float(found[int(room)]) if room < len(found) else 0.0


def _numbers(names: Sequence[str]) -> NDArray[np.uint64]:
    """Return a pseudo-random number for each name, the same in every session."""
    digests = (blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
