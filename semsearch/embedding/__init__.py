"""Turning text into vectors.

`load_embedder()` gives the default model, all-MiniLM-L6-v2, on ONNX Runtime: neither torch nor transformers is
imported. Any other name or folder is a sentence-transformers model and runs through that library.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import InvalidInput

DEFAULT_MODEL = "all-MiniLM-L6-v2"
PRECISIONS = ("fp32", "int8")

Vectors = NDArray[np.float32]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What decides a vector: two embedders with equal fingerprints give interchangeable vectors.

    `weights` is the SHA-256 of the model's weights and tokenizer together.
    """

    model: str
    weights: str
    precision: str
    pooling: str
    dimension: int
    window: int


class Embedder(Protocol):
    """A model that maps texts to unit vectors."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Identity of the vectors this embedder makes."""

    @property
    def size(self) -> int:
        """Bytes of the weights on disk."""

    def measure(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tokens of each text without special tokens, and how many of them the tokenizer does not know."""

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Unit vectors, float32 [len(texts), dimension], in the order of `texts`.

        A text longer than the window is embedded window by window and averaged by length, never cut.
        `progress` is called with the number of texts finished since the last call.
        """


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


def load_embedder(model: str = DEFAULT_MODEL, precision: str = "fp32", *, fetch: bool = True) -> Embedder:
    """The embedder for a model name or folder; `precision` other than fp32 exists for the default model only.

    With `fetch` a model that is not on this machine is fetched from the Hugging Face hub. Raises `ModelError` when the
    model cannot be found, verified or loaded.
    """
    if precision not in PRECISIONS:
        raise InvalidInput(f"unknown precision {precision!r}", f"choose one of {', '.join(PRECISIONS)}")
    model = model_name(model)
    if model == DEFAULT_MODEL:
        from semsearch.embedding.onnx import OnnxEmbedder

        return OnnxEmbedder(precision)
    if precision != "fp32":
        raise InvalidInput(f"precision {precision} is for {DEFAULT_MODEL} only", "leave --precision out")
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
