"""Find near-duplicates and leaks in texts that are in memory: lists, dicts, data frames and data sets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, Unpack

from semsearch.dedup.in_files import Dataset
from semsearch.dedup.leak import Leaks
from semsearch.embedding import DEFAULT_MODEL, Embedder, load_embedder
from semsearch.errors import InvalidInput
from semsearch.ingest.records import Records, selected, texts_of
from semsearch.requests import DedupOptions, DedupRequest
from semsearch.storage.vector_cache import vector_cache
from semsearch.tables import Table
from semsearch.text.diff import Difference, difference
from semsearch.types import Contained, Document, Rejected, Tier

_T = TypeVar("_T", bound=Records)


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A text that another one repeats or resembles.

    Args:
        position: The position of the text in its data, from 0.
        text: The text itself, as given.
        other: The position of the text it is compared with: the keeper of its group, or the training text.
        other_text: That text.
        similarity: Their similarity, in [-1, 1]; None for a text that only lies in a longer one.
        jaccard: The share of word triples that both have; None likewise.
        kind: "exact", "lexical" or "semantic", or "contained" for a text that lies in a longer one.
        differs: The facts in which the two differ, where such texts count as well; else empty.
    """

    position: int
    text: str
    other: int
    other_text: str
    similarity: float | None
    jaccard: float | None
    kind: str
    differs: str = ""

    @property
    def why(self) -> str:
        """The reason in words."""
        return reason(self.kind, self.similarity, self.jaccard, self.differs)

    @property
    def difference(self) -> Difference:
        """The two texts word by word: what differs, and which differences are numbers or negations."""
        return difference(self.other_text, self.text)


@dataclass(frozen=True, slots=True)
class TextGroup:
    """Texts that repeat a keeper, which is at a `position` in the data."""

    position: int
    text: str
    members: tuple[TextMatch, ...]


@dataclass(frozen=True, slots=True)
class AlikeTexts:
    """Two texts that are similar and still not duplicates, for a `reason`, by their positions."""

    left: int
    right: int
    left_text: str
    right_text: str
    similarity: float
    reason: str


@dataclass(frozen=True, slots=True, repr=False)
class TextDuplicates(Table, Generic[_T]):
    """The near-duplicates among `total` texts at a `threshold`, in groups with a keeper each.

    `alike` has pairs that are as similar and say something else. A table of it has a row for each text of a group.
    """

    groups: tuple[TextGroup, ...]
    alike: tuple[AlikeTexts, ...]
    threshold: float
    total: int
    _data: _T = field(repr=False, compare=False)
    _size: int = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<{len(self.groups)} groups: {len(self.duplicates)} of {self.total} texts repeat another>"

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.groups)

    @property
    def duplicates(self) -> list[TextMatch]:
        """Every text that repeats a keeper, in the order of the data."""
        members = (member for group in self.groups for member in group.members)
        return sorted(members, key=lambda member: member.position)

    @property
    def kept(self) -> _T:
        """The data without its duplicates, in the form it was given: a frame for a frame, a list for a list."""
        return self.without()

    def without(self, tiers: Sequence[Tier] = ("exact", "lexical", "semantic")) -> _T:
        """Return the data without the duplicates of some tiers. Items without text stay."""
        gone = {member.position for member in self.duplicates if member.kind in tiers}
        return _without(self._data, self._size, gone)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dict for each text of a group, the keeper first."""
        return [
            row
            for number, group in enumerate(self.groups, 1)
            for row in (
                _row(number, "keeper", group.position, group.text),
                *(
                    _row(number, m.kind, m.position, m.text, m.similarity, m.jaccard, m.why)
                    for m in group.members
                ),
            )
        ]


@dataclass(frozen=True, slots=True, repr=False)
class TextLeaks(Table, Generic[_T]):
    """The test texts, out of `total`, that also occur among `against` training texts.

    `matches` has the most similar training text of each. `alike` has those that say something else.
    """

    matches: tuple[TextMatch, ...]
    alike: tuple[AlikeTexts, ...]
    threshold: float
    total: int
    against: int
    _data: _T = field(repr=False, compare=False)
    _size: int = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<{len(self.matches)} of {self.total} test texts ({self.rate:.1%}) occur in {self.against} others>"

    def __len__(self) -> int:
        """Return the number of test texts that occur in the training texts."""
        return len(self.matches)

    @property
    def rate(self) -> float:
        """The share of all test texts that occurs in the training texts; 0 if there are none."""
        return len(self.matches) / self.total if self.total else 0.0

    @property
    def kept(self) -> _T:
        """The test data without what occurs in the training data, in the form it was given."""
        return _without(self._data, self._size, {match.position for match in self.matches})

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dict for each test text that occurs in the training texts."""
        return [
            {
                "test": match.position,
                "train": match.other,
                "kind": match.kind,
                "similarity": match.similarity,
                "jaccard": match.jaccard,
                "test_text": match.text,
                "train_text": match.other_text,
                "why": match.why,
            }
            for match in self.matches
        ]


