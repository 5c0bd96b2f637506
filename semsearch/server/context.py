"""Hold what every route needs: the index, how the server was started, and the threads that work."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from semsearch.index import Index
from semsearch.server.batching import Batcher, Searcher
from semsearch.server.jobs import Job, Jobs, Kind
from semsearch.server.language import Translate
from semsearch.server.problems import Refused

API = "/api/v1"
_T = TypeVar("_T")
_HEAVY_THREADS, _MOST_HEAVY = 2, 16
"""Calls that take long which run at the same time, and those that may run or wait for it."""
_THREADS = 8
"""Calls that run at the same time. Most of a search is in libraries that let other threads run."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices that a server was started with.

    Args:
        token: The secret that state-changing calls show. A new one for each start by default.
        private: Every call needs the token, as it must where others reach the server.
        read_only: Refuse every change.
        watch: Keep the index up to date with its folders.
        write: Offer assistants the tools that change the index; they need the token then.
        folders: The folders that may be indexed, next to those where the index lies.
        languages: What translates the sentences of answers, by language, for callers that ask for one.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    private: bool = False
    read_only: bool = False
    watch: bool = False
    write: bool = False
    folders: tuple[Path, ...] = ()
    languages: Mapping[str, Translate] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Watch:
    """A watch of the folders: whether it is running, and the `problem` of the last try, or why it ended."""

    problem: Mapping[str, Any] | None = None
    running: bool = True


class Context:
    """The context of all routes.

    It has the `index`, the `settings`, the `jobs`, the `kinds` of jobs that a caller can start, by name, and the
    `batcher` and the `searcher`, which embed and search for all. `watch` is None where the server does not watch.
    """

    def __init__(self, index: Index, settings: Settings) -> None:
        self.index, self.settings, self.jobs = index, settings, Jobs()
        self.kinds: dict[str, Kind] = {}
        self.watch: Watch | None = None
        self.batcher = Batcher(lambda: index.embedder)
        self.searcher = Searcher(index)
        self._threads = ThreadPoolExecutor(_THREADS, "semsearch-call")
        self._heavy_threads = ThreadPoolExecutor(_HEAVY_THREADS, "semsearch-heavy")
        self._heavy = 0

    async def call(self, function: Callable[..., _T], *args: Any) -> _T:
        """Return `function(*args)`, run in one of a few threads while the server goes on."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    async def call_heavy(self, function: Callable[..., _T], *args: Any) -> _T:
        """Return `function(*args)` as `call` does, in separate threads: quick calls do not wait for long ones.

        Cancelled while it waits, it is not run. Raises `Refused` where too many wait.
        """
        if self._heavy >= _MOST_HEAVY:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{_MOST_HEAVY} long calls wait", "ask again in a few seconds"
            )
        self._heavy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._heavy_threads, function, *args)
        finally:
            self._heavy -= 1

    def require_index(self) -> None:
        """Raise `IndexNotFound` where the index that was opened is not in its folder any more."""
        _ = self.index.state

    def end(self) -> list[Job]:
        """Ask all work to end, and return the jobs that have not ended yet."""
        return self.jobs.end()

    def close(self) -> None:
        """Wait until all work has ended. Nothing can be called afterwards."""
        for job in self.jobs.end():
            job.wait()
        self._threads.shutdown()
        self._heavy_threads.shutdown(cancel_futures=True)
