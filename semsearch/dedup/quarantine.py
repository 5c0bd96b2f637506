"""Carry out a plan, and undo it. Both can be killed at any point and be run again.

A run moves files to `QUARANTINE/RUN/files/`, where they keep their names. Each file moves by one `rename` within a
file system, so it is either at its place or in the quarantine. The run's manifest is on the disk before the first file
moves. The files themselves show how far the run has come. With hard links nothing is moved; the manifest records the
permissions and the time that a link loses.

A file is checked by its content, and again by its identity, size and time just before it moves. A change in between
that also resets the time is not noticed, but the moved file is whole in the quarantine. A hard link gives up bytes, so
its file is read again at the last moment. Places are checked before they are filled, but not locked: no other process
should write to the same names meanwhile.

Names are not trusted: no file is reached through a link (see `places`), and a file outside the folder that has the
index moves only where the caller allows it. A run that another user or machine wrote is not undone without leave.
"""

import hashlib
import os
import shlex
import shutil
import stat
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from semsearch.dedup.places import Place, PlaceError, is_within, reached
from semsearch.dedup.plan import Plan, PlanStep, SourceContent
from semsearch.dedup.runs import QuarantineRun, RemovalMode, RemovedFile, run_of, runs
from semsearch.errors import InvalidInput, SemsearchError
from semsearch.files import sync_folder


@dataclass(frozen=True, slots=True)
class Refusal:
    """A source that was left as it is, and the reason, such as "a.md has changed since the plan was made"."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of `apply` or `undo`: the sources done now, those done `already` before, and those refused.

    `run` is empty if there is no run. `copy_of` says of each source done what it was a copy of. `rows` is the number of
    rows that the plan removes, and `written` the number of rows written without them, or None.
    """

    run: str
    mode: RemovalMode
    done: tuple[str, ...] = ()
    already: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    rows: int = 0
    written: int | None = None
    dry_run: bool = False
    copy_of: Mapping[str, str] = field(default_factory=dict)


class _Refused(Exception):
    """Raised for a step that must not be carried out."""


def apply(
    plan: Plan,
    base: Path,
    known: Collection[str],
    quarantine: Path,
    *,
    hardlink: bool = False,
    dry_run: bool = False,
    allow: Sequence[Path] = (),
) -> Outcome:
    """Move the files that `plan` removes to a run in `quarantine`, or make them hard links to their keepers.

    `base` is the folder that sources are relative to, and `known` has the sources of the index. Every step is checked
    first. Then the valid steps are carried out, and the others are refused, each with its reason. A plan that is
    applied again continues its run. Steps about rows are only counted. A source outside `base` is refused unless it
    lies in a folder of `allow`. The caller must hold the index's write lock.

    Raises `InvalidInput`, before any file moves, if files are on another file system than the quarantine, and
    `SemsearchError` if the manifest cannot be written.
    """
    mode: RemovalMode = "hardlink" if hardlink else "move"
    run = run_of(plan, mode, quarantine)
    earlier = {removal.source: removal for removal in run.removals}
    look = _Files(plan, base, known, allow)
    steps = [step for step in plan.steps if not step.remove.row]
    rows = len(plan.steps) - len(steps)
    if not dry_run:
        run.sweep(base)
    kept = look.entries(step.keep.source for step in steps)
    ready: dict[str, RemovedFile] = {}
    already: list[str] = []
    refused: list[Refusal] = []
    for step in steps:
        source = step.remove.source
        try:
            if _carried_out(run, step, base):
                already.append(source)
            else:
                ready[source] = look.removal(step, kept, link=hardlink)
        except (OSError, _Refused) as error:
            refused.append(Refusal(source, _reason(error)))
    if not hardlink:
        _require_one_file_system(quarantine, base, ready)
    if dry_run or not ready:
        name = run.name if earlier else ""
        counts = (tuple(ready), tuple(already), tuple(refused), rows)
        return Outcome(name, mode, *counts, dry_run=dry_run, copy_of=_copies(plan, ready))
    run = replace(run, removals=tuple((earlier | ready).values()))
    try:
        run.save()
    except OSError as error:
        if not earlier:
            run.forget()
        reason = error.strerror or str(error)
        raise SemsearchError(
            f"cannot write {run.folder}: {reason}", "check its permissions and the disk"
        ) from error
    done: list[str] = []
    for removal in ready.values():
        try:
            look.require_unchanged(removal.source)
            look.require_unchanged(removal.keeper)
            if hardlink:
                _link(removal, base, run, look.check(removal.keeper))
            else:
                _hold(removal, base, run, look.check(removal.source))
            done.append(removal.source)
        except (OSError, _Refused) as error:
            refused.append(Refusal(removal.source, _reason(error)))
    _sync_parents([base / source for source in done] + [run.held(source) for source in done])
    if not done and not earlier:
        run.forget()
    name = run.name if done or earlier else ""
    counts = (tuple(done), tuple(already), tuple(refused), rows)
    return Outcome(name, mode, *counts, copy_of=_copies(plan, done))


