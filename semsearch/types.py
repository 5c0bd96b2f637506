"""The values that pass between rooms: frozen, plain, and free of behaviour beyond what their fields imply."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

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


Mode = Literal["hybrid", "dense", "lexical"]
"""What a search goes by: meaning and words together, meaning alone, words alone."""
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found by a query. `highlight` is the [start, end) span of the sentence in `text` most like the query;
    `copies` are near-copies of it that were found beside it. `heading` is the path of the headings it stands under,
    such as `Guide > Install`, or empty.

    `score` is what hits rank by: of a dense search the `cosine` in [-1, 1], of a lexical one `bm25`, at least 0, and
    of a hybrid one both together and what its document adds, see `semsearch.search.fusion`. `cosine` or `bm25` is None where
    the mode has none. The ranks by either alone are given on request, and the factor by which its document has changed
    the score; a passage with none of the words has no `lexical_rank`.
    """

    score: float
    source: str
    document: str
    text: str
    unit: Unit
    start: int
    end: int
    passage_id: str
    heading: str = ""
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    highlight: tuple[int, int] = (0, 0)
    copies: tuple["Hit", ...] = ()
    cosine: float | None = None
    bm25: float | None = None
    dense_rank: int | None = None
    lexical_rank: int | None = None
    document_factor: float | None = None


Tier = Literal["exact", "lexical", "semantic"]
"""How alike two texts are: equal after cleaning; sharing most of their word triples; alike to the model."""
TIERS: tuple[Tier, ...] = get_args(Tier)
Level = Literal["document", "passage"]
"""What near-duplicates are looked for among: whole documents, or their passages."""
Linkage = Literal["keeper", "complete", "single"]
"""What holds a group together: every member is like the keeper; all are like each other; a chain of likeness."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two near-duplicates: the cosine of their vectors, the Jaccard similarity of their shingles, and the tier."""

    left: str
    right: str
    similarity: float
    jaccard: float
    tier: Tier


@dataclass(frozen=True, slots=True)
class Member:
    """A duplicate in a group, compared with the group's keeper. What is `protected` is never to be removed. `chance` is
    that of the two being duplicates, where a verifier was asked."""

    name: str
    similarity: float
    jaccard: float
    tier: Tier
    protected: bool = False
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Two texts that are alike to the model, but no duplicates to the verifier; `reason` is for people."""

    left: str
    right: str
    similarity: float
    chance: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """Near-duplicates of one keeper. `lowest` is the least similarity of any two of them, the keeper included."""

    keeper: str
    members: tuple[Member, ...]
    lowest: float

    @property
    def weakest(self) -> float:
        """The lowest similarity of any member to the keeper."""
        return min(member.similarity for member in self.members)


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two texts with a judgement. `score` is graded (any scale); `duplicate` is yes/no; at least one is set.

    `split` is the data set's own ("train", "test", ...) or empty; `kind` is a free label such as "negation". `weight`
    is how many pairs it stands for, where they were sampled unevenly. `cosine` is what `model` (name and precision)
    makes of the two where that is known already: of long texts it is that of `dedup`, passage by passage.
    """

    text_a: str
    text_b: str
    duplicate: bool | None = None
    score: float | None = None
    split: str = ""
    kind: str = ""
    weight: float = 1.0
    cosine: float | None = None
    model: str = ""


def field_name(name: str) -> str:
    """A field's name as it is compared: without case, blanks as `_`."""
    return re.sub(r"\s+", "_", name.strip()).casefold()
