"""CTranslate2's encoder, pooled in numpy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np

from bench.peers.padded import Embed, Floats, open_tokenizer, pool_mean


def load(folder: Path, settings: Mapping[str, Any]) -> Embed:
    """Open a converted model; `workers` run at once, `threads` each."""
    encoder = ctranslate2.Encoder(
        str(folder),
        device="cpu",
        compute_type="int8",
        inter_threads=settings.get("workers", 1),
        intra_threads=settings["threads"],
    )
    tokenizer = open_tokenizer(folder / "tokenizer.json")

    def embed(texts: Sequence[str], batch: int) -> Floats:
        rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
        order = sorted(range(len(rows)), key=lambda row: -len(rows[row]))
        parts = [order[first : first + batch] for first in range(0, len(order), batch)]
        # queued all at once: its own workers take them
        waiting = [encoder.forward_batch([rows[row] for row in part]) for part in parts]
        vectors = []
        for part, output in zip(parts, waiting, strict=True):
            states = np.asarray(output.last_hidden_state)
            lengths = np.array([len(rows[row]) for row in part])
            mask = (np.arange(states.shape[1]) < lengths[:, None]).astype(np.int64)
            vectors.append(pool_mean(states, mask))
        placed = np.empty((len(rows), vectors[0].shape[1]), np.float32)
        placed[order] = np.concatenate(vectors)
        return placed

    return embed
