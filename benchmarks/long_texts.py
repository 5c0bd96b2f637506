"""Measure what a second vector for each document adds to search: one of an extract of it, or the mean of its passages.

An extract, the lead, has the title, the headings and the most central sentences, as many as fit into the model's
window. A sentence is central if its words are those of the whole document, by the cosine of TF-IDF weights, and another
one is taken only where it says something new: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998). Nothing
in it is generated, so it needs no other model.

The peer is search as it is, by passages alone, on the same index. The others change only the cosine of a passage: to
the one of its document's second vector, to the higher of both, or to a weighted sum. All else stays, BM25 and what a
document's other passages add. The interval of a gain is a bootstrap over questions.

Of the PEPs and of SciFact's abstracts a part is indexed: those with an answer, and 100 others or one in four. Vue's
pages are asked in Chinese, with the default model and with multilingual-e5-small.
"""

import csv
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from common import Report, arguments, need, talk
from doubt import questions
from fusion import Judged, cache_of
from passages import BOOK
from search import PEPS, VUE, VUE_OTHERS

from semsearch import Index
from semsearch.embedding import DEFAULT_MODEL, MULTILINGUAL_MODEL, Embedder, count_tokens
from semsearch.errors import IndexNotFound
from semsearch.evaluation.retrieval import ndcg, read_collection
from semsearch.readers import RowFields
from semsearch.search.engine import SearchEngine
from semsearch.storage.vector_cache import vector_cache
from semsearch.text import sentences
from semsearch.text.analyzer import query_terms
from semsearch.types import Mode

DIVERSITY = 0.3
"""The weight of what a sentence repeats of the ones taken before, in maximal marginal relevance."""
HEADINGS = 0.4
"""The most of a lead that is title and headings, by tokens."""
MODES: tuple[Mode, ...] = ("dense", "hybrid")
MERGES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "alone": lambda cosine, other: other,
    "higher of both": np.maximum,
    "1/10 of it": lambda cosine, other: 0.9 * cosine + 0.1 * other,
    "1/4 of it": lambda cosine, other: 0.75 * cosine + 0.25 * other,
    "1/2 of it": lambda cosine, other: 0.5 * cosine + 0.5 * other,
}
"""The score of a passage from its own cosine and the one of its document's second vector."""
DRAWS = 2_000
SHARE = 4
"""One of so many abstracts is indexed."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents to index with a model, and sets of questions, each with the names that its documents have there."""

    folder: str
    paths: Sequence[Path]
    fields: RowFields
    model: str
    judged: Callable[[Index], dict[str, Judged]]


