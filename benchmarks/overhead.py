"""Measure what `ingest` costs beyond embedding: CPU milliseconds a passage, by part, on one thread.

    python benchmarks/overhead.py --limit-files 10

The whole road of `Index.ingest` runs with the default model's real tokenizer. Only the model's session is replaced by
sums of random vectors, whose time does not count. Reader and writer run on the thread that embeds, so each part's time
is its own, with the threads of Chroma and SQLite. Each part counts without the parts that it calls.
"""

import functools
import inspect
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
from common import Report, arguments, need, portion, talk

import semsearch.ingest.chunk
import semsearch.ingest.run
import semsearch.ingest.survey
from semsearch import Index
from semsearch.embedding import load_embedder, onnx
from semsearch.embedding.tokens import Tokens
from semsearch.storage.library import Library, fulltext
from semsearch.storage.vectors.chroma import ChromaEngine
from semsearch.storage.vectors.folder_store import FolderStore

BAR = 0.8
VOCABULARY = 30_522
MODEL = "the model"
REST = "the rest"
PARTS: Sequence[tuple[str, Any, str]] = (
    ("walk and read", semsearch.ingest.survey.Survey, "__init__"),
    ("walk and read", semsearch.ingest.run, "read"),
    ("cut out secrets and data", semsearch.ingest.chunk, "without_data"),
    ("cut out secrets and data", semsearch.ingest.chunk, "value_without_data"),
    ("clean", semsearch.ingest.chunk, "clean"),
    ("clean", semsearch.ingest.chunk, "as_written"),
    ("chunk: find the cuts", semsearch.ingest.chunk, "split"),
    ("chunk: judge prose", semsearch.ingest.chunk, "_only_prose"),
    ("chunk: ids, places, originals", semsearch.ingest.chunk, "chunk"),
    ("chunk: ids, places, originals", semsearch.ingest.run, "chunk"),
    ("write: documents", Library, "add"),
    ("write: publish", Library, "publish"),
    ("write: publish", Library, "begin_sources"),
    ("write: look up", Library, "missing"),
    ("full-text: write", fulltext.FullText, "add"),
    ("full-text: terms", fulltext, "index_terms"),
    ("full-text: stems", fulltext, "stemmed"),
    ("full-text: merge", fulltext.FullText, "_merge"),
    ("Chroma: read the Library", semsearch.storage.vectors.sync.VectorSync, "sync"),
    ("Chroma: upsert and graph", ChromaEngine, "upsert"),
    ("Chroma: open", ChromaEngine, "__init__"),
    ("Chroma: finalize", FolderStore, "finalize"),
    ("embed: batches", onnx.OnnxEmbedder, "embed"),
)
"""The parts, and the functions that each consists of."""


class Clock:
    """CPU seconds of the process by part. A part does not count the time of parts that it calls."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._parts = [REST]
        self._since = time.process_time()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the block to a part."""
        self._count()
        self._parts.append(name)
        try:
            yield
        finally:
            self._count()
            self._parts.pop()

    def within(self, *names: str) -> bool:
        """Return whether one of these parts is at work."""
        return any(name in self._parts for name in names)

    def _count(self) -> None:
        now = time.process_time()
        self.seconds[self._parts[-1]] += now - self._since
        self._since = now


class Inline:
    """An executor that does at once what it is given, on the caller's thread."""

    def __init__(self, *_: Any) -> None: ...

    def __enter__(self) -> "Inline":
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, work: Callable[..., Any], *given: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        done.set_result(work(*given))
        return done


class Session:
    """The stand-in for the model: a text is the sum of random vectors of its tokens."""

    def __init__(self, clock: Clock, tokens: int, dimension: int) -> None:
        self._clock = clock
        self._table = np.random.default_rng(15).standard_normal((tokens, dimension), np.float32)
        self._table[0] = 0  # padding

    def run(self, _: None, given: dict[str, Any]) -> tuple[Any]:
        with self._clock.part(MODEL):
            sums = np.stack([self._table[row].sum(axis=0) for row in given["input_ids"]])
            return (sums / np.linalg.norm(sums, axis=1, keepdims=True),)


