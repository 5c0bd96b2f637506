"""The join, kept in a file between runs, so that a run compares only what is new.

Rows are known again by a digest of their own bytes, wherever they have moved. The file is a cache: one that cannot be
read or written costs time and nothing else. A digest of all it says guards against damage, not against whoever
writes it on purpose: they could hide pairs, or make some up.
"""

import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.join import DEFAULT_MEMORY, Floats, Integers, Pairs, between, check, cosines, join
from semsearch.errors import InvalidInput
from semsearch.files import replacing

Digests = NDArray[np.bytes_]
"""16 bytes a row."""

_FORMAT = b"semsearch join 1"
_EDGE = 1e-9
"""Closer to the threshold than this, a saved similarity is computed anew: sums in another order could decide."""


def saved_join(
    vectors: Floats,
    threshold: float,
    path: Path | None,
    *,
    progress: Callable[[int, int], None] | None = None,
    memory: int = DEFAULT_MEMORY,
    only_saved: bool = False,
) -> Pairs:
    """The pairs of `join(vectors, threshold)`, as far as possible from the file that an earlier call left at `path`.

    Where that was of a threshold that is not higher, and of half of these rows or more, only the other rows are
    compared, with all and at its threshold, which the file keeps; else all are. The file is replaced where its rows
    are no longer these. A file that is damaged, foreign or of another version is as good as none, and where none
    can be written the pairs are returned all the same. Without a path this is `join`. `progress` is not called
    where nothing is compared; `memory` does not count copies of the rows that are new.

    With `only_saved` nothing is compared or written. Raises `InvalidInput` where the file does not do, and as `join`
    does.
    """
    check(threshold, vectors)
    digests = np.fromiter(
        (blake2b(row.tobytes(), digest_size=16).digest() for row in vectors), "S16", len(vectors)
    )
    saved = _Saved.read(path) if path else None
    if saved is None or saved.threshold > threshold:
        saved = _Saved(threshold, digests[:0], Pairs.merged([]))
    place = _places(saved.digests, digests)
    new = np.setdiff1d(np.arange(len(vectors)), place)
    if len(new) and only_saved:
        raise InvalidInput(
            f"{path or 'no file'} holds no comparison of all {len(vectors):,} vectors at {threshold:g}",
            "compare them once without asking for saved results only",
        )
    if 2 * len(new) > len(vectors):  # n rows, k of them new: n * k products against n * n / 2
        known = _Saved(threshold, digests, join(vectors, threshold, progress=progress, memory=memory))
    else:
        found = between(vectors, vectors[new], saved.threshold, progress=progress, memory=memory)
        pairs = Pairs.merged([_moved(saved.pairs, place), _once(found, new)])
        known = _Saved(saved.threshold, digests, pairs)
    if path and not only_saved and (len(new) or np.any(place < 0)):
        with suppress(OSError):
            known.write(path)
    left, right, similarity = known.pairs.left, known.pairs.right, known.pairs.similarity
    close = np.abs(similarity - threshold) < _EDGE
    similarity[close] = cosines(vectors, left[close], vectors, right[close], memory)
    return known.pairs[similarity >= threshold]


@dataclass(frozen=True, slots=True, eq=False)
class _Saved:
    """A join as a file holds it: its threshold, the rows' digests, and the pairs of them."""

    threshold: float
    digests: Digests
    pairs: Pairs

    @classmethod
    def read(cls, path: Path) -> "_Saved | None":
        """What the file holds; None where that is not what `write` wrote."""
        try:
            if not path.is_file():
                return None
            with zipfile.ZipFile(path) as archive:
                if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                    return None  # a small file could be a large array
            with np.load(path, allow_pickle=False) as file:
                pairs = Pairs(file["left"], file["right"], file["similarity"])
                saved = cls(float(file["threshold"]), file["digests"], pairs)
                seal = file["seal"].tobytes()
            return saved if saved._possible() and saved._seal() == seal else None
        except Exception:  # whatever zip and npy readers raise on bytes that somebody made up
            return None

    def write(self, path: Path) -> None:
        """Write the file so that it is there whole or not at all."""
        digests, left, right, similarity = self._arrays()
        seal = np.frombuffer(self._seal(), np.uint8)
        with replacing(path) as file:
            np.savez(
                file,
                threshold=self.threshold,
                digests=digests,
                left=left,
                right=right,
                similarity=similarity,
                seal=seal,
            )

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self.digests, self.pairs.left, self.pairs.right, self.pairs.similarity

    def _seal(self) -> bytes:
        seal = blake2b(_FORMAT + np.float64(self.threshold).tobytes(), digest_size=16)
        for array in self._arrays():
            seal.update(array.view(np.uint8).data)
        return seal.digest()

    def _possible(self) -> bool:
        kinds = [(array.dtype.str[1:], array.shape) for array in self._arrays()]
        n, m = len(self.digests), len(self.pairs)
        if (
            kinds != [("S16", (n,)), ("i8", (m,)), ("i8", (m,)), ("f8", (m,))]
            or not -1 <= self.threshold <= 1
        ):
            return False
        left, right, similarity = self.pairs.left, self.pairs.right, self.pairs.similarity
        possible = (
            (left >= 0) & (left < right) & (right < n) & (self.threshold <= similarity) & (similarity <= 1)
        )
        return bool(np.all(possible) and np.all(np.diff(left * n + right) > 0))


def _places(saved: Digests, now: Digests) -> Integers:
    """The row that each saved row is now, or -1. Of equal rows the first is the first, the second the second, ..."""
    kinds = np.unique(np.concatenate([saved, now]), return_inverse=True)[1]

    def numbered(kinds: Integers) -> Integers:
        """A number for each row: what it is equal to, and how many such rows come before it."""
        order = np.argsort(kinds, kind="stable")
        ordered = kinds[order]
        numbers = np.empty(len(kinds), np.int64)
        numbers[order] = ordered * total + np.arange(len(kinds)) - np.searchsorted(ordered, ordered)
        return numbers

    total = len(kinds)
    before, after = numbered(kinds[: len(saved)]), numbered(kinds[len(saved) :])
    _, at, place = np.intersect1d(before, after, assume_unique=True, return_indices=True)
    places = np.full(len(saved), -1)
    places[at] = place
    return places


def _moved(pairs: Pairs, place: Integers) -> Pairs:
    """The pairs of rows that are still there, by where they are now."""
    i, j = place[pairs.left], place[pairs.right]
    return Pairs(np.minimum(i, j), np.maximum(i, j), pairs.similarity)[(i >= 0) & (j >= 0)]


def _once(found: Pairs, new: Integers) -> Pairs:
    """The pairs of any row with a new one, each once: two new rows found each other, and themselves."""
    i, j = found.left, new[found.right]
    twice = (i >= j) & np.isin(i, new)
    return Pairs(np.minimum(i, j), np.maximum(i, j), found.similarity)[~twice]
