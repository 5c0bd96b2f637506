"""`semsearch clusters`: what an index is about."""

import io
import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render
from semsearch.cli.language import tr
from semsearch.cli.outputs import require_apart

if TYPE_CHECKING:
    from semsearch.clustering.clusters import Cluster, Clusters
    from semsearch.tuning.metrics import Estimate
    from semsearch.types import Level

_OUTPUTS = (".csv", ".jsonl")
_BARS = "▁▂▃▄▅▆▇█"
_BATCH = 1_000
_UNSTABLE = 0.6
"""Below this stability a cluster may well be parted in another way (Hennig 2007)."""


@options.command(
    "clusters",
    short_help="Put passages or documents in named clusters by meaning.",
    examples=(
        "semsearch clusters",
        "semsearch clusters --granularity 3 --top 50",
        "semsearch clusters --level document --output clusters.csv",
        "semsearch clusters --over-time date --plot clusters.png",
    ),
    codes=(0, 1, 2, 10, 12, 13),
)
@options.index
@click.option(
    "--level",
    type=click.Choice(["passage", "document"]),
    default="passage",
    show_default=True,
    metavar="LEVEL",
    help="Cluster passages, or whole documents.",
)
@click.option(
    "--granularity",
    type=click.FloatRange(0, 1000, min_open=True),
    default=1.0,
    show_default=True,
    metavar="NUMBER",
    help="2: more, smaller ones; 0.5: fewer, larger.",
)
@click.option("--over-time", metavar="FIELD", help="Count each cluster by the dates in a field.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Most clusters to show.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write texts with their clusters: .csv, .jsonl.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw a map of the clusters: .png or .svg.",
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@options.as_json
@options.as_jsonl
def clusters_(
    folder: Path | None,
    level: "Level",
    granularity: float,
    over_time: str | None,
    top: int,
    output: Path | None,
    plot: Path | None,
    force: bool,
    as_json: bool,
    as_jsonl: bool,
) -> None:
    """Put the passages of an index, or its documents, in clusters by meaning.

    Each text is in one cluster. A cluster has a name of the words that set it apart, its most central sentence, and a
    stability: how much of it comes back when a fifth of the texts is left out, ten times. The ranges are of the same
    runs. Texts that are far from the centre of their cluster are its outliers.

    The names are kept in the index's folder, so that a cluster keeps its name when the index grows.
    """
    from semsearch.errors import InvalidInput
    from semsearch.files import require_writable
    from semsearch.index import Index
    from semsearch.requests import ClusterRequest

    request = ClusterRequest(level, granularity, over_time)
    if output is not None:  # checked before a minute of work
        if output.suffix.lower() not in _OUTPUTS:
            raise InvalidInput(f"cannot write {output}", f"the name must end in {' or '.join(_OUTPUTS)}")
        require_writable(output, force=force)
    if plot is not None:
        from semsearch.evaluation.plot import require_picture

        require_picture(plot)
        require_writable(plot, force=force)
    with Index.open(folder) as index:
        require_apart((output, plot), index)
        with render.counting("comparing", "texts") as progress:
            found = index.find_clusters(request, progress=progress)
        if as_json:
            render.emit_json(serialize.clusters_json(found))
        elif as_jsonl:
            render.emit_jsonl(serialize.clusters_json(found)["clusters"])
        else:
            _show(found, top)
        if output is not None:
            _write(found, output)
        if plot is not None:
            from semsearch.evaluation.cluster_plot import save_cluster_plot

            save_cluster_plot(found, plot)
    if found.undated:
        said = tr("{texts} without a date in {field} are in no period")
        render.tell_note(said.format(texts=render.plural(found.undated, found.level), field=over_time))
    for path in filter(None, (output, plot)):
        render.talk(tr("wrote {file}").format(file=render.relative(path)))


def _show(found: "Clusters", top: int) -> None:
    """Print the largest clusters, each in a few lines."""
    said = tr("{texts} in {clusters} ({low:,} to {high:,} where a fifth of the texts is left out)")
    click.echo(
        said.format(
            texts=render.plural(found.total, found.level),
            clusters=render.plural(len(found), "cluster"),
            low=round(found.number.low),
            high=round(found.number.high),
        )
    )
    for one in found.clusters[:top]:
        click.echo()
        for line in _lines(found, one):
            click.echo(line)
    if len(found) > top:
        hint = tr("... and {clusters} more (--top {number} shows all)")
        clusters = render.plural(len(found) - top, "cluster")
        click.echo(f"\n{hint.format(clusters=clusters, number=len(found))}")


def _lines(found: "Clusters", one: "Cluster") -> Iterator[str]:
    """Yield the lines of a cluster."""
    new = f" {tr('(new)')}" if one.new else ""
    title = f"{one.number}. {render.name(one.name)}{new}"
    yield click.style(title, bold=True) if render.coloured() else title
    share = tr("{count}, {share}").format(
        count=render.plural(one.size, found.level), share=render.ranged(one.share, "{:.1%}")
    )
    stability = tr("stability {value}").format(value=render.ranged(one.stability, "{:.2f}"))
    doubt = f" {tr('(doubtful)')}" if one.stability.value < _UNSTABLE else ""
    yield f"    {share}{tr('; ')}{stability}{doubt}"
    yield f"    {render.excerpt(one.sentence, width=74)}"
    if periods := found.over_time(one):
        yield f"    {_over_time(periods)}"
    if one.outliers:
        shown = render.excerpt(one.outliers[0].text, width=40)
        said = tr("{outliers}, such as: {text}")
        yield f"    {said.format(outliers=render.plural(one.outlier_count, 'outlier'), text=shown)}"


def _over_time(periods: "Sequence[tuple[str, int, Estimate]]") -> str:
    """Return the shares of periods as bars of text, with those of the first and the last one."""
    most = max(share.value for *_, share in periods) or 1
    heights = (int(share.value / most * len(_BARS)) for *_, share in periods)
    bars = "".join(_BARS[min(height, len(_BARS) - 1)] for height in heights)
    first, last = (
        tr("{period}: {share}").format(period=period, share=render.ranged(share, "{:.1%}"))
        for period, _, share in (periods[0], periods[-1])
    )
    return f"{first} {bars} {last}" if len(periods) > 1 else first


def _write(found: "Clusters", output: Path) -> None:
    """Write each text with its cluster."""
    from semsearch.files import disk, replacing

    with disk(output.parent), replacing(output) as binary:
        file = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        parts = range(0, found.total, _BATCH)
        positions = (range(start, min(start + _BATCH, found.total)) for start in parts)
        rows = (row for some in positions for row in serialize.clustered_json(found, some))
        if output.suffix.lower() == ".csv":
            first = next(rows)
            render.write_csv(file, list(first), (list(row.values()) for row in chain([first], rows)))
        else:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        file.flush()
        file.detach()
