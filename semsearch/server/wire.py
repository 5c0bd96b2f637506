"""Ask a server of an index by the socket in the folder of the index: what both sides have to agree on.

One line of JSON is a question, and the next one its answer. An index may come from a stranger, so a socket counts only
if it belongs to this user, nobody else may use it, and a process of this user listens. What it says is data: hits and
notes, which are shown as those of the index are. docs/decisions/0124-the-socket-of-a-server.md has the reasons.

This is cheap to import: it is most of what `semsearch query` does where a server runs.
"""

import json
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from semsearch import __version__
from semsearch.search.hits import Hits
from semsearch.storage.location import LIBRARY, SOCKET
from semsearch.types import FieldCounts, Hit

LONGEST_LINE = 64 * 2**20
"""Bytes of a question or an answer."""
_LONGEST_PATH = 100
"""Bytes of a socket's path. The kernel takes no more than 107, or 103 on macOS."""
_CONNECT_SECONDS, _ANSWER_SECONDS = 1.0, 30.0
_TEXTS = ("source", "document", "text", "unit", "passage_id", "heading")
_FIELDS = tuple(Hit.__dataclass_fields__)


class Unanswered(Exception):
    """A question that a server did not answer. Whoever asks opens the index and asks that."""


def supported() -> bool:
    """Return whether this system has sockets with owners."""
    return hasattr(socket, "AF_UNIX") and hasattr(os, "geteuid")


@contextmanager
def address(folder: Path, name: str = SOCKET) -> Iterator[str]:
    """Yield an address for the socket in a folder. A long path is shortened by a link to the folder, as Linux has."""
    path = str(folder / name)
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield path
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def greeting(folder: Path) -> dict[str, Any]:
    """Return what both sides must agree on: the version, and which file the index is. Raises `OSError`."""
    library = (folder / LIBRARY).stat()
    return {"semsearch": __version__, "library": [library.st_dev, library.st_ino]}


class Connection:
    """A connection with a server of an index. Close it."""

    def __init__(self, on: socket.socket) -> None:
        self._on, self._lines = on, on.makefile("rb")

    def line(self) -> Any:
        """Return what the next line says. Raises `Unanswered` where there is none, or it is not JSON."""
        try:
            line = self._lines.readline(LONGEST_LINE)
            return json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError, RecursionError) as error:
            raise Unanswered from error

    def ask(self, call: str, **given: Any) -> None:
        """Ask a question. Raises `Unanswered`."""
        try:
            self._on.sendall(f"{json.dumps({'call': call, **given})}\n".encode())
        except (OSError, TypeError, ValueError) as error:
            raise Unanswered from error

    def answer(self) -> Any:
        """Return the answer to the question. Raises `Unanswered`."""
        answer = self.line()
        if not isinstance(answer, dict) or "found" not in answer:
            raise Unanswered
        return answer["found"]

    def close(self) -> None:
        """End the connection."""
        self._lines.close()
        self._on.close()


def connect(folder: Path) -> Connection | None:
    """Return a connection with the server of the index in a folder, or None if there is none that can be trusted."""
    if not supported():
        return None
    on = socket.socket(socket.AF_UNIX)
    on.settimeout(_CONNECT_SECONDS)
    with suppress(OSError, Unanswered):
        found = (folder / SOCKET).lstat()
        if stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
            with address(folder) as at:
                on.connect(at)
            if _listener(on) == os.geteuid():
                connection = Connection(on)
                if connection.line() == greeting(folder):
                    on.settimeout(_ANSWER_SECONDS)
                    return connection
                connection.close()
    on.close()
    return None


def _listener(on: socket.socket) -> int:
    """Return the user whose process listens. Where the system does not tell, the owner of the socket counts."""
    if sys.platform != "linux":
        return os.geteuid()
    size = struct.calcsize("3i")
    return int(struct.unpack("3i", on.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1])


# -- values -----------------------------------------------------------------------------------------------


def hit_to(hit: Hit) -> dict[str, Any]:
    """Return a hit for JSON."""
    values = {name: getattr(hit, name) for name in _FIELDS}
    return values | {"metadata": dict(hit.metadata), "copies": [hit_to(copy) for copy in hit.copies]}


def hit_from(value: Any) -> Hit:
    """Return the hit that `hit_to` wrote. Raises `Unanswered` for anything else."""
    try:
        metadata = {
            name: tuple(one) if isinstance(one, list) else one for name, one in value["metadata"].items()
        }
        start, end = value["highlight"]
        parts = {"metadata": metadata, "highlight": (int(start), int(end))}
        hit = Hit(**value | parts | {"copies": tuple(map(hit_from, value["copies"]))})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unanswered from error
    if not all(isinstance(getattr(hit, name), str) for name in _TEXTS):
        raise Unanswered
    return hit


def hits_from(values: Any) -> list[list[Hit]]:
    """Return the hits of several queries. Raises `Unanswered` for anything else."""
    if not isinstance(values, list) or not all(isinstance(hits, list) for hits in values):
        raise Unanswered
    return [list(map(hit_from, hits)) for hits in values]


def similar_to(hits: Hits) -> dict[str, Any]:
    """Return what is similar to a document for JSON."""
    return {"hits": list(map(hit_to, hits)), "left_out": hits.left_out}


def similar_from(value: Any) -> Hits:
    """Return what `similar_to` wrote. Raises `Unanswered` for anything else."""
    try:
        return Hits(map(hit_from, value["hits"]), count_from(value["left_out"]))
    except (KeyError, TypeError) as error:
        raise Unanswered from error


def counts_to(counts: Sequence[FieldCounts]) -> list[list[Any]]:
    """Return the counts of fields for JSON."""
    return [[one.field, one.documents, one.total, one.values] for one in counts]


def counts_from(values: Any) -> list[FieldCounts]:
    """Return the counts that `counts_to` wrote. Raises `Unanswered` for anything else."""
    try:
        return [
            FieldCounts(
                str(field), int(documents), int(total), tuple((value, int(count)) for value, count in rows)
            )
            for field, documents, total, rows in values
        ]
    except (TypeError, ValueError) as error:
        raise Unanswered from error


def texts_from(values: Any) -> list[str]:
    """Return a list of texts. Raises `Unanswered` for anything else."""
    if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
        raise Unanswered
    return values


def flag_from(value: Any) -> bool:
    """Return True or False. Raises `Unanswered` for anything else."""
    if not isinstance(value, bool):
        raise Unanswered
    return value


def count_from(value: Any) -> int:
    """Return a whole number of at least 0. Raises `Unanswered` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Unanswered
    return value


def fields_of(request: Any) -> Mapping[str, Any]:
    """Return the fields of a request for JSON."""
    return {name: getattr(request, name) for name in type(request).__dataclass_fields__}
