"""Hold the result of a search for near-duplicates: groups and pairs, also at any higher threshold."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.document_join import Corpus
from semsearch.dedup.groups import by_first, group
from semsearch.dedup.join import Doubles, Integers, Pairs
from semsearch.dedup.lexical import LexicalSets, tier_of
from semsearch.dedup.neighbours import Accepts, Neighbours, Refused
from semsearch.dedup.shift import carries_over
from semsearch.errors import InvalidInput
from semsearch.requests import DEFAULT_MEMORY
from semsearch.tables import Table
from semsearch.text.shingles import jaccard, shingles
from semsearch.types import Contained, Group, Level, Linkage, Member, Pair, Rejected, Tier

_DECIDED = 2**16
"""Pairs that are decided on at a time."""
_READ = 256
"""Texts, or pairs of texts, read at a time."""


@dataclass(frozen=True, eq=False)  # without slots, since these have no room for cached properties
class Compared:
    """The result of comparing all documents, before grouping.

    `names` are the documents, and `texts` (int64) the number of each document's text, the same for exact copies.
    `corpus` has the texts by number, and `pairs` those with a similarity of at least `threshold`. Pairs in `lexical`
    count as well, whatever their similarity. `read` returns the cleaned texts of up to a few hundred numbers, while
    groups are made and while `Duplicates.pairs` is iterated.

    Where `pairs` is None they are too many to keep. Whatever needs them finds them again in the corpus and in the
    `sets` of lexical pairs, in `memory` bytes; only those that `accepts` (see `Neighbours`) count then.
    """

    names: Sequence[str]
    texts: Integers
    pairs: Pairs | None
    threshold: float
    corpus: Corpus
    read: Callable[[Sequence[int]], Sequence[str]]
    level: Level
    lexical: Pairs | None = None
    sets: LexicalSets | None = None
    accepts: Accepts | None = None
    refused: Callable[[Pairs], None] | None = None
    memory: int = DEFAULT_MEMORY
    written: Callable[[Sequence[int]], Sequence[str]] | None = None
    """Returns texts as they were written, as `read` does the cleaned ones."""

    @cached_property
    def number_of(self) -> dict[str, int]:
        """The number of each document's text, by the document's name."""
        return dict(zip(self.names, self.texts.tolist(), strict=True))

    @cached_property
    def position_of(self) -> dict[str, int]:
        """The position of each document in `names`."""
        return {name: at for at, name in enumerate(self.names)}

    def contents(self, numbers: Sequence[int]) -> Iterator[str]:
        """Yield the cleaned texts of any numbers, read some at a time."""
        for start in range(0, len(numbers), _READ):
            yield from self.read(numbers[start : start + _READ])

    def decided(self, accepts: Accepts) -> "tuple[Compared, Refused]":
        """Return the comparison with only those pairs that `accepts` says count, and the pairs that it refuses.

        Where the pairs are found again, the refused ones are known once groups were made.
        """
        refused = Refused(len(self.corpus.size))
        if self.pairs is None:
            return replace(self, accepts=accepts, refused=refused.add), refused

        def kept(pairs: Pairs) -> NDArray[np.bool_]:
            blocks = [slice(at, at + _DECIDED) for at in range(0, len(pairs), _DECIDED)]
            found = [accepts(pairs.left[block], pairs.right[block]) for block in blocks]
            return np.concatenate([np.empty(0, np.bool_), *found])

        accepted = kept(self.pairs)
        refused.add_all(self.pairs[~accepted])
        decided = replace(self, pairs=self.pairs[accepted])
        if self.lexical is not None:
            accepted = kept(self.lexical)
            new = self.lexical[~accepted]
            new = new[_find(self.pairs, new.left, new.right) < 0]
            refused.add_all(Pairs(new.left, new.right, self.corpus.similarity(new.left, new.right)))
            decided = replace(decided, lexical=self.lexical[accepted])
        return decided, refused

    def linked(self, threshold: float) -> Pairs | Neighbours:
        """Return the pairs that count at a threshold not below the threshold of the comparison."""
        if self.pairs is None:
            return Neighbours(
                self.corpus,
                threshold,
                lexical=self.sets,
                accepts=self.accepts,
                refused=self.refused,
                memory=self.memory,
            )
        linked = self.pairs[self.pairs.similarity >= threshold]
        if self.lexical is None:
            return linked
        new = _find(linked, self.lexical.left, self.lexical.right) < 0
        left, right = self.lexical.left[new], self.lexical.right[new]
        return Pairs.merged([linked, Pairs(left, right, self.corpus.similarity(left, right))])


@dataclass(frozen=True, slots=True)
class Duplicates(Table):
    """The near-duplicates at a `threshold`, out of `total` documents (or passages, by `level`), grouped by `linkage`.

    Groups are in the order of preference of their keepers. The members of a group come by falling similarity to the
    keeper (1 for exact copies), then in the order of preference.
    """

    groups: tuple[Group, ...]
    threshold: float
    level: Level
    total: int
    linkage: Linkage
    _compared: Compared = field(repr=False, compare=False)
    _order: Integers = field(repr=False, compare=False)
    _protected: frozenset[int] = field(repr=False, compare=False)
    rejected: tuple[Rejected, ...] = ()
    """Pairs that the threshold alone accepts and that are not duplicates, the most similar first.

    They have a veto, or the classifier rejects them. Of the pairs with a veto each text has its most similar one."""
    more_rejected: int | None = 0
    """The number of further pairs with a veto, which `rejected` leaves out; None where pairs are too many to count."""
    shift: tuple[float, float] | None = None
    """The result of a test that tells the accepted pairs from the labelled ones of the guarantee: the area under its
    ROC curve (0.5 is chance) and the standard error. None where no classifier decided, or on too few pairs.
    """
    undecided: int = 0
    """The number of groups in which `newest` or `oldest` chose no keeper, since files have the same time."""
    containment: float | None = None
    """The share from which documents are `contained`; None if none was asked for, or after `rethreshold`."""
    contained: tuple[Contained, ...] = ()
    """Documents that lie mostly in a longer one of another group, each with its containers, the best first."""
    more_contained: int = 0
    """The number of contained documents that lie in further ones, which are not listed."""
    _read_originals: Callable[[Sequence[str]], list[str]] | None = field(
        default=None, repr=False, compare=False
    )

    @property
    def guarantee_carries_over(self) -> bool | None:
        """False where the accepted pairs are unlike those of the guarantee; None where that was not measured."""
        return carries_over(self.shift)

    def __repr__(self) -> str:
        return (
            f"Duplicates(groups={len(self.groups)}, duplicates={self.exact + self.near}, total={self.total},"
            f" threshold={self.threshold:g}, level={self.level!r}, linkage={self.linkage!r})"
        )

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dict for each document of a group, the keeper first; `texts` has the texts."""
        return [
            {
                "group": number,
                "role": "keeper" if member is None else member.tier,
                "document": group.keeper if member is None else member.name,
                "similarity": member and member.similarity,
                "jaccard": member and member.jaccard,
                "protected": member is not None and member.protected,
                "differs": member.differs if member else "",
            }
            for number, group in enumerate(self.groups, 1)
            for member in (None, *group.members)
        ]

    @classmethod
    def of(
        cls,
        compared: Compared,
        threshold: float,
        *,
        linkage: Linkage = "keeper",
        order: Integers | None = None,
        protected: Iterable[int] = (),
        progress: Callable[[int, int], None] | None = None,
    ) -> "Duplicates":
        """Group the documents of a comparison.

        `order` has the positions of all documents by preference, as `keeper.preference` returns them; the default is
        the given order. `protected` has the positions of documents to mark as protected. `progress` is called where
        pairs have to be found again, with the pairs of texts that are dealt with, and all.

        Raises `InvalidInput` for a threshold below the one of the comparison or above 1, and for an unknown linkage.
        """
        if not compared.threshold <= threshold <= 1:
            raise InvalidInput(
                f"the threshold is {threshold}, but pairs are known from {compared.threshold} to 1",
                "search again for a lower one",
            )
        if order is None:
            order = np.arange(len(compared.names))
        protected = frozenset(protected)
        linked = compared.linked(threshold)
        found = group(compared.texts[order], linked, linkage, progress=progress)
        groups = _groups(compared, linked, found, order, protected)
        return cls(
            groups, threshold, compared.level, len(compared.names), linkage, compared, order, protected
        )

    def rethreshold(self, threshold: float) -> "Duplicates":
        """Return the result at a threshold not below this one, without a new search. Lexical pairs still count."""
        found = Duplicates.of(
            self._compared, threshold, linkage=self.linkage, order=self._order, protected=self._protected
        )
        return replace(found, _read_originals=self._read_originals)

    def with_keeper(self, group: Group, name: str) -> Group:
        """Return a group with another of its documents as the keeper, and each other one compared with that one.

        Nothing says that every pair with the new keeper reaches the threshold, nor that it has no veto.
        """
        position = self._compared.position_of
        names = [name, *(one for one in group.names if one != name)]
        found = [np.array([position[one] for one in names], np.int64)]
        order = np.arange(len(position))
        (changed,) = _groups(self._compared, Pairs.merged([]), found, order, self._protected)
        return changed

    def sizes(self, thresholds: Iterable[float]) -> list[tuple[int, int]]:
        """Return the numbers of groups and of their members, without keepers, that `rethreshold` finds at each.

        Only the pairs that were found are grouped again: no text is read, so each threshold takes milliseconds. Where
        the pairs were too many to keep, each takes a search.
        """
        texts = self._compared.texts[self._order]
        sizes = []
        for threshold in thresholds:
            found = group(texts, self._compared.linked(threshold), self.linkage)
            sizes.append((len(found), sum(map(len, found)) - len(found)))
        return sizes

    @property
    def keeps_pairs(self) -> bool:
        """True if the pairs were kept, so that `rethreshold` and `sizes` search for none."""
        return self._compared.pairs is not None

    def __contains__(self, name: object) -> bool:
        """Return whether a document of this name was compared."""
        return name in self._compared.number_of

    @property
    def vetoed(self) -> dict[str, int]:
        """The number of `rejected` pairs with a veto, by its rule; see `semsearch.dedup.veto.RULES`."""
        return dict(Counter(pair.rule for pair in self.rejected if pair.rule))

    @property
    def exact(self) -> int:
        """The number of members that are exact copies of their keeper."""
        return self._members("exact")

    @property
    def lexical(self) -> int:
        """The number of members that share most word triples with their keeper, without exact copies."""
        return self._members("lexical")

    @property
    def semantic(self) -> int:
        """The number of members that only the model finds similar to their keeper."""
        return self._members("semantic")

    @property
    def near(self) -> int:
        """The number of members that are not exact copies of their keeper."""
        return self.lexical + self.semantic

    @property
    def fraction(self) -> float:
        """The share of all documents (or passages) that is a duplicate of a keeper."""
        return (self.exact + self.near) / self.total if self.total else 0.0

    def pairs(self) -> Iterator[Pair]:
        """Yield every pair that counts, by falling similarity; each is computed when it is needed.

        Two different texts have one pair, with the first document of each text. Each exact copy has one pair with the
        first document of its text. `left` is preferred to `right`.
        """
        order, texts = self._order, self._compared.texts[self._order]
        for x, y, similarity in self._ranked(texts):
            differ = texts[x] != texts[y]
            numbers = np.unique(texts[np.concatenate([x[differ], y[differ]])]).tolist()
            contents = self._compared.contents(numbers)
            sets = {number: shingles(text) for number, text in zip(numbers, contents, strict=True)}
            for a, b, value, near_copy in zip(*(v.tolist() for v in (x, y, similarity, differ)), strict=True):
                share = jaccard(sets[texts[a]], sets[texts[b]]) if near_copy else 1.0
                left, right = self._compared.names[order[a]], self._compared.names[order[b]]
                yield Pair(left, right, value, share, tier_of(not near_copy, share))

    def _ranked(self, texts: Integers) -> Iterator[tuple[Integers, Integers, Doubles]]:
        """Yield the two ranks of every pair, and its similarity, some at a time; `texts` are in order."""
        linked = self._compared.linked(self.threshold)
        first, near = by_first(texts, linked if isinstance(linked, Pairs) else Pairs.merged([]))
        copies = np.flatnonzero(first != np.arange(len(first)))
        kept = Pairs.merged([near, Pairs(first[copies], copies, np.ones(len(copies)))])
        parts: Iterable[Pairs] = [kept[np.argsort(-kept.similarity, kind="stable")]]
        if isinstance(linked, Neighbours):
            numbers, heads = np.unique(texts, return_index=True)
            rank = np.zeros(int(numbers.max(initial=0)) + 1, np.int64)
            rank[numbers] = heads
            falling = linked.falling(numbers[np.argsort(heads)])
            parts = chain(parts, (Pairs(rank[p.left], rank[p.right], p.similarity) for p in falling))
        for pairs in parts:
            for start in range(0, len(pairs), _READ):
                some = slice(start, start + _READ)
                yield pairs.left[some], pairs.right[some], pairs.similarity[some]

    def values_of(self, values: Integers) -> dict[str, int]:
        """Return the value of each document by name; `values` (int64) are in the order of the collection."""
        return dict(zip(self._compared.names, values.tolist(), strict=True))

    def texts(self, names: Sequence[str]) -> list[str]:
        """Return the cleaned texts of documents by name."""
        return list(self._compared.contents([self._compared.number_of[name] for name in names]))

    def originals(self, names: Sequence[str]) -> list[str]:
        """Return the texts of documents by name as they were written, to be shown."""
        return self._read_originals(names) if self._read_originals else self.texts(names)

    def single(self, name: str) -> bool:
        """Return True if a document has only one passage."""
        return bool(self._compared.corpus.size[self._compared.number_of[name]] == 1)

    def _members(self, tier: Tier) -> int:
        return sum(member.tier == tier for group in self.groups for member in group.members)


