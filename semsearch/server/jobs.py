"""Run long work in threads, and keep what became of it: docs/decisions/0121-jobs.md."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypedDict

from semsearch.errors import SemsearchError
from semsearch.server.problems import Problem, Refused, internal, problem
from semsearch.server.reach import UnknownName
from semsearch.server.results import JobResult

JobState = Literal["running", "done", "failed", "cancelled"]
Progress = Callable[[int, int], None]
"""Called with the work done and the total. It raises to end a job that was cancelled."""
MOST_JOBS = 8
"""The jobs that are not finished."""
_KEPT = 4
"""The finished jobs of each kind whose results are kept."""
_TICK = 0.1
"""Seconds between two looks at whether a waiting job is cancelled."""


class Cancelled(BaseException):
    """The end of a job that was cancelled. No code on the way takes it for a failure."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of jobs.

    Args:
        takes: The dataclass of its options.
        run: Does the work and returns what was found, for routes that show parts of it.
        told: Returns the JSON of what was found, which is the `result` of the job.
        unit: The unit of the progress, as a word for people.
        writes: It changes the index. Such jobs run one after the other, and so do those of one other kind.
    """

    takes: type
    run: Callable[[Any, Progress], Any]
    told: Callable[[Any], Any]
    unit: str
    writes: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The state of a job at one time. A job that waits for another one is running, with nothing done of nothing."""

    state: JobState = "running"
    done: int = 0
    total: int = 0
    result: Any = None
    problem: Problem | None = None


class JobProgress(TypedDict):
    """The work that is done, of all that is known so far, in a unit such as bytes."""

    done: int
    total: int
    unit: str


class JobAnswer(TypedDict):
    """A job. `result` is what its kind found once it is done, and `problem` why it failed."""

    id: str
    kind: str
    state: JobState
    progress: JobProgress
    result: Annotated[Any, JobResult]
    problem: Problem | None


class Job:
    """A job: its `id`, the name of its `kind`, its `state`, and the `value` that it found."""

    def __init__(self, name: str, unit: str) -> None:
        self.id = secrets.token_hex(8)
        self.kind, self.unit = name, unit
        self.state = State()
        self.value: Any = None
        self._cancelled = threading.Event()
        self._ended = threading.Event()

    @property
    def running(self) -> bool:
        """True until the job is done, failed or cancelled."""
        return self.state.state == "running"

    def cancel(self) -> None:
        """Ask a job to end. It ends at its next report of progress."""
        self._cancelled.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the job has ended, and return whether it has."""
        return self._ended.wait(seconds)

    def shown(self) -> JobAnswer:
        """Return the JSON of the job."""
        state = self.state
        return {
            "id": self.id,
            "kind": self.kind,
            "state": state.state,
            "progress": {"done": state.done, "total": state.total, "unit": self.unit},
            "result": state.result,
            "problem": state.problem,
        }

    def run(self, kind: Kind, options: Any, turn: threading.Lock) -> None:
        """Do the work when it is its turn."""
        try:
            while not turn.acquire(timeout=_TICK):
                self._look()
            try:
                self._look()
                self.value = kind.run(options, self._progress)
                self.state = replace(self.state, state="done", result=kind.told(self.value))
            finally:
                turn.release()
        except Cancelled:
            self.state = replace(self.state, state="cancelled")
        except SemsearchError as error:
            self.state = replace(self.state, state="failed", problem=problem(error))
        except Exception as error:
            self.state = replace(self.state, state="failed", problem=problem(internal(error)))
        finally:
            self._ended.set()

    def _progress(self, done: int, total: int) -> None:
        self._look()
        self.state = replace(self.state, done=done, total=total)

    def _look(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled


class Jobs:
    """The jobs of a server."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._closed = False

    def start(self, name: str, kind: Kind, options: Any) -> Job:
        """Start a job of a kind, which callers know by the name. Raises `Refused` where too many are not finished."""
        with self._lock:
            if self._closed:
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the server is ending")
            if sum(job.running for job in self._jobs.values()) >= MOST_JOBS:
                raise Refused(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    f"{MOST_JOBS} jobs are not finished",
                    "wait for one, or cancel one",
                )
            job = Job(name, kind.unit)
            self._jobs[job.id] = job
            finished = [one.id for one in self._jobs.values() if one.kind == name and not one.running]
            for old in finished[:-_KEPT]:
                del self._jobs[old]
            turn = self._turns.setdefault("" if kind.writes else name, threading.Lock())
        threading.Thread(target=job.run, args=(kind, options, turn), name=f"job-{name}", daemon=True).start()
        return job

    def all(self) -> list[Job]:
        """Return the jobs that are kept, the oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def get(self, id: str) -> Job:
        """Return a job. Raises `UnknownName`."""
        with self._lock:
            if (job := self._jobs.get(id)) is None:
                raise UnknownName(f"there is no job {id[:80]!r}", "old jobs are forgotten; start it again")
            return job

    def found(self, id: str, kind: str) -> Any:
        """Return what a job of a kind found. Raises `UnknownName`, and `Refused` where it is not done."""
        job = self.get(id)
        if job.kind != kind:
            raise UnknownName(f"the job {id!r} is not of the kind {kind}")
        if job.state.state != "done":
            raise Refused(
                HTTPStatus.CONFLICT, f"the job {id!r} is {job.state.state}", "wait until it is done"
            )
        return job.value

    def end(self) -> list[Job]:
        """Ask every job to end, start no more, and return those that have not ended yet."""
        with self._lock:
            self._closed = True
        running = [job for job in self.all() if job.running]
        for job in running:
            job.cancel()
        return running
