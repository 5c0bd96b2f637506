"""The models that are known by a short name, and what is worth knowing before one is chosen.

The values are those of the models' own files and model cards. The prompts of families are for models whose files lack
them, and for models on a server: what a model's own files say comes first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from semsearch.embedding import DEFAULT_MODEL, Kind

_RETRIEVAL = "Represent this sentence for searching relevant passages: "
_RETRIEVAL_ZH = "为这个句子生成表示以用于检索相关文章："
_PROMPTS: Mapping[str, Mapping[Kind, str]] = {
    "nomic-embed-text": {"query": "search_query: ", "passage": "search_document: "},
    "mxbai-embed": {"query": _RETRIEVAL},
    "arctic-embed2": {"query": "query: "},
    "arctic-embed-l-v2": {"query": "query: "},
    "arctic-embed-m-v2": {"query": "query: "},
    "arctic-embed": {"query": _RETRIEVAL},
    "bge-m3": {},
    "bge-small-zh": {"query": _RETRIEVAL_ZH},
    "bge-base-zh": {"query": _RETRIEVAL_ZH},
    "bge-large-zh": {"query": _RETRIEVAL_ZH},
    "bge-": {"query": _RETRIEVAL},
    "e5-mistral": {},
    "e5-large-instruct": {},
    "e5-": {"query": "query: ", "passage": "passage: "},
    "embeddinggemma": {"query": "task: search result | query: ", "passage": "title: none | text: "},
    "qwen3-embedding": {
        "query": "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
    },
}
"""The prompts of model families, from their model cards. The first family whose name a model's name contains counts."""


def prompts_by_name(name: str) -> Mapping[Kind, str]:
    """Return the prompts of the family that a model's name names, or none."""
    return next((prompts for family, prompts in _PROMPTS.items() if family in name.lower()), {})


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model with a short name.

    `hub_name` is its name on the Hugging Face hub. `languages` are codes, or the number of languages. `window` is in
    tokens, 0 for no limit, and `megabytes` the size of the weights to download, roughly. A model with `matryoshka` was
    trained for `--dimensions`.
    """

    name: str
    hub_name: str
    languages: str
    dimension: int
    window: int
    megabytes: int
    licence: str
    matryoshka: bool = False
    prompts: Mapping[Kind, str] = field(init=False)
    """Those to use where the model's own files name none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompts", prompts_by_name(self.name))


_ST = "sentence-transformers"
_MODELS = (
    KnownModel(DEFAULT_MODEL, f"{_ST}/{DEFAULT_MODEL}", "en", 384, 256, 91, "Apache-2.0"),
    KnownModel("all-MiniLM-L12-v2", f"{_ST}/all-MiniLM-L12-v2", "en", 384, 128, 133, "Apache-2.0"),
    KnownModel("all-mpnet-base-v2", f"{_ST}/all-mpnet-base-v2", "en", 768, 384, 438, "Apache-2.0"),
    KnownModel("multilingual-e5-small", "intfloat/multilingual-e5-small", "94", 384, 512, 471, "MIT"),
    KnownModel("multilingual-e5-base", "intfloat/multilingual-e5-base", "94", 768, 512, 1112, "MIT"),
    KnownModel("multilingual-e5-large", "intfloat/multilingual-e5-large", "94", 1024, 512, 2240, "MIT"),
    KnownModel(
        "paraphrase-multilingual-MiniLM-L12-v2",
        f"{_ST}/paraphrase-multilingual-MiniLM-L12-v2",
        "50", 384, 128, 471, "Apache-2.0",
    ),
    KnownModel(
        "paraphrase-multilingual-mpnet-base-v2",
        f"{_ST}/paraphrase-multilingual-mpnet-base-v2",
        "50", 768, 128, 1112, "Apache-2.0",
    ),
    KnownModel("LaBSE", f"{_ST}/LaBSE", "109", 768, 256, 1880, "Apache-2.0"),
    KnownModel("bge-m3", "BAAI/bge-m3", "100", 1024, 8192, 2270, "MIT"),
    KnownModel("bge-small-en-v1.5", "BAAI/bge-small-en-v1.5", "en", 384, 512, 133, "MIT"),
    KnownModel("bge-base-en-v1.5", "BAAI/bge-base-en-v1.5", "en", 768, 512, 438, "MIT"),
    KnownModel("bge-large-en-v1.5", "BAAI/bge-large-en-v1.5", "en", 1024, 512, 1340, "MIT"),
    KnownModel("bge-small-zh-v1.5", "BAAI/bge-small-zh-v1.5", "zh", 512, 512, 96, "MIT"),
    KnownModel("bge-base-zh-v1.5", "BAAI/bge-base-zh-v1.5", "zh", 768, 512, 409, "MIT"),
    KnownModel("bge-large-zh-v1.5", "BAAI/bge-large-zh-v1.5", "zh", 1024, 512, 1300, "MIT"),
    KnownModel("e5-small-v2", "intfloat/e5-small-v2", "en", 384, 512, 133, "MIT"),
    KnownModel("e5-base-v2", "intfloat/e5-base-v2", "en", 768, 512, 438, "MIT"),
    KnownModel("gte-small", "thenlper/gte-small", "en", 384, 512, 67, "MIT"),
    KnownModel("gte-base", "thenlper/gte-base", "en", 768, 512, 219, "MIT"),
    KnownModel("gte-large", "thenlper/gte-large", "en", 1024, 512, 670, "MIT"),
    KnownModel(
        "mxbai-embed-large-v1",
        "mixedbread-ai/mxbai-embed-large-v1",
        "en", 1024, 512, 670, "Apache-2.0", True,
    ),
    KnownModel(
        "nomic-embed-text-v1.5",
        "nomic-ai/nomic-embed-text-v1.5",
        "en", 768, 8192, 547, "Apache-2.0", True,
    ),
    KnownModel("potion-base-8M", "minishlab/potion-base-8M", "en", 256, 0, 30, "MIT"),
    KnownModel("potion-base-32M", "minishlab/potion-base-32M", "en", 512, 0, 129, "MIT"),
    KnownModel("potion-retrieval-32M", "minishlab/potion-retrieval-32M", "en", 512, 0, 129, "MIT"),
    KnownModel("potion-multilingual-128M", "minishlab/potion-multilingual-128M", "101", 256, 0, 512, "MIT"),
    KnownModel(
        "static-retrieval-mrl-en-v1",
        f"{_ST}/static-retrieval-mrl-en-v1",
        "en", 1024, 0, 125, "Apache-2.0", True,
    ),
    KnownModel(
        "static-similarity-mrl-multilingual-v1",
        f"{_ST}/static-similarity-mrl-multilingual-v1",
        "50", 1024, 0, 434, "Apache-2.0", True,
    ),
)  # fmt: skip
KNOWN = {model.name: model for model in _MODELS}
_BY_HUB_NAME = {model.hub_name.lower(): model for model in _MODELS}
_BY_NAME = {model.name.lower(): model for model in _MODELS}


def known(model: str) -> KnownModel | None:
    """Return what is known of a model by its short name or its name on the hub, in any case of letters."""
    return _BY_NAME.get(model.lower()) or _BY_HUB_NAME.get(model.lower())
