"""The runs of a plan in a quarantine: the folder of each, and the manifest in it that says what it set out to do."""

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
"""The quarantine's name within the folder of an index."""
RemovalMode = Literal["move", "hardlink"]

_MANIFEST, _IGNORE = "manifest.json", ".semsearchignore"
_MANIFEST_TEMPORARY = f".{_MANIFEST}.semsearch"
_FILES, _OUTSIDE = "files", "outside"
"""Of a run: what was below the folder of the sources, and what was named from the root."""
_RUN = f"{'[0-9]' * 8}T{'[0-9]' * 6}Z-{'[0-9a-f]' * 8}"
_NOTE = (
    "A run of semsearch apply. With mode move, the sources below are in files/ or still at their places; with mode "
    "hardlink, they are links to their keepers or still files of their own. Put all back: semsearch undo RUN."
)


@dataclass(frozen=True, slots=True)
class RemovedFile:
    """A source of a run as it was, with permissions and time: what the manifest says of it."""

    source: str
    keeper: str
    sha256: str
    size: int
    permissions: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class QuarantineRun:
    """A run of `apply` that has not been undone: its folder, and what it has moved or linked, or set out to."""

    folder: Path
    mode: RemovalMode
    removals: tuple[RemovedFile, ...]

    @property
    def name(self) -> str:
        """Its UTC time and eight digits that tell the plan."""
        return self.folder.name

    def held(self, source: str) -> Path:
        """Where the file of a source is when it is in the quarantine."""
        path = Path(source)
        return self.folder.joinpath(_OUTSIDE, *path.parts[1:]) if path.anchor else self.folder / _FILES / path

    @property
    def temporary(self) -> str:
        """A file of this name in a source's folder is on its way to the source's name."""
        return f".semsearch-{self.name.rpartition('-')[2]}"

    def save(self) -> None:
        """Write the manifest, so that it is on the disk before this returns. Raises `OSError`."""
        manifest = {
            "note": _NOTE,
            "version": 1,
            "mode": self.mode,
            "removals": [asdict(removal) for removal in self.removals],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / _MANIFEST, through=_MANIFEST_TEMPORARY) as file:
            file.write((json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode())
        # an ingest of a folder around it sees no copies
        (self.folder / _IGNORE).write_text("*\n", encoding="utf-8")
        sync_folder(self.folder.parent)

    def sweep(self, base: Path) -> None:
        """Clear away what was half-made when a process was killed: links and copies on their way, empty runs."""
        for folder in {(base / removal.source).parent for removal in self.removals}:
            with suppress(OSError):
                (folder / self.temporary).unlink()
        for folder in self.folder.parent.glob(_RUN):
            if not any((folder / name).exists() for name in (_MANIFEST, _FILES, _OUTSIDE)):
                with suppress(OSError):
                    _remove(folder)

    def forget(self) -> None:
        """Remove the run's folder, if it holds no file any more."""
        tops = [self.folder / _FILES, self.folder / _OUTSIDE]
        for top in tops:
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()
        if not any(top.exists() for top in tops):
            with suppress(OSError):
                _remove(self.folder)


def runs(quarantine: Path) -> list[QuarantineRun]:
    """The runs that can be undone, the latest last. InvalidInput where a manifest is not ours or is damaged."""
    return [_read(path) for path in sorted(quarantine.glob(f"{_RUN}/{_MANIFEST}"))]


def run_of(plan: Plan, mode: RemovalMode, quarantine: Path) -> QuarantineRun:
    """The run of a plan: the one that was begun, or a new one that nothing is written of yet."""
    identity = hashlib.sha256(f"{mode}\n{plan.text()}".encode()).hexdigest()[:8]
    begun = [run for run in runs(quarantine) if run.name.endswith(f"-{identity}")]
    return (
        begun[-1]
        if begun
        else QuarantineRun(quarantine / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{identity}", mode, ())
    )


_REMOVAL = {"source": str, "keeper": str, "sha256": str, "size": int, "permissions": int, "mtime_ns": int}


def _read(path: Path) -> QuarantineRun:
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
        hint = f"the files are below {path.parent / _FILES}, with their names"
        raise InvalidInput(f"{path} is damaged: {error}", hint) from error


def _remove(folder: Path) -> None:
    for name in (_MANIFEST_TEMPORARY, _IGNORE, _MANIFEST):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()
