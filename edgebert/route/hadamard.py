"""Random features by Hadamard's matrix: as good as dense random signs, for a tenth of the work.

A vector on the learner's grid is filled up to a power of two, its signs are flipped at random and
it is multiplied by Hadamard's matrix, as often as it takes to make so many features; what is
negative becomes zero, the rest is rounded to eighths. All are whole numbers that float32 adds
exactly, so a text's features are the same bits alone and in any batch.

Source: Ailon & Chazelle 2006 (fast Johnson-Lindenstrauss); ReLU features before a closed-form head:
McDonnell et al. 2023 (RanPAC). Accuracy beside dense signs: docs/routing.md.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgebert.learn.features import GRID, Grid
from edgebert.results import Floats

STEP = 2.0**-3  # of features, which are about 1: finer steps gain nothing


@dataclass(frozen=True)
class Hadamard:
    """Vectors on the grid to features; a pure function of its fields."""

    hidden: int  # width H of a vector
    blocks: int  # times that the matrix is used
    seed: int  # of the random signs

    @property
    def size(self) -> int:
        """The order of the matrix: the power of two that a vector is filled up to."""
        return 1 << (self.hidden - 1).bit_length()

    @property
    def width(self) -> int:
        """The number M of features."""
        return self.blocks * self.size

    @property
    def scale(self) -> float:
        """Units in a feature of 1."""
        return 1 / STEP

    @property
    def longest(self) -> float:
        """The most that the length of a vector of features can be, in units.

        The matrix keeps lengths but for the root of its order, the grid rounds each of H numbers by
        half a step, and a feature is rounded by half a unit.
        """
        grid = 1 + self.hidden**0.5 / 2 / GRID
        return float(self.width**0.5 * (grid * self.scale + 0.5))

    @cached_property
    def _factors(self) -> tuple[Floats, Floats]:
        """Two smaller matrices whose Kronecker product the matrix is."""
        bits = self.size.bit_length() - 1
        return _matrix(bits // 2), _matrix(bits - bits // 2)

    @cached_property
    def _signs(self) -> Floats:
        """(blocks, H): raw words of Philox, the same on every platform, in units of the features.

        They carry the scale from grid to features along, a power of two.
        """
        count = self.blocks * self.hidden
        words = np.random.Philox(self.seed).random_raw(-(-count // 64)).astype("<u8")
        bits = np.unpackbits(words.view(np.uint8))[:count].reshape(self.blocks, self.hidden)
        signs: Floats = (bits.astype(np.float32) * 2 - 1) * np.float32(self.scale / GRID)
        return signs

    def apply(self, grid: Grid) -> Floats:
        """Give the features of (N, H) vectors on the grid: (N, M) float32, whole numbers.

        Sums are bounded by the root of H times the length (Cauchy-Schwarz): far below 2^24 steps.
        """
        left, right = self._factors
        rows, (upper, lower) = len(grid), (len(left), len(right))
        filled = np.zeros((rows, self.blocks, self.size), np.float32)
        np.multiply(grid[:, np.newaxis], self._signs, out=filled[:, :, : self.hidden])
        across = filled.reshape(-1, lower) @ right
        found: Floats = left @ across.reshape(-1, upper, lower)
        np.maximum(found, 0, out=found)
        np.rint(found, out=found)
        return found.reshape(rows, self.width)


def _matrix(bits: int) -> Floats:
    """Give Hadamard's matrix of order 2^bits (Sylvester's)."""
    matrix = np.ones((1, 1), np.float32)
    for _ in range(bits):
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix
