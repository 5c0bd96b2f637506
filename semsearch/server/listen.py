"""Listen on a port with limits on connections, and on how long a client may take to ask."""

import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from semsearch.errors import InvalidInput, extra

with extra("server", "the server"):
    import uvicorn
    from starlette.applications import Starlette
    from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 256
"""Connections at the same time. Each more is closed at once."""
_HEAD_SECONDS = 10
"""The time for a request's headers to come."""
_TAKE_SECONDS = 60
"""The time for a client to take a part of an answer."""


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to a port of a host, or to a free one if it is taken or 0.

    Raises `InvalidInput` for a host that is not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(address)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            made.bind((address[0], 0, *address[2:]))
        return made
    except (OSError, UnicodeError) as error:
        raise InvalidInput(
            f"cannot listen on {host}: {getattr(error, 'strerror', None) or error}",
            "give an address of this machine to --host, such as 127.0.0.1",
        ) from error


class Server(uvicorn.Server):
    """A server of an app. `started` is called once it listens, and `ending` when a signal asks it to end."""

    def __init__(
        self, app: Starlette, started: Callable[[], None], ending: Callable[[], None] = lambda: None
    ) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._started, self._ending = started, ending

    def serve_on(self, on: socket.socket) -> None:
        """Answer calls until Ctrl-C or SIGTERM, or until `should_exit` is set."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # a log could quote a text
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again after it has ended
            self.run([on])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self.started:
            self._started()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """End when all calls and jobs have; after a second signal at once, which no index takes harm from."""
        if self.should_exit:
            os._exit(128 + sig)
        self._ending()
        super().handle_exit(sig, frame)


class _Protocol(H11Protocol):
    """Uvicorn's protocol with limits that it does not have: on connections, and on the time of slow clients."""

    def connection_made(self, transport: Any) -> None:
        """Take a connection, or close it at once where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read on. After a request's last header its time is over, see `semsearch.server.guard` for its body."""
        super().data_received(data)
        self._wait()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._stop()
        if self._taking is not None:
            self._taking.cancel()

    def pause_writing(self) -> None:
        """Wait until the client has taken what was sent, and leave one that does not."""
        super().pause_writing()
        self._taking = self.loop.call_later(_TAKE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on, since the client has taken what was sent."""
        super().resume_writing()
        self._taking.cancel()

    _timer: Any = None
    _taking: Any = None

    def _wait(self) -> None:
        """Close the connection unless a request is under way, or comes in time."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(_HEAD_SECONDS, self.transport.abort)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
