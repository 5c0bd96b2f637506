"""Run work on a Ray cluster: embed pieces of documents, and visit pairs of partitions. Only this module imports ray."""

import os
import signal
import threading
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from semsearch import __version__, threads
from semsearch.dedup.dataset_reader import why_many
from semsearch.dedup.in_files import Dataset
from semsearch.dedup.join import Doubles, Floats, Integers, Pairs, between
from semsearch.dedup.sketch import Sketch, Sketched
from semsearch.distributed.partitions import Partition, visit
from semsearch.distributed.pieces import Input, Piece, parquet_bytes, pieces, table_of
from semsearch.distributed.work import Work
from semsearch.embedding import Embedder, Fingerprint
from semsearch.errors import FingerprintMismatch, SemsearchError, extra, reason_of

LOCAL = "local"
Load = Callable[[], Embedder]
PIECES = "embeddings"
"""The folder of the pieces in the output."""
_RETRIES = 3
_AHEAD = 2
"""Pieces, or visits, that wait for each processor, so that none is idle."""
_BEGIN_SECONDS = 30.0
"""Seconds in which the first worker waits for others. Where a cluster is in use, some may not begin for hours."""


class Cluster:
    """A Ray cluster that this process is connected to: its processors, GPUs, and the address of its dashboard or ""."""

    def __init__(self, ray: Any, dashboard: str) -> None:
        self._ray = ray
        self.dashboard = dashboard
        resources = ray.cluster_resources()
        self.cpus, self.gpus = max(1, int(resources.get("CPU", 1))), int(resources.get("GPU", 0))

    @property
    def in_use(self) -> bool:
        """Return whether others use all of the processors, so that work has to wait."""
        return bool(self._ray.available_resources().get("CPU", 0) < 1)

    def embed(
        self,
        bundles: Sequence[Sequence[Input]],
        done: Mapping[int, frozenset[int]],
        load: Load,
        work: Work,
        finished: Callable[[Mapping[str, Any]], None],
        gpu: Load | None = None,
    ) -> None:
        """Embed the pieces of some bundles that are not `done`, by the number of the bundle, and save each in `work`.

        There is a worker for each processor; or one for each GPU, with the model that `gpu` returns there. `finished`
        is called with each entry that was saved. Raises the errors of the model and of `pieces`, and `SemsearchError`
        where workers die again and again, or where there is no GPU for `gpu`.
        """
        ray = self._ray
        count = self.gpus if gpu else self.cpus
        reading = ray.remote(num_cpus=0)(ReadingWorker)
        embedding = ray.remote(
            num_cpus=1, num_gpus=int(gpu is not None), max_restarts=_RETRIES, max_task_retries=_RETRIES
        )(EmbeddingWorker)
        known = {number: set(done.get(number, ())) for number in range(len(bundles))}
        waiting = deque(number for number in known if -1 not in known[number])
        if not waiting:
            return
        if gpu and not self.gpus:
            raise SemsearchError("the cluster has no GPU", "leave out --set device=cuda")
        files = Counter(one.part for bundle in bundles for one in bundle)
        with _translated(ray), ExitStack() as ended:
            every = [embedding.remote(gpu or load, work) for _ in range(count)]
            ended.callback(lambda: [ray.kill(one) for one in every])  # else they go on writing after an error
            workers = self._begun(every, load().fingerprint)
            taken: dict[Any, tuple[int, Any, Any]] = {}
            busy: dict[Any, int] = {}
            pending = [0] * len(workers)
            tries = dict.fromkeys(known, 0)

            def take(number: int, reader: Any) -> None:
                about, piece = reader.take.options(num_returns=2).remote()
                taken[about] = number, reader, piece

            while waiting or taken or busy:
                while waiting and len(taken) < count:
                    number = waiting.popleft()
                    alone = files[bundles[number][0].part] == 1
                    take(number, reading.remote(bundles[number], frozenset(known[number]), alone))
                room = sum(pending) < _AHEAD * len(workers)
                (ready,), _ = ray.wait([*busy, *(taken if room else ())], num_returns=1, fetch_local=False)
                if ready in busy:
                    pending[busy.pop(ready)] -= 1
                    finished(ray.get(ready))
                    continue
                number, reader, piece = taken.pop(ready)
                try:
                    at, last = ray.get(ready)
                except ray.exceptions.RayActorError:  # it is read again, without what was taken
                    tries[number] += 1
                    if tries[number] > _RETRIES:
                        raise
                    waiting.append(number)
                    continue
                free = int(np.argmin(pending))
                busy[workers[free].embed.remote(number, piece)] = free
                pending[free] += 1
                known[number].add(at)
                if not last:
                    take(number, reader)

    def _begun(self, workers: Sequence[Any], own: Fingerprint) -> list[Any]:
        """Return the workers that have begun. Raises `FingerprintMismatch` where one has another version or model."""
        identities = {one.identity.remote(): one for one in workers}
        self._ray.wait(list(identities), num_returns=1)
        begun, _ = self._ray.wait(list(identities), num_returns=len(identities), timeout=_BEGIN_SECONDS)
        for version, fingerprint in self._ray.get(begun):
            if (version, fingerprint) != (__version__, own):
                raise FingerprintMismatch(
                    f"a worker has semsearch {version} with {fingerprint.model}, and this process {__version__} with"
                    f" {own.model}, or other weights",
                    "install the same version and model on all machines",
                )
        return [identities[one] for one in begun]

    def visit(
        self,
        partitions: Sequence[Partition],
        chunks: Iterable[tuple[str, Sequence[tuple[int, int]]]],
        threshold: float,
        limit: int,
        memory: int,
        sketch: Sketch | None = None,
    ) -> Iterator[tuple[str, Pairs, int]]:
        """Visit chunks of pairs of partitions; yield the name of each, its pairs, and how many rows were compared.

        With a `sketch`, the rows of each partition are sketched by it once, and not on each visit. Raises
        `TooManyPairs` where one chunk has more than `limit` pairs.
        """
        ray = self._ray
        task, sketching = (ray.remote(num_cpus=1, max_retries=_RETRIES)(one) for one in (_visit, _sketched))
        stored: dict[int, Any] = {}
        sketched: dict[int, Any] = {}

        def references(numbers: Sequence[int]) -> list[Any]:
            for number in numbers:
                if number not in stored:
                    stored[number] = ray.put(partitions[number])
                    if sketch:
                        sketched[number] = sketching.remote(stored[number], sketch)
            return [*map(stored.__getitem__, numbers), *(sketched[number] for number in numbers if sketch)]

        def submit(chunk: tuple[str, Sequence[tuple[int, int]]]) -> Any:
            name, visits = chunk
            numbers = sorted({number for pair in visits for number in pair})
            at = [(numbers.index(i), numbers.index(j)) for i, j in visits]
            return task.remote(name, at, threshold, limit, memory, len(numbers), *references(numbers))

        yield from self._results(map(submit, chunks))

    def sample(
        self, numbers: Integers, rows: Floats, partitions: Sequence[Partition], threshold: float, memory: int
    ) -> Iterator[tuple[int, Pairs]]:
        """Yield the number of each partition, and the pairs of some rows, with their numbers, and its other rows."""
        ray = self._ray
        task = ray.remote(num_cpus=1, max_retries=_RETRIES)(_sample)
        some = ray.put(rows)
        yield from self._results(
            task.remote(number, numbers, some, one, threshold, memory)
            for number, one in enumerate(partitions)
        )

    def margins(
        self, partitions: Sequence[Partition], centres: Doubles
    ) -> Iterator[tuple[int, Doubles, float, float]]:
        """Yield the number of each partition, its margins, its longest square and its radius."""
        ray = self._ray
        task = ray.remote(num_cpus=1, max_retries=_RETRIES)(_margins)
        yield from self._results(task.remote(number, one, centres) for number, one in enumerate(partitions))

    def _results(self, tasks: Iterator[Any]) -> Iterator[Any]:
        """Yield the results of tasks as they come; a few more than there are processors are submitted."""
        ray = self._ray
        busy: list[Any] = []
        with _translated(ray):
            while True:
                while len(busy) < _AHEAD * self.cpus and (reference := next(tasks, None)) is not None:
                    busy.append(reference)
                if not busy:
                    return
                ready, busy = ray.wait(busy, num_returns=1)
                yield from ray.get(ready)


