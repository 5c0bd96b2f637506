"""`semsearch status` and `semsearch remove`: list an index and remove sources from it."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semsearch import serialize
from semsearch.cli import facets, options, render
from semsearch.cli.language import tr, translated
from semsearch.cli.wide import padded

if TYPE_CHECKING:
    from semsearch.ingest.explain import SourceStatus

_MOST_ROOTS = 8


@options.command(
    "status",
    short_help="Show the model, the contents and the size of the index.",
    examples=(
        "semsearch status",
        "semsearch status --sources",
        "semsearch status --fields",
    ),
    codes=(0, 1, 2, 10, 12, 13),
)
@options.index
@click.option(
    "--sources",
    is_flag=True,
    help="List the names of all sources, one per line, and count what is not read. --json: what `why` says of each.",
)
@click.option(
    "--fields",
    "lists_fields",
    is_flag=True,
    help="Only list the fields that a query can ask for, with their most frequent values.",
)
@options.as_json
def status_(folder: Path | None, sources: bool, lists_fields: bool, as_json: bool) -> None:
    """Show the place, the model, the contents and the size of the index, and its tuned threshold."""
    from semsearch.dedup.decision import guarantee_text
    from semsearch.index import Index

    with Index.open(folder) as index:
        if sources:
            if as_json:
                render.emit_json([serialize.source_status_json(one) for one in index.why()])
            else:
                for source in index.sources():
                    click.echo(render.name(source))
                _tell_not_read(index.why())
            return
        if lists_fields:
            found = index.fields()
            if as_json:
                render.emit_json(serialize.facets_json(found))
            elif found:
                facets.listed(found)
            else:
                render.talk(tr("no document has a field"))
            return
        status = index.status()
    if as_json:
        render.emit_json(serialize.status_json(status))
        return
    settings, counts = status.settings, status.counts
    threshold, weights = status.threshold, str(settings["weights"])
    rows = {
        "index": render.relative(status.folder),
        "model": tr(
            "{model} ({dtype}, {dimension} dimensions, passages of at most {window} tokens)"
        ).format_map(settings),
        "weights": f"SHA-256 {weights[:12]}"
        if not weights.startswith("canary:")
        else tr("known by their vectors"),
        "holds": tr(", ").join(
            render.plural(counts[what], what[:-1]) for what in ("sources", "documents", "passages")
        ),
        "size": tr(", ").join(
            f"{tr(part)} {render.size(count)}" for part, count in status.bytes.items() if count
        ),
        "last ingest": status.last_ingest or tr("never"),
        "reads": _roots(status.roots),
        "threshold": tr("{threshold:g}, tuned on {pairs} ({rule})").format_map(threshold)
        if threshold
        else tr("none saved; `semsearch tune` chooses one"),
    }
    if threshold and threshold.get("guarantee"):
        rows["threshold"] += tr("; ") + translated(guarantee_text(threshold["guarantee"]))
    if classifier := status.classifier:
        rows["classifier"] = tr("probability {probability:g}, trained on {pairs} ({rule})").format_map(
            classifier
        )
        if classifier["guarantee"]:
            rows["classifier"] += tr("; ") + translated(guarantee_text(classifier["guarantee"]))
    if status.adapted_from:
        rows["adapted"] = tr("from {model}; to go back: {command}").format(
            model=status.adapted_from, command="semsearch adapt --undo"
        )
    if status.engine != "chroma:":
        rows["engine"] = status.engine
    for label, value in rows.items():
        click.echo(f"{padded(tr(label), 12)} {render.name(str(value))}")
    for root in sorted(status.roots):
        if not os.path.lexists(status.folder.parent / root):
            gone = tr("{path} is gone; `semsearch remove {path}` drops it")
            render.talk(gone.format(path=render.name(root)))
    if status.pending:
        render.talk(
            tr("a run was interrupted or is still at work; the next command that writes completes it")
        )
    elif status.waiting:
        waiting = tr(
            "not yet in the vector engine, which no search asks: {changes}; `semsearch check` sends them"
        )
        render.talk(waiting.format(changes=render.plural(status.waiting, "change")))


def _tell_not_read(found: "Sequence[SourceStatus]") -> None:
    """Count on standard error what is not read below the paths that were ingested, by its reason."""
    reasons = Counter(one.reason for one in found if one.status == "skipped")
    for reason, count in reasons.most_common():
        said = tr("not read {count:,}: {reason}")
        render.talk(said.format(count=count, reason=render.name(translated(reason))))


def _roots(saved: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the paths that were ingested, with the options that are remembered for each."""
    from semsearch.ingest.survey import Choices

    shown = [
        f"{root} ({options})" if (options := Choices.from_saved(scope).options) else root
        for root, scope in sorted(saved.items())
    ]
    more = (
        tr(" and {count:,} more").format(count=len(shown) - _MOST_ROOTS) if len(shown) > _MOST_ROOTS else ""
    )
    return f"{tr(', ').join(shown[:_MOST_ROOTS])}{more}" or tr("nothing yet")


@options.command(
    "remove",
    short_help="Remove a source from the index.",
    examples=(
        "semsearch remove notes/old.md",
        "semsearch remove notes",
    ),
    codes=(0, 1, 2, 10, 11, 12, 13),
    settings=("wait",),
)
@click.argument("source")
@options.index
@options.as_json
def remove_(source: str, folder: Path | None, wait: float, as_json: bool) -> None:
    """Remove SOURCE, a file or a folder with all files below it, from the index. The files themselves stay.

    The next ingest of the same folder adds them again, unless .semsearchignore names them.
    """
    from semsearch.index import Index

    with Index.open(folder, wait=wait) as index:
        count = index.remove(source)
    if as_json:
        render.emit_json(serialize.removed_json(count))
    sources = render.plural(count, "source")
    render.talk(tr("removed {sources} from the index").format(sources=sources))
