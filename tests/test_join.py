"""The join equals a float64 brute force whatever the data, the threshold and the memory, and so do document pairs."""

import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semsearch.dedup import sketch
from semsearch.dedup.document_join import Corpus, DocumentPassages
from semsearch.dedup.join import DEFAULT_MEMORY, Pairs, between, join
from semsearch.errors import InvalidInput

Floats = NDArray[np.float32]


@pytest.fixture(autouse=True, scope="module")
def sketches_for_few_rows() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sketch, "_SMALL", 1_000)
        yield


EDGE = 1e-12
"""Two ways to sum a float64 dot product of unit vectors differ by far less."""


def unit(rows: NDArray[np.float64]) -> Floats:
    lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / lengths).astype(np.float32)


def clustered(
    rng: np.random.Generator, n: int, d: int, *, clusters: int = 0, copies: int = 0, decay: float = 0.0
) -> Floats:
    """Return unit rows: noise about `clusters` centres at many distances, and `copies` exact copies.

    With `decay` > 0 the spectrum falls as the spectrum of real embeddings does.
    """
    scale = np.arange(1, d + 1) ** -decay
    rows = rng.standard_normal((n, d)) * scale
    if clusters:
        centres = rng.standard_normal((clusters, d)) * scale
        rows = centres[rng.integers(clusters, size=n)] + rows * rng.choice([0.01, 0.2, 0.5, 2.0], size=(n, 1))
    vectors = unit(rows)
    vectors[n - copies :] = vectors[rng.integers(n, size=copies)]
    return vectors


def products(vectors: Floats) -> NDArray[np.float64]:
    return vectors.astype(np.float64) @ vectors.astype(np.float64).T


def assert_equals_brute_force(pairs: Pairs, vectors: Floats, threshold: float) -> None:
    """All pairs clearly above the threshold, none clearly below, sorted, with the right similarity."""
    product = products(vectors)
    found = np.zeros(product.shape, bool)
    found[pairs.left, pairs.right] = True
    assert np.all(np.diff(pairs.left * len(vectors) + pairs.right) > 0)
    assert not np.any(np.triu(product >= threshold + EDGE, 1) & ~found)
    assert not np.any(found & ~np.triu(product >= threshold - EDGE, 1))
    expected = np.minimum(product[pairs.left, pairs.right], 1)
    np.testing.assert_allclose(pairs.similarity, expected, rtol=0, atol=EDGE)
    assert pairs.left.dtype == pairs.right.dtype == np.int64


def assert_between_equals_brute_force(pairs: Pairs, left: Floats, right: Floats, threshold: float) -> None:
    product = left.astype(np.float64) @ right.astype(np.float64).T
    found = np.zeros(product.shape, bool)
    found[pairs.left, pairs.right] = True
    assert np.all(np.diff(pairs.left * len(right) + pairs.right) > 0)
    assert not np.any((product >= threshold + EDGE) & ~found)
    assert not np.any(found & ~(product >= threshold - EDGE))
    expected = np.minimum(product[pairs.left, pairs.right], 1)
    np.testing.assert_allclose(pairs.similarity, expected, rtol=0, atol=EDGE)
    assert pairs.left.dtype == pairs.right.dtype == np.int64


def same(a: Pairs, b: Pairs) -> bool:
    return np.array_equal(a.left, b.left) and np.array_equal(a.right, b.right)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 300),
    d=st.sampled_from([1, 2, 3, 7, 64, 384]),
    clusters=st.sampled_from([0, 1, 10]),
    threshold=st.one_of(st.sampled_from([-1.0, 0.0, 0.5, 0.85, 0.999, 1.0]), st.floats(-1, 1)),
)
def test_small_sets(seed: int, n: int, d: int, clusters: int, threshold: float) -> None:
    vectors = clustered(np.random.default_rng(seed), n, d, clusters=clusters, copies=n // 5)
    assert_equals_brute_force(join(vectors, threshold), vectors, threshold)


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(4_096, 4_200),
    d=st.sampled_from([64, 100, 256]),
    clusters=st.sampled_from([0, 3, 300]),
    decay=st.sampled_from([0.0, 0.5, 1.0]),
    threshold=st.floats(0.6, 0.99),
)
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_sets_large_enough_for_sketches(
    seed: int, n: int, d: int, clusters: int, decay: float, threshold: float
) -> None:
    vectors = clustered(np.random.default_rng(seed), n, d, clusters=clusters, copies=50, decay=decay)
    assert_equals_brute_force(join(vectors, threshold), vectors, threshold)


