"""Define what a parser yields: a text of a file, with the places of its lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite

from semsearch.readers.encoding import storable
from semsearch.types import Definition, FieldValue, Scalar, Unit


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
        outline: The definitions of source code.
    """

    text: str
    unit: Unit
    numbers: tuple[int, ...]
    title: str = ""
    without: tuple[tuple[int, str, bool], ...] = ()
    part: str = ""
    metadata: Mapping[str, FieldValue] = field(default_factory=dict)
    values: Mapping[str, Scalar] | None = None
    outline: tuple[Definition, ...] = ()


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
    metadata: Mapping[str, FieldValue] | None = None,
) -> Parsed:
    """Return lines and their places as `Parsed`. A line that has line ends becomes several at the same place."""
    split = [(number, one) for number, line in lines for one in line.split("\n")]
    text = storable("\n".join(line for _, line in split))
    numbers = tuple(number for number, _ in split)
    title = storable(" ".join(title.split()))[:_LONGEST_VALUE]
    return Parsed(text, unit, numbers, title, tuple(without), storable(part), bounded_fields(metadata or {}))


def bounded_fields(metadata: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
    """Return as many fields as are not too many, with texts that are not too long."""
    fields: dict[str, FieldValue] = {}
    size = 0
    for name, value in list(metadata.items())[:_MOST_FIELDS]:
        several = [_storable(one) for one in (value if isinstance(value, tuple) else (value,))]
        size += len(name)
        kept = []
        for one in several:
            size += len(str(one))
            if size > _MOST_METADATA:
                break
            kept.append(one)
        if kept and len(name) <= _LONGEST_VALUE:
            fields[storable(name)] = tuple(kept) if isinstance(value, tuple) else kept[0]
    return fields


def _storable(value: Scalar) -> Scalar:
    if isinstance(value, str):
        return storable(value[:_LONGEST_VALUE])
    return value if isfinite(value) and -(2**63) <= value < 2**63 else str(value)


def said(error: Exception) -> str:
    """Return the kind and the message of a library's exception on one line, at most 200 characters."""
    return storable(" ".join(f"{type(error).__name__}: {error}".split()))[:200]
