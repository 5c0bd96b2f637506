"""all-MiniLM-L6-v2 as an ONNX graph, written node by node from the weights in its safetensors file.

Writing the graph ourselves instead of tracing the PyTorch model keeps torch and transformers out (they take
gigabytes and seconds), gives the fused operators of ONNX Runtime directly, and puts the pooling and the
normalisation inside. The architecture is BERT (Devlin et al. 2019, arXiv:1810.04805) with mean pooling
(Reimers and Gurevych 2019, arXiv:1908.10084). Parity with sentence-transformers is tested to cosine 0.9999.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

LAYERS, HEADS = 6, 12
EPSILON = 1e-12
_CONTRIB = "com.microsoft"
_Array = NDArray[Any]


class _Graph:
    """Collects nodes and initializers; every method that adds one returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: _Array) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operator: str, inputs: list[str], domain: str = "", **attributes: Any) -> str:
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    def linear(self, x: str, name: str, weight: _Array, quantised: bool) -> str:
        """`x @ weight.T`, without the bias: the operator that follows adds it in its own pass."""
        if not quantised:
            return self.add("MatMul", [x, self.constant(name, weight.T)])
        # Weights: symmetric int8, one scale an output channel. Activations: uint8, scaled at run time.
        scale = np.abs(weight).max(axis=1) / 127
        matrix = np.rint(weight.T / scale).astype(np.int8)
        inputs = [
            x,
            self.constant(name, matrix),
            self.constant(f"{name}.scale", scale.astype(np.float32)),
            self.constant(f"{name}.zero_point", np.zeros(scale.shape, np.int8)),
        ]
        return self.add("DynamicQuantizeMatMul", inputs, _CONTRIB)


def build(weights: Mapping[str, _Array], precision: str) -> onnx.ModelProto:
    """The graph: int64 `input_ids` and `attention_mask` [batch, tokens] to unit `embedding` [batch, 384].

    `precision` is "fp32", or "int8" for quantised matrix products (everything else stays float32).
    """
    graph = _Graph()
    quantised = precision == "int8"

    def vector(name: str) -> str:
        return graph.constant(name, weights[name])

    def residual(update: str, x: str, dense: str, norm: str) -> str:
        """LayerNorm(update + bias of `dense` + x)."""
        inputs = [update, x, vector(f"{norm}.weight"), vector(f"{norm}.bias"), vector(f"{dense}.bias")]
        return graph.add("SkipLayerNormalization", inputs, _CONTRIB, epsilon=EPSILON)

    # One segment only, so its type embedding is a constant that joins the position table.
    positions = (
        weights["embeddings.position_embeddings.weight"]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    for name, value in {"zero": 0, "one": 1, "two": 2}.items():
        graph.constant(name, np.array([value]))
    tokens = graph.add("Gather", [vector("embeddings.word_embeddings.weight"), "input_ids"])
    length = graph.add("Slice", [graph.add("Shape", ["input_ids"]), "one", "two"])
    place = graph.add("Slice", [graph.constant("positions", positions), "zero", length, "zero"])
    norm = [vector(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
    x = graph.add("LayerNormalization", [graph.add("Add", [tokens, place]), *norm], axis=-1, epsilon=EPSILON)
    mask = graph.add("Cast", ["attention_mask"], to=TensorProto.INT32)

    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        parts = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
        joined = np.concatenate([weights[f"{part}.weight"] for part in parts])
        bias = graph.constant(
            f"{prefix}.qkv.bias", np.concatenate([weights[f"{part}.bias"] for part in parts])
        )
        if quantised:
            qkv = graph.linear(x, f"{prefix}.qkv", joined, quantised)
            split = [f"{prefix}.{part}" for part in ("query", "key", "value")]
            graph.nodes.append(helper.make_node("Split", [qkv], split, axis=-1, num_outputs=3))
            context = graph.add("MultiHeadAttention", [*split, bias, mask], _CONTRIB, num_heads=HEADS)
        else:
            projection = graph.constant(f"{prefix}.qkv", joined.T)
            context = graph.add("Attention", [x, projection, bias, mask], _CONTRIB, num_heads=HEADS)
        dense = f"{prefix}.attention.output.dense"
        update = graph.linear(context, f"{dense}.weight", weights[f"{dense}.weight"], quantised)
        x = residual(update, x, dense, f"{prefix}.attention.output.LayerNorm")
        dense = f"{prefix}.intermediate.dense"
        hidden = graph.linear(x, f"{dense}.weight", weights[f"{dense}.weight"], quantised)
        hidden = graph.add("BiasGelu", [hidden, vector(f"{dense}.bias")], _CONTRIB)
        dense = f"{prefix}.output.dense"
        update = graph.linear(hidden, f"{dense}.weight", weights[f"{dense}.weight"], quantised)
        x = residual(update, x, dense, f"{prefix}.output.LayerNorm")

    # The sum over real tokens points where their mean does, and the length is normalised away.
    real = graph.add("Unsqueeze", [graph.add("Cast", ["attention_mask"], to=TensorProto.FLOAT), "one"])
    total = graph.add("Squeeze", [graph.add("MatMul", [real, x]), "one"])
    graph.nodes.append(helper.make_node("LpNormalization", [total], ["embedding"], axis=-1, p=2))

    shape = ["batch", "tokens"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, shape)
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", positions.shape[1]])
    return helper.make_model(
        helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", inputs, [output], graph.initializers),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(_CONTRIB, 1)],
        ir_version=9,
    )
