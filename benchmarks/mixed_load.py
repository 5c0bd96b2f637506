"""Minutes of everything at once for a running server: answers that fail, and memory that grows.

    python benchmarks/mixed_load.py --minutes 10

Clients search, embed, compare and read documents without a pause, while jobs read changed files and find
near-duplicates in turn. The server's memory in the second third of the time is compared with the last third; in the
first, caches fill.
"""

import asyncio
import itertools
import os
import re
import shutil
import statistics
import tempfile
import time
from collections import Counter
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from common import Report, arguments, files_below, need, portion, run, talk
from serve import free_port, server

CLIENTS = {"search": 6, "embed": 2, "compare": 1, "document": 1}
JOBS: tuple[dict[str, Any], ...] = ({"kind": "ingest"}, {"kind": "dedup", "threshold": 0.9})
TOKEN = "mixed-load"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Load:
    """The load on a server: answers by kind and status, jobs by kind and state, and the server's memory over time."""

    def __init__(self, port: int, folder: Path, pid: int, minutes: float) -> None:
        self._base, self._folder, self._pid = f"http://127.0.0.1:{port}", folder, pid
        self._files = files_below(folder)
        lines = (line for file in self._files for line in file.read_text("utf-8", "ignore").splitlines())
        self._lines = [line for line in lines if 20 < len(line) < 200 and re.search("[a-z]{3}", line)]
        some = {"status": "indexed", "limit": 1_000}
        indexed = httpx.get(f"{self._base}/api/v1/sources", params=some, headers=HEADERS, timeout=120)
        self._names = [source["path"] for source in indexed.json()["sources"]]
        self._until = time.monotonic() + 60 * minutes
        self.answers: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = {kind: [] for kind in CLIENTS}
        self.jobs: Counter[str] = Counter()
        self.megabytes: list[float] = []

    @property
    def _going_on(self) -> bool:
        return time.monotonic() < self._until

    async def all(self) -> None:
        """Do all of it at the same time."""
        async with httpx.AsyncClient(base_url=self._base, headers=HEADERS, timeout=120) as client:
            asked = [self._ask(client, kind, at) for kind, many in CLIENTS.items() for at in range(many)]
            await asyncio.gather(*asked, self._work(client), self._watch())

    async def _ask(self, client: httpx.AsyncClient, kind: str, first: int) -> None:
        """Send requests of one kind, each once the one before is answered."""
        for at in itertools.count(first, 7):
            if not self._going_on:
                return
            begun = time.monotonic()
            try:
                answer = await client.send(self._request(client, kind, at))
                self.answers[f"{kind}: {answer.status_code}"] += 1
                self.seconds[kind].append(time.monotonic() - begun)
            except httpx.HTTPError as error:
                self.answers[f"{kind}: {type(error).__name__}"] += 1

    def _request(self, client: httpx.AsyncClient, kind: str, at: int) -> httpx.Request:
        line, other = (self._lines[place % len(self._lines)] for place in (at, 3 * at + 1))
        match kind:
            case "search":
                words = re.sub(r"[^\w ]+", " ", line)
                return client.build_request("GET", "/api/v1/search", params={"q": words, "k": 10})
            case "embed":
                body = {"model": "all-MiniLM-L6-v2", "input": [line, other] * 8}
                return client.build_request("POST", "/v1/embeddings", json=body)
            case "compare":
                return client.build_request("POST", "/api/v1/compare", json={"a_text": line, "b_text": other})
        return client.build_request(
            "GET", "/api/v1/document", params={"name": self._names[at % len(self._names)]}
        )

    async def _work(self, client: httpx.AsyncClient) -> None:
        """Run one job after another. Before each `ingest` a fifth of the files changes."""
        for turn in itertools.count():
            if not self._going_on:
                return
            options = JOBS[turn % len(JOBS)]
            if options["kind"] == "ingest":
                options = options | {"paths": [str(self._folder)]}
                for file in self._files[turn % 5 :: 5]:
                    with file.open("a", encoding="utf-8") as changed:
                        changed.write(f"\nRead again in turn {turn}.\n")
            begun = await client.post("/api/v1/jobs", json=options)
            if begun.status_code != HTTPStatus.ACCEPTED:
                raise SystemExit(f"error: {begun.text}")
            while (job := (await client.get(begun.headers["location"])).json())["state"] == "running":
                await asyncio.sleep(0.2)
            self.jobs[f"{options['kind']}: {job['state']}"] += 1

    async def _watch(self) -> None:
        """Note the server's resident memory every second."""
        while self._going_on:
            pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
            self.megabytes.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
            await asyncio.sleep(1)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=10, metavar="N", help="how long (default 10)")
    parser.add_argument(
        "--limit", type=int, default=150, metavar="N", help="files in the index (default 150)"
    )
    options = parser.parse_args()
    source = need(options.data / "folders" / "rust-book")
    report = Report("mixed_load", options)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "files"
        if portion(source, options.limit, folder) == source:
            shutil.copytree(source, folder)
        index, port = Path(made) / ".semsearch", free_port()
        run("-m", "semsearch", "--index", index, "ingest", folder)
        talk(f"indexed {len(files_below(folder))} files")
        command = ("-m", "semsearch", "--index", index, "serve", "--port", str(port), "--token", TOKEN)
        with server(port, *command) as pid:
            load = Load(port, folder, pid, options.minutes)
            asyncio.run(load.all())
    show(report, load)


def show(report: Report, load: Load) -> None:
    """Print the figures."""
    third = len(load.megabytes) // 3
    first, last = (
        statistics.median(load.megabytes[third : 2 * third]),
        statistics.median(load.megabytes[-third:]),
    )
    wrong = sum(many for said, many in load.answers.items() if not said.endswith(": 200"))
    unfinished = sum(many for said, many in load.jobs.items() if not said.endswith(": done"))
    report.table("answers", ("", "number"), sorted(load.answers.items()))
    spread = {
        kind: np.percentile(seconds, (50, 99)).tolist() for kind, seconds in load.seconds.items() if seconds
    }
    report.table(
        "seconds until an answer",
        ("", "p50", "p99"),
        [(kind, f"{half:.3f}", f"{most:.3f}") for kind, (half, most) in spread.items()],
    )
    report.table("jobs", ("", "number"), sorted(load.jobs.items()))
    report.table(
        "memory of the server, MB",
        ("", "median"),
        [("second third of the time", f"{first:.0f}"), ("last third", f"{last:.0f}")],
    )
    report.figures = {
        "answers": dict(load.answers),
        "seconds": spread,
        "jobs": dict(load.jobs),
        "megabytes": {"second third": first, "last third": last, "peak": max(load.megabytes)},
    }
    report.bar("answers that are not 200", wrong, "==", 0)
    report.bar("jobs that are not done", unfinished, "==", 0)
    report.bar("memory, last third / second third", last / first, "<=", 1.05)
    report.close()


if __name__ == "__main__":
    main()
