"""Sentence embeddings: texts to vectors whose dot product, where normalised, is the cosine."""

from collections.abc import Iterable, Iterator, Sequence, Sized
from pathlib import Path

import numpy as np

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig, Truncation
from edgebert.engine import Engine
from edgebert.errors import InputError
from edgebert.manifest import Task
from edgebert.results import Embedding, Floats
from edgebert.tokens import Tokens
from edgebert.vectors import cut_dimensions

Window = tuple[Floats, Tokens]


class Embedder:
    """Turns texts into vectors. May be shared between threads."""

    def __init__(self, engine: Engine) -> None:
        """Take an opened engine.

        Raises:
            TaskError: its bundle is for another task.
        """
        engine.require(Task.EMBED)
        self._engine = engine
        self.manifest = engine.manifest

    @classmethod
    def load(cls, path: Path | str, config: RuntimeConfig | None = None) -> "Embedder":
        """Open a bundle's folder.

        Raises:
            BundleError: it cannot be used.
            TaskError: it is for another task.
        """
        return cls(Engine.open(path, config))

    @property
    def dimensions(self) -> int:
        """The length D of a vector."""
        return self.manifest.dimensions

    def embed(
        self,
        texts: Iterable[str],
        *,
        prompt: str | None = None,
        dimensions: int | None = None,
        truncation: Truncation | str | None = None,
    ) -> Floats:
        """Embed texts.

        Args:
            texts: N of them; an empty string is a text too.
            prompt: name of a prefix that the bundle has ("query", "passage"); None: the bundle's
                default, which mostly is no prefix.
            dimensions: keep only the first of each vector, for models trained so (Matryoshka),
                scaled back to unit length if the bundle normalises; None: all.
            truncation: of texts over the limit: "cut" (default; `stream` says which), "error", or
                "window": the mean over overlapping windows, weighted by their tokens.

        Returns:
            (N, D) float32, in the order given; of unit length if the bundle normalises. For int8 or
            bits, `edgebert.quantize_embeddings`; to compare, `edgebert.similarity`.

        Raises:
            InputError: a text is not a string or not Unicode, or an argument is unknown.
        """
        stream = self.stream(texts, prompt=prompt, dimensions=dimensions, truncation=truncation)
        vectors = (embedding.vector for embedding in stream)
        row = np.dtype((np.float32, dimensions or self.dimensions))
        # straight into the array, so that no vector is held twice
        return np.fromiter(vectors, row, len(texts) if isinstance(texts, Sized) else -1)

    def stream(
        self,
        texts: Iterable[str],
        *,
        prompt: str | None = None,
        dimensions: int | None = None,
        truncation: Truncation | str | None = None,
    ) -> Iterator[Embedding]:
        """Embed texts one result at a time, with their token counts, in bounded memory.

        Args and errors are those of `embed`; the texts may be a generator.
        """
        if isinstance(texts, str):
            raise InputError("a single string; give a sequence of texts, such as [text]")
        width = self.dimensions if dimensions is None else dimensions
        if not 1 <= width <= self.dimensions:
            raise InputError(f"dimensions is {width}; the vectors have {self.dimensions}")
        prefix = self._prefix(prompt)
        windows = self._engine.map(
            _prefixed(prefix, texts) if prefix else texts,
            read_embeddings,
            self._engine.policy(truncation, Truncation.CUT),
        )
        pooling = self.manifest.pooling
        normalize = pooling is not None and pooling.normalize
        return (merge_windows(some, width, normalize=normalize) for some in windows)

    def _prefix(self, prompt: str | None) -> str:
        name = prompt if prompt is not None else self.manifest.default_prompt
        if name is None:
            return ""
        if name not in self.manifest.prompts:
            known = ", ".join(self.manifest.prompts) or "none"
            raise InputError(f"no prompt {name!r}; the bundle has: {known}")
        return self.manifest.prompts[name]


def _prefixed(prefix: str, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        # what is not a string goes on as it is, to be refused with its row
        yield prefix + text if isinstance(text, str) else text


def read_embeddings(outputs: tuple[Floats, ...], batch: Batch) -> list[Window]:
    """Split (B, D) into one vector per row, copied so that a run's array can go."""
    return [
        (vector.copy(), tokens) for vector, tokens in zip(outputs[0], batch.tokens, strict=True)
    ]


def merge_windows(windows: Sequence[Window], dimensions: int, *, normalize: bool) -> Embedding:
    """Average the windows of a text, weighted by their tokens, and keep the first dimensions."""
    vector, tokens = windows[0]
    if len(windows) > 1:
        weights = np.array([len(row.ids) for _, row in windows], np.float32)
        vector = np.average([each for each, _ in windows], axis=0, weights=weights)
        vector = vector.astype(np.float32)
    if len(windows) > 1 or dimensions < len(vector):
        vector = cut_dimensions(vector[None], dimensions, normalize=normalize)[0]
    return Embedding(vector, tokens.n_tokens, tokens.truncated)
