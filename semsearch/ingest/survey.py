"""Find the files that changed since the last ingest, and the sources that are gone."""

import json
import os
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from semsearch.errors import InvalidInput
from semsearch.ingest.inputs import file_sha256, skipping
from semsearch.ingest.report import Absent, IngestReport
from semsearch.ingest.sources import STANDARD_INPUT, absolute, is_below, source_key
from semsearch.patterns import Names, naming
from semsearch.readers import (
    DEFAULT_MAX_BYTES,
    READER_VERSION,
    SIGNED,
    Choice,
    Found,
    RowFields,
    RowFormat,
    code_versions,
    notes_on,
    require_columns,
    walk,
)
from semsearch.storage.library import SourceState
from semsearch.text import CLEANER_VERSION, SPLITTER_VERSION
from semsearch.types import Skipped

_FRESH_NS = 2_000_000_000
"""Nanoseconds. A file that changed this recently may change again and keep its time, so the next ingest reads it."""
_MANY, _MOST = 5, 0.5
"""More than this share of a root's sources, and at least so many, do not disappear in a day's work."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Choose what is read at and below a path, and how; an index remembers it for each path that was ingested.

    With `include` only files that match one of its patterns are read, and with `exclude` none that matches one of its
    patterns, see `semsearch.patterns.Names`. Files of more than `max_bytes` are skipped. `fields` names the columns of
    rows. With `everything`, text is read and stored that is not prose, such as lock files and encoded data.
    """

    fields: RowFields = RowFields()
    max_bytes: int = DEFAULT_MAX_BYTES
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    everything: bool = False

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> "Choices":
        """Return the choices that an index has saved for a path. What it has not saved is the default."""
        fields = RowFields()
        with suppress(ValueError, TypeError, InvalidInput):
            text, id_, format_ = saved.get("fields", ((), "", ()))
            fields = RowFields(tuple(text), id_, RowFormat(*format_))
        include, exclude = (tuple(saved.get(name, ())) for name in ("include", "exclude"))
        most = int(saved.get("max_bytes", DEFAULT_MAX_BYTES))
        return cls(fields, most, include, exclude, bool(saved.get("all", False)))

    def as_saved(self) -> dict[str, Any]:
        """Return the choices as an index saves them."""
        saved: dict[str, Any] = {
            "max_bytes": self.max_bytes,
            "include": [*self.include],
            "exclude": [*self.exclude],
        }
        if self.everything:
            saved["all"] = True
        if self.fields != RowFields():
            saved["fields"] = [[*self.fields.text], self.fields.id, [*astuple(self.fields.format)]]
        return saved

    @property
    def options(self) -> str:
        """The options of the command line that make these choices; empty for the default."""
        format_ = self.fields.format
        values = [
            *(("--include", pattern) for pattern in self.include),
            *(("--exclude", pattern) for pattern in self.exclude),
            *(("--text-field", name) for name in self.fields.text),
            ("--id-field", self.fields.id),
            ("--delimiter", format_.delimiter),
            ("--encoding", format_.encoding),
            ("--max-size", "" if self.max_bytes == DEFAULT_MAX_BYTES else str(self.max_bytes)),
        ]
        flags = {"--all": self.everything, "--lines": format_.lines, "--no-header": format_.no_header}
        given = [f"{name} {shlex.quote(value)}" for name, value in values if value]
        return " ".join(given + [flag for flag, on in flags.items() if on])

    def reading(self, name: str) -> str:
        """Return the mark of a source that this release reads with these choices; it reads others again."""
        fields = self.fields
        return json.dumps([fields.text, fields.id, astuple(fields.format), self.everything, *_versions(name)])


def _versions(name: str) -> list[int]:
    return [READER_VERSION, CLEANER_VERSION, SPLITTER_VERSION, *code_versions(name)]


def choices_of(reading: str) -> Choices | None:
    """Return the fields that a source was read with, and whether everything; None if another release read it.

    Rows may have had other numbers then.
    """
    try:
        text, id_, format_, everything, *versions = json.loads(reading)
        choices = Choices(RowFields(tuple(text), id_, RowFormat(*format_)), everything=bool(everything))
    except (ValueError, TypeError, InvalidInput, RecursionError):
        return None
    ours = choices.reading("").removesuffix("]")  # source code has one more version
    return choices if versions[: len(_versions(""))] == _versions("") and reading.startswith(ours) else None


