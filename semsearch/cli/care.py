"""`semsearch check` and `semsearch repair`."""

from dataclasses import asdict
from pathlib import Path

import click

from semsearch.cli import options, render


@click.command(
    "check",
    short_help="Prove the index sound.",
    epilog=options.closing(
        ("semsearch check", "semsearch check --json"),
        codes=(0, 1, 2, 10, 11, 12, 13),
    ),
)
@options.index
@options.wait
@options.as_json
def check_(folder: Path | None, wait: float, as_json: bool) -> None:
    """Read all of the index and prove it sound.

    Looks at the Library's database, that every text and vector is the one that was stored, and that Chroma holds
    every passage with its vector, and nothing else. What a run that was cut off has left is completed first. Ends
    with 13 where anything is wrong.
    """
    from semsearch.index import Index

    with Index.open(folder, wait=wait) as index:
        found = index.check()
    if as_json:
        render.emit_json(asdict(found) | {"sound": found.sound})
    else:
        for finding in found.findings:
            click.echo(
                f"{finding.subject:<12} {'damaged' if finding.problems else 'ok':<8} {finding.note}".rstrip()
            )
            for problem in finding.problems:
                click.echo(f"  {render.name(problem)}")
    if not found.sound:
        render.talk(f"{render.relative(found.folder)} is damaged")
        render.talk("hint: semsearch repair")
        raise click.exceptions.Exit(13)


@click.command(
    "repair",
    epilog=options.closing(
        ("semsearch repair",),
        codes=(0, 1, 2, 10, 11, 12, 13),
    ),
)
@options.index
@options.wait
@options.as_json
def repair_(folder: Path | None, wait: float, as_json: bool) -> None:
    """Make the vector index anew from what the Library holds. Nothing is read or embedded again.

    For an index whose Chroma files are damaged, as a power cut can leave them. Documents, texts and vectors are in the
    Library, which is a SQLite database of its own; if that is damaged, ingest into a new index.
    """
    from semsearch.index import Index

    with Index.open(folder, wait=wait) as index, render.counting("repair", "passages") as progress:
        count = index.repair(progress)
    if as_json:
        render.emit_json({"passages": count})
    render.talk(f"made the vector index anew: {render.plural(count, 'passage')}")
