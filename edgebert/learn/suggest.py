"""Which texts to label next: those that the head is unsure of and that are unlike each other.

Pure functions. Source of the greedy choice: pool-based batch selection by uncertainty times
distance to what is chosen already, as in Zhdanov 2019 (arXiv 1901.05954), without its clustering.
"""

import numpy as np

from edgebert.errors import InputError
from edgebert.learn.features import SMALLEST_NORM, Grid
from edgebert.learn.solve import Doubles


def choose_texts(scores: Doubles, vectors: Grid, count: int) -> list[int]:
    """Choose texts one by one, each unsure and far from those chosen before.

    Args:
        scores: (N, C), in logits.
        vectors: (N, d) embeddings on the grid.
        count: how many; all if there are fewer.

    Returns:
        Row numbers, the most useful first.

    Raises:
        InputError: count is below 1.
    """
    if count < 1:
        raise InputError(f"k is {count}; it must be 1 or more")
    best = np.sort(scores, axis=1)
    margin = best[:, -1] - best[:, -2] if scores.shape[1] > 1 else np.zeros(len(scores))
    unsure = 1 / (1 + margin)  # falls slower than a probability, which soon is 1 for most
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, SMALLEST_NORM)
    distance = np.ones(len(unit))
    chosen: list[int] = []
    open_rows = np.ones(len(unit), bool)
    for _ in range(min(count, len(unit))):
        worth = np.where(open_rows, unsure * distance, -1.0)
        row = int(worth.argmax())
        chosen.append(row)
        open_rows[row] = False
        distance = np.minimum(distance, np.maximum(1 - unit @ unit[row], 0))
    return chosen
