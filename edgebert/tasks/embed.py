"""Sentence embeddings: texts to vectors whose dot product, where normalised, is the cosine."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.errors import InputError
from edgebert.manifest import Task
from edgebert.results import Embedding, Floats


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
        """The length H of a vector."""
        return self.manifest.encoder.hidden

    def embed(self, texts: Iterable[str], *, prompt: str | None = None) -> Floats:
        """Embed texts.

        Args:
            texts: N of them; an empty string is a text too.
            prompt: name of a prefix that the bundle has ("query", "passage"); None: the bundle's
                default, which mostly is no prefix.

        Returns:
            (N, H) float32, in the order given; of unit length if the bundle normalises. Texts over
            the limit are cut: `stream` says which.

        Raises:
            InputError: a text is not a string or not Unicode, or the prompt is unknown.
        """
        vectors = [embedding.vector for embedding in self.stream(texts, prompt=prompt)]
        return np.stack(vectors) if vectors else np.empty((0, self.dimensions), np.float32)

    def stream(self, texts: Iterable[str], *, prompt: str | None = None) -> Iterator[Embedding]:
        """Embed texts one result at a time, with their token counts, in bounded memory.

        Args and errors are those of `embed`; the texts may be a generator.
        """
        if isinstance(texts, str):
            raise InputError("a single string; give a sequence of texts, such as [text]")
        prefix = self._prefix(prompt)
        return self._engine.map(_prefixed(prefix, texts) if prefix else texts, read_embeddings)

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


def read_embeddings(outputs: tuple[Floats, ...], batch: Batch) -> list[Embedding]:
    """Split (B, H) into one result per row."""
    return [
        Embedding(vector, tokens.n_tokens, tokens.truncated)
        for vector, tokens in zip(outputs[0], batch.tokens, strict=True)
    ]
