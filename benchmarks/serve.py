"""A running server under load, against the server that people write today.

    python benchmarks/serve.py --cache DIR              # 100,000 passages
    python benchmarks/serve.py --count 3000 --seconds 3

Ours is `semsearch serve`. The plain one is a few lines of Starlette around sentence-transformers and the same Chroma
collection, in a process of the same kind (`python benchmarks/serve.py plain DIR PORT`). Both are asked in turn by the
same clients over kept connections:

- 8 clients search, each as soon as it has its answer. Ours also searches by words. It is asked both without the best
  sentence of each hit, which the plain one does not find, and with it, as by default.
- Each round asks other questions, so no answer comes from what an earlier one left in memory. The clients are one
  process on the same cores; the processor time of an answer is counted for it and for the server.
- 32 clients embed texts through `/v1/embeddings`, 16 and 1 at a time, next to the embedder's own speed in one batch.

At the end a new process of `semsearch query` asks the server, and one does without it.
"""

import asyncio
import gzip
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import common
from cold_query import build
from common import Report, arguments, need, run, talk

SEARCHERS, EMBEDDERS = 8, 32
HITS = 5
SENTENCES = "ours, with the best sentences"


# -- the plain server -----------------------------------------------------------------------------------


def plain(folder: str, port: str) -> None:
    """Serve a Chroma collection as tutorials do: the model and the database are called in a pool of threads."""
    import chromadb
    import uvicorn
    from sentence_transformers import SentenceTransformer
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    model = SentenceTransformer(str(common.weights_folder()), device="cpu")
    collection = chromadb.PersistentClient(folder).get_collection(common.COLLECTION, embedding_function=None)

    def find(query: str, k: int) -> Any:
        found = collection.query(query_embeddings=model.encode([query]), n_results=k)
        return {name: found[name] for name in ("ids", "distances", "metadatas")}

    async def search(request: Request) -> JSONResponse:
        given = request.query_params
        return JSONResponse(await run_in_threadpool(find, given["q"], int(given["k"])))

    async def embed(request: Request) -> JSONResponse:
        texts = (await request.json())["input"]
        vectors = await run_in_threadpool(lambda: model.encode(texts).tolist())
        return JSONResponse({"data": [{"index": at, "embedding": row} for at, row in enumerate(vectors)]})

    routes = [Route("/search", search), Route("/v1/embeddings", embed, methods=["POST"])]
    uvicorn.run(Starlette(routes=routes), port=int(port), log_level="error")


# -- clients --------------------------------------------------------------------------------------------


async def client(port: int, requests: Iterator[bytes], until: float, seconds: list[float]) -> None:
    """Send requests over one connection until a time, and note how long each answer takes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        begun = time.perf_counter()
        writer.write(next(requests))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"error: {head.decode()}")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert length
        await reader.readexactly(int(length[1]))
        seconds.append(time.perf_counter() - begun)
    writer.close()


def load(port: int, clients: int, requests: Sequence[bytes], seconds: float) -> tuple[list[float], float]:
    """Return the seconds of each answer to some clients, sorted, and the number of answers a second."""

    async def main() -> tuple[list[float], float]:
        found: list[float] = []
        begun, supply = time.perf_counter(), cycle(requests)
        until = begun + seconds
        await asyncio.gather(*(client(port, supply, until, found) for _ in range(clients)))
        return sorted(found), len(found) / (time.perf_counter() - begun)

    return asyncio.run(main())


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(pid: int, *ask: Any) -> tuple[list[float], float, float, float]:
    """Return what `load` does, and the processor milliseconds of an answer: of the server, and of the clients."""
    before = processor_seconds(pid), time.process_time()
    seconds, rate = load(*ask)
    spent = processor_seconds(pid) - before[0], time.process_time() - before[1]
    server_, clients = (1_000 * one / len(seconds) for one in spent)
    return seconds, rate, server_, clients


def get(path: str) -> bytes:
    """Return a request in bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def post(path: str, value: Any) -> bytes:
    """Return a request with a body in bytes."""
    body = json.dumps(value).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def server(port: int, *command: str | Path) -> Iterator[int]:
    """Run a server in a process, and yield the process's id once something listens on the port."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"}
    process = subprocess.Popen([sys.executable, *map(str, command)], env=environment)
    try:
        while not listens(port):
            if process.poll() is not None:
                raise SystemExit(f"error: {command} ended")
            time.sleep(0.2)
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def listens(port: int) -> bool:
    """Return whether something listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- the run --------------------------------------------------------------------------------------------


def own_speed(texts: Sequence[str]) -> tuple[float, float]:
    """Return the texts a second of the embedder alone, all in one call in a new process, and its CPU ms of a text."""
    code = (
        "import json, sys, time\nfrom semsearch.embedding import load_embedder\n"
        "texts, model = json.load(open(sys.argv[1])), load_embedder()\nmodel.embed(texts[:500])\n"
        "begun = time.perf_counter(), time.process_time()\nmodel.embed(texts)\n"
        "ended = time.perf_counter(), time.process_time()\n"
        "print(len(texts) / (ended[0] - begun[0]), 1_000 * (ended[1] - begun[1]) / len(texts))"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(list(texts), file)
        file.flush()
        rate, processor = map(float, run("-c", code, file.name).out.split())
        return rate, processor


def main() -> None:
    parser = arguments(__doc__, repeats=3)
    parser.add_argument(
        "--count", type=int, default=100_000, metavar="N", help="passages in the index (default 100,000)"
    )
    parser.add_argument(
        "--seconds", type=float, default=10, metavar="S", help="of each load in each round (default 10)"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the index here (default: build it each time)"
    )
    options = parser.parse_args()
    sentences = need(options.data / "sentences" / "sentences-400k.txt.gz")
    report = Report("serve", options)
    with gzip.open(sentences, "rt", encoding="utf-8") as file:
        lines = [line.strip() for line in islice(file, 2 * options.count, 2 * options.count + 12_000)]
    questions = [f"?q={quote(re.sub('[^A-Za-z ]+', ' ', line).strip() or 'a')}&k={HITS}" for line in lines]
    texts = list(filter(None, lines))[:8_000]
    keep = nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory()
    with keep as cache, tempfile.TemporaryDirectory() as copies:
        index = build(sentences, options.count, Path(cache).absolute() / f"sentences-{options.count}")
        copy = Path(copies) / "chroma"
        shutil.copytree(index / "chroma", copy)
        first, second = free_port(), free_port()
        ours = server(first, "-m", "semsearch", "serve", "--index", index, "--port", str(first))
        peer = server(second, __file__, "plain", copy, str(second))
        with ours as our_pid, peer as peer_pid:
            pids = {first: our_pid, second: peer_pid}
            searches = {
                "ours": (first, "/api/v1/search", "&highlight=false"),
                SENTENCES: (first, "/api/v1/search", ""),
                "plain": (second, "/search", ""),
            }
            loads: dict[tuple[str, str], tuple[int, int, list[bytes]]] = {
                ("search", name): (port, SEARCHERS, [get(f"{path}{one}{rest}") for one in questions])
                for name, (port, path, rest) in searches.items()
            }
            for size in (16, 1):
                requests = [
                    post("/v1/embeddings", {"model": "all-MiniLM-L6-v2", "input": texts[at : at + size]})
                    for at in range(0, min(len(texts), 500 * size) - size + 1, size)
                ]
                for name, port in (("ours", first), ("plain", second)):
                    loads[f"embed {size}", name] = port, EMBEDDERS, requests
            rounds = options.repeats + 1
            for port, clients, requests in loads.values():  # one round that does not count
                load(port, clients, requests[::rounds], options.seconds)
            found: dict[tuple[str, str], list[tuple[list[float], float, float, float]]] = {}
            speeds = []
            for turn in range(options.repeats):
                talk(f"round {turn + 1} of {options.repeats}")
                for key, (port, clients, requests) in loads.items():
                    part = requests[turn + 1 :: rounds]
                    found.setdefault(key, []).append(
                        measured(pids[port], port, clients, part, options.seconds)
                    )
                    talk(f"{', '.join(key)}: {found[key][-1][1]:.1f} answers a second")
                speeds.append(own_speed(texts[:2_000]))
            commands = {"with a server": [], "without": []}  # type: dict[str, list[float]]
            question = ("-m", "semsearch", "query", "--index", index, "a film that is too long")
            for _ in range(options.repeats + 1):
                commands["with a server"].append(run(*question).seconds)
        for _ in range(options.repeats + 1):
            commands["without"].append(run(*question).seconds)
    show(report, found, speeds, commands)


def show(
    report: Report,
    found: dict[tuple[str, str], list[tuple[list[float], float, float, float]]],
    speeds: list[tuple[float, float]],
    commands: dict[str, list[float]],
) -> None:
    """Print the figures."""
    rates = {key: statistics.median(rate for _, rate, *_ in rounds) for key, rounds in found.items()}
    times = {key: sorted(one for seconds, *_ in rounds for one in seconds) for key, rounds in found.items()}
    processor = {
        key: tuple(statistics.median(one[at] for one in rounds) for at in (2, 3))
        for key, rounds in found.items()
    }
    spread = {
        key: (1_000 * all_[len(all_) // 2], 1_000 * all_[len(all_) * 99 // 100])
        for key, all_ in times.items()
    }
    sizes = {"search": 1, "embed 16": 16, "embed 1": 1}
    own, own_processor = (statistics.median(one[at] for one in speeds) for at in (0, 1))
    report.table(
        f"{SEARCHERS} clients that search, {EMBEDDERS} that embed",
        ("", "p50 ms", "p99 ms", "answers/s", "texts/s", "CPU ms of the server", "of the clients"),
        [
            (f"{what}, {name}", f"{spread[what, name][0]:.1f}", f"{spread[what, name][1]:.1f}",
             f"{rate:.1f}", f"{rate * sizes[what]:.0f}", *(f"{one:.2f}" for one in processor[what, name]))
            for (what, name), rate in rates.items()
        ],
    )  # fmt: skip
    report.table(
        "the embedder alone",
        ("", "texts/s", "CPU ms of a text"),
        [("one batch", f"{own:.0f}", f"{own_processor:.2f}")],
    )
    least = {name: min(seconds[1:]) for name, seconds in commands.items()}
    report.table(
        "a process of semsearch query, seconds",
        ("", "least", "median"),
        [
            (name, f"{least[name]:.3f}", f"{statistics.median(rows[1:]):.3f}")
            for name, rows in commands.items()
        ],
    )
    report.figures = {
        "answers_per_second": {f"{what}, {name}": rate for (what, name), rate in rates.items()},
        "milliseconds": {f"{what}, {name}": both for (what, name), both in spread.items()},
        "processor_milliseconds": {f"{what}, {name}": both for (what, name), both in processor.items()},
        "own_texts_per_second": own,
        "own_processor_milliseconds": own_processor,
        "ratios": {what: rates[what, "ours"] / rates[what, "plain"] for what in sizes},
        "of_own_speed": {what: rates[what, "ours"] * sizes[what] / own for what in ("embed 16", "embed 1")},
        "query_seconds": commands,
    }
    report.bar("p50 of a search, ms", spread["search", "ours"][0], "<=", 25)
    report.bar("p99 of a search, ms", spread["search", "ours"][1], "<=", 80)
    report.bar("answers to searches, ours / plain", report.figures["ratios"]["search"], ">=", 5)
    report.bar("16 texts, ours / the embedder alone", report.figures["of_own_speed"]["embed 16"], ">=", 0.85)
    report.bar("16 texts, ours / plain", report.figures["ratios"]["embed 16"], ">=", 3)
    report.bar("1 text, ours / plain", report.figures["ratios"]["embed 1"], ">=", 3)
    report.bar("least seconds of a query with a server", least["with a server"], "<=", 0.25)
    report.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["plain"]:
        plain(*sys.argv[2:])
    else:
        main()
