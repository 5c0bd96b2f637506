"""Fetching a file over HTTP, going on where an earlier try was cut off."""

import os
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from semsearch.errors import SemsearchError

_TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as cut."""
_CHUNK = 2**16


def fetch(
    url: str,
    part: Path,
    *,
    most: int,
    progress: Callable[[int, int | None], None] | None = None,
    hint: str = "",
) -> None:
    """Download `url` to the file `part`, which may hold the beginning from an earlier call; redirects are followed.

    Goes on after a cut for as long as each try brings more. What has come stays in `part`, and is not checked: compare
    its digest, and remove it where that is wrong. `progress` is called with the bytes there are, and in all, if known.

    Raises `SemsearchError`, with `hint`, where the server cannot be reached, has no such file, or sends more than
    `most` bytes, and where the connection is cut at the same place twice.
    """
    furthest, reason = -1, ""
    while (have := part.stat().st_size if part.exists() else 0) > furthest:
        furthest = have
        try:
            if _went_through(url, part, have, most, progress):
                return
            reason = "the connection was cut"
        except HTTPError as error:
            error.close()
            if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{have}":
                return  # all of it is there already
            if error.code == 416:
                part.unlink()
            reason = f"{error.code} {error.reason}"
        except ValueError as error:  # a URL or an answer that is no HTTP, or too much
            raise SemsearchError(f"cannot download {url}: {error}", hint) from error
        except (OSError, HTTPException) as error:
            said = getattr(error, "reason", None) or getattr(error, "strerror", None)
            reason = str(said or error or type(error).__name__)
    raise SemsearchError(f"cannot download {url}: {reason}", hint)


def _went_through(
    url: str, part: Path, have: int, most: int, progress: Callable[[int, int | None], None] | None
) -> bool:
    """Whether the whole of what was to come has come."""
    request = Request(
        url, headers={"User-Agent": "semsearch"} | ({"Range": f"bytes={have}-"} if have else {})
    )
    with urlopen(request, timeout=_TIMEOUT) as answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        have = have if resumed else 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if resumed else "wb") as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                if have > most:
                    raise ValueError(f"more than {most:,} bytes")
                if progress:
                    progress(have, total)
            os.fsync(file.fileno())
    return total is None or have == total
