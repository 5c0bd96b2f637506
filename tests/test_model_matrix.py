"""Six tiny models, each from a new index to a query in another process, against sentence-transformers' own vectors."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import WORDS, make_model

from semsearch import FingerprintMismatch, Index, InvalidInput
from semsearch.embedding import load_embedder
from semsearch.tuning.pairs import load_pairs

PROMPTS = {"query": "query: ", "document": "passage: "}
MODELS: dict[str, dict[str, Any]] = {
    "bert": {},
    "headless": {"pooler": False, "pooling": "cls", "prompts": PROMPTS},
    "xlm-r": {"kind": "xlm-roberta", "prompts": PROMPTS},
    "mpnet": {"kind": "mpnet"},
    "static": {"kind": "static"},
    "matryoshka": {"kind": "distilbert", "pooling": "max", "dense": 12},
}
DIMENSIONS = {"matryoshka": 8}
TEXTS = [
    "leave the dough in water",
    "",
    "a cat, the dog!",
    "我昨天借了书",
    "Zq#7",
    "the cat sat on a mat " * 9,
]
QUESTION = "when does the library open"

AGAIN = (
    f"QUESTION, TEXTS = {QUESTION!r}, {TEXTS!r}"
    + """
import json, sys
from pathlib import Path
from semsearch import Index
found = {}
for folder in map(Path, sys.argv[1:]):
    with Index.open(folder) as index:
        hits = [(hit.source, hit.score) for hit in index.query(QUESTION, k=3)]
        vectors = index.embedder.embed(TEXTS, "query")
        found[folder.name] = [index.status().settings, hits, index.threshold["threshold"], vectors.tolist()]