def require_ray() -> Any:
    """Return the module ray. Raises `MissingExtra` where it is not installed."""
    with extra("ray", "`semsearch batch`"):
        import ray
    return ray


@contextmanager
def connected(address: str = LOCAL) -> Iterator[Cluster]:
    """Connect to a cluster: `local` starts one on this machine, `auto` takes the one that runs here.

    Other addresses are those of `ray.init`, such as `ray://host:10001`. A process that is connected stays so. What is
    started here listens on 127.0.0.1 only, sends no statistics, and ends with the block. Raises `MissingExtra` without
    ray, and `SemsearchError` where no cluster can be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # the first one is raised
    if address == LOCAL:  # the address of a node is then 127.0.0.1
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    ray = require_ray()
    if ray.is_initialized():
        yield Cluster(ray, "")
        return
    options: dict[str, Any] = {} if address.startswith("ray://") else {"log_to_driver": False}
    if address == LOCAL:
        options["num_cpus"] = threads.cpus()
    try:
        with warnings.catch_warnings(action="ignore"), _own_sigterm():  # the error says what is warned of
            context = ray.init(address=address, logging_level="ERROR", **options)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        if address == LOCAL:
            raise SemsearchError(
                f"Ray does not start: {reason_of(error)}",
                "look at the room where it keeps its files: in TMPDIR, or in /tmp",
            ) from error
        raise SemsearchError(
            f"no Ray cluster answers at {address}: {reason_of(error)}",
            "start one with `ray start --head`, or use --address local",
        ) from error
    try:
        url = getattr(context, "dashboard_url", "") or ""
        yield Cluster(ray, f"http://{url}" if url else "")
    finally:
        ray.shutdown()


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep the handler of SIGTERM of this process, in place of one that prints a stack and ends it at once."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@contextmanager
def _translated(ray: Any) -> Iterator[None]:
    """Raise what a worker raised as if this process had, and the errors of Ray as `SemsearchError`."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, SemsearchError):
            raise cause from error
        raise SemsearchError(
            f"a worker failed: {reason_of(cause)}", "run the command again: it goes on"
        ) from error
    except (ray.exceptions.OutOfDiskError, ray.exceptions.ObjectStoreFullError) as error:
        raise SemsearchError(
            "Ray has no room for its objects: its memory for them and its disk are full",
            "make room in TMPDIR, or in /tmp, of each machine, then run the command again: it goes on",
        ) from error
    except ray.exceptions.RayError as error:
        raise SemsearchError(
            f"the cluster lost work {_RETRIES + 1} times: {reason_of(error)}",
            "run the command again: it goes on; look at the memory of the machines if this repeats",
        ) from error


