"""Print the documents that lie mostly in another one."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from semsearch.cli import render
from semsearch.cli.language import tr
from semsearch.cli.wide import padded

if TYPE_CHECKING:
    from semsearch.types import Contained, SharedPart, Unit

_PARTS, _CONTAINERS = 3, 3
"""The most parts of a pair, and containers of a document, that are shown to people."""
COLUMNS = ("container", "share")
"""The columns of a CSV table that only contained documents fill."""


def show(found: "Sequence[Contained]") -> None:
    """Print contained documents for people, each with its containers and the largest parts."""
    for document, containers in groupby(found, lambda pair: pair.document):
        pairs = list(containers)
        heading = tr("contained: {document}, {words}").format(
            document=render.name(document), words=render.plural(pairs[0].words, "word")
        )
        click.secho(heading, bold=True) if render.coloured() else click.echo(heading)
        for pair in pairs[:_CONTAINERS]:
            size = render.plural(pair.container_words, "word")
            inside = tr("in {container}, {words}").format(container=render.name(pair.container), words=size)
            click.echo(f"  {padded(tr(pair.tier), 8)}  {pair.share:.4f}  {inside}")
            for line in _parts(pair.parts):
                click.echo(f"{'':22}{line}")
        if len(pairs) > _CONTAINERS:
            more = tr("and in {count} more (--json lists them)").format(count=len(pairs) - _CONTAINERS)
            click.echo(f"{'':20}{more}")
        click.echo()


def rows(found: "Sequence[Contained]") -> Iterator[tuple[str, str, str, str]]:
    """Yield the CSV cells of each pair: document, tier, container and share."""
    for pair in found:
        yield render.name(pair.document), pair.tier, render.name(pair.container), f"{pair.share:.6f}"


def counts(found: "Sequence[Contained]", more: int, share: float) -> Iterator[str]:
    """Yield what to say of contained documents on standard error."""
    documents = render.plural(len({pair.document for pair in found}), "document")
    said = tr("{documents} of which {share:.4g} or more lies in a longer one; no plan removes these")
    yield said.format(documents=documents, share=share)
    if more:
        further = tr("{documents} of these in further ones that are not listed")
        yield further.format(documents=render.plural(more, "document"))


def _parts(parts: "Sequence[SharedPart]") -> Iterator[str]:
    """Yield the largest parts in order, and how many others there are."""
    largest = sorted(sorted(parts, key=lambda part: -part.words)[:_PARTS], key=parts.index)
    for part in largest:
        own = _place(part.unit, part.start, part.end)
        other = _place(part.container_unit, part.container_start, part.container_end)
        yield tr("{own} in {other}").format(own=own, other=other)
    if len(parts) > _PARTS:
        yield tr("and {parts}").format(parts=render.plural(len(parts) - _PARTS, "smaller part"))


def _place(unit: "Unit", first: int, last: int) -> str:
    number = str(first) if first == last else f"{first}-{last}"
    return tr(f"{unit} {{number}}" if first == last else f"{unit}s {{number}}").format(number=number)
