"""Keep the vectors of a Library in a file that readers map: reading them from SQLite is most of a cold query.

Three files next to the Library hold the numbers, the vectors, and their codes (see `vector_codes`), in the order of the
numbers. They can be made again from the Library at any time, and a reader who finds them missing, short or impossible
reads the Library. The Library names the files and says how many rows count. A row that counts never changes: a writer
appends rows and waits for the disk before the Library counts them, and makes files of another name to leave rows out.
So a reader of an older state of the Library still finds its rows, and a kill leaves at worst rows that nobody counts.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semsearch import threads
from semsearch.errors import IndexDamaged, SemsearchError
from semsearch.files import mode_within, new_file, sync_folder
from semsearch.storage.library.settings import VECTOR_FILE
from semsearch.storage.library.vector_codes import ROWS, Codes, CodeWriter, block_bytes

if TYPE_CHECKING:
    from semsearch.storage.library.store import Library

FILES = "vectors-*"
"""The pattern of the files' names."""
LEAST = 2_000
"""Up to this many vectors are read from the Library, which takes 4 ms, before any are written to the files."""
_BATCH = 10_000
_BLOCK, _SHARE = 256, 4_096
"""Vectors that are multiplied with all others before the next ones are, and the fewest that get a thread.

The first stay in the cache. Of 100,000 vectors one product takes 5 ms of processor time, and 8 take 25 ms:
docs/decisions/0144-each-cosine-alone.md."""
SCANNED_BYTES, MAPPED_BYTES, CODED_BYTES = 320_000_000, 640_000_000, 1_600_000_000
"""Up to the first size of all vectors (208,333 of 384 numbers) a search is exact; up to the second (416,666) where the
vector file has all but the first size of them, and up to the third (1,041,666) where it has their codes: decision 164.
"""
_STALE = 0.5
"""The share of rows that belong to no vector any more, above which the files are written again."""
_NUMBER = np.dtype("<i8")
_FLOAT = np.dtype("<f4")
_CODE = np.dtype("i1")

Vectors = NDArray[np.float32]
Numbers = NDArray[np.int64]


class VectorBytes(NamedTuple):
    """The bytes of all vectors, of those that the vector file does not have, and whether it has codes."""

    total: int
    to_read: int
    coded: bool

    @property
    def few(self) -> bool:
        """True where a search compares all vectors, wherever they are."""
        return self.total <= SCANNED_BYTES

    @property
    def mapped(self) -> bool:
        """True where all but a few vectors are in the vector file."""
        return self.to_read <= SCANNED_BYTES

    @property
    def scanned(self) -> bool:
        """True where a search that trusts the vector file compares all vectors, and asks no vector engine."""
        return self.few or (self.mapped and self.total <= (CODED_BYTES if self.coded else MAPPED_BYTES))


