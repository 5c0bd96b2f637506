"""Use a model as a step of a scikit-learn pipeline: `make_pipeline(TextEmbedder(), LogisticRegression())`."""

from typing import Any

from semsearch.embedding import DEFAULT_MODEL, Embedder, Vectors, embed_checked, load_embedder
from semsearch.errors import extra
from semsearch.ingest.records import Records, texts_of

with extra("sklearn", "the transformer"):
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin


class TextEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # unknown where it is not installed
    """A transformer of texts into unit vectors. It learns nothing, so it is fitted at once.

    `model` is the name or folder of a model, `dtype` its arithmetic, and `base_url` the server of a model on one. The
    model is loaded when first needed.
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, dtype: str = "float32", base_url: str | None = None
    ) -> None:
        self.model = model
        self.dtype = dtype
        self.base_url = base_url

    def fit(self, X: Records, y: Any = None) -> "TextEmbedder":
        """Return the transformer itself."""
        return self

    def transform(self, X: Records) -> Vectors:
        """Return the vectors of texts, float32 [n, dimension]. A missing text counts as empty."""
        return embed_checked(self._embedder(), [text or "" for text in texts_of(X)])

    def _embedder(self) -> Embedder:
        wanted = self.get_params()
        loaded: tuple[dict[str, Any], Embedder] | None = self.__dict__.get("_loaded")
        if loaded is None or loaded[0] != wanted:
            self._loaded = loaded = (wanted, load_embedder(**wanted))
        return loaded[1]

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
        return dict(self.get_params())

    def __sklearn_is_fitted__(self) -> bool:
        return True
