"""Requests: what a caller asks of an index, with the one set of defaults that Python and the command line share.

Each request is frozen and checks its own values when it is made, so whatever receives one need not check them again.
The `...Options` types name the same fields as keyword arguments, as `Index.query` and others accept them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypedDict, get_args

from semsearch.errors import InvalidInput
from semsearch.types import MODES, Level, Linkage, Mode, as_date

DEFAULT_CACHE = 512 * 10**6
"""The most bytes that the vectors of data sets take in the user's cache folder."""
DEFAULT_MEMORY = 512 * 2**20
"""The default working memory of `dedup`, in bytes, without the vectors and the result."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A query and how to answer it.

    Args:
        query: The text to search for, in the syntax of `semsearch.search.query`.
        k: The highest number of hits.
        mode: Search by meaning and words ("hybrid"), by meaning alone ("dense"), or by words alone ("lexical").
        min_score: The lowest cosine of a hit, in [-1, 1]. A lexical search has no cosine and takes no `min_score`.
        min_relevance: The lowest relevance of a hit, in [0, 1], see `semsearch.search.relevance`. With None all hits
            are returned, and commands for people show them if the best one is relevant.
        source: A pattern, see `semsearch.patterns.Names`; only sources that match are searched.
        collapse: Show exact and lexical near-copies of a hit as its `copies` instead of as separate hits.
        per_document: The highest number of hits from one document; None for no limit.
        explain: Add the rank of each hit by meaning and by words, and the factor of its document.
        literal: Take all of `query` as text, whatever signs it contains.
        highlight: Find the best sentence of each hit. It takes time, so turn it off where nobody sees the sentence.
        rerank: The name or folder of a cross-encoder that reorders the first `rerank_top` hits; None for none.
        rerank_top: The number of hits that the cross-encoder reads.
    """

    query: str
    k: int = 5
    mode: Mode = "hybrid"
    min_score: float = -1.0
    min_relevance: float | None = None
    source: str | None = None
    collapse: bool = True
    per_document: int | None = 2
    explain: bool = False
    literal: bool = False
    highlight: bool = True
    rerank: str | None = None
    rerank_top: int = 50

    def __post_init__(self) -> None:
        _text("query", self.query)
        _one_of("mode", self.mode, MODES)
        _at_least_one("k", self.k)
        _at_least_one("rerank_top", self.rerank_top)
        if self.per_document is not None:
            _at_least_one("per_document", self.per_document)
        _number("min_score", self.min_score)
        if self.min_relevance is not None:
            _number("min_relevance", self.min_relevance)
        for name in ("source", "rerank"):
            if getattr(self, name) is not None:
                _text(name, getattr(self, name))
        if self.mode == "lexical" and self.min_score > -1:
            raise InvalidInput(
                "a lexical search computes no cosine, so min_score does not apply",
                "leave min_score out, or search in another mode",
            )


class SearchOptions(TypedDict, total=False):
    """The fields of a `SearchRequest` except its query, as keyword arguments."""

    k: int
    mode: Mode
    min_score: float
    min_relevance: float | None
    source: str | None
    collapse: bool
    per_document: int | None
    explain: bool
    literal: bool
    highlight: bool
    rerank: str | None
    rerank_top: int


@dataclass(frozen=True, slots=True)
class SimilarRequest:
    """A document, or one passage of it, and how to find what is similar to it.

    Args:
        document: A file, or the name of a document in the index.
        line: The line whose passage is compared, or the page of a PDF, or the paragraph of a Word document. None
            compares whole documents.
        k: The highest number of hits.
        min_score: The lowest similarity of a hit, in [-1, 1].
        source: A pattern, see `semsearch.patterns.Names`; only sources that match are searched.
        highlight: Find the best sentence of each hit.
    """

    document: str
    line: int | None = None
    k: int = 5
    min_score: float = -1.0
    source: str | None = None
    highlight: bool = True

    def __post_init__(self) -> None:
        _text("document", self.document)
        _at_least_one("k", self.k)
        _number("min_score", self.min_score)
        if self.line is not None and not _is_whole(self.line):
            raise InvalidInput(f"line is {self.line!r}, but must be a whole number")
        if self.source is not None:
            _text("source", self.source)


