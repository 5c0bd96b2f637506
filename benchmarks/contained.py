"""Containment: planted copies found and missed by kind, pairs of different texts, and the time on 100,000 passages.

The planted copies are those of tests/planting.py: ten kinds of copies of six texts, with other texts on the same
topics. They are found with the real model, by `dedup` alone and with `--contained 0.8`. The large collection has real
vectors of distinct sentences. Each passage has the words of four sentences, documents have 1 to 12 passages, every
fourth ends with one footer, and one in fifty is the first half of another. Its part is left out without the sentences.
"""

import gzip
import sys
import tempfile
from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from common import Report, arguments, interleave, talk
from dedup import embed

sys.path.append(str(Path(__file__).parents[1] / "tests"))
import planting

from semsearch.dedup.collection import DocumentCollection
from semsearch.dedup.decision import NO_RULE
from semsearch.dedup.document_join import DocumentPassages
from semsearch.dedup.find import find_groups
from semsearch.dedup.in_files import Dataset
from semsearch.dedup.result import Duplicates
from semsearch.embedding import load_embedder
from semsearch.requests import DedupRequest

SENTENCES = 4
FOOTER = " ".join(f"This footer of forty words stands under every fourth document{at}." for at in range(4))


def planted(report: Report, share: float) -> None:
    """Report what is found of the planted copies."""
    files = list(planting.planted())
    of = {file.name: file.of for file in files}
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            (Path(folder) / file.name).write_text(file.text, encoding="utf-8")
        with Dataset.read([folder], embedder=load_embedder()) as data:
            pairs = [planting.pairs_of(data.duplicates(**options)) for options in ({}, {"contained": share})]
    copies = [file for file in files if file.kind]
    counts = [
        Counter(file.kind for file in copies if tuple(sorted((file.original, file.name))) in some)
        for some in pairs
    ]
    wrong = [sum(not of[a] & of[b] for a, b in some) for some in pairs]
    total = Counter(file.kind for file in copies)
    rows = [(kind, *(count[kind] for count in counts), total[kind]) for kind in total]
    rows.append(("all", *(count.total() for count in counts), len(copies)))
    rows.append(("pairs of different texts", *wrong, ""))
    report.table("planted copies found", ("kind", "dedup", f"--contained {share:g}", "of"), rows)
    report.figures["planted"] = {
        "found": counts[1],
        "found_by_default": counts[0],
        "missed": len(copies) - counts[1].total(),
        "wrong": wrong[1],
    }
    report.bar("planted copies found of 60", counts[1].total(), ">=", 58)
    report.bar("pairs of different texts", wrong[1], "==", 0)


def collection(sentences: Path, vectors: np.ndarray) -> tuple[DocumentCollection, int]:
    """Return documents with a passage for each vector, and the number of halves that are planted."""
    with gzip.open(sentences, "rt", encoding="utf-8") as file:
        lines = [line.strip() for line in islice(file, SENTENCES * len(vectors))]
    passages = [" ".join(lines[at :: len(vectors)]) for at in range(len(vectors))]
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 13, len(vectors))
    ends = np.cumsum(sizes)
    ends = ends[: np.searchsorted(ends, len(vectors))]
    rows = np.split(np.arange(len(vectors)), ends)
    for at in range(0, len(rows) - 1, 50):
        if len(rows[at + 1]) > 3:
            rows[at] = rows[at + 1][: len(rows[at + 1]) // 2]
    texts, documents, halves = [], [], 0
    for at, own in enumerate(rows):
        halves += at % 50 == 0 and own[0] != rows[at - 1][-1] + 1
        body = [passages[row] for row in own.tolist()]
        if at % 4 == 3:
            body[-1] += " " + FOOTER
        texts.append("\n".join(body))
        documents.append(DocumentPassages(own, np.array([len(text) for text in body], np.float64)))
    names = [f"{at}.txt" for at in range(len(rows))]
    digests = [at.to_bytes(8, "big") for at in range(len(rows))]
    return DocumentCollection(
        names,
        names,
        digests,
        documents,
        vectors,
        lambda positions: [texts[at] for at in positions],
        lambda position: [("line", at + 1, at + 1) for at in range(len(rows[position]))],
    ), halves


def large(
    report: Report, sentences: Path, count: int, cache: Path | None, repeats: int, share: float
) -> None:
    """Report the time with and without containment."""
    vectors = embed(sentences, count, cache)
    documents, halves = collection(sentences, vectors)
    modified = np.zeros(len(documents.names), np.int64)

    def run(contained: float | None) -> Duplicates:
        return find_groups(
            documents, DedupRequest(contained=contained), NO_RULE, modified=modified, base=Path()
        )

    timings = interleave({"dedup": partial(run, None), "contained": partial(run, share)}, repeats)
    plain, with_contained = timings["dedup"].median, timings["contained"].median
    found = timings["contained"].result
    rows = [("dedup", f"{plain:.2f}"), (f"dedup --contained {share:g}", f"{with_contained:.2f}")]
    report.table(
        f"{len(vectors):,} passages in {len(documents.names):,} documents: {len(found.contained):,} pairs contained, "
        f"{halves} of them planted",
        ("", "s"),
        rows,
    )
    report.figures["large"] = {
        "passages": len(vectors),
        "documents": len(documents.names),
        "planted": int(halves),
        "contained": len(found.contained),
        "seconds": {"dedup": plain, "contained": with_contained},
        "ratio": with_contained / plain,
    }
    report.bar("time with containment, of the time without", with_contained / plain, "<", 2)


def main() -> None:
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--share", type=float, default=0.8, metavar="S", help="least share (default 0.8)")
    parser.add_argument("--count", type=int, default=100_000, metavar="N", help="passages (default 100,000)")
    parser.add_argument(
        "--cache", type=Path, metavar="FILE", help="read vectors from FILE, or write them to it"
    )
    options = parser.parse_args()
    report = Report("contained", options)
    planted(report, options.share)
    sentences = options.data / "sentences" / "sentences-400k.txt.gz"
    if sentences.exists():
        large(report, sentences, options.count, options.cache, options.repeats, options.share)
    else:
        talk("the large collection is left out: the sentences are absent")
    report.close()


if __name__ == "__main__":
    main()
