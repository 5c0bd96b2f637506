"""The join from a file equals the join, whatever came before, and however the file has suffered."""

import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semsearch.dedup.join import Pairs, join
from semsearch.dedup.join_cache import _Saved, saved_join
from semsearch.errors import InvalidInput

Floats = NDArray[np.float32]


def unit(rows: NDArray[np.float64]) -> Floats:
    lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / lengths).astype(np.float32)


def some(seed: int, n: int, d: int = 8) -> Floats:
    """Return unit rows in a few clusters."""
    rng = np.random.default_rng(seed)
    return unit(rng.standard_normal((5, d))[rng.integers(5, size=n)] + 0.3 * rng.standard_normal((n, d)))


def same(a: Pairs, b: Pairs) -> bool:
    close = len(a) == len(b) and np.allclose(a.similarity, b.similarity, rtol=0, atol=1e-12)
    return close and np.array_equal(a.left, b.left) and np.array_equal(a.right, b.right)


def compared(vectors: Floats, threshold: float, path: Path) -> int:
    """Return the number of pairs that a run compares, and check that its result is right."""
    totals = {0}
    pairs = saved_join(vectors, threshold, path, progress=lambda _, total: totals.add(total))
    assert same(pairs, join(vectors, threshold))
    return max(totals)


@pytest.mark.long
@given(
    seed=st.integers(0, 2**32 - 1),
    runs=st.lists(
        st.tuples(
            st.lists(st.integers(0, 29), max_size=40),
            st.sampled_from([-1.0, 0.5, 0.8, 0.9, 0.95, 1.0]),
        ),
        min_size=2,
        max_size=6,
    ),
)
@settings(deadline=None, max_examples=60)
def test_any_runs_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, seed: int, runs: list[tuple[list[int], float]]
) -> None:
    # Rows come, go, move, and come twice; the threshold rises and falls.
    path = tmp_path_factory.mktemp("runs") / "join.npz"
    pool = some(seed, 30)
    for rows, threshold in runs:
        assert same(saved_join(pool[rows], threshold, path), join(pool[rows], threshold))


def test_only_what_is_new_is_compared(tmp_path: Path) -> None:
    path, vectors = tmp_path / "join.npz", some(1, 130)
    order = np.random.default_rng(2).permutation(130)
    assert compared(vectors[:100], 0.8, path) == 100 * 99 // 2
    assert compared(vectors[:100], 0.8, path) == 0
    assert compared(vectors[:100], 0.9, path) == 0, "at a higher threshold the file does"
    assert compared(vectors[order], 0.9, path) == 130 * 30
    assert compared(vectors, 0.8, path) == 0, "the new were compared at the threshold of the file"
    assert compared(vectors[10:], 0.8, path) == 0
    assert compared(vectors, 0.8, path) == 130 * 10, "what was gone is no longer known"
    assert compared(vectors, 0.7, path) == 130 * 129 // 2, "below the threshold of the file nothing is"
    assert compared(some(3, 50), 0.8, path) == 50 * 49 // 2


def test_equal_rows_are_told_apart(tmp_path: Path) -> None:
    path, row = tmp_path / "join.npz", some(4, 3)
    for rows in ([0, 0, 1], [0, 1, 0, 2, 0], [2, 0], [0, 0], [0, 0, 0]):
        vectors = row[rows]
        assert same(saved_join(vectors, 0.999, path), join(vectors, 0.999))


def test_a_file_of_a_lower_threshold_stays_as_it_is(tmp_path: Path) -> None:
    path, vectors = tmp_path / "join.npz", some(5, 60)
    saved_join(vectors, 0.7, path)
    before = path.read_bytes()
    for threshold in (0.7, 0.8, 1.0):
        assert same(saved_join(vectors, threshold, path), join(vectors, threshold))
        assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_pair_is_in_or_out_as_in_the_join_to_the_last_bit(tmp_path: Path) -> None:
    # All are alike, so the saved similarities come from a product of matrices, which is summed in another order.
    rng = np.random.default_rng(6)
    vectors = unit(rng.standard_normal(384) + rng.standard_normal((300, 384)))
    path = tmp_path / "join.npz"
    saved_join(vectors, -1, path)
    for i, j in np.sort([rng.choice(300, 2, replace=False) for _ in range(10)]):
        similarity = float(join(vectors[[i, j]], -1).similarity[0])
        for threshold in similarity + np.spacing(similarity) * np.arange(-2, 3):
            found = saved_join(vectors, float(threshold), path, only_saved=True)
            expected = join(vectors, float(threshold))
            assert np.array_equal(found.left, expected.left)
            assert np.array_equal(found.right, expected.right)


def test_without_a_path_it_is_the_join() -> None:
    vectors = some(7, 50)
    assert same(saved_join(vectors, 0.8, None), join(vectors, 0.8))


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows_for_a_pair(tmp_path: Path, n: int) -> None:
    for path in (None, tmp_path / "join.npz", tmp_path / "join.npz"):
        assert len(saved_join(some(8, n), 0.5, path)) == 0


