"""Groups follow the keeper rule, whatever the pairs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semsearch.dedup import Pairs, group
from semsearch.records import Group, Member


def pairs_of(similarities: dict[tuple[int, int], float]) -> Pairs:
    ordered = sorted(similarities)
    left, right = np.array(ordered, np.int64).reshape(-1, 2).T
    return Pairs(left, right, np.array([similarities[pair] for pair in ordered]))


@st.composite
def documents(draw: st.DrawFn) -> tuple[list[int], dict[tuple[int, int], float]]:
    """The text of each document, and the pairs of texts at or above a threshold."""
    number = draw(st.integers(1, 8))
    texts = draw(
        st.permutations(list(range(number)) + draw(st.lists(st.integers(0, number - 1), max_size=8)))
    )
    every = [(left, right) for left in range(number) for right in range(left + 1, number)]
    chosen = draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    return texts, {pair: draw(st.sampled_from([0.85, 0.9, 0.95, 1.0])) for pair in chosen}


@given(documents())
def test_the_keeper_rule(made: tuple[list[int], dict[tuple[int, int], float]]) -> None:
    texts, similarities = made
    names = [f"d{position}" for position in range(len(texts))]
    groups = group(names, texts, pairs_of(similarities))

    position = {name: at for at, name in enumerate(names)}
    keepers = [position[found.keeper] for found in groups]
    keeper_of = {
        position[member.name]: position[found.keeper] for found in groups for member in found.members
    }
    in_a_group = [*keepers, *keeper_of]
    assert len(in_a_group) == len(set(in_a_group)), "nobody is in two groups, or twice in one"
    assert keepers == sorted(keepers)
    assert all(found.members for found in groups)

    def alike(a: int, b: int) -> bool:
        return texts[a] == texts[b] or (min(texts[a], texts[b]), max(texts[a], texts[b])) in similarities

    for found in groups:
        text = texts[position[found.keeper]]
        for member in found.members:
            other = texts[position[member.name]]
            assert member.exact == (other == text)
            assert member.similarity == (
                1.0 if other == text else similarities[min(text, other), max(text, other)]
            )
        ranks = [(-member.similarity, position[member.name]) for member in found.members]
        assert ranks == sorted(ranks)
    for a in range(len(names)):
        first = next((keeper for keeper in keepers if keeper < a and alike(keeper, a)), None)
        if a in keeper_of:
            assert keeper_of[a] == first, "a member belongs to the first keeper that it is like"
        else:
            assert first is None, "nobody whom a keeper is like is left over"
            assert (a in keepers) == any(keeper == a for keeper in keeper_of.values())


def test_a_chain_is_cut_where_likeness_to_the_keeper_ends() -> None:
    chain = pairs_of({(0, 1): 0.9, (1, 2): 0.9, (2, 3): 0.9})
    assert group(["a", "b", "c", "d"], [0, 1, 2, 3], chain) == [
        Group("a", (Member("b", 0.9, False),)),
        Group("c", (Member("d", 0.9, False),)),
    ]


def test_the_order_of_the_names_decides_who_stays() -> None:
    chain = pairs_of({(0, 1): 0.9, (1, 2): 0.95})
    assert group(["b", "a", "c"], [1, 0, 2], chain) == [
        Group("b", (Member("c", 0.95, False), Member("a", 0.9, False)))
    ]


def test_exact_copies_are_told_apart_and_go_with_their_text() -> None:
    found = group(["new", "old", "copy of new", "copy of old"], [0, 1, 0, 1], pairs_of({(0, 1): 0.875}))
    members = (
        Member("copy of new", 1.0, True),
        Member("old", 0.875, False),
        Member("copy of old", 0.875, False),
    )
    assert found == [Group("new", members)]


def test_no_documents_and_nothing_alike() -> None:
    assert group([], [], pairs_of({})) == []
    assert group(["a", "b"], [0, 1], pairs_of({})) == []
