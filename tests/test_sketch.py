"""Sketches bound every cosine from above, whatever the directions, the step of the codes and the vectors."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semsearch.dedup import join as join_of
from semsearch.dedup import sketch
from semsearch.dedup.sketch import Sketch, Sketched, cheapest, lowered

Floats = NDArray[np.float32]


def unit(rows: NDArray[np.float64]) -> Floats:
    found: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


def orthonormal(rng: np.random.Generator, d: int, k: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.linalg.qr(rng.standard_normal((d, k)))[0]
    return found


def cosines(x: Floats, y: Floats) -> NDArray[np.float64]:
    return x.astype(np.float64) @ y.astype(np.float64).T


def assert_bounds(a: Sketched, b: Sketched, products: NDArray[np.float64], thresholds: list[float]) -> None:
    """No pair that reaches a threshold is ruled out, in a tile of all places and in tiles of one row or column."""
    count, others = products.shape
    for threshold in thresholds:
        reaches = products[np.ix_(a.order, b.order)] >= threshold
        whole = a.tile(slice(0, count))
        assert not np.any(reaches & ~b.may_reach(threshold, whole, slice(0, others)))
        for at in range(min(count, others, 5)):
            one = a.tile(slice(at, at + 1))
            assert not np.any(reaches[at : at + 1] & ~b.may_reach(threshold, one, slice(0, others)))
            column = b.may_reach(threshold, whole, slice(at, at + 1))
            assert not np.any(reaches[:, at : at + 1] & ~column)
        long = a.long[a.order] @ b.long[b.order].T >= lowered(threshold, a.long.shape[1])
        assert not np.any(reaches & ~long)


@given(
    seed=st.integers(0, 2**32 - 1),
    d=st.sampled_from([2, 8, 40]),
    step=st.sampled_from([1e-12, 1e-4, 0.01, 0.3, 5.0]),
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    spread=st.sampled_from([0.0, 1e-4, 0.1, 3.0]),
)
@settings(deadline=None, max_examples=60)
def test_no_cosine_exceeds_its_bound(
    seed: int, d: int, step: float, sizes: tuple[int, int], spread: float
) -> None:
    """Also with a step so small that all codes are at their limit, or so large that all are zero."""
    rng = np.random.default_rng(seed)
    made = Sketch(orthonormal(rng, d, d // 2 * 2)[:, : max(2, d // 4 * 2)], step)
    centre = rng.standard_normal(d)
    x, y = (unit(centre + spread * rng.standard_normal((size, d)) + 1e-9) for size in sizes)
    products = cosines(x, y)
    assert_bounds(
        made.of(x, batch=7), made.of(y), products, [*np.quantile(products, [0, 0.3, 0.9, 1]), -1, 1]
    )


@pytest.mark.parametrize("seed", range(6))
def test_pairs_that_meet_their_bound(seed: int) -> None:
    """Errors along the codes, and equal directions of what is left over: each inequality is an equality.

    Rows are (m step + f t) u + f w, with u the sum of the directions of the codes and w what no direction has. The
    error f t is nearly half a step, so c, e and z of any two rows are parallel. Thresholds are the cosines of pairs to
    the last bit.
    """
    rng = np.random.default_rng(seed)
    d, k, step = 24, 4, 0.02
    basis = orthonormal(rng, d, d)
    made = Sketch(basis[:, : 2 * k], step)
    u, w = basis[:, :k].sum(axis=1), basis[:, -1]
    m, f = rng.integers(3, 12, size=60), rng.uniform(0.5, 1, size=60)
    rows = unit((m * step + f * 0.499 * step)[:, None] * u + f[:, None] * w)
    rows = np.concatenate([rows, rows[:20]])
    sketched, products = made.of(rows), cosines(rows, rows)
    thresholds = rng.choice(np.unique(products), 40)
    assert_bounds(sketched, sketched, products, thresholds.tolist())
    rest = sketched.bounds[:, sketched.order.argsort()]
    upper = np.outer(rest[0], rest[1]) + np.outer(rest[1], rest[0]) + np.outer(rest[2], rest[2])
    codes = sketched.codes[:, sketched.order.argsort()].astype(np.float64) * step
    tightness = codes.T @ codes + upper - products
    assert tightness.min() > -1e-9
    assert np.quantile(tightness, 0.05) < 1e-3, "the case is on the edge"


def test_a_join_takes_any_sketch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Directions that have nothing to do with the rows, and steps that are far too small or too large."""
    rng = np.random.default_rng(3)
    rows = unit(
        rng.standard_normal((40, 16))[rng.integers(40, size=900)] + 0.2 * rng.standard_normal((900, 16))
    )
    module = import_module("semsearch.dedup.join")
    whole = join_of(rows, 0.9)
    assert len(whole) > 1_000
    for step in (1e-9, 0.004, 0.1, 10.0):
        made = Sketch(orthonormal(rng, 16, 8), step)
        monkeypatch.setattr(module, "cheapest", lambda *_, made=made: made)
        for memory in (2**20, 2**28):
            found = join_of(rows, 0.9, memory=memory)
            assert np.array_equal(found.left, whole.left)
            assert np.array_equal(found.right, whole.right)
            np.testing.assert_allclose(found.similarity, whole.similarity, rtol=0, atol=1e-12)


def test_only_some_rows_have_the_sketches_that_they_had() -> None:
    rng = np.random.default_rng(4)
    rows = unit(rng.standard_normal((50, 12)))
    made = Sketch(orthonormal(rng, 12, 8), 0.01)
    some = np.flatnonzero(rng.random(50) < 0.5)
    got, expected = made.of(rows).only(some), made.of(rows[some])
    assert sorted(got.order.tolist()) == list(range(len(some)))
    for name in ("codes", "bounds"):
        a, b = (getattr(one, name)[:, one.order.argsort()] for one in (got, expected))
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got.long, expected.long, rtol=0, atol=1e-6)


def test_sketches_are_chosen_where_they_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketch, "_SMALL", 100)
    rng = np.random.default_rng(5)
    falling = unit(rng.standard_normal((5_000, 64)) * np.arange(1, 65) ** -1.0)
    even = unit(rng.standard_normal((5_000, 64)))
    assert cheapest(falling, falling, 0.99) is not None
    assert cheapest(even, even, 0.1) is None
    assert cheapest(falling[:50], falling[:50], 0.99) is None
