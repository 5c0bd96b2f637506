"""Seal the files of a vector engine: record their sizes, times and digests, and compare them later."""

import functools
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


@functools.cache
def version_of(package: str) -> str:
    """Return the version of a package that is installed, or "" if it is not."""
    from importlib import metadata  # slow to load, and a search asks for no version

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def is_newer(seal: Mapping[str, Any], package: str) -> bool:
    """Return True where a newer package than the installed one wrote the files; patch releases do not count."""

    def numbers(version: str) -> list[int]:
        return [int(part) for part in version.split(".")[:2] if part.isdecimal()]

    return numbers(str(seal.get(package, ""))) > numbers(version_of(package))


def stamps(folder: Path, files: Iterable[Path], known: Mapping[str, Any] | None) -> dict[str, list[Any]]:
    """Return size, time and SHA-256 of each of the files of a folder, by name. Raises `OSError`.

    Where size and time are those in `known`, the digest is taken from there.
    """
    stamps = {}
    for path in sorted(files):
        stat, name = path.stat(), path.relative_to(folder).as_posix()
        stamp: list[Any] = [stat.st_size, stat.st_mtime_ns]
        if known and known.get(name, ())[:2] == stamp:
            stamps[name] = known[name]
            continue
        with path.open("rb") as file:
            stamps[name] = [*stamp, hashlib.file_digest(file, "sha256").hexdigest()]
    return stamps


def same_bytes(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return True where two `stamps` name the same files with the same bytes."""

    def bytes_of(stamps: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
        return {name: (size, digest) for name, (size, _, digest) in stamps.items()}

    return bytes_of(one) == bytes_of(other)
