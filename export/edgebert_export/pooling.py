"""Build how token vectors become one text vector: the poolings, and the layers after them.

The definitions are sentence-transformers' (`modules/pooling.py`), so that a vector can stand beside
its own. In the main graph every token counts, in the masked graph those whose mask is 1.

Axes: B rows, T tokens, H hidden.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgebert.manifest import PoolingMode
from edgebert_export.graph import ACTIVATIONS, float_linear, layer_norm
from edgebert_export.onnx_writer import GraphWriter
from edgebert_export.sentence_steps import (
    NORM_EPSILON,
    DenseStep,
    NormStep,
    SameStep,
    Step,
    UnitStep,
)

SMALLEST_NORM = 1e-12  # as torch.nn.functional.normalize
SMALLEST_COUNT = 1e-9  # as sentence-transformers' mean pooling
FROM_FIRST_ROW = frozenset({PoolingMode.CLS, PoolingMode.POOLER})


@dataclass(frozen=True, slots=True)
class _Weighted:
    """Sum over the tokens and what it is to be divided by."""

    total: str  # (B, H)
    weight: str  # (B, 1), (1, 1) or a scalar


def pool(
    writer: GraphWriter,
    modes: tuple[PoolingMode, ...],
    hidden: str,
    mask: str | None,
    pooler: Callable[[], str],
) -> str:
    """Pool (B, T, H) into (B, H), or (B, H times modes) with the modes end to end.

    Args:
        writer: of any encoder's graph.
        modes: one or several.
        hidden: (B, T, H) float32.
        mask: (B, T), 1 for a token; None: every token counts.
        pooler: adds, or names, the encoder's own pooled output, where `modes` ask for it.
    """
    parts = [
        pooler() if mode is PoolingMode.POOLER else POOLINGS[mode](writer, hidden, mask)
        for mode in modes
    ]
    return parts[0] if len(parts) == 1 else writer.node("Concat", parts, "pooled", axis=-1)


def add_steps(writer: GraphWriter, steps: tuple[Step, ...], vector: str) -> str:
    """Add the layers after the pooling, in their order and in float."""
    for number, step in enumerate(steps, 1):
        name = f"after_pooling.{number}"
        match step:
            case DenseStep():
                vector = float_linear(writer, name, step.linear, vector)
                vector = ACTIVATIONS[step.activation](writer, vector, f"{name}.activation")
            case NormStep():
                vector = layer_norm(writer, vector, step.norm, name, NORM_EPSILON)
            case UnitStep():
                vector = unit_length(writer, vector, name)
            case SameStep():
                pass
    return vector


def unit_length(writer: GraphWriter, vector: str, name: str = "vector") -> str:
    """Add the scaling of each row of (B, H) to length 1."""
    axes = writer.constant("last_axis", np.array([-1], np.int64))
    length = writer.node("ReduceL2", [vector, axes], f"{name}_length", keepdims=1)
    least = writer.constant("smallest_norm", np.array(SMALLEST_NORM, np.float32))
    length = writer.node("Max", [length, least], f"{name}_length_bounded")
    return writer.node("Div", [vector, length], f"{name}_unit")


def first_row(writer: GraphWriter, hidden: str) -> str:
    """Take the first token's vector, (B, H)."""
    index = writer.constant("zero_scalar", np.array(0, np.int64))
    return writer.node("Gather", [hidden, index], "cls_row", axis=1)


def _cls(writer: GraphWriter, hidden: str, mask: str | None) -> str:
    return first_row(writer, hidden)


def _max(writer: GraphWriter, hidden: str, mask: str | None) -> str:
    if mask is not None:
        column = writer.node("Cast", [_mask_column(writer, mask, "max")], "mask_flag", to=9)
        least = writer.constant("smallest", np.array(np.finfo(np.float32).min, np.float32))
        hidden = writer.node("Where", [column, hidden, least], "max_kept")
    return writer.node("ReduceMax", [hidden, _token_axis(writer)], "max", keepdims=0)


def mean(writer: GraphWriter, hidden: str, mask: str | None) -> str:
    """Add the mean of the tokens' vectors, (B, H)."""
    if mask is None:
        return writer.node("ReduceMean", [hidden, _token_axis(writer)], "mean", keepdims=0)
    found = _weigh(writer, hidden, _mask_column(writer, mask, "mean"), "mean")
    return writer.node("Div", [found.total, found.weight], "mean")


