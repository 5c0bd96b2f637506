"""Visits of pairs of partitions find the pairs of one join, whatever the partitions; see docs/batch.md."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from semsearch.dedup.join import Floats, Pairs, join
from semsearch.dedup.sketch import Sketch
from semsearch.distributed import partitions as parts


def unit(rows: NDArray[np.float64]) -> Floats:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(n: int, d: int, seed: int) -> Floats:
    """Return vectors in clouds of different width, with copies and near-copies."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(6, d))
    rows = centres[rng.integers(6, size=n)] + rng.normal(size=(n, d)) * rng.choice(
        [0.05, 0.3, 1], size=(n, 1)
    )
    rows[n // 2 : n // 2 + n // 8] = rows[: n // 8]
    return unit(rows)


def visited(found: list[parts.Partition], threshold: float) -> tuple[Pairs, int, parts.Doubles]:
    centres = np.stack([part.centre for part in found])
    bound = parts.bounds(
        centres,
        np.stack([part.margins(centres) for part in found]),
        np.array([part.longest for part in found]),
        np.array([part.radius for part in found]),
    )
    pairs = parts.visits(bound, threshold)
    done = [parts.visit(found[i], found[j], threshold)[0] for i, j in pairs.tolist()]
    return Pairs.merged(done), len(pairs), bound


def same(left: Pairs, right: Pairs) -> bool:
    return (
        np.array_equal(left.left, right.left)
        and np.array_equal(left.right, right.right)
        and np.allclose(left.similarity, right.similarity, rtol=0, atol=1e-12)
    )


@pytest.mark.long
@pytest.mark.parametrize("threshold", [-0.5, 0.6, 0.95, 1.0])
@pytest.mark.parametrize("size", [60, 300])
def test_visits_find_what_one_join_finds(threshold: float, size: int) -> None:
    vectors = clustered(900, 12, size)
    found, _, _ = visited(parts.partitions(vectors, *parts.labelled(vectors, size)), threshold)
    assert same(found, join(vectors, threshold))


@pytest.mark.parametrize("threshold", [0.6, 0.95])
@pytest.mark.parametrize("step", [1e-6, 0.01, 1.0])
def test_visits_with_sketches_find_the_same(threshold: float, step: float) -> None:
    vectors = clustered(700, 12, 4)
    directions = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 8)))[0]
    found = parts.partitions(vectors, *parts.labelled(vectors, 100))
    sketched = [replace(part, sketched=Sketch(directions, step).of(part.vectors)) for part in found]
    assert same(visited(sketched, threshold)[0], join(vectors, threshold))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_visits_with_any_labels_and_centres_are_exact(seed: int) -> None:
    """Labels at random, centres that have nothing to do with them, equal centres, empty partitions, lengths near 1."""
    rng = np.random.default_rng(seed)
    vectors = clustered(400, 5, seed) * rng.uniform(0.9991, 1.0009, size=(400, 1)).astype(np.float32)
    centres = rng.normal(size=(7, 5)) * rng.choice([1e-5, 0.1, 3], size=(7, 1))
    centres[3] = centres[2]
    label = rng.integers(6, size=400)  # the last partition is empty
    for threshold in (0.2, 0.8, 0.97):
        found, _, _ = visited(parts.partitions(vectors, label, centres), threshold)
        assert same(found, join(vectors, threshold))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_pairs_on_the_edge_of_both_bounds_are_found(seed: int) -> None:
    """Two clouds whose nearest vectors have a cosine within a few units in the last place of the threshold.

    All vectors lie in a plane, so both bounds are met with equality.
    """
    rng = np.random.default_rng(seed)
    first, second = rng.uniform(0.1, 0.7, size=2)  # the radii
    apart = float(rng.uniform(0.05, 0.8))
    angles = np.concatenate([[-first, 0, first], first + apart + second + np.array([-second, 0, second])])
    plane = np.linalg.qr(rng.normal(size=(9, 2)))[0]
    vectors = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1) @ plane.T)
    nearest = float(vectors[2].astype(np.float64) @ vectors[3].astype(np.float64))
    label = np.repeat([0, 1], 3)
    centres = np.stack([vectors[1], vectors[4]]).astype(np.float64)
    for threshold in (nearest, np.nextafter(nearest, 0), np.nextafter(nearest, 2)):
        found, count, _ = visited(parts.partitions(vectors, label, centres), threshold)
        assert same(found, join(vectors, threshold))
        assert count == 3 or threshold > nearest
    _, count, _ = visited(parts.partitions(vectors, label, centres), nearest + 1e-5)
    assert count == 2  # the bounds are sharp


def test_bound_holds_for_every_pair_of_vectors() -> None:
    vectors = clustered(600, 8, 3)
    found = parts.partitions(vectors, *parts.labelled(vectors, 50))
    _, _, bound = visited(found, 0.9)
    exact = vectors.astype(np.float64)
    for i, a in enumerate(found):
        for j, b in enumerate(found):
            assert (exact[a.rows] @ exact[b.rows].T).max() <= bound[i, j]
    assert np.mean(bound < 0.9) > 0.1  # and it leaves something out


def test_possible_rows_are_fewer_than_all_of_them() -> None:
    vectors = clustered(2000, 16, 5)
    a, b, *_ = parts.partitions(vectors, *parts.labelled(vectors, 400))
    x, y = parts.possible(a, b, 0.95)
    assert len(x) * len(y) < len(a.rows) * len(b.rows) / 4


@pytest.mark.parametrize("rows", [0, 1])
def test_labels_of_few_rows_are_one_partition(rows: int) -> None:
    vectors = clustered(64, 4, 1)[:rows]
    label, centres = parts.labelled(vectors)
    assert len(centres) == rows
    assert label.tolist() == [0] * rows


def test_no_partition_has_more_than_twice_the_rows() -> None:
    vectors = np.repeat(clustered(2, 4, 1), [950, 50], axis=0)
    sizes = [len(part.rows) for part in parts.partitions(vectors, *parts.labelled(vectors, 100))]
    assert sum(sizes) == 1000
    assert max(sizes) <= 200


@pytest.mark.parametrize("recall", [0.9, 0.99])
def test_visits_needed_keep_their_promise(recall: float) -> None:
    """Simulate: the share of complete rows after the visits is below the recall in at most 5% of the samples.

    The places are of the kind that is hardest: a step just below the recall, where a wrong choice is likely.
    """
    rng = np.random.default_rng(1)
    population = np.sort(rng.integers(0, 1000, size=200_000) // 50 * 50)
    below = int(recall * len(population)) - 1
    population[: below // 2], population[below // 2 : below], population[below:] = 1, 400, 900
    wrong = [
        np.mean(population <= parts.visits_needed(rng.choice(population, 1000), recall, 1000)) < recall
        for _ in range(4000)
    ]
    assert 0.02 < np.mean(wrong) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)  # not needlessly strict either


def test_visits_needed_of_a_small_sample_are_all() -> None:
    assert parts.visits_needed(np.ones(298, np.int64), 0.99, 77) == 77
    assert parts.visits_needed(np.ones(299, np.int64), 0.99, 77) == 1
    assert parts.visits_needed(np.empty(0, np.int64), 0.5, 77) == 77
