"""Search a million passages exactly: warm and cold, by codes of eight bits and by float32, which must agree.

The index is written without a vector engine, which an exact search does not ask. The first vectors are those of real
sentences, and further ones are turned copies of them (see `scale.py`); the text of a copy is one half of its sentence
and one half of the sentence that it is turned towards, so words and vectors go together. A document has ten passages.
`--only check` fills an engine from indexes of some sizes (`repair`) and verifies them (`check`), by part.
"""

import gzip
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import nullcontext
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from common import Report, arguments, need, run, talk

REAL, CHUNK, PASSAGES = 100_000, 50_000, 10
HITS, WARM, UNSEEN = 10, 5, 390_000
"""Hits of a query, queries that do not count, and the line from which on sentences are queries."""
MODES, WAYS = ("dense", "hybrid"), ("codes", "float32")
QUERY = "a film that is much longer than it needed to be"


def build(sentences: Path, vectors_file: Path, real: int, count: int, folder: Path) -> None:
    """Make the index: a Library of `count` passages, its vector file and its null model."""
    import numpy as np
    from dedup import clean, embed
    from scale import pairs, turned

    from semsearch import Index
    from semsearch.search.relevance import renew
    from semsearch.storage.library import update_vector_file
    from semsearch.storage.library.records import DocumentRecord, PassageRecord, SourceState
    from semsearch.text import text_digest

    real = min(real, count)
    vectors = embed(sentences, real, vectors_file)
    with gzip.open(sentences, "rt", encoding="utf-8") as file:
        texts = list(islice(dict.fromkeys(filter(None, (clean(line).strip() for line in file))), real))
    rng = np.random.default_rng(0)
    seen: set[str] = set()
    with Index.create(folder) as index:
        library = index._library  # private, but the public way computes each vector
        start = 0
        while start < count:
            size = min(CHUNK, (real if start < real else count) - start)
            if start < real:
                some, own = vectors[start : start + size], texts[start : start + size]
            else:
                at, towards = pairs(real, size, rng)
                some = turned(vectors, at, towards, rng)
                own = [
                    _halves(texts[a], texts[b]) for a, b in zip(at.tolist(), towards.tolist(), strict=True)
                ]
            # A text has one vector, so equal texts get a number.
            own = [
                f"{text} {start + row}" if text in seen or seen.add(text) else text
                for row, text in enumerate(own)
            ]
            records = [
                PassageRecord(f"{start + row:032x}", text, text_digest(text), "line", row + 1, row + 1)
                for row, text in enumerate(own)
            ]
            key = f"record://{start}"
            (source,) = library.begin_sources([(key, SourceState(0, 0, "", ""))])
            documents = [
                (source, DocumentRecord(f"{key}#{row}", bytes(16), {}, records[row : row + PASSAGES]))
                for row in range(0, size, PASSAGES)
            ]
            library.add(documents, {one.digest: vector for one, vector in zip(records, some, strict=True)})
            library.publish([(source, "")])
            library.mark_applied([one.id for one in records])
            start += size
            talk(f"{start:,} passages")
        update_vector_file(library)
        renew(library, index.embedder)


