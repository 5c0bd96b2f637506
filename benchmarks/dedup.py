"""The exact join against the float32 product in plain NumPy, a float64 brute force, and peers.

The vectors are those of real, distinct sentences. The plain product is written in the three usual ways: all rows
against all rows, only against the rows from the block on (both with `np.nonzero`), and the second way with reused
buffers and `np.flatnonzero`, which is the fastest way without a new idea. Peers that are not installed are left out.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from common import Report, Timing, arguments, interleave, need, talk
from numpy.typing import NDArray

from semsearch.dedup import join
from semsearch.embedding import load_embedder
from semsearch.text import clean

BLOCK = 2048
OURS = "semsearch"
Vectors = NDArray[np.float32]
Keys = NDArray[np.int64]
"""Pairs (i, j), i < j, of n rows, as sorted numbers i * n + j."""


def embed(sentences: Path, count: int, cache: Path | None) -> Vectors:
    """Return the vectors of the first `count` distinct sentences. They come from the cache or go into it."""
    if cache and cache.exists():
        vectors: Vectors = np.load(cache)
        if len(vectors) >= count:
            return vectors[:count]
    with gzip.open(need(sentences), "rt", encoding="utf-8") as file:
        distinct = list(islice(dict.fromkeys(filter(None, (clean(line).strip() for line in file))), count))
    talk(f"embedding {len(distinct):,} sentences")
    vectors = load_embedder().embed(distinct)
    if cache:
        np.save(cache, vectors)
    return vectors


def ours(vectors: Vectors, threshold: float) -> Keys:
    pairs = join(vectors, threshold)
    return pairs.left * len(vectors) + pairs.right


def plain_square(vectors: Vectors, threshold: float) -> Keys:
    n = len(vectors)
    found = []
    for start in range(0, n, BLOCK):
        i, j = np.nonzero(vectors[start : start + BLOCK] @ vectors.T >= threshold)
        keep = start + i < j
        found.append((start + i[keep]) * n + j[keep])
    return np.concatenate(found)


def plain_triangle(vectors: Vectors, threshold: float) -> Keys:
    n = len(vectors)
    found = []
    for start in range(0, n, BLOCK):
        i, j = np.nonzero(vectors[start : start + BLOCK] @ vectors[start:].T >= threshold)
        found.append(((start + i) * n + start + j)[i < j])
    return np.concatenate(found)


def plain_buffers(vectors: Vectors, threshold: float) -> Keys:
    n = len(vectors)
    products, passed = np.empty(BLOCK * n, np.float32), np.empty(BLOCK * n, np.bool_)
    found = []
    for start in range(0, n, BLOCK):
        x, y = vectors[start : start + BLOCK], vectors[start:]
        size = len(x) * len(y)
        np.matmul(x, y.T, out=products[:size].reshape(len(x), len(y)))
        at = np.flatnonzero(np.greater_equal(products[:size], np.float32(threshold), out=passed[:size]))
        i, j = np.divmod(at, len(y))
        found.append(((start + i) * n + start + j)[i < j])
    return np.concatenate(found)


def brute_force(vectors: Vectors, threshold: float) -> tuple[Keys, float]:
    """Return the pairs by float64 products, and the distance of the closest product from the threshold."""
    n, height = len(vectors), BLOCK // 8
    exact = vectors.astype(np.float64)
    found, closest = [], np.inf
    for start in range(0, n, height):
        product = np.ravel(exact[start : start + height] @ exact[start:].T)
        at = np.flatnonzero(product >= threshold - 1e-6)
        i, j = np.divmod(at, n - start)
        at, keys = at[i < j], ((start + i) * n + start + j)[i < j]
        found.append(keys[product[at] >= threshold])
        closest = min(closest, float(np.min(np.abs(product[at] - threshold), initial=np.inf)))
    return np.concatenate(found), closest


def semhash(vectors: Vectors, threshold: float) -> int:
    from semhash import SemHash

    records = [str(row) for row in range(len(vectors))]
    model: Any = None  # used for new records only
    found = SemHash.from_embeddings(vectors, records, model).self_deduplicate(threshold)
    return len(found.filtered)


def faiss(vectors: Vectors, threshold: float) -> int:
    from faiss import IndexFlatIP

    index = IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    limits, _, found = index.range_search(vectors, threshold)
    rows = np.repeat(np.arange(len(vectors)), np.diff(limits).astype(np.int64))
    return int(np.sum(rows < found))


def paraphrase_mining(vectors: Vectors, threshold: float) -> int:
    from sentence_transformers.util import paraphrase_mining_embeddings
    from torch import from_numpy

    return sum(score >= threshold for score, _, _ in paraphrase_mining_embeddings(from_numpy(vectors)))


PRODUCTS: dict[str, Callable[[Vectors, float], Keys]] = {
    OURS: ours,
    "plain, all rows": plain_square,
    "plain, triangle": plain_triangle,
    "plain, triangle, buffers": plain_buffers,
}


@dataclass(frozen=True)
class Peer:
    """A peer: its import, its call, the count of its result, and the factor by which ours should be faster."""

    module: str
    run: Callable[[Vectors, float], int]
    counts: str
    target: float


PEERS = {
    "semhash": Peer("semhash", semhash, "records it drops", 3),
    "faiss": Peer("faiss", faiss, "pairs", 4),
    "paraphrase_mining": Peer("sentence_transformers", paraphrase_mining, "pairs, within 100 a row", 15),
}


def main() -> None:
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--count", type=int, default=100_000, metavar="N", help="sentences (default 100,000)")
    parser.add_argument(
        "--threshold", type=float, default=0.85, metavar="T", help="least cosine (default 0.85)"
    )
    parser.add_argument("--vectors", type=Path, metavar="FILE", help="keep the vectors in this .npy file")
    names = ",".join(PEERS)
    parser.add_argument(
        "--peers", default=names, metavar="NAMES", help=f"which to run, or '' (default {names})"
    )
    options = parser.parse_args()
    wanted = list(filter(None, options.peers.split(",")))
    if unknown := set(wanted) - PEERS.keys():
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    vectors = embed(options.data / "sentences" / "sentences-400k.txt.gz", options.count, options.vectors)
    threshold = options.threshold

    report = Report("dedup", options)
    tasks = {name: partial(run, vectors, threshold) for name, run in PRODUCTS.items()}
    tasks |= {
        name: partial(PEERS[name].run, vectors, threshold) for name in wanted if find_spec(PEERS[name].module)
    }
    timings: dict[str, Timing] = interleave(tasks, options.repeats)
    talk("brute force in float64")
    expected, closest = brute_force(vectors, threshold)

    found = timings[OURS].result
    seconds = {name: timing.seconds for name, timing in timings.items()}
    ratio = {name: timing.median / timings[OURS].median for name, timing in timings.items()}
    counts = {
        name: len(timing.result) if name in PRODUCTS else timing.result for name, timing in timings.items()
    }
    report.figures = {
        "vectors": list(vectors.shape),
        "seconds": seconds,
        "minimum": {name: min(rounds) for name, rounds in seconds.items()},
        "median": {name: timing.median for name, timing in timings.items()},
        "times_ours": ratio,
        "found": counts,
        "not_installed": [name for name in wanted if name not in timings],
        "pairs": len(expected),
        "identical_to_float64": np.array_equal(found, expected),
        "differing": len(np.setxor1d(found, expected)),
        "closest_to_threshold": closest,
    }
    report.table(
        f"{len(vectors):,} vectors, cosine >= {threshold}: {len(expected):,} pairs by float64 brute force, ours "
        + ("identical" if report.figures["identical_to_float64"] else "NOT IDENTICAL"),
        ("", "least s", "median s", "x ours", "found", ""),
        [
            (
                name,
                f"{min(timings[name].seconds):.2f}",
                f"{timings[name].median:.2f}",
                f"{ratio[name]:.2f}",
                f"{counts[name]:,}",
                PEERS[name].counts if name in PEERS else "pairs",
            )
            if name in timings
            else (name, "not installed", "", "", "", "")
            for name in (*PRODUCTS, *wanted)
        ],
    )
    report.bar(
        "ours / fastest plain product", 1 / min(ratio[name] for name in PRODUCTS if name != OURS), "<=", 1.2
    )
    report.bar(
        "fastest plain product / ours", min(ratio[name] for name in PRODUCTS if name != OURS), ">=", 2.5
    )
    for name in wanted:
        if name in ratio:
            report.bar(f"{name} / ours", ratio[name], ">=", PEERS[name].target)
    report.bar("pairs that differ from float64 brute force", report.figures["differing"], "==", 0)
    report.close()


if __name__ == "__main__":
    main()
