"""Build the canonical encoder as an ONNX graph, with the operators of the engine that is to run it.

Each choice that looks odd is measured (docs/decisions/004-the-graph.md): Add + LayerNormalization
because SkipLayerNormalization is slow on CPUs; bias in the matrix product and a plain Gelu; no
attention mask, because rows of one length need none and a mask turns the flash-attention path of
onnxruntime off. What engines want in different words is `operators.py`'s.

Axes: B rows, T tokens, H hidden.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from edgebert.results import Ints
from edgebert_export.canonical import Linear, Model, Norm
from edgebert_export.onnx_writer import GraphWriter
from edgebert_export.plan import Plan, QuantizedInput, QuantizedLinear


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs of a graph."""

    ids: str
    types: str | None
    mask: str | None  # (B, T), 1 for a token; None in the main graph


@dataclass(frozen=True, slots=True)
class QuantizedValue:
    """A tensor with what is needed to read it, as the operators of its engine want it."""

    values: str
    scale: str
    zero_point: str
    shift: float = 0.0  # added before rounding: the linear's bias takes it off again


@dataclass(frozen=True, slots=True)
class Attended:
    """What bounds or biases the attention."""

    mask: str | None  # as the operators' `mask` gives it
    bias: str | None  # (1, heads, T, T)


class Operators(Protocol):
    """What one engine computes fast with other operators than another."""

    def mask(self, writer: GraphWriter, mask: str) -> str:
        """Turn the input (B, T) into what `attention` takes."""
        ...

    def attention(
        self, writer: GraphWriter, name: str, qkv: list[str], by: Attended, model: Model
    ) -> str:
        """Add the attention of queries to keys and values, each (B, T, H)."""
        ...

    def quantize(
        self, writer: GraphWriter, group: str, stored: str, value: str, how: QuantizedInput
    ) -> QuantizedValue:
        """Quantize the smoothed input of a group of linears."""
        ...

    def linear(
        self,
        writer: GraphWriter,
        name: str,
        layer: QuantizedLinear,
        value: QuantizedValue,
        stored: str = "",
    ) -> str:
        """Add value @ weight + bias, scaled back to float, over a quantized input."""
        ...


@dataclass(slots=True)
class EncoderGraph:
    """A graph under construction: the model, what is quantized, and the inputs of its linears."""

    writer: GraphWriter
    model: Model
    plan: Plan
    operators: Operators
    # "3.f1" -> its inputs, for calibration; several where layers share weights
    group_inputs: dict[str, list[str]] = field(default_factory=dict)


def declare_inputs(writer: GraphWriter, *, types: bool, masked: bool) -> Signature:
    """Declare the graph's inputs under the standard names."""
    shape = ("batch", "tokens")
    return Signature(
        ids=writer.input("input_ids", shape),
        mask=writer.input("attention_mask", shape) if masked else None,
        types=writer.input("token_type_ids", shape) if types else None,
    )


def build_encoder(graph: EncoderGraph, signature: Signature, *, first_row_only: bool) -> list[str]:
    """Add the encoder and return the hidden state after each layer, the last at the end.

    Args:
        graph: where to add it.
        signature: the graph's inputs.
        first_row_only: compute the last layer for [CLS] alone, where nothing else is read.

    Returns:
        (B, T, H) float32 each; the last is (B, 1, H) with `first_row_only`.
    """
    mask = None
    bias = distance_bias(graph, signature.ids)
    if signature.mask is not None:
        mask = graph.operators.mask(graph.writer, signature.mask)
    layers = range(graph.model.encoder.layers)
    hidden = embed_tokens(graph, signature)
    return build_layers(graph, layers, hidden, Attended(mask, bias), first_row_only=first_row_only)


def build_layers(
    graph: EncoderGraph, layers: range, hidden: str, by: Attended, *, first_row_only: bool
) -> list[str]:
    """Add some of the encoder's layers, one after the other.

    Args:
        graph: where to add them.
        layers: their numbers, from 0.
        hidden: (B, T, H) float32, the state before the first of them.
        by: what bounds the attention.
        first_row_only: compute the encoder's last layer, if it is among them, for [CLS] alone.

    Returns:
        The states after each, as of `build_encoder`.
    """
    states = []
    last = graph.model.encoder.layers - 1
    for number in layers:
        trim = first_row_only and number == last
        hidden = _layer(graph, number, hidden, by, first_row_only=trim)
        states.append(hidden)
    return states


