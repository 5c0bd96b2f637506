"""Which pairs of an index a person should label: most of them where a threshold is likely to lie, some everywhere.

All pairs above a loose similarity are the frame, by bands of it. The order within a band is random, made from the names
of the documents, so it is the same in every session, and what is new falls in anywhere. Bands take turns: those around
the present threshold more often. Wherever a person stops, the labelled of a band are a simple random sample of it, so
each stands for (pairs in the band) / (labelled in it) pairs; see `semsearch.tuning.labels`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup import DEFAULT_MEMORY, compare, join
from semsearch.dedup.in_index import Listing, listing
from semsearch.errors import InvalidInput
from semsearch.storage.library import Library
from semsearch.types import Level

_WIDTH = 0.05
"""Of a band."""
_NEAR, _OFTEN = 0.075, 4
"""Bands whose middle is within this of the threshold come up so many times as often as others."""
_SAMPLE = 2048
_PAIR = 200
"""Bytes, at the peak, for a pair in the frame."""
_READ = 32

Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pair to label: the two names and texts, their similarity, and the band it was drawn from, with its size."""

    left: str
    right: str
    text_a: str
    text_b: str
    cosine: float
    band: str
    band_pairs: int


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The frame: all pairs of different texts with a similarity of at least `lowest`, in the order to be labelled in.

    `raised` says whether there was no room for all from where was asked for.
    """

    lowest: float
    raised: bool
    bands: tuple[tuple[str, int], ...]
    _left: Integers
    _right: Integers
    _cosine: Doubles
    _band: Integers
    _listing: Listing

    def __len__(self) -> int:
        return len(self._left)

    def __iter__(self) -> Iterator[Candidate]:
        """The pairs in order, their texts read some at a time. Raises `SemsearchError` once the index has changed."""
        names = self._listing.names
        for start in range(0, len(self), _READ):
            some = slice(start, start + _READ)
            left, right = self._left[some].tolist(), self._right[some].tolist()
            texts = self._listing.read([*left, *right])
            for at, (a, b) in enumerate(zip(left, right, strict=True)):
                name, pairs = self.bands[self._band[start + at]]
                cosine = float(self._cosine[start + at])
                yield Candidate(names[a], names[b], texts[at], texts[at + len(left)], cosine, name, pairs)


def find_candidates(
    library: Library,
    lowest: float,
    around: float,
    *,
    level: Level = "document",
    memory: int = DEFAULT_MEMORY,
    progress: Callable[[int, int], None] | None = None,
) -> Candidates:
    """The pairs from `lowest` up (taken down to a multiple of 0.05), most often from around the threshold `around`.

    Where these are more than there is `memory` for, as a sample of the index tells, it starts higher up.
    """
    if not 0 <= lowest < 1:
        raise InvalidInput(
            f"pairs from a similarity of {lowest:g} up cannot be labelled", "give one from 0 to 0.95"
        )
    with library.snapshot():
        everything = listing(library, level)
    asked = np.floor(lowest / _WIDTH + 1e-9)
    first = max(asked, np.ceil(_affordable(everything.vectors, memory) / _WIDTH - 1e-9))
    lowest = round(float(first) * _WIDTH, 2)
    compared = compare(
        everything.names,
        everything.digests,
        everything.documents,
        everything.vectors,
        lowest,
        read=everything.read,
        level=level,
        matches=lambda reach: join(everything.vectors, reach, progress=progress, memory=memory),
        memory=memory,
    )
    position = np.unique(compared.texts, return_index=True)[1]  # of the first document that has each text
    left, right = position[compared.pairs.left], position[compared.pairs.right]
    left, right = np.minimum(left, right), np.maximum(left, right)
    cosine = compared.pairs.similarity
    numbers = _numbers(everything.names)
    order, band, bands = draw(numbers[left] + numbers[right], cosine, lowest, around)
    if level == "passage":  # so that labels of both kinds can be in one file
        bands = tuple((f"{name} passages", size) for name, size in bands)
    return Candidates(
        lowest, bool(first > asked), bands, left[order], right[order], cosine[order], band[order], everything
    )


def draw(
    keys: NDArray[np.uint64], cosine: Doubles, lowest: float, around: float
) -> tuple[Integers, Integers, tuple[tuple[str, int], ...]]:
    """The order in which pairs are to be labelled, as positions; the band of each pair; each band's name and size.

    `keys` and `cosine` are [pairs]; the order within a band depends on the keys alone.
    """
    edges = np.round(np.arange(lowest, 1 - 1e-9, _WIDTH), 2)
    band = np.clip(np.searchsorted(edges, cosine, "right") - 1, 0, len(edges) - 1)
    sizes = np.bincount(band, minlength=len(edges))
    # The finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014): as good as random, and always the same.
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        keys = (keys ^ (keys >> np.uint64(shift))) * np.uint64(factor)
    within = np.lexsort((keys, band))
    rank = np.empty(len(band), np.int64)
    rank[within] = np.arange(len(band)) - (np.cumsum(sizes) - sizes)[band[within]]
    often = np.where(np.abs(edges + _WIDTH / 2 - around) <= _NEAR, _OFTEN, 1)
    named = tuple(
        (f"{edge:.2f}-{edge + _WIDTH:.2f}", int(size)) for edge, size in zip(edges, sizes, strict=True)
    )
    return np.lexsort((keys, (rank + 1) / often[band])), band, named


def _affordable(vectors: NDArray[np.float32], memory: int) -> float:
    """The lowest similarity that there is memory for all pairs above."""
    n = len(vectors)
    rows = vectors[np.random.default_rng(0).choice(n, min(n, _SAMPLE), replace=False)]
    found = np.sort((rows @ rows.T)[np.triu_indices(len(rows), 1)])[::-1]
    room = memory / _PAIR / max(1.0, n * (n - 1) / 2) * len(found)
    return float(found[int(room)]) if room < len(found) else 0.0


def _numbers(names: Sequence[str]) -> NDArray[np.uint64]:
    """A random number of each name, always the same one."""
    digests = (blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
