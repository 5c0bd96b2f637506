"""Find the files to read, and say which of them could not be read: the same for an index and for data sets."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from semsearch.errors import InvalidInput, UnreadableSource
from semsearch.files import opened
from semsearch.readers import DEFAULT_MAX_BYTES, Choice, Found, os_reason, walk
from semsearch.types import Skipped


def walk_named(roots: Sequence[Path]) -> Iterator[Found | Skipped]:
    """Yield the files at and below `roots` as `walk` does, but a file that is itself a root whatever its size.

    Such a file is rows as a rule, and rows stream. Raises `InvalidInput` as `walk` does.
    """
    for item in walk(roots, Choice(sys.maxsize)):
        if isinstance(item, Found) and item.size > DEFAULT_MAX_BYTES and item.path not in roots:
            yield Skipped(str(item.path), "too large to be read unless it is named")
        else:
            yield item


@contextmanager
def skipping(path: Path, skipped: list[Skipped], *, alone: bool) -> Iterator[None]:
    """Add `path` to `skipped` if the block cannot read it.

    `alone` says that no other file is read. Then `InvalidInput`, such as for a missing column, is raised instead.
    """
    try:
        yield
    except UnreadableSource as error:
        cause = error.__cause__
        reason = os_reason(cause) if isinstance(cause, OSError) else str(error)
        skipped.append(Skipped(str(path), reason, failed=True))
    except InvalidInput as error:
        if alone:
            raise
        skipped.append(Skipped(str(path), str(error), failed=True))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hex. Raises `UnreadableSource` if it cannot be read."""
    try:
        with opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableSource(f"{path}: {os_reason(error)}") from error
