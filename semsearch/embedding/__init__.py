"""Embedding: text to vectors.

`load_embedder()` gives the default model, all-MiniLM-L6-v2, on ONNX Runtime. It imports neither torch nor transformers.
Any other name or folder is a sentence-transformers model and runs through that library.

To add another engine, write a class with the members of `Embedder`. Add `count_tokens` if the engine has a tokenizer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import InvalidInput

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DTYPES = ("float32", "int8")
STORED_DTYPES = {"float32": "fp32", "int8": "int8"}
"""How indexes and label files on disk name each dtype."""
BYTES_PER_TOKEN = 3
"""Estimate for embedders without a tokenizer: one token for every three bytes of UTF-8."""

Kind = Literal["query", "passage"]
Vectors = NDArray[np.float32]
ProgressCallback = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The identity of an embedder's vectors: equal fingerprints mean interchangeable vectors.

    `weights` is the SHA-256 of the model's weights and tokenizer together.
    """

    model: str
    weights: str
    dtype: str
    pooling: str
    dimension: int
    window: int


class Embedder(Protocol):
    """A model that maps texts to unit vectors.

    Several threads may call one embedder at the same time.
    """

    @property
    def fingerprint(self) -> Fingerprint:
        """The identity of the vectors, the same each time the model is loaded."""

    @property
    def size(self) -> int:
        """The size of the weights on disk in bytes, or 0 if unknown."""

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        """Return the unit vectors of `texts` in their order, float32 [len(texts), dimension].

        `kind` says what the texts are. Models that embed questions and passages alike ignore it.
        No text is cut: a text longer than the window is embedded window by window, and the average is weighted by
        length. `progress` is called with the number of texts finished since the last call. Raises `ModelError` if the
        model fails.
        """


@runtime_checkable
class Tokenizing(Protocol):
    """An embedder that can count tokens. An embedder need not have this: see `count_tokens`."""

    def count_tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return two counts for each text, int64 [len(texts)]: all tokens, and those outside the vocabulary.

        Special tokens do not count.
        """


def count_tokens(embedder: Embedder, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return two counts for each text, int64 [len(texts)]: all tokens, and those outside the vocabulary.

    An embedder without a tokenizer gets an estimate: one token for every `BYTES_PER_TOKEN` bytes of UTF-8, rounded up,
    and none outside the vocabulary.
    """
    if isinstance(embedder, Tokenizing):
        return embedder.count_tokens(texts)
    sizes = (len(text.encode("utf-8", "surrogatepass")) for text in texts)
    tokens = np.fromiter((-(-size // BYTES_PER_TOKEN) for size in sizes), np.int64, len(texts))
    return tokens, np.zeros(len(texts), np.int64)


class Reranker(Protocol):
    """A model that reads a query and a text together."""

    @property
    def name(self) -> str:
        """What it was loaded by."""

    def scores(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """How well each text answers the query, float64 [len(texts)]: higher is better, in the model's own units."""


def model_name(model: str) -> str:
    """The one name of a model: a folder by its whole path, the default model without its owner."""
    if Path(model).is_dir():
        return str(Path(model).resolve())
    return DEFAULT_MODEL if model == f"sentence-transformers/{DEFAULT_MODEL}" else model


def load_embedder(model: str = DEFAULT_MODEL, dtype: str = "float32", *, fetch: bool = True) -> Embedder:
    """The embedder for a model name or folder; a `dtype` other than float32 exists for the default model only.

    With `fetch` a model that is not on this machine is fetched from the Hugging Face hub. Raises `ModelError` when the
    model cannot be found, verified or loaded.
    """
    if dtype not in DTYPES:
        raise InvalidInput(f"{dtype!r} is not a dtype", f"use one of {', '.join(DTYPES)}")
    model = model_name(model)
    if model == DEFAULT_MODEL:
        from semsearch.embedding.onnx import OnnxEmbedder

        return OnnxEmbedder(dtype)
    if dtype != "float32":
        raise InvalidInput(
            f"{model} runs in float32 only; {dtype} is for {DEFAULT_MODEL}", "leave out --dtype"
        )
    from semsearch.embedding.sentence_transformers import TransformerEmbedder

    return TransformerEmbedder(model, fetch=fetch)


def load_reranker(model: str) -> Reranker:
    """The cross-encoder by that name or in that folder. Raises `ModelError` when it cannot be found or loaded."""
    from semsearch.embedding.rerank import CrossEncoderReranker

    return CrossEncoderReranker(model)


def windows(lengths: Sequence[int], window: int) -> list[tuple[int, int, int]]:
    """Cut token sequences into (text, start, end) pieces of at most `window` tokens, near-equal in length."""
    pieces = []
    for text, length in enumerate(lengths):
        count = max(1, -(-length // window))
        edges = [length * piece // count for piece in range(count + 1)]
        pieces += [(text, start, end) for start, end in pairwise(edges)]
    return pieces
