"""Any sentence-transformers model, through that library: on a GPU if there is one, from safetensors only."""

import contextlib
import copy
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Fingerprint, Kind, ProgressCallback, Vectors, windows
from semsearch.errors import ModelError, extra

if TYPE_CHECKING:
    import torch

_TEXTS_PER_CALL = 2048
_PASSAGE_PROMPTS = ("document", "passage", "corpus")
"""The names of a prompt for passages. The library adds an empty `document`, which would hide a `passage`."""
_NO_PROMPTS = "model"


class TransformerEmbedder:
    """A sentence-transformers model by name (Hugging Face cache or hub) or folder.

    With `fetch` a model that is not on this machine is downloaded. With `prompts` queries and passages get the prompts
    that the model's configuration names for them. Raises `ModelError` if the model cannot be found or loaded.
    """

    def __init__(self, model: str, *, fetch: bool = True, prompts: bool = True) -> None:
        with quiet(), extra("models", f"the model {model}"):
            from sentence_transformers import SentenceTransformer
        try:
            with quiet():
                self._model = SentenceTransformer(
                    model if fetch else _folder(model),
                    trust_remote_code=False,
                    local_files_only=not fetch,
                    model_kwargs={"use_safetensors": True},
                )
        except Exception as error:  # the library raises anything from OSError to KeyError on a bad model
            hint = "name a sentence-transformers model, or a folder that holds one with safetensors weights"
            if not fetch:
                hint = f"if the model is no longer on this machine, download it: semsearch ingest --model {model} PATH"
            raise ModelError(f"cannot load model {model!r}: {reason_of(error)}", hint) from error
        self._name = model
        self._prompts = _prompts(self._model.prompts) if prompts else {}
        # An ingest counts tokens while another thread embeds, and the model pads with its own tokenizer.
        self._tokenizer = copy.deepcopy(self._model.tokenizer)
        self._tokenizer.model_max_length = int(1e12)  # or counting the tokens of a long text warns
        self._tokenizing, self._embedding = threading.Lock(), threading.Lock()
        special = self._tokenizer.num_special_tokens_to_add()
        prompt = max(self.count_tokens(list(self._prompts.values()))[0], default=0)
        digest, self.size = _digest(self._model, model)
        self.fingerprint = Fingerprint(
            model=model,
            weights=digest,
            dtype="float32",
            pooling=_pooling(self._prompts),
            dimension=int(self._model.get_embedding_dimension() or 0),
            window=(self._model.get_max_seq_length() or 512) - special - int(prompt),
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
                    encode(pieces, normalize_embeddings=True, show_progress_bar=False), np.float32
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


def reason_of(error: Exception) -> str:
    """Return the first line of an error's message, or its type if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _prompts(configured: Mapping[str, str | None]) -> dict[Kind, str]:
    """Return the prompts for queries and passages that a model's configuration names; empty ones do not count."""
    passage = next((configured[name] for name in _PASSAGE_PROMPTS if configured.get(name)), None)
    found: dict[Kind, str | None] = {"query": configured.get("query"), "passage": passage}
    return {kind: prompt for kind, prompt in found.items() if prompt}


def _pooling(prompts: dict[Kind, str]) -> str:
    """Return what a fingerprint says of pooling. Prompts change the vectors, so that they belong to it."""
    if not prompts:
        return _NO_PROMPTS
    return (
        f"{_NO_PROMPTS} with prompts {hashlib.sha256(repr(sorted(prompts.items())).encode()).hexdigest()[:8]}"
    )


def _folder(model: str) -> str:
    """Return the folder of a model on this machine, without a look at the hub.

    The library asks the hub about a name even with `local_files_only`. Raises the error of the hub's library if the
    model is not here.
    """
    if Path(model).is_dir():
        return model
    from huggingface_hub import snapshot_download

    return snapshot_download(
        model if "/" in model else f"sentence-transformers/{model}", local_files_only=True
    )


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
