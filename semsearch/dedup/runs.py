"""Read and write the runs in a quarantine: each has a folder, with a manifest of the files it moves or links."""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

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
        """Write the manifest and wait until it is on the disk. Raises `OSError`."""
        manifest = {
            "note": _NOTE,
            "version": 1,
            "mode": self.mode,
            "removals": [asdict(removal) for removal in self.removals],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / _MANIFEST, through=_MANIFEST_TEMPORARY) as file:
            file.write((json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode())
        # so that an ingest of a folder around it finds no copies
        (self.folder / _IGNORE).write_text("*\n", encoding="utf-8")
        sync_folder(self.folder.parent)

    def sweep(self, base: Path) -> None:
        """Remove the remains of killed processes: temporary links and copies, and empty runs."""
        for folder in {(base / removal.source).parent for removal in self.removals}:
            with suppress(OSError):
                (folder / self.temporary).unlink()
        for folder in self.folder.parent.glob(_RUN):
            if not any((folder / name).exists() for name in (_MANIFEST, _FILES, _OUTSIDE)):
                with suppress(OSError):
                    _remove_run_folder(folder)

    def forget(self) -> None:
        """Remove the run's folder if it has no files left."""
        tops = [self.folder / _FILES, self.folder / _OUTSIDE]
        for top in tops:
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()
        if not any(top.exists() for top in tops):
            with suppress(OSError):
                _remove_run_folder(self.folder)


def runs(quarantine: Path) -> list[QuarantineRun]:
    """Return the runs that can be undone, the latest last. Raises `InvalidInput` for a damaged manifest."""
    return [_load_run(path) for path in sorted(quarantine.glob(f"{_RUN}/{_MANIFEST}"))]


def run_of(plan: Plan, mode: RemovalMode, quarantine: Path) -> QuarantineRun:
    """Return the run of a plan: the one that was begun, or a new one that is not written yet."""
    identity = hashlib.sha256(f"{mode}\n{plan.text()}".encode()).hexdigest()[:8]
    begun = [run for run in runs(quarantine) if run.name.endswith(f"-{identity}")]
    return (
        begun[-1]
        if begun
        else QuarantineRun(quarantine / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{identity}", mode, ())
    )


_REMOVAL = {"source": str, "keeper": str, "sha256": str, "size": int, "permissions": int, "mtime_ns": int}


def _load_run(path: Path) -> QuarantineRun:
    try:
        text = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise SemsearchError(f"cannot read {path}: {reason}", "check its permissions and the disk") from error
    try:
        top = take(
            load_json(text),
            "the manifest",
            {"note": str, "version": int, "mode": str, "removals": list},
        )
        removals = [
            RemovedFile(**take(value, f"removal {number}", _REMOVAL))
            for number, value in enumerate(top["removals"], 1)
        ]
        for removal in removals:
            source_of(removal.source, "source")
            source_of(removal.keeper, "keeper")
            digest_of(removal.sha256, removal.source)
        return QuarantineRun(path.parent, one_of(get_args(RemovalMode), top["mode"], "mode"), tuple(removals))
    except InvalidInput as error:
        hint = f"the files are below {path.parent / _FILES}, under their own names"
        raise InvalidInput(f"{path} is damaged: {error}", hint) from error


def _remove_run_folder(folder: Path) -> None:
    for name in (_MANIFEST_TEMPORARY, _IGNORE, _MANIFEST):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()
