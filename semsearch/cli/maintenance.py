"""`semsearch check`, `semsearch repair` and `semsearch forget`: keep an index sound and private."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render
from semsearch.cli.language import tr, translated
from semsearch.cli.wide import padded

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
            state = tr("damaged") if finding.problems else tr("unknown") if finding.unknown else tr("ok")
            subject = padded(tr(finding.subject), 12)
            click.echo(f"{subject} {padded(state, 8)} {translated(finding.unknown or finding.note)}".rstrip())
            for problem in finding.problems:
                click.echo(f"  {render.name(translated(problem))}")
    if not found.sound:
        render.talk(tr("{folder} is damaged").format(folder=render.relative(found.folder)))
        render.talk(tr("hint: {hint}").format(hint="semsearch repair"))
        raise click.exceptions.Exit(13)
    if any(finding.unknown for finding in found.findings):
        raise click.exceptions.Exit(1)


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
        backup = render.relative(saved.backup)
        render.talk(tr("the Library was damaged; the damaged file is kept as {file}").format(file=backup))
        render.talk(
            tr("saved {sources}, {passages}; {lost:,} lost").format(
                sources=render.plural(saved.sources, "source"),
                passages=render.plural(saved.passages, "passage"),
                lost=len(saved.lost),
            )
        )
        for source in saved.lost:
            render.talk(tr("  lost: {source}").format(source=render.name(source)))
        render.talk(
            tr("hint: {hint}").format(hint=tr("semsearch ingest reads all files and embeds the lost texts"))
        )
    with Index.open(folder, wait=wait) as index, render.counting("repair", "passages") as progress:
        count = index.repair(progress)
    if as_json:
        render.emit_json(serialize.repair_json(count, saved))
    passages = render.plural(count, "passage")
    render.talk(tr("rebuilt the vector index: {passages}").format(passages=passages))
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

    Labels and verdicts on duplicates that the index keeps go with their documents. After `remove` no search finds
    SOURCE, but its bytes can stay in the index's files until they are overwritten. Neither command changes the file of
    SOURCE or its copies in a quarantine. Deleted files can survive in free disk space and in snapshots; this command
    cannot remove them there.

    An older copy of the vectors may be on a server that cannot be asked. It is named, the exit code is 1, and the next
    command that writes tries to remove it.
    """
    from semsearch.index import Index

    with Index.open(folder, wait=wait) as index:
        done = index.forget(source, verify=verify)
        where = render.relative(index.folder)
        remains = Path(source).exists() or index.path_of(source).exists()
    if as_json:
        render.emit_json(serialize.forgotten_json(done))
    counts = (render.plural(done.sources, "source"), render.plural(done.passages, "passage"))
    render.talk(tr("forgot {sources}, {passages}").format(sources=counts[0], passages=counts[1]))
    if remains and done.sources:
        said = tr("{file} is still there, and the next ingest adds it again: name it in .semsearchignore")
        render.talk(said.format(file=render.name(source)))
    for name in done.unremoved:
        render.tell_note(tr("an older copy of the vectors could not be removed: {copy}").format(copy=name))
    for name in done.elsewhere:
        said = tr("an older copy of the vectors may be on a server unknown to this machine: {copy}")
        render.tell_note(said.format(copy=name))
    if verify:
        _tell_traces(done, where)
    if done.left or done.unremoved:
        raise click.exceptions.Exit(1)


def _tell_traces(done: "Forgotten", where: str) -> None:
    """Say what a search for a forgotten source found."""
    if done.short:
        short = render.plural(done.short, "text")
        render.talk(tr("{texts} shorter than 8 bytes cannot be searched for").format(texts=short))
    if not done.pieces:
        render.talk(_nothing_to_search(done))
        return
    pieces = render.plural(done.pieces, "piece")
    if not done.left:
        said = tr("verified: the {files} of {folder} contain none of {pieces} of its texts and vectors")
        render.talk(said.format(files=render.plural(done.files, "file"), folder=where, pieces=pieces))
        return
    render.talk(tr("some of {pieces} of its texts and vectors remain in:").format(pieces=pieces))
    for name in done.left:
        render.talk(f"  {render.name(name)}")


def _nothing_to_search(done: "Forgotten") -> str:
    """Return why a search for a forgotten source was not needed."""
    if not done.passages:
        return tr("it had no text in the index, so no file had to be searched")
    return tr("other sources have the same text and keep it, so no file had to be searched")
