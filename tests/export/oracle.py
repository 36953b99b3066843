"""What transformers gives for the same checkpoint: the reference of every export test.

torch on the CPU, eager attention. Imported only by tests marked `oracle` and by the script that
records the golden references.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from tests.export.graphs import Rows, pad

Array = NDArray[Any]
torch.set_num_threads(1)  # a pool of spinning threads makes small models ten times slower
OUTPUT_FIELDS = ("last_hidden_state", "pooler_output", "logits", "start_logits", "end_logits")


@cache
def load(folder: Path, architecture: str) -> Any:
    """Load a checkpoint as one of transformers' classes."""
    kind = getattr(transformers, architecture)
    return kind.from_pretrained(folder, attn_implementation="eager").eval()


@cache
def load_tokenizer(folder: Path) -> Any:
    """Load a checkpoint's fast tokenizer."""
    return transformers.AutoTokenizer.from_pretrained(folder)


def run(model: Any, rows: Rows, padding: int, types: Rows | None = None) -> list[dict[str, Array]]:
    """Run all rows at once, right-padded, and cut each row's outputs to its own tokens."""
    ids, mask = pad(rows, padding)
    feeds = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if types:
        feeds["token_type_ids"] = torch.from_numpy(pad(types, 0)[0])
    with torch.no_grad():
        outputs = model(**feeds)
    found = {name: outputs[name].numpy() for name in OUTPUT_FIELDS if name in outputs}
    spans = {"start_logits", "end_logits"}
    by_token = {name for name, value in found.items() if value.ndim == 3 or name in spans}
    return [
        {
            name: value[place][: len(row)] if name in by_token else value[place]
            for name, value in found.items()
        }
        for place, row in enumerate(rows)
    ]


def run_each(
    model: Any, rows: Rows, padding: int, types: Rows | None = None
) -> list[dict[str, Array]]:
    """Run one row at a time, so that nothing is padded."""
    kinds: list[Rows | None] = [[row] for row in types] if types else [None] * len(rows)
    return [run(model, [row], padding, kind)[0] for row, kind in zip(rows, kinds, strict=True)]


def pool(hidden: Array, mode: str, *, normalize: bool) -> Array:
    """Pool one row's hidden states (T, H), none of them padding, by hand."""
    vector: Array = {
        "cls": lambda: hidden[0],
        "mean": lambda: hidden.mean(axis=0),
        "max": lambda: hidden.max(axis=0),
    }[mode]()
    return vector / np.linalg.norm(vector) if normalize else vector


def softmax(logits: Array) -> Array:
    """Compute the softmax over the last axis, by torch."""
    return torch.softmax(torch.from_numpy(logits), -1).numpy()


def sigmoid(logits: Array) -> Array:
    """Compute the logistic function, by torch."""
    return torch.sigmoid(torch.from_numpy(logits)).numpy()
