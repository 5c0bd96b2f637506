"""Time and memory of the exact join as the vectors grow, against what people run today, as far as that goes.

Each run is a separate process. The seconds are those of the call alone. The peak memory is the whole process, with
the vectors that it maps from a file. A run that takes longer than `--limit` is stopped, and larger ones of the same
kind are left out.

The first vectors (`--real`) are those of real, distinct sentences. Further ones are made from them: each is a random
sentence turned towards another, by a random angle whose cosine is uniform from 0.65 to 0.95 (seed 0). So at least one
in three is a near-duplicate of its sentence at 0.85, and the spectrum stays the one of sentences. Isotropic noise
would flatten it.
"""

import json
import os
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

from common import Report, arguments, run, talk

if TYPE_CHECKING:
    from dedup import Vectors

OURS, PLAIN = "semsearch", "plain, triangle, buffers"
PEERS = ("semhash", "faiss")
SIZES = (100_000, 200_000, 400_000, 1_000_000)
LEAST, MOST = 0.65, 0.95
CHUNK = 50_000
SECONDS, MEGABYTES = 600, 4_000
"""The targets at the largest of the sizes above."""


def make(sentences: Path, real: int, count: int, file: Path) -> None:
    """Write `count` vectors to the file, unless it has that number."""
    import numpy as np
    from dedup import embed

    if file.exists() and len(np.load(file, mmap_mode="r")) >= count:
        return
    vectors = embed(sentences, min(real, count), file)
    if len(vectors) == count:
        return
    whole = file.with_suffix(".whole.npy")
    out = np.lib.format.open_memmap(whole, "w+", np.float32, (count, vectors.shape[1]))
    out[: len(vectors)] = vectors
    rng = np.random.default_rng(0)
    for start in range(len(vectors), count, CHUNK):
        out[start : start + CHUNK] = turned(
            vectors, *pairs(len(vectors), min(CHUNK, count - start), rng), rng
        )
    out.flush()
    whole.replace(file)


def pairs(of: int, count: int, rng: Any) -> tuple[Any, Any]:
    """Return `count` random pairs of different rows out of `of`, as two arrays."""
    at = rng.integers(of, size=count)
    return at, (at + rng.integers(1, of, size=count)) % of


def turned(vectors: "Vectors", at: Any, other: Any, rng: Any) -> "Vectors":
    """Return the vectors of some rows, each turned towards another one; see the docstring of the module."""
    import numpy as np

    x, towards = vectors[at].astype(np.float64), vectors[other].astype(np.float64)
    towards -= np.einsum("ij,ij->i", x, towards)[:, None] * x
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    cosine = rng.uniform(LEAST, MOST, (len(at), 1))
    made = cosine * x + np.sqrt(1 - cosine**2) * towards
    result: Vectors = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return result


def measure(name: str, file: Path, count: int, threshold: float, limit: float) -> None:
    """Print the seconds and the result of one run, or nulls if the limit stops it."""
    import numpy as np
    from dedup import PEERS, PRODUCTS

    def stop() -> None:
        print(json.dumps({"seconds": None, "found": None}), flush=True)
        os._exit(0)

    if name in PEERS:
        import_module(PEERS[name].module)
    vectors = np.load(file, mmap_mode="r")[:count]
    timer = Timer(limit, stop)
    timer.daemon = True
    timer.start()
    started = time.perf_counter()
    found = PEERS[name].run(vectors, threshold) if name in PEERS else len(PRODUCTS[name](vectors, threshold))
    seconds = time.perf_counter() - started
    timer.cancel()
    print(json.dumps({"seconds": seconds, "found": found}))