# What follows runs in the workers.


class ReadingWorker:
    """An actor that reads the pieces of a bundle that are not `done`, one each time that it is asked."""

    def __init__(self, bundle: Sequence[Input], done: frozenset[int], alone: bool) -> None:
        self._pieces = pieces(bundle, done, alone=alone)

    def take(self) -> tuple[tuple[int, bool], Piece]:
        """Return the number of the next piece and whether it is the last, and the piece."""
        piece = next(self._pieces)
        return (piece.number, piece.last), piece


class EmbeddingWorker:
    """An actor with a model, which embeds pieces and saves them."""

    def __init__(self, load: Load, work: Work) -> None:
        self._embedder = load()
        self._work = work

    def identity(self) -> tuple[str, Fingerprint]:
        """Return the version of semsearch here, and the fingerprint of the model."""
        return __version__, self._embedder.fingerprint

    def embed(self, number: int, piece: Piece) -> dict[str, Any]:
        """Embed a piece of the bundle of this number, save it, and return its entry."""
        said = {
            "bundle": number,
            "piece": -1 if piece.last else piece.number,
            "skipped": [[one.path, one.reason, one.failed] for one in piece.skipped],
            "notes": list(piece.notes),
        }
        if piece.last:
            return self._work.save(PIECES, f"{number:05}-last", "", b"", said | {"pieces": piece.number})
        with Dataset.of(piece.documents, embedder=self._embedder) as data:
            said |= {
                "documents": len(data.names),
                "characters": sum(len(document.text) for document in piece.documents),
                "passages": len(data.vectors),
                "oov": data.oov,
                "whole": next(filter(None, map(why_many, piece.documents)), ""),
                "skipped": [[one.path, one.reason, one.failed] for one in data.skipped],
            }
            content = parquet_bytes(table_of(data))
        return self._work.save(PIECES, f"{number:05}-{piece.number:06}", ".parquet", content, said)


def _visit(
    name: str,
    visits: Sequence[tuple[int, int]],
    threshold: float,
    limit: int,
    memory: int,
    count: int,
    *given: Any,
) -> tuple[str, Pairs, int]:
    """Visit pairs of the partitions that come first, `count` of them; their sketches come next, if there are any."""
    parts: Sequence[Partition] = given[:count]
    if given[count:]:
        parts = [replace(part, sketched=own) for part, own in zip(parts, given[count:], strict=True)]
    found = [visit(parts[i], parts[j], threshold, memory=memory, limit=limit) for i, j in visits]
    return name, Pairs.merged(pairs for pairs, _ in found), sum(compared for _, compared in found)


def _sketched(part: Partition, sketch: Sketch) -> Sketched:
    return sketch.of(part.vectors)


def _sample(
    number: int, numbers: Integers, rows: Floats, part: Partition, threshold: float, memory: int
) -> tuple[int, Pairs]:
    found = between(rows, part.vectors, threshold, memory=memory)
    pairs = Pairs(numbers[found.left], part.rows[found.right], found.similarity)
    return number, pairs[pairs.left != pairs.right]


def _margins(number: int, part: Partition, centres: Doubles) -> tuple[int, Doubles, float, float]:
    return number, part.margins(centres), part.longest, part.radius