def _groups(
    compared: Compared,
    linked: Pairs | Neighbours,
    found: Sequence[Integers],
    order: Integers,
    protected: frozenset[int],
) -> tuple[Group, ...]:
    if not found:
        return ()
    document = order[np.concatenate(found)]
    number = np.repeat(np.arange(len(found)), [len(members) for members in found])
    # Copies are compared once. The following arrays are for the different texts of each group, the keeper's first.
    first, _ = by_first(compared.texts[document], Pairs.merged([]))
    heads, text_of = np.unique(first, return_inverse=True)
    texts, owner = compared.texts[document[heads]], number[heads]
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    similarity = _similarity(compared, linked, texts[starts][owner], texts)
    shares = _shares(compared, texts, owner)
    lowest = np.minimum.reduceat(similarity, starts)
    ends = [*starts[1:].tolist(), len(texts)]
    for at, (start, end) in enumerate(zip(starts.tolist(), ends, strict=True)):
        if end - start > 2:  # the similarity of two texts is known
            lowest[at] = min(lowest[at], compared.corpus.least(texts[start:end], memory=compared.memory))

    ranked = np.lexsort((-similarity[text_of], number))  # stable, so keepers stay first
    document, text_of = document[ranked], text_of[ranked]
    members = [
        Member(compared.names[position], value, share, tier_of(exact, share), position in protected)
        for position, value, share, exact in zip(
            document.tolist(),
            similarity[text_of].tolist(),
            shares[text_of].tolist(),
            np.isin(text_of, starts).tolist(),
            strict=True,
        )
    ]
    edges = np.flatnonzero(np.diff(number, prepend=-1, append=-1)).tolist()
    return tuple(
        Group(members[start].name, tuple(members[start + 1 : stop]), least)
        for (start, stop), least in zip(pairwise(edges), lowest.tolist(), strict=True)
    )


