"""Build the canonical encoder as an ONNX graph that stock onnxruntime runs fast.

Each choice that looks odd is measured (docs/performance.md): Add + LayerNormalization because
SkipLayerNormalization is slow on CPUs; bias in the matrix product and a plain Gelu; u8
activations x s8 weights because only that pair has fast kernels; no attention mask, because rows
of one length need none and a mask turns the flash-attention path off.

Axes: B rows, T tokens, H hidden.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edgebert_export.canonical import Linear, Model, Norm
from edgebert_export.onnx_writer import MICROSOFT, GraphWriter
from edgebert_export.plan import GROUPS, Plan, QuantizedInput, QuantizedLinear

# A masked key gets this score before the softmax; exp of it is 0 for any row that has a token.
MASKED_SCORE = float(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs of a graph."""

    ids: str
    types: str | None
    mask: str | None  # (B, T), 1 for a token; None in the main graph


@dataclass(frozen=True, slots=True)
class QuantizedValue:
    """A u8 tensor with what is needed to read it."""

    values: str
    scale: str
    zero_point: str


@dataclass(slots=True)
class EncoderGraph:
    """A graph under construction: the model, what is quantized, and the inputs of its linears."""

    writer: GraphWriter
    model: Model
    plan: Plan
    group_inputs: dict[str, str] = field(default_factory=dict)  # "3.f1" -> value, for calibration


def declare_inputs(writer: GraphWriter, *, types: bool, masked: bool) -> Signature:
    """Declare the graph's inputs under the standard names."""
    shape = ("batch", "tokens")
    return Signature(
        ids=writer.input("input_ids", shape),
        mask=writer.input("attention_mask", shape) if masked else None,
        types=writer.input("token_type_ids", shape) if types else None,
    )


def build_encoder(graph: EncoderGraph, signature: Signature, *, first_row_only: bool) -> str:
    """Add the encoder and return its last hidden state.

    Args:
        graph: where to add it.
        signature: the graph's inputs.
        first_row_only: compute the last layer for [CLS] alone, where nothing else is read.

    Returns:
        (B, T, H) float32, or (B, 1, H) with `first_row_only`.
    """
    mask = None
    if signature.mask is not None:
        # int32 is what MultiHeadAttention takes
        mask = graph.writer.node("Cast", [signature.mask], "mask_int32", to=6)
    hidden = _embed(graph, signature)
    last = graph.model.encoder.layers - 1
    for number in range(last + 1):
        trim = first_row_only and number == last
        hidden = _layer(graph, number, hidden, mask, first_row_only=trim)
    return hidden


def _embed(graph: EncoderGraph, signature: Signature) -> str:
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
    return layer_norm(writer, total, model.embedding_norm, "embedding_norm", model.epsilon)


def _ints(writer: GraphWriter, name: str, values: list[int]) -> str:
    return writer.constant(name, np.array(values, np.int64))


def layer_norm(writer: GraphWriter, value: str, norm: Norm, name: str, epsilon: float) -> str:
    """Add a layer normalization over the last axis."""
    weight = writer.constant(f"{name}.weight", norm.weight)
    bias = writer.constant(f"{name}.bias", norm.bias)
    return writer.node("LayerNormalization", [value, weight, bias], name, axis=-1, epsilon=epsilon)


def _layer(
    graph: EncoderGraph, number: int, hidden: str, mask: str | None, *, first_row_only: bool
) -> str:
    writer, model = graph.writer, graph.model
    name = f"{number}"

    def first_row(value: str, place: str) -> str:
        if not first_row_only:
            return value
        return writer.node("Gather", [value, _ints(writer, "zero", [0])], place, axis=1)

    shared = quantize_input(graph, f"{name}.qkv", hidden)
    # the query is cut after quantization: same scale, same bits as in the whole layer
    query_place = f"{name}.q.first_row"
    query_input = (
        QuantizedValue(first_row(shared.values, query_place), shared.scale, shared.zero_point)
        if isinstance(shared, QuantizedValue)
        else first_row(shared, query_place)
    )
    query = linear(graph, f"{name}.q", query_input)
    key = linear(graph, f"{name}.k", shared)
    value = linear(graph, f"{name}.v", shared)
    attended = writer.node(
        "MultiHeadAttention",
        [query, key, value, *(["", mask] if mask else [])],
        f"{name}.attention",
        domain=MICROSOFT,
        num_heads=model.encoder.heads,
        **({"mask_filter_value": MASKED_SCORE} if mask else {}),
    )
    attended = linear(graph, f"{name}.o", quantize_input(graph, f"{name}.o", attended))
    total = writer.node(
        "Add", [attended, first_row(hidden, f"{name}.residual")], f"{name}.attention_residual"
    )
    norm = f"{name}.attention_norm"
    hidden = layer_norm(writer, total, model.norms[norm], norm, model.epsilon)
    wide = linear(graph, f"{name}.f1", quantize_input(graph, f"{name}.f1", hidden))
    wide = ACTIVATIONS[model.activation](writer, wide, f"{name}.activation")
    narrow = linear(graph, f"{name}.f2", quantize_input(graph, f"{name}.f2", wide))
    total = writer.node("Add", [narrow, hidden], f"{name}.ffn_residual")
    norm = f"{name}.ffn_norm"
    return layer_norm(writer, total, model.norms[norm], norm, model.epsilon)


