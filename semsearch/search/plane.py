"""Project the passages of an index onto a plane, so that a map can show them.

The plane has the two principal components of the vectors as its axes: what a linear projection can show of their
differences (Pearson, Philosophical Magazine 1901). It is the same for the same vectors, and is kept in a file: decision
127.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Vectors
from semsearch.errors import SemsearchError
from semsearch.files import mode_within, read_bounded, replacing
from semsearch.storage.library import Library
from semsearch.types import Unit

_BLOCK = 4096
_FORMAT = b"semsearch plane 1\n"


@dataclass(frozen=True, slots=True, eq=False)
class PassagePlane:
    """Every passage of an index as a point: `points` is float32 [n, 2], within [-1, 1] and centred on their mean.

    `document` (int64 [n]) has the number of each passage's document, in `names` and `sources`; `places` has the unit,
    the first and the last number of each passage. `share` is the share of the vectors' variance that the plane shows.
    `read` returns the texts of some passages as they were written, by their numbers here, or raises `SemsearchError`
    once the index has changed. Planes of the same passages have the same `version`.
    """

    version: str
    points: NDArray[np.float32]
    share: float
    document: NDArray[np.int64]
    names: Sequence[str]
    sources: Sequence[str]
    places: Sequence[tuple[Unit, int, int]]
    read: Callable[[Sequence[int]], list[str]]

    def within(self, polygon: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the numbers of the points inside a polygon, float64 [corners, 2], by the even-odd rule."""
        x, y = self.points.T.astype(np.float64)
        inside = np.zeros(len(x), np.bool_)
        with np.errstate(divide="ignore", invalid="ignore"):  # a horizontal edge is crossed by no ray
            for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
                inside ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
        return np.flatnonzero(inside)


def passage_plane(library: Library, path: Path, *, keep: bool) -> PassagePlane:
    """Return the plane of a Library's passages, from the file at `path` if it has the same vectors; `keep` writes it.

    A file that is damaged or foreign is ignored, and one that cannot be written only costs time.
    """
    with library.snapshot() as state:
        table, vectors = library.passage_matrix()

    def read(passages: Sequence[int]) -> list[str]:
        if library.state() != state:
            raise SemsearchError("the index has changed since the map was made", "make the map again")
        return library.originals(table.numbers[list(passages)].tolist())

    begin = _FORMAT + blake2b(vectors.tobytes(), digest_size=16).digest()
    found = _load(path, begin, len(vectors))
    if found is None:
        found = principal_plane(vectors)
        if keep:
            _save(path, begin, *found)
    points, share = found
    version = blake2b(begin + repr((table.names, table.places)).encode() + table.row.tobytes(), digest_size=8)
    return PassagePlane(
        version.hexdigest(),
        points[table.row],
        share,
        table.document,
        table.names,
        table.sources,
        table.places,
        read,
    )


def principal_plane(vectors: Vectors) -> tuple[NDArray[np.float32], float]:
    """Return vectors [n, d] on the plane of their two principal components, and its share of their variance.

    The points are float32 [n, 2] within [-1, 1]. The signs are fixed, so the same vectors give the same points.
    """
    size, dimensions = vectors.shape
    points = np.zeros((size, 2), np.float32)
    if size < 2 or not dimensions:
        return points, 1.0
    mean = vectors.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((dimensions, dimensions))
    for block in _blocks(vectors):
        centred = block - mean
        covariance += centred.T @ centred
    values, directions = np.linalg.eigh(covariance)
    plane = directions[:, :-3:-1]
    largest = np.abs(plane).argmax(axis=0)
    plane = plane * np.sign(plane[largest, range(plane.shape[1])])
    shown = np.concatenate([(block - mean) @ plane for block in _blocks(vectors)])
    points[:, : shown.shape[1]] = shown / max(np.abs(shown).max(), np.finfo(np.float32).tiny)
    total = float(values.sum())
    return points, min(1.0, float(values[-2:].sum()) / total) if total > 0 else 1.0


def _blocks(vectors: Vectors) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(vectors), _BLOCK):
        yield vectors[start : start + _BLOCK].astype(np.float64)


def _load(path: Path, begin: bytes, size: int) -> tuple[NDArray[np.float32], float] | None:
    """Return what `_save` wrote with this beginning, or None if the file has anything else."""
    try:
        content = read_bounded(path, len(begin) + 8 + 8 * size)
    except OSError:
        return None
    if len(content) != len(begin) + 8 + 8 * size or not content.startswith(begin):
        return None
    (share,) = np.frombuffer(content, "<f8", 1, len(begin))
    points = np.frombuffer(content, "<f4", offset=len(begin) + 8).reshape(size, 2)
    return (points, float(share)) if np.all(np.abs(points) <= 1) and 0 <= share <= 1 else None


def _save(path: Path, begin: bytes, points: NDArray[np.float32], share: float) -> None:
    with suppress(OSError), replacing(path, mode=mode_within(path.parent)) as file:
        file.write(begin + np.float64(share).astype("<f8").tobytes() + points.astype("<f4").tobytes())
