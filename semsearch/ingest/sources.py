"""Name sources: map files to keys and keys to files."""

import os
from collections.abc import Iterable
from pathlib import Path

from semsearch.errors import InvalidInput

STANDARD_INPUT = "<stdin>"
"""The key of the source that standard input is."""


def source_key(path: Path, base: Path) -> str:
    """A file's path relative to `base` where it lies below, absolute elsewhere, always with `/`."""
    absolute = _absolute(path)
    key = absolute.relative_to(base).as_posix() if absolute.is_relative_to(base) else absolute.as_posix()
    return key.encode("utf-8", "backslashreplace").decode()


def is_below(key: str, path: Path, base: Path) -> bool:
    """Whether a source is the file `path`, or lies below that folder."""
    return key != STANDARD_INPUT and (base / key).is_relative_to(_absolute(path))


def keys_of(source: str | Path, known: Iterable[str], base: Path) -> list[str]:
    """Which of the `known` sources one is, or lie below a folder. Raises `InvalidInput` where there is none."""
    places = (Path(source), base / source) if str(source) else ()
    keys = [key for key in known if key == str(source) or any(is_below(key, path, base) for path in places)]
    if not keys:
        raise InvalidInput(f"{source} is not in the index", "`semsearch status --sources` lists what is")
    return keys


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps `..`, resolve follows links
