"""Guarantees of drawn labels: kept as often as stated, whoever chooses the cuts, and had with few labels."""

import math
import os
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest

from semsearch.tuning.drawn import COSINE, PILOT, DrawnLabels, Frame, labels_so_far
from semsearch.types import Draw

TRIALS = int(os.environ.get("SEMSEARCH_TRIALS", "100"))


def label(
    scores: np.ndarray, positive: np.ndarray, count: int, seed: int, target: float, confidence: float = 0.9
) -> DrawnLabels:
    """Label `count` pairs as `label` does, the first of them at random among the 100 of the highest scores."""
    rng = np.random.default_rng(seed)
    odds = np.log(scores / (1 - scores))
    frame, labels = Frame(scores, odds, (0.5, 1.0)), DrawnLabels(target, confidence)
    for number in range(count):
        draw = None
        if number < PILOT:
            at = int(rng.choice(frame.order[:100][np.isnan(frame.known[:100])]))
        else:
            cut, floor, free = labels.next_choice(frame)
            at = int(rng.choice(free))
            draw = Draw("s", float(scores[at]), cut, floor, 1 / len(free))
        labels.add(float(scores[at]), bool(positive[at]), draw)
        frame.label(at, bool(positive[at]))
    return labels


def world(rng: np.random.Generator, trust: float, n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Scores that claim to be probabilities; the odds are as claimed with a `trust` of 1, and of no worth with 0."""
    odds = np.sort(rng.normal(-2, 4, n))[::-1]
    positive = rng.random(n) < 1 / (1 + np.exp(-(trust * odds + (1 - trust) * 1.5)))
    return 1 / (1 + np.exp(-odds)), positive


@pytest.mark.parametrize(("trust", "least"), [(1.0, 0.9), (0.0, 0.85)])
def test_a_guarantee_is_kept_as_often_as_it_says(trust: float, least: float) -> None:
    """Every guarantee is broken where the scores are worth nothing, and one in ten may be made."""
    broken = made = 0
    trials = TRIALS // 10
    for seed in range(trials):
        scores, positive = world(np.random.default_rng(seed), trust)
        found = label(scores, positive, 100, seed, least).guarantee()
        made += found is not None
        broken += found is not None and positive[scores >= found.threshold].mean() < least
    assert broken <= 0.1 * trials + 2 * math.sqrt(0.09 * trials)
    if trust == 1:
        assert made >= 0.6 * trials


def test_the_wealth_is_fair_over_every_order_of_draws() -> None:
    """Six pairs, half of them duplicates: over all orders of drawing them, the mean wealth is at most 1.

    The first cut flags four pairs, of which exactly half are duplicates, and two draws come from a lower floor.
    """
    scores, positive = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [1, 0, 1, 0, 1, 0]
    total = Fraction(0)
    orders = list(permutations(range(6)))
    for order in orders:
        labels = DrawnLabels(0.5, 0.9)
        for left, at in zip(range(6, 2, -1), order, strict=False):
            labels.add(scores[at], bool(positive[at]), Draw("s", scores[at], 0.55, 0.3, 1 / left))
        total += Fraction(float(np.exp(labels._mean()[0])))
    assert float(total / len(orders)) == pytest.approx(1, abs=1e-9)


def test_whoever_chooses_the_cuts_cannot_break_the_guarantee() -> None:
    """An adversary names a cut at every draw, after looking at the labels, where every cut has a precision of 0.8."""
    broken = 0
    for seed in range(TRIALS // 2):
        rng = np.random.default_rng(seed)
        scores = np.linspace(1, 0, 400)
        positive = rng.permutation(np.arange(400) % 5 != 0)
        frame, labels = Frame(scores, scores, (1, 1)), DrawnLabels(0.9)
        floor = 0.9
        for _ in range(80):
            free = frame.free(floor)
            at = int(rng.choice(free))
            known = np.isfinite(frame.known)
            shares = np.nancumsum(frame.known) / np.maximum(known.cumsum(), 1)
            cut = max(floor, frame.cut(20 + int(np.argmax(shares[19:])))) if known.any() else floor
            labels.add(scores[at], bool(positive[at]), Draw("s", scores[at], cut, floor, 1 / len(free)))
            frame.label(at, bool(positive[at]))
            floor = max(0.0, floor - 0.01)
        found = labels.guarantee()
        broken += found is not None and positive[scores >= found.threshold].mean() < 0.9
    assert broken <= 0.1 * (TRIALS // 2) + 2 * math.sqrt(0.09 * (TRIALS // 2))


def test_twenty_two_right_draws_are_not_enough_and_thirty_are() -> None:
    """Without a mistake the binomial takes 22 for 0.9; gamblers who do not know that pay for their doubt."""
    labels = DrawnLabels(0.9)
    counts = []
    for number in range(60):
        labels.add(0.9, True, Draw("s", 0.9, 0.5, 0.5, 1e-6))
        if labels.guarantee():
            counts.append(number + 1)
    assert 22 < counts[0] <= 36
    assert counts == list(range(counts[0], 61)), "what is guaranteed stays so"


def test_all_pairs_labelled_are_known_exactly() -> None:
    """A frame of 30 pairs, 29 of them duplicates: the last draws cannot lose any more."""
    labels = DrawnLabels(0.9)
    for number in range(30):
        labels.add(0.9, number != 3, Draw("s", 0.9, 0.5, 0.5, 1 / (30 - number)))
    assert labels.guarantee().correct == 29


def test_labels_made_before_are_no_bets() -> None:
    before = [(True, None)] * 500 + [(True, Draw("another", 0.9, 0.5, 0.5, 1e-3))] * 500
    assert labels_so_far(before, COSINE, 0.9).guarantee() is None
    pilot = [(True, Draw(COSINE, 0.9))] * 20
    assert labels_so_far(before + pilot, COSINE, 0.9).guarantee() is None
    drawn = [(True, Draw(COSINE, 0.9, 0.5, 0.5, 1e-3))] * 40
    assert labels_so_far(before + pilot + drawn, COSINE, 0.9).guarantee().pairs == 60


@pytest.mark.parametrize(
    "values",
    [
        (math.nan,),
        (0.9, 0.8),
        (0.9, 0.8, 0.8, 0.0),
        (0.9, 0.8, 0.8, 1.1),
        (0.9, 0.8, 0.8, math.nan),
        (0.9, 0.7, 0.8, 0.1),
        (0.7, 0.8, 0.8, 0.1),
        (0.9, math.inf, 0.8, 0.1),
        (0.9, 0.8, -math.inf, 0.1),
    ],
)
def test_a_draw_that_cannot_be_is_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="draw"):
        Draw("s", *values)
