"""The similarity of two documents: `Corpus`, `diff` and `similar` agree with the definition, written out in float64."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_embedder import TinyEmbedder, create_index

from semsearch.dedup import Corpus, DocumentPassages
from semsearch.dedup.comparison import coverage
from semsearch.embedding import similarity
from semsearch.embedding.similarity import PassageRows, document_similarities
from semsearch.ingest.lookup import DocumentVectors

EXACT = 1e-12


def reference(a: DocumentVectors, b: DocumentVectors) -> float:
    """Return the similarity by the definition, one pair of passages at a time."""

    def cosine(x: int, y: int) -> float:
        if a.texts[x] == b.texts[y]:
            return 1.0
        return min(1.0, float(a.vectors[x].astype(np.float64) @ b.vectors[y].astype(np.float64)))

    cosines = [[cosine(x, y) for y in range(len(b.texts))] for x in range(len(a.texts))]
    forth = [max(row) * len(text) for row, text in zip(cosines, a.texts, strict=True)]
    back = [max(row) * len(text) for row, text in zip(zip(*cosines, strict=True), b.texts, strict=True)]
    means = (sum(forth) / sum(map(len, a.texts)), sum(back) / sum(map(len, b.texts)))
    return min(*means, 1.0)


@pytest.mark.parametrize("block", [1, 2**23])
@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_every_road_gives_the_defined_similarity(block: int, seed: int) -> None:
    """Passages are drawn from a few, so documents share texts; blocks of one row must change nothing."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(12, 24)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = ["x" * int(length) + str(number) for number, length in enumerate(rng.integers(1, 900, 12))]
    rows = [rng.integers(12, size=rng.integers(1, 6)) for _ in range(8)]
    documents = [
        DocumentVectors("x", tuple(texts[row] for row in own), (("line", 1, 1),) * len(own), vectors[own])
        for own in rows
    ]
    lengths = [np.array([len(text) for text in document.texts], np.float64) for document in documents]
    corpus = Corpus(vectors, [DocumentPassages(*each) for each in zip(rows, lengths, strict=True)])
    left, right = np.triu_indices(len(documents), 1)
    expected = [reference(documents[a], documents[b]) for a, b in zip(left, right, strict=True)]
    joined = corpus.similarity(left, right)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "_BLOCK", block)
        compared = [
            min(
                coverage(documents[a], documents[b]).similarity,
                coverage(documents[b], documents[a]).similarity,
            )
            for a, b in zip(left, right, strict=True)
        ]
        starts = np.cumsum([0, *map(len, rows[:-1])])
        others = PassageRows(vectors, np.concatenate(lengths), np.concatenate(rows), np.concatenate(rows))
        own = PassageRows(vectors[rows[0]], lengths[0], rows[0])
        coarse = document_similarities(own, others, starts).similarity[1:]
    np.testing.assert_allclose(joined, expected, rtol=0, atol=EXACT)
    np.testing.assert_allclose(compared, expected, rtol=0, atol=EXACT)
    np.testing.assert_allclose(coarse, expected[: len(rows) - 1], rtol=0, atol=1e-5)


def corpus_of(folder: Path, seed: int) -> None:
    """Write 30 documents of one to eight passages, some passages in several documents, some documents equal."""
    draw = random.Random(seed)
    shared = [" ".join(draw.choices("abcdefgh", k=40)) for _ in range(6)]
    for number in range(30):
        parts = [
            draw.choice(shared) if draw.random() < 0.6 else " ".join(draw.choices("abcdefghijkl", k=40))
            for _ in range(draw.randrange(1, 9))
        ]
        (folder / f"{number}.txt").write_text("\n\n".join(parts))
    for number in range(0, 8, 2):
        (folder / f"copy{number}.txt").write_bytes((folder / f"{number}.txt").read_bytes())


@pytest.mark.parametrize("seed", range(3))
def test_similar_compare_and_duplicates_agree(tmp_path: Path, seed: int) -> None:
    corpus_of(tmp_path, seed)
    with create_index(tmp_path / ".semsearch", TinyEmbedder()) as index:
        index.ingest([tmp_path])
        joined = {(pair.left, pair.right): pair.similarity for pair in index.duplicates(-1.0).pairs()}
        for name in ("0.txt", "3.txt", "copy4.txt"):
            found = {hit.document: hit.score for hit in index.similar(name, k=100)}
            assert len(found) == 33
            for other, score in found.items():
                comparison = index.compare(name, other)
                assert score == pytest.approx(reference(comparison.a, comparison.b), rel=0, abs=EXACT)
                assert score == pytest.approx(comparison.similarity, rel=0, abs=EXACT)
                pair = joined.get((name, other), joined.get((other, name)))
                if pair is not None:  # copies stand for each other in pairs of texts
                    assert score == pytest.approx(pair, rel=0, abs=EXACT)
            best = {hit.document: hit.score for hit in index.similar(name, k=5)}
            assert sorted(best.values()) == pytest.approx(sorted(found.values())[-5:], rel=0, abs=EXACT)
            assert best == {other: pytest.approx(found[other], rel=0, abs=EXACT) for other in best}


def test_copy_of_an_indexed_file_is_exactly_one(tmp_path: Path) -> None:
    corpus_of(tmp_path, 4)
    with create_index(tmp_path / ".semsearch", TinyEmbedder()) as index:
        index.ingest([tmp_path])
        (tmp_path / "new.txt").write_bytes((tmp_path / "2.txt").read_bytes())
        scores = {hit.document: hit.score for hit in index.similar(tmp_path / "new.txt", k=4)}
        assert scores["2.txt"] == scores["copy2.txt"] == 1.0


def test_nearest_is_the_own_passage_with_the_best_cosine() -> None:
    own = PassageRows(np.eye(3), np.ones(3), np.arange(3))
    others = PassageRows(np.array([[0.6, 0.8, 0], [0, 0, 1.0]]), np.array([2.0, 1.0]), np.array([7, 8]))
    found = document_similarities(own, others, np.array([0, 1]), find_nearest=True)
    assert found.nearest.tolist() == [1, 2]
    assert found.cosine.tolist() == [0.8, 1]
    assert found.forth.tolist() == pytest.approx([1.4 / 3, 1 / 3])
    assert found.back.tolist() == [0.8, 1]
    assert found.similarity.tolist() == pytest.approx([1.4 / 3, 1 / 3])


def matrix_of(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    """Return n random unit vectors of 384 numbers."""
    vectors = rng.normal(size=(n, 384)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_coarse_pass_is_within_half_the_margin_of_similar() -> None:
    from semsearch.search import similar

    rng = np.random.default_rng(5)
    own, others = matrix_of(rng, 40), matrix_of(rng, 2_000)
    others[::50] = own
    starts = np.arange(0, 2_000, 10)
    measured = [
        document_similarities(
            PassageRows(own.astype(kind), np.ones(40), np.full(40, -1)),
            PassageRows(others.astype(kind), np.ones(2_000), np.zeros(2_000, np.int64)),
            starts,
        ).similarity
        for kind in (np.float32, np.float64)
    ]
    assert np.abs(measured[0] - measured[1]).max() < similar._COARSE / 2
