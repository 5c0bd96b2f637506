"""Multiply bytes by ONNX Runtime, which uses the processor's instructions for it."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.runtime import onnxruntime

_GRAPH = (
    b'\x08\x08:r\n\x1b\n\x01a\n\x01b\n\x01z\x12\x01y"\rMatMulInteger\x12\x01gZ\x15\n\x01a\x12\x10\n\x0e\x08\x02\x12\n'
    b"\n\x03\x12\x01m\n\x03\x12\x01kZ\x15\n\x01b\x12\x10\n\x0e\x08\x03\x12\n\n\x03\x12\x01k\n\x03\x12\x01nZ\x0b\n\x01z"
    b"\x12\x06\n\x04\x08\x02\x12\x00b\x15\n\x01y\x12\x10\n\x0e\x08\x06\x12\n\n\x03\x12\x01m\n\x03\x12\x01nB\x04\n\x00"
    b"\x10\r"
)
"""An ONNX model of one node, `MatMulInteger`: y = (a - z) b. Importing `onnx` takes longer than a query."""


@cache
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # callers have threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(_GRAPH, options, providers=["CPUExecutionProvider"])


def byte_products(one: NDArray[np.uint8], many: NDArray[np.int8], zero: int = 0) -> NDArray[np.int32]:
    """Return the exact products [m, n] of rows of bytes [m, k], less `zero` each, with the columns of a matrix [k, n].

    The largest byte on the left times the largest on the right may be 16,383 at most: processors without special
    instructions add two products in 16 bits.
    """
    given = {"a": np.ascontiguousarray(one), "b": np.ascontiguousarray(many), "z": np.asarray(zero, np.uint8)}
    products: NDArray[np.int32] = _session().run(["y"], given)[0]
    return products
