"""Encoders as ONNX graphs, written node by node from the weights in their safetensors files.

A graph written here, not traced from PyTorch, needs neither torch nor transformers, which take gigabytes and seconds.
It uses the operators that ONNX Runtime runs fast, and it contains the pooling and the normalisation. The architectures
are BERT (Devlin et al. 2019, arXiv:1810.04805) and its relatives, which differ in positions and in the names of their
tensors: RoBERTa and XLM-R (Conneau et al. 2020, arXiv:1911.02116), MPNet (Song et al. 2020, arXiv:2004.09297) and
DistilBERT (Sanh et al. 2019, arXiv:1910.01108). Poolings are those of Reimers and Gurevych (2019, arXiv:1908.10084).
Tests hold the vectors to 1e-5 of those of sentence-transformers.

The operators are chosen by measurement: `SkipLayerNormalization` and `BiasGelu` take 3.6 times as long as an addition
with `LayerNormalization`, and as `Gelu`. To save the addition of a bias, each normalisation adds the bias of the next
output projection. The biases of all other readers of its output subtract it again.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from semsearch.embedding import own_graph
from semsearch.embedding.four_bit import BLOCK, ZERO, FourBitMatrix, stacked
from semsearch.embedding.model_files import LONGEST_WINDOW, ModelFiles, Tensors

_GELU_LEAST = -0.17
"""A lower bound of GELU, whose minimum is -0.16998."""
_CONTRIB = "com.microsoft"
_BUCKETS, _FARTHEST = 32, 128
"""MPNet's relative positions: their classes, and the distance from which on there is only one class a side."""
_FAR_BELOW = -1e9
"""The value of a padded token in a maximum, as in sentence-transformers."""
_EXTERNAL, _PAGE = 2**18, 4096
"""Bytes from which on a tensor is stored outside the graph's file, and where it may begin there."""
_INDEXES = {"zero": 0, "one": 1, "two": 2, "last": -1}
"""The constants that every graph has."""
_Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file for large tensors, next to the graph's own file, where it will have the name `location`."""

    file: BinaryIO
    location: str


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of the tensors of an architecture. `layer` and what is in a layer have a number in between."""

    layer: str = "encoder.layer"
    query_key_value: tuple[str, str, str] = (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
    )
    projection: str = "attention.output.dense"
    first_norm: str = "attention.output.LayerNorm"
    up: str = "intermediate.dense"
    down: str = "output.dense"
    second_norm: str = "output.LayerNorm"
    token_types: bool = True


_NAMES = {
    "bert": _Names(),
    "roberta": _Names(),
    "mpnet": _Names(
        query_key_value=("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        projection="attention.attn.o",
        first_norm="attention.LayerNorm",
        token_types=False,
    ),
    "distilbert": _Names(
        layer="transformer.layer",
        query_key_value=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        projection="attention.out_lin",
        first_norm="sa_layer_norm",
        up="ffn.lin1",
        down="ffn.lin2",
        second_norm="output_layer_norm",
        token_types=False,
    ),
}


class _Graph:
    """A graph in the making. Each method that adds a node or an initializer returns the name of its output."""

    def __init__(self, quantised: bool, data: DataFile | None) -> None:
        self.quantised = quantised
        self._data = data
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: _Array) -> str:
        if value.dtype not in (np.int64, np.int8, np.uint8):
            value = value.astype(np.float32, copy=False)
        value = np.ascontiguousarray(value)
        if self._data is None or value.nbytes < _EXTERNAL:
            self.initializers.append(numpy_helper.from_array(value, name))
        else:
            self.initializers.append(_external(self._data, name, value))
        return name

    def add(self, operator: str, inputs: list[str], domain: str = "", **attributes: Any) -> str:
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    def linear(
        self,
        x: str,
        name: str,
        weight: _Array | FourBitMatrix,
        bias: _Array | None = None,
        *,
        least: float | None = None,
    ) -> str:
        """Add `x @ weight.T + bias`. `least` is the lower bound of `x`, if there is one near 0."""
        if isinstance(weight, FourBitMatrix):
            product = self._four_bits(x, name, weight)
        elif not self.quantised:
            product = self.add("MatMul", [x, self.constant(name, weight.T)])
        else:
            product, shift = self._quantised(x, name, weight, least)
            if shift is not None:
                bias = shift if bias is None else bias + shift
        return product if bias is None else self.add("Add", [product, self.constant(f"{name}.bias", bias)])

    def _four_bits(self, x: str, name: str, weight: FourBitMatrix) -> str:
        """Add `x @ weight.T` with weights that stay in four bits, and all arithmetic in float32."""
        rows, columns = weight.shape
        packed = weight.packed.reshape(rows, columns // BLOCK, BLOCK // 2)
        inputs = [x, self.constant(name, packed), self.constant(f"{name}.scale", weight.scales)]
        sizes = {"K": columns, "N": rows, "bits": 4, "block_size": BLOCK}
        return self.add("MatMulNBits", inputs, _CONTRIB, **sizes, accuracy_level=1)

    def rows(self, name: str, table: _Array | FourBitMatrix, numbers: str) -> str:
        """Add the rows of a table with some numbers, in float32."""
        if not isinstance(table, FourBitMatrix):
            return self.add("Gather", [self.constant(name, table), numbers])
        rows, columns = table.shape
        zeros = np.full((rows, columns // BLOCK // 2), ZERO | ZERO << 4, np.uint8)
        for part, packed, width in (("", table.packed, columns), (".zero", zeros, columns // BLOCK)):
            tensor = helper.make_tensor(
                f"{name}{part}", TensorProto.UINT4, [rows, width], packed.tobytes(), raw=True
            )
            self.initializers.append(tensor)
        scales = numpy_helper.from_array(table.scales, f"{name}.scale")
        self.initializers.append(scales)
        inputs = [name, numbers, scales.name, f"{name}.zero"]
        axes = {"gather_axis": 0, "quantize_axis": 1, "block_size": BLOCK}
        return self.add(
            "Cast", [self.add("GatherBlockQuantized", inputs, _CONTRIB, **axes)], to=TensorProto.FLOAT
        )

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


def build(files: ModelFiles, dtype: str, data: DataFile | None = None) -> onnx.ModelProto:
    """Return the graph from int64 `input_ids` and `attention_mask` [batch, tokens] to unit `embedding` [batch, d].

    `dtype` is "float32", or "int8" for quantised matrix products; all other operations stay in float32. Tensors of
    `_EXTERNAL` bytes go to the file `data`, if there is one: ONNX Runtime maps it into memory, and a graph's own file
    cannot be larger than 2 GB. Raises `KeyError` for a tensor that is missing, `ValueError` for a wrong shape, and the
    errors of `own_graph.read`.
    """
    graph, own = _Graph(dtype == "int8", data), None
    tensors = files.tensors()
    for name, value in _INDEXES.items():
        graph.constant(name, np.array([value]))
    if files.encoder.architecture == "static":
        words = graph.constant("words", _array(tensors["embedding.weight"]))
        x = graph.add("Gather", [words, "input_ids"])
    elif files.graph:
        own, x = own_graph.read(files.graph, files.pooling)
        graph.nodes, graph.initializers = [*own.graph.node], [*graph.initializers, *own.graph.initializer]
    else:
        x = _encode(graph, files, tensors)
    _pool(graph, files, tensors, x)
    return _model(graph, files.name, ("input_ids", "attention_mask"), ("embedding", files.dimension), own)


def build_cross_encoder(files: ModelFiles, head: Mapping[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """Return the graph that reads two texts together, in float32, for a model whose layers are known.

    It goes from int64 `input_ids`, `attention_mask` and `second` [batch, tokens], 1 for the tokens of the second text,
    to the `logit` [batch, 1] of being duplicates. `head` has the vector `segment` that is added to the second text's
    words, and the matrices and biases of two layers, `hidden` and `output`, over the first token and the mean. Raises
    what `build` raises.
    """
    graph = _Graph(quantised=False, data=None)
    for name, value in _INDEXES.items():
        graph.constant(name, np.array([value]))
    second = graph.add("Unsqueeze", [graph.add("Cast", ["second"], to=TensorProto.FLOAT), "two"])
    segment = graph.add("Mul", [second, graph.constant("segment", head["segment"])])
    x = _encode(graph, files, files.tensors(), segment)
    real = graph.add("Unsqueeze", [graph.add("Cast", ["attention_mask"], to=TensorProto.FLOAT), "one"])
    mean = graph.add(
        "Div", [graph.add("MatMul", [real, x]), graph.add("ReduceSum", [real, "two"], keepdims=1)]
    )
    first = graph.add("Slice", [x, "zero", "one", "one"])
    x = graph.add("Squeeze", [graph.add("Concat", [first, mean], axis=2), "one"])
    x = graph.add("Tanh", [graph.linear(x, "hidden", head["hidden.weight"], head["hidden.bias"])])
    x = graph.linear(x, "output", head["output.weight"][:1], head["output.bias"][:1])
    graph.nodes.append(helper.make_node("Identity", [x], ["logit"]))
    return _model(graph, files.name, ("input_ids", "attention_mask", "second"), ("logit", 1))


def _model(
    graph: _Graph, name: str, inputs: Sequence[str], output: tuple[str, int], own: Any = None
) -> onnx.ModelProto:
    """Return a graph with inputs [batch, tokens] and one output, by its name and width; `own` is a model's graph."""
    four_bits = any(tensor.data_type == TensorProto.UINT4 for tensor in graph.initializers)
    written = [helper.make_opsetid("", 21 if four_bits else 18), helper.make_opsetid(_CONTRIB, 1)]
    given = [helper.make_tensor_value_info(one, TensorProto.INT64, ["batch", "tokens"]) for one in inputs]
    found = helper.make_tensor_value_info(output[0], TensorProto.FLOAT, ["batch", output[1]])
    return helper.make_model(
        helper.make_graph(graph.nodes, name, given, [found], graph.initializers),
        opset_imports=own.opset_import if own else written,
        ir_version=own.ir_version if own else 10 if four_bits else 9,
    )


