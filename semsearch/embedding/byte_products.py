"""Multiply bytes by ONNX Runtime, which uses the processor's instructions for it."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.runtime import onnxruntime

_GRAPH = (
    b'\x08\x08:b\n\x18\n\x01a\n\x01b\x12\x01y"\rMatMulInteger\x12\x01gZ\x15\n\x01a\x12\x10\n\x0e\x08\x02\x12\n\n\x03'
    b"\x12\x01m\n\x03\x12\x01kZ\x15\n\x01b\x12\x10\n\x0e\x08\x03\x12\n\n\x03\x12\x01k\n\x03\x12\x01nb\x15\n\x01y\x12"
    b"\x10\n\x0e\x08\x06\x12\n\n\x03\x12\x01m\n\x03\x12\x01nB\x04\n\x00\x10\r"
)
"""An ONNX model of one node, `MatMulInteger`: y = a b. Importing `onnx` to write it would take longer than a query."""


@cache
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # callers have threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(_GRAPH, options, providers=["CPUExecutionProvider"])


def byte_products(one: NDArray[np.uint8], many: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return the exact products [n] of a row of bytes [k], none above 127, with the columns of a matrix [k, n].

    Processors without special instructions add two products in 16 bits, which hold no larger ones.
    """
    (found,) = _session().run(None, {"a": one[None], "b": many})
    products: NDArray[np.int32] = found[0]
    return products
