"""`semsearch dedup`."""

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from semsearch.cli import options, render

if TYPE_CHECKING:
    from semsearch.records import Duplicates


@click.command(
    "dedup",
    epilog=options.closing(
        (
            "semsearch dedup --threshold 0.85",
            "semsearch dedup --level passage --jsonl",
            "semsearch dedup --csv > duplicates.csv",
        ),
        codes=(0, 1, 2, 10, 12, 13),
    ),
)
@options.index
@click.option(
    "--threshold",
    type=click.FloatRange(-1, 1),
    help="Least similarity of a duplicate to its keeper. Default: the one that `tune` saved, else 0.85.",
)
@click.option(
    "--level",
    type=click.Choice(["document", "passage"]),
    default="document",
    show_default=True,
    help="Compare whole documents, or their passages.",
)
@options.as_json
@options.as_jsonl
@click.option(
    "--csv", "as_csv", is_flag=True, help="Print a table with a row a document: group, role, similarity."
)
def dedup_(
    folder: Path | None,
    threshold: float | None,
    level: Literal["document", "passage"],
    as_json: bool,
    as_jsonl: bool,
    as_csv: bool,
) -> None:
    """Find groups of near-duplicates. It only reports: no file is changed.

    Each group has a keeper, its first document by name, and every other member is within the threshold of that keeper
    itself. Every pair is compared, exactly: there is no limit on neighbours. exact means that the texts are equal
    after cleaning, near that the model finds them alike.

    Documents of several passages are compared both ways: each passage of one with its best match in the other,
    weighted by length; the smaller of the two means counts, so a part is no duplicate of the whole.
    """
    from semsearch.index import Index

    with Index.open(folder) as index, render.progress("compare", "rows") as bar:

        def show(done: int, total: int) -> None:
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done, total=total)

        saved = index.threshold
        found = index.duplicates(threshold, level=level, progress=show)
    if threshold is not None:
        origin = "given"
    elif saved:
        origin = f"tuned on {saved['pairs']}"
    else:
        origin = "a default, not tuned: see `semsearch tune`"
    if as_json:
        render.emit_json(
            {
                "threshold": found.threshold,
                "threshold_origin": origin,
                "level": level,
                "total": found.total,
                "exact": found.exact,
                "near": found.near,
                "fraction": found.fraction,
                "groups": _groups(found),
            }
        )
    elif as_jsonl:
        render.emit_jsonl(_groups(found))
    elif as_csv:
        click.echo(_table(found), nl=False)
    else:
        _show(found)
    total = render.plural(found.total, level)
    render.talk(
        f"{render.plural(len(found.groups), 'group')}: {found.exact + found.near:,} of {total} ({found.fraction:.1%})"
        f" repeat another, {found.exact:,} exactly and {found.near:,} nearly"
    )
    render.talk(f"threshold {found.threshold:g} ({origin})")


def _groups(found: "Duplicates") -> list[dict[str, Any]]:
    """Groups as JSON has them."""
    return [
        {"group": number, **asdict(group), "weakest": group.weakest}
        for number, group in enumerate(found.groups, 1)
    ]


def _table(found: "Duplicates") -> str:
    """Groups as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("group", "role", "document", "similarity"))
    for number, group in enumerate(found.groups, 1):
        writer.writerow((number, "keeper", render.name(group.keeper), ""))
        writer.writerows(
            (
                number,
                "exact" if member.exact else "near",
                render.name(member.name),
                f"{member.similarity:.6f}",
            )
            for member in group.members
        )
    return out.getvalue()


def _show(found: "Duplicates") -> None:
    """Groups for people."""
    for number, group in enumerate(found.groups, 1):
        heading = (
            f"group {number}: {len(group.members) + 1} {found.level}s, the weakest at {group.weakest:.4f}"
        )
        click.secho(heading, bold=True) if render.coloured() else click.echo(heading)
        rows = [("keeper", "", group.keeper)]
        rows += [("exact" if m.exact else "near", f"{m.similarity:.4f}", m.name) for m in group.members]
        for role, similarity, document in rows:
            click.echo(f"  {role:<6}  {similarity:6}  {render.name(document)}")
        click.echo()
    if not found.groups:
        click.echo("no duplicates")
