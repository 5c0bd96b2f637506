"""Reading a plain file and nothing else; writing one so that it is there whole or not at all; what the disk says."""

import errno
import io
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from semsearch.errors import SemsearchError


def opened(path: Path) -> io.BufferedReader:
    """A plain file to read, as long as it is now: one that grows meanwhile does not keep a reader for ever.

    What has become a FIFO or a device since it was found is not waited for. Raises `OSError`.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = _Bounded(descriptor, os.fstat(descriptor).st_size)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(code, os.strerror(code) if stat.S_ISDIR(mode) else "not a regular file", str(path))
    return io.BufferedReader(file)


class _Bounded(io.FileIO):
    """A file that ends at `end`, whatever is written to it."""

    def __init__(self, descriptor: int, end: int) -> None:
        super().__init__(descriptor)
        self._end = end

    def readinto(self, buffer: Any) -> int | None:
        return super().readinto(memoryview(buffer)[: self._room()])

    def readall(self) -> bytes:
        return super().read(self._room()) or b""

    def _room(self) -> int:
        return max(0, self._end - self.tell())


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


def write_whole(path: Path, text: str) -> None:
    """Put `text` in place of `path` at once, and on the disk before returning. Raises `OSError`."""
    temporary = path.with_name(f".{path.name}.semsearch")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync(folder: Path) -> None:
    """Have the entries of a folder on the disk, where the system can say so (Windows cannot)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