@pytest.mark.parametrize("memory", [2**20, 2**22, 2**24])
@pytest.mark.parametrize("threshold", [0.9, 0.4])
def test_little_memory_gives_the_same_pairs(memory: int, threshold: float) -> None:
    vectors = clustered(np.random.default_rng(1), 4_100, 64, clusters=200, copies=100, decay=0.7)
    assert_equals_brute_force(join(vectors, threshold, memory=memory), vectors, threshold)


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(st.floats(0, 6.28), st.integers(0, 3)), min_size=2, max_size=40),
    ulps=st.integers(-2, 2),
    pick=st.integers(0, 10_000),
)
def test_a_threshold_at_the_similarity_of_a_pair_to_the_last_bit(
    rows: list[tuple[float, int]], ulps: int, pick: int
) -> None:
    # Two products of float32 numbers are exact in float64, so their sum is rounded once: every order agrees.
    vectors = np.zeros((len(rows), 8), np.float32)
    for row, (angle, at) in enumerate(rows):
        vectors[row, at], vectors[row, at + 1] = np.cos(angle), np.sin(angle)
    product = products(vectors)
    similarities = np.unique(product[np.triu_indices(len(rows), 1)])
    threshold = float(similarities[pick % len(similarities)])
    for _ in range(abs(ulps)):
        threshold = float(np.nextafter(threshold, np.sign(ulps) * 2.0))
    threshold = min(1.0, max(-1.0, threshold))
    pairs = join(vectors, threshold)
    assert np.array_equal(np.stack([pairs.left, pairs.right]), np.nonzero(np.triu(product >= threshold, 1)))


def test_a_pair_is_in_or_out_whatever_else_is_joined() -> None:
    rng = np.random.default_rng(10)
    vectors = unit(rng.standard_normal(384) + rng.standard_normal((300, 384)))
    for i, j in np.sort([rng.choice(300, 2, replace=False) for _ in range(10)]):
        similarity = float(join(vectors[[i, j]], -1).similarity[0])
        for threshold in similarity + np.spacing(similarity) * np.arange(-2, 3):
            pairs = join(vectors, threshold)
            among_all = bool(np.any((pairs.left == i) & (pairs.right == j)))
            assert among_all == (len(join(vectors[[i, j]], threshold)) == 1)


def test_memory_is_bounded() -> None:
    vectors = clustered(np.random.default_rng(11), 12_000, 64, decay=0.7)
    memory = 2**21
    tracemalloc.start()
    pairs = join(vectors, 0.95, memory=memory)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < memory + 16 * len(vectors) + 200 * len(pairs)  # as `join` promises
    assert len(pairs) < 1_000
    assert same(pairs, join(vectors, 0.95))


def test_pairs_just_above_the_threshold_in_few_dimensions() -> None:
    rng = np.random.default_rng(9)
    vectors = unit(rng.standard_normal((4_100, 8)) @ rng.standard_normal((8, 64)))
    product = products(vectors)
    found = np.sort(product[np.triu_indices(len(vectors), 1)])
    for similarity in rng.choice(found[-20_000:], 6):
        threshold = float(similarity) - 2 * EDGE
        assert_equals_brute_force(join(vectors, threshold), vectors, threshold)


def test_one_cluster_within_a_large_set_is_found_whole() -> None:
    rng = np.random.default_rng(2)
    vectors = clustered(rng, 6_000, 96, decay=0.6)
    alike = rng.choice(6_000, 900, replace=False)
    vectors[alike] = unit(vectors[alike[:1]] + 0.005 * rng.standard_normal((900, 96)))
    assert_equals_brute_force(join(vectors, 0.95), vectors, 0.95)


