"""The route of what has changed in an index."""

from semsearch import serialize
from semsearch.answers import DriftAnswer
from semsearch.errors import extra
from semsearch.requests import DriftRequest
from semsearch.server.context import API, Context
from semsearch.server.operations import Operation

with extra("server", "the server"):
    from starlette.routing import Route


def routes(context: Context) -> list[Route]:
    """Return the routes."""

    def drift(request: DriftRequest) -> DriftAnswer:
        """Return what differs between two windows of time: terms, vectors, lengths, tokens and the model."""
        return serialize.drift_json(context.index.find_drift(request))

    return [Operation("POST", f"{API}/drift", drift, heavy=True).route(context)]
