"""The routes of `/api/v1` that read: status, search and what belongs to it."""

from typing import Any

from semsearch import __version__, serialize
from semsearch.errors import extra
from semsearch.requests import SearchRequest
from semsearch.server.context import Context
from semsearch.server.operations import Operation

with extra("server", "the server"):
    from starlette.routing import Route

API = "/api/v1"


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    reading = _Reading(context)
    operations = [
        Operation("GET", f"{API}/status", reading.status),
        Operation("GET", f"{API}/search", reading.search, left_out=frozenset({"rerank", "rerank_top"})),
    ]
    return [operation.route(context) for operation in operations]


class _Reading:
    """What changes nothing. The docstrings are the description of the API."""

    def __init__(self, context: Context) -> None:
        self._index, self._settings = context.index, context.settings

    def status(self) -> dict[str, Any]:
        """Return where the index is, what made it and what it contains, and how the server was started."""
        return {
            **serialize.status_json(self._index.status()),
            "version": __version__,
            "read_only": self._settings.read_only,
            "index": str(self._index.folder),
        }

    def search(self, request: SearchRequest) -> dict[str, Any]:
        """Return the passages that answer a query best, best first."""
        hits = self._index.search(request)
        answer = serialize.search_json(self._index.path_of, hits, request, self._index.notes(request))
        return answer | {"doubt": self._index.doubt(request.query, hits)}
