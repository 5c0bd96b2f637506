"""Make a dataclass of the parameters of a call. Its fields say what there is, and of which type."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from semsearch.errors import InvalidInput
from semsearch.strict_json import storable

_T = TypeVar("_T")
_MOST: Mapping[str, int] = {"k": 1_000, "limit": 1_000}
"""The highest values of some parameters, which say how much one answer has."""
_SHORT = {"query": "q"}
"""The fields that callers know by another name."""
_WHOLE = 2**53 - 1
"""The highest whole number that JavaScript writes, and no number that a database could not take."""
_NUMBER = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?")
"""A number as a URL has it. Python would also take `1_0`, and digits of other scripts."""
_TRUE, _FALSE = ("true", "1"), ("false", "0")
_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", dict: "an object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a list: `limit` things from `offset` on."""

    offset: int = 0
    limit: int = 20

    def __post_init__(self) -> None:
        for name, least in (("offset", 0), ("limit", 1)):
            if getattr(self, name) < least:
                raise InvalidInput(f"{name} is {getattr(self, name)}, but must be at least {least}")

    def of(self, things: Sequence[_T]) -> Sequence[_T]:
        """Return this part of some things."""
        return things[self.offset : self.offset + self.limit]


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


def made(
    takes: type, texts: Mapping[str, Any], values: Mapping[str, Any], left_out: Collection[str] = ()
) -> Any:
    """Return a dataclass with the `values` of a body, and with those of a path and a query, which are `texts`.

    Raises `InvalidInput` for a parameter that is unknown, missing, or of another type.
    """
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


def limit_of(name: str) -> int:
    """Return the highest value of a number."""
    return _MOST.get(name, _WHOLE)


def members(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type alone."""
    return get_args(kind) if NoneType in get_args(kind) and get_origin(kind) is not Literal else (kind,)


def _parsed(name: str, text: str | list[str], kind: Any) -> Any:
    """Return a value of the path or the query by the type of its field."""
    wanted = next(one for one in members(kind) if one is not NoneType)
    texts = [text] if isinstance(text, str) else text
    if get_origin(wanted) in (Sequence, list, tuple):
        return texts
    if len(texts) > 1:
        raise InvalidInput(f"the parameter {name!r} occurs {len(texts)} times")
    (one,) = texts
    if wanted is bool and one.lower() in (*_TRUE, *_FALSE):
        return one.lower() in _TRUE
    if wanted in (int, float) and len(one) < 40 and _NUMBER.fullmatch(one):
        try:
            return wanted(one)
        except ValueError:
            return one  # which `_checked` rejects
    return one


def _checked(name: str, value: Any, kind: Any) -> Any:
    """Return a value if it has the type of its field. Raises `InvalidInput`."""
    kinds = members(kind)
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
        if abs(value) > limit_of(name):
            raise InvalidInput(f"{name} is beyond {limit_of(name):,}")
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is float and number and abs(value) <= _WHOLE:  # which neither NaN nor infinity is
        return float(value)
    if isinstance(wanted, type) and wanted is dict and isinstance(value, dict):
        return value
    raise InvalidInput(f"{name} is {value!r:.80}, but must be {_NAMES.get(wanted, wanted)}")