def embed_tokens(graph: EncoderGraph, signature: Signature) -> str:
    """Add the embeddings of the tokens, (B, T, H) float32."""
    writer, model = graph.writer, graph.model
    if graph.plan.word is None:
        table = writer.constant("word", model.word)
        total = writer.node("Gather", [table, signature.ids], "words")
    else:
        values = writer.constant("word_s8", graph.plan.word.values)
        scales = writer.constant("word_scales", graph.plan.word.scales)
        rows = writer.node("Gather", [values, signature.ids], "words_s8")
        rows = writer.node("Cast", [rows], "words_float", to=1)
        scale = writer.node("Gather", [scales, signature.ids], "words_scale")
        total = writer.node("Mul", [rows, scale], "words")
    # type 0 is in the positions, so a single text needs no types
    position = model.position if model.types is None else model.position + model.types[0]
    table = writer.constant("position", position)
    shape = writer.node("Shape", [signature.ids], "ids_shape")
    length = writer.node("Gather", [shape, _ints(writer, "one", [1])], "length")
    places = writer.node("Slice", [table, _ints(writer, "zero", [0]), length], "places")
    total = writer.node("Add", [total, places], "words_places")
    if signature.types is not None and model.types is not None:
        table = writer.constant("types", model.types - model.types[0])
        kinds = writer.node("Gather", [table, signature.types], "kinds")
        total = writer.node("Add", [total, kinds], "words_places_kinds")
    total = layer_norm(writer, total, model.embedding_norm, "embedding_norm", model.epsilon)
    if model.projection is None:
        return total
    return float_linear(writer, "projection", model.projection, total)


def distance_bias(graph: EncoderGraph, like: str) -> str | None:
    """Add the attention bias of relative positions, (1, heads, T, T), where the model has one.

    Args:
        graph: where to add it.
        like: any value whose first two axes are (B, T).
    """
    writer, model = graph.writer, graph.model
    if model.distances is None:
        return None
    reach = model.positions - 1
    places = distance_buckets(np.arange(-reach, reach + 1), len(model.distances))
    table = writer.constant("distance_bias_table", model.distances[places])
    scalars = {
        name: writer.constant(f"{name}_scalar", np.array(value, np.int64))
        for name, value in (("zero", 0), ("one", 1), ("reach", reach))
    }
    shape = writer.node("Shape", [like], "distance_shape")
    length = writer.node("Gather", [shape, scalars["one"]], "distance_length")
    steps = writer.node("Range", [scalars["zero"], length, scalars["one"]], "distance_steps")
    rows = writer.node("Unsqueeze", [steps, _ints(writer, "one", [1])], "distance_rows")
    ahead = writer.node("Sub", [steps, rows], "distance_ahead")
    index = writer.node("Add", [ahead, scalars["reach"]], "distance_index")
    bias = writer.node("Gather", [table, index], "distance_gathered")
    bias = writer.node("Transpose", [bias], "distance_by_head", perm=[2, 0, 1])
    return writer.node("Unsqueeze", [bias, _ints(writer, "zero", [0])], "distance_bias")


def distance_buckets(ahead: Ints, buckets: int, farthest: int = 128) -> Ints:
    """Give the bucket of each relative position (key minus query).

    Source: transformers, MPNetEncoder.relative_position_bucket, itself of T5 (Raffel et al. 2020).
    """
    half = buckets // 2
    exact = half // 2
    distance = np.abs(ahead)
    # the same float32 steps as transformers, or a distance on an edge lands in the next bucket
    scaled = np.log(np.maximum(distance, 1).astype(np.float32) / np.float32(exact))
    scaled = scaled / np.float32(math.log(farthest / exact)) * np.float32(half - exact)
    far = np.minimum(exact + scaled.astype(np.int64), half - 1)
    bucket: Ints = np.where(distance < exact, distance, far) + half * (ahead > 0)
    return bucket


def _ints(writer: GraphWriter, name: str, values: list[int]) -> str:
    return writer.constant(name, np.array(values, np.int64))


def layer_norm(
    writer: GraphWriter, value: str, norm: Norm, name: str, epsilon: float, stored: str = ""
) -> str:
    """Add a layer normalization over the last axis; `stored` names its vectors, if not `name`."""
    weight = writer.constant(f"{stored or name}.weight", norm.weight)
    bias = writer.constant(f"{stored or name}.bias", norm.bias)
    return writer.node("LayerNormalization", [value, weight, bias], name, axis=-1, epsilon=epsilon)


