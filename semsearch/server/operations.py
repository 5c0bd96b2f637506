"""Make a route of a function that takes a request, as `semsearch.requests` has them, and returns JSON.

The annotation of the function says what it takes: the fields of that dataclass are the parameters of the route, in its
path, in the query of a GET or DELETE, or in the JSON of a POST. The description of the API is made of the same.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from functools import cached_property
from http import HTTPStatus
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from semsearch.errors import InvalidInput, extra
from semsearch.server.context import Context
from semsearch.server.problems import Refused
from semsearch.strict_json import load_json, storable

with extra("server", "the server"):
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

MOST_HITS = 1_000
_MOST: Mapping[str, int] = {"k": MOST_HITS, "limit": MOST_HITS}
"""The highest values of some parameters, which say how much one answer has."""
_SHORT = {"query": "q"}
"""The fields that callers know by another name."""
_WHOLE = 2**53 - 1
"""The highest whole number that JavaScript writes, and no number that a database could not take."""
_TRUE, _FALSE = ("true", "1"), ("false", "0")


@dataclass(frozen=True)
class Operation:
    """What a route does.

    Args:
        method: GET, POST or DELETE.
        path: The path, with the names of fields in braces.
        answer: A function of one argument, a dataclass, or of none. It returns what JSON takes, or a response. It runs
            in a thread, or in the event loop if it is a coroutine function.
        changes: It changes something, so it needs the token, and a read-only server refuses it.
        status: The status of the answer.
        left_out: The fields of the dataclass that no caller sets.
    """

    method: str
    path: str
    answer: Callable[..., Any]
    changes: bool = False
    status: HTTPStatus = HTTPStatus.OK
    left_out: frozenset[str] = frozenset()

    @cached_property
    def takes(self) -> type | None:
        """The dataclass that the function takes, or None."""
        names = list(inspect.signature(self.answer).parameters)
        return get_type_hints(self.answer)[names[0]] if names else None

    @cached_property
    def parameters(self) -> dict[str, tuple[Field[Any], Any]]:
        """The fields that a caller sets by their names for callers, each with its type."""
        if self.takes is None:
            return {}
        hints = get_type_hints(self.takes)
        return {
            _SHORT.get(one.name, one.name): (one, hints[one.name])
            for one in fields(self.takes)
            if one.name not in self.left_out
        }

    def route(self, context: Context) -> Route:
        """Return the route."""

        async def endpoint(request: Request) -> Response:
            given = await self._given(request)
            arguments = [] if self.takes is None else [self.takes(**given)]
            if inspect.iscoroutinefunction(self.answer):
                answer = await self.answer(*arguments)
            else:
                answer = await context.call(self.answer, *arguments)
            return answer if isinstance(answer, Response) else JSONResponse(answer, self.status)

        setattr(endpoint, "operation", self)  # noqa: B010 - where the description finds it
        return Route(self.path, endpoint, methods=[self.method])

    async def _given(self, request: Request) -> dict[str, Any]:
        """Return the values of the parameters that a request has."""
        texts: dict[str, Any] = dict(request.path_params)
        for name, value in request.query_params.multi_items():
            texts[name] = [*texts.get(name, []), value]
        found: dict[str, Any] = {}
        if self.method == "POST":
            found = await self._body(request)
        if unknown := (texts.keys() | found.keys()) - self.parameters.keys():
            raise InvalidInput(
                f"there is no parameter {min(unknown)[:80]!r}",
                f"the parameters are {', '.join(self.parameters)}" if self.parameters else "it takes none",
            )
        found |= {name: _parsed(name, text, self.parameters[name][1]) for name, text in texts.items()}
        for name, (field, _) in self.parameters.items():
            if name not in found and field.default is MISSING and field.default_factory is MISSING:
                raise InvalidInput(f"the parameter {name!r} is missing")
        return {
            self.parameters[name][0].name: _checked(name, value, self.parameters[name][1])
            for name, value in found.items()
        }

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


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type alone."""
    return get_args(kind) if NoneType in get_args(kind) and get_origin(kind) is not Literal else (kind,)


def _parsed(name: str, text: str | list[str], kind: Any) -> Any:
    """Return a value of the path or the query by the type of its field."""
    wanted = next(one for one in _alternatives(kind) if one is not NoneType)
    texts = [text] if isinstance(text, str) else text
    if get_origin(wanted) in (Sequence, list, tuple):
        return texts
    if len(texts) > 1:
        raise InvalidInput(f"the parameter {name!r} occurs {len(texts)} times")
    (one,) = texts
    if wanted is bool and one.lower() in (*_TRUE, *_FALSE):
        return one.lower() in _TRUE
    if wanted in (int, float):
        try:
            return wanted(one[:40])
        except ValueError:
            return one  # which `_checked` rejects
    return one


def _checked(name: str, value: Any, kind: Any) -> Any:
    """Return a value if it has the type of its field. Raises `InvalidInput`."""
    kinds = _alternatives(kind)
    if value is None and NoneType in kinds:
        return None
    wanted = next(one for one in kinds if one is not NoneType)
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            raise InvalidInput(
                f"unknown {name} {value!r:.80}", f"choose one of {', '.join(get_args(wanted))}"
            )
        return value
    if get_origin(wanted) in (Sequence, list, tuple):
        if not isinstance(value, list):
            raise InvalidInput(f"{name} is {value!r:.80}, but must be a list")
        return [_checked(name, one, get_args(wanted)[0]) for one in value]
    if wanted is str and isinstance(value, str):
        return storable(value, name)
    if wanted is bool and isinstance(value, bool):
        return value
    if wanted is int and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > _MOST.get(name, _WHOLE):
            raise InvalidInput(f"{name} is {value:.3g}, but can be at most {_MOST.get(name, _WHOLE):,}")
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is float and number and abs(value) <= _WHOLE:  # which neither NaN nor infinity is
        return float(value)
    if isinstance(wanted, type) and wanted is dict and isinstance(value, dict):
        return value
    raise InvalidInput(f"{name} is {value!r:.80}, but must be {_NAMES.get(wanted, wanted)}")


_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", dict: "an object"}
