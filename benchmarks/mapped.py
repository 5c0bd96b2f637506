"""Read all vectors of an index in a new process and compare a query with them: mapped, from SQLite, and plain NumPy.

`mapped` and `library` are ours with and without the vector file. The peer is `np.load(file, mmap_mode="r") @ query` on
the same vectors, which is what a script does that keeps no texts. Each measurement is a separate process, and the
time of imports is left out. The vectors are random; the time does not depend on them. All three must find the same
ten, and ours must have the same products to the last bit when all is mapped.
"""

import json
import tempfile
import time
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from common import Report, arguments, run, talk

BEST = 10
BATCH = 10_000
WAYS = ("mapped", "library", "plain NumPy")


def build(folder: Path, count: int, dimension: int) -> None:
    """Make a Library of random vectors, its vector file, and the same vectors as `plain.npy`."""
    import numpy as np

    from semsearch.storage.library import Library, update_vector_file

    rng = np.random.default_rng(0)
    library = Library(folder / "library.sqlite3", create=True)
    plain = np.lib.format.open_memmap(folder / "plain.npy", "w+", np.float32, (count, dimension))
    for start in range(0, count, BATCH):
        rows = rng.normal(size=(min(BATCH, count - start), dimension))
        made = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        plain[start : start + len(made)] = made
        digests = (blake2b(str(start + at).encode(), digest_size=16).digest() for at in range(len(made)))
        library.add([], dict(zip(digests, made, strict=True)))
    plain.flush()
    update_vector_file(library)
    library.close()


def measure(folder: Path, way: str) -> None:
    """Print the seconds, wall and processor, of reading and comparing once, and again; and what is best."""
    import numpy as np

    from semsearch.storage.library import Library

    query = np.array(np.load(folder / "plain.npy", mmap_mode="r")[0])

    def read() -> Any:
        if way == "plain NumPy":
            vectors = np.load(folder / "plain.npy", mmap_mode="r")
            return lambda: vectors @ query
        library = Library(folder / "library.sqlite3")
        with library.snapshot():
            table = library.vectors(map_file=way == "mapped")
        return lambda: table.products(query[None])[0]

    times = [(time.perf_counter(), time.process_time())]
    products = read()
    for _ in range(2):
        found = products()
        times.append((time.perf_counter(), time.process_time()))
    spent = [[after - before for before, after in zip(*pair, strict=True)] for pair in pairwise(times)]
    best = np.argsort(-found, kind="stable")[:BEST].tolist()
    seal = blake2b(np.asarray(found).tobytes(), digest_size=8).hexdigest()
    print(json.dumps({"first": spent[0], "next": spent[1], "best": best, "seal": seal}))


def main() -> None:
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--count", type=int, default=100_000, metavar="N", help="vectors (default 100,000)")
    parser.add_argument(
        "--dimension", type=int, default=384, metavar="N", help="numbers of a vector (default 384)"
    )
    parser.add_argument("--measure", nargs=2, metavar=("DIR", "WAY"), help="measure one way as JSON, and end")
    parser.add_argument("--build", type=Path, metavar="DIR", help="make what is measured, and end")
    options = parser.parse_args()
    if options.build:
        build(options.build, options.count, options.dimension)
        return
    if options.measure:
        measure(Path(options.measure[0]), options.measure[1])
        return
    report = Report("mapped", options)
    with tempfile.TemporaryDirectory() as made:
        talk(f"a Library of {options.count:,} vectors")
        sizes = ("--count", str(options.count), "--dimension", str(options.dimension))
        run(__file__, "--build", made, *sizes)
        rounds: dict[str, list[Any]] = {way: [] for way in WAYS}
        peak = dict.fromkeys(WAYS, 0.0)
        for turn in range(options.repeats + 1):
            talk(f"round {turn} of {options.repeats}" if turn else "one round that does not count")
            for way in WAYS:
                process = run(__file__, "--measure", made, way)
                peak[way] = max(peak[way], process.peak_mb)
                if turn:
                    rounds[way].append(json.loads(process.out))
    seconds = {
        way: {
            f"{what} {kind}": median(one[what][at] for one in some)
            for what in ("first", "next")
            for at, kind in enumerate(("wall", "cpu"))
        }
        for way, some in rounds.items()
    }
    same = len({json.dumps(one["best"]) for some in rounds.values() for one in some}) == 1
    equal = {one["seal"] for one in rounds["mapped"]} == {one["seal"] for one in rounds["library"]}
    gain = seconds["library"]["first cpu"] / seconds["mapped"]["first cpu"]
    peer = seconds["mapped"]["first cpu"] / seconds["plain NumPy"]["first cpu"]
    report.figures = {
        "vectors": options.count,
        "seconds": seconds,
        "peak_mb": peak,
        "library_to_mapped": gain,
        "mapped_to_plain": peer,
        "same_best": same,
        "equal_products": equal,
    }
    report.table(
        f"{options.count:,} vectors read and compared with a query in a new process, and once more; ms",
        ("", "wall", "CPU", "next wall", "next CPU", "peak MB"),
        [
            (way, *(f"{1000 * value:.0f}" for value in seconds[way].values()), f"{peak[way]:,.0f}")
            for way in WAYS
        ],
    )
    report.bar("CPU time from SQLite / mapped", gain, ">=", 5)
    report.bar("CPU time mapped / plain NumPy", peer, "<=", 2)
    report.bar("runs with the same ten best", float(same), "==", 1)
    report.close()


if __name__ == "__main__":
    main()