@dataclass(frozen=True, slots=True, eq=False)
class VectorTable:
    """Vectors with their numbers, which rise. `parts` are float32 [n, dimension], one below the other.

    `codes` are those of the first part, and `file` is the one that it maps.
    """

    numbers: Numbers
    parts: tuple[Vectors, ...]
    codes: Codes | None = None
    file: "RowFile | None" = None

    def products(self, others: Vectors) -> Vectors:
        """Return the product of each of `others`, float32 [m, dimension], with each vector, float32 [m, n].

        A product is the same to the last digit whatever others are computed with it.
        """
        found = np.empty((len(others), len(self.numbers)), np.float32)
        step, tasks, start = _SHARE, [], 0
        if len(self.numbers) > step:
            step = max(step, _BLOCK * -(-len(self.numbers) // (_BLOCK * threads.cpus())))
        for part in self.parts:
            for at in range(0, len(part), step):
                some = part[at : at + step]
                tasks.append((some, others, found[:, start : start + len(some)]))
                start += len(some)
        if len(tasks) > 1:
            with ThreadPoolExecutor(len(tasks)) as pool:
                list(pool.map(_multiply, *zip(*tasks, strict=True)))
        else:
            for task in tasks:
                _multiply(*task)
        return found

    def bounds(self, others: Vectors) -> Vectors:
        """Return what the product of each of `others` with each vector cannot exceed, float32 [m, n].

        Call it where there are `codes`. A vector without codes that are sound has no bound, and vectors that are not in
        the file have their products.
        """
        assert self.codes is not None
        found = np.empty((len(others), len(self.numbers)), np.float32)
        start = len(self.parts[0])
        self.codes.bounds(others, found[:, :start])
        found[:, start:] = VectorTable(self.numbers[start:], self.parts[1:]).products(others)
        return found

    def products_at(self, rows: Numbers, other: Vectors) -> Vectors:
        """Return the products of one vector with those of some rows, as `products` has them."""
        blocks = [np.vecdot(self.take(rows[at : at + _SHARE]), other) for at in range(0, len(rows), _SHARE)]
        return np.concatenate([np.empty(0, np.float32), *blocks])

    def take(self, rows: Numbers) -> Vectors:
        """Return some vectors, float32 [rows, dimension], by their rows here.

        Raises `IndexDamaged` where the file has become shorter.
        """
        found = np.empty((len(rows), self.parts[0].shape[1]), np.float32)
        start = 0
        for part in self.parts:
            at = np.flatnonzero((start <= rows) & (rows < start + len(part)))
            if start or self.file is None:
                found[at] = part[rows[at] - start]
            else:
                self.file.read(found, at, rows[at])
            start += len(part)
        return found


class RowFile:
    """A file of vectors whose rows are read.

    Rows that are taken from a map leave pages of it in the process, up to all that the kernel has in its cache: 1.5 GB
    for a million vectors. To read them takes no longer.
    """

    def __init__(self, path: Path) -> None:
        self._number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        os.close(self._number)

    def read(self, found: Vectors, at: Numbers, rows: Numbers) -> None:
        """Set the rows `at` of `found`, float32 [n, dimension], to some rows of the file.

        Raises `IndexDamaged` where it does not have them.
        """
        content, size = found.data.cast("B"), found.itemsize * found.shape[1]
        for to, row in zip((size * at).tolist(), (size * rows).tolist(), strict=True):
            if os.preadv(self._number, [content[to : to + size]], row) < size:
                raise IndexDamaged(
                    "the file of vectors has become shorter", "make it again: semsearch repair"
                )


def _multiply(some: Vectors, others: Vectors, found: Vectors) -> None:
    """Set `found`, float32 [m, n], to the products of each of `others`, float32 [m, dimension], with some vectors."""
    whole = len(some) // _BLOCK * _BLOCK
    blocks = some[:whole].reshape(-1, _BLOCK, some.shape[1])
    products = np.vecdot(blocks[:, None], others[:, None])  # block by block: [blocks, m, _BLOCK]
    found[:, :whole].reshape(len(others), -1, _BLOCK)[:] = products.swapaxes(0, 1)
    np.vecdot(some[whole:], others[:, None], out=found[:, whole:])


def mapped(folder: Path, held: Any, dimension: int) -> tuple[Numbers, Vectors, Codes | None]:
    """Return the numbers, the mapped vectors and their codes of the files that the setting `held` names.

    Without a file both are empty. Nothing that is wrong with a file raises an error.
    """
    nothing = np.empty(0, np.int64), np.empty((0, dimension), np.float32), None
    if not held:
        return nothing
    numbers_at, vectors_at, codes_at = _paths(folder, held["name"])
    try:
        numbers = _map(numbers_at, _NUMBER, held["rows"], 1)[:, 0]
        vectors = _map(vectors_at, _FLOAT, held["rows"], dimension)
    except (OSError, ValueError):
        return nothing
    if not (numbers[0] > 0 and numbers[-1] == held["last"] and bool(np.all(numbers[1:] > numbers[:-1]))):
        return nothing
    codes = None
    with suppress(OSError, ValueError):
        codes = Codes(_map(codes_at, _CODE, -(-len(numbers) // ROWS), block_bytes(dimension)), numbers)
    return numbers, vectors, codes


def row_file(folder: Path, held: Any) -> RowFile | None:
    """Return the file of the vectors that `mapped` maps; None where only the map can be had, as on Windows."""
    with suppress(OSError):
        return RowFile(_paths(folder, held["name"])[1]) if hasattr(os, "preadv") else None
    return None


def update_vector_file(library: "Library") -> None:
    """Bring the files up to date. The caller holds the write lock.

    They are left as they are where little has changed, and where the disk is full or cannot be written.
    """
    folder = library.path.parent
    held = library.setting(VECTOR_FILE)
    numbers, _, codes = mapped(folder, held, library.dimension())
    rows, last = (held["rows"], held["last"]) if len(numbers) else (0, 0)
    kept, later = library.vector_counts(last)
    again = rows - kept > _STALE * rows or not codes
    if (max(kept + later, rows - kept) if again else later) <= LEAST:
        return
    if again:
        rows = last = 0
    name = secrets.token_hex(8) if again else held["name"]
    try:
        rows, last = _append(folder, name, rows, library.vectors_after(last), library.dimension())
        library.save_setting(VECTOR_FILE, {"name": name, "rows": rows, "last": last})
    except (OSError, SemsearchError):
        if again:
            _remove(folder, but=held["name"] if held else "")
        return
    _remove(folder, but=name)


def vector_file_problems(library: "Library") -> list[str]:
    """Return what is wrong with the files: rows that differ from the vectors of the Library, or files that are gone."""
    held = library.setting(VECTOR_FILE)
    if not held:
        return []
    with library.snapshot():
        numbers, vectors, codes = mapped(library.path.parent, held, library.dimension())
        if not len(numbers):
            return ["the files are missing, too short or not as they were written"]
        if codes is None:
            return ["the file of codes is missing or too short"]
        wrong = missing = coded = 0
        for some, rows in library.vectors_after(0):
            at = np.searchsorted(numbers, some[some <= held["last"]])
            found = numbers[at] == some[: len(at)]
            at, rows = at[found], rows[: len(found)][found]
            missing += int(np.count_nonzero(~found))
            wrong += int(np.count_nonzero((vectors[at] != rows).any(axis=1)))
            coded += int(np.count_nonzero(codes.wrong(at, rows)))
    problems = {
        "vectors differ from those of the Library": wrong,
        "vectors are missing": missing,
        "vectors have codes of others": coded,
    }
    return [f"{count:,} {what}" for what, count in problems.items() if count]


def remove_vector_file(library: "Library") -> None:
    """Remove the files; readers read the Library until they are written again. The caller holds the write lock."""
    if library.setting(VECTOR_FILE):
        library.save_setting(VECTOR_FILE, None)
    _remove(library.path.parent)


def _append(
    folder: Path, name: str, rows: int, batches: Iterator[tuple[Numbers, Vectors]], dimension: int
) -> tuple[int, int]:
    """Write vectors after the first `rows` rows. Return the number of rows and the last number. Raises `OSError`."""
    paths, begun, last = _paths(folder, name), rows, 0
    if not rows:
        for path in paths:
            new_file(path, mode_within(folder)).close()
    with paths[0].open("r+b") as numbers, paths[1].open("r+b") as vectors, paths[2].open("r+b") as codes:
        for file, size in zip((numbers, vectors), _sizes(rows, dimension), strict=False):
            file.seek(size)
        coder = CodeWriter(codes, rows, dimension)
        try:
            for some, found in batches:
                numbers.write(some.astype(_NUMBER).tobytes())
                vectors.write(np.ascontiguousarray(found, _FLOAT).data)
                coder.add(some, found)
                rows, last = rows + len(some), int(some[-1])
            coder.flush()
            for file in (numbers, vectors, codes):
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            # Nobody counts these rows: free their room on a full disk.
            for file, size in zip((numbers, vectors, codes), _sizes(begun, dimension), strict=True):
                with suppress(OSError):
                    file.truncate(size)
            raise
    sync_folder(folder)
    return rows, last


def _map(path: Path, dtype: "np.dtype[Any]", rows: int, columns: int) -> NDArray[Any]:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError(f"{path} is not a file")
    return np.memmap(path, dtype, "r", shape=(rows, columns)).view(np.ndarray)


def _sizes(rows: int, dimension: int) -> tuple[int, int, int]:
    """Return the sizes of the files in bytes."""
    return (
        _NUMBER.itemsize * rows,
        _FLOAT.itemsize * dimension * rows,
        -(-rows // ROWS) * block_bytes(dimension),
    )


def _paths(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """Return the files of the numbers, the vectors and the codes."""
    return folder / f"vectors-{name}.ids", folder / f"vectors-{name}.f32", folder / f"vectors-{name}.i8"


def _remove(folder: Path, but: str = "") -> None:
    kept = _paths(folder, but)
    for path in folder.glob(FILES):
        if path not in kept:
            with suppress(OSError):  # Windows, while a reader maps it
                path.unlink()
