"""Read and write the runs in a quarantine: each has a folder, with a manifest of the files it moves or links."""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from semsearch.dedup.places import PlaceError, reached
from semsearch.dedup.plan import Plan
from semsearch.errors import InvalidInput, SemsearchError
from semsearch.files import replacing, sync_folder
from semsearch.strict_json import digest_of, load_json, one_of, source_of, take

FOLDER = "quarantine"
"""The name of the quarantine in the folder of an index."""
RemovalMode = Literal["move", "hardlink"]

_MANIFEST, _IGNORE = "manifest.json", ".semsearchignore"
_MANIFEST_TEMPORARY = f".{_MANIFEST}.semsearch"
_FILES, _OUTSIDE = "files", "outside"
"""Folders of a run: for sources below the base folder, and for sources with an absolute name."""
_RUN = f"{'[0-9]' * 8}T{'[0-9]' * 6}Z-{'[0-9a-f]' * 8}"
_NOTE = (
    "A run of semsearch apply. In mode move, each source is in files/ or still at its place. In mode hardlink, each "
    "is a link to its keeper or still a separate file. To put all back: semsearch undo RUN."
)


@dataclass(frozen=True, slots=True)
class RemovedFile:
    """A removed source as it was, with permissions and time: an entry of the manifest."""

    source: str
    keeper: str
    sha256: str
    size: int
    permissions: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class QuarantineRun:
    """A run of `apply` that is not undone: its folder, and the files it has moved or linked, or will."""

    folder: Path
    mode: RemovalMode
    removals: tuple[RemovedFile, ...]
    own: bool = True
    """True where this user's `apply` made the run in this very folder, and nobody has copied it here."""

    @property
    def name(self) -> str:
        """The name of the run: its UTC time, and eight hexadecimal digits of the plan's hash."""
        return self.folder.name

    def held(self, source: str) -> Path:
        """Return the path of a source's file in the quarantine."""
        path = Path(source)
        return self.folder.joinpath(_OUTSIDE, *path.parts[1:]) if path.anchor else self.folder / _FILES / path

    @property
    def temporary(self) -> str:
        """The name of a temporary file in a source's folder, before it is renamed to the source."""
        return f".semsearch-{self.name.rpartition('-')[2]}"

    def save(self) -> None:
        """Write the manifest and wait until it is on the disk. Raises `OSError`.

        The folder is for its owner only: files of private folders come into it.
        """
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)
        manifest = {
            "note": _NOTE,
            "version": 1,
            "mode": self.mode,
            "folder": self._made(),
            "removals": [asdict(removal) for removal in self.removals],
        }
        with replacing(self.folder / _MANIFEST, through=_MANIFEST_TEMPORARY, mode=0o600) as file:
            file.write((json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode())
        # so that an ingest of a folder around it finds no copies
        (self.folder / _IGNORE).write_text("*\n", encoding="utf-8")
        sync_folder(self.folder.parent)

    def _made(self) -> str:
        """Return what a copy of the run's folder, or one from an archive, does not have: the number of its inode."""
        return str(self.folder.lstat().st_ino)

    def sweep(self, base: Path) -> None:
        """Remove the remains of killed processes: temporary links and copies, and empty runs."""
        if self.own:
            for source in {removal.source for removal in self.removals}:
                with suppress(OSError), reached(base, source) as place:
                    place.sibling(self.temporary).remove()
        for folder in self.folder.parent.glob(_RUN):
            if not any(os.path.lexists(folder / name) for name in (_MANIFEST, _FILES, _OUTSIDE)):
                with suppress(OSError):
                    _remove_run_folder(folder)

    def forget(self) -> None:
        """Remove the run's folder if it has no files left."""
        tops = [self.folder / _FILES, self.folder / _OUTSIDE]
        for top in tops:
            if self.folder.is_symlink() or top.is_symlink():
                continue
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()
        if not any(os.path.lexists(top) for top in tops):
            with suppress(OSError):
                _remove_run_folder(self.folder)


def runs(quarantine: Path) -> list[QuarantineRun]:
    """Return the runs that can be undone, the latest last. Raises `InvalidInput` for a damaged manifest."""
    return [_load_run(path) for path in sorted(quarantine.glob(f"{_RUN}/{_MANIFEST}"))]


def run_of(plan: Plan, mode: RemovalMode, quarantine: Path) -> QuarantineRun:
    """Return the run of a plan: the one that was begun, or a new one that is not written yet."""
    identity = hashlib.sha256(f"{mode}\n{plan.text()}".encode()).hexdigest()[:8]
    begun = [run for run in runs(quarantine) if run.own and run.name.endswith(f"-{identity}")]
    return (
        begun[-1]
        if begun
        else QuarantineRun(quarantine / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{identity}", mode, ())
    )


_MOST_BYTES = 256_000_000
"""The largest manifest that is read: enough for about a million files."""
_REMOVAL = {"source": str, "keeper": str, "sha256": str, "size": int, "permissions": int, "mtime_ns": int}


def _load_run(path: Path) -> QuarantineRun:
    hint = f"the files are below {path.parent / _FILES}, under their own names"
    try:
        with reached(path.parent.parent, f"{path.parent.name}/{path.name}") as place, place.open() as file:
            text = file.read(_MOST_BYTES + 1)
        made = path.parent.lstat()
    except PlaceError as error:
        raise InvalidInput(
            f"{path} is damaged: {error.strerror}", "an apply makes no links: remove it"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise SemsearchError(f"cannot read {path}: {reason}", "check its permissions and the disk") from error
    try:
        if len(text) > _MOST_BYTES:
            raise InvalidInput(f"it has more than {_MOST_BYTES:,} bytes")
        loaded = load_json(text)
        kinds = {"note": str, "version": int, "mode": str, "removals": list}
        by_us = isinstance(loaded, dict) and "folder" in loaded
        top = take(loaded, "the manifest", kinds | {"folder": str} if by_us else kinds)
        removals = [
            RemovedFile(**take(value, f"removal {number}", _REMOVAL))
            for number, value in enumerate(top["removals"], 1)
        ]
        for removal in removals:
            source_of(removal.source, "source")
            source_of(removal.keeper, "keeper")
            digest_of(removal.sha256, removal.source)
            if not (0 <= removal.permissions <= 0o7777 and abs(removal.mtime_ns) < 1 << 62):
                raise InvalidInput(f"{removal.source}: its permissions or time are not possible")
        own = top.get("folder") == str(made.st_ino) and (os.name == "nt" or made.st_uid == os.geteuid())
        mode = one_of(get_args(RemovalMode), top["mode"], "mode")
        return QuarantineRun(path.parent, mode, tuple(removals), own)
    except InvalidInput as error:
        raise InvalidInput(f"{path} is damaged: {error}", hint) from error


def _remove_run_folder(folder: Path) -> None:
    if folder.is_symlink():
        return
    for name in (_MANIFEST_TEMPORARY, _IGNORE, _MANIFEST):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()
