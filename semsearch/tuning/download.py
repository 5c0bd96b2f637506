"""Download a file over HTTP, and resume where an earlier attempt stopped."""

import os
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from semsearch.errors import SemsearchError

_TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as lost."""
_CHUNK = 2**16


def fetch(
    url: str,
    part: Path,
    *,
    max_bytes: int,
    progress: Callable[[int, int | None], None] | None = None,
    hint: str = "",
) -> None:
    """Download `url` to the file `part`, which may hold the beginning from an earlier call. Follow redirects.

    After a lost connection the download resumes, as long as each attempt brings more bytes. The content of `part` is
    not checked: the caller compares its digest, and deletes the file if it is wrong. `progress` gets the bytes so far
    and the total, if known.

    Raises `SemsearchError`, with `hint`, if the server cannot be reached, does not have the file, or sends more than
    `max_bytes`, and if the connection is lost at the same place twice.
    """
    furthest, reason = -1, ""
    while (have := part.stat().st_size if part.exists() else 0) > furthest:
        furthest = have
        try:
            if _attempt(url, part, have, max_bytes, progress):
                return
            reason = "the connection was lost"
        except HTTPError as error:
            error.close()
            if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{have}":
                return  # the file is complete
            if error.code == 416:
                part.unlink()
            reason = f"{error.code} {error.reason}"
        except ValueError as error:  # not an HTTP URL or answer, or too many bytes
            raise SemsearchError(f"cannot download {url}: {error}", hint) from error
        except (OSError, HTTPException) as error:
            said = getattr(error, "reason", None) or getattr(error, "strerror", None)
            reason = str(said or error or type(error).__name__)
    raise SemsearchError(f"cannot download {url}: {reason}", hint)


def _attempt(
    url: str, part: Path, have: int, max_bytes: int, progress: Callable[[int, int | None], None] | None
) -> bool:
    """Download once, from byte `have`; return whether the file is complete."""
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
                if have > max_bytes:
                    raise ValueError(f"more than {max_bytes:,} bytes")
                if progress:
                    progress(have, total)
            os.fsync(file.fileno())
    return total is None or have == total
