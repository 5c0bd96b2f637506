"""Measure drift: false alarms where nothing has changed, and whether real changes are found.

Without a change, a set is parted at random into two windows: sentences, sentences of which each has a near-copy, and
PEPs, whose beginnings have several passages each. At most 5% of the splits may give an alarm.

A change is planted in the later window, 10% of its texts: sentences of one chapter of the Rust book among others, drawn
for each split, or Chinese sentences of the Vue documentation. PEPs are also parted by the year they were created.
For another model, the later half of an index is made by one with the same fingerprint whose vectors are those of
multilingual-e5-small. At least 95% of these must give an alarm. A subject that grows from 2% to 18% is planted too, in
windows of several sizes, to see how many texts it takes.

`--index` names an index of many texts, and `--by` a field with dates, for which `semsearch drift` is timed in a new
process. `--only` measures some of the parts.
"""

import gzip
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from common import Report, arguments, need, talk
from triage import book

from semsearch.drift.contents import Contents, index_contents, log_contents, usable
from semsearch.drift.exchange import ALARM, adjusted
from semsearch.drift.find import test_all
from semsearch.embedding import Embedder, Fingerprint, load_embedder
from semsearch.index import Index
from semsearch.text import clean, sentences

PLANTED = 0.1
GROWN = (0.02, 0.18)
"""The shares of a subject in both windows, as the article on embeddings that this project began with has them."""
GROWN_SIZES = (30, 50, 100, 200)
BARS = {"false alarms": 0.05, "found": 0.95, "seconds": 60}
_PEP = 2_000
"""The characters of a PEP that are compared, so that a run is short."""
_CHINESE = re.compile("[\u4e00-\u9fff]")


