"""Use a model as a step of a scikit-learn pipeline: `make_pipeline(TextEmbedder(), LogisticRegression())`."""

from typing import Any

from semsearch.embedding import DEFAULT_MODEL, Embedder, Vectors, embed_checked, load_embedder
from semsearch.errors import extra
from semsearch.ingest.records import Records, texts_of

with extra("sklearn", "the transformer"):
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin


class TextEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # unknown where it is not installed
    """A transformer of texts into unit vectors. It learns nothing, so it is fitted at once.

    `model` is the name or folder of a model, and `dtype` its arithmetic. The model is loaded when first needed.
    """

    def __init__(self, model: str = DEFAULT_MODEL, dtype: str = "float32") -> None:
        self.model = model
        self.dtype = dtype

    def fit(self, X: Records, y: Any = None) -> "TextEmbedder":
        """Return the transformer itself."""
        return self

    def transform(self, X: Records) -> Vectors:
        """Return the vectors of texts, float32 [n, dimension]. A missing text counts as empty."""
        return embed_checked(self._embedder(), [text or "" for text in texts_of(X)])

    def _embedder(self) -> Embedder:
        loaded: tuple[str, str, Embedder] | None = self.__dict__.get("_loaded")
        if loaded is None or loaded[:2] != (self.model, self.dtype):
            self._loaded = loaded = (self.model, self.dtype, load_embedder(self.model, self.dtype))
        return loaded[2]

    @property
    def _n_features_out(self) -> int:
        return self._embedder().fingerprint.dimension

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        tags.requires_fit = False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the parameters, and not the model."""
        return {"model": self.model, "dtype": self.dtype}

    def __sklearn_is_fitted__(self) -> bool:
        return True
