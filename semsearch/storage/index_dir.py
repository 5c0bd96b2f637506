"""The folder of an index: create it, open it, and list what is in it."""

import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from semsearch.embedding import STORED_DTYPES, Embedder, Fingerprint
from semsearch.embedding.canary import PREFIX, same_weights
from semsearch.errors import FingerprintMismatch, IndexDamaged, IndexNotFound, InvalidInput, SemsearchError
from semsearch.files import disk, restrict
from semsearch.storage.library import VECTOR_FILES, Library, migrate, outdated, refuse_special_files
from semsearch.storage.location import FOLDER, LIBRARY, locate
from semsearch.storage.lock import write_lock
from semsearch.storage.vectors.engines import EMBEDDED, Place, Stores, store_at
from semsearch.storage.vectors.sync import VectorSync

QUARANTINE = "quarantine"
"""The folder within an index that holds the files that `apply` moved."""
JOIN = "join.npz"
"""The file within an index that keeps the comparisons of `dedup`."""
PLANE = "plane.bin"
"""The file within an index that keeps the map of its passages."""
CLUSTERS = "clusters.jsonl"
"""The file within an index that keeps the names of its clusters."""

ADAPTED = ("adapted-*.bin", "adapter-*.safetensors")
"""Patterns of the files within an index that belong to an adapted model."""

Settings = Mapping[str, str | int]
"""The fingerprint of the model that made an index."""


@dataclass(frozen=True, slots=True)
class Status:
    """The settings and contents of an index. `bytes` is its size on disk by part.

    `roots` has each path that was ingested, with the options that are remembered for it. `engine` is the URL of the
    vector engine, such as `chroma:`. `adapted_from` is the name of the model that `adapt` trained from, or None.
    `waiting` passages are on the outbox: the engine has yet to be told about them.
    """

    folder: Path
    settings: dict[str, str | int]
    counts: dict[str, int]
    bytes: dict[str, int]
    last_ingest: str | None
    threshold: dict[str, Any] | None
    classifier: dict[str, Any] | None
    pending: bool
    roots: dict[str, dict[str, Any]] = field(default_factory=dict)
    engine: str = "chroma:"
    adapted_from: str | None = None
    waiting: int = 0


def is_index(folder: Path) -> bool:
    """Return whether a folder has the Library of an index."""
    return (folder / LIBRARY).is_file()


def require_index(folder: Path | str | None) -> Path:
    """Return the folder that `locate` finds. Raises `IndexNotFound`, or `IndexDamaged` if its Library is gone."""
    found = locate(folder)
    try:
        empty = found is None or not found.is_dir() or not any(found.iterdir())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SemsearchError(f"cannot read {found}: {reason}", "does it belong to another user?") from error
    if found is None or empty:
        raise IndexNotFound(
            f"no index in {found}" if found else f"no index in {Path.cwd()} or a folder above it",
            "create one: semsearch ingest FOLDER",
        )
    if not (found / LIBRARY).is_file():
        message, hint = f"{found} is not an index: it has no {LIBRARY}", "give another folder with --index"
        raise (IndexDamaged if any((found / name).is_dir() for name in EMBEDDED) else IndexNotFound)(
            message, hint
        )
    return found


