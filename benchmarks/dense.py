"""Time and peak memory of grouping one template: every row is similar to every other.

The vectors are one random direction with noise (seed 0), so that any two rows have a cosine of 0.9 or more. The texts
are one template with other numbers in each row: a row of 12 words, or a letter of 90. With `--remove-differing` all of
them are one group. By default each pair has a veto, which is the most work: each row is a keeper, and meets all others.

The peer keeps all pairs, as a join and a graph of pairs do. Each run is a separate process; the peak memory is the
whole process.
"""

import json
import sys
import time
from pathlib import Path

from common import Process, Report, arguments, run, talk

ROW = "Your order number {} has been shipped and will arrive on Tuesday."
LETTER = (
    "Dear customer, thank you for your payment. We have received the sum of {} euros for the order number {}. It will"
    " leave our warehouse within the next days, and you will get a message with the name of the carrier as soon as the"
    " parcel is on its way. Please keep this letter, since you may need it for your records. If anything is wrong with"
    " what you receive, write to us or call the number on the back of this letter, and we will take care of it at"
    " once. With kind regards, your team."
)
THRESHOLD = 0.85
KINDS = {"one group": (ROW, True), "rows with a veto": (ROW, False), "letters with a veto": (LETTER, False)}
PEER = "all pairs kept"
BARS = {20_000: 120, 50_000: 600}
"""The most seconds for a number of rows."""


def grouped(kind: str, count: int, memory: int) -> None:
    """Group the rows, and print the seconds of the processor and of the clock, and the number of groups."""
    import numpy as np

    from semsearch.dedup import DocumentCollection, DocumentPassages, group, join
    from semsearch.dedup.decision import NO_RULE
    from semsearch.dedup.find import find_groups
    from semsearch.requests import DedupRequest

    rng = np.random.default_rng(0)
    direction = rng.normal(size=384)
    vectors = np.empty((count, 384), np.float32)
    for at in range(0, count, 4096):
        rows = direction + 0.25 * rng.normal(size=(min(4096, count - at), 384))
        vectors[at : at + len(rows)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    numbers = np.arange(count)
    clock, processor = time.perf_counter(), time.process_time()
    if kind == PEER:
        groups = len(group(numbers, join(vectors, THRESHOLD)))
    else:
        template, differing = KINDS[kind]
        names = [f"row {at}" for at in range(count)]
        collection = DocumentCollection(
            names,
            names,
            [at.to_bytes(8, "big") for at in range(count)],
            [DocumentPassages(numbers[at : at + 1], np.ones(1)) for at in range(count)],
            vectors,
            lambda wanted: [template.format(100_000 + at, 500_000 + at) for at in wanted],
            lambda at: [],
        )
        request = DedupRequest(threshold=THRESHOLD, remove_differing=differing, memory=memory)
        found = find_groups(collection, request, NO_RULE, base=Path(), modified=np.zeros(count, np.int64))
        groups = len(found.groups)
    seconds = {"seconds": time.perf_counter() - clock, "cpu_seconds": time.process_time() - processor}
    print(json.dumps(seconds | {"groups": groups}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", default="5000,20000", help="rows, as a list with commas")
    parser.add_argument("--peer", type=int, default=5000, metavar="N", help="rows for the peer")
    parser.add_argument("--memory", type=int, default=512, metavar="MB", help="as for dedup --memory")
    options = parser.parse_args()
    report = Report("dense", options)
    sizes = [int(size) for size in options.sizes.split(",")]
    rows = []
    for kind, count in ((PEER, options.peer), *((kind, count) for count in sizes for kind in KINDS)):
        name = f"{kind}, {count:,} rows"
        talk(name)
        process: Process = run(__file__, kind, str(count), str(options.memory * 2**20))
        figure = report.figures[name] = json.loads(process.out) | {"peak_mb": process.peak_mb}
        seconds = (f"{figure[key]:.1f}" for key in ("seconds", "cpu_seconds"))
        rows.append((name, *seconds, f"{process.peak_mb:,.0f}", f"{figure['groups']:,}"))
        if count in BARS and kind != PEER:
            report.bar(f"peak MB, {name}", process.peak_mb, "<=", 1000)
            report.bar(f"seconds, {name}", figure["seconds"], "<=", BARS[count])
    header = ("rows", "seconds", "seconds of the processor", "peak memory, MB", "groups")
    report.table(f"one template at {THRESHOLD}", header, rows)
    peer = report.figures[f"{PEER}, {options.peer:,} rows"]
    if own := report.figures.get(f"one group, {options.peer:,} rows"):
        ratio = report.figures["the peer's memory by semsearch's"] = peer["peak_mb"] / own["peak_mb"]
        faster = report.figures["the peer's seconds by semsearch's"] = peer["seconds"] / own["seconds"]
        print(f"\nthe peer takes {ratio:.1f} times the memory and {faster:.1f} times the time of one group")
    report.close()


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[2].isdecimal():
        grouped(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
