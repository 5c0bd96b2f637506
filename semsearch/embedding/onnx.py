"""all-MiniLM-L6-v2 on ONNX Runtime: the default embedder, and the fast one on a CPU.

The first load writes the graph from the checked safetensors into the user's cache folder. After that a process needs
only `onnxruntime` and `tokenizers`.
"""

import hashlib
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

# From 1.29 on, onnxruntime contacts its maker's server when a model is loaded. This must be set before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
from filelock import FileLock
from numpy.typing import NDArray
from tokenizers import Tokenizer

from semsearch.embedding import (
    DEFAULT_MODEL,
    STORED_DTYPES,
    Fingerprint,
    Kind,
    ProgressCallback,
    Vectors,
    weights,
    windows,
)
from semsearch.embedding.tokens import Tokens
from semsearch.errors import ModelError
from semsearch.files import cache_folder, replacing

DIMENSION, WINDOW, SPECIAL_TOKENS = 384, 256, 2
_WEIGHTS_SHA256 = weights.SHA256["model.safetensors"]
_REBUILT = "delete it; the next run builds it again"
_GRAPH_VERSION = 3
_TOKENS_PER_BATCH = 1024
"""Padded tokens of a batch. The activations fit into the processor's cache; 512 to 4,096 differ by less than 5 %."""
_TEXTS_PER_SORT = 8192
"""Texts that are sorted by length at a time. This bounds memory, and batches hold almost no padding."""


class OnnxEmbedder:
    """The default model as one ONNX graph, with pooling and normalisation inside.

    `folder` is the folder that the user names for the weights, if any; with `fetch` missing weights are downloaded.
    Raises `ModelError` if the weights cannot be found, checked or loaded.
    """

    def __init__(self, dtype: str = "float32", folder: Path | None = None, *, fetch: bool = True) -> None:
        graph, tokenizer = _load(dtype, partial(weights.read, folder=folder, fetch=fetch))
        try:
            loaded = Tokenizer.from_str(tokenizer)
            self._session = onnxruntime.InferenceSession(
                graph, _options(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # both libraries raise their own subclasses of Exception
            where = graph if isinstance(graph, str) else cache_folder()
            raise ModelError(f"cannot load {where}: {error}", _REBUILT) from error
        loaded.no_padding()
        loaded.no_truncation()
        self._first, *_, self._last = loaded.encode("").ids
        self._unknown = loaded.token_to_id("[UNK]") or 0
        self._tokens = Tokens(loaded)
        self.fingerprint = Fingerprint(
            DEFAULT_MODEL, _WEIGHTS_SHA256, dtype, "mean", DIMENSION, WINDOW - SPECIAL_TOKENS
        )
        self.size = Path(graph).stat().st_size if isinstance(graph, str) else len(graph)

    def count_tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the tokens of each text and how many of them are [UNK]; see `Tokenizing.count_tokens`."""
        counts = array("q")
        for ids in self._tokens.ids(texts):
            counts.extend((len(ids), ids.count(self._unknown)))
        tokens, unknown = np.array(counts, np.int64).reshape(-1, 2).T
        return tokens, unknown

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        """Return unit vectors, float32 [len(texts), 384]; `kind` makes no difference. See `Embedder.embed`."""
        vectors = np.empty((len(texts), DIMENSION), np.float32)
        for start in range(0, len(texts), _TEXTS_PER_SORT):
            chunk = texts[start : start + _TEXTS_PER_SORT]
            self._embed_chunk(chunk, vectors[start : start + len(chunk)], progress)
        return vectors

    def _embed_chunk(self, texts: Sequence[str], out: Vectors, progress: ProgressCallback | None) -> None:
        ids = [np.array(row, np.int32) for row in self._tokens.ids(texts)]
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
                length = end - start + SPECIAL_TOKENS
                rows[row, :length] = [self._first, *ids[text][start:end], self._last]
                mask[row, :length] = 1
            (embedded,) = self._session.run(None, {"input_ids": rows, "attention_mask": mask})
            owners, starts, ends = np.array(batch).T
            np.add.at(out, owners, embedded * np.maximum(ends - starts, 1)[:, None].astype(np.float32))
            if progress is not None:
                progress(sum(end == len(ids[text]) for text, _, end in batch))
        out /= np.linalg.norm(out, axis=1, keepdims=True)


def _batches(pieces: list[tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int]]]:
    """Yield batches of pieces, longest first, of at most `_TOKENS_PER_BATCH` padded tokens each."""
    start = 0
    while start < len(pieces):
        width = pieces[start][2] - pieces[start][1] + SPECIAL_TOKENS
        count = max(1, _TOKENS_PER_BATCH // width)
        yield pieces[start : start + count]
        start += count


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # The graph is written with fused operators already. The optimiser would only slow the start.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # Without this, threads that spin after a query slow the comparison down to half its speed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _load(dtype: str, read: Callable[[str], bytes]) -> tuple[str | bytes, str]:
    """Return the path of the cached graph and the tokenizer's JSON.

    If no cache can be written, the graph comes as bytes. `read` gives the checked content of a file of the model.
    """
    folder = cache_folder() / "models" / f"{DEFAULT_MODEL}-{_WEIGHTS_SHA256[:12]}"
    graph, tokenizer = folder / f"{STORED_DTYPES[dtype]}-{_GRAPH_VERSION}.onnx", folder / "tokenizer.json"
    try:
        if not (graph.exists() and tokenizer.exists()):
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / "lock"):  # a second process waits, then finds the files
                if not tokenizer.exists():
                    with replacing(tokenizer) as file:
                        file.write(read("tokenizer.json"))
                if not graph.exists():
                    with replacing(graph) as file:
                        file.write(_export(dtype, read))
        content = tokenizer.read_bytes()
        if hashlib.sha256(content).hexdigest() != weights.SHA256["tokenizer.json"]:
            raise ModelError(f"{tokenizer} is damaged", _REBUILT)
        return str(graph), content.decode()
    except OSError:  # a read-only or full cache costs a second at each start, but nothing fails
        return _export(dtype, read), read("tokenizer.json").decode()


def _export(dtype: str, read: Callable[[str], bytes]) -> bytes:
    """Return the graph as an ONNX file, built from the weights."""
    from safetensors.numpy import load

    from semsearch.embedding import graph

    content: bytes = graph.build(load(read("model.safetensors")), dtype).SerializeToString()
    return content
