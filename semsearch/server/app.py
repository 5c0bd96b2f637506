"""Assemble the server of an index: the page, the API, and the guard around both."""

from html import escape
from pathlib import Path

from semsearch.errors import SemsearchError, extra
from semsearch.index import Index
from semsearch.server import api, embeddings, problems, texts, work
from semsearch.server.context import Context, Settings
from semsearch.server.guard import Guard

with extra("server", "the server"):
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

PAGE = Path(__file__).parent / "page"
_TOKEN = 'name="semsearch-token" content=""'
"""The place of the token in the page, in the `<meta>` of its HTML."""
_MODULES = (api, work, texts, embeddings)
"""The modules with routes."""


def create_app(index: Index, settings: Settings | None = None) -> Starlette:
    """Return the server of an open index, which the caller closes afterwards."""
    context = Context(index, settings or Settings())

    async def page(request: Request) -> Response:
        html = (PAGE / "index.html").read_text(encoding="utf-8")
        token = escape(context.settings.token, quote=True)
        return HTMLResponse(html.replace(_TOKEN, f'{_TOKEN[:-2]}"{token}"'))

    routes = [route for module in _MODULES for route in module.routes(context)]
    return Starlette(
        routes=[*routes, Route("/", page), Mount("/", StaticFiles(directory=PAGE))],
        middleware=[Middleware(Guard, settings=context.settings, routes=routes)],
        exception_handlers={
            SemsearchError: problems.told,
            HTTPException: problems.told,
            Exception: problems.told,
        },
    )
