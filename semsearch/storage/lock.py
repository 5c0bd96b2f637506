"""Who may write to an index: one process at a time, by a lock that goes with the process. Readers need none."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from semsearch.errors import IndexLocked
from semsearch.files import disk


@contextmanager
def writing(folder: Path, wait: float) -> Iterator[None]:
    """Hold the write lock of the index in `folder`. Raises `IndexLocked` after waiting `wait` seconds in vain."""
    holder = folder / "holder"
    lock = FileLock(folder / "lock", timeout=wait)
    try:
        with disk(folder):
            lock.acquire()
    except Timeout:
        who = "another process"
        with contextlib.suppress(OSError):
            who = holder.read_text(encoding="utf-8", errors="replace").strip() or who
        raise IndexLocked(f"{folder} is being written by {who}", "wait, or try again later") from None
    try:
        command = " ".join(Path(word).name for word in sys.argv[:2])
        with contextlib.suppress(OSError):  # it only helps whoever waits
            holder.write_text(f"process {os.getpid()} ({command})\n", encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def alone(folder: Path, wait: float) -> Iterator[bool]:
    """Whether, within `wait` seconds, nobody else loads Chroma's graph or begins to change it, until the block ends.

    False where no lock can be had, as in a folder that cannot be written.
    """
    lock = FileLock(folder / "graph.lock", timeout=wait)
    try:
        lock.acquire()
    except (Timeout, OSError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
