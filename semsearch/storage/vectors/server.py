"""Ask a server of vectors for JSON, as the user has named it on this machine.

An index may come from a stranger, so it holds no URL: it names an engine and the id of its copy on a server. The URL
for that id is in the user's configuration, and only for the folder that was moved there:
docs/decisions/0141-servers-of-vectors.md.
"""

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from semsearch.errors import EngineUnavailable, IndexDamaged, InvalidInput, ModelError, SemsearchError
from semsearch.files import config_folder, read_bounded, replacing
from semsearch.storage.vectors.engine import REPAIR
from semsearch.strict_json import load_json, take

T = TypeVar("T")
_ID = re.compile(r"[0-9a-f]{32}")
_MOST_BYTES = 64 * 1024
_ANSWER_BYTES = 512_000_000
QUICK = {"connect": 1.0, "silent": 10.0, "answer": 10.0, "attempts": 1}
PATIENCE = {"connect": 5.0, "attempts": 4, "total": 60.0}
"""The patience of what can wait for another time, and of anything else: see `Patience`."""
_REST_SECONDS = 30.0
"""Seconds in which a server that could not be asked is not asked again by a search."""


@dataclass(frozen=True, slots=True)
class NamedServer:
    """The server that has the vectors of one index: its copy there, the URL, and the inode of the index's folder."""

    id: str
    url: str
    inode: int


def remember(id_: str, url: str, folder: Path) -> None:
    """Save that the index in `folder` has its copy `id_` at a URL. Raises `SemsearchError` where it cannot be saved."""
    path = _path(id_)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(path, mode=0o600) as file:
            file.write(json.dumps(asdict(NamedServer(id_, url, folder.stat().st_ino)), indent=1).encode())
    except OSError as error:
        raise SemsearchError(f"cannot write {path}: {error.strerror or error}") from error


def forget(id_: str) -> None:
    """Delete what `remember` saved."""
    with suppress(OSError):
        _path(id_).unlink()


def url_of(id_: str, folder: Path) -> str:
    """Return the URL that was saved for a copy of the index in this very folder, or ""."""
    if not _ID.fullmatch(id_):
        return ""
    try:
        shape = {"id": str, "url": str, "inode": int}
        saved = NamedServer(**take(load_json(read_bounded(_path(id_), _MOST_BYTES)), "the file", shape))
        return saved.url if (saved.id, saved.inode) == (id_, folder.stat().st_ino) else ""
    except (OSError, InvalidInput, TypeError):
        return ""


def _path(id_: str) -> Path:
    return config_folder() / "engines" / f"{id_}.json"


class Connection:
    """A connection to a server of vectors, for several threads. Without a URL, every request is refused.

    `software` is what should answer there. `missing` is how it begins to say, with status 404, that there is no such
    collection, or None if it never says so. `header` names the header for the key, if it is not `Authorization`.
    """

    def __init__(self, url: str, software: str, missing: str | None, header: str = "") -> None:
        self.url, self._software, self._missing, self._header = url, software, missing, header
        self._servers: dict[bool, Any] = {}
        self._down_until = 0.0
        self._closed = False

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        read: Callable[[Any], T] = lambda answer: answer,
        *,
        quick: bool = False,
    ) -> T:
        """Return what `read` finds in the JSON of an answer. With `quick`, give up soon: nothing depends on the answer.

        Raises `IndexDamaged` where what is asked for does not exist, `EngineUnavailable` where the server cannot be
        asked, and `SemsearchError` where it refuses, or `read` does not find what it should.
        """
        from semsearch.embedding.http import Patience, Rejection

        if self._closed:
            raise SemsearchError(f"the connection to {self.url} is closed", "open the index again")
        if quick and time.monotonic() < self._down_until:
            raise EngineUnavailable(f"{self._server(quick, Patience).host} could not be asked a moment ago")
        try:
            answer = self._server(quick, Patience).ask(method, path, body, _ANSWER_BYTES)
        except Rejection as error:
            raise self._refused(error) from error
        except ModelError as error:
            self._down_until = time.monotonic() + _REST_SECONDS
            raise EngineUnavailable(str(error), "is the server running?") from error
        self._down_until = 0.0
        return self.read(answer, read)

    def read(self, answer: Any, read: Callable[[Any], T]) -> T:
        """Return what `read` finds in an answer. Raises `SemsearchError` where it does not find what it should."""
        try:
            return read(answer)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise SemsearchError(
                f"{self.url} gives an answer that cannot be used",
                "is it a server of this kind, and of a version that semsearch knows? See docs/engines.md",
            ) from error

    def _refused(self, error: Any) -> SemsearchError:
        """Return the error for a `Rejection`. A 404 may come from a proxy, or from a server that is something else."""
        if error.status == 404 and self._missing is not None and error.said.startswith(self._missing):
            return IndexDamaged(str(error), REPAIR)
        if error.status in (404, 405):
            return EngineUnavailable(
                f"{error}, which is not what {self._software} says",
                f"does {self.url} lead to {self._software}?",
            )
        unavailable = error.status in (401, 403, 429) or error.status >= 500
        return (EngineUnavailable if unavailable else SemsearchError)(str(error), error.hint)

    def _server(self, quick: bool, patience: Any) -> Any:
        from semsearch.embedding.http import JsonServer

        if not self.url:
            raise EngineUnavailable(
                "the server that has the vectors of this index is not known on this machine",
                "name it: semsearch engine move URL; or do without it: semsearch engine move chroma:",
            )
        if quick not in self._servers:
            waits = patience(**(QUICK if quick else PATIENCE))
            self._servers[quick] = JsonServer(self.url, patience=waits, header=self._header)
        return self._servers[quick]

    def close(self) -> None:
        """Refuse further requests."""
        self._closed = True
