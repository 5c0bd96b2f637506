"""bfloat16 on OpenVINO: how near its vectors are, what chooses it, and what is said where it is missing."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tiny_models import make_model

from semsearch import FingerprintMismatch, Index, InvalidInput, MissingExtra, ModelError
from semsearch.cli import main
from semsearch.embedding import Vectors, graph, load_embedder, loading, onnx, openvino

MODELS: dict[str, dict[str, Any]] = {
    "bert": {},
    "xlm-r": {"kind": "xlm-roberta", "prompts": {"query": "query: ", "document": "passage: "}},
    "mpnet": {"kind": "mpnet"},
    "distilbert": {"kind": "distilbert", "pooling": "max", "dense": 12},
}
TEXTS = ["leave the dough in water", "", "a cat, the dog!", "我昨天借了书", "the cat sat on a mat " * 40]
has_bfloat16 = pytest.mark.skipif(not openvino.has_bfloat16(), reason="this processor has no bfloat16")

LOADED = """
import sys
from semsearch.embedding import load_embedder
load_embedder(sys.argv[1], "bfloat16", stored={"dimension": 16}).embed(["a cat"])
print(*(name for name, module in sys.modules.items() if module is not None))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of the models. Graphs go to a cache next to it."""
    root = tmp_path_factory.mktemp("models")
    for name, options in (MODELS | {"static": {"kind": "static"}}).items():
        make_model(root / name, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMSEARCH_CACHE", str(root / "cache"))
        yield root


@pytest.fixture
def without_bfloat16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system list a processor of 2017, without bfloat16."""
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu sse2 avx2 avx512f avx512bw\n", "utf-8")
    monkeypatch.setattr(openvino, "_CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(loading, "_IN_USE", {})


def cosines(a: Vectors, b: Vectors) -> Vectors:
    return np.einsum("ij,ij->i", a.astype(np.float64), b.astype(np.float64))


@pytest.mark.long
@has_bfloat16
@pytest.mark.parametrize("name", MODELS)
def test_vectors_are_near_those_of_float32(name: str, folders: Path) -> None:
    exact, short = (load_embedder(str(folders / name), dtype) for dtype in ("float32", "bfloat16"))
    ours, theirs = short.embed(TEXTS), exact.embed(TEXTS)
    assert cosines(ours, theirs).min() >= 0.999
    assert np.abs(ours - theirs).max() > 1e-5  # it is not float32 by another name
    assert short.fingerprint.dtype == "bfloat16" and short.fingerprint != exact.fingerprint
    assert cosines(short.embed(["a cat"], "query"), exact.embed(["a cat"], "query")).min() >= 0.999


@has_bfloat16
def test_tensors_in_their_own_file_are_read(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_embedder(str(folders / "mpnet"), "bfloat16").embed(TEXTS)
    monkeypatch.setenv("SEMSEARCH_CACHE", str(folders / "own file"))
    monkeypatch.setattr(onnx, "_INLINE", 0)
    monkeypatch.setattr(graph, "_EXTERNAL", 256)
    np.testing.assert_array_equal(load_embedder(str(folders / "mpnet"), "bfloat16").embed(TEXTS), before)
    assert len([*(folders / "own file").rglob("*.data")]) == 1


@has_bfloat16
def test_a_read_only_cache_fails_nothing(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folders / "no folder").write_text("", "utf-8")
    expected = load_embedder(str(folders / "bert"), "bfloat16").embed(TEXTS)
    monkeypatch.setenv("SEMSEARCH_CACHE", str(folders / "no folder"))
    np.testing.assert_array_equal(load_embedder(str(folders / "bert"), "bfloat16").embed(TEXTS), expected)
    assert load_embedder(str(folders / "bert"), "auto").fingerprint.dtype in ("float32", "bfloat16")


@has_bfloat16
def test_a_vector_hardly_depends_on_its_batch(sample_corpus: Path) -> None:
    embedder = load_embedder(dtype="bfloat16")
    lines = [
        line
        for path in sorted(sample_corpus.glob("faq/*.md"))
        for line in path.read_text("utf-8").split("\n")
    ]
    texts = list(dict.fromkeys(lines))[:100]
    together = embedder.embed(texts)
    np.testing.assert_array_equal(embedder.embed(texts), together)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert cosines(alone, together).min() >= 0.9999


@has_bfloat16
def test_an_index_keeps_bfloat16(folders: Path, sample_corpus: Path, tmp_path: Path) -> None:
    model = str(folders / "bert")
    with Index.create(tmp_path / "index", model=model, dtype="bfloat16") as index:
        index.ingest([sample_corpus / "faq"])
        expected = [hit.score for hit in index.query("a cat sat on the mat", mode="dense")]
    with Index.open(tmp_path / "index", dtype="auto") as index:
        assert index.status().settings["dtype"] == "bfloat16"
        assert [hit.score for hit in index.query("a cat sat on the mat", mode="dense")] == expected
    with pytest.raises(FingerprintMismatch, match="dtype bfloat16, not float32"):
        Index.open(tmp_path / "index", dtype="float32")


def test_another_processor_reads_a_bfloat16_index(folders: Path, without_bfloat16: None) -> None:
    model = str(folders / "bert")
    with pytest.raises(InvalidInput, match="no bfloat16") as caught:
        load_embedder(model, "bfloat16")
    assert "dtype=float32" in caught.value.hint
    found = load_embedder(model, "bfloat16", stored={"dimension": 16})
    assert found.fingerprint.dtype == "bfloat16"
    np.testing.assert_allclose(found.embed(TEXTS), load_embedder(model).embed(TEXTS), atol=1e-5)
    assert load_embedder(model, "auto").fingerprint.dtype == "float32"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/cpuinfo")
def test_amx_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text("flags : fpu amx_tile amx_bf16\n", "utf-8")
    monkeypatch.setattr(openvino, "_CPU_INFO", tmp_path / "cpuinfo")
    assert openvino.has_bfloat16()


def test_without_the_extra_one_line_says_so(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = str(folders / "bert")
    monkeypatch.setattr(loading, "_IN_USE", {})
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match="bfloat16 needs openvino") as caught:
        load_embedder(model, "bfloat16", stored={"dimension": 16})
    assert "semsearch[fast]" in caught.value.hint
    assert load_embedder(model, "auto").fingerprint.dtype == "float32"


def test_models_without_known_layers_stay_in_float32(folders: Path) -> None:
    assert load_embedder(str(folders / "static"), "auto").fingerprint.dtype == "float32"
    with pytest.raises(InvalidInput, match="float32 only"):
        load_embedder(str(folders / "static"), "bfloat16", stored={"dimension": 16})


def test_bfloat16_is_refused_on_a_gpu(folders: Path) -> None:
    with pytest.raises(InvalidInput, match="bfloat16 is for the processor"):
        load_embedder(str(folders / "bert"), "bfloat16", device="cuda", stored={"dimension": 16})


def test_a_damaged_graph_is_a_model_error(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(folders / "damaged"))
    load_embedder(str(folders / "bert"))
    (file,) = (folders / "damaged").rglob("*.onnx")
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ModelError, match="cannot load"):
        load_embedder(str(folders / "bert"), "bfloat16", stored={"dimension": 16})


@has_bfloat16
def test_auto_measures_once_and_follows_the_figure(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(folders / "measured"))
    model, made = str(folders / "xlm-r"), []
    embed = onnx.OnnxEmbedder.embed

    def counted(self: onnx.OnnxEmbedder, *given: Any) -> Vectors:
        made.append(self.fingerprint.dtype)
        return embed(self, *given)

    monkeypatch.setattr(onnx.OnnxEmbedder, "embed", counted)
    chosen = load_embedder(model, "auto", stored={"dimension": 16}).fingerprint.dtype
    assert made.count("float32") == made.count("bfloat16") > 1
    made.clear()
    assert load_embedder(model, "auto", stored={"dimension": 16}).fingerprint.dtype == chosen
    assert made == []
    (path,) = (folders / "measured").rglob("speeds.json")
    ((here, gain),) = json.loads(path.read_bytes()).items()
    assert (gain >= 1.2) == (chosen == "bfloat16")
    for gain, dtype in ((1.1, "float32"), (1.3, "bfloat16")):
        path.write_text(json.dumps({here: gain}), "utf-8")
        assert load_embedder(model, "auto", stored={"dimension": 16}).fingerprint.dtype == dtype
    assert made == []
    for damaged in ("", "[1]", '{"other processor": 9.0}', json.dumps({here: "fast"})):
        path.write_text(damaged, "utf-8")
        load_embedder(model, "auto", stored={"dimension": 16})
        assert json.loads(path.read_bytes())[here] > 0
        assert made
        made.clear()


def test_openvino_reports_nothing_to_its_maker(folders: Path) -> None:
    command = [sys.executable, "-c", LOADED, str(folders / "bert")]
    ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    assert "openvino" in ran.stdout.split()
    assert not [name for name in ran.stdout.split() if name.startswith("openvino_telemetry")]


@has_bfloat16
def test_ingest_takes_the_dtype(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("笔记.txt").write_text("我昨天在图书馆借了三本书。", "utf-8")
    asked = ["ingest", "--model", str(folders / "bert"), "--set", "dtype=bfloat16", "笔记.txt"]
    ran = CliRunner().invoke(main, asked)
    assert ran.exit_code == 0, ran.output
    ran = CliRunner().invoke(main, ["status", "--json"])
    assert json.loads(ran.stdout)["settings"]["dtype"] == "bfloat16"
