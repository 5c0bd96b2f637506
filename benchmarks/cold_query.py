"""A cold `semsearch query` process on a large index, against the script that people write today.

Each measurement is a separate process, and all search the same passages. Ours compares the query with all passages,
by meaning and words or by meaning alone, and finds the best sentence of each hit. The script asks the index's Chroma
collection for ids, with sentence-transformers. They must be the ids that ours finds by meaning. The process is cold,
the files are not: one unmeasured round brings them into the operating system's cache.
"""

import gzip
import json
import tempfile
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from statistics import median

import common
from common import Clock, Process, Report, arguments, need, run, talk

QUERY = "a film that is much longer than it needed to be"
PART = 100
"""The number of rows with the same value in the field `part`."""
STAGES = "print as JSON where a query on the index DIR spends its time, one step after the other, and end"


def build(sentences: Path, count: int, folder: Path) -> Path:
    """Return the index of the first `count` distinct sentences, one row each. An existing index is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, index = folder / "sentences.jsonl", folder / "index"
    if not rows.exists():
        with gzip.open(sentences, "rt", encoding="utf-8") as file:
            distinct = islice(dict.fromkeys(filter(None, map(str.strip, islice(file, 2 * count)))), count)
            content = "".join(
                json.dumps({"text": text, "part": number % (count // PART)}, ensure_ascii=False) + "\n"
                for number, text in enumerate(distinct)
            )
        rows.write_text(content, encoding="utf-8")
    talk(f"ingest of {count:,} sentences, unless done before")
    run("-m", "semsearch", "ingest", rows, "--text-field", "text", "--index", index)
    return index


def stages(folder: Path) -> None:
    """Time the steps of a query. The command itself reads the vectors while it loads the model."""
    clock = Clock()
    import semsearch.cli.query  # noqa: F401
    from semsearch.index import Index

    clock("import semsearch")
    index = Index.open(folder)
    clock("open the Library")
    embedder = index.embedder
    clock("load the model")
    embedder.embed([QUERY], "query")
    clock("embed the query")
    index._engine._prepare()  # private, but the next step needs exactly these
    clock("read all vectors")
    index.query(QUERY, collapse=False, per_document=None)
    clock("again warm, with texts and best sentences")
    print(json.dumps(clock.seconds))


def main() -> None:
    parser = arguments(__doc__, repeats=5)
    parser.add_argument(
        "--count", type=int, default=100_000, metavar="N", help="passages in the index (default 100,000)"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the index here (default: build it each time)"
    )
    parser.add_argument("--stages", type=Path, metavar="DIR", help=STAGES)
    options = parser.parse_args()
    if options.stages:
        stages(options.stages)
        return
    sentences = need(options.data / "sentences" / "sentences-400k.txt.gz")
    report = Report("cold_query", options)
    keep = nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory()
    with keep as cache:
        index = build(sentences, options.count, Path(cache).absolute() / f"sentences-{options.count}")
        commands = {
            "ours": ("-m", "semsearch", "query", QUERY, "-k", "5", "--json", "--index", index),
            "by meaning alone": (
                *("-m", "semsearch", "query", QUERY, "-k", "5", "--json", "--index", index),
                *("--mode", "dense"),
            ),
            "script": (common.__file__, "query", index / "chroma", QUERY),
            "stages": (__file__, "--stages", index),
        }
        runs: dict[str, list[Process]] = {name: [] for name in commands}
        for turn in range(options.repeats + 1):
            talk(f"round {turn} of {options.repeats}" if turn else "one round that does not count")
            for name, command in commands.items():
                runs[name].append(run(*command))
        status = json.loads(run("-m", "semsearch", "status", "--json", "--index", index).out)
    measured = {name: processes[1:] for name, processes in runs.items()}
    seconds = {name: median(process.seconds for process in measured[name]) for name in measured}
    peak = {name: max(process.peak_mb for process in measured[name]) for name in measured}
    steps = [json.loads(process.out) for process in measured["stages"]]
    breakdown = {step: median(run[step] for run in steps) for step in steps[0]}
    breakdown["start and end of Python"] = seconds["stages"] - sum(breakdown.values())
    dense = [hit["passage_id"] for hit in json.loads(runs["by meaning alone"][-1].out)["hits"]]
    ratio, words = seconds["script"] / seconds["ours"], seconds["ours"] / seconds["by meaning alone"]
    shown = ("ours", "by meaning alone", "script")
    report.figures = {
        "passages": status["counts"]["passages"],
        "seconds": {name: seconds[name] for name in shown},
        "rounds": {name: [process.seconds for process in measured[name]] for name in shown},
        "peak_mb": {name: peak[name] for name in shown},
        "ratio": ratio,
        "ours_to_meaning_alone": words,
        "same_hits": dense == json.loads(runs["script"][-1].out),
        "stages": breakdown,
    }
    report.table(
        f"one query, a cold process, {status['counts']['passages']:,} passages;"
        f" the same five hits by meaning: {'yes' if report.figures['same_hits'] else 'no'}",
        ("", "seconds", "x ours", "peak MB"),
        [
            (name, f"{seconds[name]:.2f}", f"{seconds[name] / seconds['ours']:.2f}", f"{peak[name]:,.0f}")
            for name in shown
        ],
    )
    report.table(
        "ours, one step after the other", ("", "ms"), [(k, f"{1000 * v:.0f}") for k, v in breakdown.items()]
    )
    report.bar("script / ours", ratio, ">=", 6)
    report.bar("ours / by meaning alone", words, "<=", 1.1)
    report.bar("peak memory of ours, MB", peak["ours"], "<", 500)
    report.close()


if __name__ == "__main__":
    main()
