"""onnxruntime alone: an exported graph, its own defaults, padded batches."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from bench.peers.padded import Embed, Floats, Ints, make_embed, open_tokenizer


def load(folder: Path, settings: Mapping[str, Any]) -> Embed:
    """Open `model.onnx`; `threads` a run and `workers` that run at once."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings["threads"]
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    wants_types = any(port.name == "token_type_ids" for port in session.get_inputs())

    def hidden(ids: Ints, mask: Ints) -> Floats:
        feeds = {"input_ids": ids, "attention_mask": mask}
        if wants_types:
            feeds["token_type_ids"] = np.zeros_like(ids)
        states: Floats = session.run(["last_hidden_state"], feeds)[0]
        return states

    tokenizer = open_tokenizer(folder / "tokenizer.json")
    return make_embed(tokenizer, hidden, settings.get("workers", 1))
