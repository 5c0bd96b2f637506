"""The containment of documents, which equals a brute force over words, whatever the texts and the share."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.dedup import containment
from semsearch.dedup.containment import FEWEST_WORDS, containments
from semsearch.text.word_runs import RUN, words_of


def share_by_hand(a: Sequence[bytes], b: Sequence[bytes]) -> Fraction:
    """Return the share of the words of `a` that lie in a run that `b` has, by looking at every run."""
    runs = {tuple(b[at : at + RUN]) for at in range(len(b) - RUN + 1)}
    inside = {
        word
        for at in range(len(a) - RUN + 1)
        if tuple(a[at : at + RUN]) in runs
        for word in range(at, at + RUN)
    }
    return Fraction(len(inside), max(1, len(a)))


def by_hand(texts: Sequence[str], least: Fraction) -> dict[tuple[int, int], float]:
    words = [words_of(text) for text in texts]
    shares = {
        (x, y): share_by_hand(words[x], words[y])
        for x, y in permutations(range(len(texts)), 2)
        if len(words[x]) >= FEWEST_WORDS and (len(words[y]), -y) > (len(words[x]), -x)
    }
    return {pair: float(share) for pair, share in shares.items() if share >= least}


def found_in(texts: Sequence[str], least: float) -> dict[tuple[int, int], float]:
    found = containments(texts, least, lambda x, y: x != y, rank=np.arange(len(texts)))
    assert not found.semantic.any()
    return dict(zip(zip(found.x.tolist(), found.y.tolist(), strict=True), found.share.tolist(), strict=True))


word = st.sampled_from("abc")
text = st.lists(word, max_size=40).map(" ".join)
cut = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)


@given(st.lists(text, max_size=8), st.lists(cut, max_size=5), st.integers(1, 12), st.integers(1, 12))
def test_the_pairs_equal_those_of_a_brute_force(
    texts: list[str], cuts: list[list[int]], p: int, q: int
) -> None:
    whole = " ".join(f"w{number}" for number in range(60))
    texts = [*texts, *(" ".join(whole.split()[first:last]) for first, last in cuts), whole]
    least = Fraction(min(p, q), max(p, q))
    assert found_in(texts, float(least)) == by_hand(texts, least)


@pytest.mark.parametrize("work", [1, 60, 2**22])
def test_work_and_rounds_do_not_change_the_result(work: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    footer = [f"f{number}" for number in range(30)]
    bases = [[f"w{at}-{number}" for number in range(50)] for at in range(4)]
    texts = [
        " ".join([*bases[at % 4][: rng.integers(5, 50)], *footer[: rng.integers(0, 30)], f"own{at}"])
        for at in range(60)
    ]
    expected = by_hand(texts, Fraction(3, 4))
    assert len(expected) > 100
    monkeypatch.setattr(containment, "_WORK", work)
    monkeypatch.setattr(containment, "_FIRST_LOOK", 2)
    monkeypatch.setattr(containment, "MOST_CONTAINERS", 60)
    assert found_in(texts, 0.75) == expected
