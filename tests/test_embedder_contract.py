"""The contract of `Embedder`, which every implementation must keep."""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from soundness import assert_sound
from tiny_embedder import TinyEmbedder, create_index, open_index
from tiny_models import make_model

from semsearch import Index, ModelError
from semsearch.embedding import (
    DTYPES,
    Embedder,
    Fingerprint,
    Kind,
    ProgressCallback,
    Vectors,
    count_tokens,
    load_embedder,
)
from semsearch.embedding.canary import canary_weights, same_weights
from semsearch.embedding.openvino import has_bfloat16
from semsearch.storage.library import Library
from semsearch.text.chunking import split

TEXTS = [
    "the cat sat on the mat",
    "",
    "a dog ran in the park",
    "the cat sat on the mat",
    "mat",
    "我昨天借了书",
]
MADE_BY: dict[str, dict[str, object]] = {"graph": {}, "transformer": {"pooling": "model"}}
"""Settings of an index whose vectors ONNX Runtime or sentence-transformers has made."""
LONG = "the cat ran to the park and sat on a mat " * 400


class Plain:
    """An embedder without a tokenizer, of a service whose weights cannot be hashed: bytes are its features."""

    def __init__(self, noise: float = 0.0) -> None:
        self._noise = noise
        self.size = 0
        self.fingerprint = Fingerprint("bytes", canary_weights(self.embed), "float32", "sum", 256, 50)

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        vectors = np.ones((len(texts), 256), np.float32)
        for row, text in enumerate(texts):
            vectors[row] += np.bincount(np.frombuffer(text.encode(), np.uint8), minlength=256)
        vectors += self._noise * np.random.default_rng().standard_normal(vectors.shape).astype(np.float32)
        if progress is not None:
            progress(len(texts))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


Load = Callable[[], Embedder]


@pytest.fixture(
    scope="module", params=["float32", "bfloat16", "int8", "graph", "transformer", "tiny", "plain"]
)
def load(request: pytest.FixtureRequest) -> Load:
    """Return a function that loads the embedder."""
    name: str = request.param
    if name == "bfloat16" and not has_bfloat16():
        pytest.skip("this processor has no bfloat16")
    if name in ("graph", "transformer"):
        folder = str(request.getfixturevalue("tiny_model"))
        return lambda: load_embedder(folder, stored=MADE_BY[name])
    found: dict[str, Load] = {"tiny": TinyEmbedder, "plain": Plain}
    return found.get(name, lambda: load_embedder(dtype=name))


@pytest.fixture(scope="module")
def embedder(load: Load) -> Embedder:
    return load()


def assert_unit(vectors: Vectors, rows: int, embedder: Embedder) -> None:
    assert vectors.shape == (rows, embedder.fingerprint.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", ["query", "passage"])
def test_vectors_are_unit_float32_in_order(embedder: Embedder, kind: Kind) -> None:
    vectors = embedder.embed(TEXTS, kind)
    assert_unit(vectors, len(TEXTS), embedder)
    np.testing.assert_allclose(vectors[0], vectors[3], atol=1e-5)
    for row, text in enumerate(TEXTS):
        alone = embedder.embed([text], kind)[0]
        assert alone @ vectors[row] > 0.999
        assert int(np.argmax(vectors @ alone)) in (row, TEXTS.index(text))


def test_the_kind_defaults_to_passage(embedder: Embedder) -> None:
    np.testing.assert_array_equal(embedder.embed(TEXTS), embedder.embed(TEXTS, "passage"))


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    told: list[int] = []
    assert_unit(embedder.embed([], progress=told.append), 0, embedder)
    assert sum(told) == 0
    assert [counts.shape for counts in count_tokens(embedder, [])] == [(0,), (0,)]


def test_an_empty_text_has_a_vector_and_no_tokens(embedder: Embedder) -> None:
    assert_unit(embedder.embed([""]), 1, embedder)
    assert [counts.tolist() for counts in count_tokens(embedder, [""])] == [[0], [0]]


@pytest.mark.long
def test_all_of_a_very_long_text_counts(embedder: Embedder) -> None:
    window = embedder.fingerprint.window
    assert count_tokens(embedder, [LONG])[0][0] > 3 * window
    start = LONG[: 2 * window]
    same, other = embedder.embed([LONG + "dog " * 2000, LONG])
    assert_unit(np.stack([same, other]), 2, embedder)
    assert same @ other < 0.9999  # the end of the text has a say
    assert embedder.embed([start])[0] @ other < 1 - 1e-7


def test_progress_adds_up_to_the_number_of_texts(embedder: Embedder) -> None:
    told: list[int] = []
    embedder.embed([*TEXTS * 20, LONG], progress=told.append)
    assert sum(told) == 20 * len(TEXTS) + 1 and min(told) >= 0


def test_eight_threads_get_the_vectors_of_one(embedder: Embedder) -> None:
    batches = [[*TEXTS[at:], LONG[: 50 * at]] for at in range(6)] * 4

    def work(texts: list[str]) -> tuple[Vectors, list[int]]:
        return embedder.embed(texts), count_tokens(embedder, texts)[0].tolist()

    expected = [work(texts) for texts in batches]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, batches))
    for (ours, counts), (theirs, their_counts) in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
        assert counts == their_counts


