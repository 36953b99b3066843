"""edgebert as a user calls it: the batch size is its own affair."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.peers.padded import Embed, Floats
from edgebert import Embedder, RuntimeConfig
from edgebert.manifest import EngineName


def load(folder: Path, settings: Mapping[str, Any]) -> Embed:
    """Open a bundle; `threads` and `engine` as RuntimeConfig has them, `bundle` a subfolder."""
    config = RuntimeConfig(
        threads=settings.get("threads"), engine=settings.get("engine", EngineName.ONNXRUNTIME)
    )
    embedder = Embedder.load(folder / settings.get("bundle", ""), config)

    def embed(texts: Sequence[str], batch: int) -> Floats:
        return embedder.embed(texts)

    return embed
