"""Text classification: one class, several, or a number, as the bundle's activation says."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig, Truncation
from edgebert.engine import Engine
from edgebert.errors import InputError
from edgebert.manifest import Activation, Task
from edgebert.results import Classification, Floats, Label
from edgebert.scores import ACTIVATIONS, check_labels
from edgebert.tokens import Text, Tokens


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

    def classify(
        self,
        texts: Iterable[Text],
        *,
        top_k: int | None = 1,
        threshold: float | None = None,
        truncation: Truncation | str | None = None,
    ) -> list[Classification]:
        """Classify texts.

        Args:
            texts: N strings, or pairs of strings for a model trained on pairs.
            top_k: how many labels each result holds, best first; None: all.
            threshold: leave out labels that score less; a result may then hold none.
            truncation: of texts over the limit: "cut" (default), "error", or "window": the mean
                logits of overlapping windows, weighted by their tokens.

        Returns:
            N results in the order given. Scores are probabilities for softmax and sigmoid
            bundles and the model's number for regression.

        Raises:
            InputError: a text cannot be taken, or `top_k` is below 1.
        """
        return list(self.stream(texts, top_k=top_k, threshold=threshold, truncation=truncation))

    def stream(
        self,
        texts: Iterable[Text],
        *,
        top_k: int | None = 1,
        threshold: float | None = None,
        truncation: Truncation | str | None = None,
    ) -> Iterator[Classification]:
        """Classify texts one result at a time in bounded memory; see `classify`."""
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k is {top_k}; it must be 1 or more, or None for all labels")
        policy = self._engine.policy(truncation, Truncation.CUT)
        rank = partial(
            rank_labels,
            labels=self.manifest.labels,
            activation=self.manifest.activation,
            top_k=top_k,
            threshold=threshold,
        )
        read = partial(read_logits, labels=len(self.manifest.labels))
        return map(rank, self._engine.map(texts, read, policy))


Window = tuple[Floats, Tokens]


def read_logits(outputs: tuple[Floats, ...], batch: Batch, *, labels: int) -> list[Window]:
    """Split logits (B, L) into one row each."""
    check_labels(outputs[0], labels)
    return list(zip(outputs[0], batch.tokens, strict=True))


def mean_logits(windows: Sequence[Window]) -> Floats:
    """Average the logits of a text's windows, weighted by their tokens: (L,)."""
    if len(windows) == 1:
        return windows[0][0]
    weights = [len(tokens.ids) for _, tokens in windows]
    mean = np.average([logits for logits, _ in windows], axis=0, weights=weights)
    return np.asarray(mean, np.float32)


def rank_labels(
    windows: Sequence[Window],
    *,
    labels: tuple[str, ...],
    activation: Activation,
    top_k: int | None,
    threshold: float | None,
) -> Classification:
    """Turn the logits of a text into labels, best first."""
    tokens = windows[0][1]
    scores = ACTIVATIONS[activation](mean_logits(windows))
    best = np.argsort(-scores, kind="stable")[:top_k]
    ranked = tuple(
        Label(labels[place], float(scores[place]))
        for place in best
        if threshold is None or scores[place] >= threshold
    )
    return Classification(ranked, tokens.n_tokens, tokens.truncated)
