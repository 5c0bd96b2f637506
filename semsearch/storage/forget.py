"""Forget sources so that no file of the index holds their texts or vectors, and verify it."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semsearch.files import disk
from semsearch.storage.library import Library, every_text, stored_of
from semsearch.storage.vectors.sync import VectorSync

FORGETTING = "forgetting"
"""The setting that names the sources to be forgotten."""
_PIECE, _SHORTEST = 32, 8
_BLOCK = 16_000_000


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The result of forgetting: the numbers of forgotten `sources` and `passages`, and what a search for them found.

    The search looks for `pieces` pieces of the texts and vectors in `files` files. `left` lists the files that hold
    any, by their paths in the index. Text that other sources have too is not searched for, nor are `short` texts.

    Older copies of the vectors may hold the texts too: those that are `unremoved`, since their servers could not be
    asked, and those `elsewhere`, on servers that this machine does not know.
    """

    sources: int
    passages: int
    pieces: int = 0
    short: int = 0
    files: int = 0
    left: tuple[str, ...] = ()
    unremoved: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


def unfinished(library: Library) -> list[str]:
    """Return the keys of sources that were to be forgotten when a process was killed; mostly none."""
    return list(library.setting(FORGETTING) or ())


def complete_forget(
    folder: Path, library: Library, vectors: VectorSync, erase: Callable[[Collection[str]], None]
) -> None:
    """Do what `forget` does for the sources that the Library names as being forgotten."""
    keys = unfinished(library)
    library.remove(keys)
    library.gc()
    library.compact()
    vectors.rebuild()
    vectors.finalize()
    erase(keys)
    with disk(folder):
        for path in folder.glob(f"{library.path.name}.*"):
            path.unlink()
    library.save_setting(FORGETTING, None)


def forget(
    folder: Path,
    library: Library,
    vectors: VectorSync,
    keys: Collection[str],
    erase: Callable[[Collection[str]], None],
    *,
    verify: bool,
) -> Forgotten:
    """Remove sources, and rewrite every file of the index that held them. The caller holds the write lock.

    Older versions of the Library are deleted, and `erase` removes some sources from the other files of the index. The
    Library names them until all that is done, so that `complete_forget` can do it after a kill. With `verify`, search
    all files for the texts and vectors. Raises the errors of `Library`, `VectorSync` and `erase`.
    """
    held = list(stored_of(library.path, keys))
    library.save_setting(FORGETTING, sorted({*unfinished(library), *keys}))
    complete_forget(folder, library, vectors, erase)
    if not verify:
        return Forgotten(len(keys), len(held))
    texts = {text for row in held for text in row[:3]} - {"{}", ""}  # no metadata; no other original
    gone = library.missing(digest for *_, digest, _ in held)
    lost = {vector for *_, digest, vector in held if digest in gone}
    pieces = {piece for text in texts for piece in _pieces(text.encode())}
    pieces = {piece for piece in pieces if len(piece) >= _SHORTEST}
    pieces -= _Finder(pieces).found_in(_joined(every_text(library.path)))
    pieces |= {piece for vector in lost for piece in _pieces(vector)}
    finder = _Finder(pieces)
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    with disk(folder):
        left = [path for path in paths if finder.found_in(_blocks(path))]
    return Forgotten(
        len(keys),
        len(held),
        len(pieces),
        sum(len(text.encode()) < _SHORTEST for text in texts),
        len(paths),
        tuple(path.relative_to(folder).as_posix() for path in left),
    )


def _pieces(content: bytes) -> Iterator[bytes]:
    """Yield consecutive pieces of 32 bytes: a database splits long values, but into larger parts."""
    for start in range(0, max(1, len(content) - _PIECE + 1), _PIECE):
        yield content[start : start + _PIECE]


class _Finder:
    """Finds pieces of at least eight bytes at any place in other bytes."""

    def __init__(self, pieces: Collection[bytes]) -> None:
        self._pieces: dict[int, list[bytes]] = {}
        for piece in pieces:
            self._pieces.setdefault(int.from_bytes(piece[:_SHORTEST], "little"), []).append(piece)
        self._beginnings = np.array(sorted(self._pieces), np.uint64)
        self._first = np.zeros(1 << 16, bool)
        self._first[(self._beginnings & np.uint64(0xFFFF)).astype(np.int64)] = True

    def found_in(self, blocks: Iterable[bytes]) -> set[bytes]:
        """Return the pieces that occur in some bytes, given as blocks."""
        found: set[bytes] = set()
        before = b""
        for block in blocks:
            data = before + block
            for offset in range(_SHORTEST):
                count = (len(data) - offset) // _SHORTEST
                if count <= 0:
                    continue
                words = np.frombuffer(data, "<u8", count, offset)
                at = np.flatnonzero(self._first[(words & np.uint64(0xFFFF)).astype(np.int64)])
                at = at[np.isin(words[at], self._beginnings)]
                for place in at.tolist():
                    start = offset + place * _SHORTEST
                    candidates = self._pieces[int(words[place])]
                    found.update(piece for piece in candidates if data.startswith(piece, start))
            before = data[-_PIECE:]
        return found


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _joined(texts: Iterable[str]) -> Iterator[bytes]:
    """Yield texts as blocks of bytes, with zeros between two texts."""
    waiting: list[bytes] = []
    size = 0
    for text in texts:
        waiting.append(text.encode() + b"\0" * _PIECE)
        size += len(waiting[-1])
        if size > _BLOCK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)