def _encode(graph: _Graph, files: ModelFiles, tensors: Tensors, segment: str = "") -> str:
    """Add the encoder. Return the name of the vectors of tokens [batch, tokens, width].

    `segment` names what is added to the vectors of words, if there is anything.
    """
    encoder, names = files.encoder, _NAMES[files.encoder.architecture]

    def exact(*given: str) -> _Array:
        found = [tensors[name] for name in given]
        return np.concatenate([_array(one) for one in found]).astype(np.float64)

    def factor(*given: str) -> _Array | FourBitMatrix:
        """Return matrices below each other, in four bits where the file has them so and float32 is asked for."""
        found = [tensors[name] for name in given]
        four_bits = [one for one in found if isinstance(one, FourBitMatrix)]
        return exact(*given) if graph.quantised or len(four_bits) < len(found) else stacked(four_bits)

    layers = [f"{names.layer}.{layer}" for layer in range(encoder.layers)]
    zero = np.zeros_like(exact("embeddings.LayerNorm.bias"))
    # The bias that each normalisation adds for the next output projection. The last one adds none.
    ahead_of_attention = [exact(f"{layer}.{names.projection}.bias") for layer in layers] + [zero]
    ahead_of_output = [exact(f"{layer}.{names.down}.bias") for layer in layers]

    def normalise(x: str, name: str, ahead: _Array) -> str:
        scale = graph.constant(f"{name}.weight", exact(f"{name}.weight"))
        shift = graph.constant(f"{name}.bias", exact(f"{name}.bias") + ahead)
        return graph.add("LayerNormalization", [x, scale, shift], axis=-1, epsilon=encoder.epsilon)

    first = encoder.first_position
    table = exact("embeddings.position_embeddings.weight")[first : first + LONGEST_WINDOW]
    if names.token_types:  # there is one segment only, so its type embedding is a constant
        table = table + exact("embeddings.token_type_embeddings.weight")[0]
    length = graph.add("Slice", [graph.add("Shape", ["input_ids"]), "one", "two"])
    positions = graph.add("Slice", [graph.constant("positions", table), "zero", length, "zero"])
    x = graph.add(
        "Add", [graph.rows("words", tensors["embeddings.word_embeddings.weight"], "input_ids"), positions]
    )
    if segment:
        x = graph.add("Add", [x, segment])
    x = normalise(x, "embeddings.LayerNorm", ahead_of_attention[0])
    mask = graph.add("Cast", ["attention_mask"], to=TensorProto.INT32)
    further = []  # inputs of attention after the mask
    if encoder.architecture == "mpnet":
        bias = _relative_bias(exact("encoder.relative_attention_bias.weight"), len(table))
        square = graph.add("Concat", [length, length], axis=0)
        zeros, axes = (
            graph.constant("corner", np.array([0, 0])),
            graph.constant("axes", np.array([2, 3])),
        )
        further = ["", graph.add("Slice", [graph.constant("relative", bias), zeros, square, axes])]

    for number, layer in enumerate(layers):
        parts = [f"{layer}.{part}" for part in names.query_key_value]
        weights, biases = (tuple(f"{part}.{what}" for part in parts) for what in ("weight", "bias"))
        weight = exact(*weights)
        bias = exact(*biases) - weight @ ahead_of_attention[number]
        shift = graph.constant(f"{layer}.qkv.bias", bias)
        if graph.quantised or isinstance(factor(*weights), FourBitMatrix):
            split = [f"{layer}.{part}" for part in ("query", "key", "value")]
            qkv = graph.linear(x, f"{layer}.qkv", factor(*weights))
            graph.nodes.append(helper.make_node("Split", [qkv], split, axis=-1, num_outputs=3))
            inputs = [*split, shift, mask, *further[1:]]
            context = graph.add("MultiHeadAttention", inputs, _CONTRIB, num_heads=encoder.heads)
        else:
            inputs = [x, graph.constant(f"{layer}.qkv", weight.T), shift, mask, *further]
            context = graph.add("Attention", inputs, _CONTRIB, num_heads=encoder.heads)
        update = graph.linear(
            context, f"{layer}.{names.projection}", factor(f"{layer}.{names.projection}.weight")
        )
        x = normalise(graph.add("Add", [update, x]), f"{layer}.{names.first_norm}", ahead_of_output[number])
        weight = exact(f"{layer}.{names.up}.weight")
        bias = exact(f"{layer}.{names.up}.bias") - weight @ ahead_of_output[number]
        hidden = graph.linear(x, f"{layer}.{names.up}", factor(f"{layer}.{names.up}.weight"), bias)
        if encoder.activation == "gelu":
            hidden, least = graph.add("Gelu", [hidden], _CONTRIB), _GELU_LEAST
        else:
            hidden, least = graph.add("Relu", [hidden]), 0.0
        update = graph.linear(
            hidden, f"{layer}.{names.down}", factor(f"{layer}.{names.down}.weight"), least=least
        )
        x = normalise(
            graph.add("Add", [update, x]), f"{layer}.{names.second_norm}", ahead_of_attention[number + 1]
        )
    return x


