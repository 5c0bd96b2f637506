"""Print groups of near-duplicates for people, as JSON and as CSV."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import contained, render
from semsearch.cli.language import english, tr, translated
from semsearch.cli.wide import padded

if TYPE_CHECKING:
    from semsearch.dedup import Duplicates
    from semsearch.types import Member, Rejected

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
    "order": "an order:",
    "sign": "a sign:",
    "indentation": "indentation:",
}
"""The words for the facts that differ, by the rule of a veto."""


def difference(keeper: str, text: str, originals: tuple[str, str]) -> str:
    """Return how a member's text differs from the keeper's, without colours; see `serialize.group_rows`."""
    from semsearch.cli.diff import explain

    with english():
        return explain(keeper, text, ("the keeper", "this"), originals=originals).plain


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


def show(found: "Duplicates", explain: bool) -> int:
    """Print groups for people, the weakest first, with the beginning of each text that is not an exact copy.

    Returns how many members differ from their keeper in a number or a negation.
    """
    doubtful = 0
    for number, group in sorted(enumerate(found.groups, 1), key=lambda one: one[1].weakest):
        size = render.plural(len(group.members) + 1, found.level)
        heading = tr("group {number}: {size}, the weakest at {weakest:.4f}").format(
            number=number, size=size, weakest=group.weakest
        )
        if group.lowest < group.weakest:
            heading += tr(", the lowest two at {lowest:.4f}").format(lowest=group.lowest)
        click.secho(heading, bold=True) if render.coloured() else click.echo(heading)
        (keeper,) = found.texts([group.keeper])
        click.echo(f"  {padded(tr('keeper'), 8)}  {'':6}  {render.name(group.keeper)}")
        (written,) = found.originals([group.keeper])
        _quote(written)
        for start in range(0, len(group.members), _READ):
            members = group.members[start : start + _READ]
            names = [member.name for member in members]
            for member, text, own in zip(members, found.texts(names), found.originals(names), strict=True):
                doubtful += _show_member(member, (keeper, text), (written, own), explain)
        click.echo()
    if not found.groups:
        click.echo(tr("no duplicates"))
    contained.show(found.contained)
    _show_rejected(found, explain)
    return doubtful


def doubtful(found: "Duplicates") -> int:
    """Return how many members differ from their keeper in a number or a negation."""
    from semsearch.cli import diff

    count = 0
    for group in found.groups:
        (keeper,) = found.texts([group.keeper])
        near = [member.name for member in group.members if member.tier != "exact"]
        for start in range(0, len(near), _READ):
            texts = found.texts(near[start : start + _READ])
            count += sum(bool(diff.doubts(keeper, text)) for text in texts)
    return count


def _show_member(member: "Member", cleaned: tuple[str, str], written: tuple[str, str], explain: bool) -> bool:
    """Print a member of a group, and return whether it differs from the keeper in a number or a negation.

    The texts of both, the keeper's first, are `written` as they are shown and `cleaned` as they are compared.
    """
    from semsearch.cli import diff

    kept = tr("  (protected)") if member.protected else ""
    probability = f"P {member.probability:.2f}  " if member.probability is not None else ""
    tier = padded(tr(member.tier), 8)
    click.echo(f"  {tier}  {member.similarity:.4f}  {probability}{render.name(member.name)}{kept}")
    if member.tier == "exact":
        return False
    _quote(written[1], written[0])
    doubts = diff.doubts(*cleaned)
    console = render.console()
    if explain:
        said = diff.explain(*cleaned, (tr("the keeper"), tr("this")), originals=written)
        console.print(render.indented(said, console, 12))
    else:
        for doubt in doubts:
            click.echo(f"{'':20}{doubt}")
    return bool(doubts)


def _quote(text: str, other: str = "") -> None:
    """Print the beginning of a text below the name of its document."""
    if shown := render.excerpt(text, other, _WIDTH):
        click.echo(f"{'':20}{shown}")


def _show_rejected(found: "Duplicates", explain: bool) -> None:
    """Print the pairs that are alike and not duplicates: those with a veto, with `explain` also the classifier's."""
    pairs = [pair for pair in found.rejected if explain or pair.rule]
    show_alike(pairs, None if explain else _LISTED, found.originals)