def dedup(
    data: _T,
    threshold: float | None = None,
    *,
    text: str | Sequence[str] | None = None,
    model: str = DEFAULT_MODEL,
    base_url: str | None = None,
    embedder: Embedder | None = None,
    cache: bool = True,
    **options: Unpack[DedupOptions],
) -> TextDuplicates[_T]:
    """Return the near-duplicates among texts in memory, found exactly: every pair is compared.

    Args:
        data: Texts, dicts, a data frame (pandas, Polars, PyArrow) or a data set. An iterator is read into a list.
        threshold: The lowest similarity of a pair, by default 0.85, or what stands for it with another model.
        text: The field of the text, or several; by default `text`, `content` and so on, as in files of rows.
        model: The name or folder of the model, or `ollama:NAME` or `openai:NAME` for one on a server.
        base_url: Where that server is.
        embedder: A model in place of a name. Its vectors are not cached.
        cache: Keep vectors in the user's cache folder, so that the same texts are embedded once.
        options: The fields of `DedupRequest` that do not need an index, such as `keep=["longest"]`.

    Raises `InvalidInput` for what has no texts, and `ModelError` where the model cannot be loaded.
    """
    request = DedupRequest(threshold, **options)
    if request.protect or any(rule not in ("first", "longest", "shortest") for rule in request.keep):
        raise InvalidInput("texts in memory have no files", "keep can be first, longest or shortest")
    data = _listed(data)
    texts = list(texts_of(data, text))
    with dataset_of(texts, model=model, base_url=base_url, embedder=embedder, cache=cache) as read:
        found = read.find_duplicates(request)
    groups = tuple(
        TextGroup(
            keeper,
            str(texts[keeper]),
            tuple(
                TextMatch(
                    at, str(texts[at]), keeper, str(texts[keeper]),
                    member.similarity, member.jaccard, member.tier, member.differs,
                )
                for member in group.members
                for at in [position_of(member.name)]
            ),
        )
        for group in found.groups
        for keeper in [position_of(group.keeper)]
    )  # fmt: skip
    alike = _alike(found.rejected, texts, texts)
    return TextDuplicates(groups, alike, found.threshold, found.total, data, len(texts))


def leak(
    test: _T,
    train: Records,
    threshold: float | None = None,
    *,
    text: str | Sequence[str] | None = None,
    contained: float | None = None,
    count_differing: bool = False,
    model: str = DEFAULT_MODEL,
    base_url: str | None = None,
    embedder: Embedder | None = None,
    cache: bool = True,
) -> TextLeaks[_T]:
    """Return the test texts that also occur in training texts, exactly or nearly.

    With `contained` (a share in (0, 1]) those count as well of which this much lies in a training text, and with
    `count_differing` those that differ from it in a number, a date, a sign or another fact. The other arguments, and
    the errors, are those of `dedup`.
    """
    test = _listed(test)
    texts, others = list(texts_of(test, text)), list(texts_of(train, text))
    with dataset_of(texts, others, model=model, base_url=base_url, embedder=embedder, cache=cache) as read:
        found = read.leaks(threshold, contained=contained, count_differing=count_differing)
    matches = tuple(_leaks(found, texts, others))
    alike = _alike(found.alike, texts, others)
    return TextLeaks(matches, alike, found.threshold, found.total, found.against, test, len(texts))


def dataset_of(
    *parts: Sequence[str | None], model: str, base_url: str | None, embedder: Embedder | None, cache: bool
) -> Dataset:
    """Embed texts in memory; None stands for an item without text. `position_of` a document's name leads back to it."""
    with vector_cache(None if cache and embedder is None else 0) as vectors:
        return Dataset.of(
            *(
                [
                    Document("", text, f"{part}:{at}")
                    for at, text in enumerate(texts)
                    if text is not None
                ]
                for part, texts in enumerate(parts)
            ),
            embedder=embedder or load_embedder(model, base_url=base_url),
            cache=vectors,
        )  # fmt: skip


def reason(kind: str, similarity: float | None, jaccard: float | None, differs: str = "") -> str:
    """Return in words why a text counts as a repetition of another; see `TextMatch`."""
    reasons = {
        "exact": "equal after light cleaning",
        "lexical": f"{jaccard or 0:.0%} of word triples shared",
        "semantic": f"similar by the model alone: {similarity or 0:.4f}",
        "contained": "lies in a longer text",
    }
    return f"{reasons[kind]}{f', but {differs}' * bool(differs)}"


def position_of(name: str) -> int:
    """Return the position that the name of a document stands for, see `dataset_of`."""
    return int(name.rpartition(":")[2])


def _listed(data: _T) -> _T:
    """Return the data, or as a list where it can be read only once."""
    if isinstance(data, str):
        raise InvalidInput(f"{data[:40]!r} is one text, and several are compared", "give a list of texts")
    if isinstance(data, Mapping):
        raise InvalidInput(
            "a dict is one record, and several are compared",
            "give a list of dicts, or one split of a data set",
        )
    return list(data) if isinstance(data, Iterator) else data  # type: ignore[return-value]


def _without(data: _T, size: int, gone: set[int]) -> _T:
    kept: _T = selected(data, [at for at in range(size) if at not in gone])
    return kept


def _row(
    group: int,
    role: str,
    position: int,
    text: str,
    similarity: float | None = None,
    jaccard: float | None = None,
    why: str = "",
) -> dict[str, Any]:
    scores = {"similarity": similarity, "jaccard": jaccard}
    return {"group": group, "role": role, "position": position, **scores, "text": text, "why": why}


def _alike(
    pairs: Sequence[Rejected], lefts: Sequence[str | None], rights: Sequence[str | None]
) -> tuple[AlikeTexts, ...]:
    places = [(pair, position_of(pair.left), position_of(pair.right)) for pair in pairs]
    return tuple(
        AlikeTexts(x, y, str(lefts[x]), str(rights[y]), pair.similarity, pair.reason) for pair, x, y in places
    )


def _leaks(found: Leaks, texts: Sequence[str | None], others: Sequence[str | None]) -> Iterator[TextMatch]:
    for pair in found.pairs:
        x, y = position_of(pair.left), position_of(pair.right)
        yield TextMatch(x, str(texts[x]), y, str(others[y]), pair.similarity, pair.jaccard, pair.tier)
    inside: Sequence[Contained] = found.contained
    for one in inside:
        x, y = position_of(one.document), position_of(one.container)
        yield TextMatch(x, str(texts[x]), y, str(others[y]), None, None, "contained")