def test_progress_ends_with_all_pairs() -> None:
    seen: list[tuple[int, int]] = []
    vectors = clustered(np.random.default_rng(3), 5_000, 64, decay=0.7)
    join(vectors, 0.9, progress=lambda done, total: seen.append((done, total)), memory=2**21)
    assert len(seen) > 10
    assert seen == sorted(seen)
    assert seen[-1] == (12_497_500, 12_497_500)
    assert {total for _, total in seen} == {12_497_500}


def test_progress_in_the_calling_thread_may_stop_the_join() -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        join(clustered(np.random.default_rng(4), 3_000, 8), 0.9, progress=stop)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows_for_a_pair(n: int) -> None:
    assert len(join(np.eye(4, dtype=np.float32)[:n], 0.5)) == 0


def test_the_input_need_not_be_contiguous() -> None:
    vectors = clustered(np.random.default_rng(5), 400, 32, clusters=20)
    assert same(join(vectors[::2], 0.8), join(vectors[::2].copy(), 0.8))


@pytest.mark.parametrize("threshold", [7.0, -1.5, float("nan"), float("inf")])
def test_a_threshold_that_is_no_cosine_is_refused(threshold: float) -> None:
    with pytest.raises(InvalidInput, match="between -1 and 1"):
        join(np.eye(3, dtype=np.float32), threshold)


@pytest.mark.parametrize("value", [0.0, 1.01, np.nan, np.inf])
def test_a_row_that_is_not_of_unit_length_is_named(value: float) -> None:
    vectors = np.eye(5, dtype=np.float32)
    vectors[3, 3] = value
    with pytest.raises(InvalidInput, match="row 3"):
        join(vectors, 0.5)


def test_rows_must_be_float32() -> None:
    with pytest.raises(InvalidInput, match="float32"):
        join(np.eye(3), 0.5)  # type: ignore[arg-type]


