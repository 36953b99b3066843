"""Which texts to label next: those that the head is unsure of and that are unlike each other.

Pure functions. Source of the greedy choice: pool-based batch selection by uncertainty times
distance to what is chosen already, as in Zhdanov 2019 (arXiv 1901.05954), without its clustering.
"""

import numpy as np

from edgebert.learn.solve import Doubles
from edgebert.learn.statistics import Counts


def choose_texts(scores: Doubles, vectors: Doubles, count: int) -> Counts:
    """Choose texts one by one, each unsure and far from those chosen before.

    Args:
        scores: (N, C), in logits.
        vectors: (N, d) of about unit length.
        count: how many; all if there are fewer.

    Returns:
        Row numbers, the most useful first.
    """
    best = np.sort(scores, axis=1)
    margin = best[:, -1] - best[:, -2] if scores.shape[1] > 1 else np.zeros(len(scores))
    unsure = 1 / (1 + margin)  # falls slower than a probability, which soon is 1 for most
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    distance = np.ones(len(unit))
    chosen: list[int] = []
    open_rows = np.ones(len(unit), bool)
    for _ in range(min(count, len(unit))):
        worth = np.where(open_rows, unsure * distance, -1.0)
        row = int(worth.argmax())
        chosen.append(row)
        open_rows[row] = False
        distance = np.minimum(distance, np.maximum(1 - unit @ unit[row], 0))
    return np.array(chosen, np.int64)