class SimilarOptions(TypedDict, total=False):
    """The fields of a `SimilarRequest` except document and line, as keyword arguments."""

    k: int
    min_score: float
    source: str | None
    highlight: bool


KEEP_RULES = ("first", "newest", "oldest", "longest", "shortest")
KEEP_PATH = "path:"
"""The beginning of the rule that prefers the sources that match a pattern."""


def require_keep_rule(rule: str) -> None:
    """Raise `InvalidInput` for what is not a rule that chooses the keeper of a group."""
    if rule not in KEEP_RULES and (not rule.startswith(KEEP_PATH) or rule == KEEP_PATH):
        rules = (*KEEP_RULES, f"{KEEP_PATH}PATTERN")
        raise InvalidInput(f"{rule!r} is not a --keep rule", f"the rules are {', '.join(rules)}")


@dataclass(frozen=True, slots=True)
class DedupRequest:
    """The rules by which near-duplicates are found and grouped.

    Args:
        threshold: The lowest similarity of a pair, in [-1, 1]. None takes the threshold that `tune` saved, else 0.85,
            mapped for other models than the default one.
        min_precision: In place of a threshold, the share in (0, 1) of the pairs found that must be duplicates, as
            `tune` guaranteed it. `lexical` does not apply with it.
        level: Compare whole documents, or passages.
        linkage: What holds a group together, see `semsearch.types.Linkage`.
        keep: The rules that choose the keeper of a group, in order; see `semsearch.dedup.keeper.preference`.
        protect: Patterns of sources that are never removed, see `semsearch.patterns.Names`.
        lexical: Also pair documents with this Jaccard similarity of their word triples, in (0, 1]; None for none.
        from_run: Compare nothing: answer from earlier runs, or raise `InvalidInput` where these do not suffice.
        memory: The highest number of working bytes, without the vectors and the result.
        remove_differing: Take texts as duplicates though they differ in a number, a date, a sign or another fact.
        contained: Also list the documents of which at least this share, in (0, 1], lies in a longer one; None for none.
    """

    threshold: float | None = None
    min_precision: float | None = None
    level: Level = "document"
    linkage: Linkage = "keeper"
    keep: Sequence[str] = ()
    protect: Sequence[str] = ()
    lexical: float | None = None
    from_run: bool = False
    memory: int = DEFAULT_MEMORY
    contained: float | None = None
    remove_differing: bool = False

    @property
    def keep_rules(self) -> Sequence[str]:
        """The rules that choose keepers: those given, or with `contained` the longest document."""
        return self.keep or (() if self.contained is None else ("longest",))

    def __post_init__(self) -> None:
        _one_of("level", self.level, get_args(Level))
        _one_of("linkage", self.linkage, get_args(Linkage))
        _at_least_one("memory", self.memory)
        for name in ("keep", "protect"):
            values = getattr(self, name)
            if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
                raise InvalidInput(f"{name} is {values!r}, but must be a list of strings")
        for rule in self.keep:
            require_keep_rule(rule)
        for name in ("threshold", "lexical", "contained", "min_precision"):
            if getattr(self, name) is not None:
                _number(name, getattr(self, name))
        if self.threshold is not None and not -1 <= self.threshold <= 1:
            raise InvalidInput(f"threshold is {self.threshold}, but must be between -1 and 1")
        for name in ("lexical", "contained"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) <= 1:
                raise InvalidInput(f"{name} is {getattr(self, name)}, but must be above 0 and at most 1")
        if self.contained is not None and self.level == "passage":
            raise InvalidInput("contained compares whole documents", "leave out level passage, or contained")
        if self.min_precision is None:
            return
        if not 0 < self.min_precision < 1:
            raise InvalidInput(f"min_precision is {self.min_precision}, but must be between 0 and 1")
        if self.threshold is not None or self.lexical is not None:
            raise InvalidInput(
                "min_precision replaces threshold and lexical", "give either min_precision or the others"
            )


