"""Measure `semsearch batch dedup`: a cluster of two nodes on this machine, and one process, on the same sentences.

`--only` chooses parts. `cluster`: rows, groups and pairs that are alike, and the CPU seconds of all processes.
`vectors`: all pairs of `--vectors` vectors, those of the sentences and turned copies of them (see `scale.py`), on the
nodes and by `join`. `recall`: how often the recall that was asked for is kept, over random orders of the vectors, each
with other partitions. `pruning`: the share of the pairs of partitions that the radii leave, that the projections leave
as well, and the share of the pairs of vectors that are compared. `peers`: copies of sentences with one word replaced,
exchanged or left out are planted, and MinHash (datasketch) and SemHash look for them as well, where these are
installed. `kills`: a driver, or one of its workers, is killed at moments drawn at random, and the run goes on; rows,
pairs and the texts that were embedded again are compared with a run that nobody disturbed. `scaling`: the wall time of
embedding on one node with a core and on two, in turn, and of one process and two without a cluster, which is what the
machine has to give; it should be quiet.

After `cluster`, the one process takes the vectors that the cluster has kept, so that answers are of the same vectors,
and 400,000 sentences are embedded once: its seconds of embedding are computed from 10,000 of them.

Every process computes with one thread. CPU seconds are read from /proc, so this runs on Linux.
"""

import argparse
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from common import Report, arguments, need, talk

from semsearch.dedup.in_files import Dataset
from semsearch.dedup.join import Pairs, join
from semsearch.distributed.batch import Batch
from semsearch.distributed.cluster import PIECES, Cluster, connected
from semsearch.distributed.matching import Matching
from semsearch.distributed.partitions import bounds, labelled, partitions, possible, visits
from semsearch.distributed.work import Work
from semsearch.embedding import DEFAULT_MODEL, Embedder, load_embedder
from semsearch.requests import DEFAULT_MEMORY, DedupRequest
from semsearch.text import text_digest

THRESHOLDS = (0.8, 0.85, 0.9, 0.95)
SIZES, MOST_PARTITIONS = (1_000, 8_192, 0), 500
"""Vectors of a partition where pruning is measured (0: as many as `semsearch batch` takes), and the most partitions."""
DIMENSIONS = (64, 128)
"""Leading principal directions that vectors are cut to where pruning is measured."""
SAMPLE = 10_000
"""Texts that stand for all when the embedding of one process is timed."""
PERMUTATIONS, BANDS_AT = 128, 0.5
OBJECTS = 3 * 2**30
"""Bytes for the objects of a node. `ray start` takes 30% of the memory, but Ray's class for tests 150 MB."""
PIECE = 4_096
"""Texts of a piece, as `semsearch.distributed.pieces` has it."""
Vectors = np.ndarray[Any, np.dtype[np.float32]]


def cpu_by_process() -> dict[int, float]:
    """Return the CPU seconds of this process and of each one below it that runs."""
    stats = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        stats[int(folder.name)] = int(fields[1]), sum(map(int, fields[11:13]))
    family, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, (parent, _) in stats.items() if parent in family} - family
        family, grown = family | more, bool(more)
    return {pid: stats[pid][1] / os.sysconf("SC_CLK_TCK") for pid in family if pid in stats}


@contextmanager
def cpu_seconds() -> Iterator[Callable[[], float]]:
    """Yield what returns the CPU seconds of all processes since; those of one that ends count up to a look before."""
    before, seen = cpu_by_process(), dict[int, float]()
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.2):  # Ray's processes end as they like, and nobody is told what they took
            seen.update(cpu_by_process())

    def total() -> float:
        seen.update(cpu_by_process())
        return sum(seconds - before.get(pid, 0) for pid, seconds in seen.items())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield total
    finally:
        stop.set()
        looking.join()


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


def alike_pairs(output: Path) -> set[tuple[str, str]]:
    import pyarrow.parquet as pq

    return {(one["left"], one["right"]) for one in pq.read_table(output / "alike.parquet").to_pylist()}


@dataclass(frozen=True)
class Answer:
    """Holds what one process finds: rows with keeper and tier, pairs that are alike, vectors; and its CPU seconds.

    `first` is the row of the vector of each text: equal ones have the same.
    """

    rows: list[tuple[str, str | None, str | None]]
    alike: set[tuple[str, str]]
    vectors: Vectors
    first: list[int]
    embedding: float
    rest: float


