"""Reranking: documents ordered by how well they answer a query, by a cross-encoder.

A cross-encoder reads query and document together, so it is slower and better than comparing
embeddings: use it on the best few of a search. Source: Nogueira & Cho 2019 (Passage Re-ranking
with BERT); scores follow sentence-transformers' CrossEncoder.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edgebert.config import RuntimeConfig, Truncation
from edgebert.engine import Engine
from edgebert.errors import InputError, TaskError
from edgebert.manifest import Activation, Task
from edgebert.results import Floats, Ranked
from edgebert.scores import ACTIVATIONS
from edgebert.tasks.classify import Window, mean_logits, read_logits


class Reranker:
    """Orders documents by a query. May be shared between threads."""

    def __init__(self, engine: Engine) -> None:
        """Take an opened engine of a classifier with one output.

        Raises:
            TaskError: its bundle is for another task, or has several outputs.
        """
        engine.require(Task.CLASSIFY)
        if len(engine.manifest.labels) != 1:
            raise TaskError(
                "rerank",
                "classify",
                f"reranking needs a cross-encoder with one output; bundle "
                f"{engine.manifest.name!r} has {len(engine.manifest.labels)} labels",
            )
        self._engine = engine
        self.manifest = engine.manifest

    @classmethod
    def load(cls, path: Path | str, config: RuntimeConfig | None = None) -> "Reranker":
        """Open a bundle's folder.

        Raises:
            BundleError: it cannot be used.
            TaskError: it is for another task, or no cross-encoder.
        """
        return cls(Engine.open(path, config))

    def score(self, pairs: Iterable[tuple[str, str]], *, raw: bool = False) -> Floats:
        """Score pairs of a query and a document.

        Args:
            pairs: N of them.
            raw: logits instead of what the bundle's activation makes of them.

        Returns:
            (N,) float32, in the order given; larger is better.

        Raises:
            InputError: a row is not a pair of strings.
        """
        activation = Activation.NONE if raw else self.manifest.activation
        truncation = self._engine.policy(None, Truncation.CUT)
        rows = self._engine.map(pairs, partial(read_logits, labels=1), truncation)
        logits = [mean_logits(_paired(windows)) for windows in rows]
        if not logits:
            return np.empty(0, np.float32)
        return ACTIVATIONS[activation](np.stack(logits))[:, 0]

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_k: int | None = None,
        raw: bool = False,
    ) -> list[Ranked]:
        """Order documents by how well they answer a query.

        Args:
            query: what is asked.
            documents: N candidates.
            top_k: how many to return; None: all.
            raw: scores as logits.

        Returns:
            The best documents first; equal scores keep their order.

        Raises:
            InputError: the documents are a single string, or `top_k` is below 1.
        """
        if isinstance(documents, str):
            raise InputError("documents is a single string; give a sequence of texts")
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k is {top_k}; it must be 1 or more, or None for all")
        scores = self.score(((query, document) for document in documents), raw=raw)
        best = np.argsort(-scores, kind="stable")[:top_k]
        return [Ranked(int(place), float(scores[place]), documents[place]) for place in best]


def _paired(windows: list[Window]) -> list[Window]:
    tokens = windows[0][1]
    if isinstance(tokens.text, str):
        raise InputError(f"row {tokens.row}: a single string; give pairs of query and document")
    return windows