class DedupOptions(TypedDict, total=False):
    """The fields of a `DedupRequest` except its threshold, as keyword arguments."""

    min_precision: float | None
    level: Level
    linkage: Linkage
    keep: Sequence[str]
    protect: Sequence[str]
    lexical: float | None
    contained: float | None
    remove_differing: bool
    from_run: bool
    memory: int


@dataclass(frozen=True, slots=True)
class ClusterRequest:
    """A request for clusters: of passages or documents, and how finely.

    Args:
        level: Cluster passages, or whole documents.
        granularity: Above 0 and at most 1000: 1 is usual, 2 gives more and smaller clusters, 0.5 fewer and larger ones.
        over_time: A field of dates; each cluster is then counted by day, month or year. None for no counts.
    """

    level: Level = "passage"
    granularity: float = 1.0
    over_time: str | None = None

    def __post_init__(self) -> None:
        _one_of("level", self.level, get_args(Level))
        _number("granularity", self.granularity)
        if not 0 < self.granularity <= 1000:
            raise InvalidInput(f"granularity is {self.granularity}, but must be above 0 and at most 1000")
        if self.over_time is not None:
            _text("over_time", self.over_time)


class ClusterOptions(TypedDict, total=False):
    """The fields of a `ClusterRequest`, as keyword arguments."""

    level: Level
    granularity: float
    over_time: str | None


INGESTED, MODIFIED = "ingested", "modified"
"""The times of a source that `DriftRequest.by` may name: when it was last indexed, and when its file was written."""


@dataclass(frozen=True, slots=True)
class DriftRequest:
    """A request to compare two windows of time.

    Args:
        by: A field of dates; or "ingested" or "modified", the times of a source, unless fields have these names. None
            stands for "ingested", and in a log of queries for their order.
        before: The day, month or year that the earlier window ends before, or a time, in UTC where it has no zone.
            None: where the later one begins.
        since: The same for the begin of the later window. None: `before`, or the one that halves the
            documents.
    """

    by: str | None = None
    before: str | None = None
    since: str | None = None

    def __post_init__(self) -> None:
        for name in ("by", "before", "since"):
            if getattr(self, name) is not None:
                _text(name, getattr(self, name))
        if self.by is not None and not self.by.strip():
            raise InvalidInput("by is empty", "name a field of dates")
        for name in ("before", "since"):
            if (value := getattr(self, name)) is None:
                continue
            if (date := as_date(value)) is None:
                raise InvalidInput(
                    f"{name} is {value!r:.80}, but must be a date such as 2024-05-31, 2024-05 or 2024"
                )
            object.__setattr__(self, name, date)


class DriftOptions(TypedDict, total=False):
    """The fields of a `DriftRequest`, as keyword arguments."""

    by: str | None
    before: str | None
    since: str | None


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def bytes_of(size: str) -> int:
    """Return a size such as 500kB, 50MB or 1GiB in bytes. Raises `InvalidInput` for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?)?b?\s*", size, re.IGNORECASE)
    if not match:
        raise InvalidInput(f"{size!r} is not a size such as 500kB or 50MB")
    return int(float(match[1]) * _UNITS[(match[2] or "").lower()])


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is {value!r}, but must be a string")


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _at_least_one(name: str, value: Any) -> None:
    if not _is_whole(value) or value < 1:
        raise InvalidInput(f"{name} is {value!r}, but must be a whole number of at least 1")


def _number(name: str, value: Any) -> None:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and -1e9 < value < 1e9):  # NaN fails as well
        raise InvalidInput(f"{name} is {value!r}, but must be a number")


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidInput(f"unknown {name} {value!r}", f"choose one of {', '.join(allowed)}")
