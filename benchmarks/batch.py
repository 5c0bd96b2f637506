"""Measure `semsearch batch dedup`: a cluster of two nodes on this machine, and one process, on the same sentences.

First the answer: rows, groups and pairs that are alike, and the CPU seconds of all processes. Then pruning: the share
of the pairs of partitions that the radii leave, that the projections leave as well, and the share of the pairs of
vectors that are compared. Then the recall that was asked for, over random orders of the vectors, each with other
partitions. Last, copies of sentences with one word replaced, exchanged or left out are planted. MinHash (datasketch)
and SemHash look for them as well, where these are installed.

Every process computes with one thread. CPU seconds are read from /proc, so this runs on Linux.
"""

import gzip
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from common import Report, arguments, need, talk

from semsearch.dedup.in_files import Dataset
from semsearch.dedup.join import Pairs, join
from semsearch.distributed.batch import Batch
from semsearch.distributed.cluster import Cluster, connected
from semsearch.distributed.matching import Matching
from semsearch.distributed.partitions import bounds, labelled, partitions, possible, visits
from semsearch.distributed.work import Work
from semsearch.embedding import DEFAULT_MODEL, load_embedder
from semsearch.requests import DEFAULT_MEMORY, DedupRequest

THRESHOLDS = (0.8, 0.85, 0.9, 0.95)
PERMUTATIONS, BANDS_AT = 128, 0.5
BARS = {"CPU of the cluster / of one process": 1.3, "runs that keep the recall": 0.95}
Vectors = np.ndarray[Any, np.dtype[np.float32]]


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and all below it, with those that ended and were waited for."""
    stats = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        stats[int(folder.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    family, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, (parent, _) in stats.items() if parent in family} - family
        family, grown = family | more, bool(more)
    return sum(stats[pid][1] for pid in family if pid in stats) / os.sysconf("SC_CLK_TCK")


def planted(sentences: list[str], count: int) -> tuple[list[str], dict[int, int]]:
    """Return sentences with copies that differ in a word, and the position of the original of each copy."""
    rng = random.Random(7)
    texts, original = list(sentences), {}
    long = [at for at, text in enumerate(sentences) if len(text.split()) >= 8]
    for at in rng.sample(long, min(count, len(long))):
        words = texts[at].split()
        place = rng.randrange(1, len(words) - 1)
        match rng.randrange(3):
            case 0:
                words[place] = rng.choice(texts[rng.choice(long)].split())
            case 1:
                words[place], words[place - 1] = words[place - 1], words[place]
            case _:
                del words[place]
        original[len(texts)] = at
        texts.append(" ".join(words))
    return texts, original


def result_rows(output: Path) -> list[tuple[str, str | None, str | None]]:
    import pyarrow.parquet as pq

    tables = [pq.read_table(file) for file in sorted((output / "result").glob("*.parquet"))]
    columns = [
        [one for table in tables for one in table[name].to_pylist()] for name in ("name", "keeper", "tier")
    ]
    return list(zip(*columns, strict=True))


def one_process(
    path: Path,
) -> tuple[list[tuple[str, str | None, str | None]], set[tuple[str, str]], float, Vectors]:
    """Return each row with its keeper and tier, the pairs that are alike, the CPU seconds, and the vectors."""
    embedder = load_embedder(DEFAULT_MODEL)
    before = time.process_time()
    with Dataset.read([path], embedder=embedder) as data:
        found = data.duplicates()
        of: dict[str, tuple[str, str]] = {group.keeper: (group.keeper, "keeper") for group in found.groups}
        of |= {one.name: (group.keeper, one.tier) for group in found.groups for one in group.members}
        rows = [(name, *of.get(name, (None, None))) for name in data.names]
        alike = {(one.left, one.right) for one in found.rejected}
        return rows, alike, time.process_time() - before, data.vectors


def pruning(vectors: Vectors, size: int) -> list[dict[str, float]]:
    label, centres = labelled(vectors, size)
    found = partitions(vectors, label, centres)
    margins = np.stack([part.margins(centres) for part in found])
    longest, radii = (np.array([getattr(part, name) for part in found]) for name in ("longest", "radius"))
    every, total = len(found) * (len(found) + 1) // 2, len(vectors) * (len(vectors) - 1) // 2
    shares = []
    for threshold in THRESHOLDS:
        left = visits(bounds(centres, margins, longest, radii), threshold)
        by_radius = visits(bounds(centres, np.full_like(margins, -np.inf), longest, radii), threshold)
        compared = 0
        for i, j in left.tolist():
            x, y = possible(found[i], found[j], threshold)
            count = len(found[i].rows)
            compared += count * (count - 1) // 2 if i == j else len(x) * len(y)
        shares.append(
            {
                "size": size, "partitions": len(found), "threshold": threshold,
                
                "radius_degrees": float(np.degrees(np.median(radii))), 
                "by_radius": len(by_radius) / every, "visited": len(left) / every, "compared": compared / total,
            }
        )  # fmt: skip
    return shares


def complete(whole: Pairs, got: Pairs, count: int) -> float:
    """Return the share of the rows with pairs that have all of them."""
    wanted, found = (
        np.bincount(pairs.left, minlength=count) + np.bincount(pairs.right, minlength=count)
        for pairs in (whole, got)
    )
    return float(np.mean(found[wanted > 0] == wanted[wanted > 0]))


def recalls(cluster: Cluster, vectors: Vectors, options: Any, folder: Path) -> list[dict[str, float]]:
    found = []
    for seed in range(options.partitionings):
        order = np.random.default_rng(seed).permutation(len(vectors))
        turned = vectors[order]
        matching = Matching(
            cluster, Work(str(folder / str(seed))), turned, "", recall=options.recall,
            memory=DEFAULT_MEMORY, size=options.size,
        )  # fmt: skip
        share = complete(join(turned, options.threshold), matching(options.threshold), len(turned))
        told = matching.visited
        found.append(
            {
                "share": share, "sampled": told.sampled, "visited": told.visited / told.partition_pairs,
                "compared": told.compared / told.total,
            }
        )  # fmt: skip
    return found


def minhash(texts: list[str], threshold: float) -> set[tuple[int, int]]:
    from datasketch import MinHash, MinHashLSH

    lsh, sketches = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS), []
    found = set()
    for at, text in enumerate(texts):
        words = text.lower().split()
        sketch = MinHash(PERMUTATIONS)
        sketch.update_batch([" ".join(words[k : k + 3]).encode() for k in range(max(1, len(words) - 2))])
        found |= {(int(other), at) for other in lsh.query(sketch)}
        lsh.insert(str(at), sketch)
        sketches.append(sketch)
    return {(x, y) for x, y in found if sketches[x].jaccard(sketches[y]) >= threshold}


def semhash(vectors: Vectors, threshold: float) -> set[tuple[int, int]]:
    from semhash import SemHash

    model: Any = None
    records = [str(row) for row in range(len(vectors))]
    result = SemHash.from_embeddings(vectors, records, model).self_deduplicate(threshold)
    return {
        (min(int(one.record), int(other)), max(int(one.record), int(other)))
        for one in result.filtered
        for other, _ in one.duplicates
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=10_000, metavar="N", help="sentences (default 10,000)")
    parser.add_argument(
        "--size", type=int, default=1_000, metavar="N", help="vectors a partition (default 1,000)"
    )
    parser.add_argument(
        "--recall", type=float, default=0.95, metavar="R", help="recall to ask for (default 0.95)"
    )
    parser.add_argument(
        "--threshold", type=float, default=0.85, metavar="T", help="least cosine (default 0.85)"
    )
    parser.add_argument(
        "--partitionings", type=int, default=20, metavar="N", help="random orders (default 20)"
    )
    options = parser.parse_args()
    source = need(options.data / "sentences" / "sentences-400k.txt.gz")
    with gzip.open(source, "rt", encoding="utf-8") as file:
        sentences = list(dict.fromkeys(line.strip() for line in file if line.strip()))[
            : options.rows * 19 // 20
        ]
    texts, original = planted(sentences, options.rows - len(sentences))
    report = Report("batch", options)

    from ray.cluster_utils import Cluster as Nodes

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, output = folder / "in.jsonl", folder / "out"
        path.write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts), encoding="utf-8")
        talk("one process")
        rows, alike, alone, vectors = one_process(path)
        talk("two nodes")
        nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        nodes.add_node(num_cpus=1)
        with connected(nodes.address) as cluster:
            before, wall = cpu_seconds(), time.monotonic()
            batch = Batch([[str(path)]], str(output), partial(load_embedder, DEFAULT_MODEL))
            found = batch.dedup(cluster, DedupRequest(), partition=options.size)
            together, wall = cpu_seconds() - before, time.monotonic() - wall
            got = result_rows(output)
            import pyarrow.parquet as pq

            listed = pq.read_table(output / "alike.parquet").to_pylist()
            same_alike = {(one["left"], one["right"]) for one in listed} == alike
            report.table(
                f"{len(texts):,} sentences, {found.groups:,} groups: rows "
                + ("identical" if got == rows else "NOT IDENTICAL")
                + ", pairs that are alike "
                + ("identical" if same_alike else "NOT IDENTICAL"),
                ("", "CPU s"),
                [("one process", f"{alone:.1f}"), ("two nodes", f"{together:.1f}")],
            )
            talk("recall")
            promised = recalls(cluster, vectors, options, folder / "recall")
        nodes.shutdown()
        talk("pruning")
        pruned = [
            one
            for size in (options.size // 4, options.size, options.size * 4)
            for one in pruning(vectors, size)
        ]

    keeper_of = {int(name.rpartition("#")[2]) - 1: keeper for name, keeper, tier in got if tier}
    place = {name: int(name.rpartition("#")[2]) - 1 for name, *_ in got}
    ours = {
        (min(place[keeper], at), max(place[keeper], at))
        for at, keeper in keeper_of.items()
        if keeper and place[keeper] != at
    }
    wanted = {(at, copy) for copy, at in original.items()}
    peers: dict[str, Callable[[], set[tuple[int, int]]]] = {}
    if find_spec("datasketch"):
        peers["MinHash (datasketch), Jaccard 0.5"] = partial(minhash, texts, BANDS_AT)
    if find_spec("semhash") and len(vectors) == len(texts):
        peers["SemHash, cosine 0.85"] = partial(semhash, vectors, 0.85)
    peers_found = {"semsearch": {"planted": len(wanted & ours), "pairs": len(ours), "cpu": alone}}
    for title, run in peers.items():
        before = time.process_time()
        pairs = run()
        cpu = time.process_time() - before
        peers_found[title] = {"planted": len(wanted & pairs), "pairs": len(pairs), "cpu": cpu}

    kept = sum(one["share"] >= options.recall for one in promised) / max(1, len(promised))
    report.figures = {
        "rows": len(texts), "groups": found.groups, "identical_rows": got == rows, "identical_alike": same_alike,
        "cpu_alone": alone, "cpu_together": together, "cpu_ratio": together / alone, "wall": wall,
        "visited": found.visited.visited / found.visited.partition_pairs,
        "pruning": pruned, "recalls": promised, "kept": kept, "planted": len(wanted), "peers": peers_found,
    }  # fmt: skip
    report.table(
        "pruning: share of pairs of partitions by radii, and visited; share of pairs of vectors that are compared",
        ("threshold", "partitions", "by radii", "visited", "compared"),
        [
            (
                one["threshold"],
                one["partitions"],
                *(f"{one[key]:.1%}" for key in ("by_radius", "visited", "compared")),
            )
            for one in pruned
        ],
    )
    report.table(
        f"recall {options.recall:g} asked for, {len(promised)} partitionings: kept in {kept:.0%}",
        ("", "least", "median"),
        [
            (key, *(f"{value:.4g}" for value in (min(values), float(np.median(values)))))
            for key in ("share", "visited", "compared", "sampled")
            for values in [[one[key] for one in promised]]
        ],
    )
    report.table(
        f"{len(wanted):,} planted copies",
        ("", "found with the original", "pairs", "CPU s"),
        [(title, one["planted"], one["pairs"], f"{one['cpu']:.1f}") for title, one in peers_found.items()],
    )
    report.bar(
        "CPU of the cluster / of one process",
        together / alone,
        "<=",
        BARS["CPU of the cluster / of one process"],
    )
    report.bar("runs that keep the recall", kept, ">=", BARS["runs that keep the recall"])
    report.close()


if __name__ == "__main__":
    main()
