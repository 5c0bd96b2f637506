"""Groups follow the rule of their linkage, whatever the pairs."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.dedup.groups import group
from semsearch.dedup.join import Pairs
from semsearch.errors import InvalidInput
from semsearch.types import Linkage

Similarities = dict[tuple[int, int], float]
LINKAGES: tuple[Linkage, ...] = ("keeper", "complete", "single")


def groups_of(texts: list[int], similarities: Similarities, linkage: Linkage) -> list[list[int]]:
    ordered = sorted(similarities)
    left, right = np.array(ordered, np.int64).reshape(-1, 2).T
    pairs = Pairs(left, right, np.array([similarities[pair] for pair in ordered]))
    return [members.tolist() for members in group(np.array(texts, np.int64), pairs, linkage)]


def similarity_of(texts: list[int], similarities: Similarities) -> Callable[[int, int], float | None]:
    """Of two documents by position: 1 for the same text, None where they are not a pair."""

    def similarity(a: int, b: int) -> float | None:
        if texts[a] == texts[b]:
            return 1.0
        return similarities.get((min(texts[a], texts[b]), max(texts[a], texts[b])))

    return similarity


@st.composite
def documents(draw: st.DrawFn) -> tuple[list[int], Similarities]:
    """Return the text of each document, and the pairs of texts at or above a threshold."""
    number = draw(st.integers(1, 8))
    texts = draw(
        st.permutations(list(range(number)) + draw(st.lists(st.integers(0, number - 1), max_size=8)))
    )
    every = [(left, right) for left in range(number) for right in range(left + 1, number)]
    chosen = draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    values = st.sampled_from([-0.5, 0.0, 0.85, 0.9, 1.0])
    return texts, {pair: draw(values) for pair in chosen}


@given(documents(), st.sampled_from(LINKAGES))
def test_every_linkage_makes_a_partition(made: tuple[list[int], Similarities], linkage: Linkage) -> None:
    texts, similarities = made
    groups = groups_of(texts, similarities, linkage)
    grouped = [position for members in groups for position in members]
    assert len(grouped) == len(set(grouped)), "nobody is in two groups, or twice in one"
    assert all(len(members) > 1 for members in groups)
    assert all(members == sorted(members) for members in groups), "the most wanted keeps"
    keepers = [members[0] for members in groups]
    assert keepers == sorted(keepers)
    for members in groups:
        copies = {at for at, text in enumerate(texts) if text in {texts[member] for member in members}}
        assert copies == set(members), "exact copies go together"
    alone = set(range(len(texts))) - set(grouped)
    similarity = similarity_of(texts, similarities)
    assert not any(similarity(a, b) is not None for a in alone for b in alone if a != b)


@given(documents())
def test_the_keeper_rule(made: tuple[list[int], Similarities]) -> None:
    texts, similarities = made
    groups = groups_of(texts, similarities, "keeper")
    keepers = [members[0] for members in groups]
    keeper_of = {member: members[0] for members in groups for member in members[1:]}
    similarity = similarity_of(texts, similarities)
    for a in range(len(texts)):
        first = next((keeper for keeper in keepers if keeper < a and similarity(keeper, a) is not None), None)
        if a in keeper_of:
            assert keeper_of[a] == first, "a member belongs to the first keeper that it is like"
        else:
            assert first is None, "nobody whom a keeper is like is left over"
            assert (a in keepers) == any(keeper == a for keeper in keeper_of.values())


@given(documents())
def test_the_complete_rule(made: tuple[list[int], Similarities]) -> None:
    texts, similarities = made
    similarity = similarity_of(texts, similarities)
    expected = []
    free = list(range(len(texts)))
    while free:
        keeper, *others = free
        members = [keeper]
        near = [(-value, at) for at in others if (value := similarity(keeper, at)) is not None]
        # Copies of a text have one place among the candidates, the place of the first.
        first_of = {texts[at]: at for at in reversed(range(len(texts)))}
        for _, at in sorted(near, key=lambda one: (one[0], first_of[texts[one[1]]])):
            if all(similarity(member, at) is not None for member in members):
                members.append(at)
        free = [at for at in free if at not in members]
        if len(members) > 1:
            expected.append(sorted(members))
    groups = groups_of(texts, similarities, "complete")
    assert groups == expected
    assert all(similarity(a, b) is not None for members in groups for a in members for b in members)


@given(documents())
def test_single_linkage_groups_chains(made: tuple[list[int], Similarities]) -> None:
    texts, similarities = made
    similarity = similarity_of(texts, similarities)
    component = {at: {at} for at in range(len(texts))}
    for a in component:
        for b in component:
            if similarity(a, b) is not None and component[a] is not component[b]:
                component[a] |= component[b]
                for at in component[b]:
                    component[at] = component[a]
    expected = {tuple(sorted(members)) for members in component.values() if len(members) > 1}
    assert groups_of(texts, similarities, "single") == [list(members) for members in sorted(expected)]


def test_a_chain_is_cut_where_likeness_to_the_keeper_ends() -> None:
    chain = {(0, 1): 0.9, (1, 2): 0.9, (2, 3): 0.9}
    assert groups_of([0, 1, 2, 3], chain, "keeper") == [[0, 1], [2, 3]]
    assert groups_of([1, 0, 2, 3], chain, "keeper") == [[0, 1, 2]], "from 1, which both 0 and 2 are like"
    assert groups_of([1, 0, 2, 3], chain, "complete") == [[0, 1], [2, 3]]
    assert groups_of([0, 1, 2, 3], chain, "single") == [[0, 1, 2, 3]]


def test_complete_takes_the_most_similar_first() -> None:
    assert groups_of([0, 1, 2], {(0, 1): 0.9, (0, 2): 0.95}, "complete") == [[0, 2]]
    assert groups_of([0, 1, 2], {(0, 1): 0.9, (0, 2): 0.9}, "complete") == [[0, 1]]


@pytest.mark.parametrize("linkage", LINKAGES)
def test_exact_copies_go_with_their_text(linkage: Linkage) -> None:
    assert groups_of([7, 3, 7, 3, 5], {(3, 7): 0.875}, linkage) == [[0, 1, 2, 3]]
    assert groups_of([7, 3, 7, 5], {}, linkage) == [[0, 2]]


@pytest.mark.parametrize("linkage", LINKAGES)
def test_no_documents_and_nothing_alike(linkage: Linkage) -> None:
    assert groups_of([], {}, linkage) == []
    assert groups_of([0, 1], {}, linkage) == []


@pytest.mark.parametrize("linkage", LINKAGES)
def test_a_text_that_no_document_has_links_nobody(linkage: Linkage) -> None:
    assert groups_of([0, 2], {(0, 1): 0.9, (1, 2): 0.9, (2, 3): 0.9}, linkage) == []


def test_an_unknown_linkage() -> None:
    with pytest.raises(InvalidInput, match="'average' is not a linkage"):
        groups_of([0], {}, "average")  # type: ignore[arg-type]
