"""Turn a graph that somebody else made into the two graphs of a bundle.

The main graph makes its own mask of ones, and token types of zeros where the task has no text
pairs, out of the shape of `input_ids`; pooling and the choice of masked tokens are added behind.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, helper

from edgebert.manifest import Graph, Graphs, PoolingMode, Task
from edgebert_export.errors import UnsupportedModelError
from edgebert_export.heads import PAIRED, Outputs
from edgebert_export.onnx_reader import GivenGraph, inner_graphs
from edgebert_export.onnx_writer import GraphWriter, WeightFile
from edgebert_export.pooling import pool, unit_length
from edgebert_export.write import GRAPH_NAMES, OUTPUT_NAMES, WEIGHTS_NAME

OLDEST_IR = 8  # of opset 17; an older IR would want every weight among the inputs
GIVEN = "given."  # before the names of all that was there
# the values of an input that the main graph makes by itself
MADE = {"attention_mask": 1, "token_type_ids": 0}
# what a graph must give for a task; of several names the first that it has
WANTED: Mapping[Task, tuple[tuple[str, ...], ...]] = {
    Task.EMBED: (("last_hidden_state", "token_embeddings"),),
    Task.CLASSIFY: (("logits",),),
    Task.TAG: (("logits",),),
    Task.ANSWER: (("start_logits",), ("end_logits",)),
    Task.FILL: (("logits",),),
}
POOLED = "pooler_output"


def wanted_outputs(given: GivenGraph, outputs: Outputs) -> tuple[str, ...]:
    """Name the outputs of a given graph that a task needs.

    Raises:
        UnsupportedModelError: it has no such output.
    """
    wanted = WANTED[outputs.task]
    if outputs.pooling is not None and PoolingMode.POOLER in outputs.pooling.modes:
        wanted = (*wanted, (POOLED,))
    found = []
    for names in wanted:
        name = next((name for name in names if name in given.outputs), None)
        if name is None:
            raise UnsupportedModelError(
                f"{given.path}: gives {', '.join(given.outputs)}; {outputs.task.value!r} needs "
                f"{' or '.join(names)}"
            )
        found.append(name)
    return tuple(found)


def write_given(folder: Path, given: GivenGraph, outputs: Outputs) -> Graphs:
    """Write both graphs of a bundle over one weights file and describe them."""
    given, names = _step_aside(given, wanted_outputs(given, outputs))
    described = {}
    with WeightFile(folder / WEIGHTS_NAME) as weights:
        for kind, masked in (("main", False), ("masked", True)):
            writer = GraphWriter(weights, given.opsets, max(OLDEST_IR, given.ir_version))
            inputs = _declare_inputs(writer, given, outputs.task, masked=masked)
            for constant in given.constants.values():
                writer.tensor(constant.tensor, constant.data)
            for node in given.nodes:
                writer.copy(node)
            made = HEADS[outputs.task](writer, names, outputs, masked)
            writer.write(folder / GRAPH_NAMES[kind])
            described[kind] = Graph(file=GRAPH_NAMES[kind], inputs=inputs, outputs=made)
    return Graphs(**described)


def _step_aside(given: GivenGraph, names: tuple[str, ...]) -> tuple[GivenGraph, tuple[str, ...]]:
    """Give all values but the inputs other names, so that what a bundle adds can have its own."""
    values = [*given.constants, *(name for node in given.nodes for name in node.output if name)]
    new = {name: f"{GIVEN}{name}" for name in values}
    constants = {
        new[name]: replace(constant, tensor=_called(constant.tensor, new[name]))
        for name, constant in given.constants.items()
    }
    nodes = [_renamed(node, new) for node in given.nodes]
    return replace(given, nodes=nodes, constants=constants), tuple(new[name] for name in names)


def _called(tensor: TensorProto, name: str) -> TensorProto:
    return TensorProto(name=name, data_type=tensor.data_type, dims=tensor.dims)


def _renamed(node: NodeProto, new: Mapping[str, str]) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.name = f"{GIVEN}{node.name}" if node.name else ""
    copy.input[:] = [new.get(name, name) for name in node.input]
    copy.output[:] = [new.get(name, name) for name in node.output]
    for inner in inner_graphs(copy):
        renamed = [_renamed(part, new) for part in inner.node]
        del inner.node[:]
        inner.node.extend(renamed)
        for output in inner.output:
            output.name = new.get(output.name, output.name)
    return copy


def _declare_inputs(
    writer: GraphWriter, given: GivenGraph, task: Task, *, masked: bool
) -> tuple[str, ...]:
    """Declare the inputs of one graph, and make by constants what it does not take."""
    shape = ("batch", "tokens")
    taken = {"input_ids"}
    if masked or task in PAIRED:
        taken.add("token_type_ids")
    if masked:
        taken.add("attention_mask")
    inputs = tuple(name for name in given.inputs if name in taken)
    for name in inputs:
        writer.input(name, shape)
    for name in given.inputs:
        if name not in taken:
            size = writer.node("Shape", ["input_ids"], f"{name}.shape")
            value = helper.make_tensor(f"{name}.value", TensorProto.INT64, [1], [MADE[name]])
            writer.node("ConstantOfShape", [size], name, value=value)
    return inputs


def _embed(
    writer: GraphWriter, names: tuple[str, ...], outputs: Outputs, masked: bool
) -> tuple[str, ...]:
    pooling = outputs.pooling
    if pooling is None:
        raise TypeError("an embedding graph needs a pooling")
    hidden = names[0]
    pooled = pool(writer, pooling.modes, hidden, "attention_mask", lambda: names[1])
    if pooling.normalize:
        pooled = unit_length(writer, pooled)
    if masked:
        writer.output(hidden, "last_hidden_state", ("batch", "tokens", "hidden"))
    writer.output(pooled, "sentence_embedding", ("batch", "hidden"))
    return ("last_hidden_state", "sentence_embedding") if masked else ("sentence_embedding",)


def _fill(
    writer: GraphWriter, names: tuple[str, ...], outputs: Outputs, masked: bool
) -> tuple[str, ...]:
    """The main graph gives the rows of the mask tokens alone, (K, V) in reading order."""
    (scores,) = names
    if masked:
        writer.output(scores, "logits", ("batch", "tokens", "vocabulary"))
        return ("logits",)
    wanted = writer.constant("mask_id", np.array(outputs.mask_id, np.int64))
    places = writer.node("Equal", ["input_ids", wanted], "is_mask")
    places = writer.node("NonZero", [places], "mask_places")
    places = writer.node("Transpose", [places], "mask_rows", perm=[1, 0])
    chosen = writer.node("GatherND", [scores, places], "masked_scores")
    writer.output(chosen, "logits", ("masks", "vocabulary"))
    return ("logits",)


def _as_given(
    writer: GraphWriter, names: tuple[str, ...], outputs: Outputs, masked: bool
) -> tuple[str, ...]:
    made = OUTPUT_NAMES[outputs.task]
    for value, name in zip(names, made, strict=True):
        writer.output(value, name, SHAPES[outputs.task])
    return made


SHAPES: Mapping[Task, tuple[str, ...]] = {
    Task.CLASSIFY: ("batch", "labels"),
    Task.TAG: ("batch", "tokens", "labels"),
    Task.ANSWER: ("batch", "tokens"),
}
Head = Callable[[GraphWriter, tuple[str, ...], Outputs, bool], tuple[str, ...]]
HEADS: Mapping[Task, Head] = {
    Task.EMBED: _embed,
    Task.CLASSIFY: _as_given,
    Task.TAG: _as_given,
    Task.ANSWER: _as_given,
    Task.FILL: _fill,
}
