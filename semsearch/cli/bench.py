"""`semsearch bench-search`: measure search on a collection with relevance judgments."""

import tempfile
from contextlib import ExitStack
from dataclasses import asdict, astuple
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render
from semsearch.cli.language import tr

if TYPE_CHECKING:
    from semsearch.index import Index

_COLUMNS = ("mode", "nDCG@10", "recall@100", "MRR@10")

_file = partial(click.option, required=True, type=click.Path(path_type=Path), metavar="FILE")
"""An option that names a file of the collection."""


@options.command(
    "bench-search",
    short_help="Measure search on your own queries and judgments.",
    examples=(
        "semsearch bench-search --corpus corpus.jsonl --queries queries.jsonl --qrels qrels/test.tsv",
        "semsearch bench-search --corpus corpus.jsonl --queries queries.jsonl --qrels qrels/test.tsv --index kept",
    ),
    codes=(0, 1, 2, 11, 12, 13),
    settings=("base-url", "dtype", "threads"),
)
@_file("--corpus", help="The documents: JSON Lines with _id, text, and perhaps title.")
@_file("--queries", help="The queries: JSON Lines with _id and text.")
@_file("--qrels", help="The relevance judgments: TSV with the columns query-id, corpus-id and score.")
@click.option(
    "--index",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the index in this folder and reuse it. Default: a temporary folder.",
)
@options.model
@options.as_json
def bench_search_(
    corpus: Path,
    queries: Path,
    qrels: Path,
    folder: Path | None,
    model: str | None,
    base_url: str | None,
    dtype: str | None,
    as_json: bool,
) -> None:
    """Measure how well search by meaning, by words, and by both finds the relevant documents.

    The files use the layout of the BEIR benchmark. Each query with a relevant document (a score above 0) is searched
    for as plain text, and documents rank by their best passage. The table has a row for each mode, with means over the
    queries. nDCG@10 is the gain of the first ten documents (their scores, discounted by rank), divided by the gain of
    the best possible order. recall@100 is the share of the relevant documents among the first hundred. MRR@10 is 1 over
    the rank of the first relevant document among ten. nDCG and recall are defined as in trec_eval.
    """
    from semsearch.evaluation.retrieval import evaluate_search, ingest_corpus, read_collection

    collection = read_collection(corpus, queries, qrels)
    with ExitStack() as stack:
        if folder is None:
            temporary = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            folder = Path(temporary) / "index"
        index = stack.enter_context(_index(folder, model, dtype, options.server_of(model, base_url)))
        with render.counting("ingest", "passages") as report:
            ingest_corpus(index, collection, report)
        with render.counting("search", "queries") as report:
            found = evaluate_search(index, collection, report)
        settings = index.status().settings
        name = f"{settings['model']} {settings['dtype']}"
    if as_json:
        render.emit_json(
            serialize.retrieval_json(
                name,
                documents=collection.documents,
                queries=len(collection.queries),
                queries_without_text=collection.queries_without_text,
                relevant_documents_absent=collection.documents_absent,
                modes={mode: asdict(metrics) for mode, metrics in found.items()},
            )
        )
    else:
        rows = ((mode, *(f"{value:.4f}" for value in astuple(one))) for mode, one in found.items())
        render.table([*map(tr, _COLUMNS)], rows, right=(1, 2, 3))
    count = render.plural(len(collection.queries), "query")
    documents = render.plural(collection.documents, "document")
    said = tr("{queries} with a relevant document, {documents}, model {model}")
    render.talk(said.format(queries=count, documents=documents, model=name))
    if collection.queries_without_text:
        left_out = render.plural(collection.queries_without_text, "query")
        said = tr("left out {queries}, not in {file}")
        render.talk(said.format(queries=left_out, file=render.name(str(queries))))
    if collection.documents_absent:
        absent = render.plural(collection.documents_absent, "relevant document")
        said = tr("{documents} not in {file}, counted as not found")
        render.talk(said.format(documents=absent, file=render.name(str(corpus))))


def _index(folder: Path, model: str | None, dtype: str | None, base_url: str | None) -> "Index":
    """Open the index in a folder, or create it if there is none."""
    from semsearch.embedding import DEFAULT_MODEL
    from semsearch.index import Index

    if (folder / "library.sqlite3").exists():
        return Index.open(folder, model=model, dtype=dtype, base_url=base_url)
    return Index.create(folder, model=model or DEFAULT_MODEL, dtype=dtype or "float32", base_url=base_url)