@dataclass(frozen=True, slots=True)
class Scope:
    """The files that an ingest reads: those at and below `roots`.

    The other fields are those of `Choices`. What is None, or names no columns, is what the index remembers for a root,
    and the default for a new one. An empty pattern forgets those that it remembers. Unless `prune`, sources stay where
    a folder is empty now or most of a root is gone.
    """

    roots: Sequence[Path]
    fields: RowFields = RowFields()
    max_bytes: int | None = None
    include: Sequence[str] | None = None
    exclude: Sequence[str] | None = None
    everything: bool | None = None
    prune: bool = False

    def choices(self, root: Path, saved: Any, base: Path) -> Choices:
        """Return what is read at and below a root, where an index has `saved` scopes, which may be None."""
        own = Choices.from_saved((saved or {}).get(source_key(root, base), {}))
        given: dict[str, Any] = {
            name: value for name in ("max_bytes", "everything") if (value := getattr(self, name)) is not None
        }
        for name in ("include", "exclude"):
            if patterns := getattr(self, name):
                given[name] = tuple(pattern for pattern in patterns if pattern)
        if self.fields != RowFields():
            given["fields"] = self.fields
        return replace(own, **given)

    def added_to(self, saved: Any, base: Path) -> dict[str, Any]:
        """Return the saved scopes of an index by the key of their root, with those of this one. `saved` may be None."""
        scopes = {source_key(root, base): self.choices(root, saved, base).as_saved() for root in self.roots}
        return {**(saved or {}), **scopes}


