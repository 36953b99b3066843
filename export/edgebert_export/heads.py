"""Build what stands on the encoder: classifiers, span and vocabulary heads; `pooling.py` pools.

Everything that shrinks the output happens in the graph, so no (B, T, H) array leaves it in the
main graph. The masked graph keeps the outputs that other tools expect.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgebert.manifest import Pooling, Task
from edgebert_export.canonical import HeadWeights, Linear, Model
from edgebert_export.errors import UnsupportedModelError
from edgebert_export.graph import (
    ACTIVATIONS,
    EncoderGraph,
    Operators,
    QuantizedValue,
    Signature,
    build_encoder,
    declare_inputs,
    float_linear,
    layer_norm,
    quantize_input,
)
from edgebert_export.onnx_writer import GraphWriter
from edgebert_export.operators import ONNXRUNTIME
from edgebert_export.plan import DECODER, Plan, QuantizedLinear
from edgebert_export.pooling import FROM_FIRST_ROW, add_steps, first_row, pool, unit_length
from edgebert_export.sentence_steps import Step

PAIRED = (Task.CLASSIFY, Task.ANSWER)  # tasks that take text pairs
EMBEDDING = "sentence_embedding"


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a bundle's graphs give back."""

    task: Task
    pooling: Pooling | None
    mask_id: int | None  # vocabulary id of the mask token, for masked LM
    steps: tuple[Step, ...] = ()  # of an embedding: after its pooling, before it is normalized
    layers: int = 1  # embed: how many of the last layers are pooled, each an output of its own
    for_tools: bool = True  # a graph with a mask gives all that other tools look for
    exits: tuple[int, ...] = ()  # layers after which the main graph is cut as well

    @property
    def read_first_row_only(self) -> bool:
        """Whether the last layer's state is read for [CLS] alone."""
        return self.task is Task.CLASSIFY or (
            self.pooling is not None and FROM_FIRST_ROW.issuperset(self.pooling.modes)
        )

    @property
    def embeddings(self) -> tuple[str, ...]:
        """Names of the pooled outputs, the last layer's first."""
        earlier = (f"{EMBEDDING}_before_{back}" for back in range(1, self.layers))
        return (EMBEDDING, *earlier)


def takes_types(model: Model, outputs: Outputs, *, masked: bool) -> bool:
    """Whether a graph has token_type_ids: where a text pair can be told apart by them."""
    several = model.types is not None and len(model.types) > 1
    standard = masked and outputs.for_tools
    return several and (standard or outputs.task in PAIRED)


def build_graph(
    writer: GraphWriter,
    model: Model,
    plan: Plan,
    outputs: Outputs,
    *,
    masked: bool,
    operators: Operators = ONNXRUNTIME,
) -> EncoderGraph:
    """Build one whole graph of a bundle."""
    graph = EncoderGraph(writer, model, plan, operators)
    types = takes_types(model, outputs, masked=masked)
    signature = declare_inputs(writer, types=types, masked=masked)
    every_row = masked and outputs.for_tools and outputs.task is Task.EMBED
    first_row_only = outputs.read_first_row_only and not every_row
    states = build_encoder(graph, signature, first_row_only=first_row_only)
    add_outputs(graph, signature, dict(enumerate(states, 1)), outputs)
    return graph


def add_outputs(
    graph: EncoderGraph, signature: Signature, states: Mapping[int, str], outputs: Outputs
) -> None:
    """Add those of a graph's outputs that are made of the states at hand.

    Args:
        graph: where to add them.
        signature: the graph's inputs.
        states: (B, T, H), by layers passed.
        outputs: all that a whole graph gives.
    """
    last = graph.model.encoder.layers
    if outputs.task is Task.EMBED:
        _embed_head(graph, signature, states, outputs)
    elif last in states:
        HEADS[outputs.task](graph, signature, states[last], outputs)


def _embed_head(
    graph: EncoderGraph, signature: Signature, states: Mapping[int, str], outputs: Outputs
) -> None:
    writer, encoder = graph.writer, graph.model.encoder
    if signature.mask is not None and outputs.for_tools:
        shape = ("batch", "tokens", encoder.hidden)
        writer.output(states[encoder.layers], "last_hidden_state", shape)
    width = (outputs.pooling and outputs.pooling.dimensions) or encoder.hidden
    for back, name in enumerate(outputs.embeddings):
        hidden = states.get(encoder.layers - back)
        if hidden is None:
            continue
        with writer.prefixed("" if name == EMBEDDING else f"{name}."):
            vector = _text_vector(graph, hidden, signature.mask, outputs)
        writer.output(vector, name, ("batch", width))


def _text_vector(graph: EncoderGraph, hidden: str, mask: str | None, outputs: Outputs) -> str:
    writer, pooling = graph.writer, outputs.pooling
    if pooling is None:
        raise TypeError("an embedding graph needs a pooling")
    vector = pool(writer, pooling.modes, hidden, mask, lambda: _pooler_output(graph, hidden))
    vector = add_steps(writer, outputs.steps, vector)
    return unit_length(writer, vector) if pooling.normalize else vector