def some_sentences(data: Path, count: int) -> list[str]:
    """Return sentences, evenly from all of them."""
    path = need(data / "sentences" / "sentences-400k.txt.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = [clean(line) for line in file]
    return lines[:: max(1, len(lines) // count)][:count]


def chinese(data: Path, count: int) -> list[str]:
    """Return Chinese sentences."""
    found: dict[str, None] = {}
    for path in sorted((need(data / "folders") / "vue-docs-zh").rglob("*.md")):
        prose = re.sub(r"```.*?```|<[^>]*>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for start, end in sentences(prose):
            text = clean(prose[start:end])
            if len(_CHINESE.findall(text)) >= 10:
                found.setdefault(text)
    return list(found)[:: max(1, len(found) // count)][:count]


def peps(data: Path) -> tuple[list[dict[str, str]], list[int]]:
    """Return the beginnings of every other PEP, and the year of each."""
    records, years = [], []
    for path in sorted((need(data / "folders") / "peps").rglob("pep-[0-9]*.rst")):
        text = path.read_text(encoding="utf-8")
        if created := re.search(r"^Created:\s*(\d+-\w+-\d{4})", text, re.MULTILINE):
            body = text.partition("\n\n")[2]
            years.append(datetime.strptime(created[1], "%d-%b-%Y").year)
            records.append({"id": path.stem, "text": body[:_PEP]})
    return records[::2], years[::2]


def part(contents: Contents, rows: np.ndarray) -> Contents:
    """Return some documents of the contents, as if there were no others."""
    has = contents.has[rows]
    often = usable(has)
    assert contents.tokens is not None and contents.unknown is not None
    return replace(
        contents,
        names=[contents.names[at] for at in rows.tolist()],
        vectors=contents.vectors[rows],
        characters=contents.characters[rows],
        words=contents.words[rows],
        tokens=contents.tokens[rows],
        unknown=contents.unknown[rows],
        has=has[:, often],
        terms=[contents.terms[at] for at in often.tolist()],
    )


Split = tuple[np.ndarray, np.ndarray]
"""The documents of a split, and which of them are late."""


def alarms(contents: Contents, splits: Iterator[Split], seconds: float) -> dict[str, Any]:
    """Return the share of splits with an alarm, with its 95% interval, and how many each test gave."""
    from scipy.stats import binomtest

    counts: dict[str, int] = {}
    runs = found = 0
    end = time.monotonic() + seconds
    for rows, late in splits:
        values = adjusted(test_all(part(contents, rows), late).values)
        hits = [name for name, value in values.items() if value <= ALARM]
        runs, found = runs + 1, found + bool(hits)
        for name in hits:
            counts[name] = counts.get(name, 0) + 1
        if time.monotonic() > end:
            break
    interval = binomtest(found, runs).proportion_ci()
    return {
        "splits": runs, "alarms": found, "share": found / runs, "low": float(interval.low),
        "high": float(interval.high), "by": counts,
    }  # fmt: skip


def random_splits(pool: np.ndarray, size: int, count: int) -> Iterator[Split]:
    """Yield random splits of some documents into two windows of a size."""
    draw = np.random.default_rng(1)
    for _ in range(count):
        yield draw.choice(pool, 2 * size, replace=False), np.arange(2 * size) >= size


def planted_splits(
    pool: np.ndarray, others: Callable[[Any], np.ndarray], size: int, count: int
) -> Iterator[Split]:
    """Yield splits of which a tenth of the later window is of others, which a function of a generator draws from."""
    draw = np.random.default_rng(2)
    planted = round(PLANTED * size)
    for _ in range(count):
        rows = draw.choice(pool, 2 * size, replace=False)
        rows[-planted:] = draw.choice(others(draw), planted, replace=False)
        yield rows, np.arange(2 * size) >= size


def grown_splits(pool: np.ndarray, subjects: list[np.ndarray], size: int, count: int) -> Iterator[Split]:
    """Yield splits in which one of some subjects grows from the first to the second share of `GROWN`."""
    draw = np.random.default_rng(5)
    early, late = (max(1, round(share * size)) for share in GROWN)
    for _ in range(count):
        rows = draw.choice(pool, 2 * size, replace=False)
        own = draw.choice(subjects[draw.integers(len(subjects))], early + late, replace=False)
        rows[:early], rows[-late:] = own[:early], own[early:]
        yield rows, np.arange(2 * size) >= size


class Other:
    """An embedder with the fingerprint of one model and the vectors of another."""

    def __init__(self, shown: Embedder, real: Embedder) -> None:
        self._shown, self._real, self.size = shown, real, 0

    @property
    def fingerprint(self) -> Fingerprint:
        return self._shown.fingerprint

    def embed(self, texts: Sequence[str], kind: Any = "passage", progress: Any = None) -> Any:
        return self._real.embed(texts, kind, progress)


def other_model(texts: Sequence[str], embedder: Embedder, splits: int) -> dict[str, Any]:
    """Return how often an index is found out whose later half is by another model, and one whose half is not."""
    other = Other(embedder, load_embedder("multilingual-e5-small"))
    found = {"splits": splits, "found": 0, "false": 0}
    draw = np.random.default_rng(3)
    for _ in range(splits):
        some = draw.choice(len(texts), 80, replace=False)
        rows = [
            {"id": str(at), "text": texts[at], "date": "2024" if n < 40 else "2025"}
            for n, at in enumerate(some)
        ]
        for name, later in (("found", other), ("false", embedder)):
            with tempfile.TemporaryDirectory() as folder:
                for one, part_ in ((embedder, rows[:40]), (later, rows[40:])):
                    with Index.open_or_create(f"{folder}/index", embedder=one) as index:
                        index.add(part_)
                with Index.open(f"{folder}/index", embedder=embedder) as index:
                    told = index.drift(by="date")
                    found[name] += int(told.model is not None and told.model.changed)
    return found


def timed(index: Path, by: str) -> dict[str, Any]:
    """Return what `semsearch drift` takes in a new process: seconds of wall and CPU time, and the peak memory."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "semsearch", "drift", "--index", str(index), "--by", by, "--json"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "passages": told["before"]["passages"] + told["now"]["passages"],
        "seconds": time.perf_counter() - start,
        "CPU seconds": cpu,
        "peak MB": after.ru_maxrss / 1e3,
    }


def main() -> None:
    parser = arguments(__doc__)
    parts = ("sentences", "copies", "topic", "language", "growth", "peps", "model")
    parser.add_argument("--only", choices=parts, nargs="+", default=parts, help="the parts to measure")
    parser.add_argument(
        "--splits", type=int, default=200, metavar="N", help="random splits of each set (200)"
    )
    parser.add_argument("--size", type=int, default=1_000, metavar="N", help="sentences of a window (1,000)")
    parser.add_argument(
        "--sentences", type=int, default=8_000, metavar="N", help="sentences to draw from (8,000)"
    )
    parser.add_argument(
        "--seconds", type=float, default=1e9, metavar="S", help="the most for each set of splits"
    )
    parser.add_argument("--index", type=Path, metavar="DIR", help="an index of many texts, to be timed")
    parser.add_argument("--by", default="date", metavar="FIELD", help="its field of dates (date)")
    options = parser.parse_args()
    report = Report("drift", options)
    if options.index:  # first, while this process is small: a child begins with its parent's memory
        talk("timing the index")
        report.figures["index"] = found = timed(need(options.index), options.by)
        report.table("a new process", list(found), [[f"{value:,.0f}" for value in found.values()]])
        report.bar("seconds of the index", found["seconds"], "<=", BARS["seconds"])
    embedder = load_embedder()
    still: dict[str, Any] = {}
    changed: dict[str, Any] = {}
    if {"sentences", "copies", "topic", "language"} & set(options.only):
        plain = some_sentences(options.data, options.sentences)
        needed = 2 * round(PLANTED * options.size)
        of_chapter: dict[str, list[str]] = {}
        for text, chapter in book(options.data):
            of_chapter.setdefault(chapter, []).append(text)
        chapters = [
            (text, chapter)
            for chapter, own in of_chapter.items()
            if len(own) >= needed
            for text in own[:: len(own) // needed][:needed]
        ]
        foreign = chinese(options.data, 2 * needed)
        texts = [*plain, *(text for text, _ in chapters), *foreign]
        talk(f"embedding {len(texts):,} sentences")
        contents = log_contents(texts, texts, embedder)
        pool = np.arange(len(plain))
        names = np.array([name for _, name in chapters])
        known = np.unique(names)
        sizes = options.size, options.splits
        if "sentences" in options.only:
            talk("random splits of sentences")
            still["sentences"] = alarms(contents, random_splits(pool, *sizes), options.seconds)
        if "copies" in options.only:
            talk("random splits of sentences that occur twice")
            twice = (
                (np.repeat(rows[::2], 2), np.random.default_rng(at).permutation(late))
                for at, (rows, late) in enumerate(random_splits(pool, *sizes))
            )
            still["copies"] = alarms(contents, twice, options.seconds)
        if "topic" in options.only:
            talk("a new topic")
            topic = lambda draw: len(plain) + np.flatnonzero(names == draw.choice(known))  # noqa: E731
            changed["topic"] = alarms(contents, planted_splits(pool, topic, *sizes), options.seconds)
        if "language" in options.only:
            talk("another language")
            first = len(plain) + len(chapters)
            language = lambda draw: np.arange(first, first + len(foreign))  # noqa: E731
            changed["language"] = alarms(contents, planted_splits(pool, language, *sizes), options.seconds)
    if "growth" in options.only:
        plain = some_sentences(options.data, 1_000)
        by_chapter: dict[str, list[str]] = {}
        for text, chapter in book(options.data):
            by_chapter.setdefault(chapter, []).append(text)
        subjects = [own[:60] for own in by_chapter.values() if len(own) >= 60][:8]
        texts = [*plain, *(text for own in subjects for text in own)]
        talk(f"embedding {len(texts):,} sentences")
        contents = log_contents(texts, texts, embedder)
        rows_of = [len(plain) + 60 * at + np.arange(60) for at in range(len(subjects))]
        for size in GROWN_SIZES:
            splits = grown_splits(np.arange(len(plain)), rows_of, size, options.splits)
            changed[f"growth, {size}"] = alarms(contents, splits, options.seconds)
    if "peps" in options.only:
        records, years = peps(options.data)
        talk(f"embedding the beginnings of {len(records)} PEPs")
        with (
            tempfile.TemporaryDirectory() as folder,
            Index.create(f"{folder}/index", embedder=embedder) as index,
        ):
            index.add(records)
            table, vectors = index._library.passage_matrix()
            contents = index_contents(
                index._library, table, vectors, np.arange(len(table.names)), embedder, None
            )
        year_of = {record["id"]: year for record, year in zip(records, years, strict=True)}
        when = np.array([year_of[name.partition("://")[2]] for name in contents.names])
        half = len(when) // 2
        still["PEPs"] = alarms(
            contents, random_splits(np.arange(len(when)), half, options.splits), options.seconds
        )
        draw = np.random.default_rng(4)
        early, late = np.flatnonzero(when < np.median(when)), np.flatnonzero(when >= np.median(when))
        by_year = (
            (np.concatenate([draw.choice(own, half // 2, replace=False) for own in (early, late)]),
             np.arange(half // 2 * 2) >= half // 2)
            for _ in range(options.splits)
        )  # fmt: skip
        changed["PEPs by year"] = alarms(contents, by_year, options.seconds)
    for title, figures, target, sign in (
        ("nothing has changed", still, "false alarms", "<="),
        ("something has changed", changed, "found", ">="),
    ):
        report.figures[title] = figures
        rows = [
            (name, one["splits"], one["alarms"], *(f"{one[key]:.1%}" for key in ("share", "low", "high")),
             " ".join(f"{test} {count}" for test, count in sorted(one["by"].items())))
            for name, one in figures.items()
        ]  # fmt: skip
        if rows:
            report.table(title, ("set", "splits", "alarms", "share", "from", "to", "by"), rows)
        for name, one in figures.items():
            if name.startswith("growth"):  # which asks how many texts it takes
                continue
            report.bar(f"{target}: {name}", one["share"], sign, BARS[target])
    if "model" in options.only:
        talk("another model")
        report.figures["model"] = one = other_model(
            some_sentences(options.data, 2_000), embedder, max(1, options.splits // 5)
        )
        report.table("another model in the later half", list(one), [list(one.values())])
        report.bar("found: another model", one["found"] / one["splits"], ">=", BARS["found"])
        report.bar("false alarms: the same model", one["false"] / one["splits"], "<=", BARS["false alarms"])
    report.close()


if __name__ == "__main__":
    main()
