"""Define the command `semsearch query`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semsearch import serialize
from semsearch.cli import hits, options, render

if TYPE_CHECKING:
    from semsearch.index import Index
    from semsearch.types import Hit, Mode


class _Question(click.Command):
    """A command whose arguments may look like options, such as the flag in "how does grep -v work"."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. For an unknown option, say how to search for it."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = "To search for it, put the query in quotes, or -- before it."
            raise click.UsageError(f"{error.format_message()} {hint}", ctx) from error


@click.command(
    "query",
    cls=_Question,
    short_help="Find passages by what they mean and say.",
    epilog=options.closing(
        (
            'semsearch query "how do I get my deposit back"',
            'semsearch query -k 3 --source "docs/*.md" install on Windows',
            "semsearch query 'refund \"within 30 days\" -draft source:faq/* year>=2024'",
            "semsearch query --mode lexical --explain ERR_4012",
            "semsearch query --file questions.txt --jsonl",
            "semsearch query refunds --context 3 --open",
            "semsearch query -k 20 --format markdown --budget 2000 how are refunds booked",
            "semsearch query --rerank cross-encoder/ms-marco-MiniLM-L6-v2 how do refunds work",
        ),
        codes=(0, 1, 2, 10, 12, 13),
    ),
)
@click.argument("words", nargs=-1, metavar="QUERY")
@options.index
@click.option("-k", default=5, show_default=True, type=click.IntRange(min=1), help="Most hits to show.")
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "dense", "lexical"]),
    default="hybrid",
    show_default=True,
    help="Search by meaning and words, by meaning alone, or by words alone.",
)
@click.option(
    "--min-score",
    type=click.FloatRange(-1, 1),
    default=-1.0,
    help="Leave out hits whose cosine is lower.",
)
@click.option(
    "--per-document",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="Most hits from one document: a file, or a row.",
)
@click.option("--literal", is_flag=True, help="Take all of QUERY as plain text.")
@click.option(
    "--explain",
    is_flag=True,
    help="Show the rank and score of each hit by meaning and by words, and the factor of its document.",
)
@click.option("--source", metavar="PATTERN", help="Search only these sources: a file, folder or glob.")
@click.option(
    "--file",
    "file",
    type=click.File(encoding="utf-8"),
    help="Read queries from a file, one a line; - is standard input.",
)
@options.show
@click.option(
    "--collapse/--no-collapse",
    default=True,
    show_default=True,
    help="Collapse near-copies of a hit into it, or show each as a separate hit.",
)
@click.option("--expand", is_flag=True, hidden=True)  # the name that --no-collapse had in 0.1.0
@options.context
@click.option(
    "--rerank",
    metavar="NAME|DIR",
    help="Reorder the first hits by a cross-encoder, which reads query and passage together; safetensors only.",
)
@click.option(
    "--rerank-top",
    default=50,
    show_default=True,
    metavar="N",
    type=click.IntRange(min=1),
    help="The number of hits that --rerank reads.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown"]),
    default="text",
    show_default=True,
    help="Print text for people, or Markdown with whole passages for a prompt.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="With --format markdown: print only the hits that fit, in tokens of the index's model.",
)
@click.option(
    "--open",
    "opened",
    type=options.Rank(),
    is_flag=False,
    flag_value=1,
    metavar="[N]",
    help="Open the file of the first hit, or of hit N, at its line in $VISUAL or $EDITOR. Put this option last.",
)
@options.as_json
@options.as_jsonl
def query_(
    words: tuple[str, ...],
    folder: Path | None,
    k: int,
    mode: "Mode",
    min_score: float,
    per_document: int,
    literal: bool,
    explain: bool,
    source: str | None,
    file: Any,
    show: str,
    collapse: bool,
    expand: bool,
    context: int | None,
    rerank: str | None,
    rerank_top: int,
    form: str,
    budget: int | None,
    opened: int | None,
    as_json: bool,
    as_jsonl: bool,
) -> None:
    """Find the passages that answer QUERY best, by meaning and by words.

    \b
    "exact phrase"     only passages with these words, one after the other
    +word  -word       only passages with the word, or without it, in any form
    source:notes/*     only this file, folder or glob; --source does the same
    year>=2024         only documents with such metadata: also field:value, with *
                       in it, and = != > < <=, on numbers, dates and text

    A minus before a phrase or a condition excludes what matches: -source:drafts/*. Anything else is plain text, also
    -5 and -v, and --literal makes all of QUERY plain text. A note says what was excluded. Sources are named relative to
    the folder that contains the index. QUERY - reads queries from standard input, one a line.

    The score is the cosine of two vectors, at most 1, plus what the words add; --explain shows both. With --mode dense
    it is the cosine alone, with --mode lexical BM25. A document ranks by its best passage; a document with several
    matching passages ranks above one with a single match.

    A near-copy of a better hit is collapsed into that hit ("+2 near-copies"). A passage that negates the hit, or has
    other numbers, is not a near-copy.

    On a terminal a hit's file is a link, its best sentence is bold, and words of the query are underlined.
    """
    from semsearch.errors import InvalidInput
    from semsearch.index import Index
    from semsearch.requests import SearchRequest

    if budget is not None and form != "markdown":
        raise InvalidInput("--budget is for --format markdown")
    many = file is not None or words == ("-",)
    if words and file is not None:
        raise InvalidInput("a query and --file exclude each other", "give one of them")
    if many:
        lines = (file or sys.stdin).read().splitlines()
        numbered = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    else:
        numbered = [(0, " ".join(words))]
    if not any(query.strip() for _, query in numbered):
        raise InvalidInput(
            "the query is empty", 'say what to look for: semsearch query "how do refunds work"'
        )
    with Index.open(folder) as index:
        wants_sentence = show == "snippet" or as_json or as_jsonl or context is not None or opened is not None
        requests: list[SearchRequest] = []
        notes: list[list[str]] = []
        refused: list[str] = []
        for number, query in numbered:
            request = SearchRequest(
                query,
                k=k,
                mode=mode,
                min_score=min_score,
                source=source,
                collapse=collapse and not expand,
                per_document=per_document,
                explain=explain,
                literal=literal,
                highlight=wants_sentence,
                rerank=rerank,
                rerank_top=rerank_top,
            )
            try:
                told = index.notes(request)
            except InvalidInput as error:
                if not many:
                    raise
                refused.append(f"line {number} is not answered: {error}")
                continue
            requests.append(request)
            notes.append(told)
        results = index.search(requests)
        for note in dict.fromkeys(note for one in notes for note in one):
            render.talk(f"note: {note}")
        if as_jsonl:
            render.emit_jsonl(
                line
                for request, found in zip(requests, results, strict=True)
                for line in serialize.hit_rows(index.path_of, found, request)
            )
        elif as_json:
            answers = [
                serialize.search_json(index.path_of, found, request, told)
                for request, found, told in zip(requests, results, notes, strict=True)
            ]
            render.emit_json(answers if many else answers[0])
        else:
            for request, found in zip(requests, results, strict=True):
                if many:
                    click.echo(f"query: {render.plain(request.query)}")
                if form == "markdown":
                    _as_prompt(index, found, budget)
                else:
                    hits.show(index, found, show, query=request.query, explain=explain, context=context)
        if opened is not None:
            if many or opened > len(results[0]):
                raise InvalidInput(
                    f"there is no hit {opened} to open",
                    "--open takes one query, and the rank of one of its hits",
                )
            hits.open_in_editor(index, results[0][opened - 1])
    for line in refused:
        render.talk(line)
    if refused:
        raise InvalidInput(
            f"{render.plural(len(refused), 'line')} of {len(numbered):,} not answered",
            "give some words to look for in each",
        )


def _as_prompt(index: "Index", found: Sequence["Hit"], budget: int | None) -> None:
    """Print hits as Markdown, and their number and tokens on standard error."""

    from semsearch.embedding import count_tokens

    def tokens(text: str) -> int:
        return int(count_tokens(index.embedder, [text])[0][0])

    text, shown, used = hits.as_markdown(index, found, budget, tokens)
    click.echo(text, nl=False)
    limit = f" of at most {budget:,}" if budget is not None else ""
    render.talk(
        f"{shown:,} of {render.plural(len(found), 'hit')}, {used:,}{limit} tokens as the index's model counts them;"
        " yours may count more"
    )
