"""Group texts into runs of one length that stay under a token budget.

Pure functions over token counts: no tokenizer, no session, no files. Rows of one run share one
length, so that with the default engine nothing is padded and no mask is needed; the budget keeps a
run's activations in the L2 cache. An engine that is slow with many lengths asks for lengths rounded
up: always in the same way, so that a text is padded alike whatever its neighbours.
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
    """The rows of one run: all of one length, or padded to one."""

    tokens: tuple[Tokens, ...]
    width: int | None = None  # T, padding included; None: the rows have one length

    @property
    def rows(self) -> list[int]:
        """The caller's number of each row's text."""
        return [row.row for row in self.tokens]

    @property
    def ids(self) -> Ints:
        """(B, T) int64; padding, which is masked, is id 0."""
        return self._padded([row.ids for row in self.tokens])

    @property
    def type_ids(self) -> Ints:
        """(B, T) int64."""
        return self._padded([row.type_ids for row in self.tokens])

    @property
    def mask(self) -> Ints:
        """(B, T) int64: 1 for a token, 0 for padding."""
        return self._padded([[1] * len(row.ids) for row in self.tokens])

    def _padded(self, rows: Sequence[Sequence[int]]) -> Ints:
        if self.width is None:
            return np.array(rows, np.int64)
        padded: Ints = np.zeros((len(rows), self.width), np.int64)
        for number, row in enumerate(rows):
            padded[number, : len(row)] = row
        return padded


def round_up(length: int, step: int, most: int) -> int:
    """Round a length up to a multiple of `step`, but not over `most`, which it does not exceed."""
    return min(-(-length // step) * step, most)


def default_budget(hidden: int) -> int:
    """Choose the token budget of a run by the width of the model."""
    return SMALL_BUDGET if hidden <= SMALL_HIDDEN else LARGE_BUDGET


def fill_runs(lengths: Sequence[int], max_tokens: int) -> Iterator[tuple[int, ...]]:
    """Yield row numbers, longest first, of any lengths, that together fit `max_tokens`.

    For engines whose runs may mix lengths. A row that is longer than the budget gets a run of its
    own.
    """
    run: list[int] = []
    left = max_tokens
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        if run and lengths[row] > left:
            yield tuple(run)
            run, left = [], max_tokens
        run.append(row)
        left -= lengths[row]
    if run:
        yield tuple(run)


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
