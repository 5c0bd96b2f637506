"""Define the command `semsearch query`."""

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semsearch.cli import options, render
from semsearch.cli.command import Command, arguments, takes_no_value
from semsearch.cli.language import tr, translated
from semsearch.cli.values import Rank

if TYPE_CHECKING:
    from semsearch.index import Index
    from semsearch.types import FieldCounts, Hit, Mode


class _Question(Command):
    """A command whose arguments may look like options, such as the word in `query deposit -volunteer`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. For a word that looks like an option, show the query in quotes."""
        known = self.option_names()
        flags = takes_no_value([self])
        if "--" not in args:  # a query in quotes that starts with a word to leave out
            leading = [
                arg
                for before, arg in zip(["", *args], args, strict=False)
                if re.match(r"-[^\W\d_]\S*\s", arg) and (before in flags or before not in known)
            ]
            args = [*(arg for arg in args if arg not in leading), *(["--", *leading] if leading else [])]
        end = args.index("--") if "--" in args else len(args)
        words = [
            arg
            for before, arg in zip(["", *args], args[:end], strict=False)
            if re.match(r"-[^\W\d_]{2}", arg)
            and not re.fullmatch(r"-[kn]\d+", arg)
            and (before in flags or before not in known)
        ]
        if words:
            query = [word for word in arguments(args, {*flags, *words}) if word not in words]
            quoted = shlex.quote(" ".join(arg for arg in args if arg in (*query, *words)))
            raise click.UsageError(
                tr(
                    "{word} is not an option. To leave out a word, quote the query: semsearch query {quoted}"
                ).format(word=words[0], quoted=quoted),
                ctx,
            )
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = tr("To search for it, put the query in quotes, or -- before it.")
            raise click.UsageError(f"{translated(error.format_message())} {hint}", ctx) from error


