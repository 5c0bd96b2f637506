"""Reach a file below a folder name by name, never through a symbolic link, and work on it there.

The names come from an index, a plan or a manifest, which a stranger may have written; and somebody may put a link in
place of a folder between a check and the act. So every folder on the way is opened in the one before it, as git and
tar do, and the file is named in the last one. Where the system cannot do that (Windows), folders are only looked at.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

_BY_DESCRIPTOR = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
_FILE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class PlaceError(OSError):
    """Raised for a file that is not to be used: it is reached through a symbolic link, or is not a regular file."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EINVAL, message)


def _link_error(path: Path) -> PlaceError:
    return PlaceError(f"{path} is reached through a symbolic link")


@dataclass(frozen=True, slots=True)
class Place:
    """A name in an open folder, whether or not there is a file. Without `folder` the name is a whole path.

    Every method raises `OSError`, and none follows a link.
    """

    folder: int | None
    name: str
    path: Path

    def lstat(self) -> os.stat_result:
        """Return the state of what has the name."""
        return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)

    def exists(self) -> bool:
        """Return True where anything has the name, also a broken link."""
        try:
            self.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def file(self) -> os.stat_result:
        """Return the state of the regular file. Raises `PlaceError` for anything else."""
        found = self.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise _link_error(self.path)
        if not stat.S_ISREG(found.st_mode):
            raise PlaceError(f"{self.path} is not a regular file")
        return found

    def open(self) -> io.BufferedReader:
        """Open the regular file for reading."""
        before = self.file()
        file = io.open(os.open(self.name, os.O_RDONLY | _FILE, dir_fd=self.folder), "rb")  # noqa: UP020, SIM115
        if not os.path.samestat(before, os.fstat(file.fileno())):
            file.close()
            raise PlaceError(f"{self.path} has just changed")
        return file

    def create(self) -> io.BufferedRandom:
        """Make a file that only its owner may read, and open it for reading and writing."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _FILE
        return io.open(os.open(self.name, flags, 0o600, dir_fd=self.folder), "w+b")  # noqa: UP020

    def move(self, to: "Place") -> None:
        """Give the file the name `to`. Raises `FileExistsError` where that is taken."""
        if to.exists():
            raise FileExistsError(errno.EEXIST, f"{to.path} already exists")
        os.rename(self.name, to.name, src_dir_fd=self.folder, dst_dir_fd=to.folder)

    def replace(self, to: "Place") -> None:
        """Give the file the name `to`, in place of what has it."""
        os.replace(self.name, to.name, src_dir_fd=self.folder, dst_dir_fd=to.folder)

    def link(self, to: "Place") -> None:
        """Give the file the name `to` as well, which must be free."""
        os.link(self.name, to.name, src_dir_fd=self.folder, dst_dir_fd=to.folder, follow_symlinks=False)

    def remove(self) -> None:
        """Remove the name, where it exists."""
        with suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=self.folder)

    def sibling(self, name: str) -> "Place":
        """Return another name in the same folder."""
        path = self.path.with_name(name)
        return Place(self.folder, str(path) if self.folder is None else name, path)


@contextmanager
def reached(root: Path, name: PurePath | str, *, create: bool = False) -> Iterator[Place]:
    """Yield the place of a file below the folder `root`, or of an absolute name, without following a link.

    With `create` missing folders are made, for their owner only. `root` itself may be reached through a link. Raises
    `PlaceError` for a link, and `OSError` where a folder is missing or is a file.
    """
    path = PurePath(name)
    top, parts = (Path(path.anchor), path.parts[1:]) if path.anchor else (root, path.parts)
    if not parts or ".." in parts:
        raise PlaceError(f"{name} does not name a file")
    whole = top.joinpath(*parts)
    folder = os.open(top, _FOLDER) if _BY_DESCRIPTOR else None
    try:
        for at, part in enumerate(parts[:-1], 1):
            step = Place(folder, part if folder is not None else str(top.joinpath(*parts[:at])), whole)
            if create and not step.exists():
                os.mkdir(step.name, 0o700, dir_fd=folder)
            found = step.lstat()
            junction = bool(getattr(found, "st_reparse_tag", 0))  # of Windows
            if stat.S_ISLNK(found.st_mode) or junction:
                raise _link_error(whole)
            if not stat.S_ISDIR(found.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(whole))
            if folder is not None:
                inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
        yield Place(folder, parts[-1] if folder is not None else str(whole), whole)
    finally:
        if folder is not None:
            os.close(folder)


def is_within(path: Path, folders: Sequence[Path]) -> bool:
    """Return True where a path lies in one of some folders, by its name."""
    own = Path(os.path.abspath(path))  # noqa: PTH100 - resolve follows links
    return any(own.is_relative_to(os.path.abspath(folder)) for folder in folders)  # noqa: PTH100
