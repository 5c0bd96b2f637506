"""Keep the index of a server up to date with its folders, for `semsearch serve --watch`."""

import logging
import threading
from pathlib import Path

from semsearch.errors import IndexLocked, InvalidInput, SemsearchError
from semsearch.server.context import Context
from semsearch.server.reach import near_roots
from semsearch.server.work import IngestOptions

_AGAIN = 5.0
"""Seconds until it tries again where another process is writing."""


def watched(context: Context) -> list[Path]:
    """Return the folders to follow: those that the server was started with, else what was ingested next to the index.

    Raises `InvalidInput` where there are none.
    """
    if found := [*context.settings.folders] or near_roots(context.index):
        return found
    raise InvalidInput(
        "nothing that was ingested lies next to the index",
        "name what to watch: semsearch serve --watch FOLDER",
    )


def follow(context: Context, stop: threading.Event) -> None:
    """Start a job after each burst of changes, until `stop` is set."""
    roots = watched(context)
    options = IngestOptions(paths=[str(root.absolute()) for root in roots])
    try:
        for _ in context.index.changes(roots, stop=stop):
            while not stop.is_set():
                job = context.jobs.start("watch", context.kinds["ingest"], options)
                job.wait()
                problem = job.state.problem
                if problem is None or problem["exit_code"] != IndexLocked.exit_code:
                    break
                stop.wait(_AGAIN)
    except SemsearchError as error:
        logging.getLogger(__name__).error("%s%s", error, f" ({error.hint})" if error.hint else "")
