"""Describe a quantized encoder for the kernels for AMX: sizes, and where each array stands.

The file is small; the arrays are those of the main graph. docs/bundle.md has the format.
"""

from pathlib import Path
from typing import Any

from edgebert.amx import HEAD_STEP
from edgebert.manifest import Graph
from edgebert.session_amx import POOLINGS
from edgebert_export.canonical import LINEARS, NORMS, Model
from edgebert_export.checkpoint import dump_json
from edgebert_export.errors import UnsupportedModelError
from edgebert_export.heads import EMBEDDING, Outputs
from edgebert_export.onnx_writer import Array, WeightFile
from edgebert_export.plan import GROUPS, Plan, QuantizedLinear

AMX_NAME = "model_amx.json"


def check_amx(model: Model, outputs: Outputs) -> None:
    """Refuse a model that the kernels do not compute, before any work is done.

    Raises:
        UnsupportedModelError: says what of it they do not have.
    """
    encoder, pooling = model.encoder, outputs.pooling
    modes = () if pooling is None else pooling.modes
    cut = pooling is not None and pooling.dimensions not in (None, encoder.hidden)
    lacks = {
        f"heads of {encoder.hidden // encoder.heads}": encoder.hidden % (encoder.heads * HEAD_STEP),
        f"activation {model.activation}": model.activation != "gelu",
        "positions relative to each other": model.distances is not None,
        "embeddings of another width": model.projection is not None,
        "layers that share weights": len(set(model.stores)) != encoder.layers,
        f"pooling {' and '.join(modes) or 'none'}": len(modes) != 1 or modes[0] not in POOLINGS,
        "layers after the pooling": bool(outputs.steps) or cut,
        "several layers' vectors": outputs.layers != 1,
    }
    found = [name for name, is_there in lacks.items() if is_there]
    if found:
        raise UnsupportedModelError(
            f"--engine amx has no kernels for {', '.join(found)}; leave the option out"
        )


def describe_amx() -> Graph:
    """Describe the file as a manifest does."""
    return Graph(file=AMX_NAME, inputs=("input_ids",), outputs=(EMBEDDING,))


def write_amx(
    folder: Path, weights: WeightFile, model: Model, plan: Plan, outputs: Outputs
) -> None:
    """Write the description beside the weights.

    Args:
        folder: of the bundle.
        weights: with the arrays of the main graph; those that stand in it are added.
        model: in float.
        plan: what is quantized: all linears of the encoder.
        outputs: what the graphs give back.

    Raises:
        UnsupportedModelError: a linear is kept in float.
    """
    if outputs.pooling is None or plan.word is None:
        raise TypeError("the kernels for AMX pool, and read words in int8")
    arrays: dict[str, Array] = {
        "word_s8": plan.word.values,
        "word_scales": plan.word.scales,
        "position": model.position if model.types is None else model.position + model.types[0],
        "embedding_norm.weight": model.embedding_norm.weight,
        "embedding_norm.bias": model.embedding_norm.bias,
    }
    wide = []
    for layer in range(model.encoder.layers):
        for group in GROUPS:
            multiplier = plan.inputs[f"{layer}.{group}"].multiplier
            if multiplier is not None:
                arrays[f"{layer}.{group}.multiplier"] = multiplier
        for name in (f"{layer}.{linear}" for linear in LINEARS):
            linear = plan.linears[name]
            if not isinstance(linear, QuantizedLinear):
                raise UnsupportedModelError(
                    f"--engine amx has int8 linears only, {name} is kept in float; take "
                    "--quantize int8, or leave the option out"
                )
            arrays[f"{name}.weight_s8"] = linear.values
            arrays[f"{name}.scales"], arrays[f"{name}.bias"] = linear.scales, linear.bias
        wide.append(arrays[f"{layer}.f1.weight_s8"].shape[1])
        for name in (f"{layer}.{norm}" for norm in NORMS):
            arrays[f"{name}.weight"] = model.norms[name].weight
            arrays[f"{name}.bias"] = model.norms[name].bias
    described: dict[str, Any] = {
        "weights": weights.path.name,
        "hidden": model.encoder.hidden,
        "heads": model.encoder.heads,
        "vocabulary": len(plan.word.values),
        "positions": len(model.position),
        "wide": wide,
        "epsilon": model.epsilon,
        "pooling": outputs.pooling.modes[0],
        "normalize": outputs.pooling.normalize,
        "offsets": {name: weights.add(name, array)[0] for name, array in arrays.items()},
    }
    (folder / AMX_NAME).write_bytes(dump_json(described))
