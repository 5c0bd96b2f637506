"""Save what can be read of a damaged Library as a new one.

Every row is checked by itself: a text must have its digest, a vector unit length. A source that lacks a passage is left
out. A source whose own row is lost has no name, so all sources are marked to be read again by the next ingest, which
embeds only texts whose vectors were lost.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamaged
from semsearch.files import disk
from semsearch.storage.library.checks import is_unit
from semsearch.storage.library.connection import FIFTH_PASSAGE_SUM, PASSAGE_SUM, VECTOR_SUM, connect
from semsearch.storage.library.records import (
    DocumentRecord,
    PassageRecord,
    SourceState,
    stored_fields,
    stored_passage,
)
from semsearch.storage.library.settings import parsed_setting
from semsearch.storage.library.store import Library
from semsearch.storage.library.untrusted import is_plain_table
from semsearch.text import text_digest

_SETTINGS = ("fingerprint", "adapter", "created", "threshold", "verifier", "last_ingest")
_ADD = 1_000
_FURTHEST = 1 << 40


@dataclass(frozen=True, slots=True)
class Salvage:
    """The result of saving a damaged Library: its `backup`, the keys of `lost` sources, and counts of the saved."""

    backup: Path
    lost: tuple[str, ...]
    sources: int
    passages: int


def salvage(path: Path) -> Salvage:
    """Replace the Library at `path` by what can be read of it, and keep the damaged file next to it.

    The caller holds the write lock, and the file is not open. Raises `IndexDamaged` where not even the name of its
    model can be read, and `SemsearchError` for a disk that fails.
    """
    backup = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    fresh = path.with_name(f"{path.name}.salvaged")
    logs = [path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-shm")]
    with disk(path.parent):
        shutil.copy2(path, backup)
        if logs[0].exists():
            shutil.copy2(logs[0], backup.with_name(f"{backup.name}-wal"))
        for left in path.parent.glob(f"{fresh.name}*"):
            left.unlink()
    try:
        with closing(connect(backup)) as old, closing(Library(fresh, create=True)) as new:
            lost = _copy(old, new)
            counts = new.counts()
    except (IndexDamaged, sqlite3.Error) as error:
        raise IndexDamaged(
            f"nothing can be saved of {path}: {error}", "remove the index's folder and ingest again"
        ) from error
    with disk(path.parent):
        for log in logs:  # first, or SQLite would take them for the new file's
            log.unlink(missing_ok=True)
        fresh.replace(path)
    return Salvage(backup, tuple(sorted(lost)), counts["sources"], counts["passages"])


def _copy(old: sqlite3.Connection, new: Library) -> set[str]:
    """Copy what is sound. Return the keys of the sources that are not copied."""
    for key in _SETTINGS if is_plain_table(old, "settings") else ():
        with suppress(sqlite3.Error, ValueError, RecursionError):
            query = "SELECT value FROM settings WHERE key = ? AND sum = checksum(key, value)"
            row = old.execute(query, (key,)).fetchone()
            if row:
                new.save_setting(key, parsed_setting(key, row[0]))
    if not isinstance(new.setting("fingerprint"), dict):
        raise IndexDamaged("the name of its model cannot be read")
    vectors: dict[bytes, NDArray[np.float32]] = {}
    for digest, blob, sound in _rows(old, "vectors", f"digest, vector, {VECTOR_SUM}"):
        with suppress(TypeError, ValueError):
            vector = np.frombuffer(blob, "<f4")
            if sound and is_unit(vector):
                vectors[digest] = vector
    lengths = [len(vector) for vector in vectors.values()]
    usual = max(set(lengths), key=lengths.count, default=0)
    vectors = {digest: vector for digest, vector in vectors.items() if len(vector) == usual}
    new.add([], vectors)  # also vectors of lost sources: their texts need not be embedded again

    lost: set[str] = set()
    passages: dict[int, list[PassageRecord]] = {}
    has_originals = any(name == "original" for _, name, *_ in old.execute("PRAGMA table_info(passages)"))
    original, sum_ = ("original", PASSAGE_SUM) if has_originals else ("''", FIFTH_PASSAGE_SUM)
    columns = (
        f"document_id, (SELECT {sum_} FROM (SELECT name AS document, metadata FROM documents"
        f" WHERE documents.id = document_id)), id, text, unit, first, last, heading, {original}"
    )
    for document, sound, id_, text, unit, first, last, heading, original in _rows(old, "passages", columns):
        with suppress(AttributeError, TypeError, ValueError):
            digest = text_digest(text) if sound else b""
            stored_passage(id_, "any", "any", text, unit, first, last, heading, original, {})  # or it raises
            if digest in vectors:
                passage = PassageRecord(id_, text, digest, unit, first, last, heading, original)
                passages.setdefault(document, []).append(passage)
    documents: dict[int, list[DocumentRecord]] = {}
    for document, source, name, digest, metadata in _rows(
        old, "documents", "id, source_id, name, digest, metadata"
    ):
        with suppress(AttributeError, TypeError, ValueError, RecursionError):
            if not isinstance(name, str) or not isinstance(digest, bytes):
                continue
            record = DocumentRecord(name, digest, stored_fields(metadata), passages.get(document, []))
            documents.setdefault(source, []).append(record)
    columns = "id, key, published, size, mtime_ns, reading, passages"
    for source, key, published, size, mtime, reading, count in _rows(old, "sources", columns):
        if not published or not isinstance(key, str) or not key or "\0" in key:
            continue
        if not (isinstance(reading, str) and type(size) is type(mtime) is int):
            lost.add(key)
            continue
        if sum(len(document.passages) for document in documents.get(source, ())) != count:
            lost.add(key)
            continue
        version = new.begin_source(key, SourceState(size, mtime, "", reading))
        some = documents.get(source, [])
        for start in range(0, len(some), _ADD):
            new.add([(version, document) for document in some[start : start + _ADD]], {})
        new.publish([(version, "")])
    return lost


def _rows(db: sqlite3.Connection, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table that can be read: from its beginning, then from its end back to the damage."""
    if not is_plain_table(db, table):  # a stranger's view could yield rows without end
        return
    seen: set[int] = set()
    for comparison, order, sign, last in (">", "ASC", 1, -1), ("<", "DESC", -1, _FURTHEST):
        query = f"SELECT rowid, {columns} FROM {table} NOT INDEXED WHERE rowid {comparison} ? ORDER BY rowid {order}"
        step = 1
        while 0 < step < _FURTHEST:
            try:
                for number, *row in db.execute(query, (last,)):
                    if number in seen and sign < 0:
                        return
                    step, last = 1, number
                    seen.add(number)
                    yield tuple(row)
                break
            except (sqlite3.Error, UnicodeDecodeError, OverflowError):
                last += sign * step
                step *= 2
