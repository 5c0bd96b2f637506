"""Define the command `semsearch why`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render
from semsearch.cli.language import tr, translated

if TYPE_CHECKING:
    from semsearch.ingest.chunk import LeftOut
    from semsearch.ingest.explain import SourceStatus

_SHOWN = 20


@options.command(
    "why",
    short_help="Say for a file or folder why it is, or is not, in the index.",
    examples=(
        "semsearch why notes/plan.md",
        "semsearch why docs",
        "semsearch why 'data.csv#3' --json",
    ),
    codes=(0, 1, 2, 10, 12, 13),
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@options.index
@click.option("-v", "--verbose", is_flag=True, help="List every path below a folder, also those indexed.")
@options.as_json
def why_(paths: tuple[str, ...], folder: Path | None, verbose: bool, as_json: bool) -> None:
    """Say what the index makes of each PATH: a file, a part such as data.csv#3, or a folder with all below it.

    \b
    indexed   with its passages, and the share of tokens unknown to the model
    stale     indexed, and changed since
    missing   indexed, and gone; or in the quarantine, with the run that moved it
    new       not indexed yet
    skipped   with the reason, such as the line of an ignore file
    failed    with the reason why it cannot be read
    outside   below no path that was ingested
    unknown   neither in the index nor a file
    """
    from semsearch.index import Index

    with Index.open(folder) as index:
        found = {path: index.why(path) for path in paths}
    if as_json:
        render.emit_json([serialize.source_status_json(one) for some in found.values() for one in some])
        return
    for path, some in found.items():
        if len(some) != 1:
            counts = Counter(one.status for one in some)
            told = tr(", ").join(
                tr("{count:,} {status}").format(count=count, status=tr(status))
                for status, count in counts.most_common()
            )
            told = told or tr("nothing in it")
            click.echo(render.folded(tr("{path}: {said}").format(path=render.name(path), said=told)))
        indent = 2 if len(some) != 1 else 0
        shown = [one for one in some if verbose or len(some) == 1 or one.status != "indexed"]
        for one in shown[: None if verbose else _SHOWN]:
            click.echo(render.folded(_line(one), indent))
            left_out = list(_joined(one.left_out))
            for part in left_out[: None if verbose else _SHOWN]:
                said = tr("not stored{place}: {reason}")
                line = said.format(place=_where(part), reason=translated(part.reason))
                click.echo(render.folded(line, indent + 2))
            if len(left_out) > _SHOWN and not verbose:
                click.echo(render.folded(_more(len(left_out) - _SHOWN), indent + 2))
        if len(shown) > _SHOWN and not verbose:
            click.echo(render.folded(_more(len(shown) - _SHOWN), indent))


def _more(count: int) -> str:
    return tr("... and {count:,} more (--verbose lists them)").format(count=count)


def _joined(parts: "Sequence[LeftOut]") -> "Iterator[LeftOut]":
    """Yield the passages that were left out, and those that follow each other for one reason as one."""
    from semsearch.ingest.chunk import LeftOut

    last: LeftOut | None = None
    for part in parts:
        if (
            last
            and (last.unit, last.reason) == (part.unit, part.reason)
            and last.last <= part.first <= last.last + 1
        ):
            last = LeftOut(last.unit, last.first, part.last, last.reason)
        else:
            if last:
                yield last
            last = part
    if last:
        yield last


def _where(left_out: "LeftOut") -> str:
    """Return the place of a part as it follows words: `, lines 3-9`."""
    from semsearch.types import place

    found = place(left_out.unit, left_out.first, left_out.last)
    if found[:1] != ":":
        return found
    lines = tr(", line {number}") if left_out.first == left_out.last else tr(", lines {number}")
    return lines.format(number=found[1:])


def _line(one: "SourceStatus") -> str:
    """Return the status of a path on one line."""
    status = tr(one.status)
    parts = [tr("{status}: {reason}").format(status=status, reason=translated(one.reason))]
    if not one.reason:
        parts = [status]
    if one.detail:
        parts[0] += tr(" ({detail})").format(detail=translated(one.detail))
    if one.passages is not None:
        parts += [render.plural(one.documents or 0, "document"), render.plural(one.passages, "passage")]
    if one.left_out:
        left_out = render.plural(len(one.left_out), "passage")
        parts.append(tr("{passages} not stored, since not prose").format(passages=left_out))
    if one.oov_rate is not None:
        parts.append(tr("{share:.1%} of its tokens unknown to the model").format(share=one.oov_rate))
    if one.format:
        parts.append(tr("read as {format}").format(format=one.format))
    if one.indexed:
        parts.append(tr("on {time} UTC").format(time=one.indexed[:16].replace("T", " ")))
    said = render.name(tr(", ").join(parts))
    return tr("{path}: {said}").format(path=render.name(one.path), said=said)
