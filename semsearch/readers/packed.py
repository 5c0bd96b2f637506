"""Open files of rows that may be compressed (gzip, bzip2, xz, Zstandard), and compress copies of them in the same way.

The first bytes of a file tell whether it is compressed, not its name. The unpacked size is limited, since a few
kilobytes can unpack to gigabytes.
"""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Protocol

from semsearch.errors import UnreadableSource, extra
from semsearch.files import opened

PACKINGS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}
"""The ends of the names of compressed files, and what each says. The suffix of the content precedes them."""
SUFFIXES = frozenset(PACKINGS)
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_LEAST, _RATIO = 100_000_000, 100
"""A compressed file may unpack to so many bytes, or to so many times its size. Text shrinks to a tenth at best."""
_XZ_MEMORY = 128 * 2**20
"""Bytes that unpacking xz may take. `xz -9` asks for 65 MiB, and a hostile file for gigabytes."""


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


def inner_suffix(path: PurePath) -> str:
    """Return the suffix of a file in lower case, without the suffix of its compression: `.csv` for `a.csv.gz`."""
    suffix = path.suffix.lower()
    return PurePath(path.stem).suffix.lower() if suffix in SUFFIXES else suffix


def compression(path: Path) -> str:
    """Return how a file is compressed: "gzip", "bzip2", "xz", "zstd", or "" if it is not. Raises `OSError`."""
    with opened(path) as file:
        return packing_of(file.read(6))


def packing_of(head: bytes) -> str:
    """Return how a file with these first bytes is compressed, as `compression` does."""
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


def opened_unpacked(path: Path) -> io.BufferedReader:
    """Open a file for reading, unpacked if it is compressed. Gzip and Zstandard may have several members.

    Raises `OSError`, and `MissingExtra` for Zstandard without its library. Reading raises `UnreadableSource` where the
    file is damaged, ends too early, or unpacks to more than 100 MB and 100 times its size.
    """
    kind = compression(path)
    file = opened(path)
    if not kind:
        return file
    size = path.stat().st_size
    reader: _Reader
    if kind == "gzip":
        reader = gzip.GzipFile(fileobj=file)
    elif kind == "bzip2":
        reader = bz2.BZ2File(file)
    elif kind == "xz":
        reader = _Frames(file, partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, _XZ_MEMORY), lzma.LZMAError)
    else:
        library = _zstandard()
        reader = _Frames(file, lambda: library.ZstdDecompressor().decompressobj(), library.ZstdError)
    return io.BufferedReader(_Unpacked(file, reader, kind, max(_LEAST, _RATIO * size)), 1 << 16)


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of a file, up to a limit. It cannot seek."""

    def __init__(self, file: BinaryIO, reader: _Reader, kind: str, most: int) -> None:
        self._file, self._reader, self._kind, self._most, self._done = file, reader, kind, most, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            content = self._reader.read(len(buffer))
        except (EOFError, zlib.error, ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            early = isinstance(error, EOFError)
            reason = "it ends too early" if early else f"damaged ({error})"
            raise UnreadableSource(f"{self._kind} file: {reason}; what is before that was read") from error
        self._done += len(content)
        if self._done > self._most:
            raise UnreadableSource(f"{self._kind} file that unpacks to more than {self._most:,} bytes")
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        super().close()
        self._file.close()


def _zstandard() -> Any:
    with extra("zstd", "a Zstandard file"):
        import zstandard

        return zstandard


class _Frames:
    """Unpacks frames, one after the other, and raises `EOFError` where the last one is not complete.

    `begin` returns what unpacks one frame, and raises `error` for a damaged one.
    """

    def __init__(self, file: BinaryIO, begin: Callable[[], Any], error: type[Exception]) -> None:
        self._file, self._begin, self._error = file, begin, error
        self._frame: Any = None
        self._waiting, self._unpacked = b"", b""

    def read(self, size: int, /) -> bytes:
        while not self._unpacked:
            # of few bytes at once, as each block of three may unpack to 128 KiB
            packed = self._waiting or self._file.read(1024)
            self._waiting = b""
            if not packed:
                if self._frame is not None:
                    raise EOFError
                return b""
            try:
                if self._frame is None:
                    packed = packed.lstrip(b"\0")  # what xz may put between two frames
                    if not packed:
                        continue
                    self._frame = self._begin()
                self._unpacked = self._frame.decompress(packed)
            except self._error as error:
                raise ValueError(str(error)) from error
            if self._frame.eof:
                self._waiting, self._frame = self._frame.unused_data, None
        part, self._unpacked = self._unpacked[:size], self._unpacked[size:]
        return part


@contextmanager
def packing(file: BinaryIO, kind: str) -> Iterator[BinaryIO]:
    """Yield a file whose bytes are written to `file`, compressed as `kind` says; `file` itself for ""."""
    if not kind:
        yield file
        return
    packed: Any
    if kind == "gzip":
        packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0)
    elif kind == "bzip2":
        packed = bz2.BZ2File(file, "wb")
    elif kind == "xz":
        packed = lzma.LZMAFile(file, "wb")  # noqa: SIM115 - closed below
    else:
        packed = _zstandard().ZstdCompressor().stream_writer(file, closefd=False)
    with packed:
        yield packed
