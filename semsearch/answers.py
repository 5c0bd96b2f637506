"""The types of the JSON that `semsearch.serialize` makes: what the description of the API is made of.

Type checkers hold the functions of `serialize` to them, and a test holds the server's answers to the description. They
are cheap to import.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, TypedDict

from semsearch.types import Contained, FieldValue, Level, Linkage, Rejected, Scalar, Tier, Unit


class Explained(TypedDict, total=False):
    """The ranks of a hit by meaning and by words, and the factor of its document. Only with `explain`."""

    dense_rank: int | None
    lexical_rank: int | None
    document_factor: float | None


class Located(Explained):
    """The place of a passage and its scores. `path` is null for a record from memory."""

    score: float
    relevance: float | None
    cosine: float | None
    bm25: float | None
    source: str
    path: str | None
    document: str
    heading: str
    unit: Unit
    start: int
    end: int
    passage_id: str


class FoundPassage(Located):
    """A passage that was found, with its best sentence and the near-copies that were collapsed into it."""

    text: str
    best_sentence: str
    metadata: Mapping[str, FieldValue]
    copies: list[Located]


class RankedPassage(FoundPassage):
    """A passage that was found, with its rank, which counts from 1."""

    rank: int


class PassageOfQuery(RankedPassage):
    """A passage that was found for a query."""

    query: str


class SearchAnswer(TypedDict):
    """The answer to a query, with notes for people. `relevant` is false where nothing relevant was found."""

    query: str
    notes: list[str]
    relevant: bool
    hits: list[FoundPassage]


class SimilarAnswer(TypedDict):
    """The documents similar to one, or the passages similar to the one at a line of it."""

    file: str
    line: int | None
    notes: list[str]
    hits: list[RankedPassage]


class ValueCount(TypedDict):
    """A value of a field, and the number of documents that have it."""

    value: Scalar
    count: int


class FieldAnswer(TypedDict):
    """The values of a field. `documents` have it, of all `total` that were counted."""

    field: str
    documents: int
    total: int
    values: list[ValueCount]


class PassageAnswer(TypedDict):
    """A passage as it is stored."""

    text: str
    unit: Unit
    start: int
    end: int
    heading: str
    passage_id: str


class DocumentAnswer(TypedDict):
    """A document's passages as they are stored."""

    name: str
    metadata: Mapping[str, FieldValue]
    passages: list[PassageAnswer]


class Sides(TypedDict):
    """A part of one text, and what stands in its place in the other."""

    a: str
    b: str


class SegmentAnswer(Sides):
    """A part of two texts that is equal, or differs; `kind` says in what."""

    op: str
    kind: str


class DifferenceAnswer(TypedDict):
    """The words in which two texts differ."""

    shared_words: int
    negations: list[Sides]
    numbers: list[Sides]
    segments: list[SegmentAnswer]


class Closest(TypedDict):
    """A passage, and the one of the other document that is closest to it."""

    passage: str
    best: str
    cosine: float


class Side(TypedDict):
    """One of two documents. `containment` is the share of its words that the other has too."""

    name: str
    words: int
    containment: float
    similarity: float
    passages: list[Closest]


class FieldsOfBoth(TypedDict):
    """The values of a field that differs."""

    a: FieldValue | None
    b: FieldValue | None


class Probable(TypedDict, total=False):
    """The probability that two documents are duplicates, where a classifier gives one, and from where on it counts."""

    probability: float
    least_probability: float


class ComparisonAnswer(DifferenceAnswer, Probable):
    """The similarity of two documents. The `tier` is null where they do not count as near-duplicates."""

    a: Side
    b: Side
    similarity: float
    jaccard: float
    tier: Tier | None
    differs: str
    threshold: float
    fields: Mapping[str, FieldsOfBoth]


