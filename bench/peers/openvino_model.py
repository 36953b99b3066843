"""OpenVINO alone: an exported or quantized graph, padded batches."""

from collections.abc import Mapping
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
import openvino

from bench.peers.padded import Embed, Floats, Ints, make_embed, open_tokenizer


def load(folder: Path, settings: Mapping[str, Any]) -> Embed:
    """Compile `file` for `workers` streams in a precision."""
    workers = settings.get("workers", 1)
    core = openvino.Core()
    compiled = core.compile_model(
        folder / settings["file"],
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": settings["precision"],
            "NUM_STREAMS": workers,
            "INFERENCE_NUM_THREADS": settings["threads"] * workers,
        },
    )
    wants_types = any("token_type_ids" in port.names for port in compiled.inputs)
    mine = local()  # a request each thread: two threads may not share one

    def hidden(ids: Ints, mask: Ints) -> Floats:
        if not hasattr(mine, "request"):
            mine.request = compiled.create_infer_request()
        feeds = {"input_ids": ids, "attention_mask": mask}
        if wants_types:
            feeds["token_type_ids"] = np.zeros_like(ids)
        states: Floats = mine.request.infer(feeds)[compiled.output(0)]
        return states

    return make_embed(open_tokenizer(folder / "tokenizer.json"), hidden, workers)
