"""Name sources: map files to the keys of sources, and keys to files."""

import os
from collections.abc import Iterable
from pathlib import Path

from semsearch.errors import InvalidInput

STANDARD_INPUT = "<stdin>"
"""The key of standard input."""
RECORDS = "record://"
"""The beginning of the keys of records that `Index.add` took from memory. No path of a file has two slashes in it."""


def record_key(id_: str) -> str:
    """Return the key of the record with an id."""
    return f"{RECORDS}{id_}"


def is_file(key: str) -> bool:
    """Return whether a source is a file, and not standard input or a record from memory."""
    return key != STANDARD_INPUT and not key.startswith(RECORDS)


def source_key(path: Path, base: Path) -> str:
    """Return the key of a file: its path relative to `base` if it lies below, else absolute, always with `/`."""
    full = absolute(path)
    key = full.relative_to(base).as_posix() if full.is_relative_to(base) else full.as_posix()
    return key.encode("utf-8", "backslashreplace").decode()


def is_below(key: str, path: Path, base: Path) -> bool:
    """Return whether a source is the file `path`, or lies below the folder `path`."""
    return is_file(key) and (base / key).is_relative_to(absolute(path))


def keys_below(paths: Iterable[Path], base: Path) -> list[str] | None:
    """Return keys such that all sources at or below some paths have one of them, or one that continues it after a `/`.

    None where any source may be. Sources whose keys these are need not be below the paths.
    """
    full = [absolute(path) for path in paths]
    if os.name == "nt" or any(base.is_relative_to(path) for path in full):  # Windows ignores case
        return None
    # The absolute path too: a folder that was elsewhere when it was ingested may have moved below the base.
    return [STANDARD_INPUT, *{key for path in full for key in (source_key(path, base), path.as_posix())}]


def is_within(path: Path, folders: Iterable[Path]) -> bool:
    """Return whether a path lies in one of some resolved folders once its links are followed; a loop does not."""
    try:
        found = path.resolve()
    except (OSError, RuntimeError):
        return False
    return any(found.is_relative_to(folder) for folder in folders)


def keys_of(source: str | Path, known: Iterable[str], base: Path) -> list[str]:
    """Return the `known` keys that `source` names: its own, or those below it if it is a folder.

    `record://` names all records. Raises `InvalidInput` if there are none.
    """
    places = (Path(source), base / source) if str(source) else ()
    if str(source) == RECORDS:
        keys = [key for key in known if key.startswith(RECORDS)]
    else:
        keys = [
            key for key in known if key == str(source) or any(is_below(key, path, base) for path in places)
        ]
    if not keys:
        raise InvalidInput(f"{source} is not in the index", "`semsearch status --sources` lists what is")
    return keys


def absolute(path: Path) -> Path:
    """Return an absolute path without `..`, and with the names of links."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps `..`, resolve follows links
