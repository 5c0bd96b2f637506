"""Shingles, and the lexical join, which equals a brute force in fractions whatever the sets and the threshold."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.dedup import lexical
from semsearch.dedup.join import Pairs
from semsearch.dedup.lexical import batches, lexical_join
from semsearch.errors import InvalidInput
from semsearch.text.shingles import LEXICAL, jaccard, shingles

WORDS = [f"word{number}" for number in range(30)]


def share(a: set[int], b: set[int]) -> Fraction:
    return Fraction(len(a & b), len(a | b)) if a | b else Fraction(0)


def join_of(sets: list[set[int]], threshold: float) -> Pairs:
    return lexical_join([np.array(sorted(elements), np.int64) for elements in sets], threshold)


def assert_equals_brute_force(pairs: Pairs, sets: list[set[int]], threshold: Fraction) -> None:
    expected = {
        (i, j): share(sets[i], sets[j])
        for i, j in combinations(range(len(sets)), 2)
        if share(sets[i], sets[j]) >= threshold
    }
    found = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    assert found == sorted(expected)
    assert pairs.similarity.tolist() == [float(expected[pair]) for pair in found]


few = st.frozensets(st.integers(-4, 4), max_size=9)
many = st.frozensets(st.integers(0, 30), min_size=20, max_size=31)


@given(
    st.lists(few | many, max_size=12),
    st.sampled_from([(1, 1), (4, 5), (2, 3), (1, 2), (1, 3), (1, 100)])
    | st.integers(1, 31).flatmap(lambda q: st.tuples(st.integers(1, q), st.just(q))),
)
def test_the_join_equals_brute_force_at_every_tie(
    sets: list[frozenset[int]], threshold: tuple[int, int]
) -> None:
    p, q = threshold
    made = [set(elements) for elements in sets]
    assert_equals_brute_force(join_of(made, p / q), made, Fraction(p, q))


@pytest.mark.parametrize("products", [1, 50, 2**22])
def test_batch_size_does_not_change_the_lexical_join(products: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "_PRODUCTS", products)
    rng = np.random.default_rng(5)
    bases = [rng.permutation(400)[: rng.integers(1, 60)] for _ in range(8)]
    sets = [
        set(rng.permutation(bases[at % 8])[: max(1, len(bases[at % 8]) - at // 8)].tolist())
        | set(rng.integers(400, size=2).tolist())
        for at in range(80)
    ]
    pairs = join_of(sets, 0.8)
    assert 10 < len(pairs) < 3000
    assert_equals_brute_force(pairs, sets, Fraction(4, 5))


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 12))
def test_batches_follow_each_other_within_the_limit(costs: list[int], limit: int) -> None:
    ranges = list(batches(np.array(costs, np.int64), limit))
    assert [at for start, stop in ranges for at in range(start, stop)] == list(range(len(costs)))
    assert all(stop - start == 1 or sum(costs[start:stop]) <= limit for start, stop in ranges)


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, float("nan")])
def test_a_threshold_that_means_nothing(threshold: float) -> None:
    with pytest.raises(InvalidInput, match="must be above 0 and at most 1"):
        join_of([{1}, {1}], threshold)


def test_no_sets_and_empty_sets() -> None:
    assert len(join_of([], 0.5)) == 0
    assert len(join_of([set(), set(), {1}], 0.5)) == 0
    assert jaccard(np.empty(0, np.int64), np.empty(0, np.int64)) == 0


def test_one_word_changed_takes_three_triples_with_it() -> None:
    text = " ".join(WORDS)  # 28 triples
    middle, end = text.replace("word15", "other"), text.replace("word29", "other")
    assert jaccard(shingles(text), shingles(middle)) == 25 / 31 >= LEXICAL
    assert jaccard(shingles(text), shingles(end)) == 27 / 29
    assert jaccard(shingles(text), shingles(text)) == 1
    assert jaccard(shingles(text), shingles("nothing of it at all")) == 0


def test_shingles_ignore_case_and_marks_but_not_order() -> None:
    plain = shingles("a whacks b with a stick")
    assert np.array_equal(plain, shingles("“A” whacks B,\nwith -- a STICK!"))
    assert jaccard(plain, shingles("b whacks a with a stick")) == 1 / 7
    assert len(shingles("over and over and over and over")) == 2


@pytest.mark.parametrize(
    ("text", "triples"),
    [
        ("我很喜欢猫。", 3),
        ("こんにちは", 3),
        ("안녕하세요", 3),
        ("สวัสดี", 4),
        ("我喜欢 Python 3", 3),  # 我 喜 欢 python 3
        ("人々", 1),
        ("port 8080", 1),
        ("one", 1),
        ("!?", 1),
        ("", 1),
    ],
)
def test_how_many_shingles_a_text_has(text: str, triples: int) -> None:
    found = shingles(text)
    assert len(found) == triples
    assert found.dtype == np.int64
    assert found.tolist() == sorted(set(found.tolist()))


@pytest.mark.parametrize(
    ("a", "b"), [("port 8080", "port 8081"), ("की", "का"), ("!!", "??"), ("a b", "b a"), ("cafe", "café")]
)
def test_short_texts_that_differ(a: str, b: str) -> None:
    assert jaccard(shingles(a), shingles(b)) == 0
