"""A result's groups, pairs and lowest similarities equal brute force, at its threshold and at any above."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semsearch.dedup.document_join import Corpus, DocumentPassages
from semsearch.dedup.join import join
from semsearch.dedup.lexical import LexicalSets, lexical_join
from semsearch.dedup.result import Compared, Duplicates
from semsearch.errors import InvalidInput
from semsearch.text.shingles import shingles
from semsearch.types import Group, Linkage, Member, Pair

LINKAGES: tuple[Linkage, ...] = ("keeper", "complete", "single")
thresholds = st.sampled_from([-1.0, 0.0, 0.5, 0.625, 0.75, 0.875, 1.0])


@dataclass(frozen=True)
class Collection:
    """Documents by name with the number of each one's text; of each text the vector and what it says."""

    names: list[str]
    texts: list[int]
    vectors: NDArray[np.float32]
    contents: list[str]

    def compared(
        self, threshold: float, lexical: float | None = None, *, found_again: bool = False
    ) -> Compared:
        def read(numbers: Sequence[int]) -> list[str]:
            assert len(numbers) <= 1000
            return [self.contents[number] for number in numbers]

        sets = [shingles(text) for text in self.contents]
        if found_again:
            return Compared(
                self.names,
                np.array(self.texts, np.int64),
                None,
                threshold,
                Corpus(self.vectors, singles(len(self.vectors))),
                read,
                "document",
                sets=LexicalSets(sets, lexical) if lexical else None,
                memory=2**20,
            )
        return Compared(
            self.names,
            np.array(self.texts, np.int64),
            join(self.vectors, threshold),
            threshold,
            Corpus(self.vectors, singles(len(self.vectors))),
            read,
            "document",
            lexical_join(sets, lexical) if lexical else None,
        )

    def number(self, name: str) -> int:
        return self.texts[self.names.index(name)]

    def cosine(self, a: int, b: int) -> float:
        return 1.0 if a == b else float(self.vectors[a].astype(float) @ self.vectors[b].astype(float))

    def jaccard(self, a: int, b: int) -> Fraction:
        x, y = (
            {" ".join(words[at : at + 3]) for at in range(len(words) - 2)}
            for words in (self.contents[number].split() for number in (a, b))
        )
        return Fraction(len(x & y), len(x | y))

    def alike(self, a: int, b: int, threshold: float, lexical: float | None) -> bool:
        return self.cosine(a, b) >= threshold or (
            lexical is not None and self.jaccard(a, b) >= Fraction(lexical).limit_denominator(100)
        )

    def tier(self, a: int, b: int) -> str:
        if a == b:
            return "exact"
        return "lexical" if self.jaccard(a, b) >= Fraction(4, 5) else "semantic"


def singles(count: int) -> list[DocumentPassages]:
    """Documents of one passage each."""
    return [DocumentPassages(np.array([row]), np.ones(1)) for row in range(count)]


@st.composite
def collections(draw: st.DrawFn) -> Collection:
    """Texts about a few centres: vectors of +-1/4, so that every cosine is exact and many are equal."""
    number = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    centres = rng.integers(3, size=number)
    vectors = rng.choice([-0.25, 0.25], size=(3, 16))[centres]
    flips = rng.integers(17, size=(number, 3))  # 16 flips no sign
    for row, flipped in zip(vectors, flips, strict=True):
        row[flipped[flipped < 16]] *= -1
    contents = []
    for centre, text in zip(centres, range(number), strict=True):
        words = [f"c{centre}w{at}" for at in range(30)]
        words[int(rng.integers(30))] = f"only{text}"
        for at in rng.integers(30, size=rng.integers(3)):
            words[at] = "other"
        contents.append(" ".join(words))
    texts = [*range(number), *rng.integers(number, size=rng.integers(6)).tolist()]
    rng.shuffle(texts)
    names = [f"d{at:02}" for at in range(len(texts))]
    return Collection(names, texts, vectors.astype(np.float32), contents)


def linkages(found: Duplicates, made: Collection, lexical: float | None) -> None:
    """Assert what the linkage promises."""
    for group in found.groups:
        everyone = [made.number(name) for name in (group.keeper, *(m.name for m in group.members))]
        if found.linkage == "keeper":
            assert all(made.alike(everyone[0], text, found.threshold, lexical) for text in everyone)
        elif found.linkage == "complete":
            assert all(made.alike(a, b, found.threshold, lexical) for a, b in combinations(everyone, 2))
        else:
            reached, left = everyone[:1], set(everyone[1:])
            for a in reached:
                near = {b for b in left if made.alike(a, b, found.threshold, lexical)}
                reached += near
                left -= near
            assert not left


