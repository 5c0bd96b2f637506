"""Open regular files only, write a file whole or not at all, and report what the disk refuses."""

import errno
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from semsearch.errors import InvalidInput, SemsearchError


def cache_folder() -> Path:
    """Return the folder for what can be made again: `SEMSEARCH_CACHE`, or the user's cache folder on this platform."""
    from platformdirs import user_cache_path  # here, since few commands need it

    return Path(os.environ.get("SEMSEARCH_CACHE") or user_cache_path("semsearch"))


def config_folder() -> Path:
    """Return the user's configuration folder, where the command line has `semsearch.toml`."""
    from platformdirs import user_config_path

    return user_config_path("semsearch", appauthor=False, roaming=True)


def opened(path: Path) -> io.BufferedReader:
    """Open a regular file for reading, up to its present length, so that a growing file comes to an end.

    Raises `OSError`, also for a FIFO or a device, without waiting for it.
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
    """A file that ends at `end`, even while it grows."""

    def __init__(self, descriptor: int, end: int) -> None:
        super().__init__(descriptor)
        self._end = end

    def readinto(self, buffer: Any) -> int | None:
        return super().readinto(memoryview(buffer)[: self._room()])

    def readall(self) -> bytes:
        return super().read(self._room()) or b""

    def _room(self) -> int:
        return max(0, self._end - self.tell())


def read_bounded(path: Path, most: int) -> bytes:
    """Return the content of a regular file of at most `most` bytes.

    Raises `OSError`, also for a FIFO or a device, and for a file that is larger.
    """
    with opened(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return content


def new_file(path: Path, mode: int) -> BinaryIO:
    """Make a file, which must not exist, with permissions that it never exceeds, and open it. Raises `OSError`."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, mode), "w+b")


def mode_within(folder: Path) -> int:
    """Return the permissions of a new file in a folder of ours: those of the folder, without execution.

    A folder is made for its owner only; who wants to share it changes its permissions. Raises `OSError`.
    """
    return folder.stat().st_mode & 0o666


def restrict(folder: Path, like: Path) -> None:
    """Give a folder and all in it the permissions of the folder `like`. Raises `OSError`."""
    mode = stat.S_IMODE(like.stat().st_mode)
    for at, _, names in os.walk(folder):
        for path, wanted in [(Path(at), mode), *((Path(at) / name, mode & 0o666) for name in names)]:
            if stat.S_IMODE(path.lstat().st_mode) != wanted:
                path.chmod(wanted)


@contextmanager
def replacing(
    path: Path, *, like: Path | None = None, through: str = "", mode: int = 0o666
) -> Iterator[BinaryIO]:
    """Yield a file to write to, which replaces `path` at the end of the block, or never if the block fails.

    When this returns, the file and its name are on the disk. It has the permissions of `like`, or those of a new file:
    `mode`, as the umask allows. While it is written, nobody has more.
    It is written under the name `through` in the same folder, by default a name that does not exist; what an
    interrupted write has left under a given name is overwritten. Raises `OSError`.
    """
    temporary = path.with_name(through or f".semsearch-{uuid4().hex[:12]}")
    if through:
        temporary.unlink(missing_ok=True)
    try:
        with new_file(temporary, 0o600 if like else mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if like is not None:
            shutil.copymode(like, temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with suppress(PermissionError):  # a folder may be writable and not readable
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk. Does nothing on Windows, which cannot. Raises `OSError`."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def require_writable(path: Path, *, force: bool = True) -> None:
    """Raise `InvalidInput` if a file cannot be written at `path`, so this is known before hours of work.

    Its folder must exist and be writable. What is there must be a plain file, and is overwritten only with `force`.
    """
    folder = path.parent
    if not folder.is_dir():
        reason = "is not a folder" if os.path.lexists(folder) else "does not exist"
        raise InvalidInput(f"cannot write {path}: the folder {folder} {reason}", "create it first")
    if os.path.lexists(path) and not path.is_file():
        raise InvalidInput(f"{path} is not a plain file")
    if path.exists() and not force:
        raise InvalidInput(f"{path} already exists", "choose another name, or use --force to overwrite it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidInput(
            f"cannot write {path}: permission denied for the folder {folder}", "choose another folder"
        )


@contextmanager
def disk(folder: Path | str) -> Iterator[None]:
    """Raise an `OSError` of the block, which writes in a folder, as `SemsearchError`; let `TimeoutError` pass."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError as error:
        # The strerror of pyarrow is a whole story.
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SemsearchError(
            f"cannot write {folder}: {reason}", "check its permissions and the disk"
        ) from error


@contextmanager
def temporary_files() -> Iterator[None]:
    """Raise an `OSError` of the block, which uses temporary files, as `SemsearchError`."""
    try:
        yield
    except OSError as error:
        raise SemsearchError(
            f"cannot keep texts in {tempfile.gettempdir()}: {error.strerror or error}",
            "set TMPDIR to another folder for temporary files",
        ) from error


def sample_corpus() -> Path:
    """Return the folder of the sample corpus: a wheel has it in the package, and a checkout next to it."""
    packaged = Path(__file__).with_name("sample_corpus")
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "sample_corpus"
