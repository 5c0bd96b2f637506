"""Wait for files to change."""

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from semsearch.errors import SemsearchError
from semsearch.readers.walk import IGNORE_FILES

_QUIET_MS, _MOST_MS, _TICK_MS = 300, 3_000, 1_000
"""A burst of changes ends after a quiet time, or at the latest after the most. Files are checked at every tick."""


def changes(roots: Sequence[Path], ignoring: Path, stop: threading.Event | None = None) -> Iterator[None]:
    """Yield once when the watch has begun, and then after each burst of changes at or below `roots`.

    Hidden files and everything below the folder `ignoring` do not count. Ignored files do, since the ignore files may
    change too. The system watches folders. A file that is a root is checked every second, since a watch ends when an
    editor replaces the file. Setting `stop` ends the iteration. Raises `SemsearchError` if the system cannot watch the
    folders.
    """
    from watchfiles import watch
    from watchfiles._rust_notify import WatchfilesRustInternalError

    folders = [Path(os.path.realpath(root)) for root in roots if root.is_dir()]
    files = [root for root in roots if not root.is_dir()]
    ignored = Path(os.path.realpath(ignoring))

    def counts(change: object, name: str) -> bool:
        path = Path(os.path.realpath(Path(name).parent), Path(name).name)
        if path.is_relative_to(ignored):
            return False
        return any(
            not any(part.startswith(".") for part in path.relative_to(folder).parent.parts)
            and (not path.name.startswith(".") or path.name in IGNORE_FILES)
            for folder in folders
            if path.is_relative_to(folder)
        )

    seen = None
    try:
        for burst in watch(
            *folders,
            watch_filter=counts,
            debounce=_MOST_MS,
            step=_QUIET_MS,
            rust_timeout=_TICK_MS,
            yield_on_timeout=True,
            ignore_permission_denied=True,
            stop_event=stop,
        ):
            now = list(map(_stamp, files))
            if burst or now != seen:
                seen = now
                yield
    except (OSError, WatchfilesRustInternalError) as error:
        raise SemsearchError(
            f"cannot watch {', '.join(map(str, folders))}: {error}",
            "on Linux, `sysctl fs.inotify.max_user_watches` says how many folders can be watched",
        ) from error


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return values that change when a file is written or replaced; None if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
