"""fastembed with a model of one's own, which its hub does not have."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType

from bench.peers.padded import Embed, Floats

NAME = "bench/model"


def load(folder: Path, settings: Mapping[str, Any]) -> Embed:
    """Open an exported graph from a folder."""
    TextEmbedding.add_custom_model(
        model=NAME,
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf=NAME),
        dim=settings["hidden"],
        model_file="model.onnx",
    )
    model = TextEmbedding(
        NAME, specific_model_path=str(folder), threads=settings["threads"], lazy_load=False
    )

    def embed(texts: Sequence[str], batch: int) -> Floats:
        return np.stack(list(model.embed(list(texts), batch_size=batch)))

    return embed
