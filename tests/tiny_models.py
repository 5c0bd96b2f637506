"""Write tiny sentence-transformers models of random weights, one of each kind that runs on ONNX Runtime."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from semsearch.embedding.model_files import OWN_GRAPH

WORDS = (
    "a", "and", "bread", "cat", "dog", "dough", "flour", "in", "leave", "mat", "on", "park", "passage", "query", "ran",
    "rise", "sat", "the", "to", "water",
)  # fmt: skip


def make_model(
    folder: Path,
    kind: str = "bert",
    *,
    words: Sequence[str] = WORDS,
    prompts: dict[str, str] | None = None,
    pooling: str = "mean",
    pooler: bool = True,
    dense: int = 0,
    positions: int = 80,
) -> Path:
    """Write a model and return its folder.

    `kind` is "bert", "distilbert", "mpnet", "roberta", "xlm-roberta" or "static", or "albert", which brings its own
    graph, as its makers would export it. `dense` is the width of a last layer.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from transformers import PreTrainedTokenizerFast

    torch.manual_seed(5)
    letters = sorted({letter for word in (*words, ": ,.?!-") for letter in word} | set("我昨天借了书图馆"))
    tokenizer, special = (_unigram if "roberta" in kind else _word_piece)(words, letters)
    if kind == "static":
        static = torch.randn(tokenizer.get_vocab_size(), 16)
        parts: list[Any] = [modules.StaticEmbedding(tokenizer, embedding_weights=static)]
    else:
        raw = folder.with_name(f"{folder.name}-raw")
        _encoder(kind, tokenizer.get_vocab_size(), positions).save_pretrained(raw)
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **special).save_pretrained(
            raw
        )
        with warnings.catch_warnings(action="ignore"):
            parts = [modules.Transformer(str(raw)), modules.Pooling(16, pooling)]  # type: ignore[arg-type]
    if dense:
        parts.append(modules.Dense(16, dense))
    with warnings.catch_warnings(action="ignore"):
        SentenceTransformer(
            modules=[*parts, modules.Normalize()], prompts=prompts or {}, device="cpu"
        ).save_pretrained(str(folder))
    if kind == "albert":
        _export(raw, folder / OWN_GRAPH)
    if not pooler:
        _without_pooler(folder / "model.safetensors")
    return folder


def _encoder(kind: str, vocabulary: int, positions: int) -> Any:
    import transformers

    shape: dict[str, Any] = {
        "vocab_size": vocabulary, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 32, "max_position_embeddings": positions, "initializer_range": 0.8,
    }  # fmt: skip
    if kind == "distilbert":
        config = transformers.DistilBertConfig(
            vocab_size=vocabulary, dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=positions,
            initializer_range=0.8,
        )  # fmt: skip
        return transformers.DistilBertModel(config)
    if kind == "albert":
        return transformers.AlbertModel(transformers.AlbertConfig(**shape, embedding_size=8))
    if kind == "mpnet":
        return transformers.MPNetModel(
            transformers.MPNetConfig(**shape | {"max_position_embeddings": positions + 2})
        )
    if kind == "bert":
        return transformers.BertModel(transformers.BertConfig(**shape))
    config = transformers.XLMRobertaConfig(
        **shape | {"max_position_embeddings": positions + 2}, pad_token_id=1, type_vocab_size=1
    )
    return transformers.XLMRobertaModel(config)


def _export(raw: Path, path: Path) -> None:
    """Write the graph of an encoder up to the vectors of its tokens."""
    import torch
    from transformers import AutoModel

    names = ("input_ids", "attention_mask", "token_type_ids")

    class TokenVectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(raw).eval()

        def forward(self, *given: Any) -> Any:
            return self.encoder(**dict(zip(names, given, strict=True))).last_hidden_state

    ones = torch.ones(2, 5, dtype=torch.long)
    path.parent.mkdir()
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            TokenVectors(),
            (ones, ones, ones - 1),
            str(path),
            input_names=list(names),
            output_names=["last_hidden_state"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in (*names, "last_hidden_state")},
            opset_version=17,
            dynamo=False,
        )


def _word_piece(words: Sequence[str], letters: Sequence[str]) -> tuple[Any, dict[str, str]]:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    names = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", *letters, *(f"##{letter}" for letter in letters)]
    names = list(dict.fromkeys([*names, *words]))
    tokenizer = Tokenizer(models.WordPiece({name: at for at, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 0))
    return tokenizer, {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}


def _unigram(words: Sequence[str], letters: Sequence[str]) -> tuple[Any, dict[str, str]]:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    scores = {"<s>": 0.0, "<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0, "▁": -5.0}
    scores |= {letter: -8.0 for letter in letters if letter != " "} | {f"▁{word}": -4.0 for word in words}
    tokenizer = Tokenizer(models.Unigram(list(scores.items()), unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    split = (
        pre_tokenizers.WhitespaceSplit(),
        pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always"),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(list(split))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    names = {"bos": "<s>", "cls": "<s>", "pad": "<pad>", "eos": "</s>", "sep": "</s>", "unk": "<unk>"}
    return tokenizer, {f"{name}_token": token for name, token in names.items()}


def _without_pooler(path: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(path)
    assert [name for name in weights if "pooler" in name]
    save_file(
        {name: tensor for name, tensor in weights.items() if "pooler" not in name}, path, {"format": "pt"}
    )
