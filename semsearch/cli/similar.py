"""Define the command `semsearch similar`."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import contained as pairs
from semsearch.cli import hits, options, render, served
from semsearch.cli.language import tr

if TYPE_CHECKING:
    from semsearch.index import Index


@options.command(
    "similar",
    short_help="Find documents similar to a document, or passages similar to a passage.",
    examples=(
        "semsearch similar notes/deposit.md",
        "semsearch similar -k 3 --show path docs/install.md:40",
        "semsearch similar draft.md --source 'faq/*' --min-score 0.6",
        "semsearch similar tickets.jsonl#17 --json",
    ),
    codes=(0, 1, 2, 10, 12, 13),
)
@click.argument("file", type=click.Path(), metavar="FILE[:LINE]")
@options.index
@options.most
@options.min_score
@options.source
@options.contained
@options.show
@options.paths
@options.context
@options.as_json
@options.as_jsonl
def similar_(
    file: str,
    folder: Path | None,
    k: int,
    min_score: float,
    source: str | None,
    contained: float | None,
    show: str,
    paths: bool,
    context: int | None,
    as_json: bool,
    as_jsonl: bool,
) -> None:
    """Find the documents similar to FILE, or with LINE the passages similar to the one there.

    FILE is in the index, or is any file that semsearch can read; such a file is not added to the index. A row of a file
    of rows is named tickets.jsonl#17. In a PDF the number is a page, in a Word document a paragraph.

    The score is the similarity that `dedup` uses: how well the passages of each document match those of the other, the
    smaller of the two. The hit shows the passage of a document that is closest to any of FILE's. FILE itself is left
    out; copies of it are not. Texts whose difference lies in words that the model does not know are left out, and a
    note says how many.

    With --contained the documents follow that FILE mostly lies in, and those that mostly lie in it.
    """
    from semsearch.errors import InvalidInput
    from semsearch.requests import SimilarRequest

    with served.opened(folder, shown=not (as_json or as_jsonl)) as index:
        name, line = _name_and_line(index, file)
        wants_sentence = (show == "snippet" and not paths) or context is not None or as_json or as_jsonl
        request = SimilarRequest(name, line, k, min_score, source, wants_sentence)
        if contained is not None and line is not None:
            raise InvalidInput("--contained compares whole documents", "leave out the line")
        found = index.find_similar(request)
        inside = [] if contained is None else index.find_contained(name, contained, source)
        notes = index.notes(request, found)
        for note in notes:
            render.tell_note(note)
        if as_jsonl:
            render.emit_jsonl(serialize.hit_rows(index.path_of, found, request))
            render.emit_jsonl(map(asdict, inside))
        elif as_json:
            more: dict[str, object] = {}
            if contained is not None:
                more = {"containment": contained, "contained": [asdict(pair) for pair in inside]}
            render.emit_json(serialize.similar_json(index.path_of, found, request, notes) | more)
        elif paths:
            hits.show_paths(index, found)
        else:
            limit = "--min-score" if min_score > -1 else ""
            hits.show(index, found, show, context=context, limit=limit, has_words=False)
            pairs.show(inside)
            if contained is not None and not inside:
                said = tr("nothing contains {share:g} of it, or lies in it")
                click.echo(said.format(share=contained))


def _name_and_line(index: "Index", file: str) -> tuple[str, int | None]:
    """Return the name and line that an argument has; all of it is the name where that is a file or a source."""
    match = re.fullmatch(r"(.+):(\d{1,9})", file, re.DOTALL)
    if match is None or Path(file).exists() or file in index or index.key_of(Path(file)) in index:
        return file, None
    return match[1], int(match[2])
