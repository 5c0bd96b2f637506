"""Change the model of an index to an adapted one, and back.

The new vectors are staged in a file, and the old ones kept in another. Then one transaction puts the new ones in place,
with the fingerprint, and empties what was tuned for the old model. A kill before it leaves the index as it was, with
files that nothing names and the next change removes. The kept vectors make the way back exact.

Such a file has a row for each vector: the digest of its text, 16 bytes, and its numbers in float32. The Library names
the file with its SHA-256, so a row is used only where the file is as it was written.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from semsearch.embedding import Embedder, embed_checked
from semsearch.embedding.adapter import Adapter, Factors, save_adapter
from semsearch.errors import InvalidInput, SemsearchError
from semsearch.files import disk, mode_within, opened, replacing
from semsearch.storage.index_dir import ADAPTED, stored_fingerprint
from semsearch.storage.library import Library

ADAPTER = "adapter"
"""The setting that names the adapter of an index, its base, and what was kept for the way back."""
_NEXT, _STAGED = "adapted-next.bin", "adapted-staged.bin"
_BEFORE, _FACTORS = "adapted-before-{}.bin", "adapter-{}.safetensors"
_TUNED = ("threshold", "verifier", "relevance")
"""The settings that hold for one model only."""
_DIGEST, _PAGE = 16, 4096

_Row = tuple[bytes, bytes]
Progress = Callable[[int, int], None]


def adapter_of(folder: Path, library: Library) -> Adapter | None:
    """Return the adapter of an index, or None."""
    held = library.setting(ADAPTER)
    return held and Adapter(folder / _FACTORS.format(held["sha256"][:16]), held["sha256"])


def base_of(library: Library) -> dict[str, str | int]:
    """Return the stored fingerprint of the model that was adapted. Raises `InvalidInput` where none was."""
    held = library.setting(ADAPTER)
    if not held:
        raise InvalidInput("the model of this index is not adapted, so there is nothing to undo")
    base: dict[str, str | int] = held["base"]
    return base


def adapted_from(library: Library) -> str | None:
    """Return the name of the model that an index's own was adapted from, or None."""
    return str(base_of(library)["model"]) if library.setting(ADAPTER) else None


def adopt(
    folder: Path,
    library: Library,
    factors: Factors,
    load: Callable[[Adapter], Embedder],
    progress: Progress | None = None,
) -> Embedder:
    """Move an index to an adapted model, and return the model. The caller holds the write lock.

    `load` loads the index's model with an adapter. `progress` is called with the texts embedded so far, and all.
    Raises `SemsearchError` on a full disk, and what the model raises; then nothing has changed. Afterwards the vector
    engine is to be rebuilt.
    """
    with disk(folder):
        _clean(folder, library)
        library.gc()
        temporary = save_adapter(folder / _FACTORS.format("next"), factors)
        adapter = Adapter(folder / _FACTORS.format(temporary.sha256[:16]), temporary.sha256)
        temporary.path.replace(adapter.path)
        try:
            embedder = load(adapter)
            total = library.counts()["vectors"]
            staged = _write(
                folder / _NEXT,
                _embedded(chain.from_iterable(library.embedded_texts(_PAGE)), embedder, total, progress),
            )
            before = _write(folder / _STAGED, library.stored_vectors())
            kept = folder / _BEFORE.format(before[:16])
            (folder / _STAGED).replace(kept)
            held = {
                "sha256": adapter.sha256,
                "base": library.setting("fingerprint"),
                "before": before,
                "tuned": {name: library.setting(name) for name in _TUNED},
            }
            settings = dict.fromkeys(_TUNED) | {
                "fingerprint": stored_fingerprint(embedder.fingerprint),
                ADAPTER: held,
            }
            library.replace_vectors(_rows(folder / _NEXT, staged, embedder.fingerprint.dimension), settings)
        finally:
            _clean(folder, library)
    return embedder


