"""`semsearch ingest`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render

if TYPE_CHECKING:
    from semsearch.index import Index
    from semsearch.ingest.report import IngestReport
    from semsearch.readers import RowFields
    from semsearch.types import Skipped

_MULTILINGUAL = "paraphrase-multilingual-MiniLM-L12-v2"


@click.command(
    "ingest",
    epilog=options.closing(
        (
            "semsearch ingest docs/ notes.md",
            "semsearch ingest tickets.jsonl --text-field body --id-field key",
            "git log --format=%B | semsearch ingest -",
            "semsearch ingest --watch notes",
        ),
        codes=(0, 1, 2, 3, 11, 12, 13),
    ),
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="PATH...")
@options.index
@options.text_field
@options.id_field
@click.option(
    "--max-size",
    type=options.Size(),
    default="50MB",
    show_default=True,
    metavar="SIZE",
    help="Skip files larger than this.",
)
@options.model
@options.dtype
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
@click.option("--watch", is_flag=True, help="Go on: bring the index up to date whenever files change.")
@click.option("-v", "--verbose", is_flag=True, help="List every file that was skipped.")
@options.wait
@options.as_json
def ingest_(
    paths: tuple[str, ...],
    folder: Path | None,
    text_field: tuple[str, ...],
    id_field: str,
    max_size: int,
    model: str | None,
    dtype: str | None,
    dry_run: bool,
    watch: bool,
    verbose: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Index files and folders, or bring them up to date.

    PATH is a file, a folder, or - for standard input. Folders are walked; what .gitignore and .semsearchignore
    name is left out, and so are hidden, binary and over-large files. Text, Markdown, reStructuredText, HTML, PDF,
    DOCX, and CSV, TSV and JSONL row by row are read, and any other file that is text.

    Run it again at any time: unchanged files cost nothing, changed ones are replaced, vanished ones removed.
    The index is made as ./.semsearch when there is none yet.

    With --watch it goes on until Ctrl-C or SIGTERM, which is exit code 0, and says on standard error what it adds,
    updates and removes. The index is locked only while something is written to it.
    """
    from semsearch.errors import InvalidInput
    from semsearch.index import FOLDER, Index, locate
    from semsearch.ingest.survey import Survey
    from semsearch.readers import RowFields

    if watch and (as_json or dry_run or "-" in paths):
        raise click.UsageError(
            "--watch goes with neither --json nor --dry-run, and cannot watch standard input"
        )
    roots = [Path(path) for path in paths if path != "-"]
    for root in roots:
        if not root.exists() and not root.is_symlink():
            raise InvalidInput(f"{root} does not exist", f"relative paths start at {Path.cwd()}")
    standard_input = None
    if "-" in paths:
        content = sys.stdin.buffer.read(max_size + 1)
        if len(content) > max_size:
            raise InvalidInput(f"standard input is larger than {render.size(max_size)}", "raise --max-size")
        standard_input = content.decode("utf-8", "replace")
    fields = RowFields(text_field, id_field)
    where = locate(folder) or Path.cwd() / FOLDER
    exists = (where / "library.sqlite3").exists()
    if dry_run and not exists:
        report = Survey({}, Path.cwd(), roots, fields, max_size).report(standard_input is not None)
    else:
        if exists:
            index = Index.open(where, model=model, dtype=dtype, wait=wait)
        else:
            index = Index.create(
                where, model=model or "all-MiniLM-L6-v2", dtype=dtype or "float32", wait=wait
            )
            render.talk(f"made a new index in {render.relative(where)}")
        with index:
            with render.counting("ingest", "passages") as show:
                report = index.ingest(
                    roots,
                    standard_input=standard_input,
                    fields=fields,
                    max_bytes=max_size,
                    dry_run=dry_run,
                    progress=lambda step: show(step.done, step.total, step.passages),
                )
            if watch:
                _summarise(report, verbose)
                _watch(index, roots, fields, max_size)
                return
    if as_json:
        render.emit_json(serialize.ingest_json(report))
    _summarise(report, verbose)
    if report.failed:
        raise click.exceptions.Exit(3)


def _watch(index: "Index", roots: list[Path], fields: "RowFields", max_size: int) -> None:
    """Bring the index up to date after each burst of changes, until the process is told to end."""
    from semsearch.errors import IndexLocked

    failed: set[Skipped] = set()
    with _ended_by_signals():
        for burst, _ in enumerate(index.changes(roots)):
            while True:
                try:
                    report = index.ingest(
                        roots,
                        fields=fields,
                        max_bytes=max_size,
                        tell=lambda change, source: render.talk(f"{change} {render.name(source)}"),
                    )
                    break
                except IndexLocked as error:
                    render.talk(f"waiting: {error}")
            render.tell_skipped([skipped for skipped in report.failed if skipped not in failed])
            failed = set(report.failed)
            if not burst:  # what changed between the first ingest and now has been seen too
                render.talk(f"watching {', '.join(render.name(str(root)) for root in roots)}; Ctrl-C ends it")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block, and say so. What is being written then is there whole or not at all."""
    import signal

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        render.talk("ended")
    finally:
        signal.signal(signal.SIGTERM, before)


def _summarise(report: "IngestReport", verbose: bool) -> None:
    """The summary for people, on standard error."""
    counts = ", ".join(
        f"{getattr(report, what):,} {what}" for what in ("added", "updated", "unchanged", "removed")
    )
    render.talk(f"{'would be: ' if report.dry_run else ''}{counts}, {len(report.skipped):,} skipped")
    if not report.dry_run:
        render.talk(
            f"{render.plural(report.documents, 'document')} in {render.plural(report.passages, 'passage')},"
            f" {report.embedded:,} of them new to the model, in {report.seconds:.1f} s"
        )
    render.tell_skipped(report.skipped, verbose=verbose)
    if report.unknown:
        worst = max(report.unknown, key=lambda source: source[1])
        render.talk(
            f"warning: the model does not know much of the text of {render.plural(len(report.unknown), 'source')}:"
            f" {worst[1]:.0%} of the tokens of {render.name(worst[0])}, so scores there mean little"
        )
        render.talk(f"hint: a new index with a multilingual model, such as --model {_MULTILINGUAL}")
