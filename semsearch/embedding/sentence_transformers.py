"""Any sentence-transformers model, through that library: on a GPU if there is one, safetensors only."""

import contextlib
import copy
import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Fingerprint, Kind, ProgressCallback, Vectors, windows
from semsearch.errors import ModelError, extra

_TEXTS_PER_CALL = 2048


class TransformerEmbedder:
    """A sentence-transformers model by name (Hugging Face cache or hub) or folder."""

    def __init__(self, model: str, *, fetch: bool = True) -> None:
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
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            hint = "name a sentence-transformers model or a folder that holds one with safetensors weights"
            if not fetch:
                hint = (
                    f"if it is not on this machine any more, fetch it: semsearch ingest --model {model} PATH"
                )
            raise ModelError(f"cannot load model {model!r}: {reason}", hint) from error
        # A copy of our own: the model pads with its one, and an ingest measures texts while others are embedded.
        self._tokenizer = copy.deepcopy(self._model.tokenizer)
        window = self._model.get_max_seq_length() or 512
        special = self._tokenizer.num_special_tokens_to_add()
        digest, self.size = _digest(self._model)
        self.fingerprint = Fingerprint(
            model=model,
            weights=digest,
            dtype="float32",
            pooling="model",
            dimension=int(self._model.get_embedding_dimension() or 0),
            window=window - special,
        )

    def count_tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tokens of each text without special tokens, and how many of them the tokenizer does not know."""
        ids = self._ids(texts)
        unknown = self._tokenizer.unk_token_id
        tokens = np.fromiter(map(len, ids), np.int64, len(ids))
        return tokens, np.fromiter((row.count(unknown) for row in ids), np.int64, len(ids))

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        """Unit vectors, float32 [len(texts), dimension]; see `Embedder.embed`."""
        vectors = np.empty((len(texts), self.fingerprint.dimension), np.float32)
        for start in range(0, len(texts), _TEXTS_PER_CALL):
            chunk = texts[start : start + _TEXTS_PER_CALL]
            pieces, owners, weights = self._pieces(chunk)
            encoded = self._model.encode(pieces, normalize_embeddings=True, show_progress_bar=False)
            total = np.zeros((len(chunk), vectors.shape[1]), np.float32)
            np.add.at(total, owners, np.asarray(encoded, np.float32) * weights[:, None])
            vectors[start : start + len(chunk)] = total / np.linalg.norm(total, axis=1, keepdims=True)
            if progress is not None:
                progress(len(chunk))
        return vectors

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        with quiet():
            ids: list[list[int]] = self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return ids

    def _pieces(self, texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64], NDArray[np.float32]]:
        """The texts, with those beyond the window cut into pieces that the model reads whole."""
        with quiet():
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
    """Where a model lies on this machine: given its name, the library looks for its home even with `local_files_only`.

    Raises what the hub's library raises where it is not here.
    """
    if Path(model).is_dir():
        return model
    from huggingface_hub import snapshot_download

    return snapshot_download(
        model if "/" in model else f"sentence-transformers/{model}", local_files_only=True
    )


def _digest(model: object) -> tuple[str, int]:
    """SHA-256 over the weights as loaded (names, shapes and bytes), and their size."""
    import torch

    digest, size = hashlib.sha256(), 0
    for name, tensor in sorted(model.state_dict().items()):  # type: ignore[attr-defined]
        array = tensor.detach().cpu().contiguous().view(-1)
        content = array.view(dtype=torch.uint8).numpy().tobytes()
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(content)
        size += len(content)
    return digest.hexdigest(), size


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' progress bars and advice off the user's terminal."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.suppress(ImportError):
            from transformers.utils import logging as transformers_logging

            transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        yield
    finally:
        logging.disable(previous)
