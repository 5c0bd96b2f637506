"""Show the values of fields, with the number of documents that have each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from semsearch.cli import render
from semsearch.cli.language import tr
from semsearch.cli.wide import cells, padded

if TYPE_CHECKING:
    from semsearch.types import FieldCounts, Scalar

_SHOWN = 10
_EXAMPLES, _LONGEST = 3, 30


def show(facets: "Sequence[FieldCounts]") -> None:
    """Print the most frequent values of each field, one a line."""
    for one in facets:
        said = tr("{field}: in {count:,} of the {documents} that meet the conditions")
        total = render.plural(one.total, "document")
        click.echo(said.format(field=render.name(one.field), count=one.documents, documents=total))
        for value, count in one.values[:_SHOWN]:
            click.echo(f"{count:>8,}  {_text(value, 60)}")
        if len(one.values) > _SHOWN:
            more = tr("... and {count:,} more values (--json has all)")
            click.echo(f"{'':10}{more.format(count=len(one.values) - _SHOWN)}")


def listed(fields: "Sequence[FieldCounts]") -> None:
    """Print one line for each field: its name, the numbers of documents and values, and its most frequent values."""
    width = min(max(cells(one.field) for one in fields), _LONGEST)
    for one in fields:
        examples = ", ".join(_text(value, _LONGEST) for value, _ in one.values[:_EXAMPLES])
        more = ", ..." if len(one.values) > _EXAMPLES else ""
        numbers = tr(", ").join(
            (render.plural(one.documents, "document"), render.plural(len(one.values), "value"))
        )
        click.echo(f"{padded(render.name(one.field), width)}  {numbers}{tr(': ')}{examples}{more}")


def _text(value: "Scalar", longest: int) -> str:
    """Return a value on one line, at most so long."""
    text = " ".join((str(value).lower() if isinstance(value, bool) else str(value)).split())
    return render.name(text if len(text) <= longest else f"{text[: longest - 3]}...")
