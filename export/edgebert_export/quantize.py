"""Make the plan of a quantized graph: which scales, which rounded weights, what stays float.

Each group of linears is smoothed (`smooth.py`), the strongest neurons before the second
feed-forward linear are split (`split.py`), and weights are rounded to nearest, or together with
`int8-accurate` (`gptq.py`). Layer norms, pooler and heads stay float; of the heads only the
masked LM's vocabulary matrix is quantized. Same inputs give the same plan, bit for bit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from edgebert.manifest import Level
from edgebert.results import Floats
from edgebert_export.calibrate import Calibration, Samples
from edgebert_export.canonical import Linear, Model
from edgebert_export.gptq import round_together
from edgebert_export.plan import DECODER, GROUPS, Plan, QuantizedInput, QuantizedLinear
from edgebert_export.rounding import (
    grid_of,
    largest_value,
    quantize_table,
    round_weight,
    weight_scales,
)
from edgebert_export.smooth import scale_rows, search_smoothing
from edgebert_export.split import find_split, split_inputs, split_outputs, split_samples

# `int8-accurate` keeps a group float whose output is off by more than this (mean square, relative
# to the output's). All groups of six trained models lie between 1e-5 and 4e-4: none is kept there.
WORST_ERROR = 1e-3


@dataclass(slots=True)
class _Draft:
    """A plan in the making."""

    model: Model
    calibration: Calibration
    level: Level
    static: bool
    largest: int  # s8 weight
    inputs: dict[str, QuantizedInput] = field(default_factory=dict)
    linears: dict[str, QuantizedLinear | Linear] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)


def make_plan(
    model: Model,
    calibration: Calibration,
    *,
    level: Level,
    static: bool,
    weight_bits: int,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[Plan, tuple[str, ...]]:
    """Choose how a model is quantized.

    Args:
        model: in float.
        calibration: what reaches its linears, by `calibrate.calibrate`.
        level: `int8`, or `int8-accurate`: slower to make, as fast to run unless groups are kept.
        static: fix activation ranges to those of the calibration, with room.
        weight_bits: 8, or 7 for CPUs whose u8 x s8 sums saturate.
        progress: told the step's name and the share that is done, 0 to 1.

    Returns:
        The plan, and the names of the linears that stay float by choice, such as "0.f2".
    """
    if level is Level.FP32:
        return Plan(), ()
    draft = _Draft(model, calibration, level, static, largest_value(weight_bits))
    groups = list(_groups(model, calibration))
    for number, group in enumerate(groups):
        _quantize_group(draft, group)
        if progress is not None:
            progress("quantize", (number + 1) / len(groups))
    return Plan(draft.inputs, draft.linears, quantize_table(model.word)), tuple(draft.kept)


def _groups(model: Model, calibration: Calibration) -> Iterator[str]:
    """Name the groups; f2 before f1, which its split widens, and o after v, which it scales."""
    for number in sorted(set(model.stores)):
        for kind in ("f2", "f1", "qkv", "o"):
            yield f"{number}.{kind}"
    if DECODER in calibration:
        yield DECODER


def _members(group: str) -> tuple[str, ...]:
    if group == DECODER:
        return (DECODER,)
    layer, _, kind = group.partition(".")
    return tuple(f"{layer}.{name}" for name in GROUPS[kind])


def _float_linear(draft: _Draft, name: str) -> Linear:
    """Give a linear that is not quantized yet, widened if a split has widened it."""
    stated = draft.linears.get(name)
    if isinstance(stated, Linear):
        return stated
    if name == DECODER and draft.model.head is not None:
        return draft.model.head.output
    return draft.model.linears[name]


def _quantize_group(draft: _Draft, group: str) -> None:
    samples, names = draft.calibration[group], _members(group)
    layers = [_float_linear(draft, name) for name in names]
    layer, _, kind = group.partition(".")
    split = find_split(samples) if kind == "f2" else None
    weights = [linear.weight for linear in layers]
    if split is not None:
        samples = split_samples(samples, split)
        weights = [split_inputs(weight, split) for weight in weights]
    found = search_smoothing(
        samples, weights, largest=draft.largest, static=draft.static, amplify=kind != "f2"
    )
    if draft.level is Level.INT8_ACCURATE and found.error > WORST_ERROR:
        draft.kept.extend(names)
        return
    multiplier = found.multiplier
    for name, linear, weight in zip(names, layers, weights, strict=True):
        draft.linears[name] = _quantize_linear(
            draft, Linear(weight, linear.bias), samples, multiplier
        )
    static = _static(draft, samples, multiplier)
    if split is not None:
        draft.linears[f"{layer}.f1"] = split_outputs(_float_linear(draft, f"{layer}.f1"), split)
        multiplier = split.shares if multiplier is None else split.shares * multiplier
    if kind == "o" and multiplier is not None:
        draft.linears[f"{layer}.v"] = _scale_outputs(draft, f"{layer}.v", multiplier)
        multiplier = None
    draft.inputs[group] = QuantizedInput(multiplier, static)


def _static(draft: _Draft, samples: Samples, multiplier: Floats | None) -> tuple[float, int] | None:
    if not draft.static:
        return None
    grid = grid_of(samples, multiplier, static=True)
    return float(grid.scales[0]), int(grid.zero_points[0])


def _quantize_linear(
    draft: _Draft, linear: Linear, samples: Samples, multiplier: Floats | None
) -> QuantizedLinear:
    weight = scale_rows(linear.weight, multiplier)
    scales = weight_scales(weight, draft.largest)
    if draft.level is Level.INT8_ACCURATE:
        vectors = samples.vectors if multiplier is None else samples.vectors * multiplier
        values = round_together(weight, scales, vectors, draft.largest)
    else:
        values = round_weight(weight, scales, draft.largest)
    return QuantizedLinear(values.astype(np.int8), scales, linear.bias)


def _scale_outputs(draft: _Draft, name: str, multiplier: Floats) -> QuantizedLinear | Linear:
    """Fold the scaling of attention's output into the values it averages: it costs nothing."""
    layer = draft.linears.get(name, draft.model.linears[name])
    if isinstance(layer, QuantizedLinear):
        return replace(layer, scales=layer.scales * multiplier, bias=layer.bias * multiplier)
    return Linear(layer.weight * multiplier, layer.bias * multiplier)
