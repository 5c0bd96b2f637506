"""Serve an index on a free port of loopback, in a thread of the test."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tiny_embedder import create_index

from semsearch import Index
from semsearch.server.app import create_app
from semsearch.server.context import Settings
from semsearch.server.listen import Server, bound
from semsearch.storage.location import LIBRARY


@contextmanager
def served(index: Index, settings: Settings | None = None) -> Iterator[str]:
    """Yield the address of a server of an index, such as http://127.0.0.1:40123."""
    listening = threading.Event()
    with bound("127.0.0.1", 0) as on:
        server = Server(create_app(index, settings), listening.set)
        thread = threading.Thread(target=server.serve_on, args=(on,))
        thread.start()
        try:
            assert listening.wait(30)
            yield f"http://127.0.0.1:{on.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _made_anew(folder: Path) -> None:
    shutil.rmtree(folder)
    create_index(folder).close()


def _file_replaced(folder: Path) -> None:
    other = folder.with_name("other")
    create_index(other).close()
    for log in folder.glob(f"{LIBRARY}-*"):
        log.unlink()
    (other / LIBRARY).replace(folder / LIBRARY)


REPLACED: dict[str, Callable[[Path], object]] = {
    "removed": shutil.rmtree,
    "moved": lambda folder: folder.rename(folder.with_name("moved")),
    "made anew": _made_anew,
    "file removed": lambda folder: (folder / LIBRARY).unlink(),
    "file replaced": _file_replaced,
}
"""Each replaces or removes the index in a folder while it is open."""