def _pooler_output(graph: EncoderGraph, hidden: str) -> str:
    if graph.model.pooler is None:
        raise UnsupportedModelError("pooling 'pooler' was asked for, the checkpoint has no pooler")
    row = float_linear(graph.writer, "pooler", graph.model.pooler, first_row(graph.writer, hidden))
    return graph.writer.node("Tanh", [row], "pooler_output")


def _head_weights(model: Model) -> HeadWeights:
    if model.head is None:
        raise TypeError("this graph needs a head and the model has none")
    return model.head


def _before_output(graph: EncoderGraph, value: str) -> str:
    head = _head_weights(graph.model)
    if head.dense is not None:
        value = float_linear(graph.writer, "head.dense", head.dense, value)
        value = ACTIVATIONS[head.activation or ""](graph.writer, value, "head.activation")
    if head.norm is not None:
        value = layer_norm(graph.writer, value, head.norm, "head.norm", graph.model.epsilon)
    return value


def _output(graph: EncoderGraph, value: str) -> str:
    head = _head_weights(graph.model)
    return float_linear(graph.writer, "head.output", head.output, value)


def _classify_head(
    graph: EncoderGraph, signature: Signature, hidden: str, outputs: Outputs
) -> None:
    row = _before_output(graph, first_row(graph.writer, hidden))
    graph.writer.output(_output(graph, row), "logits", ("batch", "labels"))


def _tag_head(graph: EncoderGraph, signature: Signature, hidden: str, outputs: Outputs) -> None:
    logits = _output(graph, _before_output(graph, hidden))
    graph.writer.output(logits, "logits", ("batch", "tokens", "labels"))


def _answer_head(graph: EncoderGraph, signature: Signature, hidden: str, outputs: Outputs) -> None:
    writer = graph.writer
    logits = _output(graph, _before_output(graph, hidden))
    for index, name in enumerate(("start_logits", "end_logits")):
        place = writer.constant(f"index_{index}", np.array(index, np.int64))
        column = writer.node("Gather", [logits, place], f"{name}_column", axis=2)
        writer.output(column, name, ("batch", "tokens"))


def _fill_head(graph: EncoderGraph, signature: Signature, hidden: str, outputs: Outputs) -> None:
    """The main graph scores the masked tokens alone: (K, V) for K masks in reading order."""
    writer = graph.writer
    if signature.mask is None:
        wanted = writer.constant("mask_id", np.array(outputs.mask_id, np.int64))
        places = writer.node("Equal", [signature.ids, wanted], "is_mask")
        places = writer.node("NonZero", [places], "mask_places")
        places = writer.node("Transpose", [places], "mask_rows", perm=[1, 0])
        hidden = writer.node("GatherND", [hidden, places], "masked_hidden")
    value = _before_output(graph, hidden)
    output = graph.plan.linears.get(DECODER, _head_weights(graph.model).output)
    quantized = quantize_input(graph, DECODER, value)
    if isinstance(output, QuantizedLinear) and isinstance(quantized, QuantizedValue):
        logits = graph.operators.linear(writer, DECODER, output, quantized)
    elif isinstance(output, Linear) and isinstance(quantized, str):
        if graph.plan.word is None and _head_weights(graph.model).tied:
            logits = _tied_decoder(graph, quantized, output, masked=signature.mask is not None)
        else:
            logits = float_linear(writer, DECODER, output, quantized)
    else:
        raise TypeError("plan quantizes one of the decoder's weight and input")
    shape = ("masks",) if signature.mask is None else ("batch", "tokens")
    writer.output(logits, "logits", (*shape, "vocabulary"))


def _tied_decoder(graph: EncoderGraph, value: str, output: Linear, *, masked: bool) -> str:
    """Multiply by the embedding table itself, so that it stands once in the weights."""
    writer, encoder = graph.writer, graph.model.encoder
    table = writer.constant("word", graph.model.word)
    bias = writer.constant(f"{DECODER}.bias", output.bias)
    if not masked:
        return writer.node("Gemm", [value, table, bias], DECODER, transB=1)
    shape = writer.node("Shape", [value], "decoder_shape", end=2)
    rows = writer.constant("decoder_rows", np.array([-1, graph.model.word.shape[1]], np.int64))
    flat = writer.node("Reshape", [value, rows], "decoder_flat")
    scores = writer.node("Gemm", [flat, table, bias], "decoder_scores", transB=1)
    width = writer.constant("decoder_width", np.array([encoder.vocabulary], np.int64))
    shape = writer.node("Concat", [shape, width], "decoder_output_shape", axis=0)
    return writer.node("Reshape", [scores, shape], DECODER)


HEADS: dict[Task, Callable[[EncoderGraph, Signature, str, Outputs], None]] = {
    Task.CLASSIFY: _classify_head,
    Task.TAG: _tag_head,
    Task.ANSWER: _answer_head,
    Task.FILL: _fill_head,
}
