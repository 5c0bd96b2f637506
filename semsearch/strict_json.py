"""Read JSON from outside strictly: every value is checked before it is used."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from semsearch.errors import InvalidInput

_KINDS = {str: "a text", int: "a whole number", float: "a number", list: "a list", dict: "an object"}


def load_json(text: str | bytes) -> Any:
    """JSON to the letter of RFC 8259, and no name twice in an object; InvalidInput otherwise."""

    def unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for name, value in members:
            if name in names:
                raise InvalidInput(f"{name[:80]!r} is there twice in one object")
            names[name] = value
        return names

    def constant(name: str) -> None:
        raise InvalidInput(f"{name} is no number of JSON")

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
    """`value` as an object with exactly the members `kinds`; InvalidInput, which says `at`, otherwise."""
    if not isinstance(value, dict):
        raise InvalidInput(f"{at}: not an object")
    for name in kinds.keys() ^ value.keys():
        raise InvalidInput(f"{at}: {'no' if name in kinds else 'unknown member'} {name[:80]!r}")
    for name, kind in kinds.items():
        wanted = (int, float) if kind is float else kind
        if not isinstance(value[name], wanted) or isinstance(value[name], bool):
            raise InvalidInput(f"{at}: {name!r} is not {_KINDS[kind]}")
    return value


def one_of(choices: Iterable[Any], value: str, at: str) -> Any:
    """`value` where it is one of `choices`."""
    if value not in choices:
        raise InvalidInput(f"{at}: {value[:80]!r} is none of {', '.join(choices)}")
    return value


def storable(text: str, at: str) -> str:
    """`text` where it has no half of a surrogate pair, which JSON can say and nothing can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{at}: {text[:80]!r} is no valid text") from None
    return text


def source_of(key: str, at: str) -> str:
    """`key` where it can be a source's, which has one spelling: no `..`, no `.`, no `//`, no final `/`."""
    if "\0" in key or not {"", ".", ".."}.isdisjoint(key.removeprefix("/").split("/")):
        raise InvalidInput(f"{at}: {key[:80]!r} is no name of a source")
    return storable(key, at)


def digest_of(text: str, at: str) -> str:
    """`text` where it is a SHA-256 in hex, as `hashlib` writes it."""
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise InvalidInput(f"{at}: {text[:80]!r} is no SHA-256")
    return text
