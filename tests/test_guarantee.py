"""Guarantees of thresholds: equal to brute force, kept as often as stated, refused if impossible."""

import math
import os
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.errors import InvalidInput
from semsearch.tuning.guarantee import find_guarantee, min_pairs

TRIALS = int(os.environ.get("SEMSEARCH_TRIALS", "100"))
coarse = st.integers(0, 6).map(lambda n: n / 7)
scored = st.lists(st.tuples(coarse | st.floats(0, 1, width=32), st.booleans()), max_size=60)


def tail(right: int, of: int, least: float) -> float:
    """Return the probability of this many or more of `of`, each right with probability `least`, in whole numbers."""
    p = Fraction(least)
    return float(sum(math.comb(of, k) * p**k * (1 - p) ** (of - k) for k in range(right, of + 1)))


@given(scored, st.sampled_from([0.3, 0.5, 0.8]), st.sampled_from([0.7, 0.9]))
def test_recall_equals_brute_force(rows: list, least: float, confidence: float) -> None:
    scores, labels = [score for score, _ in rows], [label for _, label in rows]
    found = find_guarantee(scores, labels, "recall", least, confidence)
    n = sum(labels)
    passing = []
    for score in sorted({score for score, label in rows if label}):
        flagged = sum(label and s >= score for s, label in rows)
        if tail(flagged, n, least) > 1 - confidence:
            break
        passing.append([s >= score for s in scores])
    assert (found is None) == (not passing)
    if found is not None:
        assert [score >= found.threshold for score in scores] == passing[-1]
        assert (found.pairs, found.correct) == (
            n,
            sum(f and y for f, y in zip(passing[-1], labels, strict=True)),
        )