def create_index_dir(folder: Path, load: Callable[[], Embedder]) -> Embedder:
    """Make an empty index for the vectors of the embedder that `load` returns, and return it; see `Index.create`."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(
            f"{folder} already exists and is not empty",
            "open it with Index.open"
            if is_index(folder)
            else f"choose another folder, such as {folder / FOLDER}",
        )
    embedder = load()
    with disk(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    try:
        library = Library(staging / LIBRARY, create=True)
        library.save_setting("fingerprint", stored_fingerprint(embedder.fingerprint))
        library.save_setting("created", datetime.now(UTC).isoformat(timespec="seconds"))
        store_at(Place(), library, staging).create()
        library.close()
        with disk(folder):  # for its owner only, since nobody knows who may read the files that come into it
            (staging / ".gitignore").write_text("# made by semsearch: an index can be rebuilt\n*\n")
            restrict(staging, staging)
            staging.replace(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return embedder


def open_library(folder: Path, wait: float) -> tuple[Library, Settings]:
    """Open the Library of an index, updated if an older release made it. Return it with the index's settings.

    Raises `IndexDamaged` where the settings are missing, or where the folder holds a link or a device, and the errors
    of `Library` and `migrate`.
    """
    refuse_special_files(folder, {QUARANTINE})  # which holds the user's files
    path = folder / LIBRARY
    try:
        library = Library(path)
    except SemsearchError:  # among other things, where an older release made it
        if not outdated(path):
            raise
        with write_lock(folder, wait):
            migrate(path)
            with suppress(OSError):  # where it belongs to another user
                # Older releases left it open to all.
                folder.chmod(stat.S_IMODE(folder.stat().st_mode) & 0o700)
        library = Library(path)
    try:
        settings = settings_of(folder, library)
    except BaseException:
        library.close()
        raise
    return library, settings


def settings_of(folder: Path, library: Library) -> Settings:
    """Return the fingerprint of the model that an index has now. Raises `IndexDamaged` where there is none."""
    stored = library.setting("fingerprint")
    if not isinstance(stored, dict) or not {"model", "precision"} <= stored.keys():
        raise IndexDamaged(
            f"{folder} does not name the model that made it", "remove the folder and ingest again"
        )
    return loaded_fingerprint(stored)


def vectors_of(folder: Path, library: Library) -> VectorSync:
    """Return the vector engine of an index, which follows its Library."""
    return VectorSync(library, Stores(library, folder))


def require_fingerprint(folder: Path, settings: Settings, embedder: Embedder) -> None:
    """Raise `FingerprintMismatch` where an embedder is not the one that made the index in `folder`."""
    ours = asdict(embedder.fingerprint)
    same = {name: settings.get(name) == ours[name] for name in ours}
    same["weights"] = same_weights(settings.get("weights"), ours["weights"])
    if differing := [name for name in ours if not same[name]]:
        sides = "; ".join(
            f"{name}: index {settings.get(name)}, model {ours[name]}"
            if name != "weights" or not str(ours[name]).startswith(PREFIX)
            else "it gives other vectors for the same texts, or its server tells another digest"
            for name in differing
        )
        raise FingerprintMismatch(
            f"the model {settings['model']} is not the one that made {folder} ({sides})",
            "bring the model back, or ingest into a new index with --index",
        )


def stored_fingerprint(fingerprint: Fingerprint) -> dict[str, str | int]:
    """Return a fingerprint as the index stores it: the dtype is called `precision`, and float32 is `fp32`."""
    values = asdict(fingerprint)
    return {
        "precision" if name == "dtype" else name: STORED_DTYPES[value] if name == "dtype" else value
        for name, value in values.items()
    }


def loaded_fingerprint(stored: Mapping[str, str | int]) -> Settings:
    """Return stored settings under the names of `Fingerprint`. An unknown dtype stays as it is."""
    dtypes = {name: dtype for dtype, name in STORED_DTYPES.items()}
    return {
        "dtype" if name == "precision" else name: dtypes.get(str(value), value)
        if name == "precision"
        else value
        for name, value in stored.items()
    }


def disk_usage(folder: Path) -> dict[str, int]:
    """Return the size of an index on disk by part, in bytes."""
    parts = {
        "library": folder.glob(f"{LIBRARY}*"),
        "vectors": chain(
            *((folder / name).rglob("*") for name in EMBEDDED),
            folder.glob(VECTOR_FILES),
            *map(folder.glob, ADAPTED),
        ),
        "comparisons": folder.glob(JOIN),
        "quarantine": (folder / QUARANTINE).rglob("*"),
    }
    return {
        name: sum(path.stat().st_size for path in paths if path.is_file()) for name, paths in parts.items()
    }
