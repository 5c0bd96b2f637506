"""Time and peak memory of grouping one template: every row is similar to every other.

The vectors are one random direction with noise (seed 0), so that any two rows have a cosine of 0.9 or more. With
`refused` a veto refuses every pair, which is the most work: each row is a keeper, and meets all others. The peer keeps
all pairs, as a join and a graph of pairs do. Each run is a separate process; the peak memory is the whole process.
"""

import json
import sys
import time

from common import Process, Report, arguments, run, talk

LETTER = "Your order number {} has been shipped and will arrive on Tuesday."
THRESHOLD = 0.85


def grouped(kind: str, count: int, memory: int) -> None:
    """Group the rows, and print the seconds and the number of groups."""
    import numpy as np

    from semsearch.dedup import Compared, Corpus, DocumentPassages, Duplicates, group, join

    rng = np.random.default_rng(0)
    direction = rng.normal(size=384)
    vectors = np.empty((count, 384), np.float32)
    for at in range(0, count, 4096):
        rows = direction + 0.25 * rng.normal(size=(min(4096, count - at), 384))
        vectors[at : at + len(rows)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    started = time.perf_counter()
    numbers = np.arange(count)
    if kind == "all pairs":
        groups = len(group(numbers, join(vectors, THRESHOLD)))
    else:
        compared = Compared(
            [f"row {at}" for at in range(count)],
            numbers,
            None,
            THRESHOLD,
            Corpus(vectors, [DocumentPassages(numbers[at : at + 1], np.ones(1)) for at in range(count)]),
            lambda wanted: [LETTER.format(number) for number in wanted],
            "document",
            accepts=(lambda left, right: np.zeros(len(left), np.bool_)) if kind == "refused" else None,
            memory=memory,
        )
        groups = len(Duplicates.of(compared, THRESHOLD).groups)
    print(json.dumps({"seconds": time.perf_counter() - started, "groups": groups}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", default="8000,20000,50000", help="rows, as a list with commas")
    parser.add_argument("--peer", type=int, default=8000, metavar="N", help="rows for the peer")
    parser.add_argument("--memory", type=int, default=512, metavar="MB", help="as for dedup --memory")
    options = parser.parse_args()
    report = Report("dense", options)
    sizes = [int(size) for size in options.sizes.split(",")]
    tasks = [("all pairs", options.peer), *((kind, n) for n in sizes for kind in ("accepted", "refused"))]
    rows = []
    for kind, count in tasks:
        talk(f"{kind}, {count:,} rows")
        process: Process = run(__file__, kind, str(count), str(options.memory * 2**20))
        found = json.loads(process.out)
        name = f"{kind}, {count:,} rows"
        report.figures[name] = found | {"peak_mb": process.peak_mb}
        rows.append((name, f"{found['seconds']:.1f}", f"{process.peak_mb:,.0f}", f"{found['groups']:,}"))
    report.table(f"one template at {THRESHOLD}", ("pairs", "seconds", "peak memory, MB", "groups"), rows)
    for count in (20_000, 50_000):
        for kind in ("accepted", "refused"):
            if figure := report.figures.get(f"{kind}, {count:,} rows"):
                report.bar(f"peak MB, {kind}, {count:,} rows", figure["peak_mb"], "<=", 1000)
                report.bar(f"seconds, {kind}, {count:,} rows", figure["seconds"], "<=", 600)
    report.close()


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[2].isdecimal():
        grouped(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
