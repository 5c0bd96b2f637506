"""Read what a model's folder says, and what a malformed folder is refused for."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from semsearch.cli import main
from semsearch.embedding import load_embedder
from semsearch.embedding.model_files import Dense, Encoder, UnsupportedModel, read_folder
from semsearch.errors import ModelError

TYPE = "sentence_transformers.models."
CONFIG = {
    "model_type": "bert",
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 40,
    "layer_norm_eps": 1e-6,
}
MODULES = [
    {"type": TYPE + "Transformer", "path": ""},
    {"type": TYPE + "Pooling", "path": "1_Pooling"},
    {"type": TYPE + "Normalize", "path": "2_Normalize"},
]
FILES: dict[str, Any] = {
    "modules.json": MODULES,
    "config.json": CONFIG,
    "1_Pooling/config.json": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
    "tokenizer.json": {"normalizer": None},
}


def write(folder: Path, files: Mapping[str, Any] = {}, names: tuple[str, ...] = ("a",)) -> Path:
    for name, value in {**FILES, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    save_file({name: np.ones((2, 3), np.float32) for name in names}, folder / "model.safetensors")
    return folder


def test_a_folder_says_all(tmp_path: Path) -> None:
    prompts = {"prompts": {"query": "query: ", "document": "", "passage": "passage: "}}
    found = read_folder(write(tmp_path, {"config_sentence_transformers.json": prompts}), "its name")
    assert found.encoder == Encoder("bert", width=8, layers=2, heads=2, epsilon=1e-6)
    assert (found.name, found.pooling, found.dimension, found.window) == ("its name", "cls", 8, 40)
    assert found.prompts == {"query": "query: ", "passage": "passage: "}
    assert found.size == (tmp_path / "model.safetensors").stat().st_size
    assert found.tokenizer() == b'{"normalizer": null}'


def test_roberta_positions_begin_after_the_padding(tmp_path: Path) -> None:
    config = CONFIG | {"model_type": "xlm-roberta", "pad_token_id": 1, "max_position_embeddings": 514}
    found = read_folder(write(tmp_path, {"config.json": config}, ("roberta.embeddings.x", "other")))
    assert (found.encoder.architecture, found.encoder.first_position, found.window) == ("roberta", 2, 512)
    assert set(found.tensors()) == {"embeddings.x", "other"}


@pytest.mark.parametrize(
    ("own", "tokenizer", "window"),
    [({}, {}, 40), ({"max_seq_length": 20}, {}, 20), ({}, {"model_max_length": 30}, 30),
     ({"max_seq_length": 900}, {"model_max_length": 10}, 40), ({"max_seq_length": None}, {}, 40)],
)  # fmt: skip
def test_the_window_is_the_least_that_fits(
    tmp_path: Path, own: dict[str, Any], tokenizer: dict[str, Any], window: int
) -> None:
    files = {"sentence_bert_config.json": own, "tokenizer_config.json": tokenizer}
    assert read_folder(write(tmp_path, files)).window == window


def test_dense_layers_change_the_dimension(tmp_path: Path) -> None:
    dense = {"in_features": 8, "out_features": 4, "bias": True}
    modules = [*MODULES[:2], {"type": TYPE + "Dense", "path": "2_Dense"}]
    write(tmp_path / "model", {"modules.json": modules, "2_Dense/config.json": dense})
    weight = {"linear.weight": np.ones((4, 8), np.float32)}
    save_file(weight, tmp_path / "model" / "2_Dense" / "model.safetensors")
    found = read_folder(tmp_path / "model")
    assert found.dense == (Dense("2_Dense/linear.weight", "2_Dense/linear.bias", "Tanh"),)
    assert found.dimension == 4 and "2_Dense/linear.weight" in found.tensors()


def test_rows_of_model2vec_are_weighted_per_token(tmp_path: Path) -> None:
    write(tmp_path, {"modules.json": [{"type": TYPE + "StaticEmbedding", "path": "."}]})
    rows = np.arange(6, dtype=np.float16).reshape(2, 3)
    mapping, weights = np.array([1, 0, 1]), np.array([1.0, 2.0, 0.5])
    save_file({"embeddings": rows, "mapping": mapping, "weights": weights}, tmp_path / "model.safetensors")
    found = read_folder(tmp_path)
    assert found.encoder == Encoder("static", width=3) and found.dimension == 3
    np.testing.assert_array_equal(found.tensors()["embedding.weight"], [[3, 4, 5], [0, 2, 4], [1.5, 2, 2.5]])


def test_the_digest_follows_all_that_vectors_depend_on(tmp_path: Path) -> None:
    first = read_folder(write(tmp_path / "first")).digest
    assert read_folder(write(tmp_path / "same"), "another name").digest == first
    changed: list[dict[str, Any]] = [
        {"config.json": CONFIG | {"layer_norm_eps": 1e-5}},
        {"1_Pooling/config.json": {"pooling_mode": "mean"}},
        {"tokenizer.json": {"normalizer": {"type": "NFC"}}},
        {"sentence_bert_config.json": {"do_lower_case": True}},
    ]
    digests = {read_folder(write(tmp_path / str(at), files)).digest for at, files in enumerate(changed)}
    digests.add(read_folder(write(tmp_path / "weights", names=("b",))).digest)
    assert len(digests | {first}) == 6


def test_a_digest_is_kept_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("semsearch.embedding.model_files._FRESH_NS", -1)
    folder = write(tmp_path / "model")
    first = read_folder(folder).digest
    (kept,) = (tmp_path / "cache" / "digests").iterdir()
    kept.write_text(kept.read_text()[:-64] + "0" * 64)
    assert read_folder(folder).digest != first  # the kept digest is used,
    kept.write_text("junk")
    assert read_folder(folder).digest == first  # unless it is damaged
    kept.write_text(kept.read_text()[:-64] + "0" * 64)
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-1] + b"\x01")
    changed = read_folder(folder).digest
    shutil.rmtree(tmp_path / "cache")
    assert changed == read_folder(folder).digest != first


UNSUPPORTED: dict[str, dict[str, Any]] = {
    "architecture": {"config.json": CONFIG | {"model_type": "llama"}},
    "activation": {"config.json": CONFIG | {"hidden_act": "silu"}},
    "positions": {"config.json": CONFIG | {"position_embedding_type": "relative_key"}},
    "pooling": {"1_Pooling/config.json": {"pooling_mode_lasttoken": True}},
    "two poolings": {"1_Pooling/config.json": {"pooling_mode": ["cls", "mean"]}},
    "no prompt in the pooling": {"1_Pooling/config.json": {"include_prompt": False}},
    "no pooling": {"modules.json": MODULES[:1]},
    "own code": {"modules.json": [{"type": "custom_st.Transformer", "path": ""}]},
    "sparse": {"config_sentence_transformers.json": {"model_type": "SparseEncoder"}},
    "another module": {"modules.json": [*MODULES, {"type": TYPE + "LSTM", "path": "3_LSTM"}]},
}
BROKEN: dict[str, dict[str, Any]] = {
    "no JSON": {"config.json": "{"},
    "a list": {"config.json": []},
    "too large": {"config.json": " " * (2**20 + 1)},
    "no layers": {"config.json": CONFIG | {"num_hidden_layers": 0}},
    "heads": {"config.json": CONFIG | {"num_attention_heads": 3}},
    "no width": {"config.json": CONFIG | {"hidden_size": 0}},
    "a text as number": {"config.json": CONFIG | {"hidden_size": "8"}},
    "a vast number": {"config.json": CONFIG | {"num_hidden_layers": 10**9}},
    "positions": {"config.json": CONFIG | {"max_position_embeddings": 1}},
    "no modules": {"modules.json": []},
    "a module without a path": {"modules.json": [{"type": TYPE + "Transformer"}]},
    "a folder above": {"modules.json": [{"type": TYPE + "Transformer", "path": "../other"}]},
    "an absolute folder": {"modules.json": [{"type": TYPE + "Transformer", "path": "/etc"}]},
    "a drive": {"modules.json": [{"type": TYPE + "Transformer", "path": "C:"}]},
    "shards above": {"model.safetensors.index.json": {"weight_map": {"a": "../model.safetensors"}}},
    "shards of numbers": {"model.safetensors.index.json": {"weight_map": {"a": 1}}},
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_other_models_are_unsupported(tmp_path: Path, case: str) -> None:
    with pytest.raises(UnsupportedModel):
        read_folder(write(tmp_path, UNSUPPORTED[case]))


@pytest.mark.parametrize("case", BROKEN)
def test_malformed_folders_are_model_errors(tmp_path: Path, case: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_folder(write(tmp_path, BROKEN[case]))
    assert not isinstance(caught.value, UnsupportedModel)


def test_weights_that_are_not_safetensors_are_named(tmp_path: Path) -> None:
    (write(tmp_path) / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        read_folder(tmp_path).tensors()


ROWS = np.ones((2, 3), np.float32)
BAD_TABLES: dict[str, tuple[dict[str, Any], dict[str, int], str]] = {
    "a table of one axis": ({"embeddings": np.ones(6, np.float32)}, {"a": 0}, "not a table"),
    "vectors of no numbers": ({"embeddings": np.ones((2, 0), np.float32)}, {"a": 0}, "not a table"),
    "a mapping out of the table": ({"embeddings": ROWS, "mapping": np.array([0, 7])}, {"a": 0}, "leads out"),
    "a mapping below it": ({"embeddings": ROWS, "mapping": np.array([0, -1])}, {"a": 0}, "leads out"),
    "a mapping of two axes": ({"embeddings": ROWS, "mapping": np.array([[0, 1]])}, {"a": 0}, "its mapping"),
    "a small file that fills the memory": (
        {"embeddings": np.ones((1, 2**14), np.float32), "mapping": np.zeros(2**15, np.uint8)},
        {"a": 0},
        "too large",
    ),
    "too few weights": ({"embeddings": ROWS, "weights": np.ones(1, np.float32)}, {"a": 0}, "do not fit"),
    "a vast number of a token": ({"embeddings": ROWS}, {"a": 2**32 - 1}, "cannot run"),
    "a token without a row": ({"embeddings": ROWS}, {"a": 9}, "cannot run"),
    "a tokenizer without the unknown": ({"embeddings": ROWS}, {"b": 0}, "cannot use the tokenizer"),
    "numbers that are none": ({"embeddings": ROWS * np.float32("nan")}, {"a": 0}, "not finite"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_damaged_model_leaves_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
    tensors, vocabulary, message = BAD_TABLES[case]
    tokenizer = {
        "version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None, "decoder": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }  # fmt: skip
    modules = [{"type": TYPE + "StaticEmbedding", "path": "."}]
    folder = write(tmp_path / "model", {"modules.json": modules, "tokenizer.json": tokenizer})
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelError, match=message) as caught:
        load_embedder(str(folder))
    assert str(folder) in str(caught.value)
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    index = tmp_path / "index"
    result = CliRunner().invoke(
        main, ["ingest", str(tmp_path / "a.txt"), "--model", str(folder), "--index", str(index)]
    )
    assert result.exit_code == 1 and message in result.output.replace("\n", " ")
    assert not index.exists()
