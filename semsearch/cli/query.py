"""`semsearch query`."""

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


@click.command(
    "query",
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
    help="Leave out hits whose cosine is below this.",
)
@click.option(
    "--per-document",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="Most hits of one document: a file, or a row.",
)
@click.option("--literal", is_flag=True, help="Take QUERY as text, whatever signs are in it.")
@click.option(
    "--explain",
    is_flag=True,
    help="Show the rank and score of each hit by meaning and by words, and what its document adds.",
)
@click.option("--source", metavar="GLOB", help="Search only sources whose name matches, such as 'notes/*'.")
@click.option(
    "--file",
    "file",
    type=click.File(encoding="utf-8"),
    help="Read queries from a file, one a line; - is stdin.",
)
@options.show
@click.option(
    "--expand", is_flag=True, help="Show near-copies of a hit as hits of their own, not folded into it."
)
@options.context
@click.option(
    "--rerank",
    metavar="NAME|DIR",
    help="Order the first hits anew by a cross-encoder, which reads query and passage together; safetensors only.",
)
@click.option(
    "--rerank-top",
    default=50,
    show_default=True,
    metavar="N",
    type=click.IntRange(min=1),
    help="How many hits --rerank reads.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown"]),
    default="text",
    show_default=True,
    help="For people, or as Markdown with whole passages, to paste into a prompt.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="With --format markdown: only as many hits as fit, in tokens of the index's model.",
)
@click.option(
    "--open",
    "opened",
    type=options.Rank(),
    is_flag=False,
    flag_value=1,
    metavar="[N]",
    help="Open the file of the first hit, or of hit N, at its line in $VISUAL or $EDITOR; put it last.",
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
    """Find the passages that answer QUERY best, by what they mean and by the words they have.

    \b
    "exact phrase"     only passages with these words, one after the other
    +word  -word       only passages with the word, or without it, in any form
    source:notes/*     only sources whose name matches; so does --source
    year>=2024         only where the metadata say so: also field:value, with *
                       in it, and = != > < <=, on numbers, dates and text

    A minus before a phrase or a condition turns it round: -source:drafts/*. What is no such thing is text, and with
    --literal all of QUERY is. Sources are named relative to the folder that holds the index. QUERY - reads queries from
    standard input, one a line.

    The score is the cosine of two vectors, at most 1, and what the words add to it, which --explain shows. With --mode
    dense it is the cosine alone, with --mode lexical BM25. A document ranks by its best passage; a document of which
    several passages answer goes before another of which one does.

    A passage that repeats a better hit, but for a few words, is folded into that hit ("+2 near-copies"); a passage that
    denies what the hit says or has other numbers is not.

    On a terminal a hit's file is a link, its best sentence is bold, and words of the query are underlined.
    """
    from semsearch.errors import InvalidInput
    from semsearch.index import Index

    if budget is not None and form != "markdown":
        raise InvalidInput("--budget is for --format markdown")
    many = file is not None or words == ("-",)
    if words and file is not None:
        raise InvalidInput("a query and --file are both given", "give one of them")
    if many:
        lines = (file or sys.stdin).read().splitlines()
        queries = [line.strip() for line in lines if line.strip()]
    else:
        queries = [" ".join(words)]
    if not any(query.strip() for query in queries):
        raise InvalidInput(
            "the query is empty", 'say what to look for: semsearch query "how do refunds work"'
        )
    with Index.open(folder) as index:
        wants_sentence = show == "snippet" or as_json or as_jsonl or context is not None or opened is not None
        results = index.query_many(
            queries,
            k=k if rerank is None else max(k, rerank_top),
            mode=mode,
            min_score=min_score,
            source=source,
            fold=not expand,
            per_document=per_document,
            explain=explain,
            literal=literal,
            highlight=wants_sentence and rerank is None,
        )
        parsed = [index.parse_query(query, literal=literal) for query in queries]
        if rerank is not None:
            results = [
                index.rerank(query.text, found, rerank, k=k, highlight=wants_sentence)
                for query, found in zip(parsed, results, strict=True)
            ]
        for unknown in dict.fromkeys(one for query in parsed for one in query.unknown):
            render.talk(f"note: the index has no field for {unknown}, so it was searched for as text")
        if as_jsonl:
            render.emit_jsonl(
                {"query": query, "rank": rank, **serialize.hit_json(index.path_of, hit, explain)}
                for query, found in zip(queries, results, strict=True)
                for rank, hit in enumerate(found, 1)
            )
        elif as_json:
            answers = [
                {"query": query, "hits": [serialize.hit_json(index.path_of, hit, explain) for hit in found]}
                for query, found in zip(queries, results, strict=True)
            ]
            render.emit_json(answers if many else answers[0])
        else:
            for query, found in zip(queries, results, strict=True):
                if many:
                    click.echo(f"query: {render.plain(query)}")
                if form == "markdown":
                    _as_prompt(index, found, budget)
                else:
                    hits.show(index, found, show, query=query, explain=explain, context=context)
        if opened is not None:
            if many or opened > len(results[0]):
                raise InvalidInput(
                    f"there is no hit {opened} to open", "--open is for one query, and for a hit that it has"
                )
            hits.open_in_editor(index, results[0][opened - 1])


def _as_prompt(index: "Index", found: Sequence["Hit"], budget: int | None) -> None:
    """Hits as Markdown, and on standard error what there is of them and how it was counted."""

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
