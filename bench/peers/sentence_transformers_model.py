"""sentence-transformers: its own sorting, batching and pooling."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from bench.peers.padded import Embed, Floats


def load(folder: Path, settings: Mapping[str, Any]) -> Embed:
    """Open a folder with one of its back ends."""
    torch.set_num_threads(settings["threads"])
    model = SentenceTransformer(
        str(folder),
        backend=settings["backend"],
        device="cpu",
        model_kwargs=dict(settings.get("model", {})),
    )

    def embed(texts: Sequence[str], batch: int) -> Floats:
        vectors: Floats = model.encode(list(texts), batch_size=batch, show_progress_bar=False)
        return vectors

    return embed
