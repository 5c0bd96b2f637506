"""Embedding: text to vectors.

`load_embedder` gives the default model, all-MiniLM-L6-v2, or another one by name or folder. A model that a graph can be
written for runs on ONNX Runtime, without torch or transformers. Others run through sentence-transformers, and
`ollama:NAME` and `openai:NAME` on a server.

To add another engine, write a class with the members of `Embedder`. Add `count_tokens` if the engine has a tokenizer.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import InvalidInput, ModelError

if TYPE_CHECKING:
    from semsearch.embedding.adapter import Adapter

DEFAULT_MODEL = "all-MiniLM-L6-v2"
REMOTE = ("ollama:", "openai:")
"""The beginnings of the names of models on a server."""
MULTILINGUAL_MODEL = "multilingual-e5-small"
DTYPES = ("float32", "bfloat16", "int8")
AUTO = "auto"
"""The dtype that stands for bfloat16 where a measurement finds it faster, else for float32."""
DEVICES = ("auto", "cpu", "cuda")
SENTENCE_TRANSFORMERS = "model"
"""The pooling in a fingerprint if sentence-transformers makes the vectors. An index keeps the road that made it."""
STORED_DTYPES = {"float32": "fp32", "bfloat16": "bf16", "int8": "int8"}
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
    hashed. `dtype` is one of `DTYPES`, `window` the greatest number of tokens of a passage.
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
    plain = given if type(given) is np.ndarray else np.ma.getdata(given)  # to import numpy.ma takes 15 ms
    vectors: Vectors = np.asarray(plain, np.float32)
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


class Token(NamedTuple):
    """A piece of a text as a model reads it, and whether it is in the model's vocabulary."""

    text: str
    known: bool


@runtime_checkable
class Splitting(Protocol):
    """An embedder that can show its tokens. An embedder need not have this: see `tokens_of`."""

    def tokens(self, text: str) -> list[Token]:
        """Return the tokens of a text as they stand in it, without special ones."""


def tokens_of(embedder: Embedder, text: str) -> list[Token]:
    """Return the tokens of a text as they stand in it; of an embedder that cannot show them, the words of the text."""
    if isinstance(embedder, Splitting):
        return embedder.tokens(text)
    words = text.split()
    return [
        Token(word, not unknown)
        for word, unknown in zip(words, count_tokens(embedder, words)[1], strict=True)
    ]


class Reranker(Protocol):
    """A model that reads a query and a text together."""

    @property
    def name(self) -> str:
        """The name or folder that the model was loaded from."""

    def scores(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return how well each text answers the query, float64 [len(texts)]: higher is better.

        The unit is the model's own. Raises `ModelError` if the model gives anything but one finite number a text.
        """


def pooling_of(pooling: str, prompts: Mapping[Kind, str]) -> str:
    """Return what a fingerprint says of pooling. Prompts change the vectors, so they belong to it."""
    if not prompts:
        return pooling
    return f"{pooling} with prompts {hashlib.sha256(repr(sorted(prompts.items())).encode()).hexdigest()[:8]}"


def checked_dimensions(model: str, own: int, asked: int | None) -> int:
    """Return the dimension of the vectors if `asked` is asked for and the model has `own`. Raises `InvalidInput`."""
    if asked is not None and not 0 < asked <= own:
        raise InvalidInput(
            f"{model} has {own} dimensions, not {asked}", f"use --dimensions with 1 to {own}, or leave it out"
        )
    return asked or own


def model_name(model: str, stored: str = "") -> str:
    """Return the one name of a model: the resolved path of a folder, or the short name of a known model.

    A folder that holds the files of the default model is the default model. `stored` is the name in an index: it stays
    as it is.
    """
    if model.startswith(REMOTE):  # whatever lies in the working directory
        return model
    if Path(model).is_dir():
        from semsearch.embedding import weights

        path = str(Path(model).resolve())
        return DEFAULT_MODEL if path != stored and weights.holds_default(Path(model)) else path
    from semsearch.embedding.registry import known

    found = known(model)
    return found.name if found and model != stored else model


def load_embedder(
    model: str = DEFAULT_MODEL,
    dtype: str = "float32",
    *,
    dimensions: int | None = None,
    device: str = "auto",
    base_url: str | None = None,
    fetch: bool = True,
    stored: Mapping[str, object] | None = None,
    adapter: "Adapter | None" = None,
) -> Embedder:
    """Return the embedder for a model: a known name (see `registry`), a name on the Hugging Face hub, or a folder.

    `dtype` is one of `DTYPES`, or "auto": bfloat16 where a measurement finds it faster, else float32.
    `dimensions` cuts vectors to their first numbers, for models that were trained for it. `device` is one of `DEVICES`.
    `base_url` is the server of `ollama:NAME` or `openai:NAME`. `fetch` says that the user names the model: one that is
    not on this machine is downloaded from the Hugging Face hub, and one on a server may be sent texts. `stored` are the
    settings of an index: the model is loaded as that index was made, even if a new index would use it otherwise.
    `adapter` is added to the model, whose layers must be known.

    Raises `InvalidInput` for an unknown dtype, device or number of dimensions and for a malformed URL, `ModelError` if
    the model cannot be found, verified or loaded, and `MissingExtra` if it needs a package that is not installed.
    """
    for value, known, what in ((dtype, (*DTYPES, AUTO), "dtype"), (device, DEVICES, "device")):
        if value not in known:
            raise InvalidInput(f"{value!r} is not a {what}", f"use one of {', '.join(known)}")
    if base_url is not None and not model.startswith(REMOTE):
        raise InvalidInput(
            f"--base-url is for a model on a server, and {model} is not one",
            "name it as ollama:NAME or openai:NAME",
        )
    from semsearch.embedding.loading import ModelRequest, load

    return load(ModelRequest(model, dtype, dimensions, device, fetch, stored or {}, base_url, adapter))


def embed(
    texts: str | Sequence[str],
    model: str = DEFAULT_MODEL,
    *,
    base_url: str | None = None,
    kind: Kind = "passage",
) -> Vectors:
    """Return the unit vectors of texts, float32 [n, dimension]; a string is one text.

    The model is loaded for each call; `Index.embed` keeps it. `base_url` is for a model on a server. Raises what
    `load_embedder` does.
    """
    embedder = load_embedder(model, base_url=base_url)
    return embed_checked(embedder, [texts] if isinstance(texts, str) else list(texts), kind)


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
