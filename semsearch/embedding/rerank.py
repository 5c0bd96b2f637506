"""Judging a query and a text together: a cross-encoder, which reads both at once, through sentence-transformers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.sentence_transformers import quiet
from semsearch.errors import ModelError, extra


class CrossEncoderReranker:
    """A cross-encoder by name (Hugging Face cache or hub) or folder: safetensors only, and no code of its own."""

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
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ModelError(
                f"cannot load cross-encoder {model!r}: {reason}",
                "name one for sentence-transformers, or a folder that holds one with safetensors weights",
            ) from error

    def scores(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """How well each text answers the query, float64 [len(texts)]: higher is better, in the model's own units.

        What of a text goes beyond the model's window is not read.
        """
        with quiet():
            found = self._model.predict([(query, text) for text in texts], show_progress_bar=False)
        scores = np.asarray(found, np.float64)
        if scores.shape != (len(texts),) or not np.all(np.isfinite(scores)):
            raise ModelError(
                f"{self.name} does not give one score a text",
                "name a cross-encoder for ranking, with one output",
            )
        return scores
