"""optimum's ORTModel with transformers' tokenizer, as its documentation shows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from optimum.onnxruntime import ORTModelForFeatureExtraction
from transformers import AutoTokenizer

from bench.peers.padded import Embed, Floats, pool_mean


def load(folder: Path, settings: Mapping[str, Any]) -> Embed:
    """Open a folder that optimum wrote."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings["threads"]
    model = ORTModelForFeatureExtraction.from_pretrained(folder, session_options=options)
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def embed(texts: Sequence[str], batch: int) -> Floats:
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        parts = []
        for first in range(0, len(order), batch):
            some = [texts[row] for row in order[first : first + batch]]
            inputs = tokenizer(
                some, padding=True, truncation=True, max_length=512, return_tensors="np"
            )
            states = model(**inputs).last_hidden_state
            parts.append(pool_mean(np.asarray(states), inputs["attention_mask"]))
        vectors = np.concatenate(parts)
        placed = np.empty_like(vectors)
        placed[order] = vectors
        return placed

    return embed
