"""Models on ONNX Runtime: the fast road, for the default model and every other that a graph can be written for.

The first load writes the graph from the model's safetensors into the user's cache folder. After that a process needs
only `onnxruntime` and `tokenizers`.
"""

import hashlib
import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from semsearch import threads
from semsearch.embedding import (
    DEFAULT_MODEL,
    STORED_DTYPES,
    Fingerprint,
    Kind,
    ProgressCallback,
    Token,
    Vectors,
    checked_dimensions,
    pooling_of,
    windows,
)
from semsearch.embedding.cross_encoder import CrossEncoder, CrossEncoderWeights, PairTokens
from semsearch.embedding.model_files import ModelFiles, UnsupportedModel
from semsearch.embedding.runtime import onnxruntime
from semsearch.embedding.token_vectors import TextTokens, TokenReader, token_graph
from semsearch.embedding.tokens import Tokens
from semsearch.embedding.unigram import PieceTable, write_table
from semsearch.errors import InvalidInput, MissingExtra, ModelError, SemsearchError
from semsearch.files import cache_folder, replacing

_INLINE = 2**24
"""Bytes of weights from which on large tensors have a separate file, which is mapped into memory, not read. The default
model then loads in half the time and with 85 MB less: decision 165."""
_CUDA = "CUDAExecutionProvider"
Special = dict[str, Any]
"""The special tokens `before` and `after` a text, and the token for what is `unknown`."""
_REBUILT = "delete it; the next run builds it again"
_GRAPH_VERSION, _TABLE_VERSION = 4, 1
_TOKENS_PER_BATCH = 1024
"""Padded tokens of a batch. The activations fit into the processor's cache; 512 to 4,096 differ by less than 5 %."""
_OF_A_TABLE, _OF_CUDA = 2**14, 2**15
"""The same for a table of token vectors, which has next to no activations, and for a GPU (chosen, not measured)."""
_PADDING = 12
"""The most padding of a batch where a processor computes layers: to read all weights once more takes as long."""
_TEXTS_PER_SORT = 8192
"""Texts that are sorted by length at a time. This bounds memory, and batches hold almost no padding."""
_TINY = np.float32(1e-30)


