"""`semsearch bench-search`: search judged on a collection that people have judged."""

import tempfile
from contextlib import ExitStack
from dataclasses import asdict, astuple
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render

if TYPE_CHECKING:
    from semsearch.index import Index

_COLUMNS = ("mode", "nDCG@10", "recall@100", "MRR@10")

_file = partial(click.option, required=True, type=click.Path(path_type=Path), metavar="FILE")
"""An option for one of the files of a collection."""


@click.command(
    "bench-search",
    short_help="Measure search on your own judged queries.",
    epilog=options.closing(
        (
            "semsearch bench-search --corpus corpus.jsonl --queries queries.jsonl --qrels qrels/test.tsv",
            "semsearch bench-search --corpus corpus.jsonl --queries queries.jsonl --qrels qrels/test.tsv --index kept",
        ),
        codes=(0, 1, 2, 11, 12, 13),
    ),
)
@_file("--corpus", help="The documents: JSON Lines with _id, text, and perhaps title.")
@_file("--queries", help="The queries: JSON Lines with _id and text.")
@_file("--qrels", help="The judgements: TSV with the columns query-id, corpus-id and score.")
@click.option(
    "--index",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the index here, and use it again. Default: a temporary one.",
)
@options.model
@options.dtype
@options.as_json
def bench_search_(
    corpus: Path,
    queries: Path,
    qrels: Path,
    folder: Path | None,
    model: str | None,
    dtype: str | None,
    as_json: bool,
) -> None:
    """Say how well search by meaning, by words, and by both finds what people have judged relevant.

    The files are laid out as those of the BEIR benchmark. Each query that has a document with a score above 0 is
    searched for as text, and documents rank by their best passage. A row a mode, each a mean over the queries: nDCG@10,
    the gain of the first ten documents, which is their score discounted by rank, over that of the best order there is;
    recall@100, the share of the relevant documents that are among the first hundred; MRR@10, 1 over the rank of the
    first relevant one among ten. nDCG and recall are those of trec_eval.
    """
    from semsearch.evaluation.retrieval import ingest, measure, read_collection

    collection = read_collection(corpus, queries, qrels)
    with ExitStack() as stack:
        if folder is None:
            temporary = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            folder = Path(temporary) / "index"
        index = stack.enter_context(_index(folder, model, dtype))
        with render.counting("ingest", "passages") as show:
            ingest(index, collection, show)
        with render.counting("search", "queries") as show:
            found = measure(index, collection, show)
        name = index.model
    if as_json:
        render.emit_json(
            serialize.retrieval_json(
                name,
                documents=collection.documents,
                queries=len(collection.queries),
                queries_without_text=collection.unasked,
                relevant_documents_absent=collection.absent,
                modes={mode: asdict(measures) for mode, measures in found.items()},
            )
        )
    else:
        rows = ((mode, *(f"{value:.4f}" for value in astuple(one))) for mode, one in found.items())
        render.table(_COLUMNS, rows, right=(1, 2, 3))
    queries_said = render.plural(len(collection.queries), "judged query")
    render.talk(f"{queries_said}, {render.plural(collection.documents, 'document')}, model {name}")
    if collection.unasked:
        left_out = render.plural(collection.unasked, "judged query")
        render.talk(f"left out {left_out} not in {render.name(str(queries))}")
    if collection.absent:
        absent = render.plural(collection.absent, "relevant document")
        render.talk(f"{absent} not in {render.name(str(corpus))}, counted as not found")


def _index(folder: Path, model: str | None, dtype: str | None) -> "Index":
    """The index in a folder, which is made if there is none."""
    from semsearch.embedding import DEFAULT_MODEL
    from semsearch.index import Index

    if (folder / "library.sqlite3").exists():
        return Index.open(folder, model=model, dtype=dtype)
    return Index.create(folder, model=model or DEFAULT_MODEL, dtype=dtype or "float32")
