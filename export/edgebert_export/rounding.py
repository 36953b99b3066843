"""Round activations and weights exactly as the quantized graph does.

Activations become u8 over a whole tensor, weights s8 per output channel, symmetric: the one pair
that has fast kernels (docs/decisions/004-the-graph.md). Nothing is chosen here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebert.results import Floats
from edgebert_export.calibrate import Samples
from edgebert_export.plan import QuantizedTable

STEPS = 255  # between the 256 values of u8
# Ranges fixed ahead get room above what calibration saw. With 1.15 the least cosine of MiniLM on
# texts of up to four words is 0.9684 to 0.9908, with 1.3 0.9867 to 0.9948; means move by 0.0002.
STATIC_MARGIN = np.float32(1.3)


def largest_value(bits: int) -> int:
    """Give the largest s8 weight: 127, or 63 for 7 bits, the same below zero.

    A CPU without VNNI adds two u8 x s8 products in 16 bits: 2 * 255 * 63 = 32130 fits,
    2 * 255 * 127 does not (onnxruntime#6004).
    """
    return (1 << (bits - 1)) - 1


@dataclass(frozen=True, slots=True)
class Grid:
    """The u8 values of activations: value = (u8 - zero_point) * scale."""

    scales: Floats  # (texts,), or (1,) where fixed ahead
    zero_points: Floats  # the same shape, whole numbers


def grid_of(samples: Samples, multiplier: Floats | None, *, static: bool) -> Grid:
    """Compute the grid that each text is rounded to, after scaling its channels.

    A text's own, as the ONNX operator DynamicQuantizeLinear defines it; or, with `static`, one
    for all texts, with room.
    """
    largest, smallest = samples.largest, samples.smallest
    if multiplier is not None:
        largest, smallest = largest * multiplier, smallest * multiplier
    top = np.maximum(largest.max(axis=1), 0)
    bottom = np.minimum(smallest.min(axis=1), 0)
    if static:
        top = top.max(keepdims=True) * STATIC_MARGIN
        bottom = bottom.min(keepdims=True) * STATIC_MARGIN
    scales = (top - bottom) / np.float32(STEPS)
    scales[scales == 0] = 1  # a text of zeros stays zeros
    return Grid(scales, np.rint(np.clip(-bottom / scales, 0, STEPS)))


def round_inputs(samples: Samples, multiplier: Floats | None, *, static: bool) -> Floats:
    """Scale the sampled vectors, round them to their grid, and give the values it stands for."""
    grid = grid_of(samples, multiplier, static=static)
    vectors = samples.vectors if multiplier is None else samples.vectors * multiplier
    places = np.zeros_like(samples.texts) if static else samples.texts
    scales, zero_points = grid.scales[places, None], grid.zero_points[places, None]
    values = vectors / scales
    np.rint(values, out=values)
    np.clip(values, -zero_points, STEPS - zero_points, out=values)
    values *= scales
    return values


def weight_scales(weight: Floats, largest: int) -> Floats:
    """Compute the scale of each output channel of an (in, out) weight."""
    scales: Floats = np.abs(weight).max(axis=0) / np.float32(largest)
    scales[scales == 0] = 1
    return scales


def round_weight(weight: Floats, scales: Floats, largest: int) -> Floats:
    """Round an (in, out) weight to whole numbers, kept in float32."""
    values: Floats = np.rint(weight / scales)
    return np.clip(values, -largest, largest, out=values)


def quantize_table(table: Floats) -> QuantizedTable:
    """Round an embedding table to s8, one scale a row; a row of zeros stays zeros."""
    largest = np.float32(largest_value(8))
    scales = np.abs(table).max(axis=1, keepdims=True) / largest
    scales[scales == 0] = 1
    values: NDArray[np.int8] = np.rint(table / scales).astype(np.int8)
    return QuantizedTable(values, scales)