class OnnxEmbedder:
    """A model as one ONNX graph, with pooling and normalisation inside.

    `dimensions` cuts each vector to its first numbers and restores the unit length (Kusupati et al. 2022, Matryoshka
    representation learning, arXiv:2205.13147). `device` is "cpu", "cuda", or "auto" for CUDA where ONNX Runtime has it.
    `files` are what the model was loaded from. Raises `ModelError` if the weights cannot be found, checked or loaded,
    and `InvalidInput` for more dimensions than the model has, for a dtype that it cannot have, and for a device that is
    missing.
    """

    def __init__(
        self, files: ModelFiles, dtype: str = "float32", dimensions: int | None = None, *, device: str = "cpu"
    ) -> None:
        dimension = checked_dimensions(files.name, files.dimension, dimensions)
        if dtype != "float32" and not can_have_other_dtypes(files):
            kind = "brings its own graph" if files.graph else "is a table of vectors"
            raise InvalidInput(f"{files.name} {kind} and runs in float32 only", "leave out --dtype")
        if dtype == "bfloat16":
            if device == "cuda":
                raise InvalidInput("bfloat16 is for the processor", "use --set device=cpu or dtype=float32")
            device = "cpu"
        providers = _providers(device)
        graph, self._tokens, special = _load(files, "int8" if dtype == "int8" else "float32")
        self._session = _session(graph, files, providers, dtype)
        self._graph, self.files, self._providers = graph, files, providers
        self._has_layers = can_have_other_dtypes(files)
        if device == "cuda" and _CUDA not in self._session.get_providers():
            raise ModelError(
                "ONNX Runtime cannot use a GPU here", "check the driver, or use --set device=cpu"
            )
        self._name = files.name
        self._before: list[int] = special["before"] if files.encoder.layers else []
        self._after: list[int] = special["after"] if files.encoder.layers else []
        self._unknown = special["unknown"]
        self._prompts = files.prompts
        self._prompt_ids = {kind: next(self._ids([text])) for kind, text in files.prompts.items()}
        window = files.window - len(self._before) - len(self._after)
        window -= max(map(len, self._prompt_ids.values()), default=0)
        if window < 1:
            raise ModelError(
                f"the prompts of {files.name} fill its window of {files.window} tokens", "shorten them"
            )
        self._dimension = files.dimension
        self._tokens_per_batch = self._padding_per_batch = _OF_CUDA if len(providers) > 1 else _OF_A_TABLE
        if files.encoder.layers and len(providers) == 1:
            self._tokens_per_batch, self._padding_per_batch = _TOKENS_PER_BATCH, _PADDING
        self.fingerprint = Fingerprint(
            files.name,
            files.digest,
            dtype,
            pooling_of(files.pooling, files.prompts),
            dimension,
            window,
        )
        self.size = _size(Path(graph)) if isinstance(graph, str) else len(graph)

    def count_tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the tokens of each text and how many of them are unknown; see `Tokenizing.count_tokens`."""
        counts = array("q")
        for ids in self._ids(texts):
            counts.extend((len(ids), ids.count(self._unknown)))
        tokens, unknown = np.array(counts, np.int64).reshape(-1, 2).T
        return tokens, unknown

    def tokens(self, text: str) -> list[Token]:
        """Return the tokens of a text as they stand in it; see `Splitting.tokens`."""
        with _of_model(self._name):
            found = self._tokens.places(text)
        return [Token(text[start:end], number != self._unknown) for number, start, end in found]

    @property
    def token_vectors(self) -> TokenReader | None:
        """Return what gives the tokens of texts with their vectors, or None for a model whose layers are not known.

        The first call loads a second session of the model.
        """
        return self._token_vectors if self._has_layers else None

    def cross_encoder(self, weights: CrossEncoderWeights) -> CrossEncoder:
        """Return what reads pairs by this model with trained weights; only for one that has `token_vectors`.

        Raises `ModelError` for weights that do not fit the model.
        """
        graph = _graph_bytes(lambda: weights.graph(self.files), self._name)
        session = _session(graph, self.files, self._providers)

        def read(inputs: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
            with _of_model(self._name):
                found: NDArray[np.float32] = session.run(None, inputs)[0]
            return found

        return CrossEncoder(self.pair_tokens, read)

    @property
    def pair_tokens(self) -> PairTokens:
        """The tokenizer of pairs for a cross-encoder."""
        return PairTokens(self._ids, self._before, self._after, self.files.window)

    @cached_property
    def _layers_session(self) -> onnxruntime.InferenceSession:
        graph = self._graph if len(self._providers) > 1 else _load(self.files, "int8")[0]  # decision 178
        return _session(token_graph(graph), self.files, self._providers)

    def _token_vectors(self, texts: Sequence[str]) -> list[TextTokens]:
        ids = list(self._ids(texts))
        pieces = windows([len(row) for row in ids], self.fingerprint.window)
        pieces.sort(key=lambda piece: piece[1] - piece[2])
        found: list[list[tuple[int, NDArray[np.float32]]]] = [[] for _ in ids]
        for batch in self._batches(pieces, [0] * len(ids)):
            rows, mask = self._padded([ids[text][start:end] for text, start, end in batch])
            with _of_model(self._name):
                inputs = {"input_ids": rows, "attention_mask": mask}
                layers = np.stack(self._layers_session.run(None, inputs)[1:])
            for row, (text, start, end) in enumerate(batch):
                first = len(self._before)
                own = layers[:, row, first : first + end - start]
                found[text].append(
                    (start, own / np.maximum(np.linalg.norm(own, axis=2, keepdims=True), _TINY))
                )
        return [
            TextTokens(
                np.array(row, np.int64),
                np.concatenate([part for _, part in sorted(parts, key=itemgetter(0))], axis=1),
            )
            for row, parts in zip(ids, found, strict=True)
        ]

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return token ids with the special ones, int64 [rows, longest], and the mask of what is not padding."""
        whole = [[*self._before, *row, *self._after] for row in rows]
        width = max(1, *map(len, whole))
        padded = np.zeros((len(whole), width), np.int64)
        for at, row in enumerate(whole):
            padded[at, : len(row)] = row
        return padded, (np.arange(width) < np.array([len(row) for row in whole])[:, None]).astype(np.int64)

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        """Return unit vectors, float32 [len(texts), dimension]; `kind` chooses the prompt. See `Embedder.embed`."""
        vectors = np.empty((len(texts), self.fingerprint.dimension), np.float32)
        for start in range(0, len(texts), _TEXTS_PER_SORT):
            chunk = texts[start : start + _TEXTS_PER_SORT]
            self._embed_chunk(chunk, kind, vectors[start : start + len(chunk)], progress)
        return vectors

    def _ids(self, texts: Sequence[str], prompt: str = "") -> Iterator[list[int]]:
        """Yield the tokens of each text after a prompt."""
        with _of_model(self._name):
            yield from self._tokens.ids([prompt + text for text in texts] if prompt else texts)

    def _embed_chunk(
        self, texts: Sequence[str], kind: Kind, out: Vectors, progress: ProgressCallback | None
    ) -> None:
        prompt, dimension = self._prompt_ids.get(kind, []), out.shape[1]
        with _of_model(self._name):  # a number of a token may be larger than any vocabulary
            ids = [np.array(row, np.int32) for row in self._ids(texts, self._prompts.get(kind, ""))]
        # A tokenizer may join the last blank of a prompt with the text, so the prompt is what both begin with.
        leads = [_common(prompt, row) for row in ids]
        sizes = [len(row) - lead for row, lead in zip(ids, leads, strict=True)]
        pieces = windows(sizes, self.fingerprint.window)
        # Longest first: the first batch needs the most memory.
        pieces.sort(key=lambda piece: piece[1] - piece[2] - leads[piece[0]])
        out[:] = 0
        for batch in self._batches(pieces, leads):
            rows, mask = self._padded(
                [
                    [*ids[text][: leads[text]], *ids[text][leads[text] + start : leads[text] + end]]
                    for text, start, end in batch
                ]
            )
            with _of_model(self._name):
                (embedded,) = self._session.run(None, {"input_ids": rows, "attention_mask": mask})
                embedded = embedded.reshape(len(batch), self._dimension)[:, :dimension]
            if dimension < self._dimension:
                embedded /= np.maximum(np.linalg.norm(embedded, axis=1, keepdims=True), _TINY)
            owners, starts, ends = np.array(batch).T
            np.add.at(out, owners, embedded * np.maximum(ends - starts, 1)[:, None].astype(np.float32))
            if progress is not None:
                progress(sum(end == sizes[text] for text, _, end in batch))
        norms = np.linalg.norm(out, axis=1, keepdims=True)
        empty = norms[:, 0] == 0  # no token of the text is in a table of vectors
        out[empty], norms[empty] = 1, dimension**0.5
        out /= norms

    def _batches(
        self, pieces: list[tuple[int, int, int]], leads: list[int]
    ) -> Iterator[list[tuple[int, int, int]]]:
        """Yield batches of pieces, longest first, of about as many padded tokens as the device takes at a time."""
        batch: list[tuple[int, int, int]] = []
        width = padding = 0
        for piece in pieces:
            text, first, last = piece
            size = max(1, leads[text] + last - first + len(self._before) + len(self._after))
            padding += width - size
            if batch and (
                (len(batch) + 1) * width > self._tokens_per_batch or padding > self._padding_per_batch
            ):
                yield batch
                batch = []
            if not batch:
                width, padding = size, 0
            batch.append(piece)
        if batch:
            yield batch


