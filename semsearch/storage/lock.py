"""The locks of an index. One process writes at a time; a lock ends with its process. Readers need none."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semsearch.errors import IndexLocked
from semsearch.files import disk, mode_within, new_file


@contextmanager
def write_lock(folder: Path, wait: float) -> Iterator[None]:
    """Hold the write lock of the index in `folder`. Raises `IndexLocked` where it is not free after `wait` seconds."""
    from filelock import FileLock, Timeout  # a search takes no lock, and this takes 17 ms to load

    holder = folder / "holder"
    try:
        with disk(folder):
            lock = FileLock(folder / "lock", timeout=wait, mode=mode_within(folder))
            lock.acquire()
    except Timeout:
        who = "another process"
        with contextlib.suppress(OSError):
            who = holder.read_text(encoding="utf-8", errors="replace").strip() or who
        raise IndexLocked(f"{folder} is being written by {who}", "wait, or try again later") from None
    try:
        command = " ".join(Path(word).name for word in sys.argv[:2])
        with contextlib.suppress(OSError):  # it only tells other processes whom they wait for
            holder.unlink(missing_ok=True)
            with new_file(holder, mode_within(folder)) as file:
                file.write(f"process {os.getpid()} ({command})\n".encode("utf-8", "replace"))
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def training_lock(folder: Path) -> Iterator[None]:
    """Hold the lock for training an adapter of an index. Raises `IndexLocked` at once where it is not free.

    Training takes minutes, in which others may write, so it does not hold the write lock.
    """
    from filelock import FileLock, Timeout

    try:
        with disk(folder):
            lock = FileLock(folder / "training.lock", timeout=0, mode=mode_within(folder))
            lock.acquire()
    except Timeout:
        raise IndexLocked(f"another process adapts the model of {folder}", "wait for it") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def graph_lock(folder: Path, wait: float) -> Iterator[bool]:
    """Hold the lock for loading the graph or starting to change it, and yield True.

    Yield False where it is not free after `wait` seconds, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        lock = FileLock(folder / "graph.lock", timeout=wait, mode=mode_within(folder))
        lock.acquire()
    except (Timeout, OSError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
