"""Build, search and open again each vector engine on the same vectors, with an exact scan in the same run.

The first vectors are those of real, distinct sentences, and further ones are turned copies of them (see `scale.py`).
Some real ones are kept out, as queries. A search asks an engine for 200 ids, as `query` does, and keeps the ten with
the highest exact cosine. Recall is their share of the ten that an exact scan finds. Conditions are met by one in 25
(rare) or one in two (common), drawn with seed 1. As in `query`, those that meet a rare one are all compared, so no
engine is asked, and for a common one an engine is asked for twice as many as should contain 200 that meet it.

Building and searching are separate processes. The seconds of building are from the first upsert to files that are
closed; those of opening are from the start of the process, or of the server, without imports, to its first answer. A
server's processor time and memory are its own.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from common import Report, arguments, files_below, run, talk

EXACT, SERVER = "exact scan", "chroma server"
ENGINES = (EXACT, "chroma", "qdrant", SERVER)
QUERIES, BEST, ASKED, BATCH = 200, 10, 200, 2_000
SHARES = {"none": 1.0, "rare": 0.04, "common": 0.5}
"""The share of the vectors that qualify, by the name of the condition."""
REAL = 100_000


@contextmanager
def served(folder: Path, used: dict[str, float]) -> Iterator[str]:
    """Run `chroma run` on a folder, yield its URL, and add its processor seconds and peak memory to `used`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "import sys; from chromadb.cli.cli import app; sys.argv[0] = 'chroma'; app()"
    options = ["run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-c", program, *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        while process.poll() is None:
            try:
                opener.open(f"{url}/api/v2/heartbeat").close()
                break
            except OSError:
                time.sleep(0.01)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        used["cpu"] = usage.ru_utime + usage.ru_stime
        used["memory"] = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


@contextmanager
def opened(name: str, folder: Path, used: dict[str, float], *, create: bool = False) -> Iterator[Any]:
    """Yield an engine in a folder."""
    from semsearch.storage.vectors.chroma import ChromaEngine
    from semsearch.storage.vectors.chroma_server import ChromaServer
    from semsearch.storage.vectors.qdrant_edge import QdrantEngine

    if name == SERVER:
        with served(folder, used) as url:
            engine = ChromaServer(url, "semsearch-measured")
            if create:
                engine.create()
            yield engine
        return
    kind: Any = {"chroma": ChromaEngine, "qdrant": QdrantEngine}[name]
    embedded = kind(folder, create=create)
    try:
        yield embedded
    finally:
        embedded.close()


def configure(links: int | None, construct: int | None, candidates: int) -> None:
    """Set the parameters of Qdrant's graph for this process."""
    from semsearch.storage.vectors import qdrant_edge

    qdrant_edge.LINKS = links or qdrant_edge.LINKS
    qdrant_edge.EF_CONSTRUCT = construct or qdrant_edge.EF_CONSTRUCT
    if candidates:
        qdrant_edge.EF_SEARCH = qdrant_edge.EF_MOST = candidates


def build(name: str, file: Path, folder: Path) -> dict[str, float]:
    """Fill an engine, and return the seconds and the size of its files."""
    import numpy as np

    vectors = np.load(file, mmap_mode="r")[QUERIES:]
    used: dict[str, float] = {}
    began, began_cpu = time.perf_counter(), time.process_time()
    if name == EXACT:
        np.save(folder / "vectors.npy", vectors)
    else:
        with opened(name, folder, used, create=True) as engine:
            began, began_cpu = time.perf_counter(), time.process_time()
            for start in range(0, len(vectors), BATCH):
                rows = range(start, min(start + BATCH, len(vectors)))
                texts = [
                    f"Sentence {row} stands for the text of its passage, of eighty letters." for row in rows
                ]
                traits = [{"source": f"file {row // 100}", "first": row, "last": row} for row in rows]
                engine.upsert(
                    [f"{row:032x}" for row in rows], np.array(vectors[start:][:BATCH]), texts, traits
                )
            if name != SERVER:
                engine.settle()
    spent = {"wall": time.perf_counter() - began, "cpu": used.get("cpu", time.process_time() - began_cpu)}
    return spent | {"disk": sum(path.stat().st_size for path in files_below(folder)) / 1e6}


def search(name: str, file: Path, folder: Path, repeats: int) -> dict[str, Any]:
    """Ask every query with every condition. Return times in ms, recall, seconds to the first answer, memory in MB."""
    import resource

    import numpy as np

    whole = np.load(file, mmap_mode="r")
    queries, vectors = np.array(whole[:QUERIES]), whole[QUERIES:]
    rng = np.random.default_rng(1)
    chosen = {
        each: np.sort(rng.choice(len(vectors), round(share * len(vectors)), replace=False))
        if share < 1
        else None
        for each, share in SHARES.items()
    }
    truth_file = folder.parent / "truth.npz"
    truth = dict(np.load(truth_file)) if name != EXACT else {}
    among = {each: None if rows is None else {*rows.tolist()} for each, rows in chosen.items()}
    used: dict[str, float] = {}
    found: dict[str, Any] = {}

    def measure(answer: Callable[[Any, str], list[int]]) -> None:
        for each in SHARES if name == EXACT else ("none", "common"):
            answer(queries[0], each)
            times: list[float] = []
            best: list[Any] = []
            began_cpu = time.process_time()
            for _ in range(repeats):
                best = []
                for query in queries:
                    began = time.perf_counter()
                    rows = np.array(answer(query, each))
                    times.append((time.perf_counter() - began) * 1e3)
                    best.append(rows[np.argsort(-(vectors[rows] @ query), kind="stable")[:BEST]])
            if name == EXACT:
                truth[each] = np.array(best)
            pairs = zip(best, truth[each], strict=True)
            recall = sum(len({*own.tolist()} & {*exact.tolist()}) for own, exact in pairs) / truth[each].size
            cpu = (time.process_time() - began_cpu) * 1e3 / len(times)
            found[each] = {
                "cpu": None if name == SERVER else cpu,
                "p50": median(times),
                "p99": quantiles(times, n=100)[-1],
                "recall": recall,
            }

    if name == EXACT:
        began = time.perf_counter()
        matrix = np.load(folder / "vectors.npy", mmap_mode="r")

        def scan(query: Any, each: str) -> list[int]:
            rows = chosen[each]
            products = matrix @ query if rows is None else matrix[rows] @ query
            best = np.argpartition(-products, BEST)[:BEST]
            return (best if rows is None else rows[best]).tolist()  # type: ignore[no-any-return]

        scan(queries[0], "none")
        found["open"] = time.perf_counter() - began
        measure(scan)
        np.savez(truth_file, **truth)
    else:
        if name != SERVER:  # without the time of imports
            with tempfile.TemporaryDirectory() as empty, opened(name, Path(empty) / name, {}, create=True):
                pass
        began = time.perf_counter()
        with opened(name, folder, used) as engine:

            def ask(query: Any, each: str) -> list[int]:
                asked = ASKED if among[each] is None else round(2 * ASKED / SHARES[each])
                rows = [int(id_, 16) for id_ in engine.nearest(query[None], asked)[0]]
                kept = among[each]
                return rows if kept is None else [row for row in rows if row in kept]

            ask(queries[0], "none")
            found["open"] = time.perf_counter() - began
            measure(ask)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    return found | {"memory": used.get("memory", own)}


def numbers(text: str) -> list[int]:
    return sorted({int(number) for number in text.split(",")})


def main() -> None:
    parser = arguments(__doc__, repeats=3)
    parser.add_argument(
        "--sizes", type=numbers, default=[100_000], metavar="N,N", help="vectors (default 100000)"
    )
    parser.add_argument("--engines", default=",".join(ENGINES), metavar="A,B", help="which (default all)")
    parser.add_argument("--links", type=int, metavar="N", help="LINKS of Qdrant (default its own)")
    parser.add_argument("--construct", type=int, metavar="N", help="EF_CONSTRUCT of Qdrant (default its own)")
    parser.add_argument(
        "--candidates",
        default="0",
        metavar="N,N",
        help="EF_SEARCH of Qdrant, each searched with (0: its own)",
    )
    parser.add_argument("--real", type=int, default=REAL, metavar="N", help=f"real vectors (default {REAL})")
    parser.add_argument("--vectors", type=Path, metavar="FILE", help="keep the real vectors in this file")
    parser.add_argument(
        "--work", nargs=4, metavar=("WHAT", "ENGINE", "FILE", "DIR"), help="one step, and end"
    )
    parser.add_argument("--make", nargs=4, metavar=("FILE", "REAL", "N", "TO"), help="make vectors, and end")
    options = parser.parse_args()
    if options.make:
        import numpy as np
        from scale import make

        sentences, real, count, to = options.make
        make(Path(sentences), int(real), int(count), Path(to))
        np.save(to, np.load(to)[: int(count)])
        return
    if options.work:
        what, name, file, folder = options.work
        if name == "qdrant":
            configure(options.links, options.construct, int(options.candidates))
        step = build(name, Path(file), Path(folder)) if what == "build" else None
        print(json.dumps(step or search(name, Path(file), Path(folder), options.repeats)))
        return
    report = Report("engines", options)
    wanted = [name for name in ENGINES if name in options.engines.split(",") or name == EXACT]
    with tempfile.TemporaryDirectory() as temporary:
        for size in options.sizes:
            file = Path(temporary) / "vectors.npy"
            if options.vectors and options.vectors.exists():
                shutil.copyfile(options.vectors, file)
            sentences = options.data / "sentences" / "sentences-400k.txt.gz"
            run(Path(__file__), "--make", sentences, str(options.real), str(size + QUERIES), file)
            report.figures[str(size)] = measured = {}
            for name in wanted:
                folder = Path(temporary) / name.replace(" ", "-")
                folder.mkdir()
                talk(f"{size:,}: {name}")
                work: list[str | Path] = [Path(__file__), "--repeats", str(options.repeats)]
                for option in ("links", "construct"):
                    if value := vars(options)[option]:
                        work += [f"--{option}", str(value)]
                built = json.loads(run(*work, "--work", "build", name, file, folder).out)
                for ef in options.candidates.split(",") if name == "qdrant" else ["0"]:
                    found = run(*work, "--candidates", ef, "--work", "search", name, file, folder).out
                    measured[f"{name}, {ef}" if int(ef) else name] = built | json.loads(found)
                shutil.rmtree(folder)
            table(report, size, measured)
            file.unlink()
    report.close()


_DIGITS = {"wall": 1, "cpu": 1, "disk": 0, "memory": 0, "open": 2}


def table(report: Report, size: int, measured: dict[str, dict[str, Any]]) -> None:
    """Print what was measured for one size."""
    header: tuple[str, ...] = ("", "build s", "CPU s", "disk MB", "memory MB", "open s")
    rows = [
        (name, *(f"{one[what]:.{digits}f}" for what, digits in _DIGITS.items()))
        for name, one in measured.items()
    ]
    report.table(f"{size:,} vectors", header, rows)
    queries = [(name, *(_cell(one.get(each)) for each in SHARES)) for name, one in measured.items()]
    header = ("ms of a query: p50, p99, CPU; recall@10", *SHARES)
    report.table(f"{size:,} vectors, one query at a time, by condition", header, queries)


def _cell(one: dict[str, float | None] | None) -> str:
    if one is None:
        return ""
    cpu = "-" if one["cpu"] is None else f"{one['cpu']:.1f}"
    return f"{one['p50']:.1f}, {one['p99']:.1f}, {cpu}; {one['recall']:.4f}"


if __name__ == "__main__":
    main()