def _session(
    graph: str | bytes,
    files: ModelFiles,
    providers: Sequence[tuple[str, dict[str, str]]],
    dtype: str = "float32",
) -> Any:
    """Return what runs a graph: a session of ONNX Runtime, or one in bfloat16 with the same method `run`."""
    try:
        if dtype == "bfloat16":
            from semsearch.embedding.openvino import BFloat16Session

            return BFloat16Session(graph)
        return onnxruntime.InferenceSession(
            graph, _options(fused=files.graph is None), providers=list(providers)
        )
    except MissingExtra:
        raise
    except Exception as error:  # the libraries raise their own subclasses of Exception
        where = graph if isinstance(graph, str) else cache_folder()
        raise ModelError(f"cannot load {where} of {files.name}: {error}", _REBUILT) from error


@contextmanager
def _of_model(name: str) -> Iterator[None]:
    """Turn what the libraries raise while a model runs into `ModelError`: some damage is found no earlier."""
    try:
        yield
    except (SemsearchError, MemoryError):
        raise
    except Exception as error:  # both libraries raise their own subclasses of Exception
        raise ModelError(f"cannot run the model {name}: {error}") from error


def _common(prompt: list[int], tokens: NDArray[np.int32]) -> int:
    """Return the number of tokens that two sequences both begin with."""
    return next(
        (at for at, (a, b) in enumerate(zip(prompt, tokens, strict=False)) if a != b),
        min(len(prompt), len(tokens)),
    )


