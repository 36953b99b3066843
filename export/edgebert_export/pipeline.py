"""Export: the steps in order, from a checkpoint's folder to a sealed, proven bundle."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgebert.bundle import check_target, new_folder, seal
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.errors import BundleError
from edgebert.golden import (
    GOLDEN_NAME,
    Golden,
    GoldenRow,
    sample,
    worst_error,
)
from edgebert.manifest import (
    Activation,
    Graph,
    Graphs,
    Level,
    Manifest,
    Parity,
    Pooling,
    Quantization,
    Scales,
    Source,
    Task,
)
from edgebert.tokens import Text
from edgebert.version import __version__
from edgebert_export.canonical import Model, labels_of, read_model
from edgebert_export.checkpoint import Checkpoint, dump_json, licence_of
from edgebert_export.errors import ExportError, UnsupportedModelError
from edgebert_export.heads import Outputs
from edgebert_export.parity import check_parity, collect, flatten, floor_of, measure_parity
from edgebert_export.plan import Plan
from edgebert_export.recipe import Recipe
from edgebert_export.report import Report, write_report
from edgebert_export.sentence_files import SentenceFiles, read_sentence_files
from edgebert_export.texts import default_texts, read_texts
from edgebert_export.tokenizer_files import TokenizerFiles, read_tokenizer
from edgebert_export.write import OUTPUT_NAMES, write_graphs, write_texts

Progress = Callable[[str, float], None]

SEED = 0  # one seed for all that is drawn: the same checkpoint gives the same bytes
GOLDEN_TEXTS = 8
QUESTION_CHARACTERS = 24  # of a text that stands for a question
# Allowed relative error of golden texts: float kernels differ by rounding only; int8 kernels by
# more, yet saturation (onnxruntime#6004) shows as errors several times as large as this.
FLOAT_TOLERANCE = 1e-4
INT8_TOLERANCE = 0.1
TOLERANCE_MARGIN = 2.0  # over what this machine itself shows


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checkpoint read and understood, before anything is written."""

    recipe: Recipe
    checkpoint: Checkpoint
    model: Model
    tokenizer: TokenizerFiles
    outputs: Outputs
    manifest: Manifest  # complete but for quantization, parity, graphs and files


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
    prepared = prepare(recipe)
    texts, source = _texts(recipe.parity_texts, prepared.tokenizer)
    inputs = as_inputs(prepared, texts)
    with _scratch_beside(recipe.output) as folder:
        tell("write the fp32 reference", 0.05)
        fp32 = _write(folder, prepared, Plan(), _unquantized())
        plan, quantization = _quantize(prepared, tell)
        with new_folder(recipe.output, overwrite=recipe.overwrite) as work:
            tell("write the bundle", 0.8)
            manifest = _write(work, prepared, plan, quantization)
            engine = _engine(work, manifest)
            # an fp32 bundle is checked against its own masked graph: another path to one answer
            is_fp32 = recipe.quantize is Level.FP32
            reference = _engine(work, _masked(manifest)) if is_fp32 else _engine(folder, fp32)
            tell("measure parity", 0.85)
            floor = floor_of(recipe, manifest.task)
            parity = measure_parity(engine, reference, inputs, source=source, floor=floor)
            check_parity(parity)
            manifest = replace(manifest, parity=parity)
            golden = make_golden(engine, reference, inputs)
            (work / GOLDEN_NAME).write_bytes(dump_json(golden.to_json()))
            report = write_report(work, manifest, golden)
            tell("seal the bundle", 0.97)
            seal(work, manifest)
    tell("done", 1.0)
    return report


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


def prepare(recipe: Recipe) -> Prepared:
    """Read a checkpoint and settle everything that does not depend on quantization."""
    stated = read_sentence_files(recipe.model)
    checkpoint = Checkpoint.open(stated.encoder)
    as_encoder = recipe.task is Task.EMBED or stated.pooling is not None
    model = read_model(checkpoint, encoder_only=as_encoder)
    task = model.head.head.task if model.head else Task.EMBED
    if recipe.task is not None and recipe.task is not task:
        raise UnsupportedModelError(
            f"{recipe.model}: task {recipe.task!r} was asked for, the checkpoint is "
            f"{model.architecture}, which is for {task!r}"
        )
    if task is not Task.EMBED and (recipe.pooling, recipe.normalize) != (None, None):
        raise ExportError(
            f"{recipe.model}: pooling belongs to embeddings, the checkpoint is for {task!r}; "
            "leave it out, or take the encoder alone with --task embed"
        )
    tokenizer = read_tokenizer(checkpoint.path, model.encoder.vocabulary)
    pooling = _pooling(recipe, stated, model) if task is Task.EMBED else None
    outputs = Outputs(task, pooling, _mask_id(tokenizer, task))
    return Prepared(
        recipe,
        checkpoint,
        model,
        tokenizer,
        outputs,
        _draft(recipe, stated, checkpoint, model, tokenizer, outputs),
    )


def _pooling(recipe: Recipe, stated: SentenceFiles, model: Model) -> Pooling:
    found = stated.pooling
    mode = recipe.pooling or (found.mode if found else None)
    if mode is None:
        raise ExportError(
            f"{recipe.model}: nothing says how token vectors become one text vector (no "
            "modules.json). Say it with --pooling mean, cls, max or pooler, as the model was "
            "trained; a wrong guess gives plausible, worse vectors"
        )
    normalize = recipe.normalize
    if normalize is None:
        normalize = found.normalize if found else False
    return Pooling(mode=mode, normalize=normalize)