def test_the_fingerprint_is_the_same_at_each_load(load: Load, embedder: Embedder) -> None:
    again = load().fingerprint
    assert again == embedder.fingerprint
    assert again.dtype in DTYPES and again.window > 0


def test_token_counts_fit_the_texts(embedder: Embedder) -> None:
    tokens, unknown = count_tokens(embedder, TEXTS)
    assert tokens.dtype == unknown.dtype == np.int64
    assert tokens.shape == unknown.shape == (len(TEXTS),)
    assert np.all(unknown <= tokens) and np.all(tokens[[0, 2, 3, 4, 5]] > 0)


# -- without a tokenizer ----------------------------------------------------------------------------------------


def test_an_estimate_counts_three_bytes_a_token() -> None:
    tokens, unknown = count_tokens(Plain(), ["", "a", "abc", "abcd", "我昨天"])
    assert tokens.tolist() == [0, 1, 1, 2, 3]
    assert unknown.tolist() == [0] * 5


def test_splitting_works_without_a_tokenizer() -> None:
    plain = Plain()
    spans = split(LONG, lambda texts: count_tokens(plain, texts)[0].tolist(), plain.fingerprint.window)
    assert len(spans) > 50
    assert " ".join(LONG[span.start : span.end] for span in spans).split() == LONG.split()
    assert max(span.tokens for span in spans) <= plain.fingerprint.window


# -- identity by canaries ---------------------------------------------------------------------------------------


def test_canaries_of_a_noisy_service_still_match() -> None:
    first, second = Plain(noise=0.01).fingerprint.weights, Plain(noise=0.01).fingerprint.weights
    assert same_weights(first, second) and len(first) == len("canary:") + 256


def test_canaries_of_other_models_differ(tiny_model: Path) -> None:
    plain, embedder = Plain(), load_embedder(str(tiny_model))
    rotated = np.linalg.qr(np.random.default_rng(0).standard_normal((256, 256)))[0].astype(np.float32)
    others = [
        canary_weights(embedder.embed),
        canary_weights(TinyEmbedder().embed),
        canary_weights(lambda texts: plain.embed(texts) @ rotated),  # the same cosines, other vectors
    ]
    for other in others:
        assert not same_weights(plain.fingerprint.weights, other)


@pytest.mark.parametrize("stored", [None, "", "0" * 64, "canary:", "canary:!!", "canary:AAAA", 7])
def test_malformed_canaries_match_nothing(stored: object) -> None:
    assert not same_weights(stored, Plain().fingerprint.weights)
    assert not same_weights(Plain().fingerprint.weights, stored)


def test_a_model_without_directions_has_no_canaries() -> None:
    with pytest.raises(ModelError, match="direction"):
        canary_weights(lambda texts: np.zeros((len(texts), 8), np.float32))


# -- sentence-transformers models -------------------------------------------------------------------------------


def test_a_complete_model_has_the_digest_of_its_state(tiny_model: Path) -> None:
    """Indexes of earlier releases hold this digest, so that it must not change."""
    from sentence_transformers import SentenceTransformer

    digest = hashlib.sha256()
    for name, tensor in sorted(SentenceTransformer(str(tiny_model), device="cpu").state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode() + tensor.numpy().tobytes())
    old = load_embedder(str(tiny_model), stored=MADE_BY["transformer"])
    assert old.fingerprint.weights == digest.hexdigest()


