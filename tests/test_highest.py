"""Test that the highest scores are found among groups of scores as they are by sorting all."""

import numpy as np
import pytest

from semsearch.search.highest import highest


@pytest.mark.parametrize("total", [1, 31, 32, 700, 10_007])
@pytest.mark.parametrize("distinct", [1, 5, 1_000_000])
def test_highest_scores_are_those_that_sorting_finds(total: int, distinct: int) -> None:
    rng = np.random.default_rng(total + distinct)
    scores = (rng.integers(0, distinct, total) / distinct - 0.5).astype(np.float32)
    for count in (1, 3, 21, 300, total, total + 5):
        found = highest(scores, count)
        assert len(set(found.tolist())) == len(found) == min(count, total)
        assert np.array_equal(np.sort(scores[found]), np.sort(scores)[-count:])
