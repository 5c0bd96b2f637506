"""Cross-encoders, which read a query and a text together, through sentence-transformers."""

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.sentence_transformers import quiet
from semsearch.errors import ModelError, extra, reason_of


class CrossEncoderReranker:
    """A cross-encoder by name (Hugging Face cache or hub) or folder.

    It loads from safetensors only and runs no code from the model's folder. Raises `ModelError` if the model cannot be
    found or loaded, and `MissingExtra` without sentence-transformers.
    """

    def __init__(self, model: str) -> None:
        self.name = model
        with quiet(), extra("models", f"the cross-encoder {model}"):
            from sentence_transformers import CrossEncoder
        try:
            with quiet():
                self._model = CrossEncoder(
                    model, trust_remote_code=False, model_kwargs={"use_safetensors": True}
                )
        except Exception as error:  # as with other models: anything from OSError to KeyError
            raise ModelError(
                f"cannot load cross-encoder {model!r}: {reason_of(error)}",
                "name a cross-encoder for sentence-transformers, or a folder that holds one with safetensors weights",
            ) from error
        self._predicting = threading.Lock()

    def scores(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return how well each text answers the query, float64 [len(texts)]: higher is better, in the model's own unit.

        The model does not read the part of a text that is beyond its window. Raises `ModelError` if the model gives
        anything but one finite number a text.
        """
        if not texts:
            return np.empty(0)
        with quiet(), self._predicting:
            found = self._model.predict([(query, text) for text in texts], show_progress_bar=False)
        scores = np.asarray(found, np.float64)
        if scores.shape != (len(texts),) or not np.all(np.isfinite(scores)):
            raise ModelError(
                f"{self.name} does not give one score a text",
                "name a cross-encoder for ranking, with one output",
            )
        return scores
