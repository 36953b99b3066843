"""The layers that sentence-transformers puts after the pooling, and how each is read.

Each stands in a folder of its own, which `modules.json` names: settings in `config.json`, weights
beside it. A layer that is not in READERS is refused, never left out. The class paths in these
files are looked up in tables here and never imported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgebert_export.canonical import Linear, Norm
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.errors import ExportError, UnsupportedModelError

# torch's class -> the name that graph.ACTIVATIONS builds; each with its default arguments, which
# are all that sentence-transformers stores
DENSE_ACTIVATIONS: Mapping[str, str] = {
    "Identity": "identity",
    "Tanh": "tanh",
    "GELU": "gelu",
    "ReLU": "relu",
    "Sigmoid": "sigmoid",
    "ELU": "elu",
    "LeakyReLU": "leaky_relu",
    "Softplus": "softplus",
}
TORCH_MODULES = ("torch.nn", "torch.nn.modules.activation", "torch.nn.modules.linear")
DENSE_KEYS = {
    "in_features",
    "out_features",
    "bias",
    "activation_function",
    "module_input_name",
    "module_output_name",
}
NORM_EPSILON = 1e-5  # torch.nn.LayerNorm's own; sentence-transformers stores none


@dataclass(frozen=True, slots=True)
class DenseStep:
    """activation(x @ weight + bias)."""

    linear: Linear
    activation: str  # a name of graph.ACTIVATIONS


@dataclass(frozen=True, slots=True)
class NormStep:
    """Layer normalization of the vector."""

    norm: Norm


@dataclass(frozen=True, slots=True)
class UnitStep:
    """Scaling to unit length."""


@dataclass(frozen=True, slots=True)
class SameStep:
    """Nothing: what acts in training alone."""


Step = DenseStep | NormStep | UnitStep | SameStep


@dataclass(frozen=True, slots=True)
class StepFile:
    """A step and the hash of its weights, None where it has none."""

    step: Step
    weights_sha256: str | None = None


def read_dense(folder: Path) -> StepFile:
    """Read a `Dense` layer's folder.

    Raises:
        UnsupportedModelError: an activation, an input or a setting that is not built.
        ExportError: it is not there, damaged, or its weights are not of the stated size.
    """
    checkpoint = Checkpoint.open(folder)
    config = checkpoint.config
    unknown = sorted(config.keys() - DENSE_KEYS)
    inputs = config.get("module_input_name", "sentence_embedding")
    outputs = config.get("module_output_name") or inputs
    if unknown or (inputs, outputs) != ("sentence_embedding",) * 2:
        found = f"settings {unknown}" if unknown else f"{inputs!r} to {outputs!r}"
        raise UnsupportedModelError(
            f"{folder / 'config.json'}: {found}: built is Dense from 'sentence_embedding' to "
            f"itself, with {sorted(DENSE_KEYS)}"
        )
    width = checkpoint.count("in_features", least=1)
    wanted = checkpoint.count("out_features", least=1)
    weight = checkpoint.tensor("linear.weight", (wanted, width))
    if config.get("bias", True):
        bias = checkpoint.tensor("linear.bias", (wanted,))
    else:
        bias = np.zeros(wanted, np.float32)
    step = DenseStep(Linear(np.ascontiguousarray(weight.T), bias), _activation(checkpoint))
    return StepFile(step, checkpoint.weights_sha256)


def _activation(checkpoint: Checkpoint) -> str:
    stated = checkpoint.config.get("activation_function", "torch.nn.modules.activation.Tanh")
    module, _, name = str(stated).rpartition(".")
    if module not in TORCH_MODULES or name not in DENSE_ACTIVATIONS:
        raise UnsupportedModelError(
            f"{checkpoint.path / 'config.json'}: activation_function {stated!r} is not built; "
            f"built are torch.nn's {', '.join(DENSE_ACTIVATIONS)}"
        )
    return DENSE_ACTIVATIONS[name]


def read_norm(folder: Path) -> StepFile:
    """Read a `LayerNorm` layer's folder.

    Raises:
        ExportError: it is not there, damaged, or its weights are not of the stated size.
    """
    checkpoint = Checkpoint.open(folder)
    shape = (checkpoint.count("dimension", least=1),)
    norm = Norm(checkpoint.tensor("norm.weight", shape), checkpoint.tensor("norm.bias", shape))
    return StepFile(NormStep(norm), checkpoint.weights_sha256)


# by the class's name in sentence-transformers
READERS: Mapping[str, Callable[[Path], StepFile]] = {
    "Dense": read_dense,
    "LayerNorm": read_norm,
    "Normalize": lambda folder: StepFile(UnitStep()),
    "Dropout": lambda folder: StepFile(SameStep()),
}


def width_after(steps: tuple[Step, ...], width: int, where: Path) -> int:
    """Give the length of a vector after all steps, `width` before them.

    Raises:
        ExportError: a step takes vectors of another length than the one before it gives.
    """
    for number, step in enumerate(steps, 1):
        takes, gives = width, width
        if isinstance(step, DenseStep):
            takes, gives = step.linear.weight.shape
        elif isinstance(step, NormStep):
            takes = len(step.norm.weight)
        if takes != width:
            raise ExportError(
                f"{where}: step {number} after the pooling takes vectors of {takes} numbers, what "
                f"stands before it gives {width}; the two are not of the same model, or "
                "--pooling is not the one it was trained with"
            )
        width = gives
    return width
