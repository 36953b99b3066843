"""How a careful user runs a model that takes padded batches: sort by length, batch, pad, pool."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Embed = Callable[[Sequence[str], int], Floats]
Hidden = Callable[[Ints, Ints], Floats]  # ids and mask (B, T) -> (B, T, H)
LIMIT = 512


def open_tokenizer(path: Path) -> Tokenizer:
    """Open a tokenizer that cuts at the model's limit and leaves padding to the batches."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LIMIT)
    return tokenizer


def make_embed(tokenizer: Tokenizer, hidden: Hidden, workers: int = 1) -> Embed:
    """Make the function that embeds texts in sorted, padded batches.

    Args:
        tokenizer: of the model.
        hidden: runs one batch; with several workers it is called from several threads at once.
        workers: batches run at a time.
    """
    pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def embed(texts: Sequence[str], batch: int) -> Floats:
        encodings = tokenizer.encode_batch_fast(list(texts))
        order = sorted(range(len(texts)), key=lambda row: -len(encodings[row].ids))
        parts = [order[first : first + batch] for first in range(0, len(order), batch)]

        def run(rows: list[int]) -> Floats:
            ids, mask = pad([encodings[row] for row in rows])
            return pool_mean(hidden(ids, mask), mask)

        done = map(run, parts) if pool is None else pool.map(run, parts)
        vectors = np.concatenate(list(done))
        placed = np.empty_like(vectors)
        placed[order] = vectors
        return placed

    return embed


def pad(encodings: Sequence[Encoding]) -> tuple[Ints, Ints]:
    """Lay rows out as (B, T) ids and mask, zeros behind the shorter ones."""
    width = max(len(encoding.ids) for encoding in encodings)
    ids = np.zeros((len(encodings), width), np.int64)
    mask = np.zeros_like(ids)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding.ids)] = encoding.ids
        mask[row, : len(encoding.ids)] = 1
    return ids, mask


def pool_mean(hidden: Floats, mask: Ints) -> Floats:
    """Average (B, T, H) over the tokens of each row and scale to unit length."""
    weights = mask[:, :, None].astype(np.float32)
    sums = (hidden * weights).sum(axis=1)
    mean = sums / weights.sum(axis=1)
    vectors: Floats = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return vectors
