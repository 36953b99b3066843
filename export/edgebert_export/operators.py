"""The operators of each engine: the same sums in the words that it computes fast.

onnxruntime: its own attention, and u8 activations x s8 weights in one node, because only that pair
has fast kernels there. OpenVINO: standard operators, which it fuses itself, and never a zero point,
because with one it compiles anew for every shape (docs/decisions/008-a-second-engine.md).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from edgebert_export.canonical import Model
from edgebert_export.graph import Attended, QuantizedValue
from edgebert_export.onnx_writer import MICROSOFT, GraphWriter
from edgebert_export.plan import QuantizedInput, QuantizedLinear

# A masked key gets this score before the softmax; exp of it is 0 for any row that has a token.
MASKED_SCORE = float(np.finfo(np.float32).min)
# Added to a masked key's score: exp of it is 0 as well, and a sum with it stays finite in bf16.
MASKED_BIAS = -30000.0
LARGEST_U8, LARGEST_S8 = 255, 127
LOPSIDED = 64  # a zero point nearer to an end: s8 about zero would have under 7 of the 8 bits


@dataclass(frozen=True, slots=True)
class OnnxruntimeOperators:
    """Nodes of the `com.microsoft` domain that stock onnxruntime has."""

    def mask(self, writer: GraphWriter, mask: str) -> str:
        """Give (B, T) int32, which is what MultiHeadAttention takes."""
        return writer.node("Cast", [mask], "mask_int32", to=6)

    def attention(
        self, writer: GraphWriter, name: str, qkv: list[str], by: Attended, model: Model
    ) -> str:
        """Add one fused node."""
        mask, bias = by.mask or "", by.bias or ""
        return writer.node(
            "MultiHeadAttention",
            [*qkv, *(["", mask] if mask or bias else []), *([bias] if bias else [])],
            name,
            domain=MICROSOFT,
            num_heads=model.encoder.heads,
            **({"mask_filter_value": MASKED_SCORE} if mask else {}),
        )

    def quantize(
        self, writer: GraphWriter, group: str, stored: str, value: str, how: QuantizedInput
    ) -> QuantizedValue:
        """Give u8 values with scale and zero point: fixed, or taken from each run."""
        if how.static is None:
            names = [f"{group}.u8", f"{group}.scale", f"{group}.zero_point"]
            values, scale, zero_point = writer.nodes("DynamicQuantizeLinear", [value], names)
            return QuantizedValue(values, scale, zero_point)
        scale = writer.constant(f"{stored}.scale", np.array(how.static[0], np.float32))
        zero_point = writer.constant(f"{stored}.zero_point", np.array(how.static[1], np.uint8))
        values = writer.node("QuantizeLinear", [value, scale, zero_point], f"{group}.u8")
        return QuantizedValue(values, scale, zero_point)

    def linear(
        self,
        writer: GraphWriter,
        name: str,
        layer: QuantizedLinear,
        value: QuantizedValue,
        stored: str = "",
    ) -> str:
        """Add x_u8 @ weight_s8, scaled back to float, plus bias, as one node."""
        stored = stored or name
        return writer.node(
            "MatMulIntegerToFloat",
            [
                value.values,
                writer.constant(f"{stored}.weight_s8", layer.values),
                value.scale,
                writer.constant(f"{stored}.scales", layer.scales),
                value.zero_point,
                "",  # weights are symmetric
                writer.constant(f"{stored}.bias", layer.bias),
            ],
            name,
            domain=MICROSOFT,
        )


@dataclass(frozen=True, slots=True)
class OpenvinoOperators:
    """Standard ONNX alone: int8 is said by pairs of QuantizeLinear and DequantizeLinear."""

    def mask(self, writer: GraphWriter, mask: str) -> str:
        """Give (B, 1, 1, T), to be added to the scores."""
        flags = writer.node("Cast", [mask], "mask_float32", to=1)
        one = writer.constant("mask_one", np.array(1, np.float32))
        bias = writer.constant("mask_bias_size", np.array(-MASKED_BIAS, np.float32))
        axes = writer.constant("mask_axes", np.array([1, 2], np.int64))
        flags = writer.node("Sub", [flags, one], "mask_minus")
        return writer.node(
            "Unsqueeze", [writer.node("Mul", [flags, bias], "mask_rows"), axes], "mask_bias"
        )

    def attention(
        self, writer: GraphWriter, name: str, qkv: list[str], by: Attended, model: Model
    ) -> str:
        """Add softmax(q k / sqrt(d) + mask + bias) v, head by head."""
        heads, hidden = model.encoder.heads, model.encoder.hidden
        shape = writer.constant("by_head", np.array([0, 0, heads, hidden // heads], np.int64))
        root = math.sqrt(hidden // heads)
        scale = writer.constant("attention_scale", np.array(1 / root, np.float32))

        def by_head(value: str, place: str, order: list[int]) -> str:
            split = writer.node("Reshape", [value, shape], f"{name}.{place}_split")
            return writer.node("Transpose", [split], f"{name}.{place}_by_head", perm=order)

        query = writer.node("Mul", [qkv[0], scale], f"{name}.scaled")
        query = by_head(query, "q", [0, 2, 1, 3])
        key, value = by_head(qkv[1], "k", [0, 2, 3, 1]), by_head(qkv[2], "v", [0, 2, 1, 3])
        scores = writer.node("MatMul", [query, key], f"{name}.scores")
        for what, added in (("biased", by.bias), ("masked", by.mask)):
            if added is not None:
                scores = writer.node("Add", [scores, added], f"{name}.{what}")
        shares = writer.node("Softmax", [scores], f"{name}.shares", axis=-1)
        mixed = writer.node("MatMul", [shares, value], f"{name}.mixed")
        mixed = writer.node("Transpose", [mixed], f"{name}.by_token", perm=[0, 2, 1, 3])
        joined = writer.constant("heads_joined", np.array([0, 0, hidden], np.int64))
        return writer.node("Reshape", [mixed, joined], name)

    def quantize(
        self, writer: GraphWriter, group: str, stored: str, value: str, how: QuantizedInput
    ) -> QuantizedValue:
        """Round and put back: to s8 with a range about zero that holds the plan's.

        A range that lies to one side, as after GELU, would lose half of its steps in s8. It keeps
        the plan's u8 steps: shifted up to begin at zero, which `linear` takes off its bias.
        """
        if how.static is None:
            raise TypeError(f"{stored!r} has no fixed range")
        step, zero_point = how.static
        if not LOPSIDED <= zero_point <= LARGEST_U8 - LOPSIDED:
            scale = writer.constant(f"{stored}.scale", np.array(step, np.float32))
            zero = writer.constant("zero_u8", np.array(0, np.uint8))
            shift = step * zero_point
            if shift:
                above = writer.constant(f"{stored}.shift", np.array(shift, np.float32))
                value = writer.node("Add", [value, above], f"{group}.shifted")
            return replace(_round(writer, group, value, scale, zero), shift=shift)
        reach = max(zero_point, LARGEST_U8 - zero_point) * step
        scale = writer.constant(f"{stored}.scale_s8", np.array(reach / LARGEST_S8, np.float32))
        zero = writer.constant("zero_s8", np.array(0, np.int8))
        return _round(writer, group, value, scale, zero)

    def linear(
        self,
        writer: GraphWriter,
        name: str,
        layer: QuantizedLinear,
        value: QuantizedValue,
        stored: str = "",
    ) -> str:
        """Add the product with the s8 weights, which OpenVINO takes as they are, plus bias."""
        stored = stored or name
        weight = writer.constant(f"{stored}.weight_s8", layer.values)
        scales = writer.constant(f"{stored}.scales", layer.scales)
        if value.shift:
            sums = layer.values.sum(axis=0, dtype=np.int64) * layer.scales.astype(np.float64)
            lowered = (layer.bias - value.shift * sums).astype(np.float32)
            bias = writer.constant(f"{stored}.bias_shifted", lowered)
        else:
            bias = writer.constant(f"{stored}.bias", layer.bias)
        weight = writer.node("DequantizeLinear", [weight, scales], f"{name}.weight", axis=1)
        product = writer.node("MatMul", [value.values, weight], f"{name}.product")
        return writer.node("Add", [product, bias], name)


def _round(
    writer: GraphWriter, group: str, value: str, scale: str, zero_point: str
) -> QuantizedValue:
    values = writer.node("QuantizeLinear", [value, scale, zero_point], f"{group}.steps")
    values = writer.node("DequantizeLinear", [values, scale, zero_point], f"{group}.rounded")
    return QuantizedValue(values, scale, zero_point)


ONNXRUNTIME = OnnxruntimeOperators()
OPENVINO = OpenvinoOperators()
