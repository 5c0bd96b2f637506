"""Time and peak memory of grouping one template: every row is similar to every other.

The vectors are one random direction with noise (seed 0), so that any two rows have a cosine of 0.9 or more. The texts
are one template, a row of 12 words or a letter of 90, with another number in each, or with another name and other
goods. With `--remove-differing` all of them are one group. By default each pair has a veto, which is the most work:
each row is a keeper, and meets all others.

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
NAMED_ROW = "Dear {name}, your order of {goods} has been shipped and will arrive on Tuesday."
NAMED_LETTER = (
    "Dear {name}, thank you for your payment. We have received what you ordered from our partner in the south. The"
    " parcel with {goods} will leave our warehouse within the next days, and you will get a message with the carrier as"
    " soon as it is on its way. Please keep this letter, since you may need it for your records. If anything is wrong"
    " with what you receive, write to us or call the number on the back of this letter, and we will take care of it at"
    " once. With kind regards, your team."
)
GIVEN = (
    "Anna", "Bram", "Clara", "Dirk", "Elsa", "Falk", "Greta", "Hugo", "Irma", "Jonas", "Karla", "Lars", "Mira", "Nils",
    "Olga", "Paul", "Rosa", "Sven", "Tilda", "Uwe",
)  # fmt: skip
GOODS = (
    "chairs", "tables", "lamps", "desks", "shelves", "sofas", "benches", "stools", "mirrors", "curtains", "rugs",
    "clocks", "vases",
)  # fmt: skip
WOODS = ("oak", "pine", "beech", "walnut", "maple", "cherry", "elm", "birch")
SYLLABLES = (
    "ba", "bel", "dor", "fen", "gar", "hol", "kam", "lin", "mor", "nes", "pol", "rik", "sam", "tor", "vel", "wen",
)  # fmt: skip
THRESHOLD = 0.85
KINDS = {
    "one group": (ROW, True),
    "rows, numbers differ": (ROW, False),
    "letters, numbers differ": (LETTER, False),
    "rows, names differ": (NAMED_ROW, False),
    "letters, names differ": (NAMED_LETTER, False),
}
PEER = "all pairs kept"
BARS = {20_000: 180, 50_000: 1200}
"""The most seconds for a number of rows."""


def filled(template: str, at: int) -> str:
    """Return the text of one row: its numbers, its name and its goods are those of no other row together."""
    surname, digits = "", at // len(GIVEN)
    for _ in range(4):
        digits, digit = divmod(digits, len(SYLLABLES))
        surname += SYLLABLES[digit]
    goods = f"{WOODS[at // 7 % len(WOODS)]} {GOODS[at // 3 % len(GOODS)]}"
    name = f"{GIVEN[at % len(GIVEN)]} {surname.capitalize()}"
    return template.format(100_000 + at, 500_000 + at, name=name, goods=goods)


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
            lambda wanted: [filled(template, at) for at in wanted],
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
    parser.add_argument("--only", action="append", choices=KINDS, help="only this kind of rows")
    parser.add_argument("--peer", type=int, default=5000, metavar="N", help="rows for the peer")
    parser.add_argument("--memory", type=int, default=512, metavar="MB", help="as for dedup --memory")
    options = parser.parse_args()
    report = Report("dense", options)
    sizes = [int(size) for size in options.sizes.split(",")]
    rows = []
    runs = [(kind, count) for count in sizes for kind in options.only or KINDS]
    for kind, count in runs if options.only else [(PEER, options.peer), *runs]:
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
    peer = report.figures.get(f"{PEER}, {options.peer:,} rows")
    own = report.figures.get(f"one group, {options.peer:,} rows")
    if peer and own:
        ratio = report.figures["the peer's memory by semsearch's"] = peer["peak_mb"] / own["peak_mb"]
        faster = report.figures["the peer's seconds by semsearch's"] = peer["seconds"] / own["seconds"]
        print(f"\nthe peer takes {ratio:.1f} times the memory and {faster:.1f} times the time of one group")
    report.close()


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[2].isdecimal():
        grouped(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