def plot(runs: list[dict[str, Any]], threshold: float, to: Path) -> None:
    """Draw seconds against vectors, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(one["name"] for one in runs if one["seconds"] is not None):
        done = [one for one in runs if one["name"] == name and one["seconds"] is not None]
        axes.loglog(
            [one["vectors"] for one in done], [one["seconds"] for one in done], marker="o", label=name
        )
    axes.set(xlabel="vectors", ylabel="seconds", title=f"all pairs with a cosine of at least {threshold:g}")
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    figure.savefig(to)


def numbers(text: str) -> list[int]:
    return sorted({int(number) for number in text.split(",")})


def main() -> None:
    parser = arguments(__doc__)
    sizes, peers = ",".join(map(str, SIZES)), ",".join(PEERS)
    parser.add_argument(
        "--sizes", type=numbers, default=sizes, metavar="N,N", help=f"how many vectors (default {sizes})"
    )
    parser.add_argument(
        "--threshold", type=float, default=0.85, metavar="T", help="least cosine (default 0.85)"
    )
    parser.add_argument("--vectors", type=Path, metavar="FILE", help="keep the vectors in this .npy file")
    parser.add_argument(
        "--real",
        type=int,
        default=390_000,
        metavar="N",
        help="vectors that are of sentences (default 390,000)",
    )
    parser.add_argument(
        "--plain-up-to",
        type=int,
        default=400_000,
        metavar="N",
        help="largest plain product (default 400,000)",
    )
    parser.add_argument(
        "--peers", default=peers, metavar="NAMES", help=f"which to run, or '' (default {peers})"
    )
    parser.add_argument(
        "--limit", type=float, default=1_800, metavar="S", help="stop a run after S seconds (default 1,800)"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw time against size here: .svg, .png, ..."
    )
    parser.add_argument(
        "--measure", metavar="NAME", help="print the figures of one run of the first size, and end"
    )
    parser.add_argument("--make", action="store_true", help="write the vectors, and end")
    options = parser.parse_args()
    sentences = options.data / "sentences" / "sentences-400k.txt.gz"
    if options.measure:
        measure(options.measure, options.vectors, options.sizes[0], options.threshold, options.limit)
        return
    if options.make:
        make(sentences, options.real, options.sizes[-1], options.vectors)
        return
    wanted = list(filter(None, options.peers.split(",")))
    if unknown := set(wanted) - set(PEERS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    missing = [name for name in wanted if not find_spec(name)]
    names = [OURS, PLAIN, *(name for name in wanted if name not in missing)]

    report = Report("scale", options)
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        file = options.vectors or Path(temporary) / "vectors.npy"
        given = ("--data", options.data, "--vectors", file, "--threshold", str(options.threshold))
        talk(f"{options.sizes[-1]:,} vectors, unless they are there")
        made = ("--make", "--real", str(options.real), "--sizes", str(options.sizes[-1]))
        run(__file__, *given, *made)
        for count in options.sizes:
            stopped = {one["name"] for one in runs if one["seconds"] is None}
            for name in names:
                if name in stopped or (name == PLAIN and count > options.plain_up_to):
                    continue
                talk(f"{name}, {count:,} vectors")
                asked = ("--measure", name, "--sizes", str(count), "--limit", str(options.limit))
                process = run(__file__, *given, *asked)
                runs.append(
                    {"name": name, "vectors": count, "peak_mb": process.peak_mb, **json.loads(process.out)}
                )
    report.figures = {"runs": runs, "not_installed": missing}
    origin = "all of sentences"
    if options.sizes[-1] > options.real:
        origin = f"{options.real:,} of sentences, the rest those turned towards others by a cosine of {LEAST} to {MOST}"
    report.table(
        f"all pairs with a cosine >= {options.threshold}; vectors: {origin}",
        ("", "vectors", "seconds", "peak MB", "found"),
        [
            (
                name,
                f"{one['vectors']:,}",
                f"{one['seconds']:.1f}",
                f"{one['peak_mb']:,.0f}",
                f"{one['found']:,}",
            )
            if one["seconds"] is not None
            else (name, f"{one['vectors']:,}", f"stopped at {options.limit:g}", f"{one['peak_mb']:,.0f}", "")
            for name in names
            for one in runs
            if one["name"] == name
        ]
        + [(name, "not installed", "", "", "") for name in missing],
    )
    for one in runs:
        if one["name"] == OURS and one["vectors"] == SIZES[-1]:
            seconds = options.limit if one["seconds"] is None else one["seconds"]
            report.bar(f"{SIZES[-1]:,} vectors, seconds", seconds, "<=", SECONDS)
            report.bar(f"{SIZES[-1]:,} vectors, peak MB", one["peak_mb"], "<=", MEGABYTES)
    if options.plot:
        plot(runs, options.threshold, options.plot)
    report.close()


if __name__ == "__main__":
    main()
