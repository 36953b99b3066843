"""The optimum road: optimum exports the graph of any encoder that it knows; the rest is ours.

The only user of optimum, and of transformers in this package. Nothing is fetched and no code of a
checkpoint is run: classes are transformers' own. The reference of parity is the torch model
itself, so that a fault of the exporter shows as well as one of ours.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgebert.errors import MissingExtraError
from edgebert.manifest import Task
from edgebert.results import Floats
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.errors import ExportError, UnsupportedModelError
from edgebert_export.families import FAMILIES
from edgebert_export.given_session import Feeds, GivenSession, Run
from edgebert_export.given_traits import read_traits
from edgebert_export.onnx_adapt import wanted_outputs
from edgebert_export.onnx_reader import read_graph
from edgebert_export.onnx_road import refuse_native_options, write_graph
from edgebert_export.prepare import Prepared, prepare
from edgebert_export.recipe import Recipe
from edgebert_export.sentence_files import read_sentence_files
from edgebert_export.source import Progress, Written

OPSET = 18  # the least that torch 2.13 writes; Gelu and the like stay as optimum splits them
TOOLS = ("optimum", "optimum-onnx", "torch", "transformers")
TASKS = {  # optimum's names
    Task.EMBED: "feature-extraction",
    Task.CLASSIFY: "text-classification",
    Task.TAG: "token-classification",
    Task.ANSWER: "question-answering",
    Task.FILL: "fill-mask",
}


@dataclass(frozen=True, slots=True)
class OptimumSource:
    """A checkpoint that transformers can load and optimum can export."""

    prepared: Prepared
    encoder_only: bool

    def write(self, folder: Path, scratch: Path, tell: Progress) -> Written:
        """Export the graph, and write the bundle's own two from it."""
        tell("load the model", 0.02)
        prepared, path = self.prepared, scratch / "model.onnx"
        with _quiet():
            model = _load(prepared, encoder_only=self.encoder_only)
            tell("export with optimum", 0.05)
            _export(model, prepared, path)
        given = read_graph(path)
        run = _torch_runner(model, wanted_outputs(given, prepared.outputs))
        reference = GivenSession(run, given.inputs, prepared.outputs)
        return write_graph(prepared, given, reference, folder, tell)


def open_optimum(recipe: Recipe) -> OptimumSource:
    """Read a checkpoint of an encoder that optimum knows.

    Raises:
        UnsupportedModelError: neither road knows it.
        MissingExtraError: optimum is not installed.
        ExportError: the checkpoint cannot be read, or an option does not apply here.
    """
    stated = read_sentence_files(recipe.model)
    checkpoint = Checkpoint.open(stated.encoder)
    encoder_only = recipe.task is Task.EMBED or stated.poolings is not None
    with _quiet():
        known = _known_tasks()
    model_type = checkpoint.config.get("model_type")
    if model_type not in known:
        raise UnsupportedModelError(
            f"{recipe.model}: model_type {model_type!r} is known to neither road. The native one "
            f"builds {', '.join(sorted(FAMILIES))}; the optimum one exports "
            f"{', '.join(sorted(known))}. A graph that you made yourself: --from-onnx"
        )
    traits = read_traits(checkpoint, encoder_only=encoder_only)
    if TASKS[traits.task] not in known[model_type]:
        raise UnsupportedModelError(
            f"{recipe.model}: optimum exports {model_type!r} for {', '.join(known[model_type])}, "
            f"not for {TASKS[traits.task]}, which {traits.architecture} is for"
        )
    refuse_native_options(recipe, stated)
    prepared = prepare(recipe, stated, checkpoint, traits)
    tools = {**prepared.manifest.tools, **{name: version(name) for name in TOOLS}}
    prepared = replace(prepared, manifest=replace(prepared.manifest, tools=tools))
    return OptimumSource(prepared, encoder_only)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's chatter from the user: what it doubts, parity measures."""
    try:
        from optimum.utils import logging as optimum_logging
        from transformers.utils import logging as transformers_logging
    except ImportError as error:
        raise MissingExtraError(
            "this model is not of the native families, and the other road needs "
            f'`pip install "edgebert[optimum]"` ({error})'
        ) from error
    loggers = (optimum_logging, transformers_logging)
    levels = [logging.get_verbosity() for logging in loggers]
    bars = transformers_logging.is_progress_bar_enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logging in loggers:
            logging.set_verbosity(logging.CRITICAL)
        transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            for logging, level in zip(loggers, levels, strict=True):
                logging.set_verbosity(level)
            if bars:
                transformers_logging.enable_progress_bar()


def _known_tasks() -> dict[str, list[str]]:
    """Give optimum's tasks by model type, for encoders: those that it exports as masked LMs."""
    import optimum.exporters.onnx.model_configs  # noqa: F401  (fills the table)
    from optimum.exporters.tasks import TasksManager

    types = TasksManager.get_supported_model_type_for_task("fill-mask", "onnx")
    tasks = TasksManager.get_supported_tasks_for_model_type
    return {name: sorted(tasks(name, "onnx", library_name="transformers")) for name in types}


def _load(prepared: Prepared, *, encoder_only: bool) -> Any:
    import torch
    import transformers

    path, name = prepared.checkpoint.path, prepared.manifest.architecture
    kind: Any = getattr(transformers, name, type(None))
    if not issubclass(kind, transformers.PreTrainedModel):
        raise UnsupportedModelError(
            f"{path}: transformers {transformers.__version__} has no model class {name!r}; code "
            "that a checkpoint brings is not run"
        )
    try:
        model, found = kind.from_pretrained(
            path,
            local_files_only=True,
            trust_remote_code=False,
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # transformers and torch raise errors of many kinds
        raise ExportError(f"{path}: transformers cannot load it: {error}") from error
    absent = sorted({*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])})
    if absent:
        raise ExportError(
            f"{path}: the weights lack {absent[0]!r} ({len(absent)} tensors of {name}), which "
            "would be random; either the checkpoint is of the bare encoder, or config.json's "
            "`architectures` is wrong"
        )
    return (model.base_model if encoder_only else model).eval()


def _export(model: Any, prepared: Prepared, path: Path) -> None:
    from optimum.exporters.onnx import export
    from optimum.exporters.tasks import TasksManager

    task = TASKS[prepared.manifest.task]
    try:
        construct = TasksManager.get_exporter_config_constructor(
            "onnx", model=model, task=task, library_name="transformers"
        )
        export(model, construct(model.config), path, opset=OPSET)
    except Exception as error:  # optimum and torch raise errors of many kinds
        raise ExportError(
            f"{prepared.recipe.model}: optimum {version('optimum-onnx')} cannot export it for "
            f"{task}: {error}"
        ) from error


def _torch_runner(model: Any, names: Sequence[str]) -> Run:
    import torch

    def run(feeds: Feeds) -> Sequence[Floats]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # on single texts a pool of threads spins more than it computes
        try:
            with torch.no_grad():
                found = model(**{name: torch.from_numpy(ids) for name, ids in feeds.items()})
        finally:
            torch.set_num_threads(threads)
        return [found[name].numpy() for name in names]

    return run
