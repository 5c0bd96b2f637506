"""Test that what is left out by bounds is never among the best: against scores of all rows, on drawn cosines."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from semsearch.search import contenders as module
from semsearch.search import fusion
from semsearch.search.contenders import contenders
from semsearch.search.highest import highest


def best(
    rows: NDArray[Any], cosine: NDArray[Any], bm25: Any, documents: Any, count: int, least: float
) -> list[tuple[int, float]]:
    """Return the rows with the `count` highest scores of some rows, with these scores."""
    score = fusion.fused(cosine[rows], bm25[rows], 2.0 if bm25.any() else 0.0, 0.1)
    kept = cosine[rows].astype(np.float64) >= least
    rows, score = rows[kept], score[kept]
    if documents is not None:
        score = fusion.by_document(score, documents[rows], count)
    top = highest(score, count)
    return sorted(zip(rows[top].tolist(), score[top].tolist(), strict=True))


@pytest.mark.parametrize("by_document", [False, True])
@pytest.mark.parametrize("least", [-1.0, 0.0, 0.05, 0.3])
@pytest.mark.parametrize("shift", [0.0, -0.9])
def test_the_best_of_what_is_left_are_the_best_of_all(
    by_document: bool, least: float, shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 2)
    used = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        total, count = 600, int(rng.integers(1, 40))
        cosine = (rng.beta(2, 5, total) + shift).astype(np.float32)
        if seed % 3 == 0:
            cosine = np.round(cosine, 1)  # ties
        bounds = np.clip(
            cosine + rng.uniform(*rng.choice([(0, 0.05), (0.05, 0.1)]), total).astype(np.float32), -1, 1
        )
        bounds[rng.integers(0, total, 5)] = 1
        bm25 = np.where(rng.random(total) < rng.choice([0, 0.01, 0.5]), rng.random(total), 0).astype(
            np.float32
        )
        documents = rng.integers(0, rng.choice([20, 200, 600]), total) if by_document else None
        if documents is not None and seed % 4:
            documents.sort()  # as ingest stores them
        most = 2.0 if bm25.any() else 0.0
        rows = contenders(
            bounds,
            count,
            lambda at, cosine=cosine: cosine[at],
            lambda some, at, bm25=bm25, most=most: fusion.fused(some, bm25[at], most, 0.1),
            documents,
            least,
        )
        if rows is None:
            continue
        used += 1
        assert np.all(np.diff(rows) > 0)
        left, every = (best(some, cosine, bm25, documents, count, least) for some in (rows, np.arange(total)))
        assert left == every
    assert used > 10 or shift < 0


def test_a_cosine_above_its_bound_leaves_nothing_out() -> None:
    cosine = np.linspace(-1, 1, 1_000, dtype=np.float32)
    arguments: Any = (3, lambda at: cosine[at], lambda some, _: some, None, -1.0)
    assert contenders(cosine, *arguments).tolist() == [997, 998, 999]
    assert contenders(cosine - np.float32(0.001), *arguments) is None
