"""Refuse calls that a page of another site, or a stranger, makes: docs/decisions/0120-the-guard.md."""

import asyncio
import ipaddress
import secrets
from collections.abc import Iterable
from hashlib import sha256
from http import HTTPStatus

from semsearch.errors import extra
from semsearch.server.context import Settings
from semsearch.server.problems import Refused, response

with extra("server", "the server"):
    from starlette.datastructures import MutableHeaders
    from starlette.requests import Request
    from starlette.responses import RedirectResponse
    from starlette.routing import Match, Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 16 * 2**20
"""The longest body of a request."""
_SECONDS = 60
"""The time for a request's body to come."""
_PART = 2**18
"""Bytes of an answer that are sent at once, so that no more wait for a slow client."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """The outermost part of the server. It knows which of the routes change something."""

    def __init__(self, app: ASGIApp, settings: Settings, routes: Iterable[Route]) -> None:
        self._app, self._settings = app, settings
        self._changing = [route for route in routes if getattr(route.endpoint, "changes", False)]
        digest = sha256(f"cookie of {settings.token}".encode()).hexdigest()
        self._cookie, self._entered = f"semsearch-{digest[:8]}", digest[8:]
        """The cookie's name and value. The value is not the token, which would also allow changes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        request = Request(scope)
        try:
            self._check(request)
        except Refused as refused:
            answer = response(request, refused, self._settings.languages, {"Connection": "close"})
            await answer(scope, receive, send)
            return
        if self._settings.private and "token" in request.query_params and scope["path"] == "/":
            entered = RedirectResponse("/", HTTPStatus.SEE_OTHER)
            entered.set_cookie(self._cookie, self._entered, httponly=True, samesite="strict")
            await entered(scope, receive, send)
            return
        await self._app(scope, _limited(receive), send)

    def _check(self, request: Request) -> None:
        """Raise `Refused` for a call that may not be answered."""
        host = request.headers.get("host", "")
        if not self._settings.private and not is_loopback(_name(host)):
            raise Refused(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"this server is not {host[:80]!r}",
                "call it by the address that it printed",
            )
        origins = request.headers.getlist("origin")
        if any(origin not in (f"http://{host}", f"https://{host}") for origin in origins) or len(origins) > 1:
            raise Refused(HTTPStatus.FORBIDDEN, "a page of another site may not call this server")
        site, mode = (request.headers.get(f"sec-fetch-{name}", "") for name in ("site", "mode"))
        if site in ("cross-site", "same-site") and mode != "navigate":
            raise Refused(HTTPStatus.FORBIDDEN, "a page of another site may not call this server")
        if int_of(request.headers.get("content-length", "0")) > MOST_BYTES:
            raise _too_large()
        if self._settings.private and not self._shown(request, cookie=True):
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "this server needs its token",
                "open the address that it printed, or send Authorization: Bearer TOKEN",
            )
        if any(route.matches(request.scope)[0] is Match.FULL for route in self._changing):
            if self._settings.read_only:
                raise Refused(HTTPStatus.FORBIDDEN, "this server was started with --read-only")
            if not self._shown(request, cookie=False):
                raise Refused(
                    HTTPStatus.UNAUTHORIZED,
                    "a change needs the token of this server",
                    "send X-Semsearch-Token: TOKEN, or Authorization: Bearer TOKEN",
                )

    def _shown(self, request: Request, *, cookie: bool) -> bool:
        """Return whether a call shows the token. A browser sends cookies by itself, so one allows no change."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        token = self._settings.token
        pairs = [(request.headers.get("x-semsearch-token", ""), token)]
        if scheme.lower() == "bearer":
            pairs.append((bearer.strip(), token))
        if cookie:
            pairs.append((request.cookies.get(self._cookie, ""), self._entered))
            if request.scope["path"] == "/":
                pairs.append((request.query_params.get("token", ""), token))
        return any(secrets.compare_digest(shown.encode(), wanted.encode()) for shown, wanted in pairs)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine as it calls itself, which nobody else can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _name(host: str) -> str:
    """Return the name of a Host header, without the port and the brackets of an address."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).removeprefix("[").removesuffix("]")


def int_of(text: str) -> int:
    """Return a length, or one that is too long where it is not a number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else MOST_BYTES + 1


def _too_large() -> Refused:
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body is longer than {MOST_BYTES // 2**20} MiB",
        "send parts of it",
    )


def _limited(receive: Receive) -> Receive:
    """Return `receive` with a limit on the body and on the time that it takes to come."""
    size, deadline, ended = 0, asyncio.get_running_loop().time() + _SECONDS, False

    async def limited() -> Message:
        nonlocal size, ended
        if ended:  # now it waits for the client to leave
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise Refused(
                HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {_SECONDS} seconds"
            ) from None
        size += len(message.get("body", b""))
        ended = not message.get("more_body", False)
        if size > MOST_BYTES:
            raise _too_large()
        return message

    return limited


def _with_headers(send: Send) -> Send:
    """Return `send` with the headers of every answer. A long body goes in parts, each when the last one was taken."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
            if message["status"] in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT):
                headers["Connection"] = "close"  # else the rest of the body would be read
        body, more = message.get("body", b""), message.get("more_body", False)
        while len(body) > _PART:
            await send({**message, "body": body[:_PART], "more_body": True})
            body = body[_PART:]
        await send({**message, "body": body, "more_body": more} if "body" in message else message)

    return sent
