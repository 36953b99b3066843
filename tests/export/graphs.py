"""Run a bundle's graphs on token ids, as any tool with onnxruntime would: no edgebert in between.

Rows of ids go in; the main graph takes them one by one, the masked graph takes them all at once,
right-padded, and what it gives for padding is cut off again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tests.make_tiny import POSITIONS, ROBERTA_SPECIAL

Array = NDArray[Any]
Rows = Sequence[Sequence[int]]
LENGTHS = (3, 4, 7, 16, POSITIONS)
FIRST_PLAIN = len(ROBERTA_SPECIAL)  # both tiny vocabularies open with five special tokens
# ids of the tiny tokenizers: beginning, end, mask, padding
SPECIAL_IDS = {"Roberta": (0, 2, 4, 1), "Bert": (2, 3, 4, 0), "DistilBert": (2, 3, 4, 0)}
FAMILY_NAMES = tuple(SPECIAL_IDS)
HEAD_NAMES = (
    "Model",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMaskedLM",
)
ARCHITECTURES = tuple(f"{family}{head}" for family in FAMILY_NAMES for head in HEAD_NAMES)


def family_of(architecture: str) -> str:
    """Give "Bert" of "BertModel"."""
    return next(name for name in FAMILY_NAMES if architecture.startswith(name))


def random_rows(
    architecture: str, vocabulary: int = 120, lengths: Sequence[int] = LENGTHS, seed: int = 0
) -> list[list[int]]:
    """Draw rows of token ids; for a masked LM, each with a mask in its middle and one more."""
    rng = np.random.default_rng(seed)
    first, last, mask, _ = SPECIAL_IDS[family_of(architecture)]
    rows = []
    for length in lengths:
        row = [first, *rng.integers(FIRST_PLAIN, vocabulary, length - 2).tolist(), last]
        if architecture.endswith("MaskedLM"):
            row[length // 2] = row[1] = mask
        rows.append(row)
    return rows


def pair_types(rows: Rows) -> list[list[int]]:
    """Give each row the token types of a pair: its second half is the second text."""
    return [[int(place > len(row) // 2) for place in range(len(row))] for row in rows]


def pad(rows: Rows, value: int) -> tuple[Array, Array]:
    """Right-pad rows and give them with their attention mask, both (B, T) int64."""
    longest = max(map(len, rows))
    ids = np.array([[*row, *[value] * (longest - len(row))] for row in rows], np.int64)
    mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows], np.int64)
    return ids, mask


class GraphFile:
    """One graph, opened with onnxruntime's own defaults."""

    def __init__(self, path: Path) -> None:
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.inputs = [value.name for value in self._session.get_inputs()]
        self.shapes = {value.name: value.shape for value in self._session.get_outputs()}

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run it on the inputs that it takes; others are left aside."""
        names = list(self.shapes)
        wanted = {name: feeds[name] for name in self.inputs}
        return dict(zip(names, self._session.run(names, wanted), strict=True))


def run_main(folder: Path, rows: Rows, types: Rows | None = None) -> list[dict[str, Array]]:
    """Run the main graph on one row at a time; outputs without their batch axis."""
    graph = GraphFile(folder / "model.onnx")
    results = []
    for place, row in enumerate(rows):
        ids = np.array([row], np.int64)
        kinds = np.array([types[place]], np.int64) if types else np.zeros_like(ids)
        outputs = graph.run({"input_ids": ids, "token_type_ids": kinds})
        batched = [name for name, shape in graph.shapes.items() if shape[0] == "batch"]
        # a masked LM's (masks, vocabulary) has no batch axis
        results.append(outputs | {name: outputs[name][0] for name in batched})
    return results


def run_masked(
    folder: Path, rows: Rows, padding: int, types: Rows | None = None
) -> list[dict[str, Array]]:
    """Run the masked graph on all rows at once and cut each row's outputs to its own tokens."""
    ids, mask = pad(rows, padding)
    kinds = pad(types, 0)[0] if types else np.zeros_like(ids)
    graph = GraphFile(folder / "model_masked.onnx")
    outputs = graph.run({"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds})
    by_token = {name for name, shape in graph.shapes.items() if shape[1] == "tokens"}
    return [
        {
            name: value[place][: len(row)] if name in by_token else value[place]
            for name, value in outputs.items()
        }
        for place, row in enumerate(rows)
    ]


def relative(found: Array, wanted: Array) -> float:
    """Compute the largest difference over the largest reference value."""
    if found.shape != wanted.shape:
        raise AssertionError(f"shape {found.shape}, the reference has {wanted.shape}")
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
