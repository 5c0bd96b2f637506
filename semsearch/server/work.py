"""The work that takes long, as jobs: ingest, dedup, tune, adapt and check; and the events of the index."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal

from semsearch import serialize
from semsearch.answers import DedupAnswer
from semsearch.dedup import Duplicates
from semsearch.dedup.decision import origin_in_index
from semsearch.errors import InvalidInput, extra
from semsearch.ingest.report import IngestProgress, IngestReport
from semsearch.requests import DedupRequest
from semsearch.server.context import API, Context
from semsearch.server.jobs import Job, JobAnswer, Kind, Progress
from semsearch.server.operations import Operation
from semsearch.server.reach import near_roots, reached
from semsearch.storage.check import CheckReport
from semsearch.tuning.adapt import Adaptation
from semsearch.tuning.guarantee import CONFIDENCE
from semsearch.tuning.labels import FILE
from semsearch.tuning.pairs import PairSet, load_pairs
from semsearch.tuning.threshold import BEST_F1, Objective, TuningResult

with extra("server", "the server"):
    from sse_starlette import EventSourceResponse, ServerSentEvent
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

_TICK = 0.2
"""Seconds between two looks at what is told by events."""
_SEND_SECONDS = 30
"""The time for a client to take an event."""


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """The files to bring the index up to date with, and the rules; see `Index.ingest`.

    Args:
        paths: Files and folders: next to the index, or in what the server was started with. None means all that was
            ingested and lies there.
        include: Patterns of the files to read. An empty list means those of the last time.
        exclude: Patterns of the files not to read. An empty list means those of the last time.
        everything: Also read text that is not prose. Null means as the last time.
        prune: Remove sources whose files are gone even where a drive may not be mounted.
        dry_run: Report what would change, and change nothing.
    """

    paths: Sequence[str] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    everything: bool | None = None
    prune: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """The pairs to choose a threshold on, and what it is to guarantee; without a guarantee it has the best F1.

    Args:
        sample: Use the pairs that come with semsearch in place of the index's own labels.
        rule: The pairs that are duplicates, such as `score>=4`.
        min_precision: The precision to guarantee, in (0, 1).
        min_recall: The recall to guarantee, in (0, 1).
        confidence: The confidence of the guarantee, in (0, 1).
        seed: The seed of the random split.
    """

    sample: bool = False
    rule: str | None = None
    min_precision: float | None = None
    min_recall: float | None = None
    confidence: float = CONFIDENCE
    seed: int = 0

    def __post_init__(self) -> None:
        if self.min_precision is not None and self.min_recall is not None:
            raise InvalidInput("min_precision and min_recall exclude each other", "give one of them")
        for name in ("min_precision", "min_recall", "confidence"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise InvalidInput(f"{name} is {value}, but must be between 0 and 1")

    @property
    def objective(self) -> Objective:
        """The objective of the threshold."""
        if self.min_precision is not None:
            return Objective("precision", self.min_precision, self.confidence)
        if self.min_recall is not None:
            return Objective("recall", self.min_recall, self.confidence)
        return BEST_F1


@dataclass(frozen=True, slots=True)
class AdaptOptions:
    """The examples to train the index's model on; see `Index.adapt`.

    Args:
        pairs: The index's own labels, or its headings and titles with the texts below them.
        rule: The pairs that are duplicates, such as `score>=4`.
        guard: Judge by a public data set too, which shows what the model forgets.
        dry_run: Train and judge, and leave the index as it is.
        seed: The seed of the random split.
    """

    pairs: Literal["labels", "structure"] = "labels"
    rule: str | None = None
    guard: bool = True
    dry_run: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class NoOptions:
    """This job has no options."""


@dataclass(frozen=True, slots=True)
class JobName:
    """A job by its id."""

    id: str


def routes(context: Context) -> list[Route]:
    """Return the routes, and offer the kinds of jobs."""
    work = _Work(context)
    context.kinds |= {
        "ingest": Kind(IngestOptions, work.ingest, serialize.ingest_json, "bytes", writes=True),
        "dedup": Kind(DedupRequest, work.dedup, work.dedup_json, "pairs"),
        "tune": Kind(TuneOptions, work.tune, work.tune_json, "texts", writes=True),
        "adapt": Kind(AdaptOptions, work.adapt, serialize.adaptation_json, "examples", writes=True),
        "undo_adapt": Kind(
            NoOptions, work.undo_adapt, serialize.undone_adaptation_json, "texts", writes=True
        ),
        "check": Kind(NoOptions, work.check, serialize.check_json, "checks", writes=True),
    }
    changing: dict[str, Any] = {"changes": True}
    operations = [
        Operation(
            "POST",
            f"{API}/jobs",
            work.start,
            kinds=context.kinds,
            status=HTTPStatus.ACCEPTED,
            **changing,
        ),
        Operation("GET", f"{API}/jobs", work.jobs),
        Operation("GET", f"{API}/jobs/{{id}}", work.job),
        Operation("GET", f"{API}/jobs/{{id}}/events", work.job_events, media_type="text/event-stream"),
        Operation("DELETE", f"{API}/jobs/{{id}}", work.cancel, **changing),
        Operation("GET", f"{API}/events", work.events, media_type="text/event-stream"),
    ]
    return [operation.route(context) for operation in operations]


class _Work:
    """Long work on an index. The docstrings of its routes are the description of the API."""

    def __init__(self, context: Context) -> None:
        self._context, self._index, self._jobs = context, context.index, context.jobs

    # -- the kinds of jobs ------------------------------------------------------------------------------

    def ingest(self, options: IngestOptions, progress: Progress) -> IngestReport:
        """Bring the index up to date with files."""
        paths = self._paths(options)

        def step(report: IngestProgress) -> None:
            progress(report.done, report.total)

        return self._index.ingest(
            paths,
            include=options.include or None,
            exclude=options.exclude or None,
            everything=options.everything,
            prune=options.prune,
            dry_run=options.dry_run,
            progress=step,
        )

    def _paths(self, options: IngestOptions) -> list[Path]:
        folders = self._context.settings.folders
        paths = [reached(self._index, path, folders) for path in options.paths]
        if not (paths := paths or [*near_roots(self._index), *folders]):
            raise InvalidInput("no folder is named, and none was ingested before", "name one in paths")
        return paths

    def dedup(self, request: DedupRequest, progress: Progress) -> tuple[DedupRequest, Duplicates]:
        """Find near-duplicates."""
        return request, self._index.find_duplicates(request, progress=progress)

    def dedup_json(self, value: tuple[DedupRequest, Duplicates]) -> DedupAnswer:
        """Return the counts of near-duplicates; the groups are read in parts."""
        request, found = value
        origin = origin_in_index(found.threshold, request, self._index.threshold, self._index.classifier)
        return serialize.duplicates_summary_json(found, origin)

    def tune(self, options: TuneOptions, progress: Progress) -> TuningResult:
        """Choose a threshold."""
        pairs = load_pairs("sample") if options.sample else self._labels()
        done, total = 0, 2 * len(pairs.pairs)  # equal texts are embedded once, so this is the most

        def step(count: int) -> None:
            nonlocal done
            done += count
            progress(done, total)

        tuning, _ = self._index.tune(
            pairs, rule=options.rule, objective=options.objective, seed=options.seed, progress=step
        )
        return tuning

    def _labels(self) -> PairSet:
        """Return the index's own labels. Raises `InvalidInput` where it has none."""
        labels = self._index.folder / FILE
        if not labels.exists():
            raise InvalidInput("the index has no labels yet", "label some pairs first: semsearch label")
        return load_pairs(str(labels))

    def tune_json(self, tuning: TuningResult) -> dict[str, Any]:
        """Return what was chosen."""
        return serialize.tuning_json(tuning, self._index.embedder.fingerprint.model, self._index.folder)

    def adapt(self, options: AdaptOptions, progress: Progress) -> Adaptation:
        """Train the model, and move the index to it where it is better: the examples, and then the texts."""
        return self._index.adapt(
            self._labels() if options.pairs == "labels" else "structure",
            rule=options.rule,
            seed=options.seed,
            guard=options.guard,
            dry_run=options.dry_run,
            progress=lambda _, done, total: progress(done, total),
        )

    def undo_adapt(self, options: NoOptions, progress: Progress) -> str:
        """Move the index back to the model before, and embed the texts that have come since."""
        return self._index.undo_adapt(lambda _, done, total: progress(done, total))

    def check(self, options: NoOptions, progress: Progress) -> CheckReport:
        """Verify the index."""
        return self._index.check(progress)

    # -- routes -----------------------------------------------------------------------------------------

    def start(self, kind: str, options: Any) -> Annotated[Response, JobAnswer]:
        """Start a job. Location is its address; it goes on when the caller leaves."""
        if isinstance(options, IngestOptions):
            self._paths(options)  # so what is out of reach is refused at once
        job = self._jobs.start(kind, self._context.kinds[kind], options)
        where = {"Location": f"{API}/jobs/{job.id}"}
        return JSONResponse(job.shown(), HTTPStatus.ACCEPTED, where)

    def jobs(self) -> list[JobAnswer]:
        """Return the jobs that run, and the last ones of each kind, the oldest first."""
        return [job.shown() for job in self._jobs.all()]

    def job(self, name: JobName) -> JobAnswer:
        """Return a job."""
        return self._jobs.get(name.id).shown()

    def cancel(self, name: JobName) -> JobAnswer:
        """Cancel a job, which ends at its next step. A job that has ended stays as it is."""
        job = self._jobs.get(name.id)
        job.cancel()
        job.wait(1)
        return job.shown()

    async def job_events(self, name: JobName) -> Response:
        """Send an event `progress` with the job at each change of it, and at last an event `end`."""
        return _events(_of_job(self._jobs.get(name.id)))

    async def events(self) -> Response:
        """Send an event `index` after each change of the index, and `job` where a job begins or ends."""
        return _events(self._changes())

    async def _changes(self) -> AsyncIterator[ServerSentEvent]:
        state = await self._context.call(lambda: self._index.state)
        known = {job.id: job.state.state for job in self._jobs.all()}
        while True:
            await asyncio.sleep(_TICK)
            jobs = self._jobs.all()
            for job in jobs:
                if known.get(job.id) != job.state.state:
                    yield _event("job", job.shown())
            known = {job.id: job.state.state for job in jobs}
            now = await self._context.call(lambda: self._index.state)
            if now != state:
                state = now
                yield _event("index", {"state": state})


async def _of_job(job: Job) -> AsyncIterator[ServerSentEvent]:
    seen = None
    while job.running:
        if job.state is not seen:
            seen = job.state
            yield _event("progress", job.shown())
        await asyncio.sleep(_TICK)
    yield _event("end", job.shown())


def _events(events: AsyncIterator[ServerSentEvent]) -> Response:
    return EventSourceResponse(events, send_timeout=_SEND_SECONDS)


def _event(name: str, data: Any) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(data, ensure_ascii=False), event=name)
