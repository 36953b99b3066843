"""The native road: edgebert reads the tensors and builds the graph itself.

int8 is chosen on what reaches the linears on calibration texts (`calibrate.py`, `quantize.py`).
"""

from dataclasses import dataclass, replace
from pathlib import Path

from edgebert.config import usable_cores
from edgebert.manifest import EngineName, Graph, Level, Quantization, Scales, Task
from edgebert.session_onnxruntime import OnnxSession
from edgebert_export.amx_files import check_amx
from edgebert_export.calibrate import calibrate
from edgebert_export.canonical import Model, read_model
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.heads import Outputs
from edgebert_export.plan import Plan
from edgebert_export.prepare import Prepared, Traits, prepare, unquantized
from edgebert_export.quantize import make_plan
from edgebert_export.recipe import Recipe
from edgebert_export.sentence_files import read_sentence_files
from edgebert_export.source import Progress, Written
from edgebert_export.texts import calibration_rows
from edgebert_export.write import describe_further, output_names, write_graphs

# Kept of each group: with 1,024 the least cosine of int8-accurate on film and shop reviews moved
# between 0.9944 and 0.9970 with the seed, with 2,048 between 0.9957 and 0.9960. bert-base: 520 MB.
CALIBRATION_VECTORS = 2048


@dataclass(frozen=True, slots=True)
class NativeSource:
    """A checkpoint in canonical form."""

    prepared: Prepared
    model: Model

    def write(self, folder: Path, scratch: Path, tell: Progress) -> Written:
        """Write the graphs; an fp32 bundle is measured against its own masked graph."""
        level, outputs = self.prepared.recipe.quantize, self.prepared.outputs
        engine = self.prepared.recipe.engine
        if engine is EngineName.AMX:
            check_amx(self.model, outputs)
        if level is Level.FP32:
            tell("write the bundle", 0.8)
            written = write_graphs(folder, self.model, Plan(), outputs, engine=engine)
            # another path to one answer
            reference = OnnxSession(folder, _masked(written.graphs.masked, outputs))
            quantization = unquantized()
        else:
            tell("write the fp32 reference", 0.05)
            fp32 = write_graphs(scratch, self.model, Plan(), replace(outputs, exits=()))
            plan, quantization = _quantize(self, tell)
            tell("write the bundle", 0.8)
            written = write_graphs(folder, self.model, plan, outputs, engine=engine)
            reference = OnnxSession(scratch, fp32.graphs.main)
        return Written(
            graphs=written.graphs,
            quantization=quantization,
            reference=reference,
            lost=level,
            further=describe_further(engine, self.model, outputs),
            segments=written.segments,
            word_table=written.word_table,
        )


def open_native(recipe: Recipe) -> NativeSource:
    """Read a checkpoint of a family that is built here.

    Raises:
        UnsupportedModelError: the architecture, or a setting of it, is not one that is built.
        ExportError: the checkpoint cannot be read.
    """
    stated = read_sentence_files(recipe.model)
    checkpoint = Checkpoint.open(stated.encoder)
    as_encoder = recipe.task is Task.EMBED or stated.poolings is not None
    model = read_model(checkpoint, encoder_only=as_encoder)
    traits = Traits(
        task=model.head.head.task if model.head else Task.EMBED,
        family=model.family.name,
        architecture=model.architecture,
        encoder=model.encoder,
        positions=model.positions,
        label_count=len(model.head.output.bias) if model.head else 0,
    )
    return NativeSource(prepare(recipe, stated, checkpoint, traits), model)


def _masked(graph: Graph, outputs: Outputs) -> Graph:
    return replace(graph, outputs=output_names(outputs))


def _quantize(source: NativeSource, tell: Progress) -> tuple[Plan, Quantization]:
    """Choose what becomes int8 and how, from what reaches the linears on calibration texts."""
    prepared = source.prepared
    recipe, static = prepared.recipe, prepared.recipe.calibrate is not None
    calibration = calibrate(
        source.model,
        prepared.outputs,
        calibration_rows(prepared.tokenizer, recipe.calibrate, prepared.manifest.max_tokens),
        max_vectors=CALIBRATION_VECTORS,
        threads=usable_cores(),
        progress=lambda step, share: tell(step, 0.1 + 0.1 * share),
    )
    plan, kept = make_plan(
        source.model,
        calibration,
        level=recipe.quantize,
        static=static,
        weight_bits=recipe.target.weight_bits,
        progress=lambda step, share: tell(step, 0.2 + 0.6 * share),
    )
    return plan, Quantization(
        level=recipe.quantize,
        scales=Scales.STATIC if static else Scales.DYNAMIC,
        weight_bits=recipe.target.weight_bits,
        kept_fp32=kept,
    )