def collections(data: Path, cache: Path) -> dict[str, Collection]:
    """Return the collections by name. What is indexed of SciFact is written into the cache."""
    folders, scifact = need(data / "folders"), need(data / "scifact")
    corpus = scifact / "corpus.jsonl"
    claims = read_collection(corpus, scifact / "queries.jsonl", scifact / "qrels" / "test.tsv")
    answers = {name for row in claims.qrels.values() for name in row}
    some_abstracts = cache / f"scifact-1-in-{SHARE}.jsonl"
    cache.mkdir(parents=True, exist_ok=True)
    lines = enumerate(corpus.read_text(encoding="utf-8").splitlines(keepends=True))
    kept = (line for at, line in lines if at % SHARE == 0 or json.loads(line)["_id"] in answers)
    some_abstracts.write_text("".join(kept), encoding="utf-8")
    peps = sorted((folders / "peps").rglob("pep-[0-9]*.rst"))
    asked = PEPS | {question: file for file, question in questions("peps")}
    some = [
        file
        for at, file in enumerate(peps)
        if file.name in asked.values() or at % max(1, len(peps) // 100) == 0
    ]
    chapters = sorted((folders / "rust-book" / "src").glob("ch*.md"))
    book = BOOK | {question: Path(file).stem for file, question in questions("rust-book")}
    pages = sorted((folders / "vue-docs-zh").rglob("*.md"))
    with (Path(__file__).parent / "vue_questions.tsv").open(encoding="utf-8", newline="") as file:
        paraphrased = {
            row["question"]: row["file"]
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        }

    def abstracts(index: Index) -> dict[str, Judged]:
        key = index.key_of(some_abstracts)
        return {
            "SciFact": {
                text: {f"{key}#{name}": grade for name, grade in claims.qrels[number].items()}
                for number, (text, _) in claims.queries.items()
            }
        }

    def files(
        name: str, answers: dict[str, str], among: Sequence[Path]
    ) -> Callable[[Index], dict[str, Judged]]:
        return lambda index: {
            name: {
                question: {index.key_of(path): 1 for path in among if f"/{answer}" in path.as_posix()}
                for question, answer in answers.items()
            }
        }

    plain, vue = RowFields(), VUE | VUE_OTHERS | paraphrased
    return {
        "PEPs": Collection("peps-some", some, plain, DEFAULT_MODEL, files("PEPs", asked, some)),
        "Rust book": Collection(
            "rust-book-chapters", chapters, plain, DEFAULT_MODEL, files("Rust book", book, chapters)
        ),
        "SciFact": Collection("scifact-some", [some_abstracts], claims.fields, DEFAULT_MODEL, abstracts),
        "Vue": Collection("vue", pages, plain, DEFAULT_MODEL, files("Vue's pages", vue, pages)),
        "Vue, e5": Collection(
            "vue-multilingual", pages, plain, MULTILINGUAL_MODEL, files("Vue's pages, e5", vue, pages)
        ),
    }


def opened(folder: Path, one: Collection) -> Index:
    """Return the index in `folder`, created if absent, and up to date."""
    try:
        index = Index.open(folder)
    except IndexNotFound:
        index = Index.create(folder, model=one.model)
    talk(f"ingest into {folder.name}, unless done before")
    index.ingest(one.paths, fields=one.fields)
    return index


# -- a second vector ------------------------------------------------------------------------------------


def lead(title: str, headings: Sequence[str], text: str, idf: Any, embedder: Embedder) -> str:
    """Return the title, headings and most central sentences of a document, in its order, within the window."""
    window = embedder.fingerprint.window
    parts = list(
        dict.fromkeys(sentence for start, end in sentences(text) if (sentence := text[start:end].strip()))
    )
    head = [one for one in dict.fromkeys((title, *headings)) if one]
    sizes = count_tokens(embedder, [*head, *parts])[0]
    room = np.cumsum(sizes[: len(head)]) <= HEADINGS * window
    head = [one for one, fits in zip(head, room.tolist(), strict=True) if fits]
    left = window - int(sizes[: len(room)][room].sum())
    sizes = sizes[len(room) :]
    if not parts:
        return "\n".join(head)
    weights = idf.transform(parts)
    whole = np.asarray(weights.sum(axis=0)).ravel()
    central = weights @ (whole / (np.linalg.norm(whole) or 1))
    repeated = np.zeros(len(parts))
    open_, taken = sizes > 0, []
    while (open_ := open_ & (sizes <= left)).any():
        at = int(np.argmax(np.where(open_, (1 - DIVERSITY) * central - DIVERSITY * repeated, -np.inf)))
        taken.append(at)
        left -= int(sizes[at])
        open_[at] = False
        repeated = np.maximum(repeated, (weights @ weights[at].T).toarray().ravel())
    return "\n".join([*head, *(parts[at] for at in sorted(taken))])


def second_vectors(index: Index) -> tuple[dict[str, np.ndarray], np.ndarray, list[int]]:
    """Return for each kind of second vector one per document, float32 [documents, dimension].

    Further the row there of each document number, or -1, and the number of passages of each document.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    library: Any = index._library  # private, but nothing public has all documents and vectors
    table = library.passage_table()
    stored = library.passages_numbered(table.numbers[table.live].tolist())
    owner = dict(zip(table.numbers.tolist(), table.documents.tolist(), strict=True))
    order = sorted(stored, key=lambda number: (owner[number], stored[number].first, number))
    documents = [
        (document, [stored[number] for number in some])
        for document, some in groupby(order, key=owner.__getitem__)
    ]
    idf = TfidfVectorizer(analyzer=query_terms, sublinear_tf=True)
    idf.fit(passage.text for _, passages in documents for passage in passages)
    leads, means, rows = [], [], np.full(int(table.documents.max()) + 1, -1)
    for row, (number, passages) in enumerate(documents):
        rows[number] = row
        paths = [passage.heading.split(" > ") for passage in passages if passage.heading]
        title = str(passages[0].metadata.get("title", "")) or (paths[0][0] if paths else "")
        text = "\n\n".join(passage.text for passage in passages)
        leads.append(lead(title, [name for path in paths for name in path], text, idf, index.embedder))
        found = library.vectors_of([passage.id for passage in passages])
        mean = np.mean(list(found.values()), axis=0)
        means.append(mean / np.linalg.norm(mean))
    with vector_cache() as cache:
        parts = []
        for start in range(0, len(leads), 500):
            talk(f"{start:,} of {len(leads):,} leads")
            some = leads[start : start + 500]
            parts.append(cache.embed(index.embedder, some) if cache else index.embed(some))
    return (
        {"lead": np.concatenate(parts), "mean of passages": np.array(means, np.float32)},
        rows,
        [len(passages) for _, passages in documents],
    )


@contextmanager
def merged(
    vectors: np.ndarray, rows: np.ndarray, merge: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Iterator[None]:
    """Have searches take for a passage's cosine what `merge` makes of it and of its document's second vector."""
    own: Any = SearchEngine._cosines

    def cosines(engine: Any, corpus: Any, vector: np.ndarray, products: Any, some: np.ndarray) -> np.ndarray:
        other = (vectors @ vector)[rows[corpus.table.documents[some]]]
        found: np.ndarray = merge(own(engine, corpus, vector, products, some), other).astype(np.float32)
        return found

    SearchEngine._cosines = cosines  # type: ignore[assignment]
    try:
        yield
    finally:
        SearchEngine._cosines = own


# -- quality --------------------------------------------------------------------------------------------


def quality(index: Index, judged: Judged, mode: Mode) -> np.ndarray:
    """Return nDCG@10 of each question, float64 [questions]."""
    hits = index.query_many(
        list(judged), k=10, mode=mode, collapse=False, per_document=1, literal=True, highlight=False
    )
    return np.array(
        [
            ndcg([hit.document for hit in found], right)
            for found, right in zip(hits, judged.values(), strict=True)
        ]
    )


def gain(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Return the mean difference with its 95% interval."""
    draw = np.random.default_rng(0)
    each = after - before
    means = each[draw.integers(len(each), size=(DRAWS, len(each)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"value": float(each.mean()), "low": float(low), "high": float(high)}


def measured(report: Report, name: str, index: Index, judged: Judged, second: Any) -> None:
    """Report every second vector and merge on one set of questions."""
    vectors, rows, _ = second
    rank = {mode: quality(index, judged, mode) for mode in MODES}
    figures: dict[str, Any] = {"questions": len(judged), "passages only": {m: fmean(rank[m]) for m in MODES}}
    lines = [("passages only", *(cell for mode in MODES for cell in (f"{fmean(rank[mode]):.4f}", "", "")))]
    for kind, some in vectors.items():
        for merge, how in MERGES.items():
            talk(f"{name}: {kind}, {merge}")
            with merged(some, rows, how):
                found = {mode: quality(index, judged, mode) for mode in MODES}
            gains = {mode: gain(rank[mode], found[mode]) for mode in MODES}
            figures[f"{kind}, {merge}"] = {
                mode: {"ndcg_at_10": fmean(found[mode]), "gain": gains[mode]} for mode in MODES
            }
            lines.append(
                (
                    f"{kind}, {merge}",
                    *(
                        cell
                        for mode in MODES
                        for cell in (
                            f"{fmean(found[mode]):.4f}",
                            f"{gains[mode]['value']:+.4f}",
                            f"{gains[mode]['low']:+.4f} to {gains[mode]['high']:+.4f}",
                        )
                    ),
                )
            )
    report.figures[name] = figures
    header = ("", *(cell for mode in MODES for cell in (f"nDCG@10, {mode}", "gain", "95% interval")))
    report.table(f"{name}: {len(judged)} questions", header, lines)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the indexes here (default: build them each time)"
    )
    parser.add_argument("--only", action="append", metavar="NAME", help="one collection; repeatable")
    parser.add_argument("--limit", type=int, metavar="N", help="questions of each set, for a quick run")
    options = parser.parse_args()
    report = Report("long_texts", options)
    with nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory() as folder:
        for name, one in collections(options.data, Path(folder).absolute()).items():
            if options.only and name not in options.only:
                continue
            with opened(Path(folder).absolute() / one.folder, one) as index:
                second = second_vectors(index)
                counts = np.array(second[2])
                embedder: Any = index.embedder
                embedder.embed = cache_of(embedder.embed)
                report.figures[f"{name}, documents"] = {
                    "documents": len(counts),
                    "passages": int(counts.sum()),
                    "median_passages": float(np.median(counts)),
                }
                talk(f"{name}: {len(counts):,} documents of {np.median(counts):g} passages (median)")
                for asked, judged in one.judged(index).items():
                    measured(report, asked, index, dict(list(judged.items())[: options.limit]), second)
    report.close()


if __name__ == "__main__":
    main()
