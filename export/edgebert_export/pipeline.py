"""Export: the steps in order, from a checkpoint's folder to a sealed, proven bundle."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgebert.bundle import check_target, new_folder, seal
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.engines import Opened
from edgebert.errors import BundleError
from edgebert.exits import differing_texts
from edgebert.golden import (
    GOLDEN_NAME,
    Golden,
    GoldenRow,
    sample,
    worst_error,
)
from edgebert.manifest import Level
from edgebert.segments import Segments
from edgebert.tokens import Text
from edgebert_export.checkpoint import dump_json
from edgebert_export.engine_proof import check_engine, prove_engine
from edgebert_export.errors import ExportError
from edgebert_export.parity import check_parity, collect, flatten, floor_of, measure_parity
from edgebert_export.recipe import Recipe
from edgebert_export.report import Report, write_report
from edgebert_export.roads import open_source
from edgebert_export.source import Progress
from edgebert_export.texts import as_inputs, choose_texts
from edgebert_export.tool_files import write_tool_files
from edgebert_export.write import write_texts

GOLDEN_TEXTS = 8
# Allowed relative error of golden texts: float kernels differ by rounding only; int8 kernels by
# more, yet saturation (onnxruntime#6004) shows as errors several times as large as this.
FLOAT_TOLERANCE = 1e-4
INT8_TOLERANCE = 0.1
TOLERANCE_MARGIN = 2.0  # over what this machine itself shows


def export(recipe: Recipe, progress: Progress | None = None) -> Report:
    """Turn a checkpoint into a bundle and prove it against its own fp32 model.

    Args:
        recipe: what to do.
        progress: told each step's name and the share done, 0 to 1.

    Returns:
        What was measured; it also stands in the bundle as `report.json`.

    Raises:
        UnsupportedModelError: the model is not one that edgebert builds.
        ParityError: the bundle came out too far from fp32; nothing was written.
        ExportError: the checkpoint cannot be read.
        BundleError: the output cannot be written.
    """
    tell = progress or (lambda step, share: None)
    check_target(recipe.output, overwrite=recipe.overwrite)
    tell("read the checkpoint", 0.0)
    source = open_source(recipe)
    prepared = source.prepared
    check_engine(recipe.engine, prepared.outputs.task)
    texts, origin = choose_texts(recipe.parity_texts, prepared.tokenizer)
    inputs = as_inputs(
        prepared.outputs.task, prepared.tokenizer, texts, prepared.manifest.max_tokens
    )
    with _scratch_beside(recipe.output) as scratch:
        with new_folder(recipe.output, overwrite=recipe.overwrite) as work:
            written = source.write(work, scratch, tell)
            write_texts(work, prepared.tokenizer, prepared.checkpoint.config)
            manifest = replace(
                prepared.manifest,
                graphs=written.graphs,
                quantization=written.quantization,
                segments=written.segments,
                word_table=written.word_table,
            )
            config = RuntimeConfig(threads=1)
            engine = Engine.from_parts(work, manifest, config)
            true = Opened(written.reference, written.reference)
            reference = Engine(manifest, engine.tokenizer, true, config)
            tell("measure parity", 0.85)
            floor = floor_of(replace(recipe, quantize=written.lost), manifest.task)
            parity = measure_parity(engine, reference, inputs, source=origin, floor=floor)
            check_parity(parity)
            manifest = replace(manifest, parity=parity)
            golden = make_golden(engine, reference, inputs)
            (work / GOLDEN_NAME).write_bytes(dump_json(golden.to_json()))
            if written.segments:
                tell("compare the segments with the whole graph", 0.9)
                check_exits(engine, work, inputs)
            if written.further is not None:
                tell(f"measure parity on {recipe.engine}", 0.92)
                proven = prove_engine(
                    recipe.engine,
                    work,
                    manifest,
                    written.further,
                    reference,
                    inputs,
                    golden,
                    floor,
                )
                manifest = replace(manifest, alternatives={recipe.engine: proven})
            write_tool_files(work, manifest, prepared.tokenizer)
            report = write_report(work, manifest, golden)
            tell("seal the bundle", 0.97)
            seal(work, manifest)
    tell("done", 1.0)
    return report


def check_exits(engine: Engine, folder: Path, texts: Sequence[Text]) -> None:
    """Refuse a bundle whose segments do not give the bits of its main graph."""
    differing = differing_texts(engine, Segments(folder, engine.manifest), texts)
    if differing:
        raise ExportError(
            f"cut after layers {', '.join(map(str, engine.manifest.exits))} the "
            f"encoder gives other bits on {len(differing)} of {len(texts)} texts, the first is "
            f"{differing[0]!r:.80}; leave the exits out, and report this onnxruntime's version"
        )


@contextmanager
def _scratch_beside(output: Path) -> Iterator[Path]:
    """Give a folder on the output's disk that is gone afterwards."""
    parent = output.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{output.name}.", suffix=".fp32", dir=parent
        ) as folder:
            yield Path(folder)
    except OSError as error:
        raise BundleError(output, f"cannot be written: {error.strerror or error}") from error


def make_golden(engine: Engine, reference: Engine, texts: Sequence[Text]) -> Golden:
    """Record reference outputs of a few texts, short and long, and what error is allowed."""
    ordered = sorted(texts, key=lambda text: (len(str(text)), str(text)))
    places = np.linspace(0, len(ordered) - 1, min(GOLDEN_TEXTS, len(ordered))).astype(np.int64)
    chosen = [ordered[place] for place in places]
    rows = tuple(
        GoldenRow(text, sample(flatten(outputs)))
        for text, outputs in zip(chosen, collect(reference, chosen), strict=True)
    )
    exact = engine.manifest.quantization.level is Level.FP32
    least = FLOAT_TOLERANCE if exact else INT8_TOLERANCE
    error = worst_error(engine, Golden(0.0, rows))
    return Golden(round(max(least, TOLERANCE_MARGIN * error), 6), rows)
