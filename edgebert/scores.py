"""Logits to scores: softmax and sigmoid that do not overflow. Pure numpy."""

from collections.abc import Callable, Mapping

import numpy as np

from edgebert.errors import InferenceError
from edgebert.manifest import Activation
from edgebert.results import Floats


def check_labels(logits: Floats, labels: int) -> None:
    """Refuse logits (..., L) that are not one for each label.

    Raises:
        InferenceError: the graph and the manifest are of different models.
    """
    if logits.shape[-1] != labels:
        raise InferenceError(
            f"the graph gives {logits.shape[-1]} scores, the manifest names {labels} labels; the "
            "two are not of one model: export the bundle again"
        )


def softmax(logits: Floats) -> Floats:
    """Turn logits (..., L) into probabilities that sum to 1 over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return result


def sigmoid(logits: Floats) -> Floats:
    """Turn each logit into a probability of its own."""
    powers = np.exp(-np.abs(logits))  # never above 1, so never an overflow
    result: Floats = np.where(logits >= 0, 1 / (1 + powers), powers / (1 + powers))
    return result


def identity(logits: Floats) -> Floats:
    """Leave logits as they are: regression."""
    return logits


ACTIVATIONS: Mapping[Activation, Callable[[Floats], Floats]] = {
    Activation.SOFTMAX: softmax,
    Activation.SIGMOID: sigmoid,
    Activation.NONE: identity,
}
