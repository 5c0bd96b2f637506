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

from semsearch.errors import InvalidInput, ModelError

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DTYPES = ("float32", "int8")
STORED_DTYPES = {"float32": "fp32", "int8": "int8"}
"""The name of each dtype in indexes and label files on disk."""
BYTES_PER_TOKEN = 3
"""Estimate for embedders without a tokenizer: one token for every three bytes of UTF-8."""

Kind = Literal["query", "passage"]
Vectors = NDArray[np.float32]
ProgressCallback = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The identity of an embedder's vectors: equal fingerprints mean interchangeable vectors.

    `weights` is the SHA-256 of the model's weights, or what `canary_weights` makes for a model whose weights cannot be
    hashed. `dtype` is "float32" or "int8", `window` the greatest number of tokens of a passage.
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


def embed_checked(
    embedder: Embedder,
    texts: Sequence[str],
    kind: Kind = "passage",
    progress: ProgressCallback | None = None,
) -> Vectors:
    """Return what `embedder.embed` gives, float32 [len(texts), dimension], once it keeps the contract.

    Anyone may write an embedder, so everything in semsearch embeds through this function. Raises `ModelError` for
    another shape or type, a number that is not finite, and a vector that is not of unit length to within 1e-3.
    """
    given = embedder.embed(texts, kind, progress)
    name, shape = embedder.fingerprint.model, (len(texts), embedder.fingerprint.dimension)
    if not isinstance(given, np.ndarray) or not np.issubdtype(given.dtype, np.floating):
        kind_given = given.dtype if isinstance(given, np.ndarray) else type(given).__name__
        raise ModelError(f"{name} gave {kind_given}, and an embedder gives an array of float32")
    vectors: Vectors = np.asarray(np.ma.getdata(given), np.float32)
    if vectors.shape != shape:
        raise ModelError(f"{name} gave vectors of shape {vectors.shape} in place of {shape}")
    if not np.all(np.isfinite(vectors)):
        raise ModelError(f"{name} gave a vector with a number that is not finite")
    if not np.all(np.abs(np.linalg.norm(vectors, axis=1) - 1) < 1e-3):
        raise ModelError(f"{name} gave a vector that is not of unit length")
    return vectors


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
        """The name or folder that the model was loaded from."""

    def scores(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return how well each text answers the query, float64 [len(texts)]: higher is better.

        The unit is the model's own. Raises `ModelError` if the model gives anything but one finite number a text.
        """


def model_name(model: str, stored: str = "") -> str:
    """Return the one name of a model: the resolved path of a folder, or the default model's name without its owner.

    A folder that holds the files of the default model is the default model, unless `stored`, the name in an index, is
    the path of that folder.
    """
    if Path(model).is_dir():
        from semsearch.embedding import weights

        path = str(Path(model).resolve())
        return DEFAULT_MODEL if path != stored and weights.holds_default(Path(model)) else path
    return DEFAULT_MODEL if model == f"sentence-transformers/{DEFAULT_MODEL}" else model


def load_embedder(
    model: str = DEFAULT_MODEL, dtype: str = "float32", *, fetch: bool = True, pooling: str | None = None
) -> Embedder:
    """Return the embedder for a model name or folder. A dtype other than float32 exists for the default model only.

    With `fetch` a model that is not on this machine is downloaded from the Hugging Face hub. `pooling` is what an
    index has stored: it loads the model as that index was made, even if a new index would use it otherwise.

    Raises `InvalidInput` for an unknown dtype, and `ModelError` if the model cannot be found, verified or loaded.
    """
    if dtype not in DTYPES:
        raise InvalidInput(f"{dtype!r} is not a dtype", f"use one of {', '.join(DTYPES)}")
    folder = Path(model).resolve() if Path(model).is_dir() else None
    name = model_name(model) if pooling != "model" or folder is None else str(folder)
    if name == DEFAULT_MODEL:
        from semsearch.embedding.onnx import OnnxEmbedder

        return OnnxEmbedder(dtype, folder, fetch=fetch)
    if dtype != "float32":
        raise InvalidInput(
            f"{model} runs in float32 only; {dtype} is for {DEFAULT_MODEL}", "leave out --dtype"
        )
    from semsearch.embedding.sentence_transformers import TransformerEmbedder

    return TransformerEmbedder(name, fetch=fetch, prompts=pooling != "model")


def embed(texts: str | Sequence[str], model: str = DEFAULT_MODEL, *, kind: Kind = "passage") -> Vectors:
    """Return the unit vectors of texts, float32 [n, dimension]; a string is one text.

    The model is loaded for each call; `Index.embed` keeps it. Raises what `load_embedder` does.
    """
    return embed_checked(load_embedder(model), [texts] if isinstance(texts, str) else list(texts), kind)


def load_reranker(model: str) -> Reranker:
    """Return the cross-encoder of that name or folder. Raises `ModelError` if it cannot be found or loaded."""
    from semsearch.embedding.rerank import CrossEncoderReranker

    return CrossEncoderReranker(model)


def windows(lengths: Sequence[int], window: int) -> list[tuple[int, int, int]]:
    """Cut token sequences into pieces of at most `window` tokens and of nearly equal length.

    `lengths` are in tokens, one a text. Returns (text, start, end) for each piece, in tokens.
    """
    pieces = []
    for text, length in enumerate(lengths):
        count = max(1, -(-length // window))
        edges = [length * piece // count for piece in range(count + 1)]
        pieces += [(text, start, end) for start, end in pairwise(edges)]
    return pieces
