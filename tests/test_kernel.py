"""The kernel machine next to the trees: against scikit-learn, on what the trees cannot see, and from a stranger."""

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.svm import SVC

from semsearch.dedup.alignment import ALIGNMENT_FEATURES, Aligner
from semsearch.dedup.classifier import PairClassifier, words_of
from semsearch.dedup.kernel import KernelMachine, PairSpace
from semsearch.embedding.packed_tensors import pack, rounded
from semsearch.embedding.token_vectors import LAYERS, TextTokens
from semsearch.errors import IndexDamaged, ModelError
from semsearch.tuning import training
from semsearch.tuning.training import train_classifier
from semsearch.types import LabelledPair

WORDS = [f"{first}{second}a" for first in "bdfgklmn" for second in "aeiou"]
VECTORS = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 40)))[0].astype(np.float32)


def by_word(texts: list[str]) -> list[TextTokens]:
    """Return tokens with a direction for each word, at right angles to all others."""
    found = []
    for text in texts:
        numbers = np.array([WORDS.index(word) if word in WORDS else 39 for word in text.split()], np.int64)
        found.append(TextTokens(numbers, np.stack([VECTORS[numbers]] * LAYERS)))
    return found


def examples(count: int, seed: int) -> tuple[list[LabelledPair], np.ndarray]:
    """Return pairs that differ in one word: a duplicate has one of the first six words there, any other pair not."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        duplicate = bool(rng.random() < 0.5)
        at = int(rng.integers(4))
        one, other = rng.choice(6 if duplicate else np.arange(6, 12), 2, replace=False)
        rest = [WORDS[word] for word in rng.choice(np.arange(12, 39), 4, replace=False)]
        pairs.append(
            LabelledPair(
                *(" ".join([*rest[:at], WORDS[word], *rest[at:]]) for word in (one, other)),
                duplicate=duplicate,
            )
        )
    return pairs, rng.uniform(0.7, 0.9, count)


def truth_of(pairs: list[LabelledPair]) -> np.ndarray:
    return np.array([pair.duplicate for pair in pairs])


@pytest.fixture(scope="module")
def trained() -> PairClassifier:
    pairs, cosines = examples(600, 1)
    found = train_classifier(pairs, cosines, truth_of(pairs), Aligner(by_word))
    assert found is not None
    return found


def test_it_learns_which_words_may_differ(trained: PairClassifier) -> None:
    # Words and trees see one other word, and not which one.
    pairs, cosines = examples(200, 2)
    found = trained.probabilities(cosines, *words_of(pairs), Aligner(by_word))
    assert np.mean((found > 0.5) == truth_of(pairs)) > 0.95


def test_a_second_machine_learns_grades_with_the_same_vectors() -> None:
    rng = np.random.default_rng(0)
    differences, features = rng.normal(size=(900, 20)).astype(np.float32), np.zeros((900, 3), np.float32)
    grades = 1 / (1 + np.exp(-differences[:, 0].astype(np.float64)))
    truth = grades > 0.7
    first, second = training._machines(differences[:600], features[:600], truth[:600], grades[:600])
    unseen = first.space.project(differences[600:]), features[600:]
    predicted = second.logits(*unseen)
    assert np.corrcoef(predicted, grades[600:])[0, 1] > 0.9
    assert np.abs(predicted - grades[600:]).mean() < np.abs(grades[:600].mean() - grades[600:]).mean() / 2
    assert second.vectors is first.vectors
    joined = training._weighted([first, second], np.array([0.5, 2.0]))
    expected = 0.5 * first.logits(*unseen) + 2 * predicted
    np.testing.assert_allclose(joined.logits(*unseen), expected, atol=0.02)  # float16


def test_a_saved_machine_decides_the_same(trained: PairClassifier) -> None:
    pairs, cosines = examples(50, 3)
    words = words_of(pairs)
    again = PairClassifier.from_dict(trained.to_dict())
    expected = trained.probabilities(cosines, *words, Aligner(by_word))
    assert again.probabilities(cosines, *words, Aligner(by_word)).tolist() == expected.tolist()
    swapped = again.probabilities(cosines, *reversed(words), Aligner(by_word))
    assert swapped.tolist() == expected.tolist()
    alone = [
        again.probabilities(cosines[[at]], [words[0][at]], [words[1][at]], Aligner(by_word))
        for at in range(50)
    ]
    assert np.concatenate(alone).tolist() == expected.tolist()


def test_logits_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    points, truth = rng.normal(size=(200, 5)).astype(np.float16).astype(np.float64), rng.random(200) < 0.5
    fitted = SVC(C=1.0, gamma=0.125).fit(points, truth)
    same = PairSpace(np.zeros(5, np.float32), np.ones(5, np.float32), np.eye(3, dtype=np.float32))
    machine = KernelMachine(
        same, *rounded(fitted.support_vectors_, fitted.dual_coef_[0], np.array([0.125]), fitted.intercept_)
    )
    single = points.astype(np.float32)
    found = machine.logits(same.project(single[:, :3]), single[:, 3:])
    np.testing.assert_allclose(found, fitted.decision_function(points), atol=0.01)  # shares have eleven bits


FEATURES = 20 + len(ALIGNMENT_FEATURES)


def changed(saved: dict[str, Any], **changes: np.ndarray | None) -> dict[str, Any]:
    machine = KernelMachine.from_dict(saved["machine"], FEATURES)
    parts = {name: getattr(machine.space, name) for name in ("middle", "scale", "axes")}
    parts |= {name: getattr(machine, name) for name in ("vectors", "shares", "gamma", "bias")}
    parts |= changes
    return saved | {"machine": pack({name: part for name, part in parts.items() if part is not None})}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("axes", np.zeros((3, 2))), ("axes", np.zeros(3)), ("axes", None), ("middle", np.zeros(5)),
        ("scale", np.zeros((2, 2))), ("vectors", np.zeros((2, 3))), ("shares", np.zeros(1)), ("bias", np.zeros(2)),
        ("gamma", np.array([-1.0])), ("gamma", np.array([np.nan])), ("shares", None), ("vectors", np.zeros(0)),
    ],
)  # fmt: skip
def test_a_hostile_machine_is_refused(trained: PairClassifier, name: str, value: np.ndarray | None) -> None:
    with pytest.raises(IndexDamaged, match="saved classifier"):
        PairClassifier.from_dict(changed(trained.to_dict(), **{name: value}))


@pytest.mark.parametrize(
    "machine",
    [
        "text", {"data": "?", "sha256": ""}, {"data": 5, "sha256": ""},
        {"data": base64.b64encode(b"tensors").decode(), "sha256": "0"},
    ],
)  # fmt: skip
def test_anything_else_is_not_a_machine(trained: PairClassifier, machine: object) -> None:
    with pytest.raises(IndexDamaged, match="saved classifier"):
        PairClassifier.from_dict(trained.to_dict() | {"machine": machine})


def test_tokens_of_another_model_are_an_error(trained: PairClassifier) -> None:
    pairs, cosines = examples(5, 5)
    narrow = Aligner(
        lambda texts: [TextTokens(one.numbers, one.vectors[:, :, :20]) for one in by_word(list(texts))]
    )
    with pytest.raises(ModelError, match="another model"):
        trained.probabilities(cosines, *words_of(pairs), narrow)


def test_a_machine_takes_tokens(trained: PairClassifier) -> None:
    saved = changed(trained.to_dict())
    assert PairClassifier.from_dict(saved).machine is not None
    with pytest.raises(IndexDamaged, match="saved classifier"):
        PairClassifier.from_dict(saved | {"tokens": False})


def test_what_cannot_reach_a_probability_is_not_read(trained: PairClassifier) -> None:
    pairs, cosines = examples(200, 6)
    more = " ".join(f"{letter}oz" for letter in "bcdfghjklmnpqrstvwxz")  # words that training did not have
    unknown = [
        replace(pair, text_a=f"{pair.text_a} {more}", text_b=f"{pair.text_b} {more}") for pair in pairs[:100]
    ]
    words = words_of([*unknown, *pairs[100:]])
    careful = replace(trained, unfamiliar=0.3)
    read: list[str] = []

    def reader(texts: list[str]) -> list[TextTokens]:
        read.extend(texts)
        return by_word(texts)

    expected = careful.probabilities(cosines, *words, Aligner(by_word))
    for least in (0.98, 0.9, 0.5, 0.0):
        read.clear()
        found = careful.probabilities(cosines, *words, Aligner(reader), at_least=least)
        accepted = expected >= least
        assert ((found >= least) == accepted).all()
        assert (found >= expected).all()
        assert found[accepted].tolist() == expected[accepted].tolist()
        if least == 0.98:
            assert accepted.any()
            assert not {pair.text_a for pair in unknown}.intersection(read)
    assert {pair.text_a for pair in unknown}.intersection(read)
