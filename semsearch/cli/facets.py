"""Show the values of fields, with the number of documents that have each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from semsearch.cli import render

if TYPE_CHECKING:
    from semsearch.types import FieldCounts, Scalar

_SHOWN = 10
_EXAMPLES, _LONGEST = 3, 30


def show(facets: "Sequence[FieldCounts]") -> None:
    """Print the most frequent values of each field, one a line."""
    for one in facets:
        click.echo(
            f"{render.name(one.field)}: in {one.documents:,} of the {render.plural(one.total, 'document')}"
            " that meet the conditions"
        )
        for value, count in one.values[:_SHOWN]:
            click.echo(f"{count:>8,}  {_text(value, 60)}")
        if len(one.values) > _SHOWN:
            click.echo(f"          ... and {len(one.values) - _SHOWN:,} more values (--json has all)")


def listed(fields: "Sequence[FieldCounts]") -> None:
    """Print one line for each field: its name, the numbers of documents and values, and its most frequent values."""
    width = min(max(len(one.field) for one in fields), _LONGEST)
    for one in fields:
        examples = ", ".join(_text(value, _LONGEST) for value, _ in one.values[:_EXAMPLES])
        more = ", ..." if len(one.values) > _EXAMPLES else ""
        numbers = f"{render.plural(one.documents, 'document')}, {render.plural(len(one.values), 'value')}"
        click.echo(f"{render.name(one.field):<{width}}  {numbers}: {examples}{more}")


def _text(value: "Scalar", longest: int) -> str:
    """Return a value on one line, at most so long."""
    text = " ".join((str(value).lower() if isinstance(value, bool) else str(value)).split())
    return render.name(text if len(text) <= longest else f"{text[: longest - 3]}...")
