"""Apply a low-rank adapter to the tensors of a model, without PyTorch (Hu et al. 2021, arXiv:2106.09685).

An adapter adds to some matrices of a model the product of two thin ones. It is a file of safetensors with two tensors
for each matrix: `NAME.lora_A` [rank, in] and `NAME.lora_B` [out, rank], in float32. The sum is made when the graph is
written, so an adapted model runs as fast as its base.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.four_bit import FourBitMatrix
from semsearch.embedding.model_files import ModelFiles, Tensors
from semsearch.errors import ModelError
from semsearch.files import read_bounded, replacing

Factors = Mapping[str, NDArray[np.float32]]
"""Two factors for each adapted matrix, by name."""
_MOST_BYTES = 2**28


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter: its file, and the SHA-256 that the file must have."""

    path: Path
    sha256: str


def save_adapter(path: Path, factors: Factors) -> Adapter:
    """Write factors to a file, whole or not at all. Raises `OSError`."""
    from safetensors.numpy import save

    content = save({name: np.ascontiguousarray(factor, np.float32) for name, factor in factors.items()})
    with replacing(path) as file:
        file.write(content)
    return Adapter(path, hashlib.sha256(content).hexdigest())


def adapted(files: ModelFiles, adapter: Adapter) -> ModelFiles:
    """Return a model with an adapter: another name, another digest, and other tensors.

    Raises `ModelError` where the file cannot be read, or has another digest. Its content is checked when the graph is
    written.
    """
    content = _read(adapter)
    return replace(
        files,
        name=adapted_name(files.name, adapter.sha256),
        digest=hashlib.sha256(f"{files.digest} {adapter.sha256}".encode()).hexdigest(),
        tensors=lambda: _Adapted(files.tensors(), _factors(content, adapter.path)),
    )


def with_factors(files: ModelFiles, factors: Factors) -> ModelFiles:
    """Return a model with other tensors, by factors at hand. They are checked when the tensors are read."""
    return replace(files, tensors=lambda: _Adapted(files.tensors(), factors))


def adapted_name(model: str, sha256: str) -> str:
    """Return the name of a model with the adapter that has a digest."""
    return f"{model}+{sha256[:8]}"


def _read(adapter: Adapter) -> bytes:
    try:
        content = read_bounded(adapter.path, _MOST_BYTES)
    except OSError as error:
        raise ModelError(f"cannot read the adapter {adapter.path}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != adapter.sha256:
        raise ModelError(f"{adapter.path} is not the adapter of this index: it has another SHA-256")
    return content


def _factors(content: bytes, path: Path) -> Factors:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        factors: Factors = load(content)
    except (SafetensorError, TypeError, ValueError, KeyError) as error:  # the latter for a type NumPy has not
        raise ModelError(f"cannot read the adapter {path}: {error}") from error
    if not all(
        one.dtype == np.float32 and one.ndim == 2 and np.isfinite(one).all() for one in factors.values()
    ):
        raise ModelError(f"{path} is not an adapter: its tensors are not matrices of finite float32")
    return factors


class _Adapted(Mapping[str, NDArray[Any] | FourBitMatrix]):
    """The tensors of a model, each matrix that has factors with their product added when it is asked for.

    Raises `ModelError` for factors that do not fit their matrix.
    """

    def __init__(self, tensors: Tensors, factors: Factors) -> None:
        self._tensors, self._factors = tensors, factors
        names = {name.rpartition(".")[0] for name in factors}
        if unknown := sorted(name for name in names if f"{name}.weight" not in tensors):
            raise ModelError(f"the adapter is of another model: there is no matrix {unknown[0][:80]}")
        if factors.keys() != {f"{name}.lora_{side}" for name in names for side in "AB"}:
            raise ModelError("the adapter does not have two factors for each matrix")

    def __getitem__(self, name: str) -> NDArray[Any] | FourBitMatrix:
        tensor = self._tensors[name]
        matrix = name.removesuffix(".weight")
        if (first := self._factors.get(f"{matrix}.lora_A")) is None:
            return tensor
        weight = tensor.dequantised() if isinstance(tensor, FourBitMatrix) else tensor
        second = self._factors[f"{matrix}.lora_B"]
        if (len(second), first.shape[1]) != weight.shape or second.shape[1] != len(first):
            raise ModelError(f"the adapter does not fit the matrix {matrix[:80]} of {weight.shape}")
        return weight.astype(np.float32) + second @ first

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)
