"""Models side by side: quality on sentences and on search, texts a second, size, and the cold start of a query.

Quality: Pearson correlation on the test parts of STS-B in English and Chinese, nDCG@10 on SciFact's abstracts by
meaning alone, and how many of twenty Chinese questions on Vue's pages have the right page among the first three. Times
are processor time, which other processes disturb least; a cold start is the median of separate processes.

    python benchmarks/models.py
    python benchmarks/models.py --models all-MiniLM-L6-v2 ./my-model --parts sentences speed
"""

import csv
import json
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from common import Report, arguments, need, run, talk
from search import VUE

from semsearch.embedding import DEFAULT_MODEL, Embedder, load_embedder
from semsearch.errors import SemsearchError
from semsearch.evaluation.retrieval import ndcg, read_collection
from semsearch.index import Index

MODELS = (DEFAULT_MODEL, f"{DEFAULT_MODEL}:int8", "multilingual-e5-small")
COLD = 5


@dataclass(frozen=True)
class Subject:
    """A model that is measured, with the data and a folder to work in."""

    model: str
    dtype: str
    embedder: Embedder
    data: Path
    folder: Path
    repeats: int


def sentences(subject: Subject) -> dict[str, float]:
    """Return the Pearson correlation of cosines with people's scores, by language. Both texts are like queries."""
    found = {}
    for language in ("en", "zh"):
        with need(subject.data / "stsb" / f"stsb-{language}-test.csv").open(
            encoding="utf-8", newline=""
        ) as file:
            rows = [(a, b, float(score)) for a, b, score in csv.reader(file)]
        texts = sorted({text for a, b, _ in rows for text in (a, b)})
        vectors = dict(zip(texts, subject.embedder.embed(texts, "query"), strict=True))
        cosines = [float(vectors[a] @ vectors[b]) for a, b, _ in rows]
        found[f"stsb_{language}"] = float(np.corrcoef(cosines, [score for *_, score in rows])[0, 1])
    return found


def abstracts(subject: Subject) -> dict[str, float]:
    """Return the mean nDCG@10 of SciFact's test queries, by the cosine of the query and the whole abstract."""
    folder = need(subject.data / "scifact")
    test = read_collection(folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / "test.tsv")
    with test.corpus.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    documents = {row["_id"]: f"{row['title']}\n\n{row['text']}" for row in rows}
    vectors = subject.embedder.embed(list(documents.values()))
    names = np.array(list(documents))
    scores = []
    for number, (text, _) in test.queries.items():
        cosines = vectors @ subject.embedder.embed([text], "query")[0]
        best = names[np.argsort(-cosines, kind="stable")[:10]].tolist()
        scores.append(ndcg(best, test.qrels[number]))
    return {"scifact_ndcg": float(np.mean(scores))}


def questions(subject: Subject) -> dict[str, float]:
    """Return how many of the questions on Vue's pages have the right page among the first three, by mode."""
    pages = need(subject.data / "folders" / "vue-docs-zh")
    with Index.create(subject.folder / "vue", model=subject.model, dtype=subject.dtype) as index:
        index.ingest([pages])
        found = {}
        for mode in ("dense", "hybrid"):
            hits = index.query_many(list(VUE), k=3, mode=mode, collapse=False, per_document=1, literal=True)  # type: ignore[arg-type]
            right = [index.key_of(pages / file) for file in VUE.values()]
            found[f"vue_{mode}"] = sum(
                key in {hit.source for hit in row} for key, row in zip(right, hits, strict=True)
            )
    shutil.rmtree(subject.folder / "vue")
    return found


def speed(subject: Subject) -> dict[str, float]:
    """Return sentences of STS-B in a second of processor time, with all threads that the model uses."""
    with need(subject.data / "stsb" / "stsb-en-dev.csv").open(encoding="utf-8", newline="") as file:
        texts = [a for a, *_ in csv.reader(file)][:1000]
    seconds = []
    for _ in range(subject.repeats):
        start = time.process_time()
        subject.embedder.embed(texts)
        seconds.append(time.process_time() - start)
    return {"texts_per_cpu_second": len(texts) / min(seconds), "megabytes": subject.embedder.size / 1e6}


def cold(subject: Subject) -> dict[str, float]:
    """Return the processor time of a query in a new process, on an index of one file."""
    (subject.folder / "note.md").write_text(
        "# Bread\n\nLeave the dough in a warm place for an hour.\n", encoding="utf-8"
    )
    with Index.create(subject.folder / "cold", model=subject.model, dtype=subject.dtype) as index:
        index.ingest([subject.folder / "note.md"])
    seconds = []
    for _ in range(COLD + 1):  # the first one brings the files into the operating system's cache
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run("-m", "semsearch", "query", "how long does dough rise", "--index", subject.folder / "cold")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    shutil.rmtree(subject.folder / "cold")
    return {"cold_query_cpu_seconds": median(seconds[1:])}


PARTS: dict[str, Callable[[Subject], dict[str, float]]] = {
    "sentences": sentences, "abstracts": abstracts, "questions": questions, "speed": speed, "cold": cold,
}  # fmt: skip


def main() -> None:
    parser = arguments(__doc__, 3)
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME[:DTYPE]")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    report = Report("models", options)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for wanted in options.models:
            model, _, dtype = wanted.partition(":")
            dtype = dtype or "float32"
            try:
                embedder = load_embedder(model, dtype, device="cpu")
            except SemsearchError as error:
                talk(f"{wanted}: {error}")
                continue
            subject = Subject(model, dtype, embedder, options.data, folder, options.repeats)
            found: dict[str, float] = {}
            for part in options.parts:
                talk(f"{wanted}: {part}")
                found |= PARTS[part](subject)
            report.figures[wanted] = found
    columns = list(dict.fromkeys(name for found in report.figures.values() for name in found))
    report.table(
        "models",
        ("model", *columns),
        [
            (name, *(f"{found[column]:.3f}" if column in found else "-" for column in columns))
            for name, found in report.figures.items()
        ],
    )
    report.close()


if __name__ == "__main__":
    main()
