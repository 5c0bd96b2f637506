"""The fusion of scores: the weight of words next to meaning, and of a document's other passages next to its best.

The figure is the nDCG@10 of SciFact's train queries, of questions on the Rust book and, in Chinese, on Vue's pages.
The test queries and the other questions of search.py judge the choice made here. One weight varies at a time.
"""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from common import Report, arguments, need, talk
from passages import BOOK
from search import VUE_OTHERS, opened

from semsearch import Index
from semsearch.evaluation.retrieval import ndcg, read_collection
from semsearch.search import fusion

GRID = {
    "WORDS": (0.75, 1.0, 1.5, 2.0, 3.0),
    "DOCUMENT": (0.0, 0.15, 0.25, 0.35, 0.5),
    "NEXT": (1, 2, 3, 4),
    "TYPICAL": (0.7, 0.8, 0.9),
}
"""The constants of `semsearch.search.fusion` and the values to try."""
Judged = Mapping[str, Mapping[str, int]]
"""For each query the documents that answer it, with their grades."""


def collections(data: Path, cache: Path, limit: int | None) -> dict[str, tuple[Index, Judged]]:
    """Return each collection with its index. Qrels use the document names of the index."""
    scifact, book = need(data / "scifact"), need(data / "folders" / "rust-book" / "src")
    pages = need(data / "folders" / "vue-docs-zh")
    train = read_collection(
        scifact / "corpus.jsonl", scifact / "queries.jsonl", scifact / "qrels" / "train.tsv"
    )
    abstracts = opened(cache / "scifact-all", [train.corpus], train.fields)
    chapters = opened(cache / "rust-book-src", [book])
    vue = opened(cache / "vue-docs-zh-all", [pages])
    named = {
        stem: chapters.key_of(path) for stem in BOOK.values() for path in sorted(book.glob(f"{stem}*.md"))
    }
    key = abstracts.key_of(train.corpus)
    queries = list(train.queries.items())[:limit]
    return {
        "SciFact, train": (
            abstracts,
            {
                text: {f"{key}#{name}": grade for name, grade in train.qrels[number].items()}
                for number, (text, _) in queries
            },
        ),
        "Rust book": (chapters, {question: {named[stem]: 1} for question, stem in BOOK.items()}),
        "Vue's pages": (
            vue,
            {question: {vue.key_of(pages / file): 1} for question, file in VUE_OTHERS.items()},
        ),
    }


def quality(index: Index, judged: Judged) -> float:
    """Return the mean nDCG@10 of hybrid search."""
    hits = index.query_many(list(judged), k=10, collapse=False, per_document=1, literal=True, highlight=False)
    return fmean(
        ndcg([hit.document for hit in found], right)
        for found, right in zip(hits, judged.values(), strict=True)
    )


def cache_of(embed: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Return `embed` with a memory: the same texts are embedded once."""
    known: dict[tuple[str, ...], np.ndarray] = {}

    def cached(texts: list[str], *arguments: str) -> np.ndarray:
        if (*texts, *arguments) not in known:
            known[*texts, *arguments] = embed(texts, *arguments)
        return known[*texts, *arguments]

    return cached


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the indexes here (default: build them each time)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="queries of SciFact, for a quick run")
    options = parser.parse_args()
    report = Report("fusion", options)
    keep = nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory()
    with keep as folder:
        found = collections(options.data, Path(folder).absolute(), options.limit)
        for index, _ in found.values():
            embedder: Any = index.embedder
            embedder.embed = cache_of(embedder.embed)
        for constant, values in GRID.items():
            shipped = getattr(fusion, constant)
            rows = []
            for value in values:
                setattr(fusion, constant, value)
                talk(f"{constant} = {value}")
                figures = {name: quality(*one) for name, one in found.items()}
                report.figures.setdefault(constant, {})[str(value)] = figures
                rows.append(
                    (
                        f"{value}{' (shipped)' if value == shipped else ''}",
                        *(f"{x:.4f}" for x in figures.values()),
                    )
                )
            setattr(fusion, constant, shipped)
            report.table(f"nDCG@10 by {constant}", ("", *found), rows)
        for index, _ in found.values():
            index.close()
    report.close()


if __name__ == "__main__":
    main()
