"""Draw the clusters of an index: a map of the largest ones, and their shares over time."""

from pathlib import Path

import numpy as np

from semsearch.clustering.clusters import Clusters
from semsearch.evaluation.plot import drawable, picture
from semsearch.search.plane import principal_plane

_COLOURS = 10
"""The clusters with a colour and a name; the others are grey."""
_POINTS = 20_000
"""The most points that are drawn."""


def save_cluster_plot(found: Clusters, path: Path) -> None:
    """Draw the texts on the plane of their two principal components into a .png or .svg file, by cluster.

    With periods, the share of each of the largest clusters in each period follows. Of more than 20,000 texts some are
    drawn, evenly. Raises what `picture` does.
    """
    points, share = principal_plane(found.vectors)
    shown = np.arange(found.total)[:: max(1, -(-found.total // _POINTS))]
    points, of = points[found.row[shown]], found.of[shown]
    largest = found.clusters[:_COLOURS]
    names = {one.number: drawable(f"{one.number}. {one.name}") for one in largest}
    with picture(path, (11, 10 if found.periods else 6)) as figure:
        rows = figure.subplots(2 if found.periods else 1, 1, squeeze=False)[:, 0]
        rest = of >= _COLOURS
        rows[0].scatter(*points[rest].T, s=3, color="0.85", linewidths=0)
        for one in largest:
            own = points[of == one.number - 1]
            rows[0].scatter(*own.T, s=4, color=f"C{one.number - 1}", linewidths=0, label=names[one.number])
        rows[0].set(
            xticks=[],
            yticks=[],
            title=f"{found.total:,} {found.level}s in {len(found)} clusters; "
            f"two principal components, {share:.0%} of the variance",
        )
        rows[0].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=4)
        if found.periods:
            for one in largest:
                shares = [share for *_, share in found.over_time(one)]
                value, low, high = (
                    [getattr(share, name) for share in shares] for name in ("value", "low", "high")
                )
                at = np.arange(len(value))
                rows[1].plot(at, value, color=f"C{one.number - 1}")
                rows[1].fill_between(at, low, high, color=f"C{one.number - 1}", alpha=0.1, linewidth=0)
            rows[1].set_xticks(at, found.periods.names, rotation=45, ha="right")
            rows[1].set(ylim=(0, None), title=drawable(f"share of the texts by {found.periods.field}"))