def _special(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return the special tokens that a tokenizer puts before and after a text."""
    found = tokenizer.encode("a")
    own = [at for at, special in enumerate(found.special_tokens_mask) if not special]
    return found.ids[: own[0]], found.ids[own[-1] + 1 :]


def _unknown(tokenizer: Tokenizer, content: str) -> int:
    """Return the number of the token for what is outside the vocabulary, or -1 for a tokenizer without one."""
    # Unigram; no other place has the name unescaped.
    if by_number := re.search(r'(?<!\\)"unk_id": ?(\d+)', content):
        return int(by_number[1])
    name = getattr(tokenizer.model, "unk_token", None)
    number = tokenizer.token_to_id(name) if name else None
    return -1 if number is None else number


def _providers(device: str) -> list[tuple[str, dict[str, str]]]:
    """Return ONNX Runtime's providers for a device, the first choice first. Raises `InvalidInput`."""
    cuda = _CUDA in onnxruntime.get_available_providers()
    if device == "cuda" and not cuda:
        raise InvalidInput(
            "ONNX Runtime has no CUDA here",
            "install onnxruntime-gpu in place of onnxruntime, or use --set device=cpu",
        )
    # By default CUDA rounds the inputs of float32 products to ten bits.
    return [*([(_CUDA, {"use_tf32": "0"})] if cuda and device != "cpu" else []), ("CPUExecutionProvider", {})]


def can_have_other_dtypes(files: ModelFiles) -> bool:
    """Return whether a model has layers whose graph is written here, and so other dtypes than float32."""
    return files.graph is None and bool(files.encoder.layers)


def has_gpu(device: str) -> bool:
    """Return whether float32 runs on a GPU if `device` is asked for. Raises `InvalidInput` if it is missing."""
    return len(_providers(device)) > 1


def _options(*, fused: bool = True) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads.cores()
    options.log_severity_level = 3
    if fused:  # as our graphs are written; the optimiser would only slow the start
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # Threads that spin take processors from what else runs, here and in other processes. On a busy machine a query took
    # 47 to 95 ms with spinning and 13 to 22 ms without, for half the processor time (decisions/0129).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def graph_folder(files: ModelFiles) -> Path:
    """Return the folder of a model's graphs in the cache."""
    if files.name == DEFAULT_MODEL:
        name = f"{files.name}-{files.digest[:12]}"  # 12 digits of a digest that is known do
    else:
        name = f"{re.sub(r'[^A-Za-z0-9.-]+', '_', Path(files.name).name)[:60]}-{files.digest[:32]}"
    return cache_folder() / "models" / name


def _load(files: ModelFiles, dtype: str) -> tuple[str | bytes, Tokens, Special]:
    """Return the path of the cached graph, what tokenizes, and the special tokens.

    If no cache can be written, the graph comes as bytes.
    """
    folder = graph_folder(files)
    graph, tokenizer = folder / f"{STORED_DTYPES[dtype]}-{_GRAPH_VERSION}.onnx", folder / "tokenizer.json"
    try:
        if not (graph.exists() and tokenizer.exists()):
            from filelock import FileLock

            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / "lock"):  # a second process waits, then finds the files
                if not tokenizer.exists():
                    with replacing(tokenizer) as file:
                        file.write(files.tokenizer())
                if not graph.exists():
                    _write(files, dtype, graph)
                    former = graph.with_name(f"{STORED_DTYPES[dtype]}-{_GRAPH_VERSION - 1}.onnx")
                    for path in (former, former.with_suffix(".data")):
                        with suppress(OSError):  # Windows, while another process has it
                            path.unlink(missing_ok=True)
        return str(graph), *_tokens(files, tokenizer)
    except OSError:  # a read-only or full cache costs a second at each start, but nothing fails
        loaded, special = _tokenizer(files.tokenizer(), files.name)
        return _built(files, dtype), Tokens(lambda: loaded), special


