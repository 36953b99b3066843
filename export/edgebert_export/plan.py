"""What is quantized in a graph, as values: made by `quantize.py`, built by `graph.py`.

The linears of a layer take four inputs: `qkv` (shared by three), `o`, `f1` and `f2`. A group
input is quantized once; an empty plan is the fp32 graph.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgebert.results import Floats
from edgebert_export.canonical import Linear

GROUPS: Mapping[str, tuple[str, ...]] = {
    "qkv": ("q", "k", "v"),
    "o": ("o",),
    "f1": ("f1",),
    "f2": ("f2",),
}
DECODER = "decoder"  # the masked LM's output linear, and the group of its input


@dataclass(frozen=True, slots=True)
class QuantizedLinear:
    """y = dequantize(x_u8 @ values) + bias."""

    values: NDArray[np.int8]  # (in, out)
    scales: Floats  # (out,)
    bias: Floats  # (out,)


@dataclass(frozen=True, slots=True)
class QuantizedTable:
    """An embedding table: row = values * scale."""

    values: NDArray[np.int8]  # (V, H)
    scales: Floats  # (V, 1)


@dataclass(frozen=True, slots=True)
class QuantizedInput:
    """How the input of a group becomes u8."""

    multiplier: Floats | None  # (in,) applied first; None where it is folded or not needed
    static: tuple[float, int] | None  # scale and zero point; None: taken from each run


@dataclass(frozen=True, slots=True)
class Plan:
    """The quantized parts of a model, by name; what is not named stays float."""

    inputs: Mapping[str, QuantizedInput] = field(default_factory=dict)  # "3.f1"
    linears: Mapping[str, QuantizedLinear | Linear] = field(default_factory=dict)
    word: QuantizedTable | None = None
