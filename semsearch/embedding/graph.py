"""all-MiniLM-L6-v2 as an ONNX graph, written node by node from the weights in its safetensors file.

A graph written here, not traced from PyTorch, needs neither torch nor transformers, which take gigabytes and seconds.
It uses the operators that ONNX Runtime runs fast, and it contains the pooling and the normalisation. The architecture
is BERT (Devlin et al. 2019, arXiv:1810.04805) with mean pooling (Reimers and Gurevych 2019, arXiv:1908.10084). A test
holds the vectors to a cosine of 0.9999 with those of sentence-transformers.

The operators are chosen by measurement: `SkipLayerNormalization` and `BiasGelu` take 3.6 times as long as an addition
with `LayerNormalization`, and as `Gelu`. To save the addition of a bias, each normalisation adds the bias of the next
output projection. The biases of all other readers of its output subtract it again.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

LAYERS, HEADS = 6, 12
EPSILON = 1e-12
_GELU_LEAST = -0.17
"""A lower bound of GELU, whose minimum is -0.16998."""
_CONTRIB = "com.microsoft"
_Array = NDArray[Any]


class _Graph:
    """A graph in the making. Each method that adds a node or an initializer returns the name of its output."""

    def __init__(self, quantised: bool) -> None:
        self.quantised = quantised
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: _Array) -> str:
        if value.dtype == np.float64:
            value = value.astype(np.float32)
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operator: str, inputs: list[str], domain: str = "", **attributes: Any) -> str:
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    def linear(
        self, x: str, name: str, weight: _Array, bias: _Array | None = None, *, least: float | None = None
    ) -> str:
        """Add `x @ weight.T + bias`. `least` is the lower bound of `x`, if there is one near 0."""
        if not self.quantised:
            product = self.add("MatMul", [x, self.constant(name, weight.T)])
        else:
            product, shift = self._quantised(x, name, weight, least)
            if shift is not None:
                bias = shift if bias is None else bias + shift
        return product if bias is None else self.add("Add", [product, self.constant(f"{name}.bias", bias)])

    def _quantised(self, x: str, name: str, weight: _Array, least: float | None) -> tuple[str, _Array | None]:
        """Add `x @ weight.T` in eight bits. Return its name and the array to add to it, or None.

        Each row of `x`, a token, is scaled by its own greatest value: a vector does not depend on the other texts of
        its batch. Weights have one scale per output channel and seven bits. The sum of two products then fits the 16
        bits of processors without VNNI, so that vectors are the same on all processors.
        """
        scale = np.abs(weight).max(axis=1) / 63
        whole = np.rint(weight.T / scale).astype(np.int8)
        shift = None
        if least is None:
            zero, steps = 128, 127
            magnitude = self.add("Abs", [x])
        else:  # all eight bits are for values above the lower bound
            zero, steps = 0, 255
            x = magnitude = self.add("Sub", [x, self.constant(f"{name}.least", np.array([least]))])
            shift = least * (whole * scale).sum(axis=0)
        peak = self.add("ReduceMax", [magnitude, "last"], keepdims=1)
        step = self.constant(f"{name}.step", np.array(1 / steps))
        zero_point = self.constant(f"{name}.zero", np.array(zero, np.uint8))
        rows = self.add("QuantizeLinear", [self.add("Div", [x, peak]), step, zero_point])
        inputs = [
            rows,
            self.constant(name, whole),
            step,
            self.constant(f"{name}.scale", scale),
            zero_point,
            self.constant(f"{name}.zero_point", np.zeros(scale.shape, np.int8)),
        ]
        return self.add("Mul", [self.add("MatMulIntegerToFloat", inputs, _CONTRIB), peak]), shift


def build(weights: Mapping[str, _Array], dtype: str) -> onnx.ModelProto:
    """Return the graph from int64 `input_ids` and `attention_mask` [batch, tokens] to unit `embedding` [batch, 384].

    `weights` are the tensors of the safetensors file by name. `dtype` is "float32", or "int8" for quantised matrix
    products; all other operations stay in float32.
    """
    exact = {name: array.astype(np.float64) for name, array in weights.items()}
    graph = _Graph(quantised=dtype == "int8")
    layers = [f"encoder.layer.{layer}" for layer in range(LAYERS)]
    zero = np.zeros_like(exact["embeddings.LayerNorm.bias"])
    # The bias that each normalisation adds for the next output projection. The last one adds none.
    ahead_of_attention = [exact[f"{layer}.attention.output.dense.bias"] for layer in layers] + [zero]
    ahead_of_output = [exact[f"{layer}.output.dense.bias"] for layer in layers]

    def normalise(x: str, name: str, ahead: _Array) -> str:
        scale = graph.constant(f"{name}.weight", exact[f"{name}.weight"])
        shift = graph.constant(f"{name}.bias", exact[f"{name}.bias"] + ahead)
        return graph.add("LayerNormalization", [x, scale, shift], axis=-1, epsilon=EPSILON)

    for name, value in {"zero": 0, "one": 1, "two": 2, "last": -1}.items():
        graph.constant(name, np.array([value]))
    words = graph.constant("words", exact["embeddings.word_embeddings.weight"])
    # There is one segment only, so its type embedding is a constant, which is added to the position table.
    table = (
        exact["embeddings.position_embeddings.weight"] + exact["embeddings.token_type_embeddings.weight"][0]
    )
    length = graph.add("Slice", [graph.add("Shape", ["input_ids"]), "one", "two"])
    positions = graph.add("Slice", [graph.constant("positions", table), "zero", length, "zero"])
    x = graph.add("Add", [graph.add("Gather", [words, "input_ids"]), positions])
    x = normalise(x, "embeddings.LayerNorm", ahead_of_attention[0])
    mask = graph.add("Cast", ["attention_mask"], to=TensorProto.INT32)

    for number, layer in enumerate(layers):
        parts = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
        weight = np.concatenate([exact[f"{part}.weight"] for part in parts])
        bias = np.concatenate([exact[f"{part}.bias"] for part in parts]) - weight @ ahead_of_attention[number]
        shift = graph.constant(f"{layer}.qkv.bias", bias)
        if graph.quantised:
            split = [f"{layer}.{part}" for part in ("query", "key", "value")]
            qkv = graph.linear(x, f"{layer}.qkv", weight)
            graph.nodes.append(helper.make_node("Split", [qkv], split, axis=-1, num_outputs=3))
            context = graph.add("MultiHeadAttention", [*split, shift, mask], _CONTRIB, num_heads=HEADS)
        else:
            projection = graph.constant(f"{layer}.qkv", weight.T)
            context = graph.add("Attention", [x, projection, shift, mask], _CONTRIB, num_heads=HEADS)
        update = graph.linear(
            context, f"{layer}.attention.output", exact[f"{layer}.attention.output.dense.weight"]
        )
        x = normalise(
            graph.add("Add", [update, x]), f"{layer}.attention.output.LayerNorm", ahead_of_output[number]
        )
        weight = exact[f"{layer}.intermediate.dense.weight"]
        bias = exact[f"{layer}.intermediate.dense.bias"] - weight @ ahead_of_output[number]
        hidden = graph.add("Gelu", [graph.linear(x, f"{layer}.intermediate", weight, bias)], _CONTRIB)
        weight = exact[f"{layer}.output.dense.weight"]
        update = graph.linear(hidden, f"{layer}.output", weight, least=_GELU_LEAST)
        x = normalise(
            graph.add("Add", [update, x]), f"{layer}.output.LayerNorm", ahead_of_attention[number + 1]
        )

    # The sum over real tokens has the direction of their mean, and its length is normalised to 1.
    real = graph.add("Unsqueeze", [graph.add("Cast", ["attention_mask"], to=TensorProto.FLOAT), "one"])
    total = graph.add("Squeeze", [graph.add("MatMul", [real, x]), "one"])
    graph.nodes.append(helper.make_node("LpNormalization", [total], ["embedding"], axis=-1, p=2))

    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", len(zero)])
    return helper.make_model(
        helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", inputs, [output], graph.initializers),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(_CONTRIB, 1)],
        ir_version=9,
    )