@given(scored, st.sampled_from([0.3, 0.5, 0.8]), st.sampled_from([0.7, 0.9]))
def test_precision_equals_brute_force_over_the_sequence(rows: list, least: float, confidence: float) -> None:
    """The fewest pairs that pass with some number of wrong ones, ties together, until one fails."""
    rows = sorted(rows, reverse=True)
    scores, labels = [score for score, _ in rows], [label for _, label in rows]
    found = find_guarantee(scores, labels, "precision", least, confidence)

    def fewest(wrong: int) -> int:
        return next(k for k in range(wrong + 1, 999) if tail(k - wrong, k, least) <= 1 - confidence)

    passing, wrong = [], sum(fewest(number) <= len(rows) / 20 for number in (1, 2, 3))
    while (size := fewest(wrong)) <= len(rows):
        k = sum(score >= scores[size - 1] for score in scores)
        if tail(sum(labels[:k]), k, least) > 1 - confidence:
            break
        passing.append(k)
        wrong = max(wrong + 1, wrong * 11 // 10)
    assert (found is None) == (not passing)
    if found is not None:
        assert sum(score >= found.threshold for score in scores) == found.pairs
        assert found.correct == sum(labels[: passing[-1]])  # finds as many as the loosest
        assert found.pairs == min(k for k in passing if sum(labels[:k]) == found.correct)
        assert found.effective_pairs == found.pairs


def test_the_fewest_pairs_are_those_of_the_binomial() -> None:
    assert 0.95**45 <= 0.1 < 0.95**44
    assert min_pairs(0.95, 0.9) == 45
    assert min_pairs(0.5, 0.75) == 2  # just: 0.5 ** 2 = 0.25
    assert find_guarantee(np.linspace(1, 0.5, 45), np.ones(45), "precision", 0.95).pairs == 45
    assert find_guarantee(np.linspace(1, 0.5, 44), np.ones(44), "precision", 0.95) is None
    assert find_guarantee(np.ones(44), np.ones(44), "recall", 0.95) is None
    assert find_guarantee(np.ones(45), np.ones(45), "recall", 0.95).threshold == 1  # all equal, all positive


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("measure", ["precision", "recall"])
def test_nothing_is_promised_of_next_to_nothing(n: int, measure: str) -> None:
    assert find_guarantee(np.ones(n), np.ones(n), measure, 0.9) is None
    assert find_guarantee(np.ones(n), np.zeros(n), measure, 0.1) is None
    assert find_guarantee(np.ones(n), np.zeros(n), measure, 0.1, weights=np.ones(n)) is None


@pytest.mark.parametrize("target", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("wrong", [0, 1, 7])
def test_the_fewest_pairs_with_some_wrong_are_the_binomials(target: float, wrong: int) -> None:
    n = min_pairs(target, 0.9, wrong)
    assert tail(n - wrong, n, target) <= 0.1 < tail(n - 1 - wrong, n - 1, target)


def test_wrong_pairs_at_the_top_do_not_end_the_sequence() -> None:
    """One wrong pair comes after 62 right ones, as in SICK: of 105 pairs, two may be wrong, of 132 three."""
    labels = np.arange(2400) < 200
    labels[[62, 120, 130]] = False
    found = find_guarantee(np.linspace(1, 0, 2400), labels, "precision", 0.95)
    assert found is not None and found.pairs >= 180


SHARES = (np.arange(4000) + 0.5) / 4000  # of all pairs, from the highest score down
CHANCES = {  # of a label to be right, for each of these
    "just below everywhere": lambda least: np.full(4000, least - 1e-6),
    "falls slowly": lambda least: np.clip(least + 0.2 * (0.1 - SHARES), 0, 1),
    "perfect, then just below": lambda least: np.where(SHARES < 0.1, 1, least - 0.05),
    "wrong at the top": lambda least: np.where(SHARES < 0.1, least - 0.03, least + 0.03),
    "up and down": lambda least: np.clip(least + 0.06 * np.sin(60 * SHARES), 0, 1),
}


@pytest.mark.parametrize("shape", CHANCES)
@pytest.mark.parametrize(("n", "least"), [(300, 0.95), (600, 0.8)])
def test_a_false_promise_is_rare_in_a_planted_population(shape: str, n: int, least: float) -> None:
    """Each threshold's precision is known here, so no chance of a second sample counts as a broken promise."""
    rng, draws = np.random.default_rng(5), 1000
    chance = CHANCES[shape](least)
    precision = np.cumsum(chance) / np.arange(1, 4001)
    broken = 0
    for _ in range(draws):
        at = rng.integers(0, 4000, n)
        found = find_guarantee(-SHARES[at], rng.random(n) < chance[at], "precision", least)
        broken += found is not None and precision[np.sum(found.threshold <= -SHARES) - 1] < least
    assert broken <= 0.1 * draws + 2 * math.sqrt(0.09 * draws)


def population(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and labels that are the more often positive the higher the score: with the square of it."""
    scores = rng.random(n)
    return scores, rng.random(n) < scores**2


def kept(measure: str, threshold: float, least: float) -> bool:
    """Return whether the guarantee holds in that population: integrals of score ** 2, by hand."""
    above = (1 - threshold**3) / 3
    return above / (1 - threshold) >= least if measure == "precision" else above * 3 >= least


@pytest.mark.parametrize(("measure", "least"), [("precision", 0.8), ("precision", 0.6), ("recall", 0.8)])
@pytest.mark.parametrize("sampling", ["even", "weighted", "linked"])
def test_a_promise_is_kept_as_often_as_it_says(measure: str, least: float, sampling: str) -> None:
    rng = np.random.default_rng(7)
    broken = made = 0
    for _ in range(TRIALS):
        texts = weights = None
        if sampling == "linked":  # each pair stands there three times, sharing its texts
            scores, labels = (np.repeat(column, 3) for column in population(rng, 400))
            texts = np.repeat(np.arange(800).reshape(-1, 2), 3, axis=0)
        else:
            scores, labels = population(rng, 1000)
            if sampling == "weighted":  # around 0.7 twice as often
                chance = np.where(abs(scores - 0.7) < 0.2, 1.0, 0.5)
                drawn = rng.random(1000) < chance
                scores, labels, weights = scores[drawn], labels[drawn], 1 / chance[drawn]
        found = find_guarantee(scores, labels, measure, least, texts=texts, weights=weights)
        made += found is not None
        broken += found is not None and not kept(measure, found.threshold, least)
    assert made > 0.2 * TRIALS
    assert broken <= 0.1 * TRIALS + 2 * math.sqrt(0.09 * TRIALS)


def test_copies_of_a_pair_are_worth_one() -> None:
    rng = np.random.default_rng(1)
    scores, labels = population(rng, 500)
    alone = find_guarantee(scores, labels, "precision", 0.6)
    texts = np.repeat(np.arange(1000).reshape(-1, 2), 4, axis=0)
    copies = find_guarantee(np.repeat(scores, 4), np.repeat(labels, 4), "precision", 0.6, texts=texts)
    naive = find_guarantee(np.repeat(scores, 4), np.repeat(labels, 4), "precision", 0.6)
    assert copies.effective_pairs == pytest.approx(copies.pairs / 4, rel=0.25)
    assert copies.threshold == pytest.approx(alone.threshold, abs=0.05)
    assert naive.threshold < copies.threshold


def test_even_weights_are_none() -> None:
    scores, labels = population(np.random.default_rng(3), 1000)
    plain = find_guarantee(scores, labels, "precision", 0.7)
    weighted = find_guarantee(scores, labels, "precision", 0.7, weights=np.full(1000, 3.0))
    assert plain == weighted


@pytest.mark.parametrize(
    ("scores", "labels", "options"),
    [
        ([0.5, math.nan], [1, 0], {}),
        ([0.5], [1, 0], {}),
        ([0.5], [1], {"weights": [0]}),
        ([0.5], [1], {"texts": [[1, 2, 3]]}),
        ([0.5], [1], {"confidence": 1}),
    ],
)
def test_what_does_not_fit_together_is_refused(scores: list, labels: list, options: dict) -> None:
    with pytest.raises(InvalidInput, match=r"guarantee"):
        find_guarantee(scores, labels, "precision", 0.9, **options)
