"""`semsearch similar`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import hits, options, render

if TYPE_CHECKING:
    from semsearch.index import Index


@click.command(
    "similar",
    short_help="Find what resembles a document or a passage.",
    epilog=options.closing(
        (
            "semsearch similar notes/deposit.md",
            "semsearch similar -k 3 --show path docs/install.md:40",
            "semsearch similar draft.md --source 'faq/*' --min-score 0.6",
            "semsearch similar tickets.jsonl#17 --json",
        ),
        codes=(0, 1, 2, 10, 12, 13),
    ),
)
@click.argument("file", type=click.Path(), metavar="FILE[:LINE]")
@options.index
@click.option("-k", default=5, show_default=True, type=click.IntRange(min=1), help="Most hits to show.")
@click.option(
    "--min-score", type=click.FloatRange(-1, 1), default=-1.0, help="Leave out what is less similar."
)
@click.option("--source", metavar="GLOB", help="Look only at sources whose name matches, such as 'notes/*'.")
@options.show
@options.context
@options.as_json
@options.as_jsonl
def similar_(
    file: str,
    folder: Path | None,
    k: int,
    min_score: float,
    source: str | None,
    show: str,
    context: int | None,
    as_json: bool,
    as_jsonl: bool,
) -> None:
    """Find the documents that resemble FILE, or with LINE the passages that resemble the one there.

    FILE is in the index, or any file that can be read: then it is read for this, and not kept. A row of a file of
    rows is named tickets.jsonl#17. In a PDF the number is that of a page, in a Word document of a paragraph.

    The score of two documents is the similarity by which `dedup` judges them: how well the passages of each are covered
    by those of the other, the smaller of the two. What is shown of a document is the passage that is most like one of
    FILE's. FILE itself is left out; copies of it are not.
    """
    from semsearch.index import Index

    with Index.open(folder) as index:
        name, line = _parted(index, file)
        wants_sentence = show == "snippet" or context is not None or as_json or as_jsonl
        found = index.similar(name, line, k=k, min_score=min_score, source=source, highlight=wants_sentence)
        rows = ({"rank": rank, **serialize.hit_json(index.path_of, hit)} for rank, hit in enumerate(found, 1))
        if as_jsonl:
            render.emit_jsonl(rows)
        elif as_json:
            render.emit_json({"file": name, "line": line, "hits": list(rows)})
        else:
            hits.show(index, found, show, context=context)


def _parted(index: "Index", file: str) -> tuple[str, int | None]:
    """A name and a line, unless all of it is a file or a source."""
    match = re.fullmatch(r"(.+):(\d{1,9})", file, re.DOTALL)
    if match is None or Path(file).exists() or {file, index.key_of(Path(file))} & set(index.sources()):
        return file, None
    return match[1], int(match[2])