def kept_vectors(output: Path) -> dict[bytes, Vectors]:
    """Return the vector of each passage, by its digest, that a run has kept in a folder."""
    import pyarrow.parquet as pq

    found = {}
    for file in sorted((output / PIECES).glob("*.parquet")):
        table = pq.read_table(file, columns=["passages", "vectors"])
        digests = table["passages"].combine_chunks().flatten().to_pylist()
        numbers = table["vectors"].combine_chunks().flatten().flatten().to_numpy()
        found |= dict(zip(digests, numbers.reshape(len(digests), -1), strict=True))
    return found


def one_process(path: Path, texts: list[str], output: Path) -> Answer:
    """Return what one process finds in the file of the texts, with the vectors of a run where the folder has one."""
    embedder: Any = load_embedder(DEFAULT_MODEL)
    embed, kept, embedding = embedder.embed, kept_vectors(output), 0.0

    def timed(some: list[str], *rest: Any) -> Vectors:
        nonlocal embedding
        began = time.process_time()
        if kept:
            return np.stack([kept[text_digest(text)] for text in some])
        vectors: Vectors = embed(some, *rest)
        embedding += time.process_time() - began
        return vectors

    embedder.embed = timed
    before = time.process_time()
    with Dataset.read([path], embedder=embedder) as data:
        found = data.duplicates()
        of: dict[str, tuple[str, str]] = {group.keeper: (group.keeper, "keeper") for group in found.groups}
        of |= {one.name: (group.keeper, one.tier) for group in found.groups for one in group.members}
        rows = [(name, *of.get(name, (None, None))) for name in data.names]
        alike = {(one.left, one.right) for one in found.rejected}
        rest, vectors = time.process_time() - before - embedding, data.vectors
        first = [int(document.rows[0]) for document in data.documents]
    if kept:
        some = random.Random(3).sample(texts, min(SAMPLE, len(texts)))
        began = time.process_time()
        embed(some)
        embedding = (time.process_time() - began) * len(texts) / len(some)
    return Answer(rows, alike, vectors, first, embedding, rest)


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
                "vectors": len(vectors), "dimension": vectors.shape[1], "size": size, "partitions": len(found),
                "threshold": threshold,
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


@dataclass(frozen=True)
class Subject:
    """Holds texts, the original of each planted copy by position, the file of the texts, a folder, and options."""

    texts: list[str]
    original: dict[int, int]
    path: Path
    folder: Path
    options: argparse.Namespace

    @property
    def output(self) -> Path:
        """The folder of the run on the cluster."""
        return self.folder / "out"

    @cached_property
    def alone(self) -> Answer:
        """The answer of one process."""
        talk("one process")
        return one_process(self.path, self.texts, self.output)

    @cached_property
    def vectors(self) -> Vectors:
        """The vectors of the texts, which a run on the cluster may have kept."""
        kept = kept_vectors(self.output)
        return np.stack(list(kept.values())) if kept else self.alone.vectors


def cluster(report: Report, subject: Subject) -> None:
    """Report whether two nodes answer as one process does, and for how many CPU seconds."""
    batch = Batch([[str(subject.path)]], str(subject.output), partial(load_embedder, DEFAULT_MODEL))
    with nodes_of_a_core() as address, connected(address) as nodes, cpu_seconds() as taken:
        wall = time.monotonic()
        new = batch.embed(nodes).embedded
        embedding = taken()
        talk(f"{new:,} texts embedded: {embedding:.0f} CPU s")
        found = batch.dedup(nodes, DedupRequest(), partition=subject.options.size)
        together, wall = taken(), time.monotonic() - wall
    talk(f"all: {together:.0f} CPU s")
    alone = subject.alone
    same = {
        "rows": result_rows(subject.output) == alone.rows,
        "alike": alike_pairs(subject.output) == alone.alike,
    }
    report.figures["cluster"] = {
        "rows": len(subject.texts), "embedded": new, "groups": found.groups, "alike": len(alone.alike), "same": same,
        "wall": wall, "embedding_alone": alone.embedding, "rest_alone": alone.rest,
        "embedding_together": embedding, "rest_together": together - embedding,
        "visited": found.visited.visited / found.visited.partition_pairs,
        "partition_pairs": found.visited.partition_pairs,
    }  # fmt: skip
    report.table(
        f"{len(subject.texts):,} sentences, {found.groups:,} groups: "
        + ", ".join(
            f"{what} {'identical' if is_same else 'NOT IDENTICAL'}" for what, is_same in same.items()
        ),
        ("CPU s", "embedding", "the rest"),
        [
            ("one process", f"{alone.embedding:.1f}", f"{alone.rest:.1f}"),
            ("two nodes", f"{embedding:.1f}", f"{together - embedding:.1f}"),
        ],
    )
    report.bar("answers that differ", sum(not is_same for is_same in same.values()), "<=", 0)
    if new == len(subject.texts):  # a run that goes on has not embedded all
        ratio = together / (alone.embedding + alone.rest)
        report.bar("CPU of the cluster / of one process", ratio, "<=", 1.3)