def test_saved_results_only(tmp_path: Path) -> None:
    path, vectors = tmp_path / "join.npz", some(9, 60)

    def refused(vectors: Floats, threshold: float, path: Path | None) -> bool:
        with pytest.raises(InvalidInput, match="no comparison") as error:
            saved_join(vectors, threshold, path, only_saved=True)
        return bool(error.value.hint)

    assert refused(vectors, 0.8, path)
    assert refused(vectors, 0.8, None)
    saved_join(vectors[:59], 0.8, path)
    before = path.read_bytes()
    assert refused(vectors, 0.8, path)
    assert refused(vectors[:59], 0.7, path)
    for part in (vectors[:59], vectors[20:40]):
        assert same(saved_join(part, 0.9, path, only_saved=True), join(part, 0.9))
    assert path.read_bytes() == before


@pytest.mark.parametrize("threshold", [7.0, float("nan")])
def test_bad_input_is_refused_whatever_is_saved(tmp_path: Path, threshold: float) -> None:
    path, vectors = tmp_path / "join.npz", some(10, 5)
    saved_join(vectors, 0.8, path)
    with pytest.raises(InvalidInput, match="between -1 and 1"):
        saved_join(vectors, threshold, path)
    with pytest.raises(InvalidInput, match="row 0"):
        saved_join(2 * vectors, 0.8, path)


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    path, vectors = tmp_path / "join.npz", some(11, 25)
    saved_join(vectors, 0.6, path)
    whole, expected = path.read_bytes(), join(vectors, 0.6)
    rng = np.random.default_rng(12)
    damaged = [whole[:length] for length in rng.integers(len(whole), size=60)]
    for at in rng.integers(len(whole), size=200):
        changed = bytearray(whole)
        changed[at] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(changed))
    for content in (*damaged, b"", b"PK\x03\x04", whole + b"tail", rng.bytes(1_000)):
        path.write_bytes(content)
        assert same(saved_join(vectors, 0.6, path), expected)


def test_a_file_of_something_else_is_as_good_as_none(tmp_path: Path) -> None:
    path, vectors = tmp_path / "join.npz", some(13, 25)
    saved_join(vectors, 0.6, path)
    with np.load(path) as file:
        arrays = dict(file)

    def put(name: str, change: dict[str, object]) -> Path:
        np.savez(tmp_path / name, **(arrays | change))  # type: ignore[arg-type]
        return tmp_path / name

    strange = [
        put("seal.npz", {"seal": arrays["seal"][::-1]}),
        put("objects.npz", {"left": arrays["left"].astype(object)}),
        put("floats.npz", {"left": arrays["left"].astype(float)}),
        put("matrix.npz", {"left": arrays["left"][:, None]}),
        put("short.npz", {"right": arrays["right"][1:]}),
        put("higher.npz", {"similarity": arrays["similarity"][::-1]}),
        put("lower.npz", {"threshold": -1.0}),
        put("words.npz", {"threshold": "low"}),
    ]
    np.savez_compressed(tmp_path / "small.npz", **arrays)
    np.save(tmp_path / "one.npy", arrays["left"])
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for other in (*strange, *(tmp_path / name for name in ("small.npz", "one.npy", "folder", "pipe"))):
        with pytest.raises(InvalidInput, match="no comparison"):
            saved_join(vectors, 0.6, other, only_saved=True)
        assert same(saved_join(vectors, 0.6, other), join(vectors, 0.6))


@pytest.mark.parametrize(
    ("threshold", "left", "right", "similarity"),
    [
        (0.6, [0], [9], [0.7]),
        (0.6, [-1], [1], [0.7]),
        (0.6, [1], [0], [0.7]),
        (0.6, [1], [1], [0.7]),
        (0.6, [0, 0], [1, 1], [0.7, 0.7]),
        (0.6, [0], [1], [1.5]),
        (0.6, [0], [1], [0.5]),
        (0.6, [0], [1], [float("nan")]),
        (float("nan"), [], [], []),
        (-7.0, [], [], []),
    ],
)
def test_a_file_made_to_mislead_cannot_say_what_cannot_be(
    tmp_path: Path, threshold: float, left: list[int], right: list[int], similarity: list[float]
) -> None:
    # Its seal is right, which nothing but our own writer makes.
    path, vectors = tmp_path / "join.npz", some(14, 9)
    saved_join(vectors, 0.6, path)
    with np.load(path) as file:
        digests = file["digests"]
    pairs = Pairs(np.array(left, np.int64), np.array(right, np.int64), np.array(similarity, np.float64))
    _Saved(threshold, digests, pairs).write(path)
    with pytest.raises(InvalidInput, match="no comparison"):
        saved_join(vectors, 0.6, path, only_saved=True)
    assert same(saved_join(vectors, 0.6, path), join(vectors, 0.6))


def test_where_nothing_can_be_written_the_pairs_are_returned(tmp_path: Path) -> None:
    vectors = some(15, 50)
    assert same(saved_join(vectors, 0.8, tmp_path / "no" / "folder" / "join.npz"), join(vectors, 0.8))
    path = tmp_path / "join.npz"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # to a writer it is like a full disk
    try:
        pairs = saved_join(vectors, 0.8, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert same(pairs, join(vectors, 0.8))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path], "nothing half written is left"


def test_a_stopped_run_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path, vectors = tmp_path / "join.npz", some(16, 60)
    saved_join(vectors[:50], 0.8, path)
    copy = shutil.copy(path, tmp_path / "copy.npz")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        saved_join(vectors, 0.8, path, progress=stop)
    assert path.read_bytes() == copy.read_bytes()
