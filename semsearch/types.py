"""Define the values that all parts of the package share: frozen, plain, and without behaviour."""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, get_args

Scalar = str | int | float | bool
FieldValue = Scalar | tuple[Scalar, ...]
"""The value of a field in a document's metadata: one, or several in their order, such as tags."""
HIGH_OOV_RATE = 0.05
"""From this share of out-of-vocabulary tokens on, scores mean little, and every command says so."""
Unit = Literal["line", "page", "row", "paragraph", "slide", "chapter", "cell", "message", "second"]
"""The unit of a location's numbers, which count from 1 in the file. Seconds count from 0."""

_DATE = re.compile(
    r"\d{4}(-(?:0[1-9]|1[0-2])(?P<day>-(?:0[1-9]|[12]\d|3[01])"
    r"([T ]\d\d(:\d\d(?P<seconds>:\d\d(\.\d+)?)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)


def place(unit: Unit, first: int, last: int) -> str:
    """Return a location as it follows a file's name: `:3-9`, `, page 2`, or `, 0:01:05-0:01:09` for seconds."""
    if unit == "second":
        start, end = (str(timedelta(seconds=number)) for number in (first, last))
        return f", {start}" if first == last else f", {start}-{end}"
    numbers = str(first) if first == last else f"{first}-{last}"
    return f":{numbers}" if unit == "line" else f", {unit} {numbers}"


class Definition(NamedTuple):
    """A definition in source code, such as a function or a class, with the comments right above it.

    Attributes:
        first: Its first line, from 1.
        last: Its last line.
        path: The names of the definitions around it, and its own.
        whole: True for what stays whole where it fits, such as a function.
    """

    first: int
    last: int
    path: tuple[str, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Document:
    """One text to index: a whole file, or one row of a CSV/JSONL file. `text` is as read, not yet cleaned.

    `numbers[i]` is the location of line `i` of `text`, in the unit of the document; None stands for `i + 1`. `row_id`
    identifies a row of its source and is empty for a whole file. `written` is the whole text of the file where `text`
    was made from its lines, as from those of Markdown; hits show these lines. It is empty where hits show `text`.
    `outline` has the definitions of source code, in order.
    """

    source: str
    text: str
    row_id: str = ""
    unit: Unit = "line"
    numbers: tuple[int, ...] | None = None
    metadata: Mapping[str, FieldValue] = field(default_factory=dict)
    written: str = field(default="", repr=False)
    outline: tuple[Definition, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """The document's name in an index: its source, and `#row` for a row."""
        return f"{self.source}#{self.row_id}" if self.row_id else self.source


@dataclass(frozen=True, slots=True)
class Record:
    """A text from memory with its id and its metadata, as `Index.add` takes it and `Index.get` returns it."""

    id: str
    text: str
    metadata: Mapping[str, FieldValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A path that was not ingested, with a short `reason` such as "binary file".

    `failed` is True for a source that could not be read (exit code 3), and False for one left out on purpose. `detail`
    names the rule that decided, such as `.gitignore:3: *.log`.
    """

    path: str
    reason: str
    failed: bool = False
    detail: str = field(default="", compare=False)


Mode = Literal["hybrid", "dense", "lexical"]
"""The kind of a search: by meaning and words, by meaning alone, or by words alone."""
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found by a query.

    Args:
        score: The number that hits rank by: `cosine` in a dense search, `bm25` in a lexical search, and in a hybrid
            search a combination of both with what the document adds, see `semsearch.search.fusion`; 0 in a list of
            the documents that meet conditions, which nothing ranks.
        source: The name of the file, see `Index.path_of`.
        document: The name of the document: the source, and `#row` for a row.
        text: The text of the passage as it is in the file, with LF as line end. Whole lines have their indentation.
        unit: The unit of `start` and `end`.
        start: The first line, page, row or paragraph of the passage in the file.
        end: The last one.
        passage_id: The name of the passage, the same in every index with the same text at the same place.
        heading: The path of headings above the passage, such as `Guide > Install`, or empty.
        metadata: The metadata of the document.
        highlight: The [start, end) span in `text` of the sentence that answers the query best; (0, 0) if not searched.
        copies: Near-copies that were collapsed into the hit.
        cosine: The cosine with the query, in [-1, 1]; None in a lexical search, and in a list.
        bm25: The BM25 score of the words, at least 0; None in a dense search, and in a list.
        relevance: The share in [0, 1] of unrelated questions whose best hit is less good, and at least 0.95 for what
            was asked for word by word; None where no query ranks hits. See `semsearch.search.relevance`.
        dense_rank: The rank by cosine, on request.
        lexical_rank: The rank by BM25, on request; None where the passage has none of the words.
        document_factor: The factor by which the document changed the score, on request.
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
    metadata: Mapping[str, FieldValue] = field(default_factory=dict)
    highlight: tuple[int, int] = (0, 0)
    copies: tuple["Hit", ...] = ()
    cosine: float | None = None
    bm25: float | None = None
    relevance: float | None = None
    dense_rank: int | None = None
    lexical_rank: int | None = None
    document_factor: float | None = None


@dataclass(frozen=True, slots=True)
class FieldCounts:
    """The values of a field, each with the number of documents that have it, the most frequent first.

    `documents` is the number of documents that have the field, among the `total` that were looked at.
    """

    field: str
    documents: int
    total: int
    values: tuple[tuple[Scalar, int], ...]


Tier = Literal["exact", "lexical", "semantic"]
"""The kind of a near-duplicate: equal after cleaning; equal in most word triples; or similar in meaning only."""
TIERS: tuple[Tier, ...] = get_args(Tier)
Level = Literal["document", "passage"]
"""The texts that are compared: whole documents, or passages."""
Linkage = Literal["keeper", "complete", "single"]
"""The pairs that a group needs: each member with the keeper; every two members; or a chain (single linkage)."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two near-duplicates: their similarity in [-1, 1], the Jaccard similarity of their word triples, and the tier."""

    left: str
    right: str
    similarity: float
    jaccard: float
    tier: Tier


@dataclass(frozen=True, slots=True)
class Member:
    """A duplicate in a group, compared with the group's keeper.

    A `protected` member is never removed. `probability` is the saved classifier's for a duplicate; None where there is
    no classifier, or where it does not apply. `differs` says what facts differ, where such texts count as duplicates.
    """

    name: str
    similarity: float
    jaccard: float
    tier: Tier
    protected: bool = False
    probability: float | None = None
    differs: str = ""


@dataclass(frozen=True, slots=True)
class SharedPart:
    """A part of a document that its container has too, almost word for word.

    `words` counts the words that are the same. `unit`, `start` and `end` are the place in the document, as in `Hit`,
    and the other three are the place in the container.
    """

    words: int
    unit: Unit
    start: int
    end: int
    container_unit: Unit
    container_start: int
    container_end: int


@dataclass(frozen=True, slots=True)
class Contained:
    """A document that lies mostly in another one, its container.

    Args:
        document: The name of the contained document.
        container: The name of the document that it lies in.
        share: The share of the document's words that the container has too, in (0, 1]; see `docs/near-duplicates.md`.
        words: The number of words of the document.
        container_words: The number of words of the container.
        tier: "lexical" if runs of words alone reach the share, "semantic" if passages had to be compared as well.
        parts: The parts that are the same word for word, in the order of the document.
    """

    document: str
    container: str
    share: float
    words: int
    container_words: int
    tier: Literal["lexical", "semantic"]
    parts: tuple[SharedPart, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Two texts with similar vectors that are not duplicates; `reason` is for people.

    `rule` is the rule of its veto, see `semsearch.dedup.veto.RULES`, or empty where the classifier rejects the pair.
    """

    left: str
    right: str
    similarity: float
    probability: float | None
    reason: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Near-duplicates of one keeper. `lowest` is the lowest similarity of any two of them, including the keeper."""

    keeper: str
    members: tuple[Member, ...]
    lowest: float

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the keeper and the members."""
        return (self.keeper, *(member.name for member in self.members))

    @property
    def weakest(self) -> float:
        """The lowest similarity of a member with the keeper."""
        return min(member.similarity for member in self.members)


@dataclass(frozen=True, slots=True)
class Draw:
    """The way in which a labelled pair was found: its `score` by a `scorer`, such as "cosine", and its draw.

    It was drawn with `probability` among the unlabelled pairs with a score of at least `floor`, to test the threshold
    `cut`. All three are None where it was not drawn so. Raises `ValueError` for numbers that cannot be.
    """

    scorer: str
    score: float
    cut: float | None = None
    floor: float | None = None
    probability: float | None = None

    def __post_init__(self) -> None:
        given = (self.cut, self.floor, self.probability)
        if not math.isfinite(self.score) or (None in given and any(value is not None for value in given)):
            raise ValueError(f"the score {self.score:g} or the draw {given} is not whole")
        if self.cut is None or self.floor is None or self.probability is None:
            return
        numbers = self.cut, self.floor, self.probability
        possible = all(map(math.isfinite, numbers)) and 0 < self.probability <= 1
        if not (possible and self.floor <= min(self.cut, self.score)):
            raise ValueError(
                f"a pair of score {self.score:g} cannot be drawn with probability {self.probability:g}"
                f" from {self.floor:g} up to test {self.cut:g}"
            )

    @property
    def drawn(self) -> bool:
        """True if the pair was drawn with a known probability."""
        return self.probability is not None


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two texts with a label: `score` is a grade on any scale, `duplicate` is yes or no, and at least one is set.

    `split` is the name of the data set's split ("train", "test", ...) or empty; `kind` is a free label such as
    "negation". `weight` is the number of pairs that an unevenly sampled pair stands for. `cosine` is the similarity by
    `model` (name and dtype), as `dedup` computes it, where that is known already. `draw` says how `label` found it.
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
    draw: Draw | None = None


def several(value: FieldValue) -> tuple[Scalar, ...]:
    """Return the values of a field; one value is the only one."""
    return value if isinstance(value, tuple) else (value,)


def field_name(name: str) -> str:
    """Return the normalized name of a field: NFC, lower case, with `_` for blanks."""
    return re.sub(r"\s+", "_", unicodedata.normalize("NFC", name).strip()).casefold()


def as_date(value: Scalar) -> str | None:
    """Return an ISO 8601 date or time as `2024-05-31T23:59:59`, cut to the given precision; None for other values.

    A time with a zone is converted to UTC. A day that no calendar has, such as 2024-02-30, is not a date.
    """
    text = str(value).strip()
    if not (match := _DATE.fullmatch(text)):
        return None
    if match["day"] is None:
        return text
    try:
        moment = datetime.fromisoformat(text)
        if match["zone"] is None:
            return text.replace(" ", "T")
        return moment.astimezone(UTC).isoformat()[: 19 if match["seconds"] else 16]
    except (ValueError, OverflowError):
        return None
