"""Serve an index on a free port of loopback, in a thread of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from semsearch import Index
from semsearch.server.app import create_app
from semsearch.server.context import Settings
from semsearch.server.listen import Server, bound


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
