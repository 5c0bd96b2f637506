"""Reranking hits by a cross-encoder: a tiny BERT with random weights, whose logits the test computes itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from serving import served
from soundness import assert_sound

from semsearch import Index, ModelError
from semsearch.cli import main
from semsearch.server.wire import supported

TEXTS = {
    "bread.md": "Knead the dough for ten minutes and bake it.",
    "bike.md": "Mend the flat tyre of a bicycle.",
    "soup.md": "Simmer the soup for an hour.",
    "tea.md": "Pour the tea when the water boils.",
}
QUERY = "how long does the dough take"


def make_model(folder: Path, labels: int = 1) -> Path:
    """Write a cross-encoder of random weights whose vocabulary is the words above."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = sorted({word.strip(".").lower() for text in (*TEXTS.values(), QUERY) for word in text.split()})
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", *words]
    vocabulary = {word: number for number, word in enumerate(names)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=len(names), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, num_labels=labels, initializer_range=0.8,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **special).save_pretrained(
        folder
    )
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model's folder."""
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an index, as the working directory."""
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["ingest", *TEXTS]).exit_code == 0
    return tmp_path


def expected_order(model: Path) -> list[str]:
    """Return the files by the logit of the model, computed with transformers alone."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForSequenceClassification.from_pretrained(model).eval()
    with torch.no_grad():
        logits = {
            name: float(network(**tokenizer(QUERY, text, return_tensors="pt")).logits[0, 0])
            for name, text in TEXTS.items()
        }
    assert max(logits.values()) - min(logits.values()) > 0.01
    return sorted(logits, key=lambda name: -logits[name])


def test_hits_come_in_the_order_of_the_cross_encoder(indexed: Path, model: Path) -> None:
    expected = expected_order(model)
    run = CliRunner()
    asked = ["query", QUERY, "--rerank", str(model), "--json"]
    plain = [hit["source"] for hit in json.loads(run.invoke(main, ["query", QUERY, "--json"]).stdout)["hits"]]
    assert plain != expected
    answer = json.loads(run.invoke(main, [*asked, "-k", "3"]).stdout)
    assert [hit["source"] for hit in answer["hits"]] == expected[:3]
    assert all(hit["best_sentence"] in TEXTS[hit["source"]] for hit in answer["hits"])
    few = json.loads(run.invoke(main, [*asked, "-k", "1", "--rerank-top", "2"]).stdout)["hits"]
    assert few[0]["source"] == min(plain[:2], key=expected.index)  # only the first two were read
    with Index.open() as index:
        assert_sound(index)


@pytest.mark.skipif(not supported(), reason="there are no sockets with owners here")
def test_server_reranks_what_another_process_asks(indexed: Path, model: Path) -> None:
    asked = ["query", QUERY, "--json", "--rerank"]
    without = CliRunner().invoke(main, [*asked, str(model)]).stdout
    with Index.open() as index, served(index):
        command = [sys.executable, "-m", "semsearch", *asked, model.name, "--index", str(index.folder)]
        done = subprocess.run(command, cwd=model.parent, capture_output=True, text=True, check=True)
        loaded = index._reranker._loaded
    assert done.stdout == without and loaded and loaded.name == str(model)


def test_what_is_no_cross_encoder_is_a_clear_error(
    indexed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    three = make_model(tmp_path_factory.mktemp("models") / "three", labels=3)
    run = CliRunner()
    result = run.invoke(main, ["query", QUERY, "--rerank", str(three)])
    assert result.exit_code == 1 and "one score" in result.stderr
    empty = tmp_path_factory.mktemp("models") / "empty"
    empty.mkdir()
    result = run.invoke(main, ["query", QUERY, "--rerank", str(empty)])
    assert result.exit_code == 1 and "cannot load cross-encoder" in result.stderr
    with Index.open() as index, pytest.raises(ModelError):
        index.rerank(QUERY, index.query(QUERY), str(empty))
