"""Sweeping, choosing and judging thresholds; agreement with graded scores; the pictures."""

import json
import re
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsearch.errors import InvalidInput
from semsearch.evaluation.plot import precision_recall_text, save_plot
from semsearch.tuning.agreement import agreement
from semsearch.tuning.metrics import precision_recall_curve, threshold_metrics
from semsearch.tuning.pairs import load_pairs, positives
from semsearch.tuning.split import split_pairs
from semsearch.tuning.threshold import best_f1_threshold, tune_threshold
from semsearch.types import LabelledPair

coarse = st.integers(-3, 3).map(lambda n: n / 3)
fine = st.floats(-1, 1, width=32)
scored = st.lists(st.tuples(coarse | fine, st.booleans()), min_size=1, max_size=40).filter(
    lambda rows: any(label for _, label in rows)
)


def counts(rows: list[tuple[float, bool]], threshold: float) -> tuple[int, int, int]:
    """Return true positives, false positives and false negatives, counted one by one."""
    tp = sum(score >= threshold and label for score, label in rows)
    fp = sum(score >= threshold and not label for score, label in rows)
    return tp, fp, sum(label for _, label in rows) - tp


@settings(deadline=None)
@given(scored)
def test_sweep_equals_counting_at_every_distinct_score(rows: list[tuple[float, bool]]) -> None:
    curve = precision_recall_curve(*zip(*rows, strict=True))
    distinct = sorted({score for score, _ in rows}, reverse=True)
    assert curve.thresholds.tolist() == distinct
    expected = [counts(rows, score) for score in distinct]
    assert list(zip(curve.tp.tolist(), curve.fp.tolist(), curve.fn.tolist(), strict=True)) == expected
    assert curve.f1.tolist() == [2 * tp / (2 * tp + fp + fn) for tp, fp, fn in expected]


@settings(deadline=None)
@given(scored)
def test_choose_takes_the_best_f1_and_of_equals_the_strictest(rows: list[tuple[float, bool]]) -> None:
    def merit(score: float) -> tuple[Fraction, float]:
        tp, fp, fn = counts(rows, score)
        return Fraction(2 * tp, 2 * tp + fp + fn), score

    best = max((score for score, _ in rows), key=merit)
    threshold = best_f1_threshold(precision_recall_curve(*zip(*rows, strict=True)))
    assert [score >= threshold for score, _ in rows] == [score >= best for score, _ in rows]
    below = [score for score, _ in rows if score < best]
    room = below and np.nextafter(max(below), 2) < best
    assert threshold < best if room else threshold == best


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([0.9, 0.8, 0.3], [1, 1, 0], 0.55),  # halfway between 0.8 and 0.3
        ([0.8005, 0.8001, 0.3], [1, 0, 0], 0.8003),  # 0.80 would flag the second, too
        ([0.9, 0.5, 0.5], [1, 1, 0], 0.5),  # all flagged: nothing seen below
        ([0.7, 0.7, 0.7], [1, 0, 0], 0.7),  # all equal
        ([0.9, 0.6, 0.5, 0.4], [1, 0, 0, 1], 0.75),  # F1 2/3 at 0.9 and at 0.4: the higher
        ([0.0, -2e-30], [1, 0], -1e-30),  # too close for rounding
        ([0.5, np.nextafter(0.5, 0)], [1, 0], 0.5),  # no float between
    ],
)
def test_choose_hand_worked(scores: list[float], labels: list[int], expected: float) -> None:
    assert best_f1_threshold(precision_recall_curve(scores, labels)) == expected


def test_the_chosen_threshold_keeps_clear_of_every_score() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        scores, labels = rng.uniform(-1, 1, 30), np.append(rng.random(29) < 0.5, True)
        threshold, ranked = best_f1_threshold(precision_recall_curve(scores, labels)), np.sort(scores)
        at = np.searchsorted(ranked, threshold)
        if at:
            gap = ranked[at] - ranked[at - 1]
            assert np.abs(ranked - threshold).min() >= 0.2499 * gap


def test_evaluate_hand_worked() -> None:
    scores, labels = [0.9, 0.8, 0.8, 0.7, 0.6, 0.5, 0.4], [1, 1, 0, 1, 0, 1, 0]
    quality = threshold_metrics(scores, labels, 0.7)  # flags four, three of them right; one of four is missed
    assert (quality.tp, quality.fp, quality.fn, quality.tn) == (3, 1, 1, 2)
    assert quality.precision.value == quality.recall.value == quality.f1.value == 0.75
    assert (quality.pairs, quality.positives, quality.flagged) == (7, 4, 4)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_wilsons_as_published(part: int, whole: int, low: float, high: float) -> None:
    # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
    labels = np.arange(whole) < part
    precision = threshold_metrics(np.ones(whole), labels, 0.5).precision
    assert (round(precision.low, 4), round(precision.high, 4)) == (low, high)
    recall = threshold_metrics(labels.astype(float), np.ones(whole), 0.5).recall
    assert (round(recall.low, 4), round(recall.high, 4)) == (low, high)


