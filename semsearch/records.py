"""The values that pass between rooms: frozen, plain, and free of behaviour beyond what their fields imply."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Scalar = str | int | float | bool
Unit = Literal["line", "page", "row", "paragraph"]
"""What the numbers of a location count. Lines, rows and pages are those of the *file*, from 1."""


def place(unit: Unit, first: int, last: int) -> str:
    """A location as it follows a file's name: `:3-9` for lines, `, page 2` for the rest."""
    numbers = str(first) if first == last else f"{first}-{last}"
    return f":{numbers}" if unit == "line" else f", {unit} {numbers}"


@dataclass(frozen=True, slots=True)
class Document:
    """One text to index: a whole file, or one row of a CSV/JSONL file. `text` is as read, not yet cleaned.

    `numbers[i]` is the location (see `unit`) of line `i` of `text`; None means that line i is at `i + 1`.
    `row_id` tells the rows of one source apart and is empty for a whole file.
    """

    source: str
    text: str
    row_id: str = ""
    unit: Unit = "line"
    numbers: tuple[int, ...] | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The document's name in an index: its source, with `#row` when it is one row of it."""
        return f"{self.source}#{self.row_id}" if self.row_id else self.source


@dataclass(frozen=True, slots=True)
class Skipped:
    """A path that was not ingested, and why (`reason` is a short phrase such as "binary file").

    `failed` tells a source that *should* have been read (exit code 3) from one left out on purpose.
    """

    path: str
    reason: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found by a query. `score` is the cosine in [-1, 1]; `highlight` is the [start, end) span of
    the sentence in `text` most like the query."""

    score: float
    source: str
    document: str
    text: str
    unit: Unit
    start: int
    end: int
    passage_id: str
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    highlight: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Member:
    """A duplicate in a group: its similarity to the group's keeper, and whether the cleaned texts are equal."""

    name: str
    similarity: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Near-duplicates of one keeper. Every member is within the threshold of the keeper itself."""

    keeper: str
    members: tuple[Member, ...]

    @property
    def weakest(self) -> float:
        """The lowest similarity of any member to the keeper."""
        return min(member.similarity for member in self.members)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The near-duplicates of an index: groups at a `threshold`, out of `total` documents (or passages, by `level`)."""

    groups: tuple[Group, ...]
    threshold: float
    level: Literal["document", "passage"]
    total: int

    @property
    def exact(self) -> int:
        """How many members are exact copies of their keeper."""
        return sum(member.exact for group in self.groups for member in group.members)

    @property
    def near(self) -> int:
        """How many members are near-duplicates of their keeper and not exact copies."""
        return sum(not member.exact for group in self.groups for member in group.members)

    @property
    def fraction(self) -> float:
        """The share of all documents (or passages) that is a duplicate of a keeper."""
        return (self.exact + self.near) / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two texts with a judgement. `score` is graded (any scale); `duplicate` is yes/no; at least one is set.

    `split` is the data set's own ("train", "test", ...) or empty; `kind` is a free label such as "negation".
    """

    text_a: str
    text_b: str
    duplicate: bool | None = None
    score: float | None = None
    split: str = ""
    kind: str = ""
