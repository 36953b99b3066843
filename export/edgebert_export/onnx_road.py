"""The ONNX road: a graph that somebody else made becomes a bundle.

Taken as it is where it is quantized already; else quantized here if the recipe says so. The
optimum road ends here too, with a graph that it has just exported.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgebert.bundle import hash_file
from edgebert.manifest import Graphs, Level, Quantization, Scales, Task
from edgebert.session import Session
from edgebert_export.checkpoint import Checkpoint, check_folder, hash_all, read_json_object
from edgebert_export.errors import ExportError
from edgebert_export.given_session import GivenSession, onnx_runner
from edgebert_export.given_traits import read_traits
from edgebert_export.onnx_adapt import wanted_outputs, write_given
from edgebert_export.onnx_int8 import found_scales, quantize_given
from edgebert_export.onnx_reader import GivenGraph, find_graph, read_graph
from edgebert_export.prepare import Prepared, prepare, unquantized
from edgebert_export.recipe import Recipe, Target
from edgebert_export.sentence_files import SentenceFiles, read_sentence_files
from edgebert_export.sentence_steps import SameStep
from edgebert_export.source import Progress, Written
from edgebert_export.texts import calibration_rows, plain_ids

PROBED_TOKENS = 1024  # the longest row tried: attention over 8,192 would take gigabytes


@dataclass(frozen=True, slots=True)
class OnnxSource:
    """A folder with a graph, its configuration and its tokenizer."""

    prepared: Prepared
    given: GivenGraph

    def write(self, folder: Path, scratch: Path, tell: Progress) -> Written:
        """Write the graphs; the one that was given is the reference."""
        given, outputs = self.given, self.prepared.outputs
        run = onnx_runner(given.path, wanted_outputs(given, outputs))
        reference = GivenSession(run, given.inputs, outputs)
        return write_graph(self.prepared, given, reference, folder, tell)


def open_onnx(recipe: Recipe) -> OnnxSource:
    """Read a folder that holds a graph, or the file of a graph in such a folder.

    Raises:
        UnsupportedModelError: the graph is not one that a bundle can hold.
        ExportError: a file is missing or damaged, or an option does not apply here.
    """
    if not recipe.model.is_file():
        check_folder(recipe.model)
    path = find_graph(recipe.model)
    given = read_graph(path)
    found = found_scales(given)
    if found is not None and (recipe.quantize is Level.FP32 or recipe.target is not Target.ANY):
        raise ExportError(
            f"{path}: is quantized already ({found.value} scales) and taken as it is; leave out "
            "--quantize and --target, or give a float graph"
        )
    checkpoint = _open_folder(path, given)
    stated = read_sentence_files(checkpoint.path)
    refuse_native_options(recipe, stated)
    as_encoder = recipe.task is Task.EMBED or stated.poolings is not None
    traits = read_traits(checkpoint, encoder_only=as_encoder)
    return OnnxSource(prepare(recipe, stated, checkpoint, traits), given)


def refuse_native_options(recipe: Recipe, stated: SentenceFiles) -> None:
    """Refuse what only the native road can do.

    Raises:
        ExportError: with the option and what to do.
    """
    if not all(isinstance(step, SameStep) for step in stated.steps):
        raise ExportError(
            f"{recipe.model}: modules.json has layers after the pooling (Dense, LayerNorm), which "
            "are built for the native families alone; take the encoder by itself, its folder"
        )
    asked = {
        "--calibrate": recipe.calibrate is not None,
        "--layers-out": recipe.layers_out != 1,
        "--exits": bool(recipe.exits),
        "--quantize int8-accurate": recipe.quantize is Level.INT8_ACCURATE,
    }
    for option, is_asked in asked.items():
        if is_asked:
            raise ExportError(
                f"{recipe.model}: {option} needs a graph that edgebert builds itself, which it "
                "does not do for this model; leave it out"
            )


def _open_folder(path: Path, given: GivenGraph) -> Checkpoint:
    """Open what stands beside a graph, or one folder above."""
    folders = [path.parent, *([path.parent.parent] if path.parent.name == "onnx" else [])]
    folder = next((each for each in folders if (each / "config.json").is_file()), path.parent)
    config = read_json_object(folder / "config.json")
    if config is None:
        raise ExportError(
            f"{folder}: has no config.json, which says what the graph is; copy the checkpoint's"
        )
    return Checkpoint(
        path=folder,
        config=config,
        loaders={},
        weights_sha256=hash_all(*map(hash_file, given.weight_files)),
        config_sha256=hash_file(folder / "config.json"),
    )


def write_graph(
    prepared: Prepared, given: GivenGraph, reference: Session, folder: Path, tell: Progress
) -> Written:
    """Quantize a graph if that is asked and to be done, write it, and see that it runs."""
    recipe = prepared.recipe
    found = found_scales(given)
    if found is not None:
        quantization = Quantization(level=Level.INT8, scales=found, weight_bits=8, kept_fp32=())
        # the same graph, and yet not the same numbers: what onnxruntime fuses on one side and not
        # on the other moves sums by an ulp, and a rounding now and then by a step
        lost = Level.INT8
    elif recipe.quantize is Level.FP32:
        quantization, lost = unquantized(), Level.FP32
    else:
        given, quantization = _quantize(prepared, given, tell)
        lost = Level.INT8
    tell("write the bundle", 0.8)
    graphs = write_given(folder, given, prepared.outputs)
    _probe(folder, graphs, prepared)
    return Written(graphs, quantization, reference, lost)


def _quantize(
    prepared: Prepared, given: GivenGraph, tell: Progress
) -> tuple[GivenGraph, Quantization]:
    recipe, manifest = prepared.recipe, prepared.manifest
    rows = calibration_rows(prepared.tokenizer, None, manifest.max_tokens)
    widths = {Task.ANSWER: 2, Task.CLASSIFY: len(manifest.labels), Task.TAG: len(manifest.labels)}
    quantized = quantize_given(
        given,
        rows,
        weight_bits=recipe.target.weight_bits,
        keep_width=widths.get(manifest.task),
        progress=lambda share: tell("quantize", 0.2 + 0.6 * share),
    )
    return quantized.graph, Quantization(
        level=Level.INT8,
        scales=Scales.DYNAMIC,
        weight_bits=recipe.target.weight_bits,
        kept_fp32=quantized.kept,
    )


def _probe(folder: Path, graphs: Graphs, prepared: Prepared) -> None:
    """Run the longest row that the manifest allows, and look at the shape of what comes out."""
    manifest = prepared.manifest
    length = min(manifest.max_tokens, PROBED_TOKENS)
    token = prepared.outputs.mask_id or plain_ids(prepared.tokenizer)[0][0]
    known = {"input_ids": token, "token_type_ids": 0}
    feeds = {name: np.full((1, length), known[name], np.int64) for name in graphs.main.inputs}
    run = onnx_runner(folder / graphs.main.file, graphs.main.outputs)
    try:
        outputs = run(feeds)
    except Exception as error:  # onnxruntime's own exceptions share no base class
        raise ExportError(
            f"{prepared.recipe.model}: the graph fails on a row of {length} tokens, which is the "
            f"limit that its files state; lower it with --max-tokens ({error})"
        ) from error
    labels = len(manifest.labels)
    wanted: dict[Task, tuple[int, ...]] = {
        Task.CLASSIFY: (1, labels),
        Task.TAG: (1, length, labels),
        Task.ANSWER: (1, length),
    }
    shape = wanted.get(manifest.task)
    for output in outputs:
        if shape is not None and output.shape != shape:
            raise ExportError(
                f"{prepared.recipe.model}: the graph gives {output.shape} for a row of {length} "
                f"tokens, expected {shape}: {labels} labels by config.json's id2label; the two "
                "are not of the same model"
            )
