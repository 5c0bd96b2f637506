"""Assemble the server of an index: the page, the API, and the guard around both."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from html import escape
from pathlib import Path

from semsearch.embedding import REMOTE
from semsearch.errors import MissingExtra, SemsearchError, extra
from semsearch.index import Index
from semsearch.server import api, clusters, drift, embeddings, labelling, map, problems, review, texts, work
from semsearch.server.context import API, Context, Settings
from semsearch.server.follow import follow, watched
from semsearch.server.guard import Guard
from semsearch.server.local import listening
from semsearch.server.openapi import described

with extra("server", "the server"):
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

PAGE = Path(__file__).parent / "page"
_TOKEN = 'name="semsearch-token" content=""'
"""The place of the token in the page, in the `<meta>` of its HTML."""
_MODULES = (api, work, texts, embeddings, review, labelling, map, clusters, drift)
"""The modules with routes."""


def create_app(index: Index, settings: Settings | None = None) -> Starlette:
    """Return the server of an open index, which the caller closes afterwards.

    Its `state.context` is the `Context`. Raises `InvalidInput` where the settings say to watch and there is no folder.
    """
    context = Context(index, settings or Settings())
    if context.settings.watch:
        watched(context)
    routes = [route for module in _MODULES for route in module.routes(context)]
    description = described(routes)
    running: list[contextlib.AbstractAsyncContextManager[None]] = [listening(context)]
    for route, session in _assistants(context):
        routes.append(route)
        running.append(session)

    async def page(request: Request) -> Response:
        html = (PAGE / "index.html").read_text(encoding="utf-8")
        token = escape(context.settings.token, quote=True)
        return HTMLResponse(html.replace(_TOKEN, f'{_TOKEN[:-2]}"{token}"'))

    async def openapi(request: Request) -> Response:
        return JSONResponse(description)

    async def docs(request: Request) -> Response:
        return FileResponse(PAGE / "docs.html")

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        stop = threading.Event()
        warming = asyncio.create_task(context.call(_warm, index))
        if context.settings.watch:
            threading.Thread(target=follow, args=(context, stop), name="watch", daemon=True).start()
        async with contextlib.AsyncExitStack() as stack:
            for one in running:
                await stack.enter_async_context(one)
            yield
        stop.set()
        await warming
        await asyncio.to_thread(context.close)

    app = Starlette(
        routes=[
            *routes,
            Route(f"{API}/openapi.json", openapi),
            Route("/docs", docs),
            Route("/", page),
            Mount("/", StaticFiles(directory=PAGE)),
        ],
        middleware=[Middleware(Guard, settings=context.settings, routes=routes)],
        exception_handlers={
            SemsearchError: problems.told,
            HTTPException: problems.told,
            Exception: problems.told,
        },
        lifespan=lifespan,
    )
    app.state.context = context
    return app


def _assistants(context: Context) -> list[tuple[Route, contextlib.AbstractAsyncContextManager[None]]]:
    """Return the route of the MCP server, and what has to run for it; nothing where its package is not installed."""
    try:
        from semsearch.server.mcp import mounted
    except MissingExtra:
        return []
    return [mounted(context.index, write=context.settings.write)]


def _warm(index: Index) -> None:
    """Load what the first search needs. A model on a server is not asked, and an error is told by the first call."""
    with contextlib.suppress(SemsearchError):
        index.query("warm", mode="lexical" if index.model.startswith(REMOTE) else "hybrid")
