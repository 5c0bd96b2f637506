"""Read the ONNX graph that a model brings in its folder, for encoders that no graph is written for.

The file is untrusted: it may name no other file, and it runs only where its inputs and its output are the usual ones.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from onnx import TensorProto, compose, helper

from semsearch.embedding.model_files import Pooling, UnsupportedModel
from semsearch.errors import ModelError
from semsearch.files import read_bounded

_MOST_BYTES = 2**31 - 1
"""The largest graph in one file."""
_OPSETS = {"mean": 13, "cls": 13, "max": 18}
"""The first version of ONNX's operators that has those of a pooling."""
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_OUTPUTS = ("last_hidden_state", "token_embeddings")
_PREFIX = "own/"


def read(path: Path, pooling: Pooling) -> tuple[onnx.ModelProto, str]:
    """Return a graph from `input_ids` and `attention_mask`, int64 [batch, tokens], and the name of its output.

    The output is float32 [batch, tokens, width]. There is one segment only, so its types are zeros. Raises
    `UnsupportedModel` for a graph of another kind, and `ModelError` for a damaged file.
    """
    try:
        model = onnx.load_model_from_string(read_bounded(path, _MOST_BYTES))
    except Exception as error:  # OSError, and the library's own
        raise ModelError(f"cannot read {path}: {error}") from error
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {one.name: one.type.tensor_type.elem_type for one in graph.input if one.name not in constants}
    output = next((name for name in _OUTPUTS if any(one.name == name for one in graph.output)), None)
    opset = max((one.version for one in model.opset_import if not one.domain), default=0)
    if not {"input_ids"} <= inputs.keys() <= _INPUTS or set(inputs.values()) != {TensorProto.INT64}:
        raise UnsupportedModel(f"its graph has the inputs {', '.join(inputs)[:80]}")
    if output is None or opset < _OPSETS[pooling] or model.functions or graph.sparse_initializer:
        raise UnsupportedModel("its graph has no vectors of tokens, or operators of another kind")
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in _tensors(graph)):
        raise UnsupportedModel("its graph keeps weights in another file")
    model = compose.add_prefix(model, _PREFIX)
    nodes = [helper.make_node("Identity", [name], [_PREFIX + name]) for name in sorted(inputs)]
    if "token_type_ids" in inputs:
        nodes[-1] = helper.make_node("Sub", ["input_ids", "input_ids"], [f"{_PREFIX}token_type_ids"])
    own = list(model.graph.node)
    del model.graph.node[:]
    vectors = f"{_PREFIX}vectors"
    cast = helper.make_node("Cast", [_PREFIX + output], [vectors], to=TensorProto.FLOAT)
    model.graph.node.extend([*nodes, *own, cast])
    return model, vectors


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield all tensors of a graph and of the graphs within it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            graphs: Iterable[onnx.GraphProto] = (attribute.g, *attribute.graphs)
            for inner in graphs:
                yield from _tensors(inner) if inner.node or inner.initializer else ()
