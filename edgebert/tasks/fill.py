"""Masked language modelling: what stands at the mask tokens of a text."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.errors import BundleFormatError, InputError
from edgebert.manifest import Task
from edgebert.results import Fill, Filling, Floats
from edgebert.scores import softmax
from edgebert.tokens import Tokenizer


class MaskFiller:
    """Fills mask tokens. May be shared between threads."""

    def __init__(self, engine: Engine) -> None:
        """Take an opened engine.

        Raises:
            TaskError: its bundle is for another task.
            BundleFormatError: its mask token is not in its vocabulary.
        """
        engine.require(Task.FILL)
        self._engine = engine
        self.manifest = engine.manifest
        token = self.manifest.mask_token or ""
        mask_id = engine.tokenizer.token_id(token)
        if mask_id is None:
            raise BundleFormatError(
                self.manifest.name, f"mask token {token!r} is not in its vocabulary"
            )
        self._mask_id = mask_id

    @classmethod
    def load(cls, path: Path | str, config: RuntimeConfig | None = None) -> "MaskFiller":
        """Open a bundle's folder.

        Raises:
            BundleError: it cannot be used.
            TaskError: it is for another task.
        """
        return cls(Engine.open(path, config))

    @property
    def mask_token(self) -> str:
        """The token to put where something is to be filled in."""
        return self.manifest.mask_token or ""

    def fill(self, texts: Iterable[str], *, top_k: int = 5) -> list[Filling]:
        """Score candidates for every mask of every text.

        Args:
            texts: N strings, each with at least one `mask_token`.
            top_k: candidates per mask.

        Returns:
            N results in the order given.

        Raises:
            InputError: a text has no mask (or lost it in a cut), or cannot be taken.
        """
        return list(self.stream(texts, top_k=top_k))

    def stream(self, texts: Iterable[str], *, top_k: int = 5) -> Iterator[Filling]:
        """Fill masks one result at a time in bounded memory; see `fill`."""
        if top_k < 1:
            raise InputError(f"top_k is {top_k}; it must be 1 or more")
        readout = partial(
            read_fills,
            mask_id=self._mask_id,
            mask_token=self.mask_token,
            top_k=top_k,
            tokenizer=self._engine.tokenizer,
        )
        return self._engine.map(texts, readout)


def read_fills(
    outputs: tuple[Floats, ...],
    batch: Batch,
    *,
    mask_id: int,
    mask_token: str,
    top_k: int,
    tokenizer: Tokenizer,
) -> list[Filling]:
    """Turn logits (K, V), the batch's K masks in reading order, into one result per row."""
    counts = [tokens.ids.count(mask_id) for tokens in batch.tokens]
    for row, tokens, count in zip(batch.rows, batch.tokens, counts, strict=True):
        if count == 0:
            cut = " in the part that the model sees" if tokens.truncated else ""
            raise InputError(f"row {row}: no mask token {mask_token!r}{cut}")
    masks = [_best(logits, top_k, tokenizer) for logits in outputs[0]]
    ends = np.cumsum(counts)
    return [
        Filling(tuple(masks[end - count : end]), tokens.n_tokens, tokens.truncated)
        for end, count, tokens in zip(ends, counts, batch.tokens, strict=True)
    ]


def _best(logits: Floats, top_k: int, tokenizer: Tokenizer) -> tuple[Fill, ...]:
    scores = softmax(logits)
    best = np.argsort(-scores, kind="stable")[:top_k]
    return tuple(Fill(int(place), tokenizer.token(place), float(scores[place])) for place in best)
