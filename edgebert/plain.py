"""The yardstick of `edgebert bench`: onnxruntime alone, at its defaults, on padded batches.

It runs a bundle's masked graph as a user without edgebert would run an exported model: one session
with all cores in each run, texts sorted by length, batches padded to their longest row. It serves
nothing but the comparison.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from edgebert.errors import BundleFormatError
from edgebert.manifest import Graph
from edgebert.results import Ints
from edgebert.tokens import Tokenizer, Tokens

BATCH = 8  # of 1 to 32 the best or near it on every model measured (bench/results)
ERRORS_ONLY = 3


class PlainModel:
    """A masked graph in onnxruntime at its defaults."""

    def __init__(self, folder: Path, graph: Graph, tokenizer: Tokenizer, threads: int) -> None:
        """Load the graph.

        Raises:
            BundleFormatError: onnxruntime cannot load it.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(
                os.fspath(folder / graph.file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own exceptions share no base class
            raise BundleFormatError(
                folder / graph.file, f"onnxruntime {onnxruntime.__version__} refuses it: {error}"
            ) from error
        self._tokenizer = tokenizer
        self._inputs = graph.inputs

    def run(self, texts: Sequence[str]) -> None:
        """Run texts and drop what comes out."""
        rows = sorted(self._tokenizer.encode(texts), key=lambda row: -len(row.ids))
        for first in range(0, len(rows), BATCH):
            feeds = pad(rows[first : first + BATCH])
            self._session.run(None, {name: feeds[name] for name in self._inputs})


def pad(rows: Sequence[Tokens]) -> dict[str, Ints]:
    """Lay rows out under the standard names, (B, T) each, zeros behind the shorter ones."""
    width = max(len(row.ids) for row in rows)
    ids = np.zeros((len(rows), width), np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = row.ids
        mask[number, : len(row.ids)] = 1
        types[number, : len(row.ids)] = row.type_ids
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
