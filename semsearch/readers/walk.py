"""Find the files in folders: ignore files are respected, and everything skipped is reported with its reason."""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from semsearch.errors import InvalidInput
from semsearch.files import opened
from semsearch.patterns import IgnoreRules, Rule
from semsearch.readers.formats import os_reason
from semsearch.readers.kinds import HEAD, folder_reason, kind_of
from semsearch.types import Skipped

DEFAULT_MAX_BYTES = 50_000_000
IGNORE_FILES = (".semsearchignore", ".gitignore")
"""In order of precedence: a rule of the first, at any depth, overrides the rules of the second."""

_MOST_PATTERNS = 1_000_000
"""The most bytes of an ignore file."""
SIGNED = 2**63 - 1
"""The numbers of inodes and devices are cut to what SQLite can store."""
_LIBRARY = "library.sqlite3"
_PLAN = re.compile(rb'\{\s*"note": "[^"]*semsearch')
"""The beginning of a plan."""
_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1, "bytes"))


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read: its size in bytes, its times in nanoseconds, its inode, and the device of its folder.

    `ctime_ns` is the time when its content, name or attributes last changed. No program can set it back.
    """

    path: Path
    size: int
    mtime_ns: int
    ctime_ns: int = field(default=0, compare=False)
    inode: int = field(default=0, compare=False)
    device: int = field(default=0, compare=False)

    @classmethod
    def of(cls, path: Path, status: os.stat_result) -> "Found":
        """Return a file with what the system says of it."""
        numbers = (number & SIGNED for number in (status.st_ino, path.parent.stat().st_dev))
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, *numbers)


def _nothing_named(path: Path) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Choice:
    """The files that a walk yields: those of at most `max_bytes`.

    A file that is `named` is read although it is hidden, a lock file or the like, or may hold secrets. With
    `everything`, all text is read that is neither hidden, ignored nor secret, also in folders that programs fill.
    """

    max_bytes: int = DEFAULT_MAX_BYTES
    everything: bool = False
    named: Callable[[Path], bool] = _nothing_named


def walk(roots: Sequence[Path], choice: Choice = Choice()) -> Iterator[Found | Skipped]:
    """Yield the files at and below `roots`, sorted by name within each root, each once even if roots overlap.

    A skipped folder is one `Skipped` and is not entered. `failed` marks a file or folder that could not be read, so
    nothing is known of what is below it. A symbolic link is followed only if it is a root, since its target inside a
    root is found under its real name. A root is read even if it is hidden or ignored. Raises `InvalidInput`, before
    anything is yielded, if a root does not exist.
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
            pass  # it exists but cannot be read, which is reported later
    return _walk_roots(unique, choice)


def visit(path: Path, root: Path, choice: Choice = Choice()) -> Found | Skipped | None:
    """Return what `walk([root])` yields for `path`, or for a folder above it; None where it enters a folder.

    Raises `OSError` where there is nothing at `path`.
    """
    real_root = Path(os.path.realpath(root))
    entry = _Entry(root, real_root, None)
    parts = path.relative_to(root).parts
    for part in (*parts, ""):
        try:
            outcome = _visit(entry, real_root, choice)
        except OSError as error:
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                raise
            return _skip(entry, os_reason(error), failed=True)
        if not isinstance(outcome, list):
            return outcome
        if part:
            if not outcome and (entry.path / _LIBRARY).is_file():
                return _skip(entry, "index of semsearch")
            (path / "").lstat()
            rules = (entry.rules or _Rules.above(entry.real)).within(entry.real)
            entry = _Entry(entry.path / part, entry.real / part, rules)
    return None