class DedupAnswer(TypedDict):
    """The counts of near-duplicates, see `Duplicates`; some are there only where they were asked for, or are not 0."""

    threshold: float
    level: Level
    linkage: Linkage
    total: int
    exact: int
    lexical: int
    semantic: int
    near: int
    fraction: float
    threshold_origin: str
    vetoed: Mapping[str, int]
    undecided: int
    containment: NotRequired[float]
    more_contained: NotRequired[int]
    contained: NotRequired[list[Annotated[Mapping[str, Any], Contained]]]
    guarantee_carries_over: NotRequired[bool | None]
    rejected: NotRequired[list[Annotated[Mapping[str, Any], Rejected]]]
    more_rejected: NotRequired[int | None]


class MemberAnswer(TypedDict):
    """A duplicate in a group, see `Member`, with the beginning of its text from near the first difference on.

    `probability` is missing without a classifier, and `differs` where no facts differ. `difference` says how its words
    differ from those of the keeper, for callers who ask for it.
    """

    name: str
    similarity: float
    jaccard: float
    tier: Tier
    protected: bool
    probability: NotRequired[float]
    differs: NotRequired[str]
    text: str
    difference: NotRequired[str]


class GroupAnswer(TypedDict):
    """A group, see `Group`. `weakest` is the lowest similarity of a member with the keeper."""

    group: int
    keeper: str
    members: list[MemberAnswer]
    lowest: float
    weakest: float
    keeper_text: str


class ReviewedMember(MemberAnswer):
    """A member of a group under review, with a person's verdict; the empty string while there is none."""

    verdict: str


class ReviewedGroupAnswer(TypedDict):
    """A group under review. `decided` is true where each member has a verdict."""

    group: int
    keeper: str
    members: list[ReviewedMember]
    lowest: float
    weakest: float
    keeper_text: str
    decided: bool


class PlacedSource(TypedDict):
    """The source of a document, and its row where it has one."""

    source: str
    row: NotRequired[int]


PlanStepAnswer = TypedDict(
    "PlanStepAnswer",
    {
        "remove": str,
        "why": str,
        "keep": str,
        "tier": Tier,
        "similarity": float,
        "jaccard": float,
        "differs": NotRequired[str],
        "from": PlacedSource,
        "kept_in": PlacedSource,
    },
)
PlanStepAnswer.__doc__ = "A document to remove, and the one that stays in its place."


class SourceContentAnswer(TypedDict):
    """The digest and the size of a source when the plan was made."""

    sha256: str
    size: int


class PlanAnswer(TypedDict):
    """A plan, as `semsearch apply` reads it."""

    note: str
    version: int
    made: str
    threshold: float
    linkage: Linkage
    keep: list[str]
    steps: list[PlanStepAnswer]
    left_out: list[str]
    sources: Mapping[str, SourceContentAnswer]


class UndoneAdaptation(TypedDict):
    """The name of the model that an index has again."""

    model: str


class Ranged(TypedDict):
    """A figure, with the ends of its range or of its 95% interval."""

    value: float
    low: float
    high: float


class TriagedText(TypedDict):
    """The label of a text, see `TriageAnswer`; `by` says what decided."""

    name: str
    label: str
    by: str
    guess: str
    probability: float
    text: str


class LabelShare(TypedDict):
    """A label in cross-validation: its number of examples, and the share of them that got it back."""

    label: str
    examples: int
    recall: Ranged


class UnknownTexts(TypedDict):
    """A cluster of unknown texts, its size, and the name of the one in its middle."""

    number: int
    size: int
    central: str


class TriageFound(TypedDict):
    """The labels of texts, the clusters of unknown ones, and what training found; see `TrainingReport`."""

    promise: float
    guarantee: Any
    examples: int
    kind: str
    accuracy: Ranged
    other_accuracy: Mapping[str, Ranged]
    labels: list[LabelShare]
    possible: float | None
    sure: Ranged
    ambiguous: int
    counts: Mapping[str, int]
    unknown: list[UnknownTexts]
    texts: list[Annotated[dict[str, Any], TriagedText]]


class FactWarning(TypedDict):
    """A fact that differs, by the rule that finds it, in words for people."""

    rule: str
    text: str


