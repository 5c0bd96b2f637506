"""Measure what a day of 100,000 messages costs: to add it to an index, label it, and find near-duplicates and clusters.

The index has about as many messages already, those of the day before. Each command is a new process, and its figure is
processor time, which other work on the machine changes little. Adding and labelling take time with the number of
messages, so a part of a day (`--count`) is measured, and the day is computed from it. Clusters and near-duplicates
compare each message with each, so they are measured on the index as it is then.

The messages are sentences of film reviews. `--index` names an index of the first 100,000 of their file, which is made
otherwise.
"""

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

from common import Report, arguments, need, talk
from triage import book

DAY = 100_000
EXAMPLES = 350
PARTS = "ingest", "triage", "dedup", "clusters"
LINEAR = "ingest", "triage"


def cost(command: Sequence[str | Path]) -> dict[str, float]:
    """Return the wall and processor seconds of a command in a new process, and its peak memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "semsearch", *map(str, command)], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"error: exit code {process.returncode} of {command[0]}")
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1e3,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--index", type=Path, metavar="DIR", help="the day before (default: made of sentences)"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="a folder to work in and to keep")
    parser.add_argument(
        "--count", type=int, default=DAY, metavar="N", help="messages of the new day (100,000)"
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="one part, after ingest; repeatable")
    options = parser.parse_args()
    report = Report("messages", options)
    with nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory() as folder:
        measured(report, options, Path(folder).absolute())
    report.close()


def written(data: Path, to: Path, first: int, count: int) -> Path:
    """Write some sentences as messages, and return the file."""
    packed = need(data / "sentences" / "sentences-400k.txt.gz")
    with gzip.open(packed, "rt", encoding="utf-8") as file:
        lines = list(islice(filter(None, map(str.strip, file)), first, first + count))
    to.write_text("".join(json.dumps({"text": line}) + "\n" for line in lines), encoding="utf-8")
    return to


def measured(report: Report, options: Namespace, cache: Path) -> None:
    """Report what each command takes."""
    messages, examples, index = cache / "day.jsonl", cache / "examples.csv", cache / "index"
    parts = options.only or PARTS
    if "ingest" in parts:
        cache.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(index, ignore_errors=True)
        if options.index:
            shutil.copytree(need(options.index), index)
        else:
            talk("the day before")
            before = written(options.data, cache / "before.jsonl", 0, DAY)
            cost(["ingest", before, "--text-field", "text", "--index", index])
        written(options.data, messages, DAY, options.count)
        with examples.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("text", "label"))
            some = book(options.data)
            rows.writerows(some[:: len(some) // EXAMPLES])
    commands: dict[str, list[str | Path]] = {
        "ingest": ["ingest", messages, "--text-field", "text", "--index", index],
        "triage": ["triage", examples, "--on", messages, "--output", cache / "labelled.jsonl", "--force"],
        "dedup": ["dedup", "--index", index, "--level", "passage", "--json"],
        "clusters": ["clusters", "--index", index, "--json"],
    }
    lines = []
    for part in parts:
        talk(part)
        found = cost(commands[part])
        scale = DAY / options.count if part in LINEAR else 1.0
        found["cpu_minutes_of_a_day"] = found["cpu_seconds"] * scale / 60
        report.figures[part] = found
        lines.append(
            (
                part,
                f"{found['seconds']:,.0f}",
                f"{found['cpu_seconds']:,.0f}",
                f"{found['peak_mb']:,.0f}",
                f"{found['cpu_minutes_of_a_day']:.1f}",
            )
        )
    report.table(
        f"{options.count:,} messages of a day of {DAY:,}",
        ("", "seconds", "CPU seconds", "peak MB", "CPU minutes for a day"),
        lines,
    )
    if set(PARTS) <= set(parts):
        total = sum(report.figures[part]["cpu_minutes_of_a_day"] for part in PARTS)
        report.bar("processor minutes for a day of 100,000 messages", total, "<=", 60)


if __name__ == "__main__":
    main()