def _copies(plan: Plan, done: Collection[str]) -> dict[str, str]:
    """Return what each source in `done` is a copy of."""
    return {step.remove.source: step.copy_of for step in plan.steps if step.remove.source in done}


def undo(quarantine: Path, base: Path, run: str = "", *, allow: Sequence[Path] = ()) -> Outcome:
    """Move the files of a run back: the named run, or the latest. When all files are back, the run is deleted.

    Nothing is overwritten: a file whose place is taken stays in the quarantine and is refused, and so is a hard link
    whose content has changed. Missing folders are created. A hard link becomes a separate file with its old permissions
    and time. Only places in `base` are filled, and those in the folders of `allow`.

    Raises `InvalidInput` if there is no run with this name; without a name that is not an error. Raises it also for a
    run that this user did not make here, unless `allow` names where its files may go.
    """
    found = {one.name: one for one in runs(quarantine)}
    if run and run not in found:
        raise InvalidInput(f"no run {run!r} to undo in {quarantine}", "`semsearch undo --list` names them")
    if not found:
        return Outcome("", "move")
    chosen = found[run or max(found)]
    if not (chosen.own or allow):
        raise InvalidInput(
            f"{chosen.folder} was not made here by you, so it may hold anything",
            f"look at its files; to put them back: semsearch undo {chosen.name} --allow {base}",
        )
    if chosen.own:
        allow = (base, *allow)
    chosen.sweep(base)
    give_back = _unlink if chosen.mode == "hardlink" else _put_back
    done: list[str] = []
    already: list[str] = []
    refused: list[Refusal] = []
    for removal in reversed(chosen.removals):
        try:
            _require_allowed(removal.source, base, allow)
            (done if give_back(removal, base, chosen) else already).append(removal.source)
        except (OSError, _Refused) as error:
            refused.append(Refusal(removal.source, _reason(error)))
    _sync_parents([base / source for source in done] + [chosen.held(source) for source in done])
    if chosen.mode == "move" or not refused:
        chosen.forget()
    copy_of = {one.source: f"copy of {one.keeper}" for one in chosen.removals if one.source in done}
    return Outcome(chosen.name, chosen.mode, tuple(done), tuple(already), tuple(refused), copy_of=copy_of)


def removed_rows(
    plan: Plan, base: Path, known: Collection[str], allow: Sequence[Path] = ()
) -> tuple[Path, frozenset[int], tuple[Refusal, ...]]:
    """Return the file that `plan` removes rows from, the numbers of these rows, and the rows that must stay.

    A row must stay if its file or its keeper's has changed, or if its file lies outside `base` and the folders of
    `allow`. Raises `InvalidInput` unless the plan removes rows from
    exactly one file.
    """
    look = _Files(plan, base, known, allow)
    steps = [step for step in plan.steps if step.remove.row]
    sources = sorted({step.remove.source for step in steps})
    if len(sources) != 1:
        many = f"rows of {len(sources)} files: {', '.join(sources[:5])}" if sources else "no rows"
        raise InvalidInput(f"the plan removes {many}", "--output is for a plan that removes rows of one file")
    drop: set[int] = set()
    refused: list[Refusal] = []
    for step in steps:
        try:
            look.check(step.remove.source)
            look.require_allowed(step.remove.source)
            look.check(step.keep.source)
            drop.add(step.remove.row)
        except _Refused as error:
            refused.append(Refusal(step.document, str(error)))
    return base / sources[0], frozenset(drop), tuple(refused)


# -- checking ------------------------------------------------------------------------------------------------

_Entry = tuple[int, int, int, int, str]
"""A directory entry: device and number of the file and of its folder, and the name without case differences."""


