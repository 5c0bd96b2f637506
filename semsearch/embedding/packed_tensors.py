"""Keep named tensors as values for JSON: safetensors in float16 with a digest. What is read is data of a stranger."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[np.float32]]
_MOST_BYTES = 2**26


def rounded(*tensors: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Return tensors as they are after `pack` and `unpack`."""
    return [one.astype(np.float16).astype(np.float32) for one in tensors]


def pack(tensors: Tensors) -> dict[str, Any]:
    """Return values for JSON."""
    from safetensors.numpy import save

    content = save({name: one.astype(np.float16) for name, one in tensors.items()})
    data = base64.b64encode(content).decode("ascii")
    return {"sha256": hashlib.sha256(content).hexdigest(), "data": data}


def unpack(values: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Return the tensors that `pack` wrote, all finite. Raises `ValueError`, `TypeError` or `KeyError` for others."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if len(values["data"]) > _MOST_BYTES:
        raise ValueError("tensors of another size")
    try:
        content = base64.b64decode(values["data"], validate=True)
        if hashlib.sha256(content).hexdigest() != values["sha256"]:
            raise ValueError("damaged tensors")
        tensors = load(content)
    except (binascii.Error, SafetensorError) as error:
        raise ValueError("damaged tensors") from error
    if not all(one.dtype == np.float16 and np.isfinite(one).all() for one in tensors.values()):
        raise ValueError("tensors that are not finite float16")
    return {name: one.astype(np.float32) for name, one in tensors.items()}
