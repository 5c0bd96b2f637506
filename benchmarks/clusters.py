"""Measure clusters: agreement with labels, names that stay when an index grows, and the time of a large index.

The labelled sets are those of `triage.py`: sentences of the Rust book by chapter, what people say to a voice assistant
by intent, and lines of conversations by category. The last two are in packages, of which only the files are read;
without `--packages` only the first set is measured.

    pip download --no-deps -d PACKAGES ovos-skill-weather==1.0.6 ovos-skill-date-time==1.1.5 chatterbot-corpus==1.3.3

The peers are scikit-learn's, on the same vectors: k-means and Ward's linkage, both told the true number of clusters,
and what BERTopic does with scikit-learn alone: HDBSCAN on a few principal components. The interval of a difference is a
bootstrap over texts, with the clusters as they are.

To see whether names stay, clusters are found in a part of a set, and then in all of it. `--index` names an index of
many texts, such as 100,000 sentences, for which `semsearch clusters` is timed in a new process.
"""

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import Report, arguments, need, talk
from triage import book, conversations, embedded, intents

from semsearch.clustering.communities import communities
from semsearch.clustering.kept import KeptRun, carried, digests_of

GRANULARITIES = (0.3, 1.0, 3.0, 10.0)
GROWN = (0.5, 0.9, 0.99)
"""The parts of a set that an earlier run had."""
NOISE = 15
"""The smallest cluster of HDBSCAN, as BERTopic has it for sets of this size."""
COMPONENTS = 5
"""The dimensions before HDBSCAN, as BERTopic has it."""
BARS = {"difference": 0.0, "seconds": 120, "peak MB": 2_000}
Clustering = Callable[[np.ndarray], np.ndarray]


def ours(vectors: np.ndarray, granularity: float = 1.0) -> np.ndarray:
    return communities(vectors, np.ones(len(vectors), np.int64), granularity).of


def peers(count: int) -> dict[str, Clustering]:
    """Return the peers by name, those with a number of clusters told the true one."""
    from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
    from sklearn.decomposition import PCA

    def dense(vectors: np.ndarray) -> np.ndarray:
        reduced = PCA(COMPONENTS, random_state=0).fit_transform(vectors)
        found: np.ndarray = HDBSCAN(NOISE, copy=True).fit_predict(reduced)
        return found

    return {
        "k-means": lambda vectors: KMeans(count, n_init=10, random_state=0).fit_predict(vectors),
        "Ward": lambda vectors: AgglomerativeClustering(count).fit_predict(vectors),
        "PCA, HDBSCAN": dense,
    }


def agreement(labels: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    """Return how far clusters agree with labels; noise counts as one cluster."""
    from sklearn.metrics import adjusted_rand_score, v_measure_score

    return {
        "clusters": len(set(found.tolist()) - {-1}),
        "noise": float((found < 0).mean()),
        "V-measure": float(v_measure_score(labels, found)),
        "ARI": float(adjusted_rand_score(labels, found)),
    }


def difference(labels: np.ndarray, some: np.ndarray, others: np.ndarray, draws: int) -> list[float]:
    """Return the 95% interval of the difference of two V-measures."""
    from sklearn.metrics import v_measure_score

    draw = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        at = draw.integers(len(labels), size=len(labels))
        found.append(v_measure_score(labels[at], some[at]) - v_measure_score(labels[at], others[at]))
    return np.percentile(found, [2.5, 97.5]).tolist()


def stays(vectors: np.ndarray, share: float) -> float:
    """Return how many of a random share of the texts are in a cluster that has the same name in all texts."""
    mixed = np.random.default_rng(0).permutation(len(vectors))
    half = np.sort(mixed[: round(share * len(mixed))])
    before, after = ours(vectors[half]), ours(vectors)
    names = [str(at) for at in range(int(before.max()) + 1)]
    run = KeptRun("passage", 1.0, names, digests_of(vectors[half]), before)
    now = carried(run, digests_of(vectors), after)
    return float(np.mean([now.get(a) == names[b] for a, b in zip(after[half].tolist(), before, strict=True)]))


def timed(index: Path) -> dict[str, Any]:
    """Return what `semsearch clusters` takes in a new process: seconds of wall and CPU time, and the peak memory."""
    import subprocess
    import time

    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "semsearch", "clusters", "--index", str(index), "--json"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "texts": told["total"],
        "clusters": told["number"],
        "stability": float(np.average([one["stability"]["value"] for one in told["clusters"]])),
        "seconds": time.perf_counter() - start,
        "CPU seconds": cpu,
        "peak MB": after.ru_maxrss / 1e3,
        "names": [one["name"] for one in told["clusters"][:30]],
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--packages", type=Path, metavar="DIR", help="where the packages are")
    parser.add_argument("--index", type=Path, metavar="DIR", help="an index of many texts, to be timed")
    parser.add_argument("--draws", type=int, default=200, metavar="N", help="draws of a bootstrap (200)")
    options = parser.parse_args()
    report = Report("clusters", options)
    if options.index:  # first, while this process is small: a child begins with its parent's memory
        talk("timing the index")
        report.figures["index"] = found = timed(need(options.index))
        keys = ("texts", "seconds", "CPU seconds", "peak MB")
        report.table("a new process", keys, [[f"{found[key]:,.0f}" for key in keys]])
        for name in found["names"]:
            print(f"  {name}")
    sets = {"Rust book": book(options.data)}
    if options.packages:
        sets["assistant"] = intents(need(options.packages))
        sets["conversations"] = conversations(options.packages)
    rows, lowest = [], []
    for name, texts in sets.items():
        vectors, labels, _ = embedded(texts)
        talk(f"{name}: {len(labels):,} texts, {len(set(labels.tolist()))} labels")
        asked = {f"granularity {one:g}": (lambda v, one=one: ours(v, one)) for one in GRANULARITIES}
        found = {key: run(vectors) for key, run in (asked | peers(len(set(labels.tolist())))).items()}
        figures: dict[str, Any] = {key: agreement(labels, of) for key, of in found.items()}
        low, high = difference(labels, found["granularity 1"], found["k-means"], options.draws)
        gain = figures["granularity 1"]["V-measure"] - figures["k-means"]["V-measure"]
        lowest.append(gain)
        figures["difference"] = {"value": gain, "low": low, "high": high}
        figures["names that stay"] = {f"{share:.0%}": stays(vectors, share) for share in GROWN}
        report.figures[name] = figures
        for key in found:
            one = figures[key]
            rows.append((
                name, key, one["clusters"], f"{one['V-measure']:.3f}", f"{one['ARI']:.3f}", f"{one['noise']:.0%}",
            ))  # fmt: skip
    report.table("agreement with labels", ("set", "", "clusters", "V-measure", "ARI", "noise"), rows)
    report.table(
        "V-measure less the one of k-means; texts whose cluster keeps its name from a run with a part of them",
        ("set", "difference", "from", "to", *(f"{one:.0%}" for one in GROWN)),
        [
            (
                name,
                *(f"{report.figures[name]['difference'][key]:+.3f}" for key in ("value", "low", "high")),
                *(f"{one:.0%}" for one in report.figures[name]["names that stay"].values()),
            )
            for name in sets
        ],
    )
    report.bar("lowest difference of V-measure to k-means", min(lowest), ">=", BARS["difference"])
    if options.index:
        for key in ("seconds", "peak MB"):
            report.bar(f"{key} of the index", report.figures["index"][key], "<=", BARS[key])
    report.close()


if __name__ == "__main__":
    main()
