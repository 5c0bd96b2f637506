"""Many records through every command, and many rounds of changes to one folder: growth and failures.

The records are short, so that there are many: Chroma's SQLite takes at most 32,766 variables per statement. The
tables show each command's exit code, time and peak memory. The rounds change, remove and add files of 2,000, and ask
for a text that is there. They compare size and memory in the first tenth of the rounds with the last.
"""

import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from random import Random

from common import Report, arguments, talk

WORDS = """\
carpenter pilot nurse baker sailor gardener teacher painter doctor farmer clerk miner poet judge chef
paints repairs sells borrows hides forgets measures photographs carries describes burns cleans
bridge violin lantern ledger kettle sail ladder compass map barrel clock saddle window anchor bell
harbour orchard station library cellar market tower valley school island kitchen tunnel
"""
WHO, DOES, WHAT, WHERE = (line.split() for line in WORDS.splitlines())


TINY = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1] / "tests")!r})
from semsearch import embedding
embedding.load_embedder = lambda *_, **__: TinyEmbedder()  # before other modules import it by name
from tiny_embedder import TinyEmbedder
from semsearch.cli import main
main(prog_name="semsearch")
"""
"""The command line with an embedder that hashes words, for a test of everything except the model."""


class Commands:
    """The command line in a folder. Each run is a row of `rows`; a failed run ends the script."""

    def __init__(self, folder: Path, tiny: bool) -> None:
        self.folder = folder
        self.program = [sys.executable, *(("-c", TINY) if tiny else ("-m", "semsearch"))]
        self.rows: list[tuple[str, int, str, str]] = []

    def __call__(self, *words: str, code: int = 0, given: str = "") -> str:
        """Run `semsearch` and return its output. `given` is its standard input."""
        with tempfile.TemporaryFile("w+") as typed, tempfile.TemporaryFile("w+") as out:
            typed.write(given)
            typed.seek(0)
            with tempfile.TemporaryFile("w+") as said:
                started = time.perf_counter()
                process = subprocess.Popen(
                    [*self.program, *words],
                    cwd=self.folder, stdin=typed, stdout=out, stderr=said,
                )  # fmt: skip
                _, status, usage = os.wait4(process.pid, 0)
                seconds = time.perf_counter() - started
                process.returncode = os.waitstatus_to_exitcode(status)
                said.seek(0)
                if process.returncode != code:
                    sys.exit(f"semsearch {' '.join(words)} ended with {process.returncode}:\n{said.read()}")
            peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)
            self.rows.append((" ".join(words), code, f"{seconds:.1f}", f"{peak:,.0f}"))
            talk(f"semsearch {' '.join(words)}: exit {code}, {seconds:.1f} s, {peak:,.0f} MB")
            out.seek(0)
            return out.read()


def sentences(count: int) -> list[str]:
    """Yield `count` sentences. Every tenth repeats the one before it; all others differ."""
    draw = Random(0)
    every = [f"the {a} {b} the {c} near the {d}" for a, b, c, d in product(WHO, DOES, WHAT, WHERE)]
    draw.shuffle(every)
    texts = [f"{every[at % len(every)]}{f', again {at}' * (at >= len(every))}" for at in range(count)]
    texts[9::10] = texts[8 : count - 1 : 10]
    return texts


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def records(report: Report, folder: Path, count: int, tiny: bool) -> None:
    """Run every command on many records: rows, and a thousand files with a hundred copies."""
    texts = sentences(count)
    rows = [{"text": text, "n": n} for n, text in enumerate(texts)]
    files = min(1_000, count // 2)
    write_rows(folder / "rows.jsonl", rows[files:])
    (folder / "notes").mkdir()
    for n, text in enumerate(texts[:files]):
        (folder / "notes" / f"{n:04}.txt").write_text(text)
    write_rows(folder / "one.jsonl", rows[: count // 2])
    write_rows(folder / "other.jsonl", rows[count // 2 :])
    with (folder / "pairs.csv").open("w", newline="") as file:
        pairs = csv.writer(file)
        pairs.writerow(("a", "b", "label"))
        for n in range(0, count - 1, 8):
            pairs.writerow((texts[n], f"{texts[n]} today", 1))
            pairs.writerow((texts[n + 1], texts[(n * 7 + 2) % count], 0))
    asked = range(0, count, max(1, count // 50))
    write_rows(folder / "corpus.jsonl", [{"_id": f"d{n}", "text": text} for n, text in enumerate(texts)])
    write_rows(folder / "queries.jsonl", [{"_id": f"q{n}", "text": texts[n]} for n in asked])
    (folder / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "".join(f"q{n}\td{n}\t1\n" for n in asked)
    )
    (folder / "queries.txt").write_text("\n".join(texts[n] for n in asked))

    run = Commands(folder, tiny)
    run("ingest", "rows.jsonl", "notes")
    run("ingest", "rows.jsonl", "notes")
    held = json.loads(run("status", "--json"))["counts"]["passages"]
    run("status", "--sources")
    middle = texts[count // 2]
    best = 0
    for mode in ("hybrid", "dense", "lexical"):
        (hit,) = json.loads(run("query", middle, "-k", "1", "--mode", mode, "--json"))["hits"]
        best += hit["text"] == middle
        run("query", "who repairs things", "-k", str(count), "--mode", mode, "--show", "path")
    everything = run(
        "query", "harbour", "-k", str(count), "--expand", "--per-document", "9", "--show", "path"
    )
    run("query", f"clock n>={count // 2} source:rows*", "-k", str(count), "--expand", "--show", "path")
    run("query", "--file", "queries.txt", "--jsonl")
    run("similar", "notes/0001.txt", "-k", str(count), "--show", "path")
    run("similar", "rows.jsonl#17", "--json")
    run("diff", "rows.jsonl#1", "rows.jsonl#2")
    run("dedup", "--threshold", "0.99", "--csv")
    run("dedup", "--threshold", "0.99", "--level", "passage", "--jsonl")
    run(
        "dedup",
        "--threshold",
        "0.995",
        "--from-run",
        "--lexical",
        "0.9",
        "--remove",
        "exact",
        "--plan",
        "plan.json",
    )
    run("apply", "plan.json", "--dry-run")
    run("apply", "plan.json")
    run("check")
    run("undo")
    run("ingest", "notes")
    run("label", "--count", "5", "--around", "0.9", given="y\nn\ns\nu\ny\nn\ny\nq\n")
    run("tune", "--pairs", "pairs.csv", "--precision", "0.9")
    run("dedup", "--min-precision", "0.9", "--explain", "--jsonl")
    run("check", "--json")
    run("repair")
    run("check")
    run("forget", "notes/0002.txt", "--verify")
    run("remove", "rows.jsonl")
    run("remove", "notes")
    run("check")
    left = json.loads(run("status", "--json"))["counts"]["passages"]
    run("dedup", "rows.jsonl", "--threshold", "0.99", "--output", "clean.jsonl", "--json")
    run("leak", "one.jsonl", "--against", "other.jsonl", "--threshold", "0.99", "--csv")
    run("eval", "--pairs", "pairs.csv", "--report", "report.html")
    run("bench-search", "--corpus", "corpus.jsonl", "--queries", "queries.jsonl", "--qrels", "qrels.tsv")
    report.table(
        f"{count:,} records" + ", texts hashed" * tiny, ("command", "exit", "seconds", "peak MB"), run.rows
    )
    report.figures["records"] = {
        "count": count,
        "held": held,
        "commands": [
            dict(zip(("command", "exit", "seconds", "peak_mb"), row, strict=True)) for row in run.rows
        ],
    }
    report.bar("passages held of the records", held / count, "==", 1)
    report.bar("passages that one query finds", everything.count("\n") / count, "==", 1)
    if not tiny:
        report.bar("modes whose first hit is the record asked for", best, "==", 3)
    report.bar("passages left in the end", left, "==", 0)


def rounds(report: Report, folder: Path, files: int, count: int) -> None:
    """Run rounds of changes to a folder. Each round ingests it and asks twice."""
    # Imported here: a command's memory includes what this process has loaded.
    from semsearch.index import (
        FOLDER,
        Index,
    )

    draw = Random(1)
    docs = folder / "docs"
    docs.mkdir()

    def write(number: int, version: int) -> str:
        text = f"{draw.choice(WHO)} {draw.choice(DOES)} file {number} version {version}"
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
    parser.add_argument(
        "--tiny", action="store_true", help="the commands without the model: texts are hashed, not understood"
    )
    options = parser.parse_args()
    report = Report("endurance", options)
    tasks = (
        (options.records, records, (options.records, options.tiny)),
        (options.files * options.rounds, rounds, (options.files, options.rounds)),
    )
    for wanted, work, sizes in tasks:
        if not wanted:
            continue
        folder = Path(tempfile.mkdtemp(prefix="semsearch-"))
        try:
            work(report, folder, *sizes)  # type: ignore[operator]
        finally:
            shutil.rmtree(folder)
    report.close()


if __name__ == "__main__":
    main()
