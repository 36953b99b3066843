"""The sums that a learner is: counts, sums and products of features, exact and reversible.

All are whole numbers held in float64 below 2^53, so adding is associative and taking away undoes
it, bit for bit. Knows no text, label or file: columns are classes, and what they are called is
`state.py`'s.

Axes: N samples, D features, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgebert.errors import LearnError
from edgebert.learn.features import MOST_SAMPLES, Units

Counts = NDArray[np.int64]
Targets = NDArray[np.float64]  # (N, C) of 0 and 1
BLOCK = 64  # rows summed up at once: a product of matrices costs little more than one of vectors


@dataclass(slots=True)
class Statistics:
    """Sums over all samples, in units of the feature grid."""

    total: int  # samples N
    counts: Counts  # (C,) samples of each class
    first: Units  # (D,) sum of features
    sums: Units  # (D, C) sum of features of each class
    gram: Units  # (D, D) sum of features' outer products; whole after `settle`
    _waiting: list[tuple[int, Units]] = field(default_factory=list)  # not yet in `gram`

    @classmethod
    def empty(cls, width: int, classes: int = 0) -> "Statistics":
        """Make sums over no samples."""
        return cls(
            0,
            np.zeros(classes, np.int64),
            np.zeros(width),
            np.zeros((width, classes)),
            np.zeros((width, width)),
        )

    def check_room(self, samples: int) -> None:
        """Refuse more samples than sums are exact for.

        Raises:
            LearnError: nothing was added.
        """
        if self.total + samples > MOST_SAMPLES:
            raise LearnError(
                f"{self.total + samples:,} samples; sums are exact up to {MOST_SAMPLES:,}, begin "
                "another learner"
            )

    def change(self, sign: int, features: Units, targets: Targets) -> None:
        """Add samples (sign 1), or take them away as if they had never been added (-1)."""
        self.total += sign * len(features)
        self.counts = self.counts + sign * targets.sum(axis=0).astype(np.int64)
        self.first = self.first + sign * features.sum(axis=0)
        self.sums = self.sums + sign * (features.T @ targets)
        self._waiting.append((sign, features))
        if sum(len(rows) for _, rows in self._waiting) >= BLOCK:
            self.settle()

    def settle(self) -> None:
        """Put the samples that wait into `gram`; when it is done changes no bit."""
        waiting, self._waiting = self._waiting, []
        for wanted in (1, -1):
            rows = [features for sign, features in waiting if sign == wanted]
            if rows:
                joined = np.concatenate(rows)
                self.gram += wanted * (joined.T @ joined)

    def merge(self, other: "Statistics", columns: Counts) -> None:
        """Add another's sums; its class i is this one's class `columns[i]`.

        Raises:
            LearnError: more samples than sums are exact for; nothing is added.
        """
        self.check_room(other.total)
        self.settle()
        other.settle()
        self.total += other.total
        self.counts[columns] += other.counts
        self.first += other.first
        self.sums[:, columns] += other.sums
        self.gram += other.gram

    def insert_classes(self, columns: Sequence[int]) -> None:
        """Make room for classes without samples, each before what is now in its column."""
        self.counts = np.insert(self.counts, columns, 0)
        self.sums = np.insert(self.sums, columns, 0.0, axis=1)

    def drop_class(self, column: int) -> None:
        """Drop a class; only one without samples leaves no trace."""
        self.counts = np.delete(self.counts, column)
        self.sums = np.delete(self.sums, column, axis=1)
