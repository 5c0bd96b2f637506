"""Find the files that changed since the last ingest, and the sources that are gone."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from semsearch.errors import InvalidInput
from semsearch.ingest.inputs import file_sha256, skipping
from semsearch.ingest.report import Absent, IngestReport
from semsearch.ingest.sources import STANDARD_INPUT, absolute, is_below, source_key
from semsearch.patterns import Names
from semsearch.readers import DEFAULT_MAX_BYTES, READER_VERSION, SIGNED, Found, RowFields, RowFormat, walk
from semsearch.storage.library import SourceState
from semsearch.text import CLEANER_VERSION, SPLITTER_VERSION
from semsearch.types import Skipped

_FRESH_NS = 2_000_000_000
"""Nanoseconds. A file that changed this recently may change again and keep its time, so the next ingest reads it."""
_MANY, _MOST = 5, 0.5
"""More than this share of a root's sources, and at least so many, do not disappear in a day's work."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The files that an ingest reads: those at and below `roots`.

    With `include` only files that match one of its patterns are read, and with `exclude` none that matches one of its
    patterns, see `semsearch.patterns.Names`. Files of more than `max_bytes` are skipped. `fields` names the columns of
    rows. Unless `prune`, sources stay where a folder is empty now or most of a root is gone.
    """

    roots: Sequence[Path]
    fields: RowFields = RowFields()
    max_bytes: int = DEFAULT_MAX_BYTES
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    prune: bool = False

    def added_to(self, saved: Any, base: Path) -> dict[str, Any]:
        """Return the saved scopes of an index by the key of their root, with those of this one. `saved` may be None."""
        scope = {"max_bytes": self.max_bytes, "include": [*self.include], "exclude": [*self.exclude]}
        return {**(saved or {}), **{source_key(root, base): scope for root in self.roots}}


_VERSIONS = [READER_VERSION, CLEANER_VERSION, SPLITTER_VERSION]


def _reading(fields: RowFields) -> str:
    return json.dumps([fields.text, fields.id, astuple(fields.format), *_VERSIONS])


def fields_of(reading: str) -> RowFields | None:
    """Return the fields that a source was read with; None if another release read it, or none did.

    Rows may have had other numbers then.
    """
    try:
        text, id_, format_, *versions = json.loads(reading)
        fields = RowFields(tuple(text), id_, RowFormat(*format_))
    except (ValueError, TypeError, InvalidInput, RecursionError):
        return None
    return fields if versions == _VERSIONS and _reading(fields) == reading else None


class Survey:
    """The work of an ingest: the files of a scope that changed, and the sources that are gone.

    `known` has the sources of the index, whose keys are relative to `base`. `changed` has each file to read with its
    key and state, `total` their bytes in all, and `touched` the files whose time changed and whose content did not.
    Raises `InvalidInput` for a root that does not exist.
    """

    def __init__(self, known: Mapping[str, SourceState], base: Path, scope: Scope) -> None:
        self.started = time.monotonic()
        self.known = known
        self.fields = fields = scope.fields
        self.skipped: list[Skipped] = []
        self.changed: list[tuple[Path, str, SourceState]] = []
        self.touched: dict[str, SourceState] = {}
        self.unchanged = 0
        self.total = 0
        self.absent: tuple[Absent, ...] = ()
        found: dict[str, Found] = {}
        for item in walk(scope.roots, max_bytes=scope.max_bytes) if scope.roots else ():
            if isinstance(item, Skipped):
                self.skipped.append(item)
            else:
                found[source_key(item.path, base)] = item
        left_out, self.unmatched = _left_out(list(found), list(known), base, scope)
        # A file is read again if the options have changed, or if the release before cleaned or cut it differently.
        reading = _reading(fields)
        for key, file in found.items():
            if key in left_out:
                self.skipped.append(Skipped(str(file.path), left_out[key]))
            else:
                self._classify(file, key, reading)
        # A source below a folder that could not be read is not gone, since nobody looked.
        unseen = [Path(skipped.path) for skipped in self.skipped if skipped.failed]
        self.gone = [
            key
            for key in known
            if key not in found
            and key not in left_out
            and any(is_below(key, root, base) for root in scope.roots)
            and not any(is_below(key, path, base) for path in unseen)
        ]
        if self.gone and not scope.prune:
            self._hold_back(found, base, scope.roots)

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

    def _hold_back(self, found: Mapping[str, Found], base: Path, roots: Sequence[Path]) -> None:
        """Keep the sources that are gone because a drive is not mounted, as far as anyone can tell, in `absent`.

        A source that was moved, so that its content is found under another name, does not count as gone.
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
            for key in here:
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
        """Return the report of an ingest that would do this work, as a dry run."""
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
        )


def _left_out(
    found: Sequence[str], known: Sequence[str], base: Path, scope: Scope
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