def _tokens(files: ModelFiles, path: Path) -> tuple[Tokens, Special]:
    """Return what tokenizes by the `tokenizer.json` in the cache, and the special tokens.

    A large vocabulary has a table of its pieces next to it, and is loaded only where the table does not do. Raises
    `OSError`.
    """

    def load() -> tuple[bytes, Tokenizer, Special]:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != files.tokenizer_sha256:
            raise ModelError(f"{path} is damaged", _REBUILT)
        return content, *_tokenizer(content, files.name)

    pieces = path.with_name(f"pieces-{_TABLE_VERSION}.bin")
    with suppress(OSError, ValueError):  # it is absent or damaged
        table = PieceTable(np.memmap(pieces, np.uint8, "r").data)
        if table.special["tokenizer"] == files.tokenizer_sha256:
            return Tokens(lambda: load()[1], table), table.special
    content, loaded, special = load()
    with _of_model(files.name):
        written = write_table(content, special | {"tokenizer": files.tokenizer_sha256})
    if written:
        with suppress(OSError), replacing(pieces) as file:
            file.write(written)
    return Tokens(lambda: loaded), special


def _tokenizer(content: bytes, name: str) -> tuple[Tokenizer, Special]:
    """Return the tokenizer of a `tokenizer.json`, and its special tokens. Raises `ModelError` with a model's name."""
    try:
        loaded = Tokenizer.from_str(content.decode())
        loaded.no_padding()
        loaded.no_truncation()
        before, after = _special(loaded)
        unknown = _unknown(loaded, content.decode())
    except Exception as error:  # the library raises a subclass of Exception
        raise ModelError(f"cannot use the tokenizer of {name}: {error}") from error
    return loaded, {"before": before, "after": after, "unknown": unknown}


def _size(graph: Path) -> int:
    """Return the size of a graph with its separate file of large tensors, if it has one."""
    return sum(path.stat().st_size for path in (graph, graph.with_suffix(".data")) if path.exists())


def _write(files: ModelFiles, dtype: str, path: Path) -> None:
    """Write the graph of a model, the large tensors of a large model into a separate file. Raises `OSError`."""
    if files.size < _INLINE:
        content = _built(files, dtype)
    else:
        data = path.with_suffix(".data")
        with replacing(data) as file:
            content = _built(files, dtype, file, data.name)
    with replacing(path) as file:
        file.write(content)


def _built(files: ModelFiles, dtype: str, data: BinaryIO | None = None, location: str = "") -> bytes:
    """Return the graph as an ONNX file; see `graph.build`. Raises `ModelError` if the weights do not fit it."""
    from semsearch.embedding import graph

    place = graph.DataFile(data, location) if data else None
    return _graph_bytes(lambda: bytes(graph.build(files, dtype, place).SerializeToString()), files.name)


def _graph_bytes(build: Callable[[], bytes], name: str) -> bytes:
    """Return what builds a graph, and raise `ModelError` if the weights of a model do not fit it."""
    try:
        return build()
    except KeyError as error:
        raise UnsupportedModel(f"its weights have no {error}") from error
    except (
        TypeError,
        ValueError,
        IndexError,
        OverflowError,
    ) as error:  # shapes that do not fit, and more than 2 GB
        raise ModelError(f"cannot write a graph for {name}: {error}") from error