@options.command(
    "query",
    cls=_Question,
    short_help="Find passages by what they mean and say.",
    examples=(
        'semsearch query "how do I get my deposit back"',
        'semsearch query -k 3 --source "docs/*.md" install on Windows',
        "semsearch query 'refund \"within 30 days\" -draft source:faq/* year>=2024'",
        "semsearch query -l 'tags:daily date>=2025'",
        "semsearch query --facet tags --facet status 'status:draft'",
    ),
    codes=(0, 1, 2, 10, 12, 13),
    groups={
        "Which passages": ("k", "mode", "source", "literal", "file"),
        "How to rank them": ("collapse", "rerank"),
        "What to show": ("show", "paths", "facet", "context", "explain", "budget", "opened"),
    },
    settings=("min-relevance", "min-score", "per-document", "rerank-top", "threads"),
)
@click.argument("words", nargs=-1, metavar="QUERY...")
@options.index
@options.most
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "dense", "lexical"]),
    default="hybrid",
    show_default=True,
    help="hybrid, dense (meaning), lexical.",
)
@click.option("--literal", is_flag=True, help="Take all of QUERY as plain text.")
@click.option("--explain", is_flag=True, help="Show how each hit ranks by meaning and by words.")
@options.source
@click.option(
    "--file",
    "file",
    type=click.File(encoding="utf-8"),
    metavar="FILE",
    help="Read queries from FILE (- is standard input).",
)
@click.option(
    "--facet",
    "facet",
    multiple=True,
    metavar="FIELD",
    help="Also count the values of FIELD; repeatable.",
)
@options.show
@click.option(
    "--collapse/--no-collapse",
    " /--expand",  # the name that --no-collapse had in 0.1.0
    default=True,
    help="Collapse near-copies into a hit, or list each.",
)
@options.paths
@options.context
@click.option("--rerank", metavar="NAME|DIR", help="Reorder the first hits with a cross-encoder.")
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="With --markdown: only the hits that fit in.",
)
@click.option(
    "--open",
    "opened",
    type=Rank(),
    is_flag=False,
    flag_value=1,
    metavar="[N]",
    help="Open hit N (first) in $EDITOR. Put this last.",
)
@options.as_json
@options.as_jsonl
@click.option("--markdown", is_flag=True, help="Print whole passages as Markdown, for a prompt.")
def query_(
    words: tuple[str, ...],
    folder: Path | None,
    k: int,
    mode: "Mode",
    min_score: float,
    min_relevance: float | None,
    per_document: int,
    literal: bool,
    explain: bool,
    source: str | None,
    file: Any,
    facet: tuple[str, ...],
    show: str,
    collapse: bool,
    paths: bool,
    context: int | None,
    rerank: str | None,
    rerank_top: int,
    budget: int | None,
    opened: int | None,
    as_json: bool,
    as_jsonl: bool,
    markdown: bool,
) -> None:
    """Find the passages that answer QUERY best, by meaning and by words.

    \b
    "exact phrase"   only passages with these words, one after the other
    +word  -word     only passages with the word, or without it, in any form
    source:notes/*   only this file, folder or glob; --source does the same
    year>=2024       only documents with such metadata: also field:value, with *
                     in it, and = != > < <=, on numbers, dates and text

    Quote a QUERY with such signs. A minus excludes phrases and conditions too; -5 and -v are text. Conditions alone
    list documents, the newest first; OR, AND and NOT go between them. - reads queries from standard input. The number
    of a hit is its relevance. At 0.99, one of 100 unrelated questions finds a hit as good (docs/search.md).
    """
    from semsearch import serialize
    from semsearch.cli import facets, hits, served
    from semsearch.errors import InvalidInput
    from semsearch.requests import SearchRequest
    from semsearch.search.doubt import doubt

    def shown(found: "Sequence[Hit]") -> "Sequence[Hit]":
        """Return the hits that a person sees: none if nothing is relevant, unless --min-relevance asks for them."""
        return [] if min_relevance is None and doubt(found) else found

    if budget is not None and not markdown:
        raise InvalidInput("--budget is for --markdown", "add --markdown")
    many = file is not None or words == ("-",)
    if words and file is not None:
        raise InvalidInput("a query and --file exclude each other", "give one of them")
    if many:
        lines = (file or sys.stdin).read().splitlines()
        numbered = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    else:
        numbered = [(0, " ".join(words))]
    if facet and as_jsonl:
        raise InvalidInput("--facet has no line in --jsonl", "use --json")
    if not facet and not any(query.strip() for _, query in numbered):
        raise InvalidInput(
            "the query is empty", 'say what to look for: semsearch query "how do refunds work"'
        )
    with _offering_words(mode), served.opened(folder, shown=not (as_json or as_jsonl)) as index:
        wants_sentence = (
            (show == "snippet" and not paths)
            or as_json
            or as_jsonl
            or context is not None
            or opened is not None
        )
        requests: list[SearchRequest] = []
        notes: list[list[str]] = []
        refused: list[str] = []
        counted: list[list[FieldCounts]] = []
        for number, query in numbered:
            request = SearchRequest(
                query,
                k=k,
                mode=mode,
                min_score=min_score,
                min_relevance=min_relevance,
                source=source,
                collapse=collapse,
                per_document=per_document,
                explain=explain,
                literal=literal,
                highlight=wants_sentence,
                rerank=rerank,
                rerank_top=rerank_top,
            )
            counts = index.facets(facet, query, source=source, literal=literal) if facet else []
            if facet and not query.strip():  # nothing to look for, so all documents are counted
                _show_facets(query, counts, as_json)
                return
            try:
                told = index.notes(request)
            except InvalidInput as error:
                if not many:
                    raise
                said = translated(str(error))
                refused.append(tr("line {number} is not answered: {error}").format(number=number, error=said))
                continue
            requests.append(request)
            notes.append(told)
            counted.append(counts)
        results = index.search(requests)
        for told in notes[-1:]:
            told.extend(index.engine_notes())
        for told, found in zip(notes, results, strict=True):
            if (remark := doubt(found)) and (as_json or as_jsonl or min_relevance is not None):
                told.append(remark)
        for note in dict.fromkeys(note for one in notes for note in one):
            render.tell_note(note)
        if as_jsonl:
            render.emit_jsonl(
                line
                for request, found in zip(requests, results, strict=True)
                for line in serialize.hit_rows(index.path_of, found, request)
            )
        elif as_json:
            answers = [
                serialize.search_json(index.path_of, found, request, told)
                | ({"facets": serialize.facets_json(counts)} if facet else {})
                for request, found, told, counts in zip(requests, results, notes, counted, strict=True)
            ]
            render.emit_json(answers if many else answers[0])
        elif paths:
            hits.show_paths(index, (hit for found in results for hit in shown(found)))
        else:
            for request, found, counts in zip(requests, results, counted, strict=True):
                if many:
                    click.echo(tr("query: {query}").format(query=render.plain(request.query)))
                if markdown:
                    _as_prompt(index, shown(found), budget)
                elif found and not shown(found):
                    hits.show_nothing_relevant(found)
                else:
                    hits.show(
                        index,
                        found,
                        show,
                        query=request.query,
                        explain=explain,
                        context=context,
                        limit="--min-relevance" if min_relevance else "--min-score" if min_score > -1 else "",
                    )
                if counts:
                    click.echo()
                    facets.show(counts)
        if opened is not None:
            if many or opened > len(shown(results[0])):
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


@contextmanager
def _offering_words(mode: "Mode") -> Iterator[None]:
    """Add to the hint of a model that fails in the block what can be done without it."""
    from semsearch.errors import ModelError

    try:
        yield
    except ModelError as error:
        if mode != "lexical":
            words = "to search by words alone, add --mode lexical"
            error.hint = f"{error.hint}; {words}" if error.hint else words
        raise


def _as_prompt(index: "Index", found: Sequence["Hit"], budget: int | None) -> None:
    """Print hits as Markdown, and their number and tokens on standard error."""
    from semsearch.cli import hits, served

    text, shown, used = hits.as_markdown(index, found, budget, partial(served.count_tokens, index))
    click.echo(text, nl=False)
    limit = tr(" of at most {budget:,}").format(budget=budget) if budget is not None else ""
    said = tr(
        "{shown:,} of {hits}, {used:,}{limit} tokens as the index's model counts them; yours may count more"
    )
    render.talk(said.format(shown=shown, hits=render.plural(len(found), "hit"), used=used, limit=limit))


def _show_facets(query: str, counts: "list[FieldCounts]", as_json: bool) -> None:
    """Print the counts over all documents."""
    from semsearch import serialize
    from semsearch.cli import facets

    if as_json:
        facets_ = serialize.facets_json(counts)
        render.emit_json({"query": query, "notes": [], "hits": [], "facets": facets_})
    else:
        facets.show(counts)
