"""The settings that a Library stores as JSON, and the shape that each has: a stranger can store anything else."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

_Shape = Callable[[Any], bool]
VECTOR_FILE = "vector_file"
"""The setting that names the files of `semsearch.storage.library.vector_file`."""
UNSWEPT = "unswept"
"""The setting that names the writer that has yet to sweep; see `Library.sweep`."""


def parsed_setting(key: str, text: str) -> Any:
    """Return the value of a setting. Raises `ValueError` where it is not JSON, or not of the shape of that setting."""
    value = json.loads(text)
    if not SETTINGS.get(key, _anything)(value):
        raise ValueError(f"the setting {key!r} is not of its kind")
    return value


def is_number(value: Any) -> bool:
    """Return True for a finite float and an int of at most 64 bits, and not for a bool."""
    if isinstance(value, float):
        return math.isfinite(value)
    return type(value) is int and -(2**63) <= value < 2**63


def _anything(value: Any) -> bool:
    return True


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(value: Any) -> bool:
    return is_number(value) and math.floor(value) == value


def _count(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**53


def _token(value: Any) -> bool:
    """Return True for a part of a file's name that names no other folder."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{16}", value) is not None


def _sha256(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _sequence(*shapes: _Shape) -> _Shape:
    """Return the shape of a list with one value of each of these shapes."""

    def fits(value: Any) -> bool:
        if not isinstance(value, list) or len(value) != len(shapes):
            return False
        return all(shape(one) for shape, one in zip(shapes, value, strict=True))

    return fits


def _stamp(value: Any) -> bool:
    return _sequence(_whole, _whole, _text)(value)


def _texts(value: Any) -> bool:
    return _list_of(_text)(value)


def _fields(value: Any) -> bool:
    return _sequence(_texts, _text, _sequence(_text, _flag, _text, _flag))(value)


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _each(shape: _Shape) -> _Shape:
    return lambda value: isinstance(value, dict) and all(map(shape, value.values()))


def _list_of(shape: _Shape) -> _Shape:
    return lambda value: isinstance(value, list) and all(map(shape, value))


def _or_none(shape: _Shape) -> _Shape:
    return lambda value: value is None or shape(value)


def _members(needed: dict[str, _Shape], optional: dict[str, _Shape] | None = None) -> _Shape:
    """Return the shape of an object with these members. Others may be there, since a later release adds some."""

    def fits(value: Any) -> bool:
        if not isinstance(value, dict) or not needed.keys() <= value.keys():
            return False
        known = needed | (optional or {})
        return all(shape(value[name]) for name, shape in known.items() if name in value)

    return fits


_GUARANTEE = _or_none(
    _members({"measure": _text, "least": is_number, "confidence": is_number, "threshold": is_number})
)
_TUNED: dict[str, _Shape] = {"promise": _GUARANTEE, "pairs": _text, "rule": _text, "saved": _text}
_SEAL = _or_none(
    _members(
        {},
        {
            "chromadb": _text,
            "qdrant-edge-py": _text,
            "sealed": _flag,
            "number": _whole,
            "deleted": _whole,
            "files": _each(_stamp),
        },
    )
)
_FINGERPRINT = _members(
    {"model": _text, "precision": _text},
    {"weights": _text, "pooling": _text, "dimension": _whole, "window": _whole},
)
_THRESHOLD = _or_none(_members({"threshold": is_number, **_TUNED}))
_VERIFIER = _or_none(_members({"verifier": _mapping, "chance": is_number, **_TUNED}))
SETTINGS: dict[str, _Shape] = {
    "fingerprint": _or_none(_FINGERPRINT),
    "adapter": _or_none(
        _members(
            {
                "sha256": _sha256,
                "before": _sha256,
                "base": lambda value: _FINGERPRINT(value) and _count(value.get("dimension")),
                "tuned": _members(
                    {"threshold": _THRESHOLD, "verifier": _VERIFIER, "relevance": _or_none(_mapping)}
                ),
            }
        )
    ),
    "created": _text,
    "last_ingest": _or_none(_text),
    "threshold": _THRESHOLD,
    "verifier": _VERIFIER,
    "chroma": _SEAL,
    "qdrant": _SEAL,
    "engine": _or_none(
        _members(
            {"name": _text}, {"id": _text, "leftovers": _list_of(_members({"name": _text, "id": _text}))}
        )
    ),
    "collections": _or_none(
        _each(_members({"finalized": _flag, "sound": _flag, "count": _whole})),
    ),
    VECTOR_FILE: _or_none(_members({"name": _token, "rows": _count, "last": _count})),
    UNSWEPT: _or_none(_token),
    "forgetting": _or_none(_texts),
    "relevance": _or_none(_mapping),
    "roots": _or_none(
        _each(
            _members(
                {"max_bytes": _whole, "include": _texts, "exclude": _texts}, {"all": _flag, "fields": _fields}
            )
        )
    ),
}
"""The shape of each setting by its key."""