def test_memory_too_small_for_one_tile_names_the_least() -> None:
    vectors = clustered(np.random.default_rng(6), 100, 256)
    with pytest.raises(InvalidInput) as refused:
        join(vectors, 0.5, memory=10_000)
    enough = int(refused.value.hint.split()[-1])
    assert_equals_brute_force(join(vectors, 0.5, memory=enough), vectors, 0.5)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 200),
    m=st.integers(0, 200),
    d=st.sampled_from([1, 2, 7, 64, 384]),
    clusters=st.sampled_from([0, 1, 10]),
    threshold=st.one_of(st.sampled_from([-1.0, 0.0, 0.85, 1.0]), st.floats(-1, 1)),
)
def test_two_small_sets(seed: int, n: int, m: int, d: int, clusters: int, threshold: float) -> None:
    vectors = clustered(np.random.default_rng(seed), n + m, d, clusters=clusters, copies=(n + m) // 5)
    left, right = vectors[:n], vectors[n:]
    assert_between_equals_brute_force(between(left, right, threshold), left, right, threshold)


@pytest.mark.parametrize(("n", "m"), [(4_200, 4_100), (700, 24_000), (24_000, 700), (20_000, 3)])
@pytest.mark.parametrize("memory", [2**22, DEFAULT_MEMORY])
def test_two_sets_large_enough_for_sketches(n: int, m: int, memory: int) -> None:
    vectors = clustered(np.random.default_rng(n), n + m, 64, clusters=2_000, copies=50, decay=0.7)
    left, right = vectors[:n], vectors[n:]
    seen: list[tuple[int, int]] = []
    pairs = between(left, right, 0.9, memory=memory, progress=lambda done, total: seen.append((done, total)))
    assert_between_equals_brute_force(pairs, left, right, 0.9)
    assert seen == sorted(seen)
    assert seen[-1] == (n * m, n * m)


def test_a_set_against_itself_has_each_pair_both_ways() -> None:
    vectors = clustered(np.random.default_rng(12), 300, 16, clusters=20)
    pairs, once = between(vectors, vectors, 0.8), join(vectors, 0.8)
    both = {*zip(once.left, once.right, strict=True), *zip(once.right, once.left, strict=True)}
    assert set(zip(pairs.left, pairs.right, strict=True)) == both | {(row, row) for row in range(300)}


def test_sets_of_other_widths_cannot_be_compared() -> None:
    with pytest.raises(InvalidInput, match="2 and of 3"):
        between(np.eye(3, dtype=np.float32), np.eye(2, dtype=np.float32), 0.5)


def similarity_of(vectors: Floats, a: DocumentPassages, b: DocumentPassages) -> float:
    """Return the similarity by the definition, word for word."""

    def cosine(i: int, j: int) -> float:
        return (
            1.0 if i == j else min(1.0, float(vectors[i].astype(np.float64) @ vectors[j].astype(np.float64)))
        )

    def mean(x: DocumentPassages, y: DocumentPassages) -> float:
        best = [
            weight * max(cosine(i, j) for j in y.rows) for i, weight in zip(x.rows, x.weights, strict=True)
        ]
        return float(sum(best) / sum(x.weights))

    return min(mean(a, b), mean(b, a)) if len(a.rows) and len(b.rows) else -2.0


def document(rows: list[int], weights: list[float] | None = None) -> DocumentPassages:
    return DocumentPassages(np.array(rows, np.int64), np.array(weights or [1.0] * len(rows)))


def some_documents(rng: np.random.Generator, n: int, least: int, most: int) -> list[DocumentPassages]:
    """Documents of passages among 20, each text in several of them."""
    sizes = rng.integers(least, most + 1, n)
    return [
        document(list(rng.integers(20, size=size)), list(rng.integers(1, 900, size=size))) for size in sizes
    ]


def assert_equals_double_loop(
    vectors: Floats,
    documents: list[DocumentPassages],
    threshold: float,
    memory: int = DEFAULT_MEMORY,
    split: int | None = None,
    matches: Callable[[float], Pairs] | None = None,
) -> None:
    """With a split, the pairs within each side of it are out, whatever they are like."""
    pairs = Corpus(vectors, documents).pairs(threshold, memory=memory, split=split, matches=matches)
    found = {(a, b): s for a, b, s in zip(pairs.left, pairs.right, pairs.similarity, strict=True)}
    assert list(found) == sorted(found)
    assert len(found) == len(pairs), "a pair is there once"
    for b, later in enumerate(documents):
        for a, earlier in enumerate(documents[:b]):
            similarity = similarity_of(vectors, earlier, later)
            if split is not None and not a < split <= b:
                assert (a, b) not in found
            elif (a, b) in found:
                assert similarity >= threshold - EDGE
                assert found.pop((a, b)) == pytest.approx(similarity, abs=EDGE)
            else:
                assert similarity < threshold + EDGE
    assert not found


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 25),
    most=st.sampled_from([1, 2, 5]),
    threshold=st.one_of(st.sampled_from([-1.0, 0.5, 0.85, 1.0]), st.floats(-1, 1)),
    memory=st.sampled_from([2**21, DEFAULT_MEMORY]),
    split=st.one_of(st.none(), st.integers(0, 25)),
    saved=st.booleans(),
)
@settings(deadline=None, max_examples=100)
def test_pairs_of_documents_equal_a_double_loop(
    seed: int, n: int, most: int, threshold: float, memory: int, split: int | None, saved: bool
) -> None:
    rng = np.random.default_rng(seed)
    vectors = clustered(rng, 20, 8, clusters=5)
    documents = some_documents(rng, n, 0 if most > 1 else 1, most)

    def matches(reach: float) -> Pairs:
        return join(vectors, max(-1, reach - 0.2))

    split = None if split is None else min(split, n)
    assert_equals_double_loop(vectors, documents, threshold, memory, split, matches if saved else None)


