"""A model that brings its own ONNX graph runs without torch, and a graph from a stranger can do nothing else."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_models import make_model

from semsearch.embedding import load_embedder
from semsearch.embedding.model_files import OWN_GRAPH, UnsupportedModel, read_folder
from semsearch.embedding.onnx import OnnxEmbedder
from semsearch.errors import InvalidInput, ModelError

TEXTS = ["leave the dough in water", "", "a cat, the dog!", "the cat sat on a mat " * 9]


@pytest.fixture(scope="module")
def albert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("own") / "albert", "albert", prompts={"query": "query: "})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))


def test_vectors_are_those_of_sentence_transformers(albert: Path) -> None:
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(albert), device="cpu")
    ours = load_embedder(str(albert))
    assert isinstance(ours, OnnxEmbedder)
    for kind, encode in (("query", theirs.encode_query), ("passage", theirs.encode_document)):
        np.testing.assert_allclose(ours.embed(TEXTS[:3], kind), encode(TEXTS[:3]), atol=1e-5)  # type: ignore[arg-type]
    np.testing.assert_allclose(ours.embed(TEXTS)[:3], ours.embed(TEXTS[:3]), atol=1e-6)


def test_another_process_needs_no_torch(albert: Path) -> None:
    code = (
        "import sys; from semsearch.embedding import load_embedder; model = load_embedder(sys.argv[1]);"
        "print(model.fingerprint.weights, 'torch' in sys.modules, 'transformers' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(albert)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == [load_embedder(str(albert)).fingerprint.weights, "False", "False"]


def test_the_weights_of_the_graph_are_in_the_fingerprint(albert: Path, tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        first = next(one for one in model.graph.initializer if one.data_type == TensorProto.FLOAT)
        first.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(first) + np.float32(1), first.name))

    changed = read_folder(altered(albert, tmp_path, change))
    assert changed.digest != read_folder(albert).digest


def test_int8_is_refused(albert: Path) -> None:
    with pytest.raises(InvalidInput, match="brings its own graph"):
        load_embedder(str(albert), "int8")


def test_a_known_architecture_keeps_its_written_graph(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "bert")
    plain = read_folder(folder)
    (folder / OWN_GRAPH).parent.mkdir()
    (folder / OWN_GRAPH).write_bytes(b"not a graph")
    assert read_folder(folder).digest == plain.digest
    assert read_folder(folder).graph is None


def altered(albert: Path, tmp_path: Path, change: Callable[[onnx.ModelProto], object]) -> Path:
    """Return a copy of the model with a graph that differs."""
    folder = tmp_path / "altered"
    shutil.copytree(albert, folder)
    model = onnx.load(folder / OWN_GRAPH)
    change(model)
    (folder / OWN_GRAPH).write_bytes(model.SerializeToString())
    return folder


def outside(tensor: onnx.TensorProto) -> None:
    """Let a tensor lie in another file."""
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


STRANGERS: dict[str, Callable[[onnx.ModelProto], object]] = {
    "a weight in another file": lambda model: outside(model.graph.initializer[0]),
    "a constant in another file": lambda model: outside(
        next(node for node in model.graph.node if node.op_type == "Constant").attribute[0].t
    ),
    "a branch with a weight in another file": lambda model: model.graph.node.append(
        helper.make_node(
            "If",
            ["x"],
            ["y"],
            then_branch=helper.make_graph([], "then", [], [], [onnx.TensorProto(data_location=1, name="w")]),
        )
    ),
    "another input": lambda model: model.graph.input.append(
        helper.make_tensor_value_info("pixels", TensorProto.INT64, ["batch"])
    ),
    "an input of another type": lambda model: setattr(
        model.graph.input[0].type.tensor_type, "elem_type", TensorProto.FLOAT
    ),
    "no vectors of tokens": lambda model: setattr(model.graph.output[0], "name", "logits"),
    "old operators": lambda model: setattr(model.opset_import[0], "version", 12),
    "functions": lambda model: model.functions.add(name="f", domain="d"),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_graph_of_another_kind_is_not_run(kind: str, albert: Path, tmp_path: Path) -> None:
    files = read_folder(altered(albert, tmp_path, STRANGERS[kind]))
    with pytest.raises(UnsupportedModel, match="its graph"):
        OnnxEmbedder(files)


def test_a_damaged_graph_is_one_clear_error(albert: Path, tmp_path: Path) -> None:
    folder = altered(albert, tmp_path, lambda model: None)
    (folder / OWN_GRAPH).write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match=r"cannot read .*model\.onnx"):
        load_embedder(str(folder))