@given(
    collections(),
    thresholds,
    st.sampled_from(LINKAGES),
    st.sampled_from([None, 0.5, 0.8]),
    st.booleans(),
    st.data(),
)
def test_groups_equal_brute_force(
    made: Collection,
    threshold: float,
    linkage: Linkage,
    lexical: float | None,
    found_again: bool,
    data: st.DataObject,
) -> None:
    order = np.array(data.draw(st.permutations(range(len(made.names)))), np.int64)
    protected = set(order[: data.draw(st.integers(0, len(order)))].tolist())
    compared = made.compared(threshold, lexical, found_again=found_again)
    found = Duplicates.of(compared, threshold, linkage=linkage, order=order, protected=protected)
    assert (found.total, found.threshold, found.linkage) == (len(made.names), threshold, linkage)

    rank = {made.names[position]: at for at, position in enumerate(order.tolist())}
    keepers = [group.keeper for group in found.groups]
    everyone = [*keepers, *(member.name for group in found.groups for member in group.members)]
    assert len(everyone) == len(set(everyone)), "nobody is in two groups"
    assert keepers == sorted(keepers, key=rank.__getitem__)
    linkages(found, made, lexical)
    for group in found.groups:
        keeper = made.number(group.keeper)
        assert group.members
        for member in group.members:
            text = made.number(member.name)
            assert member == Member(
                member.name,
                made.cosine(keeper, text),
                float(made.jaccard(keeper, text)),
                made.tier(keeper, text),  # type: ignore[arg-type]
                made.names.index(member.name) in protected,
            )
            assert rank[group.keeper] < rank[member.name]
        ranks = [(-member.similarity, rank[member.name]) for member in group.members]
        assert ranks == sorted(ranks)
        texts = [keeper, *(made.number(member.name) for member in group.members)]
        assert group.lowest == min(made.cosine(a, b) for a, b in combinations(texts, 2))
        if any(member.protected for member in group.members):
            assert made.names.index(group.keeper) in protected, "the protected lead"
    alone = [made.number(name) for name in made.names if name not in everyone]
    assert not any(made.alike(a, b, threshold, lexical) for a, b in combinations(alone, 2)), "none is lost"

    tiers = [member.tier for group in found.groups for member in group.members]
    assert [found.exact, found.lexical, found.semantic] == [
        tiers.count(tier) for tier in ("exact", "lexical", "semantic")
    ]
    assert found.near + found.exact == len(tiers) == found.fraction * found.total


@given(collections(), thresholds, st.sampled_from([None, 0.5]), st.booleans(), st.data())
def test_pairs_equal_brute_force(
    made: Collection, threshold: float, lexical: float | None, found_again: bool, data: st.DataObject
) -> None:
    order = np.array(data.draw(st.permutations(range(len(made.names)))), np.int64)
    found = list(
        Duplicates.of(
            made.compared(threshold, lexical, found_again=found_again), threshold, order=order
        ).pairs()
    )
    names = [made.names[position] for position in order]
    first = {made.number(name): name for name in reversed(names)}
    expected = {
        Pair(a, b, made.cosine(x, y), float(made.jaccard(x, y)), made.tier(x, y))  # type: ignore[arg-type]
        for a, b in combinations(names, 2)
        for x, y in [(made.number(a), made.number(b))]
        if first[x] == a and (first[y] == b or x == y) and (x == y or made.alike(x, y, threshold, lexical))
    }
    assert len(found) == len(expected)
    assert set(found) == expected
    assert [pair.similarity for pair in found] == sorted((p.similarity for p in found), reverse=True)


@given(collections(), thresholds, thresholds, st.sampled_from(LINKAGES), st.sampled_from([None, 0.8]))
def test_rethreshold_equals_a_fresh_run(
    made: Collection, low: float, high: float, linkage: Linkage, lexical: float | None
) -> None:
    low, high = sorted((low, high))
    order = np.arange(len(made.names))[::-1]
    run = Duplicates.of(made.compared(low, lexical), low, linkage=linkage, order=order, protected=[0])
    fresh = Duplicates.of(made.compared(high, lexical), high, linkage=linkage, order=order, protected=[0])
    again = run.rethreshold(high)
    assert again == fresh
    assert list(again.pairs()) == list(fresh.pairs())
    assert again.rethreshold(low) == run, "what the run compared is still known"


