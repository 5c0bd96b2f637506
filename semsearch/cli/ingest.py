"""Run `semsearch ingest`."""

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
@click.option("--dry-run", is_flag=True, help="Report what would change, and write nothing.")
@click.option("--watch", is_flag=True, help="Keep running, and update the index whenever files change.")
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
    """Index files and folders, or bring their index up to date.

    PATH is a file, a folder, or - for standard input. Folders are searched for files. Files that .gitignore or
    .semsearchignore names are skipped, and so are hidden, binary and too large files. It reads HTML, PDF, DOCX, and any
    file that is text, such as Markdown. Of a CSV, TSV or JSONL file, each row is a document.

    Run it again at any time: unchanged files cost nothing, changed files are replaced, and deleted files are removed
    from the index. If there is no index, it creates one in ./.semsearch.

    With --watch it keeps running until Ctrl-C or SIGTERM, and then exits with code 0. It prints each source that it
    adds, updates or removes to standard error. The index is locked only while it is written to.
    """
    from semsearch.errors import InvalidInput
    from semsearch.index import FOLDER, Index, locate
    from semsearch.ingest.survey import Survey
    from semsearch.readers import RowFields

    if watch and (as_json or dry_run or "-" in paths):
        raise click.UsageError("--watch cannot be used with --json, --dry-run or standard input")
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
            render.talk(f"created an index in {render.relative(where)}")
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
                _summarize(report, verbose)
                _keep_up_to_date(index, roots, fields, max_size)
                return
    if as_json:
        render.emit_json(serialize.ingest_json(report))
    _summarize(report, verbose)
    if report.failed:
        raise click.exceptions.Exit(3)


def _keep_up_to_date(index: "Index", roots: list[Path], fields: "RowFields", max_size: int) -> None:
    """Update the index after each burst of changes, until Ctrl-C or SIGTERM."""
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
                        on_change=lambda change, source: render.talk(f"{change} {render.name(source)}"),
                    )
                    break
                except IndexLocked as error:
                    render.talk(f"waiting: {error}")
            render.tell_skipped([skipped for skipped in report.failed if skipped not in failed])
            failed = set(report.failed)
            if not burst:  # this ingest has also read what changed before the watch began
                render.talk(f"watching {', '.join(render.name(str(root)) for root in roots)}; Ctrl-C ends it")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block, and report that. A write in progress is completed or undone as a whole."""
    import signal

    from semsearch.cli import interruptible

    try:
        with interruptible(signal.SIGINT, signal.SIGTERM):
            yield
    except KeyboardInterrupt:
        render.talk("ended")


def _summarize(report: "IngestReport", verbose: bool) -> None:
    """Print the summary for people on standard error."""
    skipped = f"{len(report.skipped):,} skipped"
    if report.added or report.updated or report.removed:
        counts = ", ".join(
            f"{getattr(report, what):,} {what}" for what in ("added", "updated", "unchanged", "removed")
        )
        render.talk(f"{'dry run: ' if report.dry_run else ''}{counts}, {skipped}")
    else:
        render.talk(f"nothing to do: {report.unchanged:,} unchanged, {skipped}")
    if report.documents:
        render.talk(
            f"read {render.plural(report.documents, 'document')} with {render.plural(report.passages, 'passage')}"
            f" and embedded {render.plural(report.embedded, 'new text')} in {report.seconds:.1f} s"
        )
    render.tell_skipped(report.skipped, verbose=verbose)
    if report.oov_rates:
        from semsearch.types import HIGH_OOV_RATE

        source, rate = max(report.oov_rates, key=lambda source: source[1])
        render.talk(
            f"warning: in {render.plural(len(report.oov_rates), 'source')}, {HIGH_OOV_RATE:.0%} or more of the tokens"
            f" are outside the model's vocabulary ({rate:.0%} in {render.name(source)}): scores there mean little"
        )
        render.talk(f"hint: create a new index with a multilingual model, such as --model {_MULTILINGUAL}")
