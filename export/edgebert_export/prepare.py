"""Understand a checkpoint and a recipe: everything that is settled before anything is written.

The same for every road: what a road knows of a model, it says as `Traits`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from edgebert.manifest import (
    Activation,
    Encoder,
    Graph,
    Graphs,
    Level,
    Manifest,
    Parity,
    Pooling,
    PoolingMode,
    Quantization,
    Scales,
    Source,
    Task,
)
from edgebert.version import __version__
from edgebert_export.canonical import labels_of
from edgebert_export.checkpoint import Checkpoint, hash_all, licence_of
from edgebert_export.errors import ExportError, UnsupportedModelError
from edgebert_export.heads import Outputs
from edgebert_export.recipe import Recipe
from edgebert_export.sentence_files import SentenceFiles
from edgebert_export.sentence_steps import width_after
from edgebert_export.tokenizer_files import TokenizerFiles, read_tokenizer, set_lower_case


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a road knows of a model."""

    task: Task
    family: str
    architecture: str
    encoder: Encoder
    positions: int | None  # rows that real tokens may take; None: no table bounds them
    label_count: int  # outputs of a classifier or tagger


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checkpoint read and understood, before anything is written."""

    recipe: Recipe
    checkpoint: Checkpoint
    tokenizer: TokenizerFiles
    outputs: Outputs
    manifest: Manifest  # complete but for quantization, parity, graphs and files


def prepare(
    recipe: Recipe, stated: SentenceFiles, checkpoint: Checkpoint, traits: Traits
) -> Prepared:
    """Settle everything that does not depend on quantization.

    Args:
        recipe: what the user asks.
        stated: what the files beside the checkpoint state.
        checkpoint: opened.
        traits: what the road knows of the model.
    """
    task = traits.task
    if recipe.task is not None and recipe.task is not task:
        raise UnsupportedModelError(
            f"{recipe.model}: task {recipe.task!r} was asked for, the checkpoint is "
            f"{traits.architecture}, which is for {task!r}"
        )
    if task is not Task.EMBED and (recipe.pooling, recipe.normalize) != (None, None):
        raise ExportError(
            f"{recipe.model}: pooling belongs to embeddings, the checkpoint is for {task!r}; "
            "leave it out, or take the encoder alone with --task embed"
        )
    tokenizer = read_tokenizer(checkpoint.path, traits.encoder.vocabulary)
    if stated.lower_case:
        set_lower_case(tokenizer.tokenizer)
    pooling = _pooling(recipe, stated, traits) if task is Task.EMBED else None
    steps = stated.steps if task is Task.EMBED else ()
    _check_layers(recipe, task, pooling, traits)
    _check_exits(recipe, task, traits)
    outputs = Outputs(
        task,
        pooling,
        _mask_id(tokenizer, task),
        steps,
        layers=recipe.layers_out,
        exits=recipe.exits,
    )
    return Prepared(
        recipe,
        checkpoint,
        tokenizer,
        outputs,
        _draft(recipe, stated, checkpoint, traits, tokenizer, outputs),
    )


def _pooling(recipe: Recipe, stated: SentenceFiles, traits: Traits) -> Pooling:
    modes = (recipe.pooling,) if recipe.pooling else stated.poolings
    if modes is None:
        raise ExportError(
            f"{recipe.model}: nothing says how token vectors become one text vector (no "
            f"modules.json). Say it with --pooling {', '.join(PoolingMode)}, as the model was "
            "trained; a wrong guess gives plausible, worse vectors"
        )
    return Pooling(
        mode=modes[0],
        normalize=stated.normalize if recipe.normalize is None else recipe.normalize,
        more_modes=modes[1:],
        dimensions=width_after(stated.steps, traits.encoder.hidden * len(modes), recipe.model),
    )


def _check_layers(recipe: Recipe, task: Task, pooling: Pooling | None, traits: Traits) -> None:
    asked = recipe.layers_out
    if asked == 1:
        return
    if task is not Task.EMBED:
        raise ExportError(
            f"{recipe.model}: layers_out is {asked}, which is for embeddings; the checkpoint is "
            f"for {task!r}: leave it out"
        )
    if pooling is not None and PoolingMode.POOLER in pooling.modes:
        raise ExportError(
            f"{recipe.model}: layers_out is {asked}, and its pooler belongs to the last layer "
            "alone; leave layers_out out, or choose another pooling"
        )
    if asked > traits.encoder.layers:
        raise ExportError(
            f"{recipe.model}: layers_out is {asked}, the encoder has {traits.encoder.layers} layers"
        )


def _check_exits(recipe: Recipe, task: Task, traits: Traits) -> None:
    if not recipe.exits:
        return
    shown = ",".join(map(str, recipe.exits))
    if task not in (Task.EMBED, Task.CLASSIFY):
        raise ExportError(
            f"{recipe.model}: exits are {shown}, which are for 'embed' and 'classify'; the "
            f"checkpoint is for {task.value!r}: leave them out"
        )
    if recipe.exits[-1] >= traits.encoder.layers:
        raise ExportError(
            f"{recipe.model}: exits are {shown}, the encoder has {traits.encoder.layers} layers; "
            "an exit lies before the last of them"
        )


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
    traits: Traits,
    tokenizer: TokenizerFiles,
    outputs: Outputs,
) -> Manifest:
    labels: tuple[str, ...] = ()
    if outputs.task in (Task.CLASSIFY, Task.TAG):
        labels = labels_of(checkpoint.config, traits.label_count)
    return Manifest(
        name=recipe.name or recipe.output.name,
        task=outputs.task,
        family=traits.family,
        architecture=traits.architecture,
        encoder=traits.encoder,
        max_tokens=_limit(recipe, stated, traits, tokenizer),
        labels=labels,
        activation=_activation(checkpoint.config, labels, outputs.task),
        pooling=outputs.pooling,
        prompts=stated.prompts,
        default_prompt=stated.default_prompt,
        mask_token=tokenizer.mask_token if outputs.task is Task.FILL else None,
        graphs=Graphs(main=_NO_GRAPH, masked=_NO_GRAPH),
        quantization=unquantized(),
        parity=_UNMEASURED,
        source=Source(
            weights_sha256=hash_all(checkpoint.weights_sha256, *stated.step_hashes),
            config_sha256=checkpoint.config_sha256,
            licence=licence_of(recipe.model),
        ),
        tools={
            "edgebert": __version__,
            **{name: version(name) for name in ("numpy", "onnx", "onnxruntime", "tokenizers")},
        },
        files={},
    )


def _limit(recipe: Recipe, stated: SentenceFiles, traits: Traits, tokenizer: TokenizerFiles) -> int:
    limits = (traits.positions, tokenizer.max_tokens, stated.max_tokens, recipe.max_tokens)
    known = [limit for limit in limits if limit is not None]
    if not known:
        raise ExportError(
            f"{recipe.model}: nothing says how many tokens the model takes; say it with "
            "--max-tokens, as it was trained"
        )
    return min(known)


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


def unquantized() -> Quantization:
    """Describe a bundle in float."""
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