def vectors(report: Report, subject: Subject) -> None:
    """Report whether two nodes find the pairs that `join` finds among many vectors, and for how many CPU seconds."""
    from scale import make

    options, file = subject.options, subject.folder / "vectors.npy"
    if not file.exists():
        np.save(file, subject.alone.vectors)
    make(options.data, len(np.load(file, mmap_mode="r")), options.vectors, file)
    some = np.load(file)[: options.vectors]
    alone = {}
    # A processor computes less in a second while its neighbour uses the same memory.
    for threads in ("1", "2"):
        os.environ["SEMSEARCH_THREADS"] = threads
        before = time.process_time()
        whole = join(some, options.threshold)
        alone[threads] = time.process_time() - before
        talk(f"one process, {threads} threads: {len(whole.left):,} pairs, {alone[threads]:.0f} CPU s")
    del os.environ["SEMSEARCH_THREADS"]
    with nodes_of_a_core() as address, connected(address) as nodes, cpu_seconds() as taken:
        folder = subject.folder / "vectors"
        shutil.rmtree(folder, ignore_errors=True)  # else the visits of an earlier run are not made again
        work = Work(str(folder))
        matching = Matching(nodes, work, some, "", memory=DEFAULT_MEMORY, size=options.size)
        pairs = matching(options.threshold)
        together = taken()
    places = [np.sort(found.left * len(some) + found.right) for found in (whole, pairs)]
    differ = len(np.setxor1d(*places, assume_unique=True))
    told = matching.visited
    report.figures["vectors"] = {
        "vectors": len(some), "pairs": len(whole.left), "differ": differ, "cpu_alone": alone, "cpu_together": together,
        "partitions": told.partitions, "visited": told.visited / told.partition_pairs,
    }  # fmt: skip
    report.table(
        f"{len(some):,} vectors, {len(whole.left):,} pairs, {differ} of which only one way finds",
        ("", "CPU s"),
        [
            ("one process, one thread", f"{alone['1']:.1f}"),
            ("one process, two threads", f"{alone['2']:.1f}"),
            ("two nodes", f"{together:.1f}"),
        ],
    )
    report.bar("pairs that only one finds", differ, "<=", 0)
    report.bar("CPU of two nodes / of one process with two threads", together / alone["2"], "<=", 1.3)


def recall(report: Report, subject: Subject) -> None:
    """Report how often the recall that was asked for is kept."""
    with nodes_of_a_core() as address, connected(address) as nodes:
        found = recalls(nodes, subject.vectors, subject.options, subject.folder / "recall")
    kept = sum(one["share"] >= subject.options.recall for one in found) / len(found)
    report.figures["recall"] = {"asked": subject.options.recall, "kept": kept, "runs": found}
    report.table(
        f"recall {subject.options.recall:g} asked for, {len(found)} partitionings: kept in {kept:.0%}",
        ("", "least", "median"),
        [
            (key, *(f"{value:.4g}" for value in (min(values), float(np.median(values)))))
            for key in ("share", "visited", "compared", "sampled")
            for values in [[one[key] for one in found]]
        ],
    )
    report.bar("runs that keep the recall", kept, ">=", 0.95)


def noting(log: str) -> Embedder:
    """Return the default model, which notes in a file of this process how many texts it embeds."""
    embedder: Any = load_embedder(DEFAULT_MODEL)
    embed = embedder.embed

    def noted(texts: list[str], *rest: Any) -> Vectors:
        with Path(log, str(os.getpid())).open("a") as file:
            file.write(f"{len(texts)}\n")
        found: Vectors = embed(texts, *rest)
        return found

    embedder.embed = noted
    return embedder  # type: ignore[no-any-return]