@dataclass(frozen=True, slots=True)
class _Rules:
    """The ignore files that apply in a folder, the deepest first."""

    layers: tuple[tuple[Path, str, IgnoreRules], ...] = ()

    @classmethod
    def above(cls, folder: Path) -> "_Rules":
        """Return the rules of the parents of `folder`; a `.gitignore` counts from the top of the repository."""
        rules = cls()
        for parent in reversed(folder.parents):
            rules = rules.within(parent)
        return rules if any(map(_is_repository, folder.parents)) else rules._without_git()

    def within(self, folder: Path) -> "_Rules":
        """Return these rules and those of `folder`; a repository does not obey the `.gitignore` around it."""
        outer = self._without_git() if _is_repository(folder) else self
        files = ((name, folder / name) for name in IGNORE_FILES)
        own = ((folder, name, IgnoreRules(_content(file), name)) for name, file in files if file.is_file())
        return _Rules((*own, *outer.layers))

    def ignoring(self, path: Path, is_folder: bool) -> tuple[Path, Rule] | None:
        """Return the ignore file and its rule that exclude `path`, or None. The deepest rule that matches decides."""
        found = self._deciding(path, is_folder)
        return None if found is None or found[1].negated else found

    def including(self, path: Path, is_folder: bool) -> bool:
        """Return whether a rule such as `!node_modules` includes `path`."""
        found = self._deciding(path, is_folder)
        return found is not None and found[1].negated

    def _deciding(self, path: Path, is_folder: bool) -> tuple[Path, Rule] | None:
        for kind in IGNORE_FILES:
            for folder, name, rules in self.layers:
                if name == kind and (rule := rules.deciding(path.relative_to(folder).as_posix(), is_folder)):
                    return folder / name, rule
        return None

    def _without_git(self) -> "_Rules":
        return _Rules(tuple(layer for layer in self.layers if layer[1] != ".gitignore"))


def _content(file: Path) -> bytes:
    """Return the bytes of an ignore file. Raises `OSError` if they are too many."""
    with opened(file) as stream:
        content = stream.read(_MOST_PATTERNS + 1)
    if len(content) > _MOST_PATTERNS:
        raise OSError(errno.EFBIG, f"{file.name} has more than {_MOST_PATTERNS:,} bytes", str(file))
    return content


def _is_repository(folder: Path) -> bool:
    return (folder / ".git").exists()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file or folder to visit: its path as the user wrote it, its real path, and the rules of its folder."""

    path: Path
    real: Path
    rules: _Rules | None
    """None for a root."""


def _walk_roots(roots: dict[Path, Path], choice: Choice) -> Iterator[Found | Skipped]:
    for real_root, root in roots.items():
        pending = [_Entry(root, real_root, None)]
        while pending:
            entry = pending.pop()
            if entry.rules is not None and entry.real in roots:
                continue  # it is visited as a root
            try:
                outcome = _visit(entry, real_root, choice)
            except OSError as error:
                outcome = _skip(entry, os_reason(error), failed=True)
            if isinstance(outcome, list):
                pending.extend(reversed(outcome))
            else:
                yield outcome


def _visit(entry: _Entry, root: Path, choice: Choice) -> Found | Skipped | list[_Entry]:
    """Return an entry as a file to read, as skipped, or as the entries of a folder. Raises `OSError`."""
    status = entry.path.stat() if entry.rules is None else entry.path.lstat()
    is_folder = stat.S_ISDIR(status.st_mode)
    if is_folder and (entry.path / _LIBRARY).is_file():
        return []  # an index, with its quarantine
    named = entry.rules is None or (not is_folder and choice.named(entry.path))
    included = named
    if entry.rules is not None:
        if entry.path.name.startswith(".") and not named:
            return _skip(entry, "hidden folder" if is_folder else "hidden file")
        if ignored := entry.rules.ignoring(entry.real, is_folder):
            rules_file, rule = ignored
            return _skip(
                entry, f"ignored by {rules_file.name}", detail=f"{rules_file}:{rule.line}: {rule.text}"
            )
        if stat.S_ISLNK(status.st_mode):
            return _skip(entry, _about_link(entry.real, root))
        included = choice.everything or entry.rules.including(entry.real, is_folder)
        if is_folder and not included and (reason := folder_reason(entry.path)):
            return _skip(entry, reason)
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
    if status.st_size > choice.max_bytes:
        return _skip(entry, f"larger than {_amount(choice.max_bytes)} (--max-size)")
    with opened(entry.path) as file:
        head = file.read(HEAD)
    if reason := kind_of(entry.path.name, head, named=named, everything=included).reason:
        return _skip(entry, reason)
    if _PLAN.match(head):
        return _skip(entry, "plan made by semsearch")
    return Found.of(entry.path, status)


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


def _skip(entry: _Entry, reason: str, failed: bool = False, detail: str = "") -> Skipped:
    return Skipped(_readable(entry.path), reason, failed, detail)


def _readable(path: Path) -> str:
    """Return the path as text that can be stored: bytes that are not UTF-8 become escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _amount(size: int) -> str:
    unit, name = next((u for u in _UNITS if size >= u[0]), _UNITS[-1])
    return f"{size / unit:g} {name}"
