"""Many records through every command, and many rounds of changes to one folder: what grows, and what fails.

The records are short, so that there are many: Chroma's SQLite takes at most 32,766 variables a statement. The rounds
change, remove and add files of 2,000, and ask for a text that is there and for one that has gone; size and memory are
those of the first tenth against the last.
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from common import Report, arguments, talk

from semsearch.index import FOLDER, Index

WORDS = (
    "amber",
    "birch",
    "cedar",
    "dune",
    "fern",
    "grove",
    "iris",
    "jade",
    "kelp",
    "lotus",
    "moss",
    "oak",
    "pine",
)


def command(folder: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "semsearch", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != code:
        sys.exit(f"semsearch {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


@contextmanager
def timed(rows: list[tuple[str, str]], what: str) -> Iterator[None]:
    talk(what)
    started = time.perf_counter()
    yield
    rows.append((what, f"{time.perf_counter() - started:.1f}"))


def records(report: Report, folder: Path, count: int) -> None:
    """Every command on so many records; every tenth repeats another."""
    draw = Random(0)
    texts = [f"{draw.choice(WORDS)} {draw.choice(WORDS)} {number}" for number in range(count)]
    texts[9::10] = texts[8 : count - 1 : 10]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": text, "n": n}) + "\n" for n, text in enumerate(texts)))
    rows: list[tuple[str, str]] = []
    with timed(rows, "ingest"):
        command(folder, "ingest", "rows.jsonl")
    with timed(rows, "status"):
        held = json.loads(command(folder, "status", "--json"))["counts"]["passages"]
    with timed(rows, "query"):
        best = json.loads(command(folder, "query", texts[count // 2], "-k", "1", "--json"))["hits"][0]["text"]
    with timed(rows, "query -k 35000"):
        hits = command(folder, "query", "moss", "-k", "35000", "--show", "path").count("\n")
    with timed(rows, "dedup --plan"):
        command(folder, "dedup", "--threshold", "0.9999", "--remove", "exact", "--plan", "plan.json")
    with timed(rows, "apply --dry-run"):
        command(folder, "apply", "plan.json", "--dry-run")
    with timed(rows, "diff"):
        command(folder, "diff", "rows.jsonl#1", "rows.jsonl#2")
    with timed(rows, "check"):
        command(folder, "check")
    with timed(rows, "repair"):
        command(folder, "repair")
    with timed(rows, "check after repair"):
        command(folder, "check")
    with timed(rows, "forget --verify"):
        (folder / "one.txt").write_text("a text that is to be forgotten without a trace")
        command(folder, "ingest", "one.txt")
        command(folder, "forget", "one.txt", "--verify")
    with timed(rows, "remove"):
        command(folder, "remove", "rows.jsonl")
    command(folder, "check")
    report.table(f"{count:,} records", ("command", "seconds"), rows)
    report.figures["records"] = {"count": count, "held": held, "hits": hits}
    report.bar("passages held of the records", held / count, "==", 1)
    report.bar("the record asked for is the first hit", float(best == texts[count // 2]), "==", 1)


def rounds(report: Report, folder: Path, files: int, count: int) -> None:
    """Rounds of changes to a folder; every round ingests it and asks twice."""
    draw = Random(1)
    docs = folder / "docs"
    docs.mkdir()

    def write(number: int, version: int) -> str:
        text = f"{draw.choice(WORDS)} {draw.choice(WORDS)} file {number} version {version}"
        (docs / f"{number}.txt").write_text(text)
        return text

    texts = {number: write(number, 0) for number in range(files)}
    sizes, peaks, right = [], [], 0
    with Index.create(folder / FOLDER) as index:
        index.ingest([docs])
        for turn in range(1, count + 1):
            for number in draw.sample(sorted(texts), files // 100):
                if number % 2:
                    texts[number] = write(number, turn)
                else:
                    (docs / f"{number}.txt").unlink()
                    del texts[number]
            for number in draw.sample(range(files), files // 200):
                texts[number] = write(number, turn)
            index.ingest([docs])
            number = draw.choice(sorted(texts))
            right += index.query(texts[number], k=1)[0].text == texts[number]
            sizes.append(sum(path.stat().st_size for path in (folder / FOLDER).rglob("*") if path.is_file()))
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
            if turn % 10 == 0:
                talk(
                    f"round {turn}: {len(texts):,} files, {sizes[-1] / 1e6:.1f} MB, peak {peaks[-1] / 1e6:.0f} MB"
                )
        sound = index.check().sound
    tenth = max(1, count // 10)
    size = sum(sizes[-tenth:]) / sum(sizes[:tenth])
    memory = peaks[-1] / peaks[tenth]
    report.figures["rounds"] = {
        "files": files,
        "rounds": count,
        "size_ratio": size,
        "memory_ratio": memory,
        "found": right,
        "sound": sound,
    }
    report.table(
        f"{count} rounds on {files:,} files",
        ("", "last against first tenth"),
        [("bytes of the index", f"{size:.2f}"), ("peak memory", f"{memory:.2f}")],
    )
    report.bar("texts found that are there", right / count, "==", 1)
    report.bar("bytes, last against first tenth", size, "<=", 1.5)
    report.bar("peak memory, last against first tenth", memory, "<=", 1.2)
    report.bar("the index is sound", float(sound), "==", 1)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--records", type=int, default=40_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=200, metavar="N")
    parser.add_argument("--files", type=int, default=2_000, metavar="N")
    options = parser.parse_args()
    report = Report("endurance", options)
    for work, sizes in ((records, (options.records,)), (rounds, (options.files, options.rounds))):
        if not all(sizes):
            continue
        folder = Path(tempfile.mkdtemp(prefix="semsearch-"))
        try:
            work(report, folder, *sizes)  # type: ignore[operator]
        finally:
            shutil.rmtree(folder)
    report.close()


if __name__ == "__main__":
    main()