def test_the_f1_interval_is_that_of_resampling_the_pairs() -> None:
    rng = np.random.default_rng(5)
    labels = rng.random(300) < 0.3
    flagged = np.where(rng.random(300) < 0.8, labels, ~labels)
    drawn = rng.integers(0, 300, (4000, 300))
    tp = (labels & flagged)[drawn].sum(axis=1)
    f1 = 2 * tp / (labels[drawn].sum(axis=1) + flagged[drawn].sum(axis=1))
    estimate = threshold_metrics(flagged.astype(float), labels, 0.5).f1
    assert (estimate.low, estimate.high) == pytest.approx(np.quantile(f1, [0.025, 0.975]), abs=0.006)
    assert estimate == threshold_metrics(flagged.astype(float), labels, 0.5).f1


def test_a_share_with_nothing_to_divide_by_is_none() -> None:
    none_flagged = threshold_metrics([0.1, 0.2], [1, 0], 0.9)
    assert none_flagged.precision is None
    assert (none_flagged.recall.value, none_flagged.f1.value) == (0, 0)
    none_positive = threshold_metrics([0.1, 0.2], [0, 0], 0.9)
    assert none_positive.precision is none_positive.recall is none_positive.f1 is None


@pytest.mark.parametrize("scores", [[0.5], [0.5, float("nan")], [[0.5, 0.5]]])
def test_scores_must_be_one_finite_number_a_pair(scores: list) -> None:
    with pytest.raises(InvalidInput, match="one finite score a pair"):
        precision_recall_curve(scores, [1, 0])


def pairs_of(texts: list[tuple[int, int]], labels: list[bool]) -> list[LabelledPair]:
    return [
        LabelledPair(f"text {a}", f"text {b}", duplicate=label)
        for (a, b), label in zip(texts, labels, strict=True)
    ]


@settings(deadline=None)
@given(
    st.integers(0, 5), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.booleans()), min_size=8)
)
def test_random_split_is_even_and_notes_shared_texts(seed: int, rows: list) -> None:
    pairs = pairs_of([(a, b) for a, b, _ in rows], [label for _, _, label in rows])
    labels = np.array([pair.duplicate for pair in pairs])
    split = split_pairs(pairs, labels, seed=seed)
    assert sorted([*split.choose, *split.report]) == list(range(len(pairs)))
    texts = [
        {text for i in part for text in (pairs[i].text_a, pairs[i].text_b)}
        for part in (split.choose, split.report)
    ]
    assert texts[0].isdisjoint(texts[1]) == ("share a text" not in split.note)
    for kind in (labels, ~labels):
        smaller = min(kind[split.choose].sum(), kind[split.report].sum())
        assert smaller >= kind.sum() // 4
    again = split_pairs(pairs, labels, seed=seed)
    assert again.choose.tolist() == split.choose.tolist()


def test_split_links_texts_through_pairs_and_cleaning() -> None:
    chain = pairs_of([(0, 1), (2, 3), (1, 2)], [True, False, True])
    chain[2] = LabelledPair("text  1 ", "text 2", duplicate=True)
    others = pairs_of([(i, i + 50) for i in range(10, 30)], [True, False] * 10)
    split = split_pairs([*chain, *others], [pair.duplicate for pair in [*chain, *others]])
    assert len({i in split.report for i in range(3)}) == 1
    assert "share no text" in split.note


@pytest.mark.parametrize("linked", [40, 34])
def test_split_one_by_one_when_one_text_links_most_pairs(linked: int) -> None:
    pairs = pairs_of([(0 if i < linked else -i, i + 1) for i in range(40)], [True, False] * 20)
    split = split_pairs(pairs, [pair.duplicate for pair in pairs])
    assert Counter(pairs[i].duplicate for i in split.report) == {True: 10, False: 10}
    assert re.search(r"\d+ of the 20 held-out pairs share a text", split.note)


def test_sick_is_split_as_its_authors_did(shared_data: Path) -> None:
    sick = load_pairs(str(shared_data / "sick" / "SICK.txt"))
    split = split_pairs(sick.pairs, positives(sick.pairs, "paraphrase"))
    assert Counter(sick.pairs[i].split for i in split.choose) == {"train": 4439, "trial": 495}
    assert Counter(sick.pairs[i].split for i in split.report) == {"test": 4906}


