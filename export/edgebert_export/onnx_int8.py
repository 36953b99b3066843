"""int8 for a graph that somebody else made: its linears, one by one, wherever they stand.

The native road's recipe on foreign ground: u8 activations by each run's own scale, s8 weights per
output channel, searched smoothing (`smooth.py`), word embeddings s8 per row. What it needs to know
of the graph is only which products have a constant weight, and what reaches them.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, helper

from edgebert.manifest import Scales
from edgebert.results import Floats
from edgebert_export.calibrate import Samples, join_texts, reduce_text
from edgebert_export.given_session import onnx_runner
from edgebert_export.onnx_reader import Array, Constant, GivenGraph
from edgebert_export.onnx_writer import MICROSOFT, GraphWriter, WeightFile
from edgebert_export.quantize import WORST_ERROR
from edgebert_export.rounding import largest_value, quantize_table, round_weight, weight_scales
from edgebert_export.smooth import scale_rows, search_smoothing
from edgebert_export.split import Split, find_split, split_inputs, split_samples

BRANCHES = frozenset({"If", "Loop", "Scan"})  # which read values that are not their inputs
MAX_VECTORS = 1024  # kept of each input, as calibrate.py keeps
LEAST_ACTIVATED = -0.3  # GELU and SiLU never go below -0.17 and -0.28
# operators that quantize activations: from each run, or by a scale fixed before
DYNAMIC = frozenset({"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"})
STATIC = frozenset({"QuantizeLinear", "QLinearMatMul", "QGemm", "QAttention"})
# and those that read quantized weights beside float activations
WEIGHT_ONLY = frozenset({"DequantizeLinear", "MatMulNBits", "GatherBlockQuantized"})


@dataclass(frozen=True, slots=True)
class Quantized:
    """A quantized graph, and what stayed float in it."""

    graph: GivenGraph
    kept: tuple[str, ...]  # names of the products with a constant weight that stayed float


def found_scales(given: GivenGraph) -> Scales | None:
    """Tell how a graph is quantized already; None where it is float."""
    operators = {node.op_type for node in given.nodes}
    for named, scales in ((DYNAMIC, Scales.DYNAMIC), (STATIC, Scales.STATIC)):
        if operators & named:
            return scales
    small = any(
        constant.tensor.data_type in (TensorProto.INT8, TensorProto.UINT8)
        and len(constant.tensor.dims) > 1
        for constant in given.constants.values()
    )
    return Scales.NONE if small or operators & WEIGHT_ONLY else None


@dataclass(slots=True)
class _Draft:
    """A graph in the rewriting."""

    given: GivenGraph
    largest: int  # s8 weight
    constants: dict[str, Constant]
    replaced: dict[str, list[NodeProto]] = field(default_factory=dict)  # by a node's first output

    def add(self, name: str, array: Array) -> str:
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor = TensorProto(name=name, data_type=kind, dims=array.shape)
        self.constants[name] = Constant(tensor, array)
        return name


def quantize_given(
    given: GivenGraph,
    rows: Sequence[Sequence[int]],
    *,
    weight_bits: int,
    keep_width: int | None,
    progress: Callable[[float], None],
) -> Quantized:
    """Quantize the linears and the word embeddings of a float graph.

    Args:
        given: in float.
        rows: token ids of texts to calibrate on.
        weight_bits: 8, or 7 for CPUs whose u8 x s8 sums saturate.
        keep_width: linears of so many outputs are heads and stay float.
        progress: told the share that is done, 0 to 1.
    """
    draft = _Draft(given, largest_value(weight_bits), dict(given.constants))
    groups, kept = _groups(given, keep_width)
    calibration = _calibrate(given, list(groups), rows)
    for number, (source, nodes) in enumerate(groups.items()):
        if not _quantize_group(draft, number, source, nodes, calibration[source]):
            kept += tuple(node.name or node.output[0] for node in nodes)
        progress((number + 1) / len(groups))
    _quantize_tables(draft)
    nodes = [part for node in given.nodes for part in draft.replaced.get(node.output[0], [node])]
    used = {name for node in nodes for name in node.input}
    constants = {
        name: constant
        for name, constant in draft.constants.items()
        if name in used or name not in _weights(draft)
    }
    return Quantized(replace(given, nodes=nodes, constants=constants), kept)


def _weights(draft: _Draft) -> set[str]:
    """Name the constants that rewritten nodes read: where nothing else does, they go."""
    rewritten = (node for node in draft.given.nodes if node.output[0] in draft.replaced)
    return {name for node in rewritten for name in node.input}


def _groups(
    given: GivenGraph, keep_width: int | None
) -> tuple[dict[str, list[NodeProto]], tuple[str, ...]]:
    """Group the linears by the value that they take, in the order of the graph.

    What depends on no token (tables of relative positions) is left: onnxruntime computes it once.
    """
    moving, groups, kept = set(given.inputs), dict[str, list[NodeProto]](), []
    for node in given.nodes:
        moves = bool(moving & set(node.input)) or node.op_type in BRANCHES
        if moves:
            moving |= set(node.output)
        weighted = node.op_type in ("MatMul", "Gemm", "Conv") and node.input[1] in given.constants
        if not weighted:
            continue
        dims = given.constants[node.input[1]].tensor.dims
        kind = given.constants[node.input[1]].tensor.data_type
        linear = node.op_type == "MatMul" and len(dims) == 2 and kind == TensorProto.FLOAT
        if moves and linear and dims[1] != keep_width:
            groups.setdefault(node.input[0], []).append(node)
        else:
            kept.append(node.name or node.output[0])
    return groups, tuple(kept)


def _calibrate(
    given: GivenGraph, values: Sequence[str], rows: Sequence[Sequence[int]]
) -> Mapping[str, Samples]:
    """Run the float graph row by row and keep what reaches the linears."""
    parts: dict[str, list[tuple[Floats, Floats, Floats]]] = {value: [] for value in values}
    keep = max(1, MAX_VECTORS // len(rows))
    with tempfile.TemporaryDirectory(prefix="edgebert-") as folder:
        path = Path(folder) / "model.onnx"
        with WeightFile(Path(folder) / "model.weights") as weights:
            writer = GraphWriter(weights, given.opsets, given.ir_version)
            for name in given.inputs:
                writer.input(name, ("batch", "tokens"))
            for constant in given.constants.values():
                writer.tensor(constant.tensor, constant.data)
            for node in given.nodes:
                writer.copy(node)
            for value in values:
                writer.expose(value)
            writer.write(path)
        run = onnx_runner(path, values)
        for number, row in enumerate(rows):
            ids = np.array([row], np.int64)
            known = {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "token_type_ids": np.zeros_like(ids),
            }
            found = run({name: known[name] for name in given.inputs})
            for value, array in zip(values, found, strict=True):
                parts[value].append(reduce_text(array, keep, number))
        del run  # before its folder: a mapped file cannot be deleted on Windows
    return {value: join_texts(kept) for value, kept in parts.items()}


def _quantize_group(
    draft: _Draft, number: int, source: str, nodes: Sequence[NodeProto], samples: Samples
) -> bool:
    """Rewrite the linears that share an input, scaled and rounded once; False: left float."""
    weights = [draft.given.constants[node.input[1]].array() for node in nodes]
    neurons = _are_neurons(samples)
    split = find_split(samples) if neurons else None
    if split is not None:
        samples = split_samples(samples, split)
        weights = [split_inputs(weight, split) for weight in weights]
    found = search_smoothing(
        samples, weights, largest=draft.largest, static=False, amplify=not neurons
    )
    if found.error > WORST_ERROR:
        return False
    before = _round_input(draft, f"int8.{number}", source, split, found.multiplier)
    for place, (node, weight) in enumerate(zip(nodes, weights, strict=True)):
        product = _product(draft, f"int8.{number}", place, node, weight, found.multiplier)
        draft.replaced[node.output[0]] = [*before, product]
        before = []
    return True


def _round_input(
    draft: _Draft, name: str, source: str, split: Split | None, multiplier: Floats | None
) -> list[NodeProto]:
    """Copy the strongest neurons, scale all, and round to u8."""
    nodes = []
    if split is not None:
        places = draft.add(f"{name}.places", split.places)
        nodes.append(helper.make_node("Gather", [source, places], [f"{name}.split"], axis=-1))
        source = f"{name}.split"
        multiplier = split.shares if multiplier is None else split.shares * multiplier
    if multiplier is not None:
        factor = draft.add(f"{name}.multiplier", multiplier)
        nodes.append(helper.make_node("Mul", [source, factor], [f"{name}.smoothed"]))
        source = f"{name}.smoothed"
    rounded = [f"{name}.u8", f"{name}.scale", f"{name}.zero_point"]
    return [*nodes, helper.make_node("DynamicQuantizeLinear", [source], rounded)]


def _product(
    draft: _Draft, name: str, place: int, node: NodeProto, weight: Floats, multiplier: Floats | None
) -> NodeProto:
    """Multiply the rounded input by a rounded weight, and scale back to float."""
    scaled = scale_rows(weight, multiplier)
    scales = weight_scales(scaled, draft.largest)
    values = round_weight(scaled, scales, draft.largest).astype(np.int8)
    inputs = [
        f"{name}.u8",
        draft.add(f"{name}.{place}.weight_s8", values),
        f"{name}.scale",
        draft.add(f"{name}.{place}.scales", scales),
        f"{name}.zero_point",
    ]
    return helper.make_node(
        "MatMulIntegerToFloat", inputs, list(node.output), node.name, domain=MICROSOFT
    )


def _are_neurons(samples: Samples) -> bool:
    """Whether channels are neurons after an activation function: most never go far below zero.

    Such are split (`split.py`), and never scaled up: a silent one may fire on other texts.
    """
    return bool(np.median(samples.smallest.min(axis=0)) > LEAST_ACTIVATED)


def _quantize_tables(draft: _Draft) -> None:
    """Store word embeddings as s8, one scale a row, and scale the rows that are read."""
    for node in draft.given.nodes:
        if node.op_type != "Gather" or "input_ids" not in node.input[1:]:
            continue
        constant = draft.given.constants.get(node.input[0])
        if constant is None or constant.tensor.data_type != TensorProto.FLOAT:
            continue
        table = quantize_table(constant.array())
        name, ids = f"int8.{node.output[0]}", node.input[1]
        values = draft.add(f"{name}.values", table.values)
        scales = draft.add(f"{name}.scales", table.scales)
        draft.replaced[node.output[0]] = [
            helper.make_node("Gather", [values, ids], [f"{name}.s8"]),
            helper.make_node("Cast", [f"{name}.s8"], [f"{name}.float"], to=TensorProto.FLOAT),
            helper.make_node("Gather", [scales, ids], [f"{name}.scale"]),
            helper.make_node("Mul", [f"{name}.float", f"{name}.scale"], list(node.output)),
        ]
