"""Define what a parser yields: a text of a file, with the places of its lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

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
    fields = {
        storable(name): storable(value) if isinstance(value, str) else value
        for name, value in (metadata or {}).items()
    }
    return Parsed(
        text, unit, numbers, storable(" ".join(title.split())), tuple(without), storable(part), fields
    )


def said(error: Exception) -> str:
    """Return the kind and the message of a library's exception on one line, at most 200 characters."""
    return storable(" ".join(f"{type(error).__name__}: {error}".split()))[:200]
