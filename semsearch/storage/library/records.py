"""The values that go into a Library and come out of it."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from semsearch.storage.library.settings import is_number
from semsearch.types import FieldValue, Hit, Unit


@dataclass(frozen=True, slots=True)
class SourceState:
    """The state of a source when it was indexed: size, modification time, SHA-256, and the options it was read with.

    An empty `digest` means: read the source again, whatever its size and time. `ctime_ns`, `inode` and `device` are
    those of its file; 0 where nobody knows.
    """

    size: int
    mtime_ns: int
    digest: str
    reading: str
    ctime_ns: int = 0
    inode: int = 0
    device: int = 0


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """The contents of a source in numbers: documents, passages, tokens, and tokens out of the model's vocabulary.

    `indexed` is the time it was indexed in seconds since 1970, 0 where nobody knows.
    """

    documents: int
    passages: int
    tokens: int
    oov: int
    indexed: int


@dataclass(frozen=True, slots=True)
class PassageRecord:
    """A passage to store. `digest` is the digest of `text` and names its vector; `heading` is the path above it.

    `text` is cleaned. `original` is what it was made from, which is shown, and is empty where both are the same.
    """

    id: str
    text: str
    digest: bytes
    unit: Unit
    first: int
    last: int
    heading: str = ""
    original: str = ""


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document to store with its passages. `digest` is the digest of the whole cleaned text."""

    name: str
    digest: bytes
    metadata: Mapping[str, FieldValue]
    passages: Sequence[PassageRecord]


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A published passage, read from the Library. `text` is cleaned, and `original` is what it was made from."""

    id: str
    source: str
    document: str
    text: str
    unit: Unit
    first: int
    last: int
    heading: str
    original: str
    metadata: Mapping[str, FieldValue]

    @property
    def traits(self) -> dict[str, str | int]:
        """The metadata that a vector engine stores with the vector and the text."""
        return {
            "source": self.source,
            "document": self.document,
            "unit": self.unit,
            "first": self.first,
            "last": self.last,
        }

    def hit(self, score: float, **found: Any) -> Hit:
        """Return the passage as a hit; `found` are the fields of `Hit` that a search fills in."""
        return Hit(
            score=score,
            source=self.source,
            document=self.document,
            text=self.original,
            unit=self.unit,
            start=self.first,
            end=self.last,
            heading=self.heading,
            passage_id=self.id,
            metadata=self.metadata,
            **found,
        )


_UNITS = get_args(Unit)
_FURTHEST = 1 << 40
"""The largest number of a line, page or second."""


def stored_passage(
    id_: Any,
    source: Any,
    document: Any,
    text: Any,
    unit: Any,
    first: Any,
    last: Any,
    heading: Any,
    original: Any,
    metadata: Mapping[str, FieldValue],
) -> StoredPassage:
    """Return the passage of a row. Raises `ValueError` where a value is not of its kind."""
    texts = (id_, source, document, text, unit, heading, original)
    if set(map(type, texts)) != {str} or type(first) is not int or type(last) is not int:
        raise ValueError("a value of a passage is not of its kind")
    if "\0" in source or not source or unit not in _UNITS or not 0 <= first <= last <= _FURTHEST:
        raise ValueError(f"{source!r} has a passage at a place that does not exist")
    shown = original or text
    return StoredPassage(id_, source, document, text, unit, first, last, heading, shown, metadata)


def stored_fields(metadata: str) -> dict[str, FieldValue]:
    """Return the metadata of a document. Raises `ValueError` or `RecursionError` where it is anything else."""
    values = json.loads(metadata)
    if not isinstance(values, dict):
        raise ValueError("the metadata of a document is not an object")
    return {name: _field_value(value) for name, value in values.items()}


def _field_value(value: Any) -> FieldValue:
    several = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | bool) or is_number(one) for one in several):
        raise ValueError("a field of a document is not a text, a number or a list of them")
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class PassageMatrix:
    """Every published document and passage as arrays, passages grouped by document, both ordered by source.

    `names`, `sources` (keys) and `digests` have one entry a document. `places` (unit, first and last number),
    `numbers` (see `Library.texts`), `document`, `row` (in the matrix of vectors) and `length` (in characters) have one
    entry a passage.
    """

    names: list[str]
    sources: list[str]
    digests: list[bytes]
    places: list[tuple[Unit, int, int]]
    numbers: NDArray[np.int64]
    document: NDArray[np.int64]
    row: NDArray[np.int64]
    length: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the metadata: its distinct `values`, and the code of its value for each of some `documents`."""

    values: list[FieldValue]
    codes: NDArray[np.int64]
    documents: NDArray[np.int64]

    def where(self, accepts: Callable[[FieldValue], bool]) -> NDArray[np.int64]:
        """Return the documents whose value is accepted."""
        accepted = [code for code, value in enumerate(self.values) if accepts(value)]
        held: NDArray[np.int64] = self.documents[np.isin(self.codes, accepted)]
        return held


def possible_sources(document: str) -> list[str]:
    """Return the keys of which one is the source of a document: the keys and the ids of rows may both contain a #."""
    return [document, *(document[:at] for at, sign in enumerate(document) if sign == "#")]


def is_of(document: str, sources: Collection[str]) -> bool:
    """Return whether a document may be of one of some sources, by its name alone."""
    return any(key in sources for key in possible_sources(document))