class PairAnswer(DifferenceAnswer):
    """Two documents under review. `cut` is true where only the beginnings are compared."""

    warnings: list[FactWarning]
    cut: bool


class CurveAnswer(TypedDict):
    """The precision and the recall at every threshold, the strictest first."""

    thresholds: list[float]
    precision: list[float]
    recall: list[float]


class RunAnswer(TypedDict):
    """A run of `apply` that can be undone."""

    run: str
    mode: str
    files: int


class WeightedTerm(TypedDict):
    """A word of a cluster, and how far it sets the cluster apart."""

    term: str
    weight: float


class PeriodAnswer(TypedDict):
    """The texts of a cluster in a day, month or year, and their share of all texts of it."""

    period: str
    count: int
    share: Ranged


class PlacedText(TypedDict):
    """A text of a cluster, its place, and its cosine to the cluster's centre."""

    document: str
    unit: Unit
    start: int
    end: int
    similarity: float
    text: str


class ClusterAnswer(TypedDict):
    """A cluster, see `Cluster`."""

    number: int
    name: str
    new: bool
    terms: list[WeightedTerm]
    sentence: str
    size: int
    share: Ranged
    stability: Ranged
    representatives: list[PlacedText]
    outliers: list[PlacedText]
    outlier_count: int
    periods: list[PeriodAnswer]


class OverTime(TypedDict):
    """The field of the periods, and how many texts are of none."""

    field: str
    undated: int


class ClustersAnswer(TypedDict):
    """The clusters of an index, the largest first, and their number with its range over other runs."""

    level: Level
    granularity: float
    total: int
    number: Ranged
    clusters: list[ClusterAnswer]
    over_time: OverTime | None


class ClusteredText(PlacedText):
    """A passage or a document, and its cluster."""

    cluster: int
    name: str
    outlier: bool


class DriftWindowAnswer(TypedDict):
    """A window of time, see `DriftWindow`."""

    first: str
    last: str
    documents: int
    passages: int
    drawn: int


class DriftTestAnswer(TypedDict):
    """A test of a run, see `DriftTest`."""

    name: str
    p: float
    adjusted: float
    drift: bool


class DriftMeasureAnswer(TypedDict):
    """A figure of the texts of both windows, see `DriftMeasure`."""

    name: str
    before: Ranged
    now: Ranged


class DriftTermAnswer(TypedDict):
    """A term that a window has more often, see `DriftTerm`."""

    term: str
    before: int
    now: int
    share_before: Ranged
    share_now: Ranged
    odds: Ranged
    z: float
    p: float
    examples: list[str]


class DriftDocumentAnswer(TypedDict):
    """A document that sets its window apart, see `DriftDocument`."""

    document: str
    late: bool
    weight: float
    text: str


class DriftModelAnswer(TypedDict):
    """A look at whether the model gives other vectors than those stored, see `DriftModel`."""

    texts: int
    differing: Ranged | None
    lowest: float | None
    changed: bool
    reason: str


class DriftPairAnswer(TypedDict):
    """Two documents, and their cosine."""

    left: str
    right: str
    similarity: float


class DriftScoresAnswer(TypedDict):
    """A look at whether the guarantee of a saved threshold covers the later window, see `DriftScores`."""

    threshold: float
    edges: list[float]
    before: list[int]
    now: list[int]
    p: float | None
    covered: bool | None
    labels: int
    pairs: list[DriftPairAnswer]


class DriftAnswer(TypedDict):
    """The differences between two windows of time, see `Drift`."""

    drift: bool
    by: str
    before: DriftWindowAnswer
    now: DriftWindowAnswer
    undated: int
    amount: Ranged
    tests: list[DriftTestAnswer]
    measures: list[DriftMeasureAnswer]
    terms: list[DriftTermAnswer]
    documents: list[DriftDocumentAnswer]
    model: DriftModelAnswer | None
    scores: DriftScoresAnswer | None
    notes: list[str]


class MembersAnswer(TypedDict):
    """Some texts of a cluster, and how many it has."""

    matching: int
    members: list[ClusteredText]
