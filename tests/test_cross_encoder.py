"""A cross-encoder: how it is trained, kept and read, and what the classifier makes of it."""

import base64
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from semsearch import Index
from semsearch.dedup.alignment import Aligner, aligner_of
from semsearch.dedup.classifier import PairClassifier, ReadTogether, words_of
from semsearch.embedding import load_embedder
from semsearch.embedding.cross_encoder import HEAD, CrossEncoderWeights
from semsearch.embedding.onnx import OnnxEmbedder
from semsearch.errors import IndexDamaged, InvalidInput, MissingExtra, ModelError
from semsearch.tuning import cross_encoder, training
from semsearch.tuning.cross_encoder import CrossEncoderTrainer
from semsearch.tuning.pairs import PairSet
from semsearch.tuning.training import train_classifier
from semsearch.types import LabelledPair
from tests.tiny_models import make_model

WORDS = ["cat", "dog", "bread", "dough", "water", "flour"]
A, B = ["the cat sat", "a dog ran to water"], ["the dog sat on bread", "a dog ran"]


def labelled(count: int) -> list[LabelledPair]:
    """Return pairs that are duplicates where a dog is in either text, which no feature of words says."""
    random = np.random.default_rng(3)
    pairs = []
    for at in range(count):
        a, b, c = (WORDS[one] for one in random.permutation(len(WORDS))[:3])
        pairs.append(LabelledPair(f"{a} in {at} {b}", f"{b} on {at} {c}", duplicate="dog" in (a, b, c)))
    return pairs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> OnnxEmbedder:
    embedder = load_embedder(str(folder))
    assert isinstance(embedder, OnnxEmbedder)
    return embedder


def learn_fast(patch: pytest.MonkeyPatch) -> None:
    """Have rates and epochs for a model of 16 numbers."""
    for name, value in {"EPOCHS": 20, "_RATE": 0.01, "_HEAD_RATE": 0.01}.items():
        patch.setattr(cross_encoder, name, value)
    patch.setattr(training, "EPOCHS", 20)


def trained(embedder: OnnxEmbedder, pairs: list[LabelledPair]) -> CrossEncoderWeights:
    trainer = CrossEncoderTrainer(embedder)
    tokens = trainer.tokens.pairs([one.text_a for one in pairs], [one.text_b for one in pairs])
    targets = np.array([[float(bool(one.duplicate))] for one in pairs])
    return trainer.train_pairs(tokens, targets, np.ones(1))


def sides(pairs: list[LabelledPair]) -> tuple[list[str], list[str]]:
    return [one.text_a for one in pairs], [one.text_b for one in pairs]


@pytest.fixture(scope="module")
def weights(model: OnnxEmbedder) -> CrossEncoderWeights:
    return trained(model, labelled(40))


@pytest.mark.parametrize("kind", ["bert", "distilbert", "mpnet", "xlm-roberta"])
def test_graph_says_what_pytorch_says(tmp_path: Path, kind: str) -> None:
    embedder = load_embedder(str(make_model(tmp_path / kind, kind)))
    assert isinstance(embedder, OnnxEmbedder)
    found = trained(embedder, labelled(40))
    trainer = CrossEncoderTrainer(embedder)
    network = trainer._model().eval()
    for name, module in network.base_model.model.named_modules():
        if hasattr(module, "lora_A"):
            for side in ("lora_A", "lora_B"):
                getattr(module, side)["default"].weight.data = torch.tensor(found.tensors[f"{name}.{side}"])
    head = {name: torch.tensor(found.tensors[name]) for name in HEAD}
    pairs = trainer.tokens.pairs(A, B)
    with torch.no_grad():
        both = [
            trainer._logits(network, head, some)[:, 0].numpy() for some in (pairs, [p[::-1] for p in pairs])
        ]
    np.testing.assert_allclose(embedder.cross_encoder(found).logits(A, B), np.mean(both, axis=0), atol=1e-3)