def _similarity(compared: Compared, linked: Pairs | Neighbours, x: Integers, y: Integers) -> Doubles:
    """Return the similarity of texts, from the pairs where possible."""
    similarity = np.ones(len(x))
    unknown = x != y
    if isinstance(linked, Pairs):
        at = _find(linked, x, y)
        similarity[at >= 0] = linked.similarity[at[at >= 0]]
        unknown &= at < 0
    similarity[unknown] = compared.corpus.similarity(x[unknown], y[unknown])
    return similarity


def _shares(compared: Compared, texts: Integers, owner: Integers) -> Doubles:
    """Return the Jaccard similarity of each text with the first text of the same owner."""
    shares = np.ones(len(texts))
    several = np.flatnonzero(np.bincount(owner)[owner] > 1)
    keeper, current = np.empty(0, np.int64), -1
    for at, text in zip(several.tolist(), compared.contents(texts[several].tolist()), strict=True):
        its = shingles(text)
        if owner[at] == current:
            shares[at] = jaccard(keeper, its)
        else:
            keeper, current = its, owner[at]
    return shares


def _find(pairs: Pairs, x: Integers, y: Integers) -> Integers:
    """Return the position in `pairs` of two numbers in either order, or -1."""
    span = 1 + max(side.max(initial=0) for side in (pairs.right, x, y))
    keys, wanted = pairs.left * span + pairs.right, np.minimum(x, y) * span + np.maximum(x, y)
    at = np.searchsorted(keys, wanted)
    found = np.append(keys, -1)[at] == wanted
    return np.where(found, at, -1)