print(json.dumps([found, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
)


@pytest.fixture(scope="module")
def corpus(sample_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small part of the sample corpus, with an exact copy and a Chinese file."""
    folder = tmp_path_factory.mktemp("corpus")
    for path in sorted(sample_corpus.glob("faq/*.md"))[:6]:
        shutil.copy(path, folder)
    shutil.copy(next(folder.glob("*.md")), folder / "copy.md")
    shutil.copy(sorted(sample_corpus.glob("zh/*"))[0], folder)
    return folder


@pytest.fixture(scope="module")
def folders(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of the models. Graphs go to a cache next to it."""
    root = tmp_path_factory.mktemp("matrix")
    words = {
        word
        for path in corpus.iterdir()
        for word in re.findall(r"[a-z]+|[一-鿿]", path.read_text("utf-8").lower())
    }
    for name, options in MODELS.items():
        make_model(root / name, words=[*WORDS, *sorted(words - set(WORDS))], **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMSEARCH_CACHE", str(root / "cache"))
        yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def indexes(folders: Path, corpus: Path) -> dict[str, Any]:
    """Make an index by each model and use it. Return what each has, by the model's name."""
    pairs = load_pairs("sample")
    found = {}
    for name in MODELS:
        with Index.create(
            folders / "indexes" / name, model=str(folders / name), dimensions=DIMENSIONS.get(name)
        ) as index:
            assert index.ingest([corpus]).added == 8
            hits = [(hit.source, hit.score) for hit in index.query(QUESTION, k=3)]
            assert any("copy.md" in repr(group) for group in index.duplicates(0.999).groups)
            index.tune(pairs)
            found[name] = [
                json.loads(json.dumps(index.status().settings)),
                hits,
                index.threshold["threshold"],  # type: ignore[index]
            ]
    return found


@pytest.fixture(scope="module")
def again(indexes: dict[str, Any], folders: Path) -> tuple[dict[str, Any], list[str]]:
    """Return what another process finds in the indexes, and the modules it has loaded."""
    paths = [str(folders / "indexes" / name) for name in indexes]
    ran = subprocess.run(
        [sys.executable, "-c", AGAIN, *paths],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUTF8": "1"},
    )
    assert ran.returncode == 0, ran.stderr
    found: tuple[dict[str, Any], list[str]] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_another_process_finds_the_same(
    name: str, indexes: dict[str, Any], again: tuple[dict[str, Any], list[str]]
) -> None:
    settings, hits, threshold = indexes[name]
    settings_again, hits_again, threshold_again, _ = again[0][name]
    assert settings_again == settings and threshold_again == threshold
    assert [source for source, _ in hits_again] == [source for source, _ in hits]
    np.testing.assert_allclose([score for _, score in hits_again], [score for _, score in hits], atol=1e-5)


def test_another_process_loads_no_torch(again: tuple[dict[str, Any], list[str]]) -> None:
    assert {"torch", "transformers", "sentence_transformers", "onnx"}.isdisjoint(again[1])


@pytest.mark.parametrize("name", MODELS)
def test_vectors_are_those_of_sentence_transformers(
    name: str, folders: Path, again: tuple[dict[str, Any], list[str]]
) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(folders / name), device="cpu", truncate_dim=DIMENSIONS.get(name))
    embedder = load_embedder(str(folders / name), dimensions=DIMENSIONS.get(name))
    encoders = {"query": reference.encode_query, "passage": reference.encode_document}
    for kind, encode in encoders.items():
        expected = encode(TEXTS, normalize_embeddings=True)
        found = embedder.embed(TEXTS, kind)  # type: ignore[arg-type]
        direction = np.linalg.norm(expected, axis=1) > 0  # an empty text has none in a table of vectors
        np.testing.assert_allclose(found[direction], expected[direction], atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        assert direction.sum() >= len(TEXTS) - (name == "static")
        if kind == "query":
            np.testing.assert_allclose(again[0][name][3], found, atol=1e-5)
    if name == "static":
        assert asdict(embedder.fingerprint)["window"] == 512


def test_more_dimensions_than_the_model_has_are_refused(folders: Path) -> None:
    with pytest.raises(InvalidInput, match="12 dimensions, not 13"):
        load_embedder(str(folders / "matryoshka"), dimensions=13)


def test_an_index_keeps_its_dimensions(folders: Path, indexes: dict[str, Any]) -> None:
    folder = folders / "indexes" / "matryoshka"
    Index.open(folder, dimensions=8).close()
    with pytest.raises(FingerprintMismatch, match="8, not 12") as caught:
        Index.open(folder, dimensions=12)
    assert "--dimensions" in caught.value.hint


def test_int8_of_another_model_is_another_fingerprint(folders: Path) -> None:
    exact, int8 = (load_embedder(str(folders / "xlm-r"), dtype) for dtype in ("float32", "int8"))
    assert exact.fingerprint != int8.fingerprint
    assert np.sum(exact.embed(TEXTS) * int8.embed(TEXTS), axis=1).min() > 0.9
    with pytest.raises(InvalidInput, match="float32 only"):
        load_embedder(str(folders / "static"), "int8")


def test_large_tensors_are_mapped_from_their_own_file(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from semsearch.embedding import graph, onnx

    before = load_embedder(str(folders / "mpnet")).embed(TEXTS)
    monkeypatch.setenv("SEMSEARCH_CACHE", str(folders / "other cache"))
    monkeypatch.setattr(onnx, "_INLINE", 0)
    monkeypatch.setattr(graph, "_EXTERNAL", 256)
    np.testing.assert_array_equal(load_embedder(str(folders / "mpnet")).embed(TEXTS), before)
    (data,) = (folders / "other cache").rglob("*.data")
    assert data.stat().st_size > sum(path.stat().st_size for path in data.parent.glob("*.onnx"))


def test_weights_that_do_not_fit_the_graph_are_named(folders: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    from semsearch import ModelError

    folder = shutil.copytree(folders / "bert", tmp_path / "bert")
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.1.output.dense.bias"] = np.ones(3, np.float32)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelError, match="cannot"):
        load_embedder(str(folder))


def test_another_pooling_runs_elsewhere_and_is_said(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from semsearch.cli import main

    make_model(tmp_path / "last", pooling="lasttoken")
    (tmp_path / "notes.md").write_text("A cat sat on the mat.", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(main, ["ingest", "notes.md", "--model", "last"])
    assert ran.exit_code == 0, ran.output
    assert "last runs through sentence-transformers: its pooling is lasttoken" in ran.stderr
    with Index.open(tmp_path / ".semsearch") as index:
        assert index.query("cat", k=1)[0].source == "notes.md"
        assert index.status().settings["pooling"] == "model"