def test_tune_chooses_on_one_part_and_reports_on_the_other() -> None:
    # In train 0.9 and 0.8 are duplicates, 0.6 is not: the cut is 0.7. In test it flags 0.95 (right) and
    # 0.75 (wrong), and misses 0.65.
    rows = [("train", 0.9, 1), ("train", 0.8, 1), ("train", 0.6, 0)]
    rows += [("test", 0.95, 1), ("test", 0.75, 0), ("test", 0.65, 1), ("test", 0.1, 0)]
    pairs = [
        LabelledPair(f"a{i}", f"b{i}", duplicate=bool(label), split=s) for i, (s, _, label) in enumerate(rows)
    ]
    tuning = tune_threshold(pairs, [score for _, score, _ in rows], "paraphrase", name="mine")
    assert (tuning.threshold, tuning.rule, tuning.name) == (0.7, "paraphrase", "mine")
    assert (tuning.chosen_on.tp, tuning.chosen_on.fp, tuning.chosen_on.fn, tuning.chosen_on.tn) == (
        2,
        0,
        0,
        1,
    )
    assert (tuning.reported.tp, tuning.reported.fp, tuning.reported.fn, tuning.reported.tn) == (1, 1, 1, 1)
    assert [row.threshold for row in tuning.table] == [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    rows_by_cut = {row.threshold: row for row in tuning.table}
    assert (rows_by_cut[0.5].flagged, rows_by_cut[0.5].recall) == (0.75, 1)
    assert rows_by_cut[0.5].precision == pytest.approx(2 / 3)
    assert (rows_by_cut[0.9].precision, rows_by_cut[0.9].recall) == (1, 0.5)
    assert tuning.curve.thresholds.tolist() == [0.95, 0.75, 0.65, 0.1]
    assert "only 2 positives in the held-out part: wide intervals" in tuning.notes
    written = json.loads(json.dumps(tuning.to_dict(), allow_nan=False))
    assert written["reported"]["precision"]["value"] == 0.5
    assert len(written["table"]) == 10


@pytest.mark.parametrize(
    ("labels", "missing"),
    [([], 4), ([True] * 6, 2), ([False] * 6, 2), ([True, False, False, False], 1), ([True, False], 2)],
)
def test_too_few_pairs_say_how_many_are_missing(labels: list[bool], missing: int) -> None:
    pairs = pairs_of([(i, i + 100) for i in range(len(labels))], labels)
    with pytest.raises(InvalidInput, match=f"{sum(labels)} of {len(labels)} are duplicates") as refused:
        tune_threshold(pairs, np.linspace(0, 1, len(labels)), "paraphrase", name="mine.csv")
    assert f"label at least {missing} more" in refused.value.hint
    enough = [*labels, *[True] * max(0, 2 - sum(labels)), *[False] * max(0, 2 - labels.count(False))]
    assert len(enough) == len(labels) + missing
    for seed in range(5):
        pairs = pairs_of([(i, i + 100) for i in range(len(enough))], enough)
        tune_threshold(pairs, np.linspace(0, 1, len(enough)), "paraphrase", seed=seed)


def test_a_held_out_part_without_duplicates_is_refused() -> None:
    pairs = pairs_of([(i, i + 100) for i in range(4)], [True, True, False, False])
    marked = [replace(pair, split="test" if not pair.duplicate else "train") for pair in pairs]
    with pytest.raises(InvalidInput, match="none of the 2 choosing pairs is negative"):
        tune_threshold(marked, np.linspace(0, 1, 4), "paraphrase")


def test_a_threshold_that_flags_everything_is_pointed_out() -> None:
    pairs = pairs_of([(i, i + 100) for i in range(80)], [True, True, True, False] * 20)
    notes = tune_threshold(pairs, np.full(80, 0.5), "paraphrase").notes
    assert "the threshold flags every pair of the choosing part" in notes


def test_agreement_hand_worked() -> None:
    # Values deviate by (-2, -1, 0, 3) and (-1, 0, -1, 2): products 8, squares 14 and 6.
    # Ranks, 1 to 4 and 1.5, 3, 1.5, 4, by (-1.5, -0.5, 0.5, 1.5) and (-1, 0.5, -1, 1.5): 3, 5 and 4.5.
    measured = agreement([0, 1, 2, 5], [1, 2, 1, 4])
    assert measured.pearson == pytest.approx(8 / 84**0.5)
    assert measured.spearman == pytest.approx(3 / 22.5**0.5)
    assert measured.n == 4


@pytest.mark.parametrize(
    ("scores", "gold", "message"),
    [
        ([0.5, 0.5, 0.5], [1, 2, 3], "all 3 scores are 0.5"),
        ([0.1, 0.2, 0.3], [4, 4, 4], "all 3 grades are 4"),
        ([0.1, 0.2], [1, 2], "at least three pairs"),
        ([0.1, 0.2, 0.3], [1, 2], "at least three pairs"),
        ([0.1, 0.2, float("nan")], [1, 2, 3], "not finite"),
    ],
)
def test_agreement_refuses_what_has_no_correlation(scores: list, gold: list, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        agreement(scores, gold)


PERFECT = precision_recall_curve([0.9, 0.8, 0.3, 0.2], [1, 1, 0, 0])


def test_the_terminal_picture_of_a_perfect_ranking() -> None:
    lines = precision_recall_text(PERFECT, 0.55, 80, ascii=True).splitlines()
    assert lines[1] == "   1 +" + "*" * 73 + "@"  # precision 1 at every recall, the chosen point at recall 1
    assert lines[-1] == "@ threshold 0.55: precision 1.000, recall 1.000"
    assert max(map(len, lines)) == 80
    assert len(lines) == 16 + 4


def test_the_terminal_picture_of_a_ranking_half_wrong() -> None:
    # The first pair is right, then one wrong, then one right: precision 1 up to recall 1/2, then 2/3.
    lines = precision_recall_text(
        precision_recall_curve([0.9, 0.8, 0.7], [1, 0, 1]), 0.95, 80, height=10
    ).splitlines()
    assert lines[1].count("⠉") >= 35
    assert "⠒" in lines[4] or "⠤" in lines[4] or "⣀" in lines[4]
    assert lines[-1] == "no pair reaches the threshold 0.95"
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(("suffix", "magic"), [(".svg", b"<?xml"), (".png", b"\x89PNG")])
def test_a_plot_is_written_the_same_each_time(tmp_path: Path, suffix: str, magic: bytes) -> None:
    paths = [tmp_path / f"{i}{suffix}" for i in range(2)]
    for path in paths:
        save_plot(PERFECT, 0.55, path, "a title")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes().startswith(magic)


def test_a_plot_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"must end in \.png or \.svg"):
        save_plot(PERFECT, 0.55, tmp_path / "curve.pdf", "a title")
    with pytest.raises(InvalidInput, match="No such file"):
        save_plot(PERFECT, 0.55, tmp_path / "none" / "curve.svg", "a title")
    assert not list(tmp_path.iterdir())


# -- weights ------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(1, 4)), min_size=1, max_size=25).filter(
        lambda rows: any(positive for _, positive, _ in rows)
    ),
    st.integers(0, 6),
)
def test_a_weight_counts_as_that_many_pairs(rows: list[tuple[int, bool, int]], threshold: int) -> None:
    """The shares are those of a sample that has each pair as many times as it weighs; counts are of pairs."""
    scores, positive, weights = (np.array(column) for column in zip(*rows, strict=True))
    repeated = np.repeat(scores, weights), np.repeat(positive, weights)
    ours, theirs = (
        threshold_metrics(scores, positive, threshold, weights),
        threshold_metrics(*repeated, threshold),
    )
    for mine, its in zip(
        (ours.precision, ours.recall, ours.f1), (theirs.precision, theirs.recall, theirs.f1), strict=True
    ):
        assert (mine is None) == (its is None)
        if mine is not None:
            assert mine.value == pytest.approx(its.value) and mine.low <= mine.value <= mine.high
    assert ours.pairs == len(rows)
    curve, long = precision_recall_curve(scores, positive, weights), precision_recall_curve(*repeated)
    np.testing.assert_allclose(curve.f1, long.f1)
    assert best_f1_threshold(curve) == best_f1_threshold(long)


def test_weighted_intervals_cover_the_truth() -> None:
    """Stratified samples of 10,000 pairs, 100 at a time, as `label` draws them: intervals that hold 95% of the time."""
    rng = np.random.default_rng(0)
    scores = np.sort(rng.beta(2, 5, 10_000))
    positive = rng.random(10_000) < scores**1.5
    truth = positive[scores >= 0.3].mean(), (scores[positive] >= 0.3).mean()
    bands = np.minimum((scores * 10).astype(int), 6)
    take = [5, 10, 25, 25, 15, 10, 10]
    covered = np.zeros(2)
    for _ in range(400):
        drawn = [rng.choice(np.flatnonzero(bands == band), n, replace=False) for band, n in enumerate(take)]
        weights = np.repeat([np.count_nonzero(bands == band) / n for band, n in enumerate(take)], take)
        at = np.concatenate(drawn)
        quality = threshold_metrics(scores[at], positive[at], 0.3, weights)
        shares = quality.precision, quality.recall
        covered += [share.low <= true <= share.high for share, true in zip(shares, truth, strict=True)]
    assert (covered / 400 >= 0.93).all(), covered / 400
