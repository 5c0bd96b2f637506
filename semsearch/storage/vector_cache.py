"""Keep vectors of data sets in the user's cache folder, so that a second look at the same texts embeds nothing.

One SQLite file holds vectors under digests of a text and of the model's fingerprint, and no texts. It is for its owner
only, and limited in size: vectors that nobody used for the longest time go first. Whatever is wrong with it, texts are
embedded as without it. `docs/data-sets.md` says what it reveals.
"""

import hashlib
import json
import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from semsearch.embedding import Embedder, ProgressCallback, Vectors, embed_checked
from semsearch.files import cache_folder, new_file
from semsearch.requests import DEFAULT_CACHE, bytes_of
from semsearch.storage.library.connection import checksum

ENVIRONMENT = "SEMSEARCH_VECTOR_CACHE"
"""The variable that has the limit, such as 2GB; 0 turns the cache off."""
_FILE = "vectors.sqlite3"
_VERSION = 1
_BUSY_SECONDS = 5
_PAGE = 500
_KEPT = 0.8
"""The share of the limit that is filled after old vectors were deleted."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SCHEMA = """
CREATE TABLE vectors (
    key BLOB PRIMARY KEY, vector BLOB NOT NULL, sum INTEGER NOT NULL, used INTEGER NOT NULL
) STRICT
"""


@contextmanager
def vector_cache(limit: int | None = None) -> Iterator["VectorCache | None"]:
    """Yield the user's cache, or None where it is turned off or its folder is not private to this user.

    `limit` is its most bytes, and 0 turns it off; None takes it from the variable, else `DEFAULT_CACHE`.
    """
    if limit is None:
        limit = bytes_of(os.environ.get(ENVIRONMENT) or str(DEFAULT_CACHE))
    path = _private_file(cache_folder() / "vectors") if limit > 0 else None
    if path is None:
        yield None
        return
    cache = VectorCache(path, limit)
    try:
        yield cache
    finally:
        cache.close()


def _private_file(folder: Path) -> Path | None:
    """Return the file of the cache, made if it is missing; None unless only this user can reach it."""
    path = folder / _FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            new_file(path, 0o600).close()
        for one, kind in ((folder, stat.S_ISDIR), (path, stat.S_ISREG)):
            found = one.lstat()
            private = os.name == "nt" or (found.st_uid == os.geteuid() and not found.st_mode & 0o077)
            if not (kind(found.st_mode) and private):
                return None
    except OSError:
        return None
    return path


class VectorCache:
    """An open cache, for one thread. Other processes may use the same file at the same time."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit = path, limit
        self._db: sqlite3.Connection | None = None
        with self._failing_softly():
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("BEGIN IMMEDIATE")
            if self._db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                self._db.execute("DROP TABLE IF EXISTS vectors")
                self._db.execute(_SCHEMA)
                self._db.execute(f"PRAGMA user_version = {_VERSION}")
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def embed(
        self, embedder: Embedder, texts: Sequence[str], progress: ProgressCallback | None = None
    ) -> Vectors:
        """Return what `embed_checked` does for passages; only vectors that the cache lacks are computed."""
        fingerprint = hashlib.blake2b(json.dumps(asdict(embedder.fingerprint)).encode(), digest_size=20)
        keys = []
        for text in texts:
            one = fingerprint.copy()
            one.update(b"\0" + text.encode("utf-8", "surrogatepass"))
            keys.append(one.digest())
        vectors = np.empty((len(texts), embedder.fingerprint.dimension), np.float32)
        known = self._read(keys, vectors)
        missing = np.flatnonzero(~known).tolist()
        if progress is not None and len(missing) < len(texts):
            progress(len(texts) - len(missing))
        if missing:
            vectors[missing] = embed_checked(embedder, [texts[at] for at in missing], progress=progress)
            self._write([keys[at] for at in missing], vectors[missing])
        return vectors

    def _read(self, keys: Sequence[bytes], into: Vectors) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Copy the vectors that are stored and sound; return for each key whether it was."""
        known = np.zeros(len(keys), np.bool_)
        today, size = _today(), into.shape[1] * 4
        with self._failing_softly():
            for start in range(0, len(keys) if self._db else 0, _PAGE):
                assert self._db is not None
                page = keys[start : start + _PAGE]
                marks = ",".join("?" * len(page))
                query = f"SELECT key, vector, sum, used FROM vectors WHERE key IN ({marks})"
                found = {key: row for key, *row in self._db.execute(query, page).fetchall()}
                for at, key in enumerate(page, start):
                    vector, sum_, _ = found.get(key, (b"", 0, 0))
                    if len(vector) == size and checksum(key, vector) == sum_:
                        into[at] = np.frombuffer(vector, "<f4")
                        known[at] = True
                if old := [key for key, (*_, used) in found.items() if used != today]:
                    self._db.executemany(
                        "UPDATE vectors SET used = ? WHERE key = ?", [(today, k) for k in old]
                    )
        norms = np.linalg.norm(into[known], axis=1)
        known[np.flatnonzero(known)[~(np.abs(norms - 1) < 1e-3)]] = False
        return known

    def _write(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        today = _today()
        contents = (vector.astype("<f4").tobytes() for vector in vectors)
        with self._failing_softly():
            if self._db is None:
                return
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)",
                (
                    (key, content, checksum(key, content), today)
                    for key, content in zip(keys, contents, strict=True)
                ),
            )
            self._evict(self._db)
            self._db.execute("COMMIT")

    def _evict(self, db: sqlite3.Connection) -> None:
        """Delete the vectors that were not used for the longest time, where the file is larger than the limit."""
        pages, free, size = (
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        used = (pages - free) * size
        if used > self._limit:
            (count,) = db.execute("SELECT count(*) FROM vectors").fetchone()
            gone = int(count * (1 - _KEPT * self._limit / used)) + 1
            query = (
                "DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM vectors ORDER BY used, rowid LIMIT ?)"
            )
            db.execute(query, (gone,))

    @contextmanager
    def _failing_softly(self) -> Iterator[None]:
        """End the use of the cache where SQLite cannot go on, and delete a file that it finds damaged."""
        try:
            yield
        except sqlite3.Error as error:
            self.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                for suffix in ("", "-wal", "-shm"):
                    with suppress(OSError):
                        Path(f"{self._path}{suffix}").unlink()


def _today() -> int:
    return int(time.time()) // 86_400
