"""`semsearch ingest` of a folder, against the script that people write today.

Ours is the whole command: walk, read, clean, split, embed, store in the Library and in Chroma. The script gets the
same passages ready-made. It only embeds them (sentence-transformers) and adds them to Chroma. Each is a separate
process with a new index. Then ours runs once more on the unchanged folder.
"""

import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import common
from common import Process, Report, arguments, need, portion, run, talk

from semsearch.embedding import load_embedder
from semsearch.storage.library import Library


def write_passages(index: Path, to: Path) -> list[str]:
    """Write every passage of an index as a line `[id, text]`. Return the texts."""
    library = Library(index / "library.sqlite3")
    ids, _ = library.passages_where(lambda source: True)
    stored = library.passages(ids)
    library.close()
    with to.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps([id_, stored[id_].text]) + "\n" for id_ in ids)
    return [stored[id_].text for id_ in ids]


def main() -> None:
    parser = arguments(__doc__, repeats=1)
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="what to ingest (default: folders/peps of the data)"
    )
    parser.add_argument("--limit-files", type=int, metavar="N", help="only N of its files, for a quick run")
    options = parser.parse_args()
    folder = need(options.folder or options.data / "folders" / "peps")
    embedder = load_embedder()  # so that the graph is in the cache, as in all runs but the first
    report = Report("ingest", options)
    wall: dict[str, list[float]] = {"ours": [], "script": [], "ours again": []}
    inside: dict[str, list[float]] = {"ours": [], "script": [], "ours again": []}
    stages: list[dict[str, float]] = []
    encode: list[float] = []

    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        folder = portion(folder, options.limit_files, work / folder.name)
        passages = work / "passages.jsonl"
        texts: list[str] = []

        def ingest(name: str, index: Path) -> dict[str, Any]:
            talk(name)
            process = run("-m", "semsearch", "ingest", folder, "--index", index, "--json")
            summary: dict[str, Any] = json.loads(process.out)
            wall[name].append(process.seconds)
            inside[name].append(summary["seconds"])
            return summary

        for turn in range(options.repeats):
            talk(f"round {turn + 1} of {options.repeats}")
            index = work / f"index-{turn}"
            first = ingest("ours", index)
            if not texts:
                texts = write_passages(index, passages)
            talk("script")
            process: Process = run(common.__file__, "ingest", passages, work / f"chroma-{turn}")
            stages.append(json.loads(process.out))
            wall["script"].append(process.seconds)
            inside["script"].append(stages[-1]["encode"] + stages[-1]["add"])
            ingest("ours again", index)
            talk("our embedder alone")
            clock = common.Clock()
            embedder.embed(list(dict.fromkeys(texts)))
            clock("encode")
            encode.append(clock.seconds["encode"])

    seconds = {name: {"process": median(wall[name]), "inside": median(inside[name])} for name in wall}
    figures = {
        "folder": folder.name,
        "files": first["added"],
        "passages": first["passages"],
        "distinct_texts": first["embedded"],
        "seconds": seconds,
        "rounds": {"process": wall, "inside": inside},
        "script_stages": {name: median(stage[name] for stage in stages) for name in stages[0]},
        "ratio": {kind: seconds["script"][kind] / seconds["ours"][kind] for kind in ("process", "inside")},
        "again": {
            kind: seconds["ours again"][kind] / seconds["ours"][kind] for kind in ("process", "inside")
        },
        "encode_seconds": median(encode),
        "encode_share": median(encode) / seconds["ours"]["inside"],
    }
    report.figures = figures
    count = first["passages"]
    report.table(
        f"{folder.name}, {first['added']:,} files, {count:,} passages, {first['embedded']:,} distinct texts",
        ("", "process s", "inside s", "passages/s", "x ours"),
        [
            (
                name,
                f"{row['process']:.2f}",
                f"{row['inside']:.2f}",
                f"{count / row['inside']:,.1f}" if name != "ours again" else "",
                f"{row['process'] / seconds['ours']['process']:.3f}",
            )
            for name, row in seconds.items()
        ]
        + [
            (
                "our embedder alone",
                "",
                f"{figures['encode_seconds']:.2f}",
                f"{count / figures['encode_seconds']:,.1f}",
                "",
            )
        ],
    )
    print("  inside: without the start of the process, its imports and loading the model")
    print(f"  inside our ingest, embedding alone would take {figures['encode_share']:.0%} of the time")
    print(f"  inside, script / ours: {figures['ratio']['inside']:.2f}")
    report.bar("script / ours, whole process", figures["ratio"]["process"], ">=", 2.5)
    report.bar("again, share of the first, whole process", figures["again"]["process"], "<", 0.03)
    report.close()


if __name__ == "__main__":
    main()