class _Files:
    """The present state of a plan's sources, each read once."""

    def __init__(self, plan: Plan, base: Path, known: Collection[str], allow: Sequence[Path]) -> None:
        self._contents = plan.sources
        self._base = base
        self._allow = (base, *allow)
        self._known = known
        self._seen: dict[str, os.stat_result | str] = {}

    def check(self, source: str) -> os.stat_result:
        """Return the state of a source that is as in the plan; raise `_Refused` otherwise."""
        if source not in self._seen:
            try:
                if source not in self._known:
                    raise _Refused(f"{source} is not a source of this index")
                found = _plain_file(self._base, source)
                with reached(self._base, source) as place:
                    _require_content(place, source, self._contents[source])
                self._seen[source] = found
            except _Refused as error:
                self._seen[source] = str(error)
            except OSError as error:
                self._seen[source] = f"{source}: {_reason(error)}"
        result = self._seen[source]
        if isinstance(result, str):
            raise _Refused(result)
        return result

    def require_allowed(self, source: str) -> None:
        """Raise `_Refused` for a source that lies in none of the folders where files may be moved."""
        _require_allowed(source, self._base, self._allow)

    def entries(self, sources: Iterable[str]) -> set[_Entry]:
        """Return the directory entries of the sources that are as in the plan."""
        found = set()
        for source in sources:
            with suppress(OSError, _Refused):
                found.add(_entry(self._base / source, self.check(source)))
        return found

    def removal(self, step: PlanStep, kept: Collection[_Entry], *, link: bool) -> RemovedFile:
        """Return the manifest's entry for a step; raise `_Refused` if the step must not be carried out."""
        source, keeper = step.remove.source, step.keep.source
        goes, stays = self.check(source), self.check(keeper)
        for name in (source, keeper) if link else (source,):
            self.require_allowed(name)
        # two mounts of one folder, or `a` and `A` on a file system without case
        if _entry(self._base / source, goes) in kept:
            raise _Refused(f"{source} is another name of a file to keep, so it is the last copy")
        content = self._contents[source]
        if link:
            if content != self._contents[keeper]:
                raise _Refused(f"{source} is not byte for byte the same as {keeper}")
            if (goes.st_uid, goes.st_gid) != (stays.st_uid, stays.st_gid):
                raise _Refused(f"{source} and {keeper} belong to different users")
            if _device(self._base / source) != _device(self._base / keeper):
                raise _Refused(f"{source} and {keeper} are on different file systems")
        return RemovedFile(
            source, keeper, content.sha256, content.size, stat.S_IMODE(goes.st_mode), goes.st_mtime_ns
        )

    def require_unchanged(self, source: str) -> None:
        """Raise `_Refused` if a source is another file than when it was checked, or was written to since."""
        before, now = self.check(source), _plain_file(self._base, source)
        if any(getattr(before, name) != getattr(now, name) for name in _IDENTITY):
            raise _Refused(f"{source} has just changed")


_IDENTITY = ("st_dev", "st_ino", "st_size", "st_mtime_ns")


def _require_allowed(source: str, base: Path, allow: Sequence[Path]) -> None:
    """Raise `_Refused` for a source that lies in none of the folders where files may be moved."""
    if not is_within(base / source, allow):
        raise _Refused(
            f"{source} lies outside {base}: to move it, add --allow {shlex.quote(str((base / source).parent))}"
        )


def _plain_file(base: Path, source: str) -> os.stat_result:
    """Return the state of a source's file; raise `_Refused` if it is missing or reached through a symbolic link."""
    try:
        with reached(base, source) as place:
            found = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        raise _Refused(f"{source} is not there") from None
    if stat.S_ISLNK(found.st_mode):
        raise _Refused(f"{base / source} is reached through a symbolic link")
    if not stat.S_ISREG(found.st_mode):
        raise _Refused(f"{source} is not a regular file")
    return found


def _require_content(place: Place, source: str, content: SourceContent) -> None:
    with place.open() as file:
        if os.fstat(file.fileno()).st_size != content.size or _sha256(file) != content.sha256:
            raise _Refused(f"{source} has changed since the plan was made")


def _sha256(file: Any) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _entry(path: Path, found: os.stat_result) -> _Entry:
    folder = path.parent.stat()
    name = unicodedata.normalize("NFC", path.name.casefold())
    return found.st_dev, found.st_ino, folder.st_dev, folder.st_ino, name


def _device(path: Path) -> int:
    """Return the device of the nearest folder above `path` that exists; a file's own device may differ."""
    return next(folder.stat().st_dev for folder in path.absolute().parents if os.path.exists(folder))  # noqa: PTH110


