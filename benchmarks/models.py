"""Models side by side: quality on sentences and on search, texts a second, size, and the cold start of a query.

Quality: Pearson correlation on the test parts of STS-B in English and Chinese, nDCG@10 on SciFact's abstracts by
meaning alone, and how many of twenty Chinese questions on Vue's pages have the right page among the first three. Times
are processor time, which other processes disturb least; a cold start is the median of separate processes.

    python benchmarks/models.py
    python benchmarks/models.py --models all-MiniLM-L6-v2 ./my-model --parts sentences speed
"""

import csv
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from common import Report, arguments, need, run, talk
from search import VUE

from semsearch.embedding import DEFAULT_MODEL, Embedder, load_embedder
from semsearch.errors import SemsearchError
from semsearch.evaluation.retrieval import ndcg, read_collection
from semsearch.index import Index

MODELS = (DEFAULT_MODEL, f"{DEFAULT_MODEL}:int8", "multilingual-e5-small")
PARTS = ("sentences", "abstracts", "questions", "speed", "cold")
COLD = 5


def sentences(embedder: Embedder, data: Path) -> dict[str, float]:
    """Return the Pearson correlation of cosines with people's scores, by language. Both texts are like queries."""
    found = {}
    for language in ("en", "zh"):
        with need(data / "stsb" / f"stsb-{language}-test.csv").open(encoding="utf-8", newline="") as file:
            rows = [(a, b, float(score)) for a, b, score in csv.reader(file)]
        texts = sorted({text for a, b, _ in rows for text in (a, b)})
        vectors = dict(zip(texts, embedder.embed(texts, "query"), strict=True))
        cosines = [float(vectors[a] @ vectors[b]) for a, b, _ in rows]
        found[f"stsb_{language}"] = float(np.corrcoef(cosines, [score for *_, score in rows])[0, 1])
    return found


def abstracts(embedder: Embedder, data: Path) -> dict[str, float]:
    """Return the mean nDCG@10 of SciFact's test queries, by the cosine of the query and the whole abstract."""
    folder = need(data / "scifact")
    test = read_collection(folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / "test.tsv")
    documents = dict(test.documents())
    vectors = embedder.embed(list(documents.values()))
    names = np.array(list(documents))
    scores = []
    for number, (text, _) in test.queries.items():
        cosines = vectors @ embedder.embed([text], "query")[0]
        best = names[np.argsort(-cosines, kind="stable")[:10]].tolist()
        scores.append(ndcg(best, test.qrels[number]))
    return {"scifact_ndcg": float(np.mean(scores))}


def questions(model: str, dtype: str, data: Path, folder: Path) -> dict[str, float]:
    """Return how many of the questions on Vue's pages have the right page among the first three, by mode."""
    pages = need(data / "folders" / "vue-docs-zh")
    with Index.create(folder / "vue", model=model, dtype=dtype) as index:
        index.ingest([pages])
        found = {}
        for mode in ("dense", "hybrid"):
            hits = index.query_many(list(VUE), k=3, mode=mode, collapse=False, per_document=1, literal=True)  # type: ignore[arg-type]
            right = [index.key_of(pages / file) for file in VUE.values()]
            found[f"vue_{mode}"] = sum(
                key in {hit.source for hit in row} for key, row in zip(right, hits, strict=True)
            )
    shutil.rmtree(folder / "vue")
    return found


def speed(embedder: Embedder, data: Path, repeats: int) -> dict[str, float]:
    """Return sentences of STS-B in a second of processor time, with all threads that the model uses."""
    with need(data / "stsb" / "stsb-en-dev.csv").open(encoding="utf-8", newline="") as file:
        texts = [a for a, *_ in csv.reader(file)][:1000]
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        embedder.embed(texts)
        seconds.append(time.process_time() - start)
    return {"texts_per_cpu_second": len(texts) / min(seconds), "megabytes": embedder.size / 1e6}


def cold(model: str, dtype: str, folder: Path) -> dict[str, float]:
    """Return the processor time of a query in a new process, on an index of one file."""
    (folder / "note.md").write_text(
        "# Bread\n\nLeave the dough in a warm place for an hour.\n", encoding="utf-8"
    )
    with Index.create(folder / "cold", model=model, dtype=dtype) as index:
        index.ingest([folder / "note.md"])
    seconds = []
    for _ in range(COLD + 1):  # the first one brings the files into the operating system's cache
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run("-m", "semsearch", "query", "how long does dough rise", "--index", folder / "cold")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    shutil.rmtree(folder / "cold")
    return {"cold_query_cpu_seconds": median(seconds[1:])}


def main() -> None:
    parser = arguments(__doc__, 3)
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME[:DTYPE]")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
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
            measures: dict[str, Any] = {
                "sentences": lambda: sentences(embedder, options.data),
                "abstracts": lambda: abstracts(embedder, options.data),
                "questions": lambda: questions(model, dtype, options.data, folder),
                "speed": lambda: speed(embedder, options.data, options.repeats),
                "cold": lambda: cold(model, dtype, folder),
            }
            found: dict[str, float] = {}
            for part in options.parts:
                talk(f"{wanted}: {part}")
                found |= measures[part]()
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