@given(seed=st.integers(0, 2**32 - 1), memory=st.sampled_from([1, DEFAULT_MEMORY]))
@settings(deadline=None)
def test_similarity_of_documents_equals_the_definition(seed: int, memory: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = clustered(rng, 20, 8, clusters=5)
    documents = some_documents(rng, 10, 1, 4)
    left, right = rng.integers(10, size=(2, 30))
    expected = [similarity_of(vectors, documents[a], documents[b]) for a, b in zip(left, right, strict=True)]
    found = Corpus(vectors, documents).similarity(left, right, memory=memory)
    np.testing.assert_allclose(found, expected, rtol=0, atol=EDGE)


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 10),
    most=st.sampled_from([1, 4]),
    memory=st.sampled_from([1, 200, DEFAULT_MEMORY]),
)
@settings(deadline=None)
def test_the_least_similarity_of_some_documents(seed: int, count: int, most: int, memory: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = clustered(rng, 20, 8, clusters=2)
    documents = some_documents(rng, 10, 1, most)
    some = rng.permutation(10)[:count]
    pairs = [(documents[a], documents[b]) for at, a in enumerate(some) for b in some[at + 1 :]]
    expected = min([1.0, *(similarity_of(vectors, a, b) for a, b in pairs)])
    assert Corpus(vectors, documents).least(some, memory=memory) == pytest.approx(expected, abs=EDGE)


def test_the_similarity_of_no_pairs_of_documents() -> None:
    none = np.empty(0, np.int64)
    assert len(Corpus(np.eye(3, dtype=np.float32), [document([1])]).similarity(none, none)) == 0


@pytest.mark.parametrize("wrong", [-1, 1, 3])
def test_the_similarity_of_a_document_that_has_none_is_refused(wrong: int) -> None:
    documents = [document([0]), document([]), document([1])]
    with pytest.raises(InvalidInput, match=f"document {wrong}"):
        Corpus(np.eye(3, dtype=np.float32), documents).similarity(np.array([0]), np.array([wrong]))


@pytest.mark.parametrize("split", [-1, 2])
def test_documents_cannot_be_split_beyond_their_ends(split: int) -> None:
    with pytest.raises(InvalidInput, match=f"split at {split}"):
        Corpus(np.eye(3, dtype=np.float32), [document([0])]).pairs(0.5, split=split)


def test_with_a_split_only_rows_of_different_sides_are_compared() -> None:
    vectors = clustered(np.random.default_rng(13), 30, 8)
    documents = [document([row, (row + 1) % 10]) for row in range(10)]
    documents += [document(list(range(10 + 4 * at, 14 + 4 * at))) for at in range(5)]
    totals: set[int] = set()
    Corpus(vectors, documents).pairs(0.9, split=10, progress=lambda _, total: totals.add(total))
    assert totals == {10 * 20}


def test_a_passage_in_every_document_makes_no_pairs() -> None:
    rng = np.random.default_rng(7)
    vectors = clustered(rng, 401, 64)
    licence = [document([0, 2 * at + 1, 2 * at + 2], [30, 500, 500]) for at in range(200)]
    alike = [document([0, 1, 2, 9], [30, 500, 480, 20]), document([400], [10.0])]
    assert_equals_double_loop(vectors, [*licence, *alike], 0.8)
    assert list(Corpus(vectors, [*licence, *alike]).pairs(0.8).left) == [0]


def test_a_pair_by_hand() -> None:
    # a.b: passages 0 and 1 are orthogonal, 2 lies between them at cos 0.8 and 0.6.
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32)
    pairs = Corpus(vectors, [document([0, 1], [3, 1]), document([2, 0], [1, 1])]).pairs(0.5)
    # There: (3 * 1 + 1 * 0.6) / 4 = 0.9. Back: (1 * 0.8 + 1 * 1) / 2 = 0.9.
    assert (pairs.left.tolist(), pairs.right.tolist()) == ([0], [1])
    assert pairs.similarity[0] == pytest.approx(0.9, abs=1e-7)


def test_the_same_text_in_both_counts_as_exactly_one() -> None:
    vectors = clustered(np.random.default_rng(8), 3, 5)
    documents = [document([0, 1], [7, 9]), document([1, 0], [9, 7]), document([2]), document([2])]
    pairs = Corpus(vectors, documents).pairs(1.0)
    assert (pairs.left.tolist(), pairs.right.tolist(), pairs.similarity.tolist()) == (
        [0, 2],
        [1, 3],
        [1.0, 1.0],
    )


@pytest.mark.parametrize(
    "wrong", [document([5]), document([-1]), document([0], [0.0]), document([0], [1.0, 2.0])]
)
def test_a_document_that_cannot_be_is_named(wrong: DocumentPassages) -> None:
    with pytest.raises(InvalidInput, match="document 1"):
        Corpus(np.eye(3, dtype=np.float32), [document([0]), wrong]).pairs(0.5)
