"""Find the groups of near-duplicates in a collection: compare, decide on each pair, choose keepers, group."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.collection import DocumentCollection, compare
from semsearch.dedup.containment import Place, contained_documents, share_of
from semsearch.dedup.decision import DecisionRule
from semsearch.dedup.features import TextWords
from semsearch.dedup.join import Doubles, Integers, Pairs
from semsearch.dedup.keeper import Traits, preference, protected
from semsearch.dedup.result import Compared, Duplicates
from semsearch.dedup.shift import shift
from semsearch.dedup.veto import Veto
from semsearch.patterns import Names
from semsearch.requests import DedupRequest
from semsearch.text.facts import Facts, differences
from semsearch.text.word_runs import word_hashes
from semsearch.types import Contained, Group, Member, Rejected

_BLOCK = 2048
"""Pairs that the classifier decides on at a time."""
_CACHED_TEXTS = 20_000
"""Parsed texts that are kept for the next pairs: about 100 MB."""
_EVIDENCE = 1000
"""Accepted pairs that are compared with the labelled ones."""
_UNLIKE_WORDS = "its words differ more than those of duplicates"
_SEVERAL_PASSAGES = "it has several passages, and no threshold is guaranteed for these"


def find_groups(
    collection: DocumentCollection,
    request: DedupRequest,
    rule: DecisionRule,
    *,
    base: Path,
    modified: Integers,
    matches: Callable[[float], Pairs] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Duplicates:
    """Return the groups that `request` asks for.

    `rule` gives the threshold where the request has none. Where the request has a `min_precision`, the rule decides on
    each pair. Patterns are relative to `base`, see `Names`. `modified` (int64 [n], ns) is the time of each document's
    file. `matches` and `progress` are those of `Corpus.pairs`. Raises `InvalidInput` where the rule guarantees no such
    precision, and where a pattern that protects matches no source; and the errors of `compare`.
    """
    if request.threshold is not None:
        threshold = similar_enough = request.threshold
    else:
        threshold = similar_enough = rule.default() if rule.threshold is None else rule.threshold
    if request.min_precision is not None:
        rule = rule.with_precision(request.min_precision)
        threshold = rule.long_threshold
        if rule.classifier and rule.uses_classifier:
            threshold = min(threshold, rule.classifier.floor)
    names = Names(collection.sources, collection.names, base)
    kept = protected(names, request.protect).tolist()
    order = preference(request.keep_rules, Traits(names, modified, collection.lengths), kept)
    compared = compare(
        collection,
        threshold,
        lexical=request.lexical,
        matches=matches,
        progress=progress,
        memory=request.memory,
    )
    veto = Veto(
        compared.read,
        len(compared.corpus.size),
        unknown=collection.unknown,
        differing=request.remove_differing,
        written=compared.written,
    )
    decision = None
    if rule.classifier and rule.uses_classifier:
        decision = Decision(compared, rule)

    def accepts(left: Integers, right: Integers) -> NDArray[np.bool_]:
        accepted = veto.accepts(left, right)
        if decision:
            accepted[accepted] = decision.accepts(left[accepted], right[accepted])
        return accepted

    compared, refused = compared.decided(accepts)
    found = Duplicates.of(
        compared,
        threshold,
        linkage=request.linkage,
        order=order,
        protected=kept,
        progress=progress,
    )
    pairs = refused.pairs(compared.corpus)
    pairs = pairs[pairs.similarity >= similar_enough]
    vetoed = ~veto.accepts(pairs.left, pairs.right) if decision else np.ones(len(pairs), np.bool_)
    rejected = list(_vetoed(compared, veto, pairs[vetoed]))
    unlisted = int(vetoed.sum()) - len(rejected) if refused.complete else None
    if decision:
        rejected += decision.rejected(pairs[~vetoed])
    rejected.sort(key=lambda pair: -pair.similarity)
    found = replace(
        found,
        rejected=tuple(rejected),
        more_rejected=unlisted,
        undecided=_undecided(found, request.keep, modified),
    )
    if decision:
        found = decision.with_probabilities(found)
    if request.remove_differing:
        found = _add_differences(found, compared, veto)
    if request.contained is None:
        return found
    found = _spare_containers(compared, found, request.contained)
    contained, more = _contained(compared, found, order, request.contained, collection.places)
    return replace(found, containment=request.contained, contained=contained, more_contained=more)


def _spare_containers(compared: Compared, found: Duplicates, least: float) -> Duplicates:
    """Return the groups with each member protected that is longer than its keeper and has `least` of it.

    The longest document is the keeper, unless rules or patterns prefer another one.
    """
    length = compared.corpus.total

    def spared(keeper: str, members: tuple[Member, ...]) -> Iterator[Member]:
        own = length[compared.number_of[keeper]]
        longer = [member.name for member in members if length[compared.number_of[member.name]] > own]
        if longer:
            words, *others = map(word_hashes, found.texts([keeper, *longer]))
            longer = [
                name for name, text in zip(longer, others, strict=True) if share_of(words, text) >= least
            ]
        names = set(longer)
        for member in members:
            yield replace(member, protected=True) if member.name in names else member

    groups = (replace(group, members=tuple(spared(group.keeper, group.members))) for group in found.groups)
    return replace(found, groups=tuple(groups))


def _contained(
    compared: Compared,
    found: Duplicates,
    order: Integers,
    least: float,
    places: Callable[[int], Sequence[Place]],
) -> tuple[tuple[Contained, ...], int]:
    """Return the documents that lie in a longer one of another group; see `contained_documents`.

    A text that several documents have counts once, as the one that is preferred.
    """
    _, rank = np.unique(compared.texts[order], return_index=True)
    document = order[rank].tolist()
    group = np.full(len(rank), -1, np.int64)
    for number, one in enumerate(found.groups):
        group[
            [compared.number_of[name] for name in (one.keeper, *(member.name for member in one.members))]
        ] = number
    return contained_documents(
        compared.corpus,
        least,
        found.threshold,
        names=[compared.names[at] for at in document],
        read=compared.contents,
        places=lambda number: places(document[number]),
        allowed=lambda x, y: (group[x] != group[y]) | (group[x] < 0),
        rank=rank,
        memory=compared.memory,
    )


def _undecided(found: Duplicates, keep: Sequence[str], modified: Integers) -> int:
    """Return the number of groups in which a rule about times has a tie of the keeper and another member."""
    if not {"newest", "oldest"} & set(keep):
        return 0
    time = found.values_of(modified)
    return sum(any(time[m.name] == time[group.keeper] for m in group.members) for group in found.groups)


def _vetoed(compared: Compared, veto: Veto, pairs: Pairs) -> Iterator[Rejected]:
    """Yield the most similar pair with a veto of each text, with its reason."""
    ranked = np.argsort(-pairs.similarity, kind="stable")
    ends = np.stack([pairs.left[ranked], pairs.right[ranked]], axis=1).ravel()
    _, first = np.unique(ends, return_index=True)  # the most similar pairs come first
    _, document = np.unique(compared.texts, return_index=True)
    for at in ranked[np.unique(first // 2)].tolist():
        texts = int(pairs.left[at]), int(pairs.right[at])
        one, other = sorted(texts, key=lambda text: int(document[text]))
        rule, reason = veto.reason(one, other)
        names = compared.names[document[one]], compared.names[document[other]]
        yield Rejected(*names, float(pairs.similarity[at]), None, reason, rule)


class Decision:
    """The decision of a classifier on pairs of texts; of documents with several passages the threshold decides."""

    def __init__(self, compared: Compared, rule: DecisionRule) -> None:
        self._compared = compared
        self._rule = rule
        self._parsed = _ParsedTexts(compared.contents)

    def accepts(self, left: Integers, right: Integers) -> NDArray[np.bool_]:
        """Return whether texts left[k] and right[k] are duplicates, for every k."""
        similarity = self._compared.corpus.similarity(left, right, memory=self._compared.memory // 4)
        single = self.single(left, right)
        accepted = ~single & (similarity >= self._rule.long_threshold)
        decided = np.flatnonzero(single)
        for start in range(0, len(decided), _BLOCK):
            block = decided[start : start + _BLOCK]
            least = self._rule.probability
            found = self.probabilities(left[block], right[block], similarity[block], at_least=least)
            accepted[block] = found >= least
        return accepted

    def rejected(self, refused: Pairs) -> list[Rejected]:
        """Return the refused pairs with the reasons."""
        names = dict(zip(self._compared.texts[::-1].tolist(), self._compared.names[::-1], strict=True))
        rejected = []
        for start in range(0, len(refused), _BLOCK):
            block = refused[np.arange(start, min(start + _BLOCK, len(refused)))]
            single = self.single(block.left, block.right)
            probabilities = np.full(len(block), np.nan)
            asked = block[single]
            probabilities[single] = self.probabilities(asked.left, asked.right, asked.similarity)
            columns = (block.left, block.right, block.similarity, probabilities)
            for x, y, similarity, probability in zip(*(column.tolist() for column in columns), strict=True):
                if np.isnan(probability):
                    rejected.append(Rejected(names[x], names[y], similarity, None, _SEVERAL_PASSAGES))
                else:
                    a, b = map(Facts, self._compared.contents([x, y]))
                    reason = "; ".join(dict.fromkeys(map(str, differences(a, b)))) or _UNLIKE_WORDS
                    rejected.append(Rejected(names[x], names[y], similarity, probability, reason))
        return rejected

    def single(self, left: Integers, right: Integers) -> NDArray[np.bool_]:
        """Return which pairs the classifier decides on: both texts have one passage."""
        size = self._compared.corpus.size
        single: NDArray[np.bool_] = (size[left] == 1) & (size[right] == 1)
        return single

    def probabilities(
        self, left: Integers, right: Integers, similarity: Doubles, *, at_least: float = 0.0
    ) -> Doubles:
        """Return what the classifier gives texts left[k] and right[k], float64 [n]: see `DecisionRule`."""
        a, b = self._parsed.words(left), self._parsed.words(right)
        return self._rule.probabilities(similarity, a, b, at_least=at_least)

    def with_probabilities(self, found: Duplicates) -> Duplicates:
        """Return the groups with the probability of each member, where it and its keeper have one passage.

        These pairs are the answer, so they are compared with the labelled ones; see `Duplicates.shift`.
        """
        groups: list[Group] = []
        evidence: list[NDArray[np.float32]] = []
        for group in found.groups:
            asked = [
                member for member in group.members if member.tier != "exact" and found.single(member.name)
            ]
            if asked and found.single(group.keeper):
                keeper, *others = map(TextWords, found.texts([group.keeper, *(m.name for m in asked)]))
                sides = np.array([member.similarity for member in asked]), [keeper] * len(others), others
                values = self._rule.probabilities(*sides).tolist()
                if self._rule.classifier and len(evidence) < _EVIDENCE:
                    evidence += list(self._rule.classifier.evidence(*sides))
                of = dict(zip((member.name for member in asked), values, strict=True))
                members = (replace(member, probability=of.get(member.name)) for member in group.members)
                group = replace(group, members=tuple(members))
            groups.append(group)
        measured = None
        if self._rule.classifier and evidence:
            measured = shift(self._rule.classifier.reference, np.stack(evidence))
        return replace(found, groups=tuple(groups), shift=measured)


class _ParsedTexts:
    """Texts by number as `TextWords`; the latest are kept."""

    def __init__(self, read: Callable[[Sequence[int]], Iterable[str]]) -> None:
        self._read = read
        self._cache: dict[int, TextWords] = {}

    def words(self, numbers: NDArray[np.int64]) -> list[TextWords]:
        """Return the words of each text."""
        if len(self._cache) > _CACHED_TEXTS:
            self._cache.clear()
        new = [number for number in np.unique(numbers).tolist() if number not in self._cache]
        self._cache.update(zip(new, map(TextWords, self._read(new)), strict=True))
        return [self._cache[number] for number in numbers.tolist()]


def _add_differences(found: Duplicates, compared: Compared, veto: Veto) -> Duplicates:
    """Return the groups with the facts in which each member differs from its keeper."""

    def told(keeper: str, member: Member) -> Member:
        if member.tier == "exact":
            return member
        stated = veto.differences(compared.number_of[keeper], compared.number_of[member.name])
        return replace(member, differs="; ".join(dict.fromkeys(said for _, said in stated)))

    groups = (
        replace(group, members=tuple(told(group.keeper, member) for member in group.members))
        for group in found.groups
    )
    return replace(found, groups=tuple(groups))
