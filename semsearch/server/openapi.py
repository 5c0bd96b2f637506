"""Describe the routes of `/api/v1` by OpenAPI 3.1, made of what the routes are made of."""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from semsearch import __version__
from semsearch.errors import extra
from semsearch.server.operations import Operation
from semsearch.server.parameters import is_required, limit_of, members, parameters
from semsearch.server.problems import Problem
from semsearch.server.schemas import TYPES, Schemas

with extra("server", "the server"):
    from starlette.routing import Route

_PROBLEM = {
    "description": "What is wrong, and what to do (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def described(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the description of those routes that were made of an `Operation`."""
    paths: dict[str, dict[str, Any]] = {}
    answers = Schemas()
    answers.of(Problem)
    for route in routes:
        operation = getattr(route.endpoint, "operation", None)
        if isinstance(operation, Operation):
            paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, answers)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "semsearch",
            "version": __version__,
            "description": "The HTTP API of `semsearch serve`. Answers are what the commands print with --json.",
        },
        "paths": paths,
        "components": {
            "schemas": answers.shared,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation, answers: Schemas) -> dict[str, Any]:
    summary, _, rest = inspect.cleandoc(operation.answer.__doc__ or "").partition("\n\n")
    takes = operation.takes
    names = dict(_schemas(takes, operation)) if takes is not None else {}
    in_path = set(re.findall(r"{(\w+)", operation.path))
    described: dict[str, Any] = {
        "operationId": f"{operation.method.lower()}_{re.sub('[^a-z]+', '_', operation.path).strip('_')}",
        "summary": " ".join(summary.split()).rstrip("."),
        "description": " ".join(rest.split()),
        "parameters": [
            {
                "name": name,
                "in": "path" if name in in_path else "query",
                "required": required,
                "description": schema.pop("description", ""),
                "schema": _in_query(schema),
            }
            for name, (schema, required) in names.items()
            if operation.method != "POST" or name in in_path
        ],
        "responses": {
            str(int(operation.status)): {
                "description": "The answer",
                "content": {operation.media_type: {"schema": answers.of(operation.returns)}},
            },
            "default": _PROBLEM,
        },
    }
    if operation.method == "POST":
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _body(operation)}},
        }
    if operation.changes:
        described["security"] = [{"token": []}]
    return described


def _in_query(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without null, which a query cannot have."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if not kinds:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**kinds[0], **rest}


def _body(operation: Operation) -> dict[str, Any]:
    """Return the schema of a body."""
    if operation.kinds is None:
        return {} if operation.takes is None else _object(dict(_schemas(operation.takes, operation)))
    return {
        "oneOf": [
            _object({"kind": ({"const": name}, True), **dict(_schemas(kind.takes, operation))})
            for name, kind in operation.kinds.items()
        ]
    }


def _object(members: Mapping[str, tuple[dict[str, Any], bool]]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: schema for name, (schema, _) in members.items()},
        "required": [name for name, (_, required) in members.items() if required],
        "additionalProperties": False,
    }


def _schemas(takes: type, operation: Operation) -> Iterable[tuple[str, tuple[dict[str, Any], bool]]]:
    """Yield each parameter with its schema, and whether it is required."""
    texts = _texts(takes)
    for name, (field, kind) in parameters(takes, operation.left_out).items():
        schema = _schema(name, kind)
        if text := texts.get(field.name):
            schema["description"] = text
        required = is_required(field)
        if not required and isinstance(field.default, str | int | float | bool):
            schema["default"] = field.default
        yield name, (schema, required)


def _schema(name: str, kind: Any) -> dict[str, Any]:
    """Return the schema of a type, as `operations` checks it."""
    kinds = members(kind)
    if len(kinds) > 1:
        return {"anyOf": [_schema(name, one) for one in kinds]}
    (wanted,) = kinds
    if wanted is type(None):
        return {"type": "null"}
    if get_origin(wanted) is Literal:
        return {"enum": list(get_args(wanted))}
    if get_origin(wanted) in (Sequence, list, tuple):
        return {"type": "array", "items": _schema(name, get_args(wanted)[0])}
    schema: dict[str, Any] = {"type": TYPES[wanted]}
    if wanted in (int, float):
        schema |= {"minimum": -limit_of(name), "maximum": limit_of(name)}
    return schema


def _texts(takes: type) -> dict[str, str]:
    """Return what the docstring of a dataclass says of its fields."""
    _, _, args = inspect.cleandoc(takes.__doc__ or "").partition("Args:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", args, re.MULTILINE)
    return {name: re.sub(r"\bNone\b", "null", " ".join(text.split())) for name, text in found}
