"""Hold the answers of a server to its description, with no member that is not described."""

import re
from typing import Any

import jsonschema

UNTYPED: tuple[Any, ...] = ({}, {"type": "object", "additionalProperties": {}})
"""The schemas of answers without a type."""


def described(client: Any, api: str = "/api/v1") -> Any:
    """Return the description of a server's API, closed: no object has other members than those described."""
    return _closed(client.get(f"{api}/openapi.json").json())


def require_described(description: Any, answer: Any, *, typed: bool = False) -> None:
    """Fail unless an answer is as described; one without a type fails if it should be `typed`."""
    method, path = answer.request.method.lower(), answer.request.url.path
    operation = next(
        methods[method]
        for template, methods in description["paths"].items()
        if method in methods and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    )
    responses = operation["responses"]
    content = responses.get(str(answer.status_code), responses["default"])["content"]
    kind = answer.headers["content-type"].partition(";")[0]
    schema = content[kind]["schema"]
    if kind.endswith("json"):
        assert not (typed and schema in UNTYPED), path
        jsonschema.validate(answer.json(), schema | {"components": description["components"]})


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = (
        {"additionalProperties": False} if schema.get("type") == "object" and "properties" in schema else {}
    )
    return {name: _closed(one) for name, one in schema.items()} | closed
