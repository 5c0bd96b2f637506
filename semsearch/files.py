"""Writing a file so that it is there whole or not at all, and what the disk says to it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from semsearch.errors import SemsearchError


@contextmanager
def replacing(path: Path, *, like: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` when the block ends, once it is on the disk; or never does.

    It has the permissions of `like`, or those of a new file. Raises `OSError`.
    """
    temporary = path.with_name(f".semsearch-{uuid4().hex[:12]}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if like is not None:
            shutil.copymode(like, temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """What the operating system says of writing in a folder, as one of our errors; a wait in vain is none."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise SemsearchError(
            f"cannot write {folder}: {reason}", "check its permissions and the disk"
        ) from error
