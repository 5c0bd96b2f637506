"""Define what a parser yields: a text of a file, with the places of its lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite

from semsearch.readers.encoding import storable
from semsearch.types import Scalar, Unit


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text of a file, which may be blank. `numbers` are the places of its lines, counted in `unit`.

    Args:
        text: The text; each line belongs to the place of the same position in `numbers`.
        unit: The unit of the places.
        numbers: The places, from 1 and never falling.
        title: The title that the file gives, or empty.
        without: The places without text: the place, the reason, and whether this is a failure.
        part: The name of the text in a file of several, such as a sheet; empty for the text of a whole file.
        metadata: Other fields, such as the sender of a mail.
        values: A row of a table by column. `RowFields` then choose the text from it, and `text` is empty.
    """

    text: str
    unit: Unit
    numbers: tuple[int, ...]
    title: str = ""
    without: tuple[tuple[int, str, bool], ...] = ()
    part: str = ""
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    values: Mapping[str, Scalar] | None = None


_MOST_FIELDS, _LONGEST_VALUE, _MOST_METADATA = 64, 1_000, 16_000
"""The most fields of a document, characters of a value, and characters of all names and values. They are stored with
each passage."""


Parser = Callable[[bytes], Iterator[Parsed]]
"""Yields one text for a file, or several. Raises `UnreadableSource` if the file is broken or encrypted, and
`MissingExtra` if a library is not installed."""


def parsed(
    lines: Iterable[tuple[int, str]],
    unit: Unit,
    title: str = "",
    without: Iterable[tuple[int, str, bool]] = (),
    *,
    part: str = "",
    metadata: Mapping[str, Scalar] | None = None,
) -> Parsed:
    """Return lines and their places as `Parsed`. A line that has line ends becomes several at the same place."""
    split = [(number, one) for number, line in lines for one in line.split("\n")]
    text = storable("\n".join(line for _, line in split))
    numbers = tuple(number for number, _ in split)
    title = storable(" ".join(title.split()))[:_LONGEST_VALUE]
    return Parsed(text, unit, numbers, title, tuple(without), storable(part), _bounded(metadata or {}))


def scalars(entries: Mapping[str, object]) -> dict[str, Scalar]:
    """Return the entries of front matter and the like as fields. A list becomes a text with a line for each item.

    A condition such as `tags:daily` is met by any line of a value. The name of a nested entry has a dot, as in
    `author.name`. An entry without a value is left out.
    """
    fields: dict[str, Scalar] = {}
    pending = list(reversed(list(entries.items())))
    while pending and len(fields) < _MOST_FIELDS:
        name, value = pending.pop()
        if isinstance(value, Mapping):
            pending += [
                (f"{name}.{inner}"[:_LONGEST_VALUE], one) for inner, one in reversed(list(value.items()))
            ]
        elif isinstance(value, list):
            items = [
                str(item).strip() for item in value[:_LONGEST_VALUE] if isinstance(item, str | int | float)
            ]
            if any(items):
                fields[name] = "\n".join(filter(None, items))
        elif isinstance(value, bool | int | float):
            fields[name] = value
        elif value is not None and str(value).strip():
            fields[name] = str(value).strip()
    return fields


def _bounded(metadata: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return as many fields as are not too many, with texts that are not too long."""
    fields: dict[str, Scalar] = {}
    size = 0
    for name, value in list(metadata.items())[:_MOST_FIELDS]:
        if isinstance(value, str):
            value = storable(value[:_LONGEST_VALUE])
        elif not (isfinite(value) and -(2**63) <= value < 2**63):
            value = str(value)
        size += len(name) + len(str(value))
        if len(name) <= _LONGEST_VALUE and size <= _MOST_METADATA:
            fields[storable(name)] = value
    return fields


def said(error: Exception) -> str:
    """Return the kind and the message of a library's exception on one line, at most 200 characters."""
    return storable(" ".join(f"{type(error).__name__}: {error}".split()))[:200]