def _array(tensor: _Array | FourBitMatrix) -> _Array:
    return tensor.dequantised() if isinstance(tensor, FourBitMatrix) else tensor


def _pool(graph: _Graph, files: ModelFiles, tensors: Tensors, x: str) -> None:
    """Add what makes one unit vector of the vectors `x` of tokens, [batch, tokens, width]."""
    real = graph.add("Unsqueeze", [graph.add("Cast", ["attention_mask"], to=TensorProto.FLOAT), "one"])
    if files.pooling == "cls":
        pooled = graph.add("Squeeze", [graph.add("Slice", [x, "zero", "one", "one"]), "one"])
    elif files.pooling == "max":
        masked = graph.add("Cast", [graph.add("Transpose", [real], perm=[0, 2, 1])], to=TensorProto.BOOL)
        least = graph.constant("least", np.array(_FAR_BELOW))
        pooled = graph.add("ReduceMax", [graph.add("Where", [masked, x, least]), "one"], keepdims=0)
    else:
        pooled = graph.add("Squeeze", [graph.add("MatMul", [real, x]), "one"])
    # Otherwise the sum has the direction of the mean, which is enough.
    if files.dense and files.pooling == "mean":
        count = graph.add("Squeeze", [graph.add("ReduceSum", [real, "two"], keepdims=1), "one"])
        pooled = graph.add("Div", [pooled, count])
    for layer in files.dense:
        bias = _array(tensors[layer.bias]) if layer.bias else None
        product = graph.add("MatMul", [pooled, graph.constant(layer.weight, _array(tensors[layer.weight]).T)])
        pooled = product if bias is None else graph.add("Add", [product, graph.constant(layer.bias, bias)])
        if layer.activation:
            pooled = graph.add(layer.activation, [pooled])
    graph.nodes.append(helper.make_node("LpNormalization", [pooled], ["embedding"], axis=-1, p=2))


