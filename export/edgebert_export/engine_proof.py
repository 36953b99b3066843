"""Prove what a bundle has for a further engine as its main graph is proven: run, on the same texts.

What is not int8 is computed in bf16 where the CPU has it, so an fp32 bundle has floors of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgebert.amx import why_not
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.engines import is_installed
from edgebert.errors import MissingExtraError
from edgebert.golden import Golden, worst_error
from edgebert.manifest import Alternative, EngineName, Graph, Level, Manifest, Task
from edgebert.tokens import Text
from edgebert_export.errors import UnsupportedModelError
from edgebert_export.parity import Floor, check_parity, measure_parity

# Rows of several lengths share a run there: the result of a row must have no token axis.
TASKS: Mapping[EngineName, tuple[Task, ...]] = {
    EngineName.ONNXRUNTIME: tuple(Task),
    EngineName.OPENVINO: (Task.EMBED, Task.CLASSIFY),
    EngineName.AMX: (Task.EMBED,),
}
# bf16 keeps 8 bits: MiniLM comes to 0.99999 / 0.99995, where int8 comes to 0.9991 / 0.9965.
BF16 = Floor(0.9999, 0.9995, 0.99)
BF16_TOLERANCE = 0.03  # least allowed relative error of golden texts: MiniLM's worst is 0.01
INT8_TOLERANCE = 0.1  # as the main graph's
TOLERANCE_MARGIN = 2.0  # over what this machine itself shows, as the main graph's


def check_engine(engine: EngineName, task: Task) -> None:
    """Refuse an engine that is not there, or not for a task, before any work is done.

    Raises:
        MissingExtraError: it cannot be used here.
        UnsupportedModelError: its graph is not built for the task.
    """
    if not is_installed(engine):
        found = f'is not installed: `pip install "edgebert[{engine.value}]"`'
        if engine is EngineName.AMX:
            found = f"cannot be used here: {why_not()}"
        raise MissingExtraError(
            f"--engine {engine.value} proves its graph on {engine.value}, which {found}"
        )
    if task not in TASKS[engine]:
        raise UnsupportedModelError(
            f"--engine {engine.value} is built for {', '.join(TASKS[engine])}, this model is for "
            f"{task.value!r}; leave the option out"
        )


def prove_engine(
    engine: EngineName,
    folder: Path,
    manifest: Manifest,
    graph: Graph,
    reference: Engine,
    texts: Sequence[Text],
    golden: Golden,
    floor: Floor,
) -> Alternative:
    """Measure what a bundle has for an engine against the fp32 reference.

    Args:
        engine: that it is for.
        folder: with all graphs written.
        manifest: with the main graph's parity.
        graph: what the engine is to run.
        reference: the fp32 model on onnxruntime.
        texts: what to measure on.
        golden: the bundle's golden texts.
        floor: the main graph's; an fp32 bundle has one of its own here.

    Raises:
        ParityError: it came out too far from fp32.
    """
    exact = manifest.quantization.level is Level.FP32
    floor = BF16 if exact else floor
    draft = Alternative(graph=graph, parity=manifest.parity, golden_tolerance=0.0)
    opened = Engine.from_parts(
        folder,
        replace(manifest, alternatives={engine: draft}),
        RuntimeConfig(threads=1, engine=engine),
    )
    parity = measure_parity(opened, reference, texts, source=manifest.parity.source, floor=floor)
    check_parity(parity, f"on {engine.value} ")
    least = BF16_TOLERANCE if exact else INT8_TOLERANCE
    tolerance = max(least, TOLERANCE_MARGIN * worst_error(opened, golden))
    return replace(draft, parity=parity, golden_tolerance=round(tolerance, 6))
