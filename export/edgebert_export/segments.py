"""Cut the main graph after some layers: the same nodes over the same weights, in several files.

Between two segments goes the hidden state of every token; what the main graph pools of earlier
layers is an output of the segment that has them. The segments' weights are the main graph's, by
their names, so nothing is stored twice.
"""

from edgebert.manifest import Graph, Segment, pooled_name
from edgebert_export.canonical import Model
from edgebert_export.graph import (
    Attended,
    EncoderGraph,
    Signature,
    build_layers,
    declare_inputs,
    distance_bias,
    embed_tokens,
)
from edgebert_export.heads import Outputs, add_outputs, takes_types
from edgebert_export.onnx_writer import GraphWriter, WeightFile
from edgebert_export.operators import ONNXRUNTIME
from edgebert_export.plan import Plan
from edgebert_export.pooling import mean


def build_segment(
    weights: WeightFile, model: Model, plan: Plan, outputs: Outputs, layers: range
) -> GraphWriter:
    """Build the part of the main graph that has some of its layers.

    Args:
        weights: those of the main graph.
        model: in float.
        plan: what is quantized.
        outputs: of the main graph.
        layers: numbers of the layers, from 0.
    """
    writer = GraphWriter(weights)
    graph = EncoderGraph(writer, model, plan, ONNXRUNTIME)
    shape = ("batch", "tokens", model.encoder.hidden)
    if layers.start == 0:
        signature = declare_inputs(
            writer, types=takes_types(model, outputs, masked=False), masked=False
        )
        hidden = embed_tokens(graph, signature)
    else:
        hidden = writer.float_input(_hidden_name(layers.start), shape)
        signature = Signature(ids=hidden, types=None, mask=None)
    by = Attended(None, distance_bias(graph, signature.ids))
    states = build_layers(graph, layers, hidden, by, first_row_only=outputs.read_first_row_only)
    add_outputs(graph, signature, dict(enumerate(states, layers.start + 1)), outputs)
    if layers.stop < model.encoder.layers:
        name = pooled_name(layers.stop)
        with writer.prefixed(f"{name}."):
            pooled = mean(writer, states[-1], None)
        writer.output(states[-1], _hidden_name(layers.stop), shape)
        writer.output(pooled, name, ("batch", model.encoder.hidden))
    return writer


def describe_segment(file: str, writer: GraphWriter, layers: range) -> Segment:
    """Describe a segment as the manifest does."""
    graph = Graph(file=file, inputs=writer.input_names, outputs=writer.output_names)
    return Segment(layers=layers.stop, graph=graph)


def ranges(outputs: Outputs, layers: int) -> list[range]:
    """Give the layers of each segment; none where there are no exits."""
    ends = (*outputs.exits, layers) if outputs.exits else ()
    return [range(*pair) for pair in zip((0, *outputs.exits), ends, strict=False)]


def _hidden_name(layers: int) -> str:
    return f"hidden_{layers}"
