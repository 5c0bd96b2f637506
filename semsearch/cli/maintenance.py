"""`semsearch check`, `semsearch repair` and `semsearch forget`."""

from pathlib import Path

import click

from semsearch import serialize
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
        render.emit_json(serialize.check_json(found))
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
        codes=(0, 1, 2, 3, 10, 11, 12, 13),
    ),
)
@options.index
@options.wait
@options.as_json
def repair_(folder: Path | None, wait: float, as_json: bool) -> None:
    """Make the vector index anew from what the Library holds. Nothing is read or embedded again.

    Documents, texts and vectors are in the Library, a SQLite database of its own. Where that is damaged, what can be
    read of it is saved first, and the damaged file is kept beside it; sources that are lost are named, the command ends
    with 3, and the next ingest reads all files again, and embeds what was lost.
    """
    from semsearch.index import Index, locate
    from semsearch.storage.check import mend

    found = locate(folder)
    saved = mend(found, wait=wait) if found and (found / "library.sqlite3").exists() else None
    if saved is not None:
        render.talk(f"the Library was damaged, and is kept as {render.relative(saved.backup)}")
        render.talk(
            f"saved {render.plural(saved.sources, 'source')}, {render.plural(saved.passages, 'passage')};"
            f" {len(saved.lost):,} lost"
        )
        for source in saved.lost:
            render.talk(f"  lost: {render.name(source)}")
        render.talk("hint: semsearch ingest, which reads all files again and embeds what was lost")
    with Index.open(folder, wait=wait) as index, render.counting("repair", "passages") as progress:
        count = index.repair(progress)
    if as_json:
        render.emit_json(serialize.repair_json(count, saved))
    render.talk(f"made the vector index anew: {render.plural(count, 'passage')}")
    if saved is not None and saved.lost:
        raise click.exceptions.Exit(3)


@click.command(
    "forget",
    short_help="Remove a source from every file of the index.",
    epilog=options.closing(
        ("semsearch forget notes/private.md --verify",),
        codes=(0, 1, 2, 10, 11, 12, 13),
    ),
)
@click.argument("source")
@click.option(
    "--verify", is_flag=True, help="Search all files of the index for its texts and vectors afterwards."
)
@options.index
@options.wait
@options.as_json
def forget_(source: str, verify: bool, folder: Path | None, wait: float, as_json: bool) -> None:
    """Take SOURCE out of the index as `remove` does, and write every file of the index that held it anew.

    What `remove` takes out cannot be found, but its bytes may stay in the index's files until they are used again.
    The file of SOURCE is left alone, and so are copies of it in a quarantine; what a disk or its snapshots keep of
    files that are no more is beyond this.
    """
    from semsearch.index import Index

    with Index.open(folder, wait=wait) as index:
        done = index.forget(source, verify=verify)
        where = render.relative(index.folder)
    if as_json:
        render.emit_json(serialize.forgotten_json(done))
    render.talk(f"forgot {render.plural(done.sources, 'source')}, {render.plural(done.passages, 'passage')}")
    if not verify:
        return
    if done.short:
        render.talk(f"{render.plural(done.short, 'text')} of less than 8 bytes cannot be looked for")
    if not done.pieces:
        render.talk("there is nothing to look for: other sources say all of it as well, or it is too short")
        return
    looked = f"{render.plural(done.pieces, 'piece')} of its texts and vectors"
    if not done.left:
        render.talk(
            f"verified: none of {looked} is left in the {render.plural(done.files, 'file')} of {where}"
        )
        return
    render.talk(f"of {looked} some are left in:")
    for name in done.left:
        render.talk(f"  {render.name(name)}")
    raise click.exceptions.Exit(1)
