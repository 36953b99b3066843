"""edgebert as a user calls it: the batch size is its own affair."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.peers.padded import Embed, Floats
from edgebert import Embedder, RuntimeConfig


def load(folder: Path, settings: Mapping[str, Any]) -> Embed:
    """Open a bundle; `threads` as RuntimeConfig has it."""
    embedder = Embedder.load(folder, RuntimeConfig(threads=settings.get("threads")))

    def embed(texts: Sequence[str], batch: int) -> Floats:
        return embedder.embed(texts)

    return embed
