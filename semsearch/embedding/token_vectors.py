"""Give the vectors of a text's tokens, at a few layers of a model that runs on ONNX Runtime.

The graph is the model's own in int8 with more outputs, written once to the cache, next to it. It is loaded when a first
text is asked for, so nobody else pays for it.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder
from semsearch.files import replacing

LAYERS = 4
"""Layers whose outputs are given, evenly spaced: 0, 2, 4 and 6 of a model with six."""
_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class TextTokens:
    """The tokens of a text, without special ones: `numbers` int64 [tokens], and unit `vectors` of each.

    `vectors` are float32 [LAYERS, tokens, width]. The first layer is the one below all attention.
    """

    numbers: NDArray[np.int64]
    vectors: NDArray[np.float32]


TokenReader = Callable[[Sequence[str]], list[TextTokens]]


def token_reader(embedder: Embedder) -> TokenReader | None:
    """Return what gives the tokens of texts with their vectors, or None for an embedder that has none."""
    reader: TokenReader | None = getattr(embedder, "token_vectors", None)
    return reader


def token_graph(graph: str | bytes) -> str | bytes:
    """Return a graph of `semsearch.embedding.graph` with the outputs of layers, as a path in the cache or as bytes."""
    if isinstance(graph, bytes):
        return _with_layers(graph)
    path = Path(graph)
    written = path.with_name(f"{path.stem}-tokens-{_VERSION}.onnx")
    if not written.exists():
        content = _with_layers(path.read_bytes())
        with contextlib.suppress(OSError), replacing(written) as file:
            file.write(content)
    return str(written) if written.exists() else content


def _with_layers(content: bytes) -> bytes:
    import onnx

    model = onnx.load_model_from_string(content)
    # One normalisation follows the embeddings, and two are in each layer.
    normalised = [node.output[0] for node in model.graph.node if node.op_type == "LayerNormalization"]
    layers = len(normalised) // 2
    for at in range(LAYERS):
        name = normalised[2 * round(at * layers / (LAYERS - 1))]
        shape = ["batch", "tokens", "width"]
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    return bytes(model.SerializeToString())
