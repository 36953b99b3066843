"""Measure how far a bundle is from its fp32 reference, on the runtime that users run.

One text a run on both sides, so that nothing but the model differs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebert.batching import Batch
from edgebert.device.cpu import read_cpu
from edgebert.engine import Engine
from edgebert.manifest import Activation, Level, Manifest, Parity, Task
from edgebert.results import Floats
from edgebert.tokens import Text
from edgebert_export.errors import ParityError
from edgebert_export.recipe import Recipe

Decisions = NDArray[np.int64]
Outputs = tuple[Floats, ...]


@dataclass(frozen=True, slots=True)
class Floor:
    """The least that a level must reach; None where a figure does not apply."""

    cosine_mean: float | None
    cosine_min: float | None
    agreement: float | None


# fp32: the main graph against the masked graph, float error only.
EXACT = Floor(0.99999, 0.99999, 0.999)
# embeddings: the bars that MiniLM is held to on 300+ English sentences (tests/export).
EMBED_FLOORS: Mapping[Level, Floor] = {
    Level.FP32: EXACT,
    Level.INT8: Floor(0.998, 0.990, None),
    Level.INT8_ACCURATE: Floor(0.9988, 0.995, None),
}
# tasks that decide: the decision counts; logits are free to move where it stays.
DECISION_FLOORS: Mapping[Level, Floor] = {
    Level.FP32: EXACT,
    Level.INT8: Floor(0.98, None, 0.96),
    Level.INT8_ACCURATE: Floor(0.99, None, 0.98),
}


# masked LMs: in random strings one mask in ten is a near tie, which any rounding flips; on real
# protein chains the same int8 bundle agrees on 97 % and more (tests/export).
FILL_FLOORS: Mapping[Level, Floor] = {
    Level.FP32: EXACT,
    Level.INT8: Floor(0.98, None, 0.85),
    Level.INT8_ACCURATE: Floor(0.99, None, 0.88),
}
FLOORS: Mapping[Task, Mapping[Level, Floor]] = {
    Task.EMBED: EMBED_FLOORS,
    Task.CLASSIFY: DECISION_FLOORS,
    Task.TAG: DECISION_FLOORS,
    Task.ANSWER: DECISION_FLOORS,
    Task.FILL: FILL_FLOORS,
}


def floor_of(recipe: Recipe, task: Task) -> Floor:
    """Choose the floor of an export: the level's, unless the recipe states another."""
    base = FLOORS[task][recipe.quantize]
    return Floor(
        base.cosine_mean if recipe.min_cosine_mean is None else recipe.min_cosine_mean,
        base.cosine_min if recipe.min_cosine is None else recipe.min_cosine,
        base.agreement if recipe.min_agreement is None else recipe.min_agreement,
    )


def measure_parity(
    engine: Engine,
    reference: Engine,
    texts: Sequence[Text],
    *,
    source: str,
    floor: Floor,
) -> Parity:
    """Run texts through both engines and compare raw outputs and decisions.

    Args:
        engine: the bundle in question.
        reference: the fp32 graph of the same checkpoint.
        texts: what to run.
        source: where the texts are from, for the record.
        floor: what is demanded, for the record; `check_parity` enforces it.
    """
    found = collect(engine, texts)
    wanted = collect(reference, texts)
    cosines = [_cosine(flatten(a), flatten(b)) for a, b in zip(found, wanted, strict=True)]
    differences = [
        np.abs(flatten(a) - flatten(b)).max() for a, b in zip(found, wanted, strict=True)
    ]
    decide = decision_of(engine.manifest)
    agreement = None
    if decide is not None:
        same = [decide(a) == decide(b) for a, b in zip(found, wanted, strict=True)]
        agreement = float(np.concatenate([np.atleast_1d(row) for row in same]).mean())
    return Parity(
        texts=len(texts),
        source=source,
        cosine_mean=round(float(np.mean(cosines)), 6),
        cosine_min=round(float(np.min(cosines)), 6),
        max_abs_diff=float(f"{max(differences):.3g}"),
        agreement=None if agreement is None else round(agreement, 6),
        floor_cosine_mean=floor.cosine_mean,
        floor_cosine_min=floor.cosine_min,
        floor_agreement=None if agreement is None else floor.agreement,
        cpu=read_cpu().int8_path,
    )


def check_parity(parity: Parity, where: str = "") -> None:
    """Refuse a bundle that missed its floor; `where` says on which engine, if not onnxruntime.

    Raises:
        ParityError: with every figure that fell short.
    """
    figures = (
        ("mean cosine", parity.cosine_mean, parity.floor_cosine_mean),
        ("least cosine", parity.cosine_min, parity.floor_cosine_min),
        ("agreement", parity.agreement, parity.floor_agreement),
    )
    misses = [
        f"{name} {value:.4f}, demanded {least:.4f}"
        for name, value, least in figures
        if value is not None and least is not None and not value >= least
    ]
    if misses:
        raise ParityError(
            f"too far from the fp32 model {where}on {parity.texts} texts ({parity.source}): "
            f"{'; '.join(misses)}. No bundle was written. Try --quantize int8-accurate (of the "
            "families that edgebert builds itself), give texts of your domain with --parity-texts "
            "and, of those families, --calibrate, or state a floor you can live "
            "with (--min-cosine-mean, --min-cosine, --min-agreement)",
            parity,
        )


def collect(engine: Engine, texts: Sequence[Text]) -> list[Outputs]:
    """Run texts one by one and give each one's raw outputs; of a masked LM, its masks' rows."""
    token = engine.manifest.mask_token
    mask_id = engine.tokenizer.token_id(token) if token else None

    def keep(outputs: Outputs, batch: Batch) -> list[Outputs]:
        if mask_id is not None and outputs[0].ndim == 3:  # the masked graph scores every token
            return [(outputs[0][batch.ids == mask_id],)]
        return [outputs]

    return [outputs for text in texts for (outputs,) in engine.map([text], keep)]


def decision_of(manifest: Manifest) -> Callable[[Outputs], Decisions] | None:
    """Choose what counts as a decision of a task; None where the output itself is the result."""
    match manifest.task, manifest.activation:
        case Task.EMBED, _:
            return None
        case Task.CLASSIFY, Activation.NONE:
            return None
        case Task.CLASSIFY, Activation.SIGMOID:
            return lambda outputs: (outputs[0] > 0).astype(np.int64).ravel()
        case _:
            return lambda outputs: np.stack([output.argmax(axis=-1) for output in outputs]).ravel()


def flatten(outputs: Outputs) -> Floats:
    """Join all outputs of a text in one array."""
    return np.concatenate([output.ravel() for output in outputs])


def _cosine(a: Floats, b: Floats) -> float:
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.dot(a, b)) / scale if scale else float(np.array_equal(a, b))
