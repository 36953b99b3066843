"""Masked language modelling: what stands at the mask tokens of a text."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig, Truncation
from edgebert.engine import Engine
from edgebert.errors import BundleFormatError, InputError
from edgebert.manifest import Task
from edgebert.results import Fill, Filling, Floats, Ints
from edgebert.scores import softmax
from edgebert.tokens import Tokenizer, Tokens


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

    def fill(
        self,
        texts: Iterable[str],
        *,
        top_k: int = 5,
        targets: Sequence[str] | None = None,
        truncation: Truncation | str | None = None,
    ) -> list[Filling]:
        """Score candidates for every mask of every text.

        Args:
            texts: N strings, each with at least one `mask_token`.
            top_k: candidates per mask.
            targets: score only these words, each one token of the vocabulary; None: all tokens.
            truncation: of texts over the limit: "cut" (default), "error", or "window": each mask
                is filled in the window that shows most around it.

        Returns:
            N results in the order given. Scores are probabilities over the whole vocabulary,
            with targets too.

        Raises:
            InputError: a text has no mask (or lost it in a cut), cannot be taken, or a target is
                not one token.
        """
        return list(self.stream(texts, top_k=top_k, targets=targets, truncation=truncation))

    def stream(
        self,
        texts: Iterable[str],
        *,
        top_k: int = 5,
        targets: Sequence[str] | None = None,
        truncation: Truncation | str | None = None,
    ) -> Iterator[Filling]:
        """Fill masks one result at a time in bounded memory; see `fill`."""
        if top_k < 1:
            raise InputError(f"top_k is {top_k}; it must be 1 or more")
        candidates = None if targets is None else self._target_ids(targets)
        readout = partial(
            read_masks,
            mask_id=self._mask_id,
            top_k=top_k,
            candidates=candidates,
            tokenizer=self._engine.tokenizer,
        )
        policy = self._engine.policy(truncation, Truncation.CUT)
        join = partial(join_masks, mask_token=self.mask_token)
        return map(join, self._engine.map(texts, readout, policy))

    def _target_ids(self, targets: Sequence[str]) -> Ints:
        if isinstance(targets, str) or not targets:
            raise InputError("targets is a single string or empty; give a sequence of words")
        tokenizer = self._engine.tokenizer
        found = [tokenizer.single_id(target) for target in targets]
        for target, token in zip(targets, found, strict=True):
            if token is None:
                raise InputError(f"target {target!r} is not one token of the vocabulary")
        return np.array(list(dict.fromkeys(found)), np.int64)


@dataclass(frozen=True, slots=True)
class Mask:
    """One mask as one window shows it."""

    start: int  # in characters
    context: int  # tokens to the nearer end of the window
    fills: tuple[Fill, ...]


Window = tuple[list[Mask], Tokens]


def read_masks(
    outputs: tuple[Floats, ...],
    batch: Batch,
    *,
    mask_id: int,
    top_k: int,
    candidates: Ints | None,
    tokenizer: Tokenizer,
) -> list[Window]:
    """Turn logits (K, V), the batch's K masks in reading order, into each row's masks."""
    logits = iter(outputs[0])
    rows: list[Window] = []
    for tokens in batch.tokens:
        offsets, masks = tokens.offsets, []
        for place, token in enumerate(tokens.ids):
            if token == mask_id:
                best = best_tokens(next(logits), top_k, candidates)
                start, end = offsets[place]
                fills = tuple(
                    Fill(found, tokenizer.token(found), score, str(tokens.text), start, end)
                    for found, score in best
                )
                masks.append(Mask(start, min(place, len(tokens.ids) - 1 - place), fills))
        rows.append((masks, tokens))
    return rows


def best_tokens(logits: Floats, top_k: int, candidates: Ints | None) -> list[tuple[int, float]]:
    """Give the ids and probabilities of the best tokens of (V,) logits."""
    scores = softmax(logits)
    ids = np.arange(len(scores)) if candidates is None else candidates
    best = ids[np.argsort(-scores[ids], kind="stable")[:top_k]]
    return [(int(place), float(scores[place])) for place in best]


def join_masks(windows: Sequence[Window], *, mask_token: str) -> Filling:
    """Join a text's windows: each mask once, from the window that shows most around it."""
    tokens = windows[0][1]
    best: dict[int, Mask] = {}
    for masks, _ in windows:
        for mask in masks:
            known = best.get(mask.start)
            if known is None or mask.context > known.context:
                best[mask.start] = mask
    if not best:
        cut = " in the part that the model sees" if tokens.truncated else ""
        raise InputError(f"row {tokens.row}: no mask token {mask_token!r}{cut}")
    fills = tuple(best[start].fills for start in sorted(best))
    return Filling(fills, tokens.n_tokens, tokens.truncated)