def _mean_sqrt_len(writer: GraphWriter, hidden: str, mask: str | None) -> str:
    name = "mean_sqrt_len"
    if mask is None:
        total = writer.node("ReduceSum", [hidden, _token_axis(writer)], f"{name}_sum", keepdims=0)
        length = writer.node("Cast", [_length(writer, hidden, name)], f"{name}_length_float", to=1)
        found = _Weighted(total, length)
    else:
        found = _weigh(writer, hidden, _mask_column(writer, mask, name), name)
    root = writer.node("Sqrt", [found.weight], f"{name}_root")
    return writer.node("Div", [found.total, root], name)


def _weighted_mean(writer: GraphWriter, hidden: str, mask: str | None) -> str:
    """Weigh the first token by 1, the second by 2 and so on (Muennighoff 2022, SGPT)."""
    name = "weightedmean"
    places = _places(writer, hidden, name, first=1)
    places = writer.node("Cast", [places], f"{name}_places_float", to=1)
    shape = writer.constant("token_column", np.array([1, -1, 1], np.int64))
    weights = writer.node("Reshape", [places, shape], f"{name}_weights")  # (1, T, 1)
    if mask is not None:
        column = _mask_column(writer, mask, name)
        weights = writer.node("Mul", [weights, column], f"{name}_weights_kept")
    found = _weigh(writer, hidden, weights, name)
    return writer.node("Div", [found.total, found.weight], name)


def _last_token(writer: GraphWriter, hidden: str, mask: str | None) -> str:
    name = "lasttoken"
    if mask is None:
        index = writer.constant("last_scalar", np.array(-1, np.int64))
        return writer.node("Gather", [hidden, index], name, axis=1)
    places = _places(writer, hidden, name, first=0)
    places = writer.node("Mul", [mask, places], f"{name}_places_kept")  # (B, T)
    last = writer.node("ReduceMax", [places, _last_axis(writer)], f"{name}_place", keepdims=1)
    return writer.node("GatherND", [hidden, last], name, batch_dims=1)


def _weigh(writer: GraphWriter, hidden: str, weights: str, name: str) -> _Weighted:
    """Sum (B, T, H) over the tokens by weights (B, T, 1), or (1, T, 1) for all rows."""
    axis = _token_axis(writer)
    kept = writer.node("Mul", [hidden, weights], f"{name}_kept")
    total = writer.node("ReduceSum", [kept, axis], f"{name}_sum", keepdims=0)
    weight = writer.node("ReduceSum", [weights, axis], f"{name}_weight", keepdims=0)
    least = writer.constant("smallest_count", np.array(SMALLEST_COUNT, np.float32))
    return _Weighted(total, writer.node("Max", [weight, least], f"{name}_weight_bounded"))


def _mask_column(writer: GraphWriter, mask: str, name: str) -> str:
    column = writer.node("Cast", [mask], f"{name}_mask_float", to=1)
    return writer.node("Unsqueeze", [column, _last_axis(writer)], f"{name}_mask_column")


def _length(writer: GraphWriter, hidden: str, name: str) -> str:
    """Give the row's length T, as a scalar."""
    shape = writer.node("Shape", [hidden], f"{name}_shape")
    one = writer.constant("one_scalar", np.array(1, np.int64))
    return writer.node("Gather", [shape, one], f"{name}_length")


def _places(writer: GraphWriter, hidden: str, name: str, *, first: int) -> str:
    """Count the tokens of a row from `first`: (T,) int64."""
    one = writer.constant("one_scalar", np.array(1, np.int64))
    start = one if first else writer.constant("zero_scalar", np.array(0, np.int64))
    end = _length(writer, hidden, name)
    if first:
        end = writer.node("Add", [end, one], f"{name}_end")
    return writer.node("Range", [start, end, one], f"{name}_places")


def _token_axis(writer: GraphWriter) -> str:
    return writer.constant("token_axis", np.array([1], np.int64))


def _last_axis(writer: GraphWriter) -> str:
    return writer.constant("last_axis", np.array([-1], np.int64))


POOLINGS: dict[PoolingMode, Callable[[GraphWriter, str, str | None], str]] = {
    PoolingMode.CLS: _cls,
    PoolingMode.MEAN: mean,
    PoolingMode.MAX: _max,
    PoolingMode.MEAN_SQRT_LEN: _mean_sqrt_len,
    PoolingMode.WEIGHTED_MEAN: _weighted_mean,
    PoolingMode.LAST_TOKEN: _last_token,
}
