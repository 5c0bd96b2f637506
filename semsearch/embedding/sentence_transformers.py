"""Any sentence-transformers model, through that library: on a GPU if there is one, from safetensors only."""

import contextlib
import copy
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import (
    SENTENCE_TRANSFORMERS,
    Fingerprint,
    Kind,
    ProgressCallback,
    Vectors,
    checked_dimensions,
    pooling_of,
    windows,
)
from semsearch.embedding.hub import cached_folder, hub_name
from semsearch.embedding.model_files import LONGEST_WINDOW, prompts_of
from semsearch.errors import ModelError, extra, reason_of

if TYPE_CHECKING:
    import torch

_TEXTS_PER_CALL = 2048


class TransformerEmbedder:
    """A sentence-transformers model by name (Hugging Face cache or hub) or folder.

    `name` is the model in the fingerprint, and `source` the folder or the name on the hub. `prompts` are those of a
    model whose files name none. `dimensions` and `device` are as in `OnnxEmbedder`. `stored` are the settings of an
    index whose vectors were made here. `reason` says why the model does not run on the fast road. With `fetch` a model
    that is not on this machine is downloaded. Raises `ModelError` if the model cannot be found or loaded.
    """

    def __init__(
        self,
        name: str,
        source: str = "",
        *,
        fetch: bool = True,
        dimensions: int | None = None,
        device: str = "auto",
        prompts: Mapping[Kind, str] = MappingProxyType({}),
        stored: Mapping[str, object] = MappingProxyType({}),
        reason: str = "",
    ) -> None:
        source = source or name
        with quiet(), extra("models", f"the model {name}"):
            from sentence_transformers import SentenceTransformer
        try:
            with quiet():
                self._model = SentenceTransformer(
                    source if fetch else _folder(source),
                    trust_remote_code=False,
                    local_files_only=not fetch,
                    device=None if device == "auto" else device,
                    model_kwargs={"use_safetensors": True},
                )
        except Exception as error:  # the library raises anything from OSError to KeyError on a bad model
            hint = "name a sentence-transformers model, or a folder that holds one with safetensors weights"
            if not fetch:
                hint = f"if the model is no longer on this machine, download it: semsearch ingest --model {name} PATH"
            raise ModelError(f"cannot load model {name!r}: {reason_of(error)}", hint) from error
        self._name = name
        self.reason = reason
        without = stored.get("pooling") == SENTENCE_TRANSFORMERS
        self._prompts = {} if without else prompts_of(self._model.prompts) or prompts
        # An ingest counts tokens while another thread embeds, and the model pads with its own tokenizer.
        self._tokenizer = copy.deepcopy(self._model.tokenizer)
        self._tokenizer.model_max_length = int(1e12)  # or counting the tokens of a long text warns
        self._tokenizing, self._embedding = threading.Lock(), threading.Lock()
        special = self._tokenizer.num_special_tokens_to_add()
        prompt = max(self.count_tokens(list(self._prompts.values()))[0], default=0)
        digest, self.size = _digest(self._model, source)
        own = int(self._model.get_embedding_dimension() or 0)
        longest = (self._model.get_max_seq_length() or LONGEST_WINDOW) - special - int(prompt)
        usual = min(longest, LONGEST_WINDOW - special - int(prompt))
        self.fingerprint = Fingerprint(
            model=name,
            weights=digest,
            dtype="float32",
            pooling=pooling_of(SENTENCE_TRANSFORMERS, self._prompts),
            dimension=checked_dimensions(name, own, dimensions),
            window=min(longest, int(str(stored.get("window", usual)))),
        )

    def count_tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the tokens of each text and how many are unknown; see `Tokenizing.count_tokens`."""
        unknown = self._tokenizer.unk_token_id
        ids: list[list[int]] = []
        if texts:  # the tokenizer fails on an empty list
            with self._tokenizing:
                ids = self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        tokens = np.fromiter(map(len, ids), np.int64, len(ids))
        return tokens, np.fromiter((row.count(unknown) for row in ids), np.int64, len(ids))

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        """Return unit vectors, float32 [len(texts), dimension]; see `Embedder.embed`.

        `kind` chooses the prompt if the model's configuration has one for it.
        """
        vectors = np.empty((len(texts), self.fingerprint.dimension), np.float32)
        for start in range(0, len(texts), _TEXTS_PER_CALL):
            chunk = texts[start : start + _TEXTS_PER_CALL]
            pieces, owners, weights = self._pieces(chunk)
            total = np.zeros((len(chunk), vectors.shape[1]), np.float32)
            np.add.at(total, owners, self._vectors(pieces, kind) * weights[:, None])
            vectors[start : start + len(chunk)] = total / np.linalg.norm(total, axis=1, keepdims=True)
            if progress is not None:
                progress(len(chunk))
        return vectors

    def _vectors(self, pieces: list[str], kind: Kind) -> Vectors:
        """Return the unit vectors of texts that fit the window. Raise `ModelError` if the model fails."""
        encode: Callable[..., Any] = self._model.encode
        if self._prompts:
            encode = self._model.encode_query if kind == "query" else self._model.encode_document
            encode = partial(encode, prompt=self._prompts.get(kind, ""))
        try:
            with self._embedding:
                return np.asarray(
                    encode(
                        pieces,
                        normalize_embeddings=True,
                        show_progress_bar=False,
                        truncate_dim=self.fingerprint.dimension,
                    ),
                    np.float32,
                )
        except Exception as error:  # torch raises RuntimeError and its own errors, such as for a full GPU
            raise ModelError(f"the model {self._name} failed: {reason_of(error)}") from error

    def _pieces(self, texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64], NDArray[np.float32]]:
        """Cut texts longer than the window. Return the pieces, and the text and the length in tokens of each."""
        with self._tokenizing:
            encoded = self._tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
        places = encoded["offset_mapping"]
        pieces, owners, weights = [], [], []
        for text, start, end in windows(list(map(len, places)), self.fingerprint.window):
            whole = end - start == len(places[text])
            pieces.append(
                texts[text] if whole else texts[text][places[text][start][0] : places[text][end - 1][1]]
            )
            owners.append(text)
            weights.append(max(1, end - start))
        return pieces, np.array(owners, np.int64), np.array(weights, np.float32)


def _folder(model: str) -> str:
    """Return the folder of a model on this machine, without a look at the hub.

    The library asks the hub about a name even with `local_files_only`. Raises `FileNotFoundError` if the model is not
    here.
    """
    if Path(model).is_dir():
        return model
    if folder := cached_folder(hub_name(model)):
        return str(folder)
    raise FileNotFoundError(f"{model} is not in the Hugging Face cache")


def _digest(model: object, name: str) -> tuple[str, int]:
    """Return the SHA-256 over the weights (names, shapes, types and bytes) and their size in bytes.

    A tensor that no file holds is initialised at random at each load, such as a missing pooler. It is left out, and
    the files' tensors are hashed in its place.
    """
    state = dict(sorted(model.state_dict().items()))  # type: ignore[attr-defined]
    contents = {key: _content(tensor) for key, tensor in state.items()}
    files = _file_tensors(name)
    stored = {
        _content(tensor.to(dtype))
        for tensor in files.values()
        for dtype in {tensor.dtype for tensor in state.values()}
    }
    digest, size = hashlib.sha256(), 0
    for key, tensor in state.items():
        size += tensor.nbytes
        if contents[key] in stored or not files:
            digest.update(f"{key}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(_bytes(tensor))
    if files and not stored.issuperset(contents.values()):
        for key, tensor in sorted(files.items()):
            digest.update(f"{key}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(_bytes(tensor))
    return digest.hexdigest(), size


def _file_tensors(name: str) -> dict[str, "torch.Tensor"]:
    """Return the tensors in the safetensors files of a model, by file and name; none if its folder is not found."""
    from safetensors import safe_open

    try:
        folder = Path(_folder(name))
    except Exception:  # the hub's library has no folder for the name
        return {}
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(folder.rglob("*.safetensors")):
        at = path.relative_to(folder).as_posix()
        with safe_open(path, framework="pt") as file:
            tensors |= {f"{at} {key}": file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return tensors


def _bytes(tensor: "torch.Tensor") -> bytes:
    import torch

    return tensor.detach().cpu().contiguous().view(-1).view(dtype=torch.uint8).numpy().tobytes()


def _content(tensor: "torch.Tensor") -> bytes:
    """Return a digest of a tensor's shape, type and bytes."""
    found = hashlib.blake2b(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
    found.update(_bytes(tensor))
    return found.digest()


_silence = threading.Lock()
_silent = 0
_before = logging.NOTSET


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' progress bars and advice off the user's terminal, for as long as any thread asks for it."""
    global _silent, _before
    with _silence:
        if not _silent:
            _before = logging.root.manager.disable
            logging.disable(logging.WARNING)
        _silent += 1
    try:
        with contextlib.suppress(ImportError):
            from transformers.utils import logging as transformers_logging

            transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        yield
    finally:
        with _silence:
            _silent -= 1
            if not _silent:
                logging.disable(_before)
