"""Read what the files of a model say: the one value that every graph is written from.

`read_folder` reads a sentence-transformers folder without torch or transformers. A folder is untrusted input: sizes are
bounded, weights come from safetensors only, no code is run, and a name in a file leads to no place outside the folder.

A folder has the form of sentence-transformers (Reimers and Gurevych 2019, arXiv:1908.10084): `modules.json` lists the
modules, each with a configuration in its own folder. The first module is an encoder in the form of Hugging Face.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Kind
from semsearch.embedding.four_bit import FourBitMatrix
from semsearch.errors import InvalidInput, ModelError
from semsearch.files import cache_folder, opened, read_bounded, replacing
from semsearch.strict_json import digest_of, load_json

Pooling = Literal["mean", "cls", "max"]
Tensors = Mapping[str, NDArray[Any] | FourBitMatrix]

LONGEST_WINDOW = 512
"""Tokens of a passage at most, special ones included, also for a model that reads more: see decision 102."""
OWN_GRAPH = "onnx/model.onnx"
"""The graph that a folder may bring, below the folder of its encoder."""
_JSON_BYTES, _TOKENIZER_BYTES, _SHARDS, _MODULES = 2**20, 2**27, 256, 8
_WIDEST, _MOST_NUMBERS = 2**14, 2**28
"""Numbers of a vector, and of a table of vectors with one row a token (1 GiB)."""
_FRESH_NS = 2 * 10**9
"""Nanoseconds after a change of a file in which a second change may leave its times as they are."""
_PASSAGE_PROMPTS = ("document", "passage", "corpus")
"""The names of a prompt for passages, in the order of sentence-transformers."""
_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_DENSE = {
    "torch.nn.modules.activation.Tanh": "Tanh",
    "torch.nn.modules.activation.ReLU": "Relu",
    "torch.nn.modules.activation.Sigmoid": "Sigmoid",
    "torch.nn.modules.linear.Identity": "",
}
"""The ONNX operator of each function after a Dense module."""
_ARCHITECTURES = {
    "bert": "bert",
    "camembert": "roberta",
    "distilbert": "distilbert",
    "mpnet": "mpnet",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
}
_RENAMED = {
    "dim": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "activation": "hidden_act",
}
"""The names that DistilBERT has for values that others call by the second name."""


class UnsupportedModel(ModelError):
    """A model that no graph is written for. sentence-transformers may be able to run it."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """The values of an encoder's configuration that its graph depends on.

    `architecture` is "bert", "roberta" (XLM-R too), "mpnet", "distilbert", "static", a table of token vectors, or
    "onnx", a graph of the model's own.
    `activation` is "gelu" or "relu". The first token has the row `first_position` of the position table.
    """

    architecture: str
    width: int
    layers: int = 0
    heads: int = 1
    epsilon: float = 1e-12
    activation: str = "gelu"
    first_position: int = 0


@dataclass(frozen=True, slots=True)
class Dense:
    """A layer after the pooling: the names of its tensors, and the ONNX operator that follows, "" for none."""

    weight: str
    bias: str
    activation: str


@dataclass(frozen=True, slots=True, eq=False)
class ModelFiles:
    """All that a model's files say.

    Attributes:
        name: The model in fingerprints and messages: a known name, a hub name, or the path of a folder.
        digest: A SHA-256 that stands for the vectors: it changes with the weights, the tokenizer and the configuration.
            The graph in the cache has its name.
        encoder: The values of the encoder's configuration.
        tensors: Returns the tensors by their Hugging Face names, without the prefix of the architecture:
            "encoder.layer.0.output.dense.weight". Called only to write a graph.
        tokenizer: Returns the content of `tokenizer.json`. Called only while it is not in the cache.
        tokenizer_sha256: The SHA-256 of that content, which the copy in the cache must have.
        window: The greatest number of tokens that are embedded at once, with special ones and the prompt.
        dimension: The numbers of a vector, before any truncation.
        size: The size of the weights on disk in bytes.
        pooling: How the vectors of tokens become one: "mean", "cls" (the first token) or "max".
        dense: The layers after the pooling, in order.
        prompts: What is put before a text of each kind. A kind without a prompt is missing.
        graph: The model's own graph up to the vectors of tokens, where no other one is written.
    """

    name: str
    digest: str
    encoder: Encoder
    tensors: Callable[[], Tensors]
    tokenizer: Callable[[], bytes]
    tokenizer_sha256: str
    window: int
    dimension: int
    size: int
    pooling: Pooling = "mean"
    dense: tuple[Dense, ...] = ()
    prompts: Mapping[Kind, str] = field(default_factory=dict)
    graph: Path | None = None


def read_folder(folder: Path, name: str = "") -> ModelFiles:
    """Return what a sentence-transformers folder says; `name` is by default the folder's path.

    Raises `UnsupportedModel` for a model that no graph is written for, and `ModelError` for files that are missing,
    damaged or too large.
    """
    files = _Folder(folder)
    (kind, first), *others = files.modules()
    if kind not in ("Transformer", "StaticEmbedding"):
        raise UnsupportedModel(f"its first module is {kind}")
    pooling: str = "mean"
    dense: list[Dense] = []
    graph: Path | None = None
    parts: dict[str, list[Path]] = {}
    try:
        parts[""] = files.weights(first)
        if kind == "StaticEmbedding":
            encoder, window, lower_case = _static(parts[""]), LONGEST_WINDOW, False
        else:
            encoder, window, lower_case = _transformer(files, first)
    except UnsupportedModel:
        graph = files.path(f"{first}{OWN_GRAPH}")
        if kind != "Transformer" or not graph.is_file():
            raise
        del parts[""]
        encoder, window, lower_case = _own_encoder(files, first)
    dimension = encoder.width
    for number, (kind, at) in enumerate(others):
        if kind == "Pooling" and number == 0 and encoder.layers:
            pooling = _pooling(files.values(f"{at}config.json"))
        elif kind == "Dense" and all(kind != "Normalize" for kind, _ in others[:number]):
            layer, dimension = _dense(files.values(f"{at}config.json"), at, dimension)
            dense.append(layer)
            parts[at] = files.weights(at)
        elif kind != "Normalize":  # our vectors have unit length in any case
            raise UnsupportedModel(f"it has a module {kind}")
    if encoder.layers and (not others or others[0][0] != "Pooling"):
        raise UnsupportedModel("it has no module for pooling")
    settings = files.values("config_sentence_transformers.json", optional=True)
    if (task := settings.get("model_type", "SentenceTransformer")) != "SentenceTransformer":
        raise UnsupportedModel(f"it is a {task}")
    tokenizer_sha256 = hashlib.sha256(files.tokenizer(first, lower_case)).hexdigest()
    digest = hashlib.sha256(repr((encoder, pooling, dense, tokenizer_sha256)).encode())
    weights = {**parts, **({OWN_GRAPH: [graph]} if graph else {})}
    for prefix, paths in weights.items():
        for path in paths:
            digest.update(f"\n{prefix} {_sha256_of(path)}".encode())
    return ModelFiles(
        name=name or str(folder.resolve()),
        digest=digest.hexdigest(),
        encoder=encoder,
        tensors=lambda: _tensors(parts, encoder, name or str(folder)),
        tokenizer=lambda: files.tokenizer(first, lower_case),
        tokenizer_sha256=tokenizer_sha256,
        window=min(window, LONGEST_WINDOW),
        dimension=dimension,
        size=sum(path.stat().st_size for paths in weights.values() for path in paths),
        pooling=cast(Pooling, pooling),
        dense=tuple(dense),
        prompts=prompts_of(settings.get("prompts")),
        graph=graph,
    )


class _Folder:
    """The files of a folder, by the names that other files of it give. Each method raises `ModelError`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Return the path of a file. A name from one of the folder's files must stay below the folder."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if "\0" in name or not {"..", "/"}.isdisjoint(parts) or any(":" in part for part in parts):
            raise ModelError(f"{self._folder}: {name[:80]!r} leads out of the folder of the model")
        return self._folder.joinpath(*parts)

    def values(self, name: str, *, optional: bool = False) -> dict[str, Any]:
        """Return the object of a JSON file. An optional file that does not exist is an empty one."""
        if optional and not self.path(name).exists():
            return {}
        value = self._json(name)
        if not isinstance(value, dict):
            raise ModelError(f"{self.path(name)} is not an object")
        return value

    def modules(self) -> list[tuple[str, str]]:
        """Return the kind and the folder of each module. A folder without `modules.json` is not for sentences."""
        if not self.path("modules.json").exists():
            if "model2vec" in (self.values("config.json", optional=True).get("model_type"),):
                return [("StaticEmbedding", "")]
            raise UnsupportedModel(f"{self._folder} has no modules.json")
        listed = self._json("modules.json")
        if not isinstance(listed, list) or not 0 < len(listed) <= _MODULES:
            raise ModelError(f"{self.path('modules.json')} does not list 1 to {_MODULES} modules")
        found = []
        for module in listed:
            kind, at = (module.get("type"), module.get("path")) if isinstance(module, dict) else (None, None)
            if not isinstance(kind, str) or not isinstance(at, str):
                raise ModelError(f"{self.path('modules.json')} names a module without a type or a path")
            if not kind.startswith("sentence_transformers."):
                raise UnsupportedModel(f"its module {kind[:80]} is its own code")
            found.append((kind.rpartition(".")[2], at and at.rstrip("/") + "/"))
        return found

    def weights(self, at: str) -> list[Path]:
        """Return the safetensors files of a module: one, or the shards that an index file names."""
        index = f"{at}model.safetensors.index.json"
        names = ["model.safetensors"]
        if self.path(index).exists():
            shards = self._json(index, _TOKENIZER_BYTES)
            named = shards.get("weight_map") if isinstance(shards, dict) else None
            if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
                raise ModelError(f"{self.path(index)} does not name the files of the weights")
            names = sorted(set(named.values()))
            if not 0 < len(names) <= _SHARDS:
                raise ModelError(f"{self.path(index)} names {len(names)} files")
        paths = [self.path(f"{at}{name}") for name in names]
        for path in paths:
            if not path.is_file() or path.suffix != ".safetensors":
                raise UnsupportedModel(f"it has no weights {path.name}")
        return paths

    def tokenizer(self, at: str, lower_case: bool) -> bytes:
        """Return the content of `tokenizer.json`. With `lower_case` it is changed to lower text first."""
        name = f"{at}tokenizer.json"
        if not self.path(name).exists():
            raise UnsupportedModel("it has no tokenizer.json")
        content = self._read(name, _TOKENIZER_BYTES)
        if not lower_case or b'"lowercase":true' in content.replace(b" ", b"") or b'"Lowercase"' in content:
            return content
        value = load_json(content)
        own = [value["normalizer"]] if value.get("normalizer") else []
        value["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, *own]}
        return json.dumps(value, ensure_ascii=False).encode()

    def _read(self, name: str, most: int) -> bytes:
        path = self.path(name)
        try:
            return read_bounded(path, most)
        except OSError as error:
            raise ModelError(f"cannot read {path}: {error.strerror}") from error

    def _json(self, name: str, most: int = _JSON_BYTES) -> Any:
        try:
            return load_json(self._read(name, most))
        except InvalidInput as error:
            raise ModelError(f"{self.path(name)}: {error}") from error


def _transformer(files: _Folder, at: str) -> tuple[Encoder, int, bool]:
    """Return an encoder, its window, and whether text is lowered before the tokenizer."""
    config = _Config(files, at)
    kind = config.values.get("model_type")
    if not isinstance(kind, str) or kind not in _ARCHITECTURES:
        raise UnsupportedModel(f"its architecture is {str(kind)[:80]}")
    architecture = _ARCHITECTURES[kind]
    if config.values.get("position_embedding_type", "absolute") != "absolute" or config.values.get(
        "is_decoder"
    ):
        raise UnsupportedModel(f"its {kind} has positions or a mask of another kind")
    activation = config.values.get("hidden_act", "gelu")
    if activation not in ("gelu", "relu"):
        raise UnsupportedModel(f"its activation is {str(activation)[:80]}")
    epsilon = config.values.get("layer_norm_eps", 1e-12)
    if not isinstance(epsilon, float) or not 0 <= epsilon < 1:
        raise ModelError(f"{files.path(f'{at}config.json')}: layer_norm_eps is not a number below 1")
    # The rows before the first one belong to padding. MPNet has the number of its padding in its code.
    first = {"roberta": config.number("pad_token_id", 2**16, 1) + 1, "mpnet": 2}.get(architecture, 0)
    encoder = Encoder(
        architecture,
        width=config.number("hidden_size", _WIDEST),
        layers=config.number("num_hidden_layers", 128),
        heads=config.number("num_attention_heads", 256),
        epsilon=epsilon,
        activation=activation,
        first_position=first,
    )
    if not encoder.layers or not encoder.heads or not encoder.width or encoder.width % encoder.heads:
        raise ModelError(f"{files.path(f'{at}config.json')}: the heads do not divide the width")
    return encoder, *config.window(first)


def _own_encoder(files: _Folder, at: str) -> tuple[Encoder, int, bool]:
    """Return what `_transformer` does, for a model that brings its own graph."""
    config = _Config(files, at)
    width = config.number("hidden_size", _WIDEST)
    return Encoder("onnx", width, layers=config.number("num_hidden_layers", 128, 1)), *config.window(0)


class _Config:
    """The configuration of an encoder in the folder `at`; `values` are its members."""

    def __init__(self, files: _Folder, at: str) -> None:
        self._files, self._at = files, at
        own = files.values(f"{at}config.json")
        self.values = {_RENAMED.get(name, name): value for name, value in own.items()}

    def number(self, name: str, most: int, default: int | None = None) -> int:
        """Return a member that is a number from 0 to `most`."""
        value = self.values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            path = self._files.path(f"{self._at}config.json")
            raise ModelError(f"{path}: {name} is not a number up to {most:,}")
        return value

    def window(self, first: int) -> tuple[int, bool]:
        """Return the window, where the first token has the position `first`, and whether text is lowered."""
        files, at = self._files, self._at
        positions = self.number("max_position_embeddings", 2**20, 512) - first
        own = files.values(f"{at}sentence_bert_config.json", optional=True)
        limits = [own.get("max_seq_length")]
        if limits == [None]:
            limits = [files.values(f"{at}tokenizer_config.json", optional=True).get("model_max_length")]
        window = min([positions, *(limit for limit in limits if isinstance(limit, int) and limit > 0)])
        if window < 8:
            raise ModelError(f"{files.path(f'{at}config.json')}: a window of {window} tokens is too small")
        return window, own.get("do_lower_case") is True


def _static(paths: list[Path]) -> Encoder:
    """Return the encoder of a table of token vectors."""
    for path in paths:
        with _open(path) as tensors:
            for name in ("embedding.weight", "embeddings"):
                if name in tensors.keys():  # noqa: SIM118
                    shape = tensors.get_slice(name).get_shape()
                    if len(shape) != 2 or not 0 < shape[1] <= _WIDEST:
                        raise ModelError(
                            f"{path}: {name} is not a table of vectors, but has the shape {shape}"
                        )
                    return Encoder("static", width=shape[1])
    raise UnsupportedModel("its weights hold no table of vectors")


def _pooling(config: Mapping[str, Any]) -> Pooling:
    """Return the pooling that a configuration names, in its older or its newer form."""
    modes = (
        config.get("pooling_mode") or [name for key, name in _POOLINGS.items() if config.get(key)] or "mean"
    )
    mode = modes[0] if isinstance(modes, list) and len(modes) == 1 else modes
    if mode not in ("mean", "cls", "max"):
        raise UnsupportedModel(f"its pooling is {mode}")
    if config.get("include_prompt") is False:
        raise UnsupportedModel("its pooling leaves out the prompt")
    return cast(Pooling, mode)


def _dense(config: Mapping[str, Any], prefix: str, width: int) -> tuple[Dense, int]:
    """Return a layer after the pooling, and the width of its output."""
    activation = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    plain = config.get("module_input_name", "sentence_embedding") == "sentence_embedding"
    plain = plain and config.get("module_output_name") in (None, "sentence_embedding")
    if activation not in _DENSE or not plain or config.get("use_residual"):
        raise UnsupportedModel("its module Dense is not a plain layer")
    out = config.get("out_features")
    if config.get("in_features") != width or not isinstance(out, int) or not 0 < out <= _WIDEST:
        raise ModelError(f"{prefix}config.json: the layer does not fit vectors of {width} numbers")
    bias = f"{prefix}linear.bias" if config.get("bias", True) else ""
    return Dense(f"{prefix}linear.weight", bias, _DENSE[activation]), out


def prompts_of(named: object) -> dict[Kind, str]:
    """Return the prompts for queries and passages among a model's prompts by name. An empty one does not count."""
    prompts = named if isinstance(named, Mapping) else {}
    # sentence-transformers adds an empty `document`, which would hide a `passage`.
    passage = next((prompts[name] for name in _PASSAGE_PROMPTS if prompts.get(name)), None)
    found: dict[Kind, object] = {"query": prompts.get("query"), "passage": passage}
    return {kind: text for kind, text in found.items() if isinstance(text, str) and text}


def _open(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        opened(path).close()  # a FIFO would wait
        return safe_open(path, framework="np")
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error


def _sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file of weights.

    It is kept in the cache while the file has the same size and times: a second for each gigabyte would be most
    of a query.
    """
    try:
        with opened(path) as file:
            found = os.fstat(file.fileno())
            state = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
            name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
            kept = cache_folder() / "digests" / name
            with suppress(OSError, ValueError, InvalidInput):
                stored, _, digest = kept.read_text(encoding="ascii").rpartition(" ")
                if stored == state:
                    return digest_of(digest, str(kept))
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > _FRESH_NS:
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as out:
                out.write(f"{state} {digest}".encode())
    return digest


class _StoredTensors(Mapping[str, NDArray[Any]]):
    """Tensors in safetensors files, each read when it is asked for."""

    def __init__(self, parts: Mapping[str, list[Path]], stripped: str, name: str) -> None:
        self._name = name
        self._places: dict[str, tuple[Any, str]] = {}
        for part, paths in parts.items():
            for file in map(_open, paths):
                for key in file.keys():  # noqa: SIM118 - it is not a mapping
                    self._places[part + key.removeprefix(stripped)] = file, key

    def __getitem__(self, name: str) -> NDArray[Any]:
        file, key = self._places[name]
        try:
            return cast(NDArray[Any], file.get_tensor(key))
        except Exception as error:  # the library's own, and those of numpy for a type that it has not
            raise ModelError(f"{self._name}: cannot read the tensor {key[:80]}: {error}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _tensors(parts: Mapping[str, list[Path]], encoder: Encoder, name: str) -> Tensors:
    """Return the tensors of a model, see `ModelFiles.tensors`.

    The table of a model of model2vec has one row for several tokens ("mapping"), and one weight a token ("weights").
    They become one row a token here. Raises `ModelError` for tables that do not fit each other.
    """
    stored = _StoredTensors(parts, f"{encoder.architecture}.", name)
    if "embeddings" not in stored:
        return stored
    rows = stored["embeddings"].astype(np.float32)
    if "mapping" in stored:
        mapping = stored["mapping"].astype(np.int64)
        # Before the rows take their memory.
        if mapping.ndim != 1 or mapping.size * encoder.width > _MOST_NUMBERS:
            raise ModelError(
                f"{name}: its mapping has the shape {mapping.shape}, which is wrong or too large"
            )
        if mapping.size and not 0 <= mapping.min() <= mapping.max() < len(rows):
            raise ModelError(f"{name}: its mapping leads out of its table of {len(rows):,} vectors")
        rows = rows[mapping]
    if "weights" in stored:
        weights = stored["weights"].astype(np.float32)
        if weights.shape != rows.shape[:1]:
            raise ModelError(f"{name}: {weights.shape} weights do not fit a table of {len(rows):,} vectors")
        rows = rows * weights[:, None]
    return {**stored, "embedding.weight": rows}