class Survey:
    """The work of an ingest: the files of a scope that changed, and the sources that are gone.

    `known` has the sources of the index, whose keys are relative to `base`. `changed` has each file to read with its
    key and state, `total` their bytes in all, and `touched` the files whose time changed and whose content did not.
    `saved` has the choices that the index remembers. Raises `InvalidInput` for a root that does not exist.
    """

    def __init__(
        self,
        known: Mapping[str, SourceState],
        base: Path,
        scope: Scope,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        self.started = time.monotonic()
        self.known = known
        self.skipped: list[Skipped] = []
        self.changed: list[tuple[Path, str, SourceState]] = []
        self.touched: dict[str, SourceState] = {}
        self.unchanged = 0
        self.total = 0
        self.absent: tuple[Absent, ...] = ()
        found: dict[str, Found] = {}
        left_out: dict[str, str] = {}
        unmatched: list[str] = []
        named = naming(scope.include or ())
        roots_by_choices: dict[Choices, list[Path]] = {}
        self.notes: list[str] = []
        for root in scope.roots:
            choices = scope.choices(root, saved, base)
            roots_by_choices.setdefault(choices, []).append(root)
            if choices.options and choices != replace(scope, roots=[]).choices(root, None, base):
                self.notes.append(f"{source_key(root, base)} is read with {choices.options}, as remembered")
        for choices, roots in roots_by_choices.items():
            here: dict[str, Found] = {}
            for item in walk(roots, Choice(choices.max_bytes, choices.everything, named)):
                if isinstance(item, Skipped):
                    self.skipped.append(item)
                else:
                    here[source_key(item.path, base)] = item
            not_read, matchless = _left_out(list(here), self._below(roots, base), base, choices)
            left_out |= not_read
            unmatched += matchless
            for key, file in here.items():
                if key in not_read:
                    self.skipped.append(Skipped(str(file.path), not_read[key]))
                elif key not in found:  # it is read again if the options have changed, or the release
                    self._classify(file, key, choices.reading(key))
            found |= here
        self.notes += notes_on(key for _, key, _ in self.changed)
        given = {*(scope.include or ()), *(scope.exclude or ())}
        self.unmatched = tuple(pattern for pattern in dict.fromkeys(unmatched) if pattern in given)
        # A source below a folder that could not be read is not gone, since nobody looked. Nor is a file that was
        # named by itself, and that is skipped where it is only one of a folder.
        unseen = [Path(skipped.path) for skipped in self.skipped if skipped.failed]
        unseen += [
            Path(skipped.path)
            for skipped in self.skipped
            if source_key(Path(skipped.path), base) in (saved or {})
        ]
        self.gone = [
            key
            for key in known
            if key not in found
            and key not in left_out
            and any(is_below(key, root, base) for root in scope.roots)
            and not any(is_below(key, path, base) for path in unseen)
        ]
        if self.gone and not scope.prune:
            self._hold_back(found, base, scope.roots, [base / key for key in saved or {}])

    def _below(self, roots: Sequence[Path], base: Path) -> list[str]:
        return [key for key in self.known if any(is_below(key, root, base) for root in roots)]

    def _classify(self, file: Found, key: str, reading: str) -> None:
        """Sort a file into changed or unchanged: by its size, times and inode, and if these differ by its digest."""
        known = self.known.get(key)
        if known and known.digest and known.reading == reading:
            if (known.size, known.mtime_ns, known.ctime_ns, known.inode) == (
                file.size,
                file.mtime_ns,
                file.ctime_ns,
                file.inode,
            ):
                self.unchanged += 1
                if known.device != file.device:
                    self.touched[key] = replace(known, device=file.device)
                return
        else:
            known = None
        digest = ""
        with skipping(file.path, self.skipped, alone=False):
            digest = file_sha256(file.path)
        if not digest:
            return
        modified, changed = (
            0 if time.time_ns() - at < _FRESH_NS else at for at in (file.mtime_ns, file.ctime_ns)
        )
        state = SourceState(file.size, modified, digest, reading, changed, file.inode, file.device)
        if known and known.digest == digest:
            self.unchanged += 1
            self.touched[key] = state
        else:
            self.changed.append((file.path, key, state))
            self.total += file.size

    def _hold_back(
        self, found: Mapping[str, Found], base: Path, roots: Sequence[Path], ingested: Sequence[Path]
    ) -> None:
        """Keep the sources that are gone because a drive is not mounted, as far as anyone can tell, in `absent`.

        A source that was moved, so that its content is found under another name, does not count as gone. `ingested` has
        the roots of all ingests: a folder among them that is gone as a whole may be a drive, too.
        """
        moved = {state.digest for _, _, state in self.changed}
        lost = [key for key in self.gone if self.known[key].digest not in moved]
        kept: dict[tuple[str, str], set[str]] = {}

        def keep(folder: Path, reason: str, keys: Iterable[str]) -> None:
            kept.setdefault((str(folder), reason), set()).update(keys)

        renumbered = {  # after a restart a device may have another number
            self.known[key].device
            for key, file in found.items()
            if key in self.known and self.known[key].device != file.device
        }
        for root in roots:
            here = [key for key in lost if is_below(key, root, base)]
            if not here or not root.is_dir():
                continue
            hidden = len(here) >= _MANY or any((base / key).exists() for key in here)
            if (hidden or _is_empty(root)) and not any(is_below(key, root, base) for key in found):
                keep(root, "empty now" if _is_empty(root) else "nothing in it is read now", here)
                continue
            total = sum(is_below(key, root, base) for key in self.known)
            if len(here) >= _MANY and len(here) > _MOST * total:
                keep(root, f"most of its {total:,} sources are gone", here)
                continue
            drives = [path for path in ingested if path != absolute(root) and not os.path.lexists(path)]
            for key in here:
                if drive := next((path for path in drives if path in (base / key).parents), None):
                    keep(drive, "not there now", [key])
                    continue
                folder = _nearest_folder(base / key)
                device = self.known[key].device
                if folder.is_relative_to(absolute(root)) and folder != absolute(root) and _is_empty(folder):
                    keep(folder, "empty now", [key])
                elif device and device not in renumbered and folder.stat().st_dev & SIGNED != device:
                    keep(folder, "on another device than before", [key])
        held = set().union(*kept.values())
        self.gone = [key for key in self.gone if key not in held]
        self.absent = tuple(Absent(folder, len(keys), reason) for (folder, reason), keys in kept.items())

    def report(self, standard_input: bool = False) -> IngestReport:
        """Return the report of an ingest that would do this work, as a dry run.

        Raises `InvalidInput` if the only file to read has none of the columns that are named.
        """
        for path, key, state in self.changed:
            with skipping(path, self.skipped, alone=len(self.changed) == 1):
                if choices := choices_of(state.reading):
                    require_columns(path, key, choices.fields)
        keys = [key for _, key, _ in self.changed] + [STANDARD_INPUT] * standard_input
        return IngestReport(
            added=sum(key not in self.known for key in keys),
            updated=sum(key in self.known for key in keys),
            unchanged=self.unchanged,
            removed=len(self.gone),
            skipped=tuple(self.skipped),
            seconds=time.monotonic() - self.started,
            dry_run=True,
            absent=self.absent,
            unmatched=self.unmatched,
            notes=tuple(self.notes),
        )


def _left_out(
    found: Sequence[str], known: Sequence[str], base: Path, scope: Choices
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the keys that `include` and `exclude` leave out with the reason, and the patterns that match no file."""
    if not (scope.include or scope.exclude):
        return {}, ()
    keys = list(dict.fromkeys([*found, *known]))
    names = Names(keys, keys, base)
    selected = {pattern: names.select(pattern) for pattern in (*scope.include, *scope.exclude)}
    reasons: dict[str, str] = {}
    for at, key in enumerate(keys):
        excluding = next((pattern for pattern in scope.exclude if selected[pattern][at]), None)
        if excluding is not None:
            reasons[key] = f"left out by --exclude {excluding}"
        elif scope.include and not any(selected[pattern][at] for pattern in scope.include):
            reasons[key] = "left out by --include"
    return reasons, tuple(pattern for pattern, taken in selected.items() if not any(taken))


def _is_empty(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return False


def _nearest_folder(path: Path) -> Path:
    """Return the deepest folder above a path that exists."""
    return next(folder for folder in path.parents if folder.is_dir())
