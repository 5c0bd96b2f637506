"""Keep the join in a file between runs, and compare only new rows.

A row is recognized by the digest of its bytes, wherever it has moved. The file is a cache: if it cannot be read or
written, only time is lost. A digest of its content guards against damage, but not against an attacker who can write
the file, and could hide or invent pairs.
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

from semsearch.dedup.join import (
    Floats,
    Integers,
    Pairs,
    TooManyPairs,
    between,
    check,
    cosines,
    join,
)
from semsearch.errors import InvalidInput
from semsearch.files import mode_within, replacing
from semsearch.requests import DEFAULT_MEMORY

Digests = NDArray[np.bytes_]
"""16 bytes for each row."""

_FORMAT = b"semsearch join 1"
_HEADER = 4096
"""More than the bytes of an array's header."""
_EDGE = 1e-9
"""A saved similarity closer to the threshold is recomputed, since the order of summation could decide."""


def saved_join(
    vectors: Floats,
    threshold: float,
    path: Path | None,
    *,
    progress: Callable[[int, int], None] | None = None,
    memory: int = DEFAULT_MEMORY,
    only_saved: bool = False,
    limit: int | None = None,
) -> Pairs:
    """Return the pairs of `join(vectors, threshold)`, as far as possible from the file at `path`.

    If the file has a threshold that is not higher, and half of these rows or more, only the other rows are compared,
    with all rows and at the file's threshold. Otherwise all rows are compared. The file is replaced if its rows differ
    from these. A file that is damaged, foreign or of another version is ignored, and a file that cannot be written
    does not stop the join. Without a path this is `join`. `progress` is not called if nothing is compared; `memory`
    does not count copies of the new rows.

    A file with more pairs than `limit` is not read, and none is written: these are found again faster than copied.
    Raises `TooManyPairs` for more pairs than that.

    With `only_saved` nothing is compared or written. Raises `InvalidInput` if the file does not suffice then, and the
    errors of `join`.
    """
    check(threshold, vectors)
    digests = np.fromiter(
        (blake2b(row.tobytes(), digest_size=16).digest() for row in vectors), "S16", len(vectors)
    )
    saved = _Saved.read(path, limit) if path else None
    if saved is None or saved.threshold > threshold:
        saved = _Saved(threshold, digests[:0], Pairs.merged([]))
    place = _places(saved.digests, digests)
    new = np.setdiff1d(np.arange(len(vectors)), place)
    if len(new) and only_saved:
        raise InvalidInput(
            f"{path or 'no file'} holds no comparison of all {len(vectors):,} vectors at {threshold:g}",
            "compare them once without --from-run; a comparison is kept unless its pairs are too many for --memory",
        )
    whole = 2 * len(new) > len(vectors)  # n rows, k of them new: n * k products against n * n / 2
    if not whole:
        try:
            found = between(
                vectors, vectors[new], saved.threshold, progress=progress, memory=memory, limit=limit
            )
            pairs = Pairs.merged([_moved(saved.pairs, place), _once(found, new)])
            known = _Saved(saved.threshold, digests, pairs)
        except TooManyPairs:  # at the file's threshold; at a higher one there are fewer
            whole = True
    if whole:
        pairs = join(vectors, threshold, progress=progress, memory=memory, limit=limit)
        known = _Saved(threshold, digests, pairs)
    if path and not only_saved and (len(new) or np.any(place < 0)):
        with suppress(OSError):
            known.write(path)
    left, right, similarity = known.pairs.left, known.pairs.right, known.pairs.similarity
    close = np.abs(similarity - threshold) < _EDGE
    similarity[close] = cosines(vectors, left[close], vectors, right[close], memory)
    return known.pairs[similarity >= threshold]


@dataclass(frozen=True, slots=True, eq=False)
class _Saved:
    """A join as the file stores it: its threshold, the digests of the rows, and their pairs."""

    threshold: float
    digests: Digests
    pairs: Pairs

    @classmethod
    def read(cls, path: Path, limit: int | None = None) -> "_Saved | None":
        """Return the join in a file, or None if `write` did not write it, or it has more pairs than `limit`."""
        try:
            if not path.is_file():
                return None
            with zipfile.ZipFile(path) as archive:
                if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                    return None  # a small file could be a large array
                sizes = [archive.getinfo(f"{name}.npy").file_size for name in ("left", "right", "similarity")]
                if limit is not None and max(sizes) > 8 * limit + _HEADER:
                    return None
            with np.load(path, allow_pickle=False) as file:
                pairs = Pairs(file["left"], file["right"], file["similarity"])
                saved = cls(float(file["threshold"]), file["digests"], pairs)
                seal = file["seal"].tobytes()
            return saved if saved._possible() and saved._seal() == seal else None
        except Exception:  # readers of zip and npy raise anything on invented bytes
            return None

    def write(self, path: Path) -> None:
        """Write the file; it appears whole or not at all."""
        digests, left, right, similarity = self._arrays()
        seal = np.frombuffer(self._seal(), np.uint8)
        with replacing(path, mode=mode_within(path.parent)) as file:
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
    """Return the present row of each saved row, or -1. Equal rows are matched in order."""
    kinds = np.unique(np.concatenate([saved, now]), return_inverse=True)[1]

    def numbered(kinds: Integers) -> Integers:
        """Return a number for each row, made of its kind and the count of equal rows before it."""
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
    """Return the pairs of rows that still exist, by their present numbers."""
    i, j = place[pairs.left], place[pairs.right]
    return Pairs(np.minimum(i, j), np.maximum(i, j), pairs.similarity)[(i >= 0) & (j >= 0)]


def _once(found: Pairs, new: Integers) -> Pairs:
    """Return the pairs of any row with a new one, each once. Two new rows were found twice, and each with itself."""
    i, j = found.left, new[found.right]
    twice = (i >= j) & np.isin(i, new)
    return Pairs(np.minimum(i, j), np.maximum(i, j), found.similarity)[~twice]
