"""Make a route of a function that takes a request, as `semsearch.requests` has them, and returns JSON.

The annotation of the function says what it takes: the fields of that dataclass are the parameters of the route, in its
path, in the query of a GET or DELETE, or in the JSON of a POST. The description of the API is made of the same.
"""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from functools import cached_property
from http import HTTPStatus
from types import NoneType
from typing import Any, Literal, Protocol, get_args, get_origin, get_type_hints

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
        changes: It changes something, so it needs the token, and a read-only server refuses it.
        status: The status of the answer.
        left_out: The fields of the dataclass that no caller sets.
        kinds: The member `kind` of the body chooses one of these, and the function takes the name and what it `takes`.
    """

    method: str
    path: str
    answer: Callable[..., Any]
    changes: bool = False
    status: HTTPStatus = HTTPStatus.OK
    left_out: frozenset[str] = frozenset()
    kinds: Mapping[str, HasOptions] | None = None

    @cached_property
    def takes(self) -> type | None:
        """The dataclass that the function takes, or None where it takes nothing, or one of several kinds."""
        names = list(inspect.signature(self.answer).parameters)
        return get_type_hints(self.answer)[names[0]] if names and self.kinds is None else None

    def route(self, context: Context) -> Route:
        """Return the route."""

        async def endpoint(request: Request) -> Response:
            arguments = await self._arguments(request)
            if inspect.iscoroutinefunction(self.answer):
                answer = await self.answer(*arguments)
            else:
                answer = await context.call(self.answer, *arguments)
            return answer if isinstance(answer, Response) else JSONResponse(answer, self.status)

        setattr(endpoint, "operation", self)  # noqa: B010 - where the description finds it
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
            return [name, _made(self.kinds[name].takes, texts, found, self.left_out)]
        if self.takes is None:
            if texts or found:
                raise InvalidInput(f"there is no parameter {min(texts | found)[:80]!r}", "it takes none")
            return []
        return [_made(self.takes, texts, found, self.left_out)]

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


def parameters(takes: type, left_out: Collection[str] = ()) -> dict[str, tuple[Field[Any], Any]]:
    """Return the fields of a dataclass by the names that callers know, each with its type."""
    hints = get_type_hints(takes)
    return {
        _SHORT.get(one.name, one.name): (one, hints[one.name])
        for one in fields(takes)
        if one.name not in left_out
    }


def is_required(field: Field[Any]) -> bool:
    """Return whether a caller has to set a field."""
    return field.default is MISSING and field.default_factory is MISSING


def _made(takes: type, texts: Mapping[str, Any], values: Mapping[str, Any], left_out: Collection[str]) -> Any:
    """Return a dataclass with the values of a body, and those of a path and a query, which are texts."""
    known = parameters(takes, left_out)
    if unknown := (texts.keys() | values.keys()) - known.keys():
        raise InvalidInput(
            f"there is no parameter {min(unknown)[:80]!r}",
            f"the parameters are {', '.join(known)}" if known else "it takes none",
        )
    given = dict(values) | {name: _parsed(name, text, known[name][1]) for name, text in texts.items()}
    for name, (field, _) in known.items():
        if name not in given and is_required(field):
            raise InvalidInput(f"the parameter {name!r} is missing")
    return takes(
        **{known[name][0].name: _checked(name, value, known[name][1]) for name, value in given.items()}
    )


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