def quantize_input(graph: EncoderGraph, group: str, value: str) -> QuantizedValue | str:
    """Turn the input of a group of linears into u8, where the plan says so."""
    writer = graph.writer
    graph.group_inputs[group] = value
    how = graph.plan.inputs.get(group)
    if how is None:
        return value
    if how.multiplier is not None:
        factor = writer.constant(f"{group}.multiplier", how.multiplier)
        value = writer.node("Mul", [value, factor], f"{group}.smoothed")
    if how.static is None:
        names = [f"{group}.u8", f"{group}.scale", f"{group}.zero_point"]
        return QuantizedValue(*writer.nodes("DynamicQuantizeLinear", [value], names))
    scale = writer.constant(f"{group}.scale", np.array(how.static[0], np.float32))
    zero_point = writer.constant(f"{group}.zero_point", np.array(how.static[1], np.uint8))
    values = writer.node("QuantizeLinear", [value, scale, zero_point], f"{group}.u8")
    return QuantizedValue(values, scale, zero_point)


def linear(graph: EncoderGraph, name: str, value: QuantizedValue | str) -> str:
    """Add one linear of the encoder, quantized or float as its input is."""
    stated = graph.plan.linears.get(name, graph.model.linears.get(name))
    if isinstance(value, QuantizedValue):
        assert_quantized = stated
        if not isinstance(assert_quantized, QuantizedLinear):
            raise TypeError(f"plan quantizes the input of {name} but not its weight")
        return quantized_linear(graph.writer, name, assert_quantized, value)
    if not isinstance(stated, Linear):
        raise TypeError(f"plan quantizes the weight of {name} but not its input")
    return float_linear(graph.writer, name, stated, value)


def float_linear(writer: GraphWriter, name: str, layer: Linear, value: str) -> str:
    """Add x @ weight + bias in float."""
    product = writer.node(
        "MatMul", [value, writer.constant(f"{name}.weight", layer.weight)], f"{name}.product"
    )
    return writer.node("Add", [product, writer.constant(f"{name}.bias", layer.bias)], name)


def quantized_linear(
    writer: GraphWriter, name: str, layer: QuantizedLinear, value: QuantizedValue
) -> str:
    """Add x_u8 @ weight_s8, scaled back to float, plus bias, as one node."""
    return writer.node(
        "MatMulIntegerToFloat",
        [
            value.values,
            writer.constant(f"{name}.weight_s8", layer.values),
            value.scale,
            writer.constant(f"{name}.scales", layer.scales),
            value.zero_point,
            "",  # weights are symmetric
            writer.constant(f"{name}.bias", layer.bias),
        ],
        name,
        domain=MICROSOFT,
    )


def _unary(op: str, **attributes: str) -> Callable[[GraphWriter, str, str], str]:
    return lambda writer, value, name: writer.node(op, [value], name, **attributes)


ACTIVATIONS: dict[str, Callable[[GraphWriter, str, str], str]] = {
    "gelu": _unary("Gelu"),
    "gelu_tanh": _unary("Gelu", approximate="tanh"),
    "relu": _unary("Relu"),
    "tanh": _unary("Tanh"),
}

__all__ = [
    "ACTIVATIONS",
    "GROUPS",
    "EncoderGraph",
    "QuantizedInput",
    "Signature",
    "build_encoder",
    "declare_inputs",
]
