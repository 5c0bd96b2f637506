"""Which files a folder offers: ignore files honoured, everything left out reported with its reason."""

import errno
import os
import re
import stat
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from semsearch.errors import InvalidInput
from semsearch.files import opened
from semsearch.readers.encoding import bom_encoding
from semsearch.readers.formats import BINARY_SUFFIXES, os_reason
from semsearch.types import Skipped

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

DEFAULT_MAX_BYTES = 50_000_000
IGNORE_FILES = (".semsearchignore", ".gitignore")
"""By precedence: what the first says of a file, at any depth, wins over the second."""

_BINARY_PROBE = 8192
_MOST_PATTERNS = 1_000_000
"""Bytes of an ignore file."""
_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1, "bytes"))


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read, its size in bytes and its modification time in nanoseconds."""

    path: Path
    size: int
    mtime_ns: int


def walk(roots: Sequence[Path], *, max_bytes: int = DEFAULT_MAX_BYTES) -> Iterator[Found | Skipped]:
    """The files at and below `roots`, sorted by name within each root, each once even where roots overlap.

    A folder left out is one Skipped and is not entered. `failed` marks a file or folder that could not be
    read, so nothing is known of what lies below it. Symbolic links are followed only where they are a root:
    what they point to inside a root is found under its own name. A root is taken even if hidden or ignored.
    InvalidInput, before anything is yielded, where a root does not exist.
    """
    unique: dict[Path, Path] = {}
    for root in roots:
        unique.setdefault(Path(os.path.realpath(root)), root)
        try:
            root.stat()
        except (FileNotFoundError, NotADirectoryError):
            hint = f"check the spelling; relative paths start at {Path.cwd()}"
            raise InvalidInput(f"{root} does not exist", hint) from None
        except OSError:
            pass  # it is there but cannot be read: reported in its turn
    return _walk(unique, max_bytes)


@dataclass(frozen=True, slots=True)
class _Rules:
    """The ignore files in force in a folder, the deepest first."""

    layers: tuple[tuple[Path, str, "GitIgnoreSpec"], ...] = ()

    @classmethod
    def above(cls, folder: Path) -> "_Rules":
        """The rules that the parents of `folder` lay down; `.gitignore` counts from the repository's top."""
        rules = cls()
        for parent in reversed(folder.parents):
            rules = rules.within(parent)
        return rules if any(map(_is_repository, folder.parents)) else rules._without_git()

    def within(self, folder: Path) -> "_Rules":
        """These rules and those that `folder` adds; a repository is not under the `.gitignore` around it."""
        outer = self._without_git() if _is_repository(folder) else self
        files = ((name, folder / name) for name in IGNORE_FILES)
        own = ((folder, name, _spec(_content(file))) for name, file in files if file.is_file())
        return _Rules((*own, *outer.layers))

    def ignoring(self, path: Path, is_folder: bool) -> str | None:
        """The name of the ignore file that leaves `path` out, or None. The deepest one with a say decides."""
        for kind in IGNORE_FILES:
            for folder, name, spec in self.layers:
                if name == kind:
                    entry = path.relative_to(folder).as_posix() + _END[is_folder]
                    verdict = spec.check_file(entry).include
                    if verdict is not None:
                        return name if verdict else None
        return None

    def _without_git(self) -> "_Rules":
        return _Rules(tuple(layer for layer in self.layers if layer[1] != ".gitignore"))


def _content(file: Path) -> bytes:
    """An ignore file's bytes; `OSError` where they are too many to be patterns."""
    with opened(file) as stream:
        content = stream.read(_MOST_PATTERNS + 1)
    if len(content) > _MOST_PATTERNS:
        raise OSError(errno.EFBIG, f"{file.name} has more than {_MOST_PATTERNS:,} bytes", str(file))
    return content


def _is_repository(folder: Path) -> bool:
    return (folder / ".git").exists()


# pathspec matches a list of files: a pattern that names a folder matches all that is below it. A walk asks
# of each entry whether a pattern names that very entry, so patterns and paths get a last part that no file
# can have. With it, folders of which git says "excluded, then included again" come out as git does.
_END = {False: "/\0f", True: "/\0d"}
_UNTRIMMED = re.compile(r"(?:\\.?|[^\\ ]| +(?=[^ ]))*")  # spaces at the end count only where escaped


