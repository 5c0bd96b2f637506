"""`semsearch leak` on STS-B: the test sentences that occur in the training and development sets, by brute force.

The sets have two sentences per row; each sentence is a record here. The expected result comes from sets of texts
(common sentences) and from the float64 products of all vectors (similar sentences).
"""

import csv
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from common import Report, arguments, need, talk

from semsearch.dedup.in_files import Dataset
from semsearch.embedding import load_embedder
from semsearch.text import clean

EDGE = 1e-5
"""The tolerance of a cosine: a sentence shares its batch with other sentences here than in the command."""


def sentences(folder: Path, *names: str) -> list[str]:
    found = []
    for name in names:
        with need(folder / f"stsb-en-{name}.csv").open(encoding="utf-8", newline="") as file:
            found += [cell for row in csv.reader(file) for cell in row[:2]]
    return found


def write(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--threshold", type=float, default=0.85, metavar="T", help="least similarity (default 0.85)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="use the first N sentences of each set only")
    options = parser.parse_args()
    folder, threshold = options.data / "stsb", options.threshold
    test = sentences(folder, "test")[: options.limit]
    train = sentences(folder, "train", "dev")[: options.limit]
    embedder = load_embedder()

    report = Report("leak", options)
    with tempfile.TemporaryDirectory() as temporary:
        files = [
            write(Path(temporary) / f"{name}.jsonl", texts)
            for name, texts in (("test", test), ("train", train))
        ]
        talk(f"reading {len(test):,} test and {len(train):,} training sentences")
        started = time.perf_counter()
        with Dataset.read(*([file] for file in files), embedder=embedder) as data:
            reading = time.perf_counter() - started
            started = time.perf_counter()
            found = data.leaks(threshold)
            comparing = time.perf_counter() - started

    talk("brute force in float64")
    a, b = ([clean(text).strip() for text in texts] for texts in (test, train))
    common = set(a) & set(b)
    x, y = (embedder.embed(texts).astype(np.float64) for texts in (a, b))
    best = np.concatenate([(x[at : at + 256] @ y.T).max(axis=1) for at in range(0, len(x), 256)])
    best[[text in common for text in a]] = 1
    ours = np.full(len(test), -2.0)
    ours[found.positions] = [pair.similarity for pair in found.pairs]
    exact = {
        at for at, pair in zip(found.positions.tolist(), found.pairs, strict=True) if pair.tier == "exact"
    }
    differing = [at for at in range(len(test)) if (ours[at] >= threshold) != (best[at] >= threshold)]
    leaked = (ours >= threshold) & (best >= threshold)

    tiers = Counter(pair.tier for pair in found.pairs)
    report.figures = {
        "test": found.total,
        "train": found.against,
        "leaked": len(found.pairs),
        "rate": found.rate,
        "tiers": tiers,
        "distinct_in_common": len(common),
        "exact_differing_from_brute_force": len(exact ^ {at for at, text in enumerate(a) if text in common}),
        "differing_from_brute_force": len(differing),
        "differing_beyond_the_edge": sum(abs(best[at] - threshold) > EDGE for at in differing),
        "largest_difference_of_a_similarity": float(np.abs(ours - best)[leaked].max(initial=0)),
        "seconds": {"read and embed": reading, "compare": comparing},
    }
    report.table(
        f"{found.total:,} test sentences against {found.against:,}, similarity >= {threshold:g}",
        ("tier", "test sentences", "share"),
        [
            (tier, f"{tiers[tier]:,}", f"{tiers[tier] / max(1, found.total):.1%}")
            for tier in ("exact", "lexical", "semantic")
        ]
        + [("all", f"{len(found.pairs):,}", f"{found.rate:.1%}")],
    )
    report.table(
        "seconds", ("", "s"), [(name, f"{value:.2f}") for name, value in report.figures["seconds"].items()]
    )
    report.bar(
        "sentences in common that are missed or made up",
        report.figures["exact_differing_from_brute_force"],
        "==",
        0,
    )
    report.bar("leaks that differ from brute force", report.figures["differing_beyond_the_edge"], "==", 0)
    report.close()


if __name__ == "__main__":
    main()
