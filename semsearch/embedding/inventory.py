"""List the models that are known, and those that are on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from semsearch.embedding import DEFAULT_MODEL, STORED_DTYPES
from semsearch.embedding.hub import cached_folder
from semsearch.embedding.loading import PACKAGED
from semsearch.embedding.registry import KNOWN, KnownModel, known
from semsearch.files import cache_folder


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model with what is known of it and of where it is.

    `about` is None for a model that is on this machine without being known. `places` are where its weights are:
    "package", "hub cache", or "index" for the model of an index that is in neither. `graphs` are the dtypes whose graph
    is in the cache. `of_index` is the dtype with which an index uses it, or "".
    """

    name: str
    about: KnownModel | None
    places: tuple[str, ...]
    graphs: tuple[str, ...]
    of_index: str


def list_models(settings: Mapping[str, object] | None = None) -> list[ListedModel]:
    """Return the known models in their order, and then others of the hub cache by name.

    The graph of a model in a folder is found under that folder only, which the cache does not name.

    `settings` are those of an index, whose model is marked.
    """
    graphs, others = _graphs(), _in_hub_cache()
    used = str(settings["model"]) if settings else ""
    names = list(
        dict.fromkeys(
            [
                *KNOWN,
                *sorted(others - KNOWN.keys()),
                *([used] if used else []),
            ]
        )
    )
    return [
        ListedModel(
            name,
            KNOWN.get(name),
            _places(name),
            tuple(graphs.get(Path(name).name, ())),
            str(settings["dtype"]) if settings and name == used else "",
        )
        for name in names
    ]


def _places(name: str) -> tuple[str, ...]:
    from semsearch.embedding import weights

    about = KNOWN.get(name)
    packaged = (
        weights.is_packaged() if name == DEFAULT_MODEL else name in PACKAGED and PACKAGED[name]() is not None
    )
    cached = cached_folder(about.hub_name if about else name) is not None
    folder = Path(name).is_absolute() and Path(name).is_dir()
    return tuple(
        place
        for place, is_there in (("package", packaged), ("hub cache", cached), ("folder", folder))
        if is_there
    )


def _graphs() -> dict[str, list[str]]:
    """Return the dtypes of the graphs in the cache, by the name of the model without its folder."""
    dtypes = {stored: dtype for dtype, stored in STORED_DTYPES.items()}
    found: dict[str, list[str]] = {}
    for path in sorted((cache_folder() / "models").glob("*/*.onnx")):
        name, dtype = path.parent.name.rpartition("-")[0], dtypes.get(path.stem.partition("-")[0])
        if dtype and dtype not in found.setdefault(name, []):
            found[name].append(dtype)
    return found


def _in_hub_cache() -> set[str]:
    """Return the names of other sentence-transformers models in the Hugging Face cache."""
    from huggingface_hub import constants

    names = {
        path.name.removeprefix("models--").replace("--", "/")
        for path in Path(constants.HF_HUB_CACHE).glob("models--*")
    }
    return {
        name
        for name in names
        if not known(name) and (folder := cached_folder(name)) and (folder / "modules.json").exists()
    }
