"""Describe answers by JSON Schema, made of the types that their functions return."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from semsearch.errors import extra

with extra("server", "the server"):
    from starlette.responses import Response

TYPES: Mapping[Any, str] = {
    str: "string", Path: "string", int: "integer", float: "number", bool: "boolean", dict: "object", NoneType: "null",
}  # fmt: skip


class Schemas:
    """The schemas of types. `shared` has those of objects by name, which others refer to."""

    def __init__(self) -> None:
        self.shared: dict[str, dict[str, Any]] = {}
        self._types: dict[str, Any] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """Return the schema of what JSON has for a value of a type.

        A `TypedDict`, a dataclass and a `NamedTuple` are objects of all their fields. `Annotated[..., A, B]` is an
        object of the fields of both, whatever Python has for it.
        """
        origin, args = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return self.of(args[1]) if len(args) == 2 else self._object(args[1:])
        if origin is NotRequired:
            return self.of(args[0])
        if is_typeddict(kind) or is_dataclass(kind) or hasattr(kind, "_fields"):
            return self._reference(kind)
        if origin in (Union, UnionType):
            return {"anyOf": [self.of(one) for one in args]}
        if origin is Literal:
            return {"enum": list(args)}
        if origin is tuple and args[-1] is not Ellipsis:
            parts = [self.of(one) for one in args]
            return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}
        if origin in (list, tuple, Sequence):
            return {"type": "array", "items": self.of(args[0])}
        if origin in (dict, Mapping):
            return {"type": "object", "additionalProperties": self.of(args[1])}
        return {} if kind in (Any, Response) else {"type": TYPES[kind]}

    def _reference(self, kind: Any) -> dict[str, Any]:
        name = kind.__name__
        if self._types.setdefault(name, kind) is not kind:
            raise TypeError(f"two types of answers have the name {name}")
        if name not in self.shared:
            self.shared[name] = {}  # a type may have itself in it
            self.shared[name] = {"description": " ".join((kind.__doc__ or "").split())} | self._object([kind])
        return {"$ref": f"#/components/schemas/{name}"}

    def _object(self, kinds: Sequence[Any]) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required: list[str] = []
        for kind in kinds:
            hints = get_type_hints(kind, include_extras=True)
            names = [one.name for one in fields(kind)] if is_dataclass(kind) else list(hints)
            properties |= {name: self.of(hints[name]) for name in names}
            required += [name for name in names if name not in getattr(kind, "__optional_keys__", ())]
        return {"type": "object", "properties": properties, "required": required}
