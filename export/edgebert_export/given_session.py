"""What is true of a model that somebody else made: its own outputs, run and pooled by other means.

The reference of a bundle's parity. The model is run as it comes (by onnxruntime's defaults, or by
torch), and pooling is numpy's, so that nothing edgebert added is on this side.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from edgebert.batching import Batch
from edgebert.errors import InferenceError
from edgebert.manifest import Pooling, PoolingMode
from edgebert.results import Floats, Ints
from edgebert.session_onnxruntime import FATAL_ONLY
from edgebert_export.errors import ExportError
from edgebert_export.heads import Outputs
from edgebert_export.pooling import SMALLEST_NORM

Feeds = Mapping[str, Ints]
Run = Callable[[Feeds], Sequence[Floats]]

POOLINGS: Mapping[PoolingMode, Callable[[Floats], Floats]] = {  # (B, T, H) -> (B, H), no padding
    PoolingMode.CLS: lambda hidden: hidden[:, 0],
    PoolingMode.MEAN: lambda hidden: hidden.mean(axis=1),
    PoolingMode.MAX: lambda hidden: hidden.max(axis=1),
    PoolingMode.MEAN_SQRT_LEN: lambda hidden: hidden.sum(axis=1) / np.sqrt(hidden.shape[1]),
    PoolingMode.WEIGHTED_MEAN: lambda hidden: np.average(
        hidden, axis=1, weights=np.arange(1, hidden.shape[1] + 1)
    ),
    PoolingMode.LAST_TOKEN: lambda hidden: hidden[:, -1],
}


@dataclass(frozen=True, slots=True)
class GivenSession:
    """A model as it was given, behind the runtime's own seam."""

    run_model: Run
    inputs: tuple[str, ...]
    outputs: Outputs

    def run(self, batch: Batch) -> tuple[Floats, ...]:
        """Run one batch of rows of one length."""
        ids = batch.ids
        known = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": batch.type_ids,
        }
        try:
            found = tuple(self.run_model({name: known[name] for name in self.inputs}))
        except Exception as error:  # onnxruntime's and torch's exceptions share no base class
            raise InferenceError(
                f"the model, as it was given, fails on a row of {ids.shape[1]} tokens: {error}"
            ) from error
        pooling = self.outputs.pooling
        return found if pooling is None else (pool(found, pooling),)


def pool(found: tuple[Floats, ...], pooling: Pooling) -> Floats:
    """Make a text's vector of hidden states, or take the pooler's."""
    parts = [
        found[1] if mode is PoolingMode.POOLER else POOLINGS[mode](found[0])
        for mode in pooling.modes
    ]
    vector = np.concatenate(parts, axis=-1, dtype=np.float32)
    if not pooling.normalize:
        return vector
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    unit: Floats = vector / np.maximum(length, SMALLEST_NORM)
    return unit


def onnx_runner(path: Path, names: Sequence[str]) -> Run:
    """Open a graph in onnxruntime as it comes.

    Raises:
        ExportError: onnxruntime cannot load it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise ExportError(
            f"{path}: onnxruntime {onnxruntime.__version__} refuses it: {error}"
        ) from error

    def run(feeds: Feeds) -> Sequence[Floats]:
        outputs: Sequence[Floats] = session.run(list(names), dict(feeds))
        return outputs

    return run