def show_alike(
    pairs: "Sequence[Rejected]",
    most: int | None = _LISTED,
    texts: "Callable[[Sequence[str]], list[str]] | None" = None,
) -> None:
    """Print pairs of texts that are alike and not the same, each with its reason, and how many more there are."""
    from rich.text import Text

    for pair in pairs[:most]:
        probability = f"  P {pair.probability:.2f}" if pair.probability is not None else ""
        left, right = texts([pair.left, pair.right]) if texts else ("", "")
        alike = padded(tr("alike, but"), 10)
        click.echo(f"{alike} {pair.similarity:.4f}{probability}  {render.name(pair.left)}")
        _quote(left, right)
        click.echo(f"{'':19}{render.name(pair.right)}")
        _quote(right, left)
        console = render.console()
        reasons = tr("; ").join(map(translated, pair.reason.split("; ")))
        console.print(render.indented(Text(render.plain(reasons)), console, 19))
    if most is not None and len(pairs) > most:
        click.echo(tr("… and {count:,} more (see --explain or --json)").format(count=len(pairs) - most))
    if pairs:
        click.echo()


def left_out(
    counts: "Mapping[str, int]", outcome: str = "kept", advice: str = "--remove-differing takes them"
) -> "Iterator[str]":
    """Yield a line for each kind of pairs that are alike and differ, with their number and outcome."""
    facts = [f"{tr(_FACTS[rule])} {counts[rule]:,}" for rule in _FACTS if rule in counts]
    if facts:
        total = sum(counts[rule] for rule in _FACTS if rule in counts)
        said = (
            tr("{pairs} is alike but differs: {outcome} ({facts}); {advice}")
            if total == 1
            else tr("{pairs} are alike but differ: {outcome} ({facts}); {advice}")
        )
        pairs, listed = render.plural(total, "pair"), tr(", ").join(facts)
        yield said.format(pairs=pairs, outcome=tr(outcome), facts=listed, advice=tr(advice))
    if count := counts.get("unknown"):
        said = tr("{pairs} left out: the model does not know the words in which they differ")
        yield said.format(pairs=render.plural(count, "pair"))
    if count := counts.get("template"):
        said = tr("{pairs} left out: they share a template of several texts, and little else")
        yield said.format(pairs=render.plural(count, "pair"))


def remarks(undecided: int, vetoed: "Mapping[str, int]", more_rejected: int | None) -> "Iterator[str]":
    """Yield lines on groups that no rule decided, and on pairs that are alike and differ."""
    if undecided:
        said = tr("file times are equal in {groups}, as after `git clone`: another rule or the name decided")
        yield said.format(groups=render.plural(undecided, "group"))
    yield from left_out(vetoed)
    if more_rejected:
        said = tr("{pairs} of these texts differ too: of each text the most similar one is listed")
        yield said.format(pairs=render.plural(more_rejected, "more pair"))


def counts(groups: int, exact: int, lexical: int, semantic: int, total: str, share: float) -> str:
    """Return a line with the number of groups, and of the members of each tier among all documents."""
    said = tr(
        "{groups}: {repeats:,} of {total} ({share:.1%}) repeat another: {exact:,} exactly, {lexical:,} lexically,"
        " {semantic:,} semantically"
    )
    return said.format(
        groups=render.plural(groups, "group"),
        repeats=exact + lexical + semantic,
        total=total,
        share=share,
        exact=exact,
        lexical=lexical,
        semantic=semantic,
    )


def tell(found: "Duplicates", origin: str, explain: bool, doubtful: int = 0) -> None:
    """Print the counts, the number of rejected pairs and the threshold on standard error."""
    total = render.plural(found.total, found.level)
    render.talk(counts(len(found.groups), found.exact, found.lexical, found.semantic, total, found.fraction))
    if doubtful:
        said = tr("{count:,} of these differ from their keeper in a number or a negation: look at them first")
        render.talk(said.format(count=doubtful))
    if found.containment is not None:
        for line in contained.counts(found.contained, found.more_contained, found.containment):
            render.talk(line)
    for line in remarks(found.undecided, found.vetoed, found.more_rejected):
        render.talk(line)
    if count := sum(not pair.rule for pair in found.rejected):
        said = tr("rejected {pairs} that the cosine alone accepts").format(pairs=render.plural(count, "pair"))
        render.talk(said + ("" if explain else tr(": see --explain")))
    render.talk(tr("threshold {threshold:g} ({origin})").format(threshold=found.threshold, origin=origin))