def _relative_bias(table: _Array, tokens: int) -> _Array:
    """Return what MPNet adds to the attention of one token to another, [1, heads, tokens, tokens].

    `table` [classes, heads] has a row for each class of distances, half of them for each side. Of these, half are exact
    distances, and the others grow logarithmically up to `_FARTHEST`. The arithmetic is float32, as in
    transformers: at the edge of a class it decides.
    """
    distance = np.arange(tokens)[:, None] - np.arange(tokens)
    side, exact = _BUCKETS // 2, _BUCKETS // 4
    far = np.maximum(np.abs(distance), 1).astype(np.float32) / np.float32(exact)
    log = np.log(far) / np.float32(math.log(_FARTHEST / exact)) * np.float32(side - exact)
    classes = np.where(
        np.abs(distance) < exact, np.abs(distance), np.minimum(exact + log.astype(np.int64), side - 1)
    )
    bias: _Array = table[classes + side * (distance < 0)].transpose(2, 0, 1)[None]
    return bias


def _external(data: DataFile, name: str, value: _Array) -> onnx.TensorProto:
    """Write a tensor to a data file, and return the reference to it."""
    data.file.write(b"\0" * (-data.file.tell() % _PAGE))
    kind = helper.np_dtype_to_tensor_dtype(value.dtype)
    tensor = onnx.TensorProto(name=name, data_type=kind, dims=value.shape, data_location=TensorProto.EXTERNAL)
    places = {"location": data.location, "offset": data.file.tell(), "length": value.nbytes}
    for key, place in places.items():
        tensor.external_data.add(key=key, value=str(place))
    data.file.write(value.data)
    return tensor