@given(collections(), thresholds, st.sampled_from(LINKAGES), st.data())
def test_input_order_does_not_matter_if_names_decide(
    made: Collection, threshold: float, linkage: Linkage, data: st.DataObject
) -> None:
    documents = data.draw(st.permutations(range(len(made.names))))
    numbers = data.draw(st.permutations(range(len(made.contents))))  # the text that comes to be text i
    shuffled = Collection(
        [made.names[at] for at in documents],
        [numbers.index(made.texts[at]) for at in documents],
        made.vectors[numbers],
        [made.contents[at] for at in numbers],
    )
    one, other = (
        Duplicates.of(some.compared(threshold, 0.8), threshold, linkage=linkage, order=np.argsort(some.names))
        for some in (made, shuffled)
    )
    assert one == other
    assert list(one.pairs()) == list(other.pairs())


ANGLES = (0, 20, 40, 60)
"""Of four vectors in a plane, in degrees: each is like the next."""
CHAIN = Collection(
    ["a", "b", "c", "d", "e"],
    [0, 1, 2, 3, 0],
    np.array([(np.cos(np.radians(angle)), np.sin(np.radians(angle))) for angle in ANGLES], np.float32),
    ["one two three", "four five six", "one two three four five", "seven eight nine"],
)


def test_lowest_shows_a_chain() -> None:
    compared = CHAIN.compared(0.9)
    keeper, single = (Duplicates.of(compared, 0.9, linkage=rule) for rule in ("keeper", "single"))
    cosine = {angle: pytest.approx(np.cos(np.radians(angle)), abs=1e-6) for angle in ANGLES}
    assert keeper.groups == (
        Group("a", (Member("e", 1, 1, "exact"), Member("b", cosine[20], 0, "semantic")), cosine[20]),
        Group("c", (Member("d", cosine[20], 0, "semantic"),), cosine[20]),
    )
    (group,) = single.groups
    assert [member.name for member in group.members] == ["e", "b", "c", "d"]
    assert [member.jaccard for member in group.members] == [1, 0, 1 / 3, 0]
    assert (group.weakest, group.lowest) == (cosine[60], cosine[60])
    (group,) = Duplicates.of(compared, 0.9, linkage="single", order=np.array([1, 0, 2, 3, 4])).groups
    assert (group.weakest, group.lowest) == (cosine[40], cosine[60])


def test_a_lexical_pair_counts_whatever_its_similarity() -> None:
    words = [f"w{at}" for at in range(30)]
    contents = [" ".join(words), " ".join([*words[:-1], "other"])]
    apart = Collection(["a", "b"], [0, 1], np.array([[1, 0], [0, 1]], np.float32), contents)
    assert Duplicates.of(apart.compared(0.9), 0.9).groups == ()
    found = Duplicates.of(apart.compared(0.9, lexical=0.8), 0.9)
    assert found.groups == (Group("a", (Member("b", 0.0, 27 / 29, "lexical"),), 0.0),)
    assert found.rethreshold(1.0).groups == found.groups


@pytest.mark.parametrize("threshold", [0.89, -1, 1.01, float("nan")])
def test_a_threshold_that_was_not_compared(threshold: float) -> None:
    with pytest.raises(InvalidInput, match=r"pairs are known from 0\.9 to 1") as refused:
        Duplicates.of(CHAIN.compared(0.9), 0.95).rethreshold(threshold)
    assert refused.value.hint


def test_nothing_and_nothing_alike() -> None:
    nothing = replace(CHAIN, names=[], texts=[], vectors=CHAIN.vectors[:0], contents=[])
    found = Duplicates.of(nothing.compared(0.9, 0.8), 0.9)
    assert (found.groups, list(found.pairs()), found.fraction) == ((), [], 0.0)
    alone = replace(CHAIN, names=["a", "b"], texts=[0, 3])
    assert Duplicates.of(alone.compared(0.9), 0.9).groups == ()


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from(LINKAGES))
def test_the_lowest_similarity_of_a_large_group(seed: int, linkage: Linkage) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((300, 8)) * 0.2 + 1
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    many = Collection(
        [f"d{at:03}" for at in range(300)], list(range(300)), vectors, [f"text {at}" for at in range(300)]
    )
    found = Duplicates.of(many.compared(0.9), 0.9, linkage=linkage)
    products = vectors.astype(float) @ vectors.astype(float).T
    for group in found.groups:
        at = [many.number(name) for name in (group.keeper, *(member.name for member in group.members))]
        assert group.lowest == pytest.approx(products[np.ix_(at, at)].min(), abs=1e-12)