def _require_one_file_system(quarantine: Path, base: Path, sources: Iterable[str]) -> None:
    own = _device(quarantine / "run")
    if away := [source for source in sources if _device(base / source) != own]:
        others = f" and {len(away) - 1} more" if len(away) > 1 else ""
        raise InvalidInput(
            f"{away[0]}{others}: on another file system than the quarantine {quarantine}",
            "name a folder on theirs with --quarantine DIR",
        )


def _reason(error: Exception) -> str:
    if isinstance(error, PlaceError):
        return error.strerror or str(error)
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)


# -- acting --------------------------------------------------------------------------------------------------


def _carried_out(run: QuarantineRun, step: PlanStep, base: Path) -> bool:
    """Return True if a step was carried out before; raise `_Refused` if a new file is at the place of a moved one."""
    source = step.remove.source
    place = base / source
    if run.mode == "hardlink":
        return _same(place, base / step.keep.source)
    if not os.path.lexists(run.held(source)):
        return False
    if os.path.lexists(place):
        raise _Refused(f"{source} is there again, and in the quarantine too: {run.held(source)}")
    return True


def _same(path: Path, other: Path) -> bool:
    """Return True if both names exist and are the same file."""
    try:
        return os.path.samestat(path.lstat(), other.lstat())
    except OSError:
        return False


def _hold(removal: RemovedFile, base: Path, run: QuarantineRun, before: os.stat_result) -> None:
    """Move a file that was checked to the quarantine."""
    held = run.held(removal.source).relative_to(run.folder)
    with reached(base, removal.source) as place, reached(run.folder, held, create=True) as to:
        _move(place, to)
        if not os.path.samestat(before, to.lstat()):  # another file has come in between
            _move(to, place)
            raise _Refused(f"{removal.source} has just changed")


def _move(place: Place, to: Place) -> None:
    try:
        place.move(to)
    except FileExistsError:
        raise _Refused(
            f"{to.path} already exists: move it away; until then the file is {place.path}"
        ) from None


def _link(removal: RemovedFile, base: Path, run: QuarantineRun, before: os.stat_result) -> None:
    with reached(base, removal.source) as place, reached(base, removal.keeper) as keeper:
        _require_content(place, removal.source, SourceContent(removal.sha256, removal.size))
        temporary = place.sibling(run.temporary)
        try:
            keeper.link(temporary)
            if not os.path.samestat(before, temporary.lstat()):
                raise _Refused(f"{removal.keeper} has just changed")
            temporary.replace(place)
        finally:
            temporary.remove()


def _put_back(removal: RemovedFile, base: Path, run: QuarantineRun) -> bool:
    """Move a file from the quarantine to its place; return False if it is at its place."""
    held = run.held(removal.source)
    if not os.path.lexists(held):
        if not os.path.lexists(base / removal.source):
            raise _Refused(f"{removal.source} is neither at its place nor in the quarantine")
        return False
    with reached(run.folder, held.relative_to(run.folder)) as from_:
        from_.file()
        with reached(base, removal.source, create=True) as place:
            _move(from_, place)
    return True


def _unlink(removal: RemovedFile, base: Path, run: QuarantineRun) -> bool:
    """Make a hard link a separate file; return False if it is one already."""
    with reached(base, removal.source, create=True) as place, reached(base, removal.keeper) as keeper:
        there = place.exists()
        if there and not _same(place.path, keeper.path):
            found = place.lstat()
            if not stat.S_ISREG(found.st_mode):
                raise _Refused(f"something other than a file is at {place.path}: move it away")
            if (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (removal.permissions, removal.mtime_ns):
                return False
        if not there and not keeper.exists():
            raise _Refused(f"neither {removal.source} nor {removal.keeper} is there")
        temporary = place.sibling(run.temporary)
        try:
            with (place if there else keeper).open() as file, temporary.create() as copy:
                shutil.copyfileobj(file, copy)
                copy.flush()
                os.fsync(copy.fileno())
                copy.seek(0)
                if _sha256(copy) != removal.sha256:
                    raise _Refused(
                        f"{removal.source} has changed since, and {removal.keeper} with it if it is a link"
                    )
                os.fchmod(copy.fileno(), removal.permissions)
                os.utime(copy.fileno(), ns=(removal.mtime_ns, removal.mtime_ns))
            temporary.replace(place)
        finally:
            temporary.remove()
    return True


def _sync_parents(paths: Iterable[Path]) -> None:
    for folder in {path.parent for path in paths}:
        with suppress(OSError):
            sync_folder(folder)