def go_back(
    folder: Path, library: Library, base: Callable[[], Embedder], progress: Progress | None = None
) -> None:
    """Move an index back to the model that was adapted, with its vectors and what was tuned for it, as they were.

    `base` loads that model where texts have come since. The caller holds the write lock. Raises `InvalidInput` where
    there is nothing to undo, and `SemsearchError` for a kept file that is gone or damaged; then nothing has changed.
    """
    stored = base_of(library)
    held = library.setting(ADAPTER)
    dimension = int(stored["dimension"])
    library.gc()
    kept = _rows(folder / _BEFORE.format(held["before"][:16]), held["before"], dimension)
    known = {digest for digest, _ in kept}
    new = [
        (digest, text)
        for page in library.embedded_texts(_PAGE)
        for digest, text in page
        if digest not in known
    ]
    rows: Iterator[_Row] = _rows(folder / _BEFORE.format(held["before"][:16]), held["before"], dimension)
    if new:
        rows = chain(rows, _embedded(new, base(), len(new), progress))
    library.replace_vectors(rows, held["tuned"] | {"fingerprint": stored, ADAPTER: None})
    with disk(folder):
        _clean(folder, library)


def forget_kept(folder: Path, library: Library) -> None:
    """Remove from the kept vectors those whose texts the Library has no more; of a damaged file, all."""
    held = library.setting(ADAPTER)
    if not held:
        with disk(folder):
            _clean(folder, library)
        return
    path = folder / _BEFORE.format(held["before"][:16])
    dimension = int(held["base"]["dimension"])
    present = {digest for digest, _ in library.stored_vectors()}
    with disk(folder):
        rows = (row for row in _rows(path, held["before"], dimension) if row[0] in present)
        try:
            digest = _write(folder / _STAGED, rows)
        except SemsearchError:
            path.unlink(missing_ok=True)
            return
        (folder / _STAGED).replace(folder / _BEFORE.format(digest[:16]))
        library.save_setting(ADAPTER, {**held, "before": digest})
        _clean(folder, library)


def _embedded(
    texts: Iterable[tuple[bytes, str]], embedder: Embedder, total: int, progress: Progress | None
) -> Iterator[_Row]:
    """Yield the digest and the vector of each text."""
    done = 0
    page: list[tuple[bytes, str]] = []
    for one in chain(texts, [None]):
        if one is not None:
            page.append(one)
        if page and (one is None or len(page) == _PAGE):
            vectors = embed_checked(embedder, [text for _, text in page])
            yield from (
                (digest, row.astype("<f4").tobytes()) for (digest, _), row in zip(page, vectors, strict=True)
            )
            done, page = done + len(page), []
            if progress is not None:
                progress(done, total)


def _write(path: Path, rows: Iterable[_Row]) -> str:
    """Write rows to a file, and return its SHA-256."""
    digest = hashlib.sha256()
    with replacing(path, mode=mode_within(path.parent)) as file:
        for row in rows:
            content = b"".join(row)
            digest.update(content)
            file.write(content)
    return digest.hexdigest()


def _rows(path: Path, sha256: str, dimension: int) -> Iterator[_Row]:
    """Yield the rows of a file. Raises `SemsearchError` at the end, and before a change ends, for another digest."""
    digest, size = hashlib.sha256(), _DIGEST + 4 * dimension
    try:
        with opened(path) as file:
            while row := file.read(size):
                digest.update(row)
                vector = np.frombuffer(row[_DIGEST:], "<f4") if len(row) == size else np.zeros(1, np.float32)
                if not abs(float(np.linalg.norm(vector)) - 1) < 1e-3:
                    raise SemsearchError(f"{path} is damaged: it has a vector that is not of unit length")
                yield row[:_DIGEST], row[_DIGEST:]
    except OSError as error:
        raise SemsearchError(f"cannot read {path}: {error.strerror}", "ingest into a new index") from error
    if digest.hexdigest() != sha256:
        raise SemsearchError(f"{path} is damaged: it has another SHA-256", "ingest into a new index")


def _clean(folder: Path, library: Library) -> None:
    """Remove the files of changes that are not in use."""
    held = library.setting(ADAPTER)
    used = {_FACTORS.format(held["sha256"][:16]), _BEFORE.format(held["before"][:16])} if held else set()
    for pattern in ADAPTED:
        for path in folder.glob(pattern):
            if path.name not in used:
                path.unlink()
