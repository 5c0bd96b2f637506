"""Print the documents that lie mostly in another one."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from semsearch.cli import render

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
        heading = f"contained: {render.name(document)}, {render.plural(pairs[0].words, 'word')}"
        click.secho(heading, bold=True) if render.coloured() else click.echo(heading)
        for pair in pairs[:_CONTAINERS]:
            size = render.plural(pair.container_words, "word")
            click.echo(f"  {pair.tier:<8}  {pair.share:.4f}  in {render.name(pair.container)}, {size}")
            for line in _parts(pair.parts):
                click.echo(f"{'':22}{line}")
        if len(pairs) > _CONTAINERS:
            click.echo(f"{'':20}and in {len(pairs) - _CONTAINERS} more (--json lists them)")
        click.echo()


def rows(found: "Sequence[Contained]") -> Iterator[tuple[str, str, str, str]]:
    """Yield the CSV cells of each pair: document, tier, container and share."""
    for pair in found:
        yield render.name(pair.document), pair.tier, render.name(pair.container), f"{pair.share:.6f}"


def counts(found: "Sequence[Contained]", more: int, share: float) -> Iterator[str]:
    """Yield what to say of contained documents on standard error."""
    documents = render.plural(len({pair.document for pair in found}), "document")
    yield f"{documents} of which {share:.4g} or more lies in a longer one; no plan removes these"
    if more:
        yield f"{render.plural(more, 'document')} of these in further ones that are not listed"


def _parts(parts: "Sequence[SharedPart]") -> Iterator[str]:
    """Yield the largest parts in order, and how many others there are."""
    largest = sorted(sorted(parts, key=lambda part: -part.words)[:_PARTS], key=parts.index)
    for part in largest:
        own = _place(part.unit, part.start, part.end)
        yield f"{own} in {_place(part.container_unit, part.container_start, part.container_end)}"
    if len(parts) > _PARTS:
        yield f"and {render.plural(len(parts) - _PARTS, 'smaller part')}"


def _place(unit: "Unit", first: int, last: int) -> str:
    return f"{unit} {first}" if first == last else f"{unit}s {first}-{last}"