def _spec(content: bytes) -> "GitIgnoreSpec":
    """The patterns of one ignore file, as in gitignore(5); a malformed one matches nothing, as in git.

    Classes such as `[[:digit:]]` are the one thing that pathspec does not know.
    """
    from pathspec import GitIgnoreSpec
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    def patterns() -> Iterator[GitIgnoreSpecPattern]:
        for raw in content.decode("utf-8-sig", "surrogateescape").split("\n"):  # as os decodes names
            line = _UNTRIMMED.findall(raw.removesuffix("\r"))[0]
            negation = "!" if line.startswith("!") else ""
            body = line[len(negation) :]
            end = "/\0d" if body.endswith("/") else "/\0?"
            body = body.removesuffix("/")
            if not body or line.startswith("#"):
                continue
            anchored = body if body.startswith("/") else f"/{body}" if "/" in body else f"**/{body}"
            contents = "/*" if anchored.endswith("/**") else ""
            try:
                yield GitIgnoreSpecPattern(f"{negation}{anchored}{contents}{end}")
            except (ValueError, re.error):  # the latter for a range such as [b-a]
                continue

    with warnings.catch_warnings(action="ignore"):  # re's about "[[", where git would see a class
        return GitIgnoreSpec(patterns(), backend="simple")


@dataclass(frozen=True, slots=True)
class _Entry:
    """Something to look at: its path as the user wrote it and its real one, and its folder's rules."""

    path: Path
    real: Path
    rules: _Rules | None
    """None for a root."""


def _walk(roots: dict[Path, Path], max_bytes: int) -> Iterator[Found | Skipped]:
    for real_root, root in roots.items():
        pending = [_Entry(root, real_root, None)]
        while pending:
            entry = pending.pop()
            if entry.rules is not None and entry.real in roots:
                continue  # it has a turn of its own
            try:
                outcome = _look(entry, real_root, max_bytes)
            except OSError as error:
                outcome = _skip(entry, os_reason(error), failed=True)
            if isinstance(outcome, list):
                pending.extend(reversed(outcome))
            else:
                yield outcome


def _look(entry: _Entry, root: Path, max_bytes: int) -> Found | Skipped | list[_Entry]:
    """What an entry is: a file to read, something to skip, or a folder's own entries. May raise OSError."""
    status = entry.path.stat() if entry.rules is None else entry.path.lstat()
    is_folder = stat.S_ISDIR(status.st_mode)
    if entry.rules is not None:
        if entry.path.name.startswith("."):
            return _skip(entry, "hidden folder" if is_folder else "hidden file")
        if ignored_by := entry.rules.ignoring(entry.real, is_folder):
            return _skip(entry, f"ignored by {ignored_by}")
        if stat.S_ISLNK(status.st_mode):
            return _skip(entry, _about_link(entry.real, root))
    if _readable(entry.path) != str(entry.path):
        return _skip(entry, "name is not valid UTF-8", failed=True)
    if is_folder:
        rules = (entry.rules or _Rules.above(entry.real)).within(entry.real)
        paths = sorted(entry.path.iterdir(), key=lambda path: path.name)
        return [_Entry(path, entry.real / path.name, rules) for path in paths]
    if not stat.S_ISREG(status.st_mode):
        return _skip(entry, "not a regular file")
    if not status.st_size:
        return _skip(entry, "empty file")
    if status.st_size > max_bytes:
        return _skip(entry, f"larger than {_amount(max_bytes)} (--max-size)")
    with opened(entry.path) as file:
        head = file.read(_BINARY_PROBE)
    if b"\0" in head and entry.path.suffix.lower() not in BINARY_SUFFIXES and not bom_encoding(head):
        return _skip(entry, "binary file")
    return Found(entry.path, status.st_size, status.st_mtime_ns)


def _about_link(link: Path, root: Path) -> str:
    try:
        target = Path(os.path.realpath(link, strict=True))
    except FileNotFoundError:
        return "broken symbolic link"
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return "symbolic link loop"
    if target in link.parents:
        return "symbolic link loop"
    return f"symbolic link {'inside' if target.is_relative_to(root) else 'out of'} the folder"


def _skip(entry: _Entry, reason: str, failed: bool = False) -> Skipped:
    return Skipped(_readable(entry.path), reason, failed)


def _readable(path: Path) -> str:
    """The path as text that can be stored: bytes of a name that are not UTF-8 as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _amount(size: int) -> str:
    unit, name = next((u for u in _UNITS if size >= u[0]), _UNITS[-1])
    return f"{size / unit:g} {name}"