def test_training_learns_and_gives_the_same_again(
    model: OnnxEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn_fast(monkeypatch)
    known, unseen = labelled(400)[:300], labelled(400)[300:]
    found = model.cross_encoder(trained(model, known)).logits(*sides(unseen))
    positive = np.array([bool(one.duplicate) for one in unseen])
    assert (found[positive][:, None] > found[~positive]).mean() > 0.8  # the area under the ROC curve
    again = model.cross_encoder(trained(model, known)).logits(*sides(unseen))
    assert again.tolist() == found.tolist()


def test_order_of_texts_and_of_pairs_changes_nothing(
    model: OnnxEmbedder, weights: CrossEncoderWeights
) -> None:
    a, b = sides(labelled(50))
    reader = model.cross_encoder(weights)
    found = reader.logits(a, b)
    assert reader.logits(b, a).tolist() == found.tolist()
    np.testing.assert_allclose(reader.logits(a[::-1], b[::-1])[::-1], found, atol=2e-4)
    assert reader.logits([], []).tolist() == []


def test_pair_beyond_the_window_is_not_read(model: OnnxEmbedder, weights: CrossEncoderWeights) -> None:
    long = "cat " * model.files.window
    found = model.cross_encoder(weights).logits(["a cat", long, "a dog"], ["a dog", "a cat", long])
    assert np.isnan(found).tolist() == [False, True, True]


def test_saved_weights_come_back_the_same(model: OnnxEmbedder, weights: CrossEncoderWeights) -> None:
    again = CrossEncoderWeights.from_dict(json.loads(json.dumps(weights.to_dict())))
    assert (
        model.cross_encoder(again).logits(A, B).tolist() == model.cross_encoder(weights).logits(A, B).tolist()
    )


def changed(values: dict[str, Any], **tensors: np.ndarray | None) -> dict[str, Any]:
    """Return saved weights with other tensors and the digest of these; None leaves a tensor out."""
    held = load(base64.b64decode(values["data"])) | tensors
    content = save({name: one for name, one in held.items() if one is not None})
    return {"sha256": hashlib.sha256(content).hexdigest(), "data": base64.b64encode(content).decode()}


@pytest.mark.parametrize(
    "tensors",
    [
        {"segment": None},
        {"segment": np.zeros((16, 1), np.float16)},
        {"segment": np.full(16, np.nan, np.float16)},
        {"segment": np.zeros(16, np.float64)},
        {"segment": np.zeros(15, np.float16)},
        {"output.bias": np.zeros(2, np.float16)},
        {"more": np.zeros(3, np.float16)},
    ],
)
def test_hostile_weights_are_refused(weights: CrossEncoderWeights, tensors: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        CrossEncoderWeights.from_dict(changed(weights.to_dict(), **tensors))


@pytest.mark.parametrize("values", [{"data": "!"}, {"sha256": "0" * 64}, {"data": 5}, {"data": "a" * 2**27}])
def test_damaged_weights_are_refused(weights: CrossEncoderWeights, values: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        CrossEncoderWeights.from_dict(weights.to_dict() | values)


def test_weights_of_another_model_are_an_error(model: OnnxEmbedder, weights: CrossEncoderWeights) -> None:
    with pytest.raises(ModelError):
        load_embedder().cross_encoder(weights)  # type: ignore[attr-defined]
    odd = {"encoder.layer.9.output.dense.lora_A": np.zeros((16, 32), np.float16)}
    with pytest.raises(ModelError, match="there is no matrix"):
        model.cross_encoder(CrossEncoderWeights.from_dict(changed(weights.to_dict(), **odd)))


def test_model_without_layers_is_refused(tmp_path: Path) -> None:
    static = load_embedder(str(make_model(tmp_path / "static", "static")))
    with pytest.raises(InvalidInput, match="cannot have a cross-encoder"):
        CrossEncoderTrainer(static)


def test_training_without_the_extra_says_what_to_install(
    model: OnnxEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtra, match="--cross-encoder") as error:
        CrossEncoderTrainer(model)
    assert error.value.hint == "pip install 'semsearch[models]'"


def test_cross_encoder_that_ranks_better_is_kept(
    model: OnnxEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn_fast(monkeypatch)
    told: list[tuple[int, int]] = []
    trainer = CrossEncoderTrainer(model, lambda done, total: told.append((done, total)))
    pairs = labelled(500)
    positive, every = np.array([bool(one.duplicate) for one in pairs]), np.arange(500)
    by_trees = np.random.default_rng(0).normal(size=500)
    found = training._read_together(trainer, pairs, positive, every, every, by_trees, np.asarray)
    assert found is not None and trainer.compared is not None
    before, after = trainer.compared
    assert after > before + 0.2 and found.read > 0
    assert told[-1][0] == told[-1][1] == trainer.total


def worded(count: int) -> tuple[list[LabelledPair], np.ndarray]:
    """Return pairs whose words tell the label, and cosines that say nothing."""
    pairs = [
        LabelledPair(one.text_a, f"the {one.text_b}" if at % 2 else f"{one.text_b} and a park", bool(at % 2))
        for at, one in enumerate(labelled(count))
    ]
    return pairs, np.random.default_rng(0).uniform(0.8, 1, count)


@pytest.fixture(scope="module")
def classifier(model: OnnxEmbedder, weights: CrossEncoderWeights) -> PairClassifier:
    pairs, cosines = worded(200)
    found = train_classifier(pairs, cosines, [bool(one.duplicate) for one in pairs], aligner_of(model))
    assert found is not None
    # Less sure than it is: what exceeds the odds that count would hide what the weights say.
    return replace(
        found, slope=0.3, intercept=0.0, machine=None, together=ReadTogether(weights, -4.0, 0.8, 0.5, 0.1)
    )


def test_classifier_reads_the_likely_pairs_together(model: OnnxEmbedder, classifier: PairClassifier) -> None:
    pairs, cosines = worded(120)
    aligner = aligner_of(model)
    words = words_of(pairs)
    by_trees = PairClassifier.from_dict(classifier.to_dict() | {"together": None})
    trees, found = (one.probabilities(cosines, *words, aligner) for one in (by_trees, classifier))
    assert (trees != found).any()
    again = PairClassifier.from_dict(json.loads(json.dumps(classifier.to_dict())))
    assert again.probabilities(cosines, *words, aligner).tolist() == found.tolist()
    none_likely = classifier.to_dict()
    none_likely["together"] |= {"least": 1e9}
    unread = PairClassifier.from_dict(none_likely).probabilities(cosines, *words, aligner)
    assert unread.tolist() == trees.tolist()


def test_classifier_needs_a_model_that_can_read_pairs(
    model: OnnxEmbedder, classifier: PairClassifier
) -> None:
    pairs, cosines = worded(120)
    reader = model.token_vectors
    assert reader is not None
    with pytest.raises(ModelError, match="cannot run"):
        classifier.probabilities(cosines, *words_of(pairs), Aligner(reader))


@pytest.mark.parametrize(
    ("name", "value"), [("bias", float("nan")), ("least", "x"), ("data", "AAAA"), ("read", None)]
)
def test_hostile_classifier_is_refused(classifier: PairClassifier, name: str, value: object) -> None:
    saved = classifier.to_dict()
    saved["together"] |= {name: value}
    with pytest.raises(IndexDamaged):
        PairClassifier.from_dict(saved)


def test_cross_encoder_without_tokens_is_refused(classifier: PairClassifier) -> None:
    with pytest.raises(IndexDamaged):
        PairClassifier.from_dict(classifier.to_dict() | {"tokens": False})


def test_cross_encoder_without_a_gain_is_not_kept(
    model: OnnxEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_encoder, "EPOCHS", 1)  # at usual rates: it learns nothing
    trainer = CrossEncoderTrainer(model)
    pairs, every = labelled(500), np.arange(500)
    positive = np.array([bool(one.duplicate) for one in pairs])
    by_trees = positive + np.random.default_rng(0).normal(size=500)
    assert training._read_together(trainer, pairs, positive, every, every, by_trees, np.asarray) is None
    assert trainer.compared is not None


def test_tune_says_that_pairs_are_too_few(tmp_path: Path, folder: Path) -> None:
    with Index.create(tmp_path / "index", model=str(folder)) as index:
        tuning, _ = index.tune(PairSet("mine", tuple(worded(60)[0])), cross_encoder=True)
    assert tuning.notes[-1].startswith("no cross-encoder was trained: these pairs are too few")


def test_index_decides_with_the_cross_encoder_without_torch(
    tmp_path: Path, folder: Path, classifier: PairClassifier
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for at, one in enumerate(worded(40)[0]):
        (notes / f"{at}a.txt").write_text(one.text_a, encoding="utf-8")
        (notes / f"{at}b.txt").write_text(one.text_b, encoding="utf-8")
    held = {"measure": "precision", "least": 0.5, "confidence": 0.9, "threshold": 0.1}
    about = {"pairs": "mine", "rule": "paraphrase", "saved": "2026-01-01T00:00:00+00:00"}
    with Index.create(tmp_path / "index", model=str(folder)) as index:
        index.ingest(notes)
        saved = {"verifier": classifier.to_dict(), "chance": 0.1, "promise": held}
        index._library.save_setting("verifier", saved | about)
    code = f"""
import sys
from semsearch import Index
with Index.open({str(tmp_path / "index")!r}) as index:
    found = index.duplicates(min_precision=0.5)
    print(sum(member.probability is not None for group in found.groups for member in group.members))
print([name for name in ("torch", "transformers", "peft", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count, loaded = done.stdout.split("\n")[:2]
    assert int(count) > 0 and loaded == "[]"
