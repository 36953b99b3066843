"""Group texts into runs of one length that stay under a token budget.

Pure functions over token counts: no tokenizer, no session, no files. Rows of one run share one
length, so nothing is padded and no mask is needed; the budget keeps a run's activations in the
L2 cache.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np

from edgebert.results import Ints
from edgebert.tokens import Tokens

# Best run sizes on cores with 2 MB of L2, prototypes on MiniLM and bert-base (decision 003).
SMALL_HIDDEN = 512
SMALL_BUDGET = 256
LARGE_BUDGET = 512


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one run: all of one length."""

    tokens: tuple[Tokens, ...]

    @property
    def rows(self) -> list[int]:
        """The caller's number of each row's text."""
        return [row.row for row in self.tokens]

    @property
    def ids(self) -> Ints:
        """(B, T) int64."""
        return np.array([row.ids for row in self.tokens], np.int64)

    @property
    def type_ids(self) -> Ints:
        """(B, T) int64."""
        return np.array([row.type_ids for row in self.tokens], np.int64)


def default_budget(hidden: int) -> int:
    """Choose the token budget of a run by the width of the model."""
    return SMALL_BUDGET if hidden <= SMALL_HIDDEN else LARGE_BUDGET


def plan_runs(lengths: Sequence[int], max_tokens: int) -> Iterator[tuple[int, ...]]:
    """Yield row numbers, longest first; rows of one run have one length and fit `max_tokens`.

    A row that is longer than the budget gets a run of its own. Longest first, so that workers
    do not wait at the end for a long row that was started last.
    """
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    for length, rows in groupby(order, key=lengths.__getitem__):
        size = max(1, max_tokens // max(1, length))
        while run := tuple(islice(rows, size)):
            yield run