def _halves(first: str, second: str) -> str:
    """Return the first half of the words of a text and the second half of those of another."""
    a, b = first.split(), second.split()
    return " ".join([*a[: (len(a) + 1) // 2], *b[len(b) // 2 :]])


def ask(sentences: Path, folder: Path, way: str, queries: int) -> None:
    """Print as JSON the milliseconds of queries in one way, a digest of their answers, and the memory at the end."""
    from semsearch import Index
    from semsearch.search import engine

    with gzip.open(sentences, "rt", encoding="utf-8") as file:
        lines = list(islice(filter(None, map(str.strip, islice(file, UNSEEN, None))), WARM + queries))
    if way != "codes":
        engine._BOUNDED_FROM = sys.maxsize  # private, but nothing public turns codes off
    seal = blake2b(digest_size=8)
    spent: dict[str, list[tuple[float, float]]] = {mode: [] for mode in MODES}
    with Index.open(folder) as index:
        for line in lines:
            for mode, some in spent.items():
                wall, cpu = time.perf_counter(), time.process_time()
                hits = index.query(line, k=HITS, mode=mode, highlight=False, literal=True)
                some.append((time.perf_counter() - wall, time.process_time() - cpu))
                seal.update(repr(hits).encode())
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    memory = {name: int(status[name].split()[0]) * 1024 / 1e6 for name in ("RssAnon", "RssFile")}
    figures = {
        mode: {"p50": 1e3 * median(walls), "p90": 1e3 * quantiles(walls, n=10)[-1], "cpu": 1e3 * median(cpus)}
        for mode, some in spent.items()
        for walls, cpus in [zip(*some[WARM:], strict=True)]
    }
    print(json.dumps({"ms": figures, "seal": seal.hexdigest(), "memory": memory}))


def change(report: Report, index: Path, repeats: int) -> None:
    """Add one line to a copy of the index in a new process, change it, and ingest it again unchanged, in turn."""
    with tempfile.TemporaryDirectory(dir=index.parent) as temporary:
        folder, note = Path(temporary) / "index", Path(temporary) / "note.txt"
        shutil.copytree(index, folder)
        processes: dict[str, list[Any]] = {"nothing to do": [], "add": [], "change": []}
        for turn in range(repeats + 1):
            talk(f"round {turn} of {repeats}" if turn else "one round that does not count")
            for what, some in processes.items():
                if what == "add":
                    note = note.with_name(f"note{turn}.txt")
                if what != "nothing to do" or not turn:
                    note.write_text(f"{what} {turn}: the kettle boils before the train leaves")
                some.append(run("-m", "semsearch", "ingest", note, "--index", folder, "--json"))
    figures = {
        what: {
            "seconds": median(one.seconds for one in some[1:]),
            "cpu": median(one.cpu for one in some[1:]),
            "peak_mb": max(one.peak_mb for one in some[1:]),
        }
        for what, some in processes.items()
    }
    report.figures = figures
    rows = [
        (what, f"{one['seconds']:.2f}", f"{one['cpu']:.2f}", f"{one['peak_mb']:.0f}")
        for what, one in figures.items()
    ]
    report.table("one line, by `semsearch ingest` in a new process", ("", "s", "CPU s", "peak MB"), rows)
    for what in ("add", "change"):
        report.bar(f"{what} one line, s", figures[what]["seconds"], "<=", 1)
        report.bar(f"{what} one line, peak MB", figures[what]["peak_mb"], "<=", 500)
    report.close()


def verify(folder: Path, engine: str) -> None:
    """Print as JSON the processor seconds to move an index to an engine, to repair it, and of each check."""
    from semsearch import Index

    spent: dict[str, float] = {}
    last = 0.0

    def lap(what: str) -> None:
        nonlocal last
        times = os.times()  # with those of children, since a child opens the engine's files
        now = sum(times[:4])
        spent[what], last = now - last, now

    def checked(done: int, _: int) -> None:
        lap(f"check {done}")

    with Index.open(folder) as index:
        lap("open")
        if index.engine != engine:
            index.move_engine(engine)
            lap("move")
        index.repair()
        lap("repair")
        found = index.check(checked)
    problems = [problem for finding in found.findings for problem in finding.problems]
    if problems:
        raise SystemExit(f"the index is damaged: {problems}")
    names = {f"check {at}": f"check: {one.subject}" for at, one in enumerate(found.findings, 1)}
    print(json.dumps({names.get(what, what): seconds for what, seconds in spent.items()}))


def check(report: Report, folders: dict[int, Path], engine: str) -> None:
    """Verify a copy of each index in a new process; compare the processor time of a passage between the sizes."""
    measured: dict[int, dict[str, float]] = {}
    for count, index in folders.items():
        talk(f"{count:,} passages: repair and check")
        with tempfile.TemporaryDirectory(dir=index.parent) as temporary:
            folder = Path(temporary) / "index"
            shutil.copytree(index, folder)
            process = run(__file__, "--verify", folder, "--engine", engine)
        measured[count] = json.loads(process.out)
        checks = {what: seconds for what, seconds in measured[count].items() if what.startswith("check")}
        measured[count] |= {"check": sum(checks.values()), "peak MB": process.peak_mb}
    report.figures = {str(count): one for count, one in measured.items()}
    least, most = min(measured), max(measured)
    rows = [(what, *(f"{one[what]:.1f}" for one in measured.values())) for what in measured[least]]
    report.table(f"processor seconds, engine {engine}", ("", *(f"{count:,}" for count in measured)), rows)
    for what in ("check", "repair"):
        ratio = measured[most][what] / most / (measured[least][what] / least)
        report.bar(f"{what}: a passage of {most:,} against one of {least:,}", ratio, "<=", 1.2)
    report.close()


def main() -> None:
    parser = arguments(__doc__, repeats=3)
    parser.add_argument(
        "--only",
        choices=("change", "check"),
        help="measure a one-line change of the index, or `repair` and `check`, and no search",
    )
    parser.add_argument(
        "--sizes", default="100000,200000,300000", metavar="N,N", help="passages (--only check)"
    )
    parser.add_argument("--engine", default="chroma:", metavar="URL", help="vector engine (--only check)")
    parser.add_argument(
        "--count", type=int, default=1_000_000, metavar="N", help="passages (default 1,000,000)"
    )
    parser.add_argument(
        "--real", type=int, default=REAL, metavar="N", help=f"real sentences (default {REAL})"
    )
    parser.add_argument(
        "--vectors", type=Path, metavar="FILE", help="keep the vectors of real sentences here"
    )
    parser.add_argument(
        "--queries", type=int, default=100, metavar="N", help="queries of a run (default 100)"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the index here (default: build it each time)"
    )
    parser.add_argument("--build", type=Path, metavar="DIR", help="make the index, and end")
    parser.add_argument("--verify", type=Path, metavar="DIR", help="repair and check an index, and end")
    parser.add_argument("--ask", nargs=2, metavar=("DIR", "WAY"), help="ask in one way, and end")
    options = parser.parse_args()
    sentences = need(options.data / "sentences" / "sentences-400k.txt.gz")
    if options.build:
        build(sentences, options.vectors, options.real, options.count, options.build)
        return
    if options.verify:
        verify(options.verify, options.engine)
        return
    if options.ask:
        ask(sentences, Path(options.ask[0]), options.ask[1], options.queries)
        return
    report = Report("million", options)
    with nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory() as kept:
        data: list[str | Path] = ["--data", options.data, "--real", str(options.real)]
        data += ["--vectors", options.vectors or Path(kept) / "vectors.npy"]
        counts = [options.count]
        if options.only == "check":
            counts = [int(size) for size in options.sizes.split(",")]
        folders = {count: Path(kept).absolute() / f"passages-{count}" for count in counts}
        for count, folder in folders.items():
            if not folder.exists():
                run(__file__, *data, "--count", str(count), "--build", folder)
        if options.only == "check":
            check(report, folders, options.engine)
            return
        if options.only == "change":
            change(report, folder, options.repeats)
            return
        rounds: dict[str, list[Any]] = {way: [] for way in WAYS}
        cold: dict[str, list[Any]] = {mode: [] for mode in MODES}
        for turn in range(options.repeats + 1):
            talk(f"round {turn} of {options.repeats}" if turn else "one round that does not count")
            for way, some in rounds.items():
                process = run(__file__, *data, "--queries", str(options.queries), "--ask", folder, way)
                some.append(json.loads(process.out) | {"peak": process.peak_mb})
            for mode, processes in cold.items():
                command = ("-m", "semsearch", "query", QUERY, "--mode", mode, "--json", "--index", folder)
                processes.append(run(*command))
    seconds = {mode: median(one.seconds for one in some[1:]) for mode, some in cold.items()}
    cpu = {mode: median(one.cpu for one in some[1:]) for mode, some in cold.items()}
    peak = max(one.peak_mb for some in cold.values() for one in some)
    ms = {
        way: {
            mode: {what: median(one["ms"][mode][what] for one in some[1:]) for what in ("p50", "p90", "cpu")}
            for mode in MODES
        }
        for way, some in rounds.items()
    }
    memory = {
        way: {what: max(one["memory"][what] for one in some) for what in ("RssAnon", "RssFile")}
        | {"peak": max(one["peak"] for one in some)}
        for way, some in rounds.items()
    }
    same = len({one["seal"] for some in rounds.values() for one in some}) == 1
    report.figures = {
        "passages": options.count,
        "warm_ms": ms,
        "cold_seconds": seconds,
        "cold_cpu": cpu,
        "cold_peak_mb": peak,
        "memory_mb": memory,
        "same_answers": same,
    }
    report.table(
        f"{options.count:,} passages, a warm query with its embedding, ms",
        ("", "p50", "p90", "CPU"),
        [
            (f"{mode}, {way}", *(f"{value:.1f}" for value in ms[way][mode].values()))
            for mode in MODES
            for way in WAYS
        ],
    )
    report.table(
        "memory of a process that has asked all, MB",
        ("", "own", "mapped files", "peak of both"),
        [(way, *(f"{value:,.0f}" for value in memory[way].values())) for way in WAYS],
    )
    report.table(
        "a cold `semsearch query`, files in the cache",
        ("", "s", "CPU s"),
        [(mode, f"{seconds[mode]:.2f}", f"{cpu[mode]:.2f}") for mode in MODES],
    )
    for mode in MODES:
        report.bar(f"warm {mode}, p50 in ms", ms["codes"][mode]["p50"], "<=", 60)
        report.bar(f"cold {mode}, s", seconds[mode], "<=", 1.5)
    report.bar("peak memory, MB", max(peak, memory["codes"]["peak"]), "<=", 2_000)
    report.bar("answers of all runs are the same", float(same), "==", 1)
    report.close()


if __name__ == "__main__":
    main()
