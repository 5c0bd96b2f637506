"""`semsearch check`, `semsearch repair` and `semsearch forget`: keep an index sound and private."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render

if TYPE_CHECKING:
    from semsearch.storage.forget import Forgotten


@options.command(
    "check",
    short_help="Verify the index.",
    examples=("semsearch check", "semsearch check --json"),
    codes=(0, 1, 2, 10, 11, 12, 13),
    settings=("wait",),
)
@options.index
@options.as_json
def check_(folder: Path | None, wait: float, as_json: bool) -> None:
    """Read the whole index and verify it.

    The check reads the Library's database, compares every text and vector with its checksum, and compares Chroma's
    passages and vectors with the Library. It first completes a run that was interrupted. The exit code is 13 if
    anything is wrong.
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


@options.command(
    "repair",
    examples=("semsearch repair",),
    codes=(0, 1, 2, 3, 10, 11, 12, 13),
    settings=("wait",),
)
@options.index
@options.as_json
def repair_(folder: Path | None, wait: float, as_json: bool) -> None:
    """Rebuild the vector index from the Library. No file is read and no text embedded.

    The Library is a SQLite database with all documents, texts and vectors. If it is damaged, the command first saves
    the readable part and keeps the damaged file next to it. It then names the lost sources and ends with exit code 3.
    The next ingest reads all files and embeds the lost texts.
    """
    from semsearch.index import Index, locate
    from semsearch.storage.check import salvage_damaged

    found = locate(folder)
    saved = salvage_damaged(found, wait=wait) if found and (found / "library.sqlite3").is_file() else None
    if saved is not None:
        render.talk(f"the Library was damaged; the damaged file is kept as {render.relative(saved.backup)}")
        render.talk(
            f"saved {render.plural(saved.sources, 'source')}, {render.plural(saved.passages, 'passage')};"
            f" {len(saved.lost):,} lost"
        )
        for source in saved.lost:
            render.talk(f"  lost: {render.name(source)}")
        render.talk("hint: semsearch ingest reads all files and embeds the lost texts")
    with Index.open(folder, wait=wait) as index, render.counting("repair", "passages") as progress:
        count = index.repair(progress)
    if as_json:
        render.emit_json(serialize.repair_json(count, saved))
    render.talk(f"rebuilt the vector index: {render.plural(count, 'passage')}")
    if saved is not None and saved.lost:
        raise click.exceptions.Exit(3)


@options.command(
    "forget",
    short_help="Remove a source from every file of the index.",
    examples=("semsearch forget notes/private.md --verify",),
    codes=(0, 1, 2, 10, 11, 12, 13),
    settings=("wait",),
)
@click.argument("source")
@click.option(
    "--verify", is_flag=True, help="Then search all files of the index for the texts and vectors of SOURCE."
)
@options.index
@options.as_json
def forget_(source: str, verify: bool, folder: Path | None, wait: float, as_json: bool) -> None:
    """Remove SOURCE from the index as `remove` does, and rewrite every file of the index that contained it.

    After `remove` no search finds SOURCE, but its bytes can stay in the index's files until they are overwritten.
    Neither command changes the file of SOURCE or its copies in a quarantine. Deleted files can survive in free disk
    space and in snapshots; this command cannot remove them there.
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
        render.talk(f"{render.plural(done.short, 'text')} shorter than 8 bytes cannot be searched for")
    if not done.pieces:
        render.talk(_nothing_to_search(done))
        return
    looked = f"{render.plural(done.pieces, 'piece')} of its texts and vectors"
    if not done.left:
        render.talk(f"verified: the {render.plural(done.files, 'file')} of {where} contain none of {looked}")
        return
    render.talk(f"some of {looked} remain in:")
    for name in done.left:
        render.talk(f"  {render.name(name)}")
    raise click.exceptions.Exit(1)


def _nothing_to_search(done: "Forgotten") -> str:
    """Return why a search for a forgotten source was not needed."""
    if not done.passages:
        return "it had no text in the index, so no file had to be searched"
    return "other sources have the same text and keep it, so no file had to be searched"
