"""The routes of the clusters of an index."""

from dataclasses import dataclass
from threading import Lock

from semsearch import serialize
from semsearch.answers import ClustersAnswer, MembersAnswer
from semsearch.clustering.clusters import Clusters
from semsearch.errors import InvalidInput, extra
from semsearch.requests import ClusterRequest
from semsearch.server.context import API, Context
from semsearch.server.operations import Operation
from semsearch.server.parameters import Part
from semsearch.types import Level

with extra("server", "the server"):
    from starlette.routing import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersRequest(Part):
    """Some texts of the cluster with a `number`, the most central first, among those of a level and a granularity."""

    number: int
    level: Level = "passage"
    granularity: float = 1.0


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    clusters = _Clusters(context)
    operations = [
        Operation("GET", f"{API}/clusters", clusters.clusters, heavy=True),
        Operation("GET", f"{API}/clusters/members", clusters.members, heavy=True),
    ]
    return [operation.route(context) for operation in operations]


class _Clusters:
    """The clusters that were asked for last. The docstrings are the description of the API."""

    def __init__(self, context: Context) -> None:
        self._index, self._keep = context.index, not context.settings.read_only
        self._found: tuple[int, ClusterRequest, Clusters] | None = None
        self._lock = Lock()

    def _clusters(self, request: ClusterRequest, *, same: bool = False) -> Clusters:
        """Return the clusters of the index as it is now; with `same`, any that differ only in their periods."""
        with self._lock:
            state = self._index.state
            if self._found is not None and self._found[0] == state:
                _, asked, found = self._found
                alike = (asked.level, asked.granularity) == (request.level, request.granularity)
                if asked == request or (same and alike):
                    return found
            found = self._index.find_clusters(request, keep=self._keep)
            self._found = state, request, found
            return found

    def clusters(self, request: ClusterRequest) -> ClustersAnswer:
        """Return the passages or documents in clusters by meaning, the largest cluster first.

        The first call compares each with each; its answer is kept until the index changes.
        """
        return serialize.clusters_json(self._clusters(request))

    def members(self, request: MembersRequest) -> MembersAnswer:
        """Return the texts of a cluster, the most central first."""
        found = self._clusters(ClusterRequest(request.level, request.granularity), same=True)
        if not 1 <= request.number <= len(found):
            raise InvalidInput(
                f"there is no cluster {request.number}", f"they are numbered 1 to {len(found)}"
            )
        members = found.members(request.number)
        shown = serialize.clustered_json(found, request.of(members.tolist()))
        return {"matching": len(members), "members": shown}
