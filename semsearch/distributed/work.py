"""Keep finished work in a folder, on this machine or at a URL, so that a run that was killed goes on from there.

A file is written under a temporary name and moved. Then its entry is written in the same way: a JSON file next to it
with the SHA-256 and the size of its bytes. What has no entry, or another size, is not finished.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import InvalidInput, SemsearchError, UnreadableSource, extra
from semsearch.files import disk
from semsearch.strict_json import load_json

_RUN = "run.json"
_OWNER = ".owner"
"""The name of the file that says which run writes to the folder."""
_TEMPORARY = ".tmp-"
"""The beginning of temporary names. Readers of Parquet folders leave out names that begin with a point."""


def is_url(path: str) -> bool:
    """Return whether a path names a file system, as `s3://bucket/key` does."""
    return "://" in path


def refuse_password(url: str) -> None:
    """Raise `InvalidInput` for a URL with a password: names of inputs and outputs are stored and shown."""
    try:
        parts = urlsplit(url)
        refused = parts.password is not None or parts.port == 0
    except ValueError:  # what should be a port may be the beginning of a password
        refused = True
    if refused:
        raise InvalidInput(
            "the URL of an input or output may not hold a password, since it is stored",
            "leave it out: pyarrow finds keys in the environment, such as AWS_ACCESS_KEY_ID",
        )


def place(path: str) -> str:
    """Return a path as every machine can name it: absolute, or the URL as it is."""
    return path if is_url(path) else str(Path(path).absolute())


def arrow() -> Any:
    """Return pyarrow with its file systems and Parquet. Raises `MissingExtra` where it is not installed."""
    with extra("ray", "`semsearch batch`"):
        import pyarrow
        import pyarrow.fs
        import pyarrow.parquet
    return pyarrow


class Work:
    """The folder `where`, a path or a URL that pyarrow opens. All machines of a cluster must see the same folder.

    `owner` is the run that writes there. Once another run begins, writing raises `SemsearchError`: workers may outlive
    the process that started them by a minute.
    """

    def __init__(self, where: str, owner: str = "") -> None:
        fs = arrow().fs
        if is_url(where):
            refuse_password(where)
        self.where, self._owner = where, owner
        self._root: str
        try:
            self._fs, self._root = (
                fs.FileSystem.from_uri(where) if is_url(where) else (fs.LocalFileSystem(), place(where))
            )
        except (OSError, ValueError) as error:
            raise InvalidInput(f"{where} cannot be opened: {error}") from error
        if not is_url(where) and Path(where).exists() and not Path(where).is_dir():
            raise InvalidInput(f"{where} is not a folder", "name a folder as --output")

    def __reduce__(self) -> tuple[type["Work"], tuple[str, str]]:
        return Work, (place(self.where), self._owner)

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Begin work by some settings, or go on with it. Raises `InvalidInput` where the folder has other work."""
        text = json.dumps(settings, sort_keys=True, ensure_ascii=False)
        known = self._read(_RUN)
        names = [name for name in self.names() if not name.startswith((_TEMPORARY, _OWNER))]
        if known is None or names == [_RUN]:  # nothing was done by these settings yet
            if names not in ([], [_RUN]):
                raise InvalidInput(f"{self.where} is not empty, and not the output of `semsearch batch`")
            self._write(_RUN, text.encode())
        elif known != text.encode():
            before = load_json(known)
            differ = [
                name
                for name in settings
                if not isinstance(before, dict) or before.get(name) != settings[name]
            ]
            raise InvalidInput(
                f"{self.where} has the work of another run: {', '.join(differ) or 'a later version'} differ",
                "name another --output, or delete that folder",
            )
        owner = uuid4().hex
        self._write(_OWNER, owner.encode())
        self._owner = owner

    def names(self, folder: str = "") -> list[str]:
        """Return the names in a folder of this one, sorted; none where it does not exist."""
        selector = arrow().fs.FileSelector(f"{self._root}/{folder}".rstrip("/"), allow_not_found=True)
        with disk(self.where):
            return sorted(info.base_name for info in self._fs.get_file_info(selector))

    def finished(self, folder: str) -> dict[str, dict[str, Any]]:
        """Return the entries of all finished files of a folder by name, without the suffix."""
        selector = arrow().fs.FileSelector(f"{self._root}/{folder}", allow_not_found=True)
        with disk(self.where):
            sizes = {info.base_name: info.size for info in self._fs.get_file_info(selector)}
        found = {}
        for name in sorted(sizes):
            if name.endswith(".json"):
                entry = load_json(self._read(f"{folder}/{name}") or b"{}")
                if sizes.get(entry["file"], 0) == entry["bytes"]:
                    found[name.removesuffix(".json")] = entry
        return found

    def save(
        self, folder: str, name: str, suffix: str, content: bytes, entry: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Write a file, then its entry; return the entry. Raises `SemsearchError` where the disk refuses."""
        whole = {
            **entry, "file": name + suffix, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()
        }  # fmt: skip
        if content:
            self._write(f"{folder}/{name}{suffix}", content)
        self._write(f"{folder}/{name}.json", json.dumps(whole, ensure_ascii=False).encode())
        return whole

    def load(self, folder: str, entry: Mapping[str, Any]) -> bytes:
        """Return the bytes of a finished file. Raises `SemsearchError` if they are not those that were written."""
        content = self._read(f"{folder}/{entry['file']}")
        if content is None or hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise SemsearchError(
                f"{self.where}/{folder}/{entry['file']} is damaged",
                "delete this file and run the command again: only its part is computed again",
            )
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file that has no entry, whole or not at all. Raises `SemsearchError`."""
        self._write(name, content)

    def tidy(self, folder: str) -> None:
        """Delete what interrupted writes have left in a folder."""
        with disk(self.where):
            for name in self.names(folder):
                if name.startswith(_TEMPORARY):
                    self._fs.delete_file("/".join(filter(None, (self._root, folder, name))))

    def _read(self, name: str) -> bytes | None:
        try:
            with self._fs.open_input_stream(f"{self._root}/{name}") as stream:
                content: bytes = stream.read()
                return content
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnreadableSource(f"{self.where}/{name}: {error}") from error

    def _write(self, name: str, content: bytes) -> None:
        folder, _, file = f"{self._root}/{name}".rpartition("/")
        temporary = f"{folder}/{_TEMPORARY}{uuid4().hex[:12]}"
        with disk(self.where):
            self._fs.create_dir(folder, recursive=True)
            try:
                with self._fs.open_output_stream(temporary) as stream:
                    stream.write(content)
                if self._owner and self._read(_OWNER) != self._owner.encode():
                    raise SemsearchError(
                        f"another run has begun in {self.where}", "let it end, or name another --output"
                    )
                self._fs.move(temporary, f"{folder}/{file}")
            except (OSError, SemsearchError):
                with suppress(OSError):  # a full disk needs the room
                    self._fs.delete_file(temporary)
                raise


def packed(**arrays: NDArray[Any]) -> bytes:
    """Return some arrays as the bytes of an .npz file."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def unpacked(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of `packed`. Nothing in them is executed."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
