"""Text classification: one class, several, or a number, as the bundle's activation says."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.errors import InputError
from edgebert.manifest import Activation, Task
from edgebert.results import Classification, Floats, Label
from edgebert.scores import ACTIVATIONS
from edgebert.tokens import Text


class Classifier:
    """Classifies texts. May be shared between threads."""

    def __init__(self, engine: Engine) -> None:
        """Take an opened engine.

        Raises:
            TaskError: its bundle is for another task.
        """
        engine.require(Task.CLASSIFY)
        self._engine = engine
        self.manifest = engine.manifest

    @classmethod
    def load(cls, path: Path | str, config: RuntimeConfig | None = None) -> "Classifier":
        """Open a bundle's folder.

        Raises:
            BundleError: it cannot be used.
            TaskError: it is for another task.
        """
        return cls(Engine.open(path, config))

    def classify(self, texts: Iterable[Text], *, top_k: int | None = 1) -> list[Classification]:
        """Classify texts.

        Args:
            texts: N strings, or pairs of strings for a model trained on pairs.
            top_k: how many labels each result holds, best first; None: all.

        Returns:
            N results in the order given. Scores are probabilities for softmax and sigmoid
            bundles and the model's number for regression.

        Raises:
            InputError: a text cannot be taken, or `top_k` is below 1.
        """
        return list(self.stream(texts, top_k=top_k))

    def stream(self, texts: Iterable[Text], *, top_k: int | None = 1) -> Iterator[Classification]:
        """Classify texts one result at a time in bounded memory; see `classify`."""
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k is {top_k}; it must be 1 or more, or None for all labels")
        readout = partial(
            read_labels,
            labels=self.manifest.labels,
            activation=self.manifest.activation,
            top_k=top_k,
        )
        return self._engine.map(texts, readout)


def read_labels(
    outputs: tuple[Floats, ...],
    batch: Batch,
    *,
    labels: tuple[str, ...],
    activation: Activation,
    top_k: int | None,
) -> list[Classification]:
    """Turn logits (B, L) into one ranked result per row."""
    scores = ACTIVATIONS[activation](outputs[0])
    best = np.argsort(-scores, axis=-1, kind="stable")[:, :top_k]
    return [
        Classification(
            tuple(Label(labels[place], float(row[place])) for place in places),
            tokens.n_tokens,
            tokens.truncated,
        )
        for row, places, tokens in zip(scores, best, batch.tokens, strict=True)
    ]
