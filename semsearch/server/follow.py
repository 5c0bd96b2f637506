"""Keep the index of a server up to date with its folders, for `semsearch serve --watch`."""

import logging
import threading
from http import HTTPStatus
from pathlib import Path

from semsearch.errors import IndexLocked, InvalidInput, SemsearchError
from semsearch.server.context import Context, Watch
from semsearch.server.problems import Refused, internal, problem
from semsearch.server.reach import near_roots
from semsearch.server.work import IngestOptions

_AGAIN = 5.0
"""Seconds until it tries again where another process is writing, or too many jobs are not finished."""


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
    """Start a job after each burst of changes, until `stop` is set; `Context.watch` says how it is."""
    context.watch = Watch()
    try:
        roots = watched(context)
        options = IngestOptions(paths=[str(root.absolute()) for root in roots])
        for _ in context.index.changes(roots, stop=stop):
            while not stop.is_set() and not _ingested(context, options):
                stop.wait(_AGAIN)
        context.watch = Watch(running=False)
    except SemsearchError as error:
        logging.getLogger(__name__).error("%s%s", error, f" ({error.hint})" if error.hint else "")
        context.watch = Watch(problem(error), running=False)
    except Exception as error:
        context.watch = Watch(problem(internal(error)), running=False)


def _ingested(context: Context, options: IngestOptions) -> bool:
    """Run a job, and return whether there is nothing to try again."""
    try:
        job = context.jobs.start("watch", context.kinds["ingest"], options)
    except Refused as refused:
        if refused.status != HTTPStatus.TOO_MANY_REQUESTS:
            raise
        context.watch = Watch(problem(refused))
        return False
    job.wait()
    found = job.state.problem
    context.watch = Watch(found)
    return found is None or found["exit_code"] != IndexLocked.exit_code