def drive(address: str, path: str, output: str, log: str, size: str) -> None:
    """Run the whole work as a driver, in a process that can be killed."""
    with connected(address) as nodes:
        Batch([[path]], output, partial(noting, log)).dedup(nodes, DedupRequest(), partition=int(size))


def workers() -> list[int]:
    """Return the processes below this one that embed or compare for a cluster."""
    found = []
    for pid in cpu_by_process():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith((b"ray::EmbeddingWorker", b"ray::_visit")):
            found.append(pid)
    return found


def kills(report: Report, subject: Subject) -> None:
    """Report what is left of a run whose driver or worker is killed, once it has gone on to its end."""
    rng = random.Random(11)
    code = "import sys, batch; batch.drive(*sys.argv[1:])"

    def embedded(log: Path) -> int:
        return sum(int(line) for file in log.iterdir() for line in file.read_text().split())

    with nodes_of_a_core() as address:

        def started(name: str) -> "subprocess.Popen[bytes]":
            (subject.folder / f"{name}.log").mkdir(exist_ok=True)
            given = (address, subject.path, subject.folder / name, subject.folder / f"{name}.log")
            command = [sys.executable, "-c", code, *map(str, given), str(subject.options.size)]
            return subprocess.Popen(command, stderr=subprocess.PIPE)

        def ended(process: "subprocess.Popen[bytes]") -> bool:
            _, said = process.communicate(timeout=600)
            if process.returncode > 0:
                raise SystemExit(f"error: {said.decode()[-2000:]}")
            return process.returncode == 0

        wall = time.monotonic()
        assert ended(started("undisturbed"))
        wall = time.monotonic() - wall
        once = embedded(subject.folder / "undisturbed.log")
        rows, alike = (read(subject.folder / "undisturbed") for read in (result_rows, alike_pairs))
        found = []
        for point in range(subject.options.points):
            process, after = started(f"killed-{point}"), rng.uniform(0.1, 0.95) * wall
            time.sleep(after)
            victims = workers() if point % 2 else []
            victim = rng.choice(victims) if victims else process.pid
            os.kill(victim, signal.SIGKILL)
            if not ended(process):
                assert ended(started(f"killed-{point}"))
            output = subject.folder / f"killed-{point}"
            found.append(
                {
                    "who": "worker" if victims else "driver",
                    "after": after / wall,
                    "same": result_rows(output) == rows and alike_pairs(output) == alike,
                    "again": embedded(subject.folder / f"killed-{point}.log") - once,
                }
            )
            talk(f"{found[-1]}")
    report.figures["kills"] = {"rows": len(subject.texts), "embedded": once, "points": found}
    report.table(
        f"{len(subject.texts):,} sentences, killed once and gone on ({once:,} texts embedded where nobody is killed)",
        ("killed", "after, share of the time", "the same", "texts embedded again"),
        [(one["who"], f"{one['after']:.2f}", one["same"], f"{one['again']:,}") for one in found],
    )
    report.bar("runs with another result", sum(not one["same"] for one in found), "<=", 0)
    again = max(int(one["again"]) for one in found)
    report.bar("texts embedded again, at most: the pieces of two workers", again, "<=", 2 * PIECE)


