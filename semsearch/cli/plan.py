"""`semsearch apply` and `semsearch undo`: carry out a plan, and take it back."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render
from semsearch.cli.language import tr, translated
from semsearch.cli.wide import cells

if TYPE_CHECKING:
    from semsearch.dedup.quarantine import Outcome

_COUNTS = {
    "moved": "{count:,} moved",
    "to be moved": "{count:,} to be moved",
    "moved before": "{count:,} moved before",
    "linked": "{count:,} linked",
    "to be linked": "{count:,} to be linked",
    "linked before": "{count:,} linked before",
    "put back": "{count:,} put back",
    "in place": "{count:,} in place",
    "refused": "{count:,} refused",
}
"""The outcomes of sources, each with the text that counts them."""
_quarantine = click.option(
    "--quarantine",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for moved files, on their file system. Default: quarantine/ in the index's folder.",
)
_allow = click.option(
    "--allow",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="Also move files in DIR, outside the folder that has the index. An index from elsewhere may name any file.",
)


@options.command(
    "apply",
    short_help="Carry out a plan: move near-duplicates to a quarantine.",
    examples=(
        "semsearch apply plan.json --dry-run",
        "semsearch apply plan.json",
        "semsearch apply plan.json --hardlink",
        "semsearch apply plan.json --output clean.jsonl",
    ),
    codes=(0, 1, 2, 10, 11, 12, 13),
    settings=("wait",),
)
@click.argument("plan", type=click.Path(path_type=Path))
@options.index
@_quarantine
@_allow
@click.option(
    "--hardlink",
    is_flag=True,
    help="Instead of moving files, replace each exact copy with a hard link to its keeper, which frees space.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the CSV, TSV or JSONL file of the plan without the removed rows; the file itself stays.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing --output file.")
@click.option("--dry-run", is_flag=True, help="Check every step, but change nothing.")
@options.as_json
def apply_(
    plan: Path,
    folder: Path | None,
    quarantine: Path | None,
    allow: tuple[Path, ...],
    hardlink: bool,
    output: Path | None,
    force: bool,
    dry_run: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Carry out PLAN, a file from `semsearch plan`: move near-duplicates to the quarantine.

    Nothing is deleted; `semsearch undo` moves all files back. A file moves only if it and its keeper are unchanged
    sources of the index and are not reached through a symbolic link. Files outside the folder that has the index need
    --allow. Other files stay, with the reason, and the exit code is 1. After an interruption, run the same command
    again.

    Moved files leave the index. To delete them for good, delete the run's folder in the quarantine.
    """
    from semsearch.dedup.plan import Plan
    from semsearch.index import Index

    steps = Plan.load(plan)
    with Index.open(folder, wait=wait) as index:
        outcome = index.apply(
            steps,
            quarantine=quarantine,
            hardlink=hardlink,
            output=output,
            force=force,
            dry_run=dry_run,
            allow=allow,
        )
    linked = outcome.mode == "hardlink"
    done, already = ("linked", "linked before") if linked else ("moved", "moved before")
    if dry_run:
        done = "to be linked" if linked else "to be moved"
    _show_outcome(outcome, done, already, as_json)
    if output is not None and outcome.written is not None:
        rows = render.plural(outcome.written, "row")
        render.talk(tr("wrote {rows} to {file}").format(rows=rows, file=render.relative(output)))
    elif output is None and outcome.rows:
        rows = render.plural(outcome.rows, "row")
        render.talk(tr("{rows} to remove: --output FILE writes their file without them").format(rows=rows))
    if outcome.run and not dry_run:
        render.talk(tr("take it back: semsearch undo {run}").format(run=outcome.run))
    _exit_if_refused(outcome)


@options.command(
    "undo",
    short_help="Undo an `apply`: move the quarantined files back.",
    examples=(
        "semsearch undo --list",
        "semsearch undo",
        "semsearch undo 20260504T030201Z-1f2e3d4c",
    ),
    codes=(0, 1, 2, 10, 11, 12, 13),
    settings=("wait",),
)
@click.argument("run", default="", metavar="[RUN]")
@options.index
@_quarantine
@_allow
@click.option("--list", "only_list", is_flag=True, help="List the runs that can be undone, latest last.")
@options.as_json
def undo_(
    run: str,
    folder: Path | None,
    quarantine: Path | None,
    allow: tuple[Path, ...],
    only_list: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Undo RUN of `semsearch apply`, by default the latest run: move the quarantined files back.

    Each file returns with its permissions and its time; hard links become separate files. Nothing is overwritten: if
    a place is taken, the file stays in the quarantine and the exit code is 1. After an interruption, run the same
    command again.

    A run that was copied from elsewhere is not undone without --allow, which says where its files may go.
    """
    from semsearch.index import Index

    with Index.open(folder, wait=wait) as index:
        if only_list:
            found = index.runs(quarantine=quarantine)
            if as_json:
                render.emit_json(serialize.runs_json(found))
            else:
                for one in found:
                    click.echo(f"{one.name}  {one.mode}  {render.plural(len(one.removals), 'file')}")
            return
        outcome = index.undo(run, quarantine=quarantine, allow=allow)
    if not outcome.run:
        render.talk(tr("nothing to undo"))
    _show_outcome(outcome, "put back", "in place", as_json)
    if outcome.mode == "move" and outcome.done:
        render.talk(tr("run `semsearch ingest` to search them again"))
    _exit_if_refused(outcome)


def _show_outcome(outcome: "Outcome", done: str, already: str, as_json: bool) -> None:
    """Print the result for each source, and the counts."""
    if as_json:
        render.emit_json(serialize.outcome_json(outcome))
    else:
        for source in outcome.done:
            show_step(done, source, outcome.copy_of.get(source, ""))
    for refusal in outcome.refused:
        reason = render.name(translated(refusal.reason))
        render.talk(
            tr("refused  {source}: {reason}").format(source=render.name(refusal.source), reason=reason)
        )
    counts = ((done, outcome.done), (already, outcome.already), ("refused", outcome.refused))
    parts = [tr(_COUNTS[what]).format(count=len(which)) for what, which in counts if which]
    if parts:
        render.talk(tr(", ").join(parts))


def show_step(what: str, document: str, copy_of: str) -> None:
    """Print what happens to a document, and below it what it is a copy of, if that is known."""
    click.echo(f"{tr(what)}  {render.name(document)}")
    if copy_of:
        click.echo(f"{' ' * cells(tr(what))}  {render.name(translated(copy_of))}")


def _exit_if_refused(outcome: "Outcome") -> None:
    if outcome.refused:
        click.get_current_context().exit(1)