@pytest.mark.parametrize("made_by", MADE_BY)
def test_a_model_without_pooler_keeps_its_fingerprint(tmp_path: Path, made_by: str) -> None:
    folder = str(make_model(tmp_path / "headless", pooler=False))
    first, second = (load_embedder(folder, stored=MADE_BY[made_by]) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    np.testing.assert_array_equal(first.embed(TEXTS), second.embed(TEXTS))


@pytest.mark.parametrize("made_by", MADE_BY)
def test_other_weights_give_another_fingerprint(tmp_path: Path, made_by: str) -> None:
    from safetensors.torch import load_file, save_file

    for pooler in (True, False):
        folder = make_model(tmp_path / f"model-{pooler}", pooler=pooler)
        before = load_embedder(str(folder), stored=MADE_BY[made_by]).fingerprint.weights
        weights = load_file(folder / "model.safetensors")
        weights["embeddings.word_embeddings.weight"][7, 3] += 0.5
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        assert load_embedder(str(folder), stored=MADE_BY[made_by]).fingerprint.weights != before


@pytest.mark.parametrize("made_by", MADE_BY)
def test_prompts_of_the_model_go_before_the_texts(tmp_path: Path, made_by: str) -> None:
    folder = str(make_model(tmp_path / "prompted", prompts={"query": "query : ", "passage": "a dog : "}))
    stored: dict[str, object] = {"pooling": "model with prompts"} if made_by == "transformer" else {}
    prompted, plain = (load_embedder(folder, stored=made) for made in (stored, MADE_BY["transformer"]))
    text = "the cat sat"
    for kind, prompt in (("query", "query : "), ("passage", "a dog : ")):
        with_prompt = prompted.embed([text], kind)  # type: ignore[arg-type]
        np.testing.assert_allclose(with_prompt, plain.embed([prompt + text]), atol=1e-5)
        assert (with_prompt @ plain.embed([text]).T).item() < 0.9999
    assert prompted.fingerprint.window == plain.fingerprint.window - 3
    assert " with prompts " in prompted.fingerprint.pooling
    assert plain.fingerprint.pooling == "model"


def test_ingest_by_another_model_works(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "short.md").write_text("# A cat\n\nThe cat sat on the mat.\n")
    (tmp_path / "long.md").write_text(LONG)
    with Index.create(tmp_path / "index", model=str(tiny_model)) as index:
        assert index.ingest([tmp_path / "short.md", tmp_path / "long.md"]).added == 2
    with Index.open(tmp_path / "index") as index:
        assert index.query("the cat", k=1)[0].source.endswith(".md")
    library = Library(tmp_path / "index" / "library.sqlite3")
    stored = library.setting("fingerprint")
    library.close()
    assert stored["precision"] == "fp32" and "dtype" not in stored
    assert json.dumps(stored)


BROKEN: dict[str, Callable[[Vectors], object]] = {
    "number that is not finite": lambda vectors: vectors * np.float32("nan"),
    "unit length": lambda vectors: vectors * 3,
    "zero is not of unit length": lambda vectors: vectors * 0,
    "dimension": lambda vectors: vectors[:, 1:],
    "rows": lambda vectors: vectors[1:],
    "three axes": lambda vectors: vectors[:, :, None],
    "integers": lambda vectors: np.ones(vectors.shape, np.int64),
    "a list": lambda vectors: vectors.tolist(),
    "nothing": lambda vectors: None,
}


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_vectors_are_a_model_error(tmp_path: Path, fault: str) -> None:
    (tmp_path / "a.txt").write_text("a cat in the park", encoding="utf-8")
    with create_index(tmp_path / "index") as index:
        index.ingest([tmp_path / "a.txt"])

    class Broken(TinyEmbedder):
        def embed(
            self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
        ) -> Any:
            return BROKEN[fault](super().embed(texts, kind, progress))

    (tmp_path / "b.txt").write_text("a dog in the garden", encoding="utf-8")
    with open_index(tmp_path / "index", Broken()) as index:
        for use in (
            lambda: index.query("cat"),
            lambda: index.ingest([tmp_path / "b.txt"]),
            lambda: index.similar(tmp_path / "b.txt"),
        ):
            with pytest.raises(ModelError, match="tiny gave"):
                use()
        assert index.sources() == ["a.txt"]
        assert_sound(index)


def test_masked_vectors_are_stored_without_the_mask(tmp_path: Path) -> None:
    class Masked(TinyEmbedder):
        def embed(
            self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
        ) -> Any:
            vectors = super().embed(texts, kind, progress)
            return np.ma.array(vectors, mask=vectors > 0)

    (tmp_path / "a.txt").write_text("a cat in the park", encoding="utf-8")
    with create_index(tmp_path / "index", Masked()) as index:
        index.ingest([tmp_path / "a.txt"])
        assert_sound(index)
        assert index.query("a cat in the park", mode="dense")[0].score > 0.999
