"""Groups of near-duplicates as a person, a program or a spreadsheet sees them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from semsearch.cli import render

if TYPE_CHECKING:
    from rich.text import Text

    from semsearch.dedup import Duplicates
    from semsearch.types import Group

_READ = 256
"""Texts read in one go for --explain."""


def _differences(found: "Duplicates", group: "Group") -> "Iterator[Text]":
    """What differs between each member and the keeper, and nothing for an exact copy."""
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
    """Groups as CSV."""
    rows: list[tuple[object, ...]] = []
    for number, group in enumerate(found.groups, 1):
        rows.append((number, "keeper", render.name(group.keeper), "", ""))
        for member in group.members:
            scores = (f"{member.similarity:.6f}", f"{member.jaccard:.6f}")
            rows.append((number, member.tier, render.name(member.name), *scores))
    render.emit_csv(("group", "role", "document", "similarity", "jaccard"), rows)


def show(found: "Duplicates", explain: bool) -> None:
    """Groups for people."""
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
            chance = f"P {member.probability:.2f}  " if member.probability is not None else ""
            click.echo(
                f"  {member.tier:<8}  {member.similarity:.4f}  {chance}{render.name(member.name)}{kept}"
            )
            if text := next(differences, None):
                console = render.console()
                console.print(render.indented(text, console, 12))
        click.echo()
    if not found.groups:
        click.echo("no duplicates")
    if explain:
        _show_turned_down(found)


def _show_turned_down(found: "Duplicates") -> None:
    """What the verifier has turned down, and why."""
    for pair in found.rejected:
        chance = f"  P {pair.probability:.2f}" if pair.probability is not None else ""
        click.echo(f"turned down  {pair.similarity:.4f}{chance}  {render.name(pair.left)}")
        click.echo(f"{'':21}{render.name(pair.right)}")
        click.echo(f"{'':21}{render.plain(pair.reason)}")
    if found.rejected:
        click.echo()


def tell(found: "Duplicates", origin: str, explain: bool) -> None:
    """Say how much was found, what was turned down, and at which threshold."""
    total = render.plural(found.total, found.level)
    render.talk(
        f"{render.plural(len(found.groups), 'group')}: {found.exact + found.near:,} of {total} ({found.fraction:.1%})"
        f" repeat another: {found.exact:,} exactly, {found.lexical:,} lexically, {found.semantic:,} semantically"
    )
    if found.rejected:
        pairs = render.plural(len(found.rejected), "pair")
        render.talk(
            f"turned down {pairs} that the cosine alone would have taken"
            + (": see --explain" * (not explain))
        )
    render.talk(f"threshold {found.threshold:g} ({origin})")