def _layer(
    graph: EncoderGraph, number: int, hidden: str, attended_by: Attended, *, first_row_only: bool
) -> str:
    writer, model = graph.writer, graph.model
    name, stored = f"{number}", f"{model.stores[number]}"

    def first_row(value: str, place: str, axis: int = 1) -> str:
        if not first_row_only:
            return value
        return writer.node("Gather", [value, _ints(writer, "zero", [0])], place, axis=axis)

    def norm(value: str, which: str) -> str:
        vectors = model.norms[f"{stored}.{which}"]
        return layer_norm(
            writer, value, vectors, f"{name}.{which}", model.epsilon, f"{stored}.{which}"
        )

    shared = quantize_input(graph, f"{name}.qkv", hidden, f"{stored}.qkv")
    # the query is cut after quantization: same scale, same bits as in the whole layer
    query_place = f"{name}.q.first_row"
    query_input = (
        QuantizedValue(first_row(shared.values, query_place), shared.scale, shared.zero_point)
        if isinstance(shared, QuantizedValue)
        else first_row(shared, query_place)
    )
    query = linear(graph, f"{name}.q", query_input, f"{stored}.q")
    key = linear(graph, f"{name}.k", shared, f"{stored}.k")
    value = linear(graph, f"{name}.v", shared, f"{stored}.v")
    if attended_by.bias is not None:
        bias = first_row(attended_by.bias, f"{name}.bias_first_row", axis=2)
        attended_by = Attended(attended_by.mask, bias)
    attended = graph.operators.attention(
        writer, f"{name}.attention", [query, key, value], attended_by, model
    )
    attended = quantize_linear(graph, name, stored, "o", attended)
    residual = first_row(hidden, f"{name}.residual")
    hidden = norm(
        writer.node("Add", [attended, residual], f"{name}.attention_residual"), "attention_norm"
    )
    wide = quantize_linear(graph, name, stored, "f1", hidden)
    wide = ACTIVATIONS[model.activation](writer, wide, f"{name}.activation")
    narrow = quantize_linear(graph, name, stored, "f2", wide)
    return norm(writer.node("Add", [narrow, hidden], f"{name}.ffn_residual"), "ffn_norm")


def quantize_linear(graph: EncoderGraph, name: str, stored: str, which: str, value: str) -> str:
    """Add a linear that has its input to itself."""
    quantized = quantize_input(graph, f"{name}.{which}", value, f"{stored}.{which}")
    return linear(graph, f"{name}.{which}", quantized, f"{stored}.{which}")


def quantize_input(
    graph: EncoderGraph, group: str, value: str, stored: str = ""
) -> QuantizedValue | str:
    """Quantize the input of a group of linears, where the plan says so.

    Args:
        graph: where to add it.
        group: names the nodes.
        value: the float input.
        stored: names the group in the plan, if not as the nodes: layers may share weights.
    """
    writer, stored = graph.writer, stored or group
    graph.group_inputs.setdefault(stored, []).append(value)
    how = graph.plan.inputs.get(stored)
    if how is None:
        return value
    if how.multiplier is not None:
        factor = writer.constant(f"{stored}.multiplier", how.multiplier)
        value = writer.node("Mul", [value, factor], f"{group}.smoothed")
    return graph.operators.quantize(writer, group, stored, value, how)


def linear(graph: EncoderGraph, name: str, value: QuantizedValue | str, stored: str) -> str:
    """Add one linear of the encoder, quantized or float as its input is."""
    layer = graph.plan.linears.get(stored, graph.model.linears[stored])
    if isinstance(value, QuantizedValue) and isinstance(layer, QuantizedLinear):
        return graph.operators.linear(graph.writer, name, layer, value, stored)
    if isinstance(value, str) and isinstance(layer, Linear):
        return float_linear(graph.writer, name, layer, value, stored)
    raise TypeError(f"the plan quantizes one of the weight and the input of {stored!r}")


def float_linear(
    writer: GraphWriter, name: str, layer: Linear, value: str, stored: str = ""
) -> str:
    """Add x @ weight + bias in float."""
    stored = stored or name
    weight = writer.constant(f"{stored}.weight", layer.weight)
    bias = writer.constant(f"{stored}.bias", layer.bias)
    return writer.node(
        "Add", [writer.node("MatMul", [value, weight], f"{name}.product"), bias], name
    )


def _unary(op: str, **attributes: str) -> Callable[[GraphWriter, str, str], str]:
    return lambda writer, value, name: writer.node(op, [value], name, **attributes)


ACTIVATIONS: dict[str, Callable[[GraphWriter, str, str], str]] = {
    "gelu": _unary("Gelu"),
    "gelu_tanh": _unary("Gelu", approximate="tanh"),
    "relu": _unary("Relu"),
    "tanh": _unary("Tanh"),
    "sigmoid": _unary("Sigmoid"),
    "elu": _unary("Elu"),  # alpha 1 and, below, slope 0.01: the defaults of ONNX are torch's
    "leaky_relu": _unary("LeakyRelu"),
    "softplus": _unary("Softplus"),
    "identity": lambda writer, value, name: value,
}
