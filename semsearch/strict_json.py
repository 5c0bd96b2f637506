"""Read JSON from outside strictly: every value is checked before it is used."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from semsearch.errors import InvalidInput

_KINDS = {str: "a text", int: "a whole number", float: "a number", list: "a list", dict: "an object"}
_DRIVE = re.compile(r"[A-Za-z]:(?=[/\\])")


def load_json(text: str | bytes) -> Any:
    """Parse JSON strictly by RFC 8259. Raises `InvalidInput` for anything else, and for a name that occurs twice."""

    def unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for name, value in members:
            if name in names:
                raise InvalidInput(f"{name[:80]!r} occurs twice in one object")
            names[name] = value
        return names

    def constant(name: str) -> None:
        raise InvalidInput(f"{name} is not a JSON number")

    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8-sig")
        return json.loads(decoded, object_pairs_hook=unique, parse_constant=constant)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"it is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise InvalidInput("it is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, and numbers of thousands of digits
        raise InvalidInput(f"it is not JSON: {error}") from None


def take(value: Any, at: str, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return `value` as an object with exactly the members `kinds`. Raises `InvalidInput` that names the place `at`."""
    if not isinstance(value, dict):
        raise InvalidInput(f"{at}: not an object")
    for name in kinds.keys() ^ value.keys():
        raise InvalidInput(f"{at}: {'no member' if name in kinds else 'unknown member'} {name[:80]!r}")
    for name, kind in kinds.items():
        wanted = (int, float) if kind is float else kind
        if not isinstance(value[name], wanted) or isinstance(value[name], bool):
            raise InvalidInput(f"{at}: {name!r} is not {_KINDS[kind]}")
    return value


def one_of(choices: Iterable[Any], value: str, at: str) -> Any:
    """Return `value` if it is one of `choices`. Raises `InvalidInput`."""
    if value not in choices:
        raise InvalidInput(f"{at}: {value[:80]!r} is not one of {', '.join(choices)}")
    return value


def storable(text: str, at: str) -> str:
    """Return `text` if it can be encoded: JSON can write half a surrogate pair. Raises `InvalidInput`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{at}: {text[:80]!r} is not valid text") from None
    return text


def names_source(key: str) -> bool:
    """Return whether `key` can name a source in a file from outside.

    A name has no `..`, `.`, `//` or final `/`. It is not a path of Windows with a drive, a share or `\\..`. On
    Windows itself a name may begin with a drive, as in `C:/notes/a.md`, and has no backslash.
    """
    windows = os.name == "nt"
    path = _DRIVE.sub("", key) if windows else key
    foreign = _DRIVE.match(path) or path.startswith("\\\\") or ".." in re.split(r"[/\\]", path)
    if "\0" in key or foreign or (windows and {"\\", ":"} & set(path)):
        return False
    return {"", ".", ".."}.isdisjoint(path.removeprefix("/").split("/"))


def source_of(key: str, at: str) -> str:
    """Return `key` if it can name a source, see `names_source`. Raises `InvalidInput`."""
    if not names_source(key):
        raise InvalidInput(f"{at}: {key[:80]!r} is not the name of a source")
    return storable(key, at)


def digest_of(text: str, at: str) -> str:
    """Return `text` if it is a SHA-256 in lower-case hexadecimal. Raises `InvalidInput`."""
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise InvalidInput(f"{at}: {text[:80]!r} is not a SHA-256")
    return text