def _mask_id(tokenizer: TokenizerFiles, task: Task) -> int | None:
    if task is not Task.FILL:
        return None
    found = tokenizer.tokenizer.token_to_id(tokenizer.mask_token or "")
    if found is None:
        raise ExportError("a masked language model, but its tokenizer has no mask token")
    return int(found)


def _draft(
    recipe: Recipe,
    stated: SentenceFiles,
    checkpoint: Checkpoint,
    model: Model,
    tokenizer: TokenizerFiles,
    outputs: Outputs,
) -> Manifest:
    labels: tuple[str, ...] = ()
    if model.head is not None and outputs.task in (Task.CLASSIFY, Task.TAG):
        labels = labels_of(checkpoint.config, len(model.head.output.bias))
    limits = (model.positions, tokenizer.max_tokens, stated.max_tokens, recipe.max_tokens)
    return Manifest(
        name=recipe.name or recipe.output.name,
        task=outputs.task,
        family=model.family.name,
        architecture=model.architecture,
        encoder=model.encoder,
        max_tokens=min(limit for limit in limits if limit is not None),
        labels=labels,
        activation=_activation(checkpoint.config, labels, outputs.task),
        pooling=outputs.pooling,
        prompts=stated.prompts,
        default_prompt=stated.default_prompt,
        mask_token=tokenizer.mask_token if outputs.task is Task.FILL else None,
        graphs=Graphs(main=_NO_GRAPH, masked=_NO_GRAPH),
        quantization=_unquantized(),
        parity=_UNMEASURED,
        source=Source(
            weights_sha256=checkpoint.weights_sha256,
            config_sha256=checkpoint.config_sha256,
            licence=licence_of(recipe.model),
        ),
        tools={
            "edgebert": __version__,
            **{name: version(name) for name in ("numpy", "onnx", "onnxruntime", "tokenizers")},
        },
        files={},
    )


_NO_GRAPH = Graph(file="", inputs=(), outputs=())
_UNMEASURED = Parity(
    texts=0,
    source="",
    cosine_mean=0.0,
    cosine_min=0.0,
    max_abs_diff=0.0,
    agreement=None,
    floor_cosine_mean=None,
    floor_cosine_min=None,
    floor_agreement=None,
    cpu="",
)


def _unquantized() -> Quantization:
    return Quantization(level=Level.FP32, scales=Scales.NONE, weight_bits=32, kept_fp32=())


def _activation(config: Mapping[str, Any], labels: Sequence[str], task: Task) -> Activation:
    """Choose as transformers' text-classification pipeline does."""
    if task is not Task.CLASSIFY:
        return Activation.SOFTMAX if task is Task.TAG else Activation.NONE
    problem = config.get("problem_type")
    if problem == "regression":
        return Activation.NONE
    if problem == "multi_label_classification" or len(labels) == 1:
        return Activation.SIGMOID
    return Activation.SOFTMAX


def _quantize(prepared: Prepared, tell: Progress) -> tuple[Plan, Quantization]:
    return Plan(), _unquantized()


def _texts(path: Path | None, tokenizer: TokenizerFiles) -> tuple[list[str], str]:
    if path is None:
        return default_texts(tokenizer, SEED)
    return read_texts(path), path.name


def as_inputs(prepared: Prepared, texts: Sequence[str]) -> list[Text]:
    """Shape plain texts into what the task takes: pairs for questions, a mask to be filled."""
    match prepared.outputs.task:
        case Task.ANSWER:
            return _with_contexts(prepared.tokenizer, texts, prepared.manifest.max_tokens)
        case Task.FILL:
            return _with_masks(prepared.tokenizer, texts, prepared.manifest.max_tokens)
        case _:
            return list(texts)


def _with_contexts(files: TokenizerFiles, texts: Sequence[str], limit: int) -> list[Text]:
    """Ask each text's beginning, few enough tokens to leave room, of a context that holds it."""
    pairs: list[Text] = []
    for text, other in zip(texts, [*texts[1:], texts[0]], strict=True):
        spans = files.tokenizer.encode(text, add_special_tokens=False).offsets
        end = spans[: max(1, limit // 3)][-1][1] if spans else 0
        pairs.append((text[: min(end, QUESTION_CHARACTERS)], f"{other} {text}"))
    return pairs


def _with_masks(files: TokenizerFiles, texts: Sequence[str], limit: int) -> list[Text]:
    rng = np.random.default_rng(SEED)
    masked: list[Text] = []
    for text in texts:
        spans = files.tokenizer.encode(text, add_special_tokens=False).offsets
        spans = spans[: max(1, limit // 2)]  # a mask beyond the cut would be lost
        start, end = spans[int(rng.integers(len(spans)))] if spans else (0, 0)
        masked.append(f"{text[:start]}{files.mask_token}{text[end:]}")
    return masked


def _write(folder: Path, prepared: Prepared, plan: Plan, quantization: Quantization) -> Manifest:
    graphs = write_graphs(folder, prepared.model, plan, prepared.outputs)
    write_texts(folder, prepared.tokenizer, prepared.checkpoint.config)
    return replace(prepared.manifest, graphs=graphs, quantization=quantization)


def _engine(folder: Path, manifest: Manifest) -> Engine:
    return Engine.from_parts(folder, manifest, RuntimeConfig(threads=1))


def _masked(manifest: Manifest) -> Manifest:
    main = replace(manifest.graphs.masked, outputs=OUTPUT_NAMES[manifest.task])
    return replace(manifest, graphs=replace(manifest.graphs, main=main))


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
