"""Print groups of near-duplicates for people, as JSON and as CSV."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from semsearch.cli import contained, render

if TYPE_CHECKING:
    from rich.text import Text

    from semsearch.dedup import Duplicates
    from semsearch.types import Group

_READ = 256
"""Texts read at a time for --explain."""


def _differences(found: "Duplicates", group: "Group") -> "Iterator[Text]":
    """Yield the differences between each member and the keeper; an exact copy has none."""
    from rich.text import Text

    from semsearch.cli.diff import explain

    (keeper,) = found.texts([group.keeper])
    for start in range(0, len(group.members), _READ):
        members = group.members[start : start + _READ]
        for member, text in zip(members, found.texts([member.name for member in members]), strict=True):
            yield Text() if member.tier == "exact" else explain(keeper, text, ("the keeper", "this"))


def difference(keeper: str, text: str) -> str:
    """Return how a member's text differs from the keeper's, without colours."""
    from semsearch.cli.diff import explain

    return explain(keeper, text, ("the keeper", "this")).plain


def table(found: "Duplicates") -> None:
    """Print groups as CSV."""
    rows: list[tuple[object, ...]] = []
    for number, group in enumerate(found.groups, 1):
        rows.append((number, "keeper", render.name(group.keeper), "", ""))
        for member in group.members:
            scores = (f"{member.similarity:.6f}", f"{member.jaccard:.6f}")
            rows.append((number, member.tier, render.name(member.name), *scores))
    columns = ["group", "role", "document", "similarity", "jaccard"]
    if found.containment is not None:
        columns += contained.COLUMNS
        rows = [(*row, "", "") for row in rows]
        rows += (
            ("", "contained", name, "", "", *cells) for name, _, *cells in contained.rows(found.contained)
        )
    render.emit_csv(columns, rows)


def show(found: "Duplicates", explain: bool) -> None:
    """Print groups for people."""
    for number, group in enumerate(found.groups, 1):
        size = render.plural(len(group.members) + 1, found.level)
        heading = f"group {number}: {size}, the weakest at {group.weakest:.4f}"
        if group.lowest < group.weakest:
            heading += f", the lowest two at {group.lowest:.4f}"
        click.secho(heading, bold=True) if render.coloured() else click.echo(heading)
        click.echo(f"  {'keeper':<8}  {'':6}  {render.name(group.keeper)}")
        differences = _differences(found, group) if explain else iter(())
        for member in group.members:
            kept = "  (protected)" if member.protected else ""
            probability = f"P {member.probability:.2f}  " if member.probability is not None else ""
            click.echo(
                f"  {member.tier:<8}  {member.similarity:.4f}  {probability}{render.name(member.name)}{kept}"
            )
            if text := next(differences, None):
                console = render.console()
                console.print(render.indented(text, console, 12))
        click.echo()
    if not found.groups:
        click.echo("no duplicates")
    contained.show(found.contained)
    if explain:
        _show_rejected(found)


def _show_rejected(found: "Duplicates") -> None:
    """Print the pairs that the classifier rejected, each with its reason."""
    for pair in found.rejected:
        probability = f"  P {pair.probability:.2f}" if pair.probability is not None else ""
        click.echo(f"rejected     {pair.similarity:.4f}{probability}  {render.name(pair.left)}")
        click.echo(f"{'':21}{render.name(pair.right)}")
        click.echo(f"{'':21}{render.plain(pair.reason)}")
    if found.rejected:
        click.echo()


def tell(found: "Duplicates", origin: str, explain: bool) -> None:
    """Print the counts, the number of rejected pairs and the threshold on standard error."""
    total = render.plural(found.total, found.level)
    render.talk(
        f"{render.plural(len(found.groups), 'group')}: {found.exact + found.near:,} of {total} ({found.fraction:.1%})"
        f" repeat another: {found.exact:,} exactly, {found.lexical:,} lexically, {found.semantic:,} semantically"
    )
    if found.containment is not None:
        for line in contained.counts(found.contained, found.more_contained, found.containment):
            render.talk(line)
    if found.rejected:
        pairs = render.plural(len(found.rejected), "pair")
        render.talk(f"rejected {pairs} that the cosine alone accepts" + (": see --explain" * (not explain)))
    render.talk(f"threshold {found.threshold:g} ({origin})")
