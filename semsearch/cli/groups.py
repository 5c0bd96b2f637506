"""Print groups of near-duplicates for people, as JSON and as CSV."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import contained, render

if TYPE_CHECKING:
    from rich.text import Text

    from semsearch.dedup import Duplicates
    from semsearch.types import Group, Rejected

_READ = 256
"""Texts read at a time for --explain."""
_WIDTH = 58
"""Characters of a text that are shown below the name of its document."""
_LISTED = 5
"""Pairs that are alike and not duplicates, of those shown without --explain."""
_FACTS = {
    "number": "a number or date:",
    "negation": "a negation:",
    "opposite": "opposites:",
    "name": "a name:",
    "roles": "roles:",
}
"""The words for the facts that differ, by the rule of a veto."""


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
    for row in serialize.group_rows(found):
        number, text = row["group"], render.plain(row["keeper_text"])
        rows.append((number, "keeper", render.name(row["keeper"]), "", "", text))
        for member in row["members"]:
            scores = (f"{member['similarity']:.6f}", f"{member['jaccard']:.6f}")
            text = render.plain(member["text"])
            rows.append((number, member["tier"], render.name(member["name"]), *scores, text))
    columns = ["group", "role", "document", "similarity", "jaccard", "text"]
    if found.containment is not None:
        columns += contained.COLUMNS
        rows = [(*row, "", "") for row in rows]
        rows += (
            ("", "contained", name, "", "", "", *cells) for name, _, *cells in contained.rows(found.contained)
        )
    render.emit_csv(columns, rows)


def show(found: "Duplicates", explain: bool, texts: bool = False) -> None:
    """Print groups for people; with `texts` the beginning of each text as well, since rows have no telling names."""
    for number, group in enumerate(found.groups, 1):
        size = render.plural(len(group.members) + 1, found.level)
        heading = f"group {number}: {size}, the weakest at {group.weakest:.4f}"
        if group.lowest < group.weakest:
            heading += f", the lowest two at {group.lowest:.4f}"
        click.secho(heading, bold=True) if render.coloured() else click.echo(heading)
        click.echo(f"  {'keeper':<8}  {'':6}  {render.name(group.keeper)}")
        keeper, *members = _excerpts(found, group) if texts else ("" for _ in range(len(group.members) + 1))
        _quote(keeper)
        differences = _differences(found, group) if explain else iter(())
        for member, text in zip(group.members, members, strict=True):
            kept = "  (protected)" if member.protected else ""
            probability = f"P {member.probability:.2f}  " if member.probability is not None else ""
            click.echo(
                f"  {member.tier:<8}  {member.similarity:.4f}  {probability}{render.name(member.name)}{kept}"
            )
            _quote(text)
            if change := next(differences, None):
                console = render.console()
                console.print(render.indented(change, console, 12))
        click.echo()
    if not found.groups:
        click.echo("no duplicates")
    contained.show(found.contained)
    _show_rejected(found, explain, texts)


def _excerpts(found: "Duplicates", group: "Group") -> list[str]:
    """Return the texts of a group on a line each, the keeper's first."""
    names = [group.keeper, *(member.name for member in group.members)]
    keeper, *texts = (
        text for at in range(0, len(names), _READ) for text in found.texts(names[at : at + _READ])
    )
    return [serialize.excerpt(keeper, width=_WIDTH), *(serialize.excerpt(t, keeper, _WIDTH) for t in texts)]


def _quote(text: str) -> None:
    """Print a text below the name of its document."""
    if text:
        click.echo(f"{'':20}{render.plain(text)}")


def _show_rejected(found: "Duplicates", explain: bool, texts: bool) -> None:
    """Print the pairs that are alike and not duplicates: those with a veto, with `explain` also the classifier's."""
    pairs = [pair for pair in found.rejected if explain or pair.rule]
    show_alike(pairs, None if explain else _LISTED, found.texts if texts else None)


def show_alike(
    pairs: "Sequence[Rejected]",
    most: int | None = _LISTED,
    texts: "Callable[[Sequence[str]], list[str]] | None" = None,
) -> None:
    """Print pairs of texts that are alike and not the same, each with its reason, and how many more there are."""
    for pair in pairs[:most]:
        probability = f"  P {pair.probability:.2f}" if pair.probability is not None else ""
        left, right = texts([pair.left, pair.right]) if texts else ("", "")
        click.echo(f"alike, but {pair.similarity:.4f}{probability}  {render.name(pair.left)}")
        _quote(serialize.excerpt(left, right, _WIDTH))
        click.echo(f"{'':19}{render.name(pair.right)}")
        _quote(serialize.excerpt(right, left, _WIDTH))
        click.echo(f"{'':19}{render.plain(pair.reason)}")
    if most is not None and len(pairs) > most:
        click.echo(f"… and {len(pairs) - most:,} more (see --explain or --json)")
    if pairs:
        click.echo()


def left_out(
    counts: "Mapping[str, int]", what: str, advice: str = "--remove-differing takes them"
) -> "Iterator[str]":
    """Yield a line for each kind of pairs that are alike and still not `what`, with their number."""
    facts = [f"{_FACTS[rule]} {counts[rule]:,}" for rule in _FACTS if rule in counts]
    if facts:
        total = sum(counts[rule] for rule in _FACTS if rule in counts)
        pairs = render.plural(total, "pair")
        yield f"{pairs} alike, but no {what}, since they differ ({', '.join(facts)}); {advice}"
    if count := counts.get("unknown"):
        yield f"{render.plural(count, 'pair')} left out: the model does not know the words in which they differ"
    if count := counts.get("template"):
        yield f"{render.plural(count, 'pair')} left out: they share a template of several texts, and little else"


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
    if found.undecided:
        several = render.plural(found.undecided, "group")
        render.talk(
            f"file times are equal in {several}, as after `git clone`: another rule or the name decided"
        )
    for line in left_out(found.vetoed, "duplicates"):
        render.talk(line)
    if count := sum(not pair.rule for pair in found.rejected):
        pairs = render.plural(count, "pair")
        render.talk(f"rejected {pairs} that the cosine alone accepts" + (": see --explain" * (not explain)))
    render.talk(f"threshold {found.threshold:g} ({origin})")
