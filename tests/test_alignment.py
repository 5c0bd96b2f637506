"""Tokens with their vectors, the features of aligned tokens, and the test for a shift between two sets of pairs."""

from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from soundness import assert_sound
from test_classifier import examples
from test_embedding import MODEL
from tiny_embedder import create_index

from semsearch.dedup.alignment import ALIGNMENT_FEATURES, Aligner, aligner_of
from semsearch.dedup.shift import carries_over, shift
from semsearch.embedding import load_embedder
from semsearch.embedding.token_vectors import LAYERS, TextTokens
from semsearch.requests import DedupRequest
from semsearch.tuning.pairs import PairSet
from semsearch.tuning.threshold import Objective

WORDS = ["red", "car", "stops", "starts", "the", "dog", "bites", "man"]


def by_word(texts: list[str]) -> list[TextTokens]:
    """Return tokens with a direction for each word, at right angles to all others."""
    found = []
    for text in texts:
        numbers = np.array([WORDS.index(w) if w in WORDS else 100 for w in text.split()], np.int64)
        vectors = (numbers[:, None] == np.arange(len(WORDS))).astype(np.float32)
        found.append(TextTokens(numbers, np.broadcast_to(vectors, (LAYERS, *vectors.shape))))
    return found


@pytest.mark.parametrize(
    ("a", "b", "layer", "order"),
    [
        ("red car", "red car", [1, 1, 1, 1, 1, 1, 0, 0, 1, 1], [0, 0]),
        ("red car stops", "red car starts", [2 / 3, 2 / 3, 0, 0, 0, 0, 1, 1, 1, 1], [0.5, 0.5]),
        ("the car", "car", [1 / 1.2, 1, 1, 1, 1, 1, 0, 0.2, 1, 1], [0, 0]),
        ("dog bites man", "man bites dog", [1, 1, 1, 1, 1, 1, 0, 0, 1, 1], [1, 1]),
        ("red", "car", [0, 0, 0, 0, 0, 0, 1, 1, 0, 0], [0, 0]),
        ("", "car", [0] * 10, [0, 0]),
    ],
)
def test_features_of_aligned_tokens_by_hand(a: str, b: str, layer: list[float], order: list[float]) -> None:
    # A token like none of the other text counts as matched with the first.
    found, differences = Aligner(by_word).features([a, b], [b, a])
    assert found.shape == (2, len(ALIGNMENT_FEATURES))
    expected = [*layer[:8], *layer * (LAYERS - 1), *order]  # the lowest layer has no word in its sentence
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    assert found[0].tolist() == found[1].tolist()
    assert differences[0].tolist() == differences[1].tolist()


def test_features_do_not_depend_on_the_other_pairs() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(LAYERS, 60, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)

    def reader(texts: list[str]) -> list[TextTokens]:
        rows = [np.array([int(word) for word in text.split() if word.isdigit()], np.int64) for text in texts]
        return [TextTokens(row, vectors[:, row]) for row in rows]

    a, b = ([" ".join(map(str, rng.integers(0, 60, size))) for size in rng.integers(1, 30, 40)] for _ in "ab")
    a[7] = ""
    aligner = Aligner(reader)
    together = aligner.features(a, b)
    alone = [aligner.features([x], [y]) for x, y in zip(a, b, strict=True)]
    for found, single in zip(together, zip(*alone, strict=True), strict=True):
        assert np.array_equal(found, np.concatenate(single))
    assert not together[0][7].any()


def test_many_texts_are_read_once_while_they_are_kept() -> None:
    read: list[str] = []

    def reader(texts: list[str]) -> list[TextTokens]:
        read.extend(texts)
        return by_word(texts)

    aligner = Aligner(reader)
    read.clear()
    aligner.features(["red car"] * 3, ["red dog", "red man", "red car"])
    aligner.features(["red dog"], ["red man"])
    assert sorted(read) == ["red car", "red dog", "red man"]


def test_tokens_have_the_vectors_of_sentence_transformers() -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["Two dogs run.", "A man who is slicing an unpeelable potato"]
    *found, empty = load_embedder().token_vectors([*texts, ""])
    reference = SentenceTransformer(str(MODEL), device="cpu")
    for ours, theirs in zip(found, reference.encode(texts, output_value="token_embeddings"), strict=True):
        last = theirs[1:-1].numpy()  # without the special tokens
        assert ours.vectors.shape == (LAYERS, *last.shape)
        expected = last / np.linalg.norm(last, axis=1, keepdims=True)
        assert (ours.vectors[-1] * expected).sum(axis=1).min() > 0.98  # they are computed in bytes
        np.testing.assert_allclose(np.linalg.norm(ours.vectors, axis=2), 1, atol=1e-5)
    assert empty.vectors.shape == (LAYERS, 0, 384)


def test_a_model_without_layers_has_no_aligner() -> None:
    class Plain:
        pass

    assert aligner_of(Plain()) is None  # type: ignore[arg-type]
    assert aligner_of(load_embedder()) is not None


def test_a_test_for_shift_finds_the_area_of_two_normals() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(900, 5)).astype(np.float32) for _ in range(2))
    found = shift(a, b)
    assert found is not None
    assert abs(found[0] - 0.5) < 3 * found[1] < 0.1
    assert carries_over(found)
    b[:, 2] += 2
    found = shift(a, b)
    assert found is not None
    assert found[0] == pytest.approx(NormalDist().cdf(2 / 2**0.5), abs=0.02)
    assert not carries_over(found)


def test_too_few_or_constant_pairs_tell_no_shift() -> None:
    rows = np.ones((100, 3), np.float32)
    assert shift(rows[:10], rows) is None
    assert carries_over(None) is None
    found = shift(rows, rows)
    assert found is not None
    assert found[0] == 0.5


def test_a_guarantee_is_withdrawn_from_pairs_of_another_kind(tmp_path: Path) -> None:
    labels, _ = examples(900, seed=4)
    same, _ = examples(120, seed=9)
    with create_index(tmp_path / ".semsearch") as index:
        for at, pair in enumerate(same):
            for side, text in (("a", pair.text_a), ("b", pair.text_b)):
                (tmp_path / f"{at}{side}.txt").write_text(text, encoding="utf-8")
        index.ingest([tmp_path])
        index.tune(PairSet("mine", tuple(labels)), objective=Objective("precision", 0.9))
        found = index.find_duplicates(DedupRequest(min_precision=0.9))
        assert found.guarantee_carries_over
        for at, pair in enumerate(same):
            for side, text in (("a", pair.text_a), ("b", pair.text_b)):
                more = f"{text} and {text.split()[1]} says that a calm sea of {at} ships waits"
                (tmp_path / f"{at}{side}.txt").write_text(more, encoding="utf-8")
        index.ingest([tmp_path])
        found = index.find_duplicates(DedupRequest(min_precision=0.9))
        assert found.near > 30
        assert found.guarantee_carries_over is False
        assert_sound(index)
