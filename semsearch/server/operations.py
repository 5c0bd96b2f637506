"""Make a route of a function that takes a request, as `semsearch.requests` has them, and returns JSON.

The annotation of the function says what it takes: the fields of that dataclass are the parameters of the route, in its
path, in the query of a GET or DELETE, or in the JSON of a POST. The description of the API is made of the same.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any, Protocol, TypeVar, get_type_hints

from semsearch.errors import InvalidInput, extra
from semsearch.server.context import Context
from semsearch.server.language import asked, said
from semsearch.server.parameters import made
from semsearch.server.problems import Refused
from semsearch.strict_json import load_json

with extra("server", "the server"):
    import anyio
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

_T = TypeVar("_T")


class HasOptions(Protocol):
    """A kind of something, with the dataclass of its options."""

    @property
    def takes(self) -> type:
        """The dataclass."""


@dataclass(frozen=True)
class Operation:
    """A route to be.

    Args:
        method: GET, POST or DELETE.
        path: The path, with the names of fields in braces.
        answer: A function of one argument, a dataclass, or of none. It returns what JSON takes, or a response. It runs
            in a thread, or in the event loop if it is a coroutine function.
        heavy: It may take seconds, so only a few run at the same time. It does not begin for a caller that left.
        looks: It looks by itself whether the index is still there, and raises `IndexNotFound`.
        changes: It changes something, so it needs the token, and a read-only server refuses it.
        status: The status of the answer.
        left_out: The fields of the dataclass that no caller sets.
        media_type: The type of the answer.
        kinds: The member `kind` of the body chooses one of these, and the function takes the name and what it `takes`.
    """

    method: str
    path: str
    answer: Callable[..., Any]
    changes: bool = False
    heavy: bool = False
    looks: bool = False
    status: HTTPStatus = HTTPStatus.OK
    left_out: frozenset[str] = frozenset()
    media_type: str = "application/json"
    kinds: Mapping[str, HasOptions] | None = None

    @cached_property
    def takes(self) -> type | None:
        """The dataclass that the function takes, or None where it takes nothing, or one of several kinds."""
        names = list(inspect.signature(self.answer).parameters)
        return get_type_hints(self.answer)[names[0]] if names and self.kinds is None else None

    @property
    def returns(self) -> Any:
        """The type of the answer, with what `Annotated` says of it."""
        return get_type_hints(self.answer, include_extras=True)["return"]

    def route(self, context: Context) -> Route:
        """Return the route."""

        async def endpoint(request: Request) -> Response:
            arguments = await self._arguments(request)
            if not self.looks:
                await context.call(context.require_index)
            if inspect.iscoroutinefunction(self.answer):
                answer = await self.answer(*arguments)
            elif self.heavy:
                answer = await unless_gone(request, lambda _: context.call_heavy(self.answer, *arguments))
            else:
                answer = await context.call(self.answer, *arguments)
            if isinstance(answer, Response):
                return answer
            translate = asked(request.headers.get("accept-language", ""), context.settings.languages)
            return JSONResponse(said(answer, translate), self.status)

        setattr(endpoint, "operation", self)  # noqa: B010 - where the description finds it
        setattr(endpoint, "changes", self.changes)  # noqa: B010 - where the guard finds it
        return Route(self.path, endpoint, methods=[self.method])

    async def _arguments(self, request: Request) -> list[Any]:
        """Return the arguments of the function. Raises `InvalidInput` for a request that is not valid."""
        texts: dict[str, Any] = dict(request.path_params)
        for name, value in request.query_params.multi_items():
            texts[name] = [*texts.get(name, []), value]
        found = await self._body(request) if self.method == "POST" else {}
        if self.kinds is not None:
            name = found.pop("kind", None)
            if not isinstance(name, str) or name not in self.kinds:
                raise InvalidInput(f"unknown kind {name!r:.80}", f"choose one of {', '.join(self.kinds)}")
            return [name, made(self.kinds[name].takes, texts, found, self.left_out)]
        if self.takes is None:
            if texts or found:
                raise InvalidInput(f"there is no parameter {min(texts | found)[:80]!r}", "it takes none")
            return []
        return [made(self.takes, texts, found, self.left_out)]

    async def _body(self, request: Request) -> dict[str, Any]:
        body = await request.body()
        if not body:
            return {}
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "the body is not JSON",
                "send Content-Type: application/json",
            )
        value = load_json(body)
        if not isinstance(value, dict):
            raise InvalidInput("the body is not a JSON object")
        return value


async def unless_gone(request: Request, handler: Callable[[Request], Awaitable[_T]]) -> _T | None:
    """Return what a handler gives, or None where the client leaves before; then the handler is cancelled."""
    await request.body()  # after it, what comes is the news that the client left
    found: list[_T] = []
    errors: list[Exception] = []
    async with anyio.create_task_group() as group:

        async def work() -> None:
            try:
                found.append(await handler(request))
            except Exception as error:  # which the group would wrap
                errors.append(error)
            group.cancel_scope.cancel()

        group.start_soon(work)
        while (await request.receive())["type"] != "http.disconnect":
            pass
        group.cancel_scope.cancel()
    if errors:
        raise errors[0]
    return next(iter(found), None)
