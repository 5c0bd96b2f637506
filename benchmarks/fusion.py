"""The fusion of scores: the weight of words next to meaning, and of a document's other passages next to its best.

The figure is the nDCG@10 of SciFact's train queries, of questions on the Rust book and, in Chinese, on Vue's pages.
The test queries and the other questions of search.py judge the choice made here. One weight varies at a time.

`--only forms` tries other forms on SciFact's train and test queries: feedback from the passages that come first
(Rocchio, Relevance Feedback in Information Retrieval, 1971), the mean vector of a document, the sum of its words'
scores, and a weight of words that depends on the query, chosen in cross-validation.
"""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
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
    book = need(data / "folders" / "rust-book" / "src")
    pages = need(data / "folders" / "vue-docs-zh")
    chapters = opened(cache / "rust-book-src", [book])
    vue = opened(cache / "vue-docs-zh-all", [pages])
    named = {
        stem: chapters.key_of(path) for stem in BOOK.values() for path in sorted(book.glob(f"{stem}*.md"))
    }
    return {
        "SciFact, train": scifact(data, cache, limit, "train"),
        "Rust book": (chapters, {question: {named[stem]: 1} for question, stem in BOOK.items()}),
        "Vue's pages": (
            vue,
            {question: {vue.key_of(pages / file): 1} for question, file in VUE_OTHERS.items()},
        ),
    }


def scifact(data: Path, cache: Path, limit: int | None, part: str) -> tuple[Index, Judged]:
    """Return the index of SciFact's abstracts, and the first queries of a part."""
    folder = need(data / "scifact")
    read = read_collection(
        folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / f"{part}.tsv"
    )
    index = opened(cache / "scifact-all", [read.corpus], read.fields)
    key = index.key_of(read.corpus)
    return index, {
        text: {f"{key}#{name}": grade for name, grade in read.qrels[number].items()}
        for number, (text, _) in list(read.queries.items())[:limit]
    }


def quality(index: Index, judged: Judged) -> float:
    """Return the mean nDCG@10 of hybrid search."""
    hits = index.query_many(list(judged), k=10, collapse=False, per_document=1, literal=True, highlight=False)
    return fmean(
        ndcg([hit.document for hit in found], right)
        for found, right in zip(hits, judged.values(), strict=True)
    )


class Scored:
    """The cosines and the shares of words of some queries with all passages, and the documents that are right."""

    def __init__(self, index: Index, judged: Judged) -> None:
        library: Any = index._library  # private, but the public way returns the best hits only
        queries = list(judged)
        with library.snapshot():
            table = library.passage_table()
            numbers, names = library.document_names()
            vectors = library.vectors()
            rows = np.flatnonzero(table.live)
            self.vectors = vectors.take(np.searchsorted(vectors.numbers, table.vectors[rows]))
            words = [library.bm25(query, table) for query in queries]
        self.queries = index.embedder.embed(queries, "query")
        self.cosine = self.queries @ self.vectors.T
        self.words = np.stack([bm25[rows] / max(most, 1e-9) for bm25, most in words])
        self.documents, self.right = table.documents[rows], list(judged.values())
        self.names = dict(zip(numbers.tolist(), names.documents, strict=True))

    def by_passage(self, score: np.ndarray) -> np.ndarray:
        """Return the nDCG@10 of each query from scores of passages, with what documents add to them."""
        return np.array(
            [
                self._ndcg(fusion.by_document(row.astype(np.float32), self.documents, 100), right)
                for row, right in zip(score, self.right, strict=True)
            ]
        )

    def _ndcg(self, score: np.ndarray, right: Mapping[str, int]) -> float:
        order = dict.fromkeys(self.documents[np.argsort(-score, kind="stable")[:100]].tolist())
        return ndcg([self.names[document] for document in list(order)[:10]], right)

    def fused(self, words: float = fusion.WORDS) -> np.ndarray:
        """Return the scores of all passages."""
        return self.cosine + words * self.words

    def with_feedback(self, count: int, weight: float) -> np.ndarray:
        """Return scores by queries that are moved towards the mean of the passages which come first."""
        first = np.argsort(-self.fused(), axis=1)[:, :count]
        moved = self.queries + weight * self.vectors[first].mean(1)
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        return moved @ self.vectors.T + fusion.WORDS * self.words

    def with_means(self, weight: float) -> np.ndarray:
        """Return scores to which the cosine of a document's mean vector is added."""
        documents, at = np.unique(self.documents, return_inverse=True)
        means = np.zeros((len(documents), self.vectors.shape[1]), np.float32)
        np.add.at(means, at, self.vectors)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return self.fused() + weight * (self.queries @ means.T)[:, at]

    def with_sums(self, weight: float) -> np.ndarray:
        """Return scores to which the words of all passages of a document are added."""
        documents, at = np.unique(self.documents, return_inverse=True)
        sums = np.stack([np.bincount(at, row, len(documents)) for row in self.words])
        return self.fused() + weight * sums[:, at]