def partitions_apart(report: Report, subject: Subject) -> None:
    """Report what the partitions rule out at each threshold, of all vectors and of a quarter of them."""
    every = subject.vectors
    found = []
    for count in (len(every) // 4, len(every)):
        for size in SIZES:
            if not size or count / MOST_PARTITIONS < size < count / 2:
                talk(f"{count:,} vectors, {f'{size:,}' if size else 'as many as usual'} a partition")
                found += pruning(every[:count], size)
    for dimension in DIMENSIONS:
        talk(f"{len(every) // 4:,} vectors of {dimension} numbers")
        found += pruning(narrowed(every[: len(every) // 4], dimension), SIZES[0])
    report.figures["pruning"] = found
    report.table(
        "pruning: share of pairs of partitions by radii, and visited; share of pairs of vectors that are compared",
        ("vectors", "numbers", "partitions", "threshold", "by radii", "visited", "compared"),
        [
            (
                f"{one['vectors']:,}",
                one["dimension"],
                one["partitions"],
                one["threshold"],
                *(f"{one[key]:.1%}" for key in ("by_radius", "visited", "compared")),
            )
            for one in found
        ],
    )
    if subject.options.plot:
        plot(found, subject.options.plot)


def narrowed(vectors: Vectors, dimension: int) -> Vectors:
    """Return vectors cut to their leading principal directions, as a model of fewer dimensions might have them."""
    _, turn = np.linalg.eigh(np.cov(vectors[:SAMPLE].T, bias=True))
    cut = (vectors @ turn[:, -dimension:]).astype(np.float32)
    found: Vectors = cut / np.linalg.norm(cut, axis=1, keepdims=True)
    return found


def plot(found: list[dict[str, float]], to: Path) -> None:
    """Draw the share of the pairs of partitions that are visited, and of vectors that are compared, by threshold."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    whole = max(one["dimension"] for one in found)
    found = [one for one in found if one["dimension"] == whole]
    runs = dict.fromkeys((int(one["vectors"]), int(one["partitions"])) for one in found)
    for number, run in enumerate(runs):
        some = [one for one in found if (one["vectors"], one["partitions"]) == run]
        for key, line in (("visited", "--"), ("compared", "-")):
            axes.plot(
                [one["threshold"] for one in some],
                [100 * one[key] for one in some],
                line,
                color=f"C{number}",
                marker="o",
                label=f"{run[0]:,} vectors, {run[1]} partitions" if key == "compared" else None,
            )
    axes.set(
        xlabel="cosine at least",
        ylabel="%",
        ylim=(0, 105),
        title="pairs of vectors compared (solid), pairs of partitions visited (dashed)",
    )
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(to)


def peers(report: Report, subject: Subject) -> None:
    """Report how many planted copies are found with their original, also by MinHash and SemHash."""
    alone, texts = subject.alone, subject.texts
    vectors = alone.vectors[alone.first]
    place = {name: int(name.rpartition("#")[2]) - 1 for name, *_ in alone.rows}
    ours = {
        (min(place[keeper], place[name]), max(place[keeper], place[name]))
        for name, keeper, _ in alone.rows
        if keeper and keeper != name
    }
    wanted = {(at, copy) for copy, at in subject.original.items()}
    runs: dict[str, Callable[[], set[tuple[int, int]]]] = {}
    if find_spec("datasketch"):
        runs["MinHash (datasketch), Jaccard 0.5"] = partial(minhash, texts, BANDS_AT)
    if find_spec("semhash"):
        runs["SemHash, cosine 0.85"] = partial(semhash, vectors, 0.85)
    found, cpu = {"semsearch": ours}, {"semsearch": alone.rest}
    for title, run in runs.items():
        talk(title)
        before = time.process_time()
        found[title] = run()
        cpu[title] = time.process_time() - before
    report.figures["peers"] = {
        title: {
            "planted": len(wanted & pairs),
            "pairs": len(pairs),
            "below": below(vectors, pairs, subject.options.threshold),
            "cpu": cpu[title],
            "cpu_ratio": cpu[title] / alone.rest,
        }
        for title, pairs in found.items()
    }
    report.table(
        f"{len(wanted):,} planted copies; {alone.embedding:.0f} CPU s to embed, which MinHash need not, are left out",
        ("", "found with the original", "pairs", f"cosine below {subject.options.threshold}", "CPU s", "ratio"),
        [
            (
                title, f"{one['planted']:,}", f"{one['pairs']:,}", f"{one['below']:,}", f"{one['cpu']:.1f}",
                f"{one['cpu_ratio']:.2f}",
            )
            for title, one in report.figures["peers"].items()
        ],
    )  # fmt: skip


def below(vectors: Vectors, pairs: set[tuple[int, int]], threshold: float) -> int:
    """Return how many pairs of rows have a cosine below the threshold."""
    left, right = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    blocks = range(0, len(left), 100_000)
    return sum(
        int(
            np.sum(
                np.einsum("ij,ij->i", vectors[left[at : at + 100_000]], vectors[right[at : at + 100_000]])
                < threshold
            )
        )
        for at in blocks
    )


def processes(texts: list[str], count: int) -> float:
    """Return the seconds of the slowest of some processes that embed the same texts at a time."""
    code = (
        "import json, sys, time; from semsearch.embedding import DEFAULT_MODEL, load_embedder;"
        "embedder = load_embedder(DEFAULT_MODEL); texts = json.load(sys.stdin); began = time.monotonic();"
        "embedder.embed(texts); print(time.monotonic() - began)"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    given = json.dumps(texts)
    for one in running:
        assert one.stdin
        one.stdin.write(given)
        one.stdin.close()
    return max(float(one.stdout.read()) for one in running if one.stdout and one.wait() == 0)


def scaling(report: Report, subject: Subject) -> None:
    """Report the wall time of embedding on one node with a core, and on two, in turn, and without a cluster."""
    walls: dict[int, list[float]] = {1: [], 2: []}
    loads, machine = [], []
    for again in range(subject.options.repeats):
        machine.append(2 * processes(subject.texts[:PIECE], 1) / processes(subject.texts[:PIECE], 2))
        talk(f"two processes / one, without a cluster: {machine[-1]:.2f}")
        for count in walls:
            output = subject.folder / f"scaling-{count}-{again}"
            batch = Batch([[str(subject.path)]], str(output), partial(load_embedder, DEFAULT_MODEL))
            with nodes_of_a_core(count) as address, connected(address) as nodes:
                loads.append(os.getloadavg()[0])
                wall = time.monotonic()
                batch.embed(nodes)
                walls[count].append(time.monotonic() - wall)
            talk(f"{count}: {walls[count][-1]:.1f} s")
    ratios = [one / two for one, two in zip(walls[1], walls[2], strict=True)]
    report.figures["scaling"] = {
        "rows": len(subject.texts),
        "walls": walls,
        "ratios": ratios,
        "load": loads,
        "machine": machine,
    }
    report.table(
        f"{len(subject.texts):,} sentences embedded, with starting the workers; load before {max(loads):.1f} at most",
        ("one node, s", "two nodes, s", "ratio", "ratio without a cluster"),
        [tuple(f"{x:.2f}" for x in row) for row in zip(walls[1], walls[2], ratios, machine, strict=True)],
    )
    report.bar("two nodes / one node, median", float(np.median(ratios)), ">=", 1.8)


@contextmanager
def nodes_of_a_core(count: int = 2) -> Iterator[str]:
    """Yield the address of a cluster of some nodes with a processor each."""
    from ray.cluster_utils import Cluster as Nodes

    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "PYTHONPATH": paths,
    }
    given: dict[str, Any] = {"num_cpus": 1, "object_store_memory": OBJECTS}
    nodes = Nodes(initialize_head=True, head_node_args=given | {"include_dashboard": False})
    for _ in range(count - 1):
        nodes.add_node(**given)
    try:
        yield nodes.address
    finally:
        nodes.shutdown()


PARTS = {
    "cluster": cluster, "scaling": scaling, "vectors": vectors, "recall": recall, "pruning": partitions_apart,
    "peers": peers, "kills": kills,
}  # fmt: skip


def main() -> None:
    parser = arguments(__doc__, repeats=3)
    for name, kind, default, what in (
        ("rows", int, 10_000, "sentences"),
        ("size", int, 1_000, "vectors a partition, 0 for as many as `semsearch batch` takes"),
        ("recall", float, 0.95, "recall to ask for"),
        ("threshold", float, 0.85, "least cosine"),
        ("partitionings", int, 20, "random orders"),
        ("points", int, 20, "kills"),
        ("vectors", int, 20_000, "vectors to compare"),
    ):
        parser.add_argument(
            f"--{name}", type=kind, default=default, metavar="N", help=f"{what} (default {default:,})"
        )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the pruning here: .svg, .png, ...")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the work here, and go on with what is there"
    )
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    options = parser.parse_args()
    with gzip.open(
        need(options.data / "sentences" / "sentences-400k.txt.gz"), "rt", encoding="utf-8"
    ) as file:
        sentences = list(dict.fromkeys(line.strip() for line in file if line.strip()))[
            : options.rows * 19 // 20
        ]
    texts, original = planted(sentences, options.rows - len(sentences))
    report = Report("batch", options)
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        folder.mkdir(exist_ok=True)
        path = folder / "in.jsonl"
        if not path.exists():
            path.write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts), encoding="utf-8")
        subject = Subject(texts, original, path, folder, options)
        for part in options.only:
            talk(part)
            PARTS[part](report, subject)
    report.close()


if __name__ == "__main__":
    main()