class TimedTokens:
    """The real tokens of texts, whose time counts to what they are for."""

    def __init__(self, clock: Clock, tokens: Tokens) -> None:
        self._clock, self._tokens = clock, tokens

    def ids(self, texts: Sequence[str]) -> Iterator[list[int]]:
        within = self._clock.within
        purpose = (
            "measure"
            if within("chunk: find the cuts")
            else "encode"
            if within("embed: batches")
            else "unknown"
        )
        with self._clock.part(f"tokenize: {purpose}"):
            found = list(self._tokens.ids(texts))
        yield from found


def counted(clock: Clock, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, or the generator, with its time counted to a part."""

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        with clock.part(part):
            result = function(*given, **named)
        return steps(result) if inspect.isgenerator(result) else result

    def steps(generator: Iterator[Any]) -> Iterator[Any]:
        while True:
            with clock.part(part):
                item = next(generator, clock)
            if item is clock:
                return
            yield item

    return call


@contextmanager
def instrumented(clock: Clock) -> Iterator[None]:
    """Count the time of all parts within the block, on one thread."""
    kept = [(owner, name, getattr(owner, name)) for _, owner, name in PARTS]
    executor = semsearch.ingest.run.ThreadPoolExecutor
    for part, owner, name in PARTS:
        setattr(owner, name, counted(clock, part, getattr(owner, name)))
    semsearch.ingest.run.ThreadPoolExecutor = Inline  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        semsearch.ingest.run.ThreadPoolExecutor = executor  # type: ignore[misc]
        for owner, name, function in kept:
            setattr(owner, name, function)


def main() -> None:
    parser = arguments(__doc__, repeats=3)
    parser.add_argument(
        "--limit-files", type=int, default=150, metavar="N", help="files of the PEPs (default 150)"
    )
    options = parser.parse_args()
    folder = need(options.data / "folders" / "peps")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    report = Report("overhead", options)
    rounds: list[Counter[str]] = []
    wall: list[float] = []
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        folder = portion(folder, options.limit_files, work / folder.name)
        embedder = load_embedder()
        assert isinstance(embedder, onnx.OnnxEmbedder)
        tokens = embedder._tokens
        for turn in range(options.repeats + 1):
            talk(f"round {turn} of {options.repeats}" if turn else "warm up")
            index = Index.create(work / "index", embedder=embedder)
            clock = Clock()
            embedder._session = Session(clock, VOCABULARY, embedder.fingerprint.dimension)
            embedder._tokens = TimedTokens(clock, tokens)
            started = time.monotonic()
            with instrumented(clock):
                clock.seconds.clear()
                found = index.ingest(folder)
                with clock.part(REST):
                    pass
            if turn:
                wall.append(time.monotonic() - started)
                rounds.append(clock.seconds)
            index.close()
            shutil.rmtree(work / "index")

    names = [name for name in dict.fromkeys([part for part, _, _ in PARTS]) if name in rounds[0]]
    names += [*sorted(rounds[0].keys() - {*names, MODEL, REST}), REST]
    per_passage = {name: median(one[name] for one in rounds) * 1000 / found.passages for name in names}
    total = median(sum(one[name] for name in names) for one in rounds) * 1000 / found.passages
    report.table(
        f"{found.added:,} files, {found.passages:,} passages: CPU milliseconds a passage, without the model",
        ("part", "ms", "share"),
        [(name, f"{value:.3f}", f"{value / total:.0%}") for name, value in per_passage.items()]
        + [("all", f"{total:.3f}", "")],
    )
    report.figures = {
        "files": found.added,
        "passages": found.passages,
        "ms_per_passage": total,
        "parts": per_passage,
        "rounds": [sum(one[name] for name in names) * 1000 / found.passages for one in rounds],
        "wall_seconds": median(wall),
    }
    report.bar("CPU beyond embedding, ms a passage", total, "<=", BAR)
    report.close()


if __name__ == "__main__":
    main()