FORMS: dict[str, Callable[[Scored], np.ndarray]] = {
    **{
        f"feedback of {count}, weight {weight}": partial(Scored.with_feedback, count=count, weight=weight)
        for count in (3, 5, 10)
        for weight in (0.2, 0.4)
    },
    **{f"mean vector, weight {weight}": partial(Scored.with_means, weight=weight) for weight in (0.25, 0.5)},
    **{f"sum of words, weight {weight}": partial(Scored.with_sums, weight=weight) for weight in (0.1, 0.25)},
}
WEIGHTS = (0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
"""The weights of words among which those of a query are chosen."""


def traits(found: Scored) -> dict[str, np.ndarray]:
    """Return what a weight of words may depend on, for each query."""
    first = [np.argsort(-score, axis=1)[:, :10] for score in (found.cosine, found.words)]
    return {
        "agreement of both lists": np.array(
            [len(np.intersect1d(*pair)) for pair in zip(*first, strict=True)]
        ),
        "share of the words found": found.words.max(1),
        "best cosine": found.cosine.max(1),
        "nonzero words": np.count_nonzero(found.words, axis=1),
    }


def by_query(train: Scored, test: Scored, folds: int = 10) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return, for each trait, the nDCG@10 of train and test queries with the best weight of each third of queries.

    The weight of a train query is chosen on other folds, and the weight for a test query on all train queries.
    """
    tried, judged = (np.stack([one.by_passage(one.fused(w)) for w in WEIGHTS]) for one in (train, test))
    fold = np.random.default_rng(0).integers(folds, size=tried.shape[1])
    found = {}
    for name, values in traits(train).items():
        edges = np.quantile(values, (1 / 3, 2 / 3))
        third, other = np.digitize(values, edges), np.digitize(traits(test)[name], edges)
        own, held = np.empty(tried.shape[1]), np.empty(judged.shape[1])
        for part in range(3):
            held[other == part] = judged[tried[:, third == part].mean(1).argmax(), other == part]
            for at in range(folds):
                chosen = tried[:, (third == part) & (fold != at)].mean(1).argmax()
                own[(third == part) & (fold == at)] = tried[chosen, (third == part) & (fold == at)]
        found[f"weight by {name}"] = own, held
    return found


def forms(report: Report, data: Path, cache: Path, limit: int | None) -> None:
    """Report what other forms gain on SciFact's train and test queries, with 95% intervals."""
    train, test = (Scored(*scifact(data, cache, limit, part)) for part in ("train", "test"))
    base = [one.by_passage(one.fused()) for one in (train, test)]
    tried = {name: [one.by_passage(form(one)) for one in (train, test)] for name, form in FORMS.items()}
    rows = [("as shipped", f"{base[0].mean():.4f}", "", f"{base[1].mean():.4f}", "")]
    report.figures["forms"] = {"as shipped": [one.mean() for one in base]}
    for name, values in (tried | by_query(train, test)).items():
        gains = [after - before for after, before in zip(values, base, strict=True)]
        ends = [1.96 * gain.std() / len(gain) ** 0.5 for gain in gains]
        said = [f"{gain.mean():+.4f} ± {end:.4f}" for gain, end in zip(gains, ends, strict=True)]
        rows.append((name, f"{values[0].mean():.4f}", said[0], f"{values[1].mean():.4f}", said[1]))
        report.figures["forms"][name] = [
            [value.mean(), gain.mean(), end] for value, gain, end in zip(values, gains, ends, strict=True)
        ]
    report.table("nDCG@10 by form", ("", "train", "gain", "test", "gain"), rows)


def cache_of(embed: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Return `embed` with a memory: the same texts are embedded once."""
    known: dict[tuple[str, ...], np.ndarray] = {}

    def cached(texts: list[str], *arguments: str) -> np.ndarray:
        if (*texts, *arguments) not in known:
            known[*texts, *arguments] = embed(texts, *arguments)
        return known[*texts, *arguments]

    return cached


def weights(report: Report, found: Mapping[str, tuple[Index, Judged]]) -> None:
    """Report nDCG@10 of each collection by each value of each weight."""
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


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the indexes here (default: build them each time)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="queries of SciFact, for a quick run")
    parser.add_argument("--only", choices=("weights", "forms"), help="a part (default: all)")
    options = parser.parse_args()
    report = Report("fusion", options)
    keep = nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory()
    with keep as folder:
        if options.only != "forms":
            weights(report, collections(options.data, Path(folder).absolute(), options.limit))
        if options.only != "weights":
            forms(report, options.data, Path(folder).absolute(), options.limit)
    report.close()


if __name__ == "__main__":
    main()
