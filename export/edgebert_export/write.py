"""Write the files of a bundle into a folder: graphs, weights, tokenizer, configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgebert.manifest import EngineName, Graph, Graphs, Segment, StoredTable, TableType, Task
from edgebert_export.amx_files import describe_amx, write_amx
from edgebert_export.canonical import Model
from edgebert_export.checkpoint import dump_json
from edgebert_export.heads import Outputs, build_graph, takes_types
from edgebert_export.onnx_writer import GraphWriter, WeightFile
from edgebert_export.operators import OPENVINO
from edgebert_export.plan import Plan
from edgebert_export.segments import build_segment, describe_segment, ranges
from edgebert_export.tokenizer_files import TokenizerFiles

WEIGHTS_NAME = "model.weights"
GRAPH_NAMES = {"main": "model.onnx", "masked": "model_masked.onnx"}
OPENVINO_NAME = "model_openvino.onnx"
SEGMENT_NAME = "segment_{}.onnx"  # from 1
OUTPUT_NAMES: Mapping[Task, tuple[str, ...]] = {
    Task.CLASSIFY: ("logits",),
    Task.TAG: ("logits",),
    Task.ANSWER: ("start_logits", "end_logits"),
    Task.FILL: ("logits",),
}


ROUTED = (Task.EMBED, Task.CLASSIFY)  # tasks that a cascade is for


@dataclass(frozen=True, slots=True)
class WrittenGraphs:
    """All graphs of a bundle, as its manifest describes them."""

    graphs: Graphs
    segments: tuple[Segment, ...]
    word_table: StoredTable | None


def output_names(outputs: Outputs) -> tuple[str, ...]:
    """Name the outputs of a main graph, in the order of the manifest."""
    return outputs.embeddings if outputs.task is Task.EMBED else OUTPUT_NAMES[outputs.task]


def write_graphs(
    folder: Path,
    model: Model,
    plan: Plan,
    outputs: Outputs,
    *,
    engine: EngineName = EngineName.ONNXRUNTIME,
) -> WrittenGraphs:
    """Write all graphs over one weights file and describe those that every bundle has.

    Args:
        folder: of the bundle.
        model: in float.
        plan: what is quantized.
        outputs: what the graphs give back.
        engine: write what it needs too.
    """
    described = {}
    with WeightFile(folder / WEIGHTS_NAME) as weights:
        for kind, masked in (("main", False), ("masked", True)):
            writer = GraphWriter(weights)
            build_graph(writer, model, plan, outputs, masked=masked)
            writer.write(folder / GRAPH_NAMES[kind])
            described[kind] = _describe(GRAPH_NAMES[kind], model, outputs, masked=masked)
        if engine is EngineName.AMX:
            write_amx(folder, weights, model, plan, outputs)
        if engine is EngineName.OPENVINO:
            lean, writer = replace(outputs, for_tools=False), GraphWriter(weights)
            build_graph(writer, model, plan, lean, masked=True, operators=OPENVINO)
            writer.write(folder / OPENVINO_NAME)
        segments = []
        for number, layers in enumerate(ranges(outputs, model.encoder.layers), 1):
            name = SEGMENT_NAME.format(number)
            writer = build_segment(weights, model, plan, outputs, layers)
            writer.write(folder / name)
            segments.append(describe_segment(name, writer, layers))
        table = _store_words(weights, model, plan) if outputs.task in ROUTED else None
    return WrittenGraphs(Graphs(**described), tuple(segments), table)


def _store_words(weights: WeightFile, model: Model, plan: Plan) -> StoredTable:
    """Say where the word embeddings are, and store what a small vocabulary left in the graphs."""
    values = model.word if plan.word is None else plan.word.values
    offset, _ = weights.add("word" if plan.word is None else "word_s8", values)
    scales = None
    if plan.word is not None:
        scales, _ = weights.add("word_scales", plan.word.scales)
    return StoredTable(
        file=WEIGHTS_NAME,
        type=TableType.FLOAT32 if values.dtype == np.float32 else TableType.INT8,
        rows=values.shape[0],
        columns=values.shape[1],
        offset=offset,
        scales_offset=scales,
    )


def describe_further(engine: EngineName, model: Model, outputs: Outputs) -> Graph | None:
    """Describe what an engine needs besides; nothing for onnxruntime.

    OpenVINO's graph has a mask, and no more outputs than the main graph has.
    """
    if engine is EngineName.ONNXRUNTIME:
        return None
    if engine is EngineName.AMX:
        return describe_amx()
    return _describe(OPENVINO_NAME, model, replace(outputs, for_tools=False), masked=True)


def _describe(file: str, model: Model, outputs: Outputs, *, masked: bool) -> Graph:
    types = takes_types(model, outputs, masked=masked)
    names = output_names(outputs)
    hidden = masked and outputs.for_tools and outputs.task is Task.EMBED
    return Graph(
        file=file,
        inputs=(
            "input_ids",
            *(("attention_mask",) if masked else ()),
            *(("token_type_ids",) if types else ()),
        ),
        outputs=("last_hidden_state", *names) if hidden else names,
    )


def write_texts(folder: Path, tokenizer: TokenizerFiles, config: Mapping[str, Any]) -> None:
    """Write the tokenizer and the checkpoint's own configuration."""
    (folder / "tokenizer.json").write_text(tokenizer.tokenizer.to_str(), encoding="utf-8")
    (folder / "config.json").write_bytes(dump_json(dict(config)))
