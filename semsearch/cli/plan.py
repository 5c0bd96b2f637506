"""`semsearch apply` and `semsearch undo`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render

if TYPE_CHECKING:
    from semsearch.dedup.quarantine import Outcome

_quarantine = click.option(
    "--quarantine",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where moved files are kept, on their file system. Default: quarantine/ in the index's folder.",
)


@click.command(
    "apply",
    short_help="Carry out a plan: move near-duplicates to a quarantine.",
    epilog=options.closing(
        (
            "semsearch apply plan.json --dry-run",
            "semsearch apply plan.json",
            "semsearch apply plan.json --hardlink",
            "semsearch apply plan.json --output clean.jsonl",
        ),
        codes=(0, 1, 2, 10, 11, 12, 13),
    ),
)
@click.argument("plan", type=click.Path(path_type=Path))
@options.index
@_quarantine
@click.option(
    "--hardlink",
    is_flag=True,
    help="Move nothing: make each file that has the very bytes of its keeper a hard link to it, which frees space.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For a plan about rows of one CSV, TSV or JSONL file: write that file without them. It stays as it is.",
)
@click.option("--force", is_flag=True, help="Let --output overwrite a file that is there.")
@click.option("--dry-run", is_flag=True, help="Check everything, change nothing.")
@options.wait
@options.as_json
def apply_(
    plan: Path,
    folder: Path | None,
    quarantine: Path | None,
    hardlink: bool,
    output: Path | None,
    force: bool,
    dry_run: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Carry out PLAN, a file that `semsearch dedup --plan` wrote: move what it removes to the quarantine.

    Nothing is deleted: `semsearch undo` puts all of it back. A file moves only if it and its keeper still have the
    digests of the plan, are sources of the index, and are reached through no symbolic link; what is refused stays,
    with its reason, and the exit code is 1. Cut off at any point, the same command goes on where it was.

    What has been moved is in the index no more. To be rid of it for good, delete the run's folder in the quarantine.
    """
    from semsearch.dedup.plan import Plan
    from semsearch.index import Index

    steps = Plan.load(plan)
    with Index.open(folder, wait=wait) as index:
        outcome = index.apply(
            steps, quarantine=quarantine, hardlink=hardlink, output=output, force=force, dry_run=dry_run
        )
    done, already = ("linked", "linked before") if outcome.mode == "hardlink" else ("moved", "moved before")
    _show(outcome, f"to be {done}" if dry_run else done, already, as_json)
    if output is not None and outcome.written is not None:
        render.talk(f"wrote {render.plural(outcome.written, 'row')} to {render.relative(output)}")
    elif output is None and outcome.rows:
        render.talk(
            f"{render.plural(outcome.rows, 'row')} to remove: --output FILE writes their file without them"
        )
    if outcome.run and not dry_run:
        render.talk(f"take it back: semsearch undo {outcome.run}")
    _end(outcome)


@click.command(
    "undo",
    short_help="Put back what `apply` took away.",
    epilog=options.closing(
        (
            "semsearch undo --list",
            "semsearch undo",
            "semsearch undo 20260504T030201Z-1f2e3d4c",
        ),
        codes=(0, 1, 2, 10, 11, 12, 13),
    ),
)
@click.argument("run", default="", metavar="[RUN]")
@options.index
@_quarantine
@click.option("--list", "only_list", is_flag=True, help="List the runs that can be undone, the latest last.")
@options.wait
@options.as_json
def undo_(
    run: str, folder: Path | None, quarantine: Path | None, only_list: bool, wait: float, as_json: bool
) -> None:
    """Put back what RUN of `semsearch apply` took away; without RUN, the latest that is not undone.

    Each file returns to its place with its permissions and its time; hard links become files of their own. Nothing is
    overwritten: where something new is at a place, the file stays in the quarantine and the exit code is 1. Cut off at
    any point, the same command goes on where it was.
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
        outcome = index.undo(run, quarantine=quarantine)
    if not outcome.run:
        render.talk("nothing to undo")
    _show(outcome, "put back", "in place", as_json)
    if outcome.mode == "move" and outcome.done:
        render.talk("run `semsearch ingest` to search them again")
    _end(outcome)


def _show(outcome: "Outcome", done: str, already: str, as_json: bool) -> None:
    """What became of each source, one a line, and the counts."""
    if as_json:
        render.emit_json(serialize.outcome_json(outcome))
    else:
        for source in outcome.done:
            click.echo(f"{done}  {render.name(source)}")
    for refusal in outcome.refused:
        render.talk(f"refused  {render.name(refusal.source)}: {render.name(refusal.reason)}")
    counts = ((done, outcome.done), (already, outcome.already), ("refused", outcome.refused))
    parts = [f"{len(which):,} {what}" for what, which in counts if which]
    if parts:
        render.talk(", ".join(parts))


def _end(outcome: "Outcome") -> None:
    if outcome.refused:
        click.get_current_context().exit(1)
