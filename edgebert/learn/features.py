"""Texts to whole numbers: the frozen features that a learner sums up.

An embedding is scaled to unit length and rounded to multiples of 2^-15, kept as the int16 that it
then is. Wider features are made of these by a fixed random map, again in whole numbers. Sums of
whole numbers below 2^53 are exact in float64 whatever the order, blocking, threads or BLAS, and
that is what makes learning in any order the same bits (docs/learning.md).

Sources: random ReLU features before a closed-form head: McDonnell et al. 2023 (RanPAC).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgebert.errors import LearnError
from edgebert.manifest import Manifest
from edgebert.results import Floats

Grid = NDArray[np.int16]  # (N, d) embeddings in units of 2^-15
Units = NDArray[np.float64]  # (N, D) features: whole numbers of at most LARGEST

GRID = 2.0**15
LARGEST = 2**15  # no unit is larger, so a product is at most 2^30
MOST_SAMPLES = 2**53 // LARGEST**2  # sums of so many products are exact in float64
RANDOM_STEP = 2.0**6  # projections, in units of 2^-15, are rounded to multiples of 2^-9
SMALLEST_NORM = 1e-12  # as the export's graphs: a zero vector stays zero


class Tier(StrEnum):
    """How much state buys how much accuracy; figures in docs/learning.md."""

    TINY = "tiny"  # the embedding itself: under 1 MB of state
    SMALL = "small"  # the last three layers side by side
    BASE = "base"  # random features of the last three layers, or of as many as the bundle has


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a tier asks for."""

    layers: int  # pooled layers to use
    needs_all: bool  # whether fewer layers are refused
    random: int  # random features; 0 for none


# 2,000: 1,000 lose a point on Banking77, 5,000 gain one for six times the state
SIZES: Mapping[Tier, Sizes] = {
    Tier.TINY: Sizes(1, True, 0),
    Tier.SMALL: Sizes(3, True, 0),
    Tier.BASE: Sizes(3, False, 2000),
}


@dataclass(frozen=True)
class FeatureMap:
    """Embeddings on the grid to features; a pure function of its fields."""

    layers: int  # pooled layers, the last first
    hidden: int  # width of each
    random: int  # random features; 0 for none
    seed: int  # of the random signs

    @property
    def raw_width(self) -> int:
        """The length d of an embedding."""
        return self.layers * self.hidden

    @property
    def width(self) -> int:
        """The length D of a feature vector."""
        return self.random or self.raw_width

    @property
    def scale(self) -> float:
        """Units in a feature of 1."""
        return GRID / RANDOM_STEP if self.random else GRID

    @cached_property
    def signs(self) -> Floats:
        """The random map: (d, M) of -1 and 1.

        Raw words of Philox, which are the same on every platform and with every numpy.
        """
        count = self.random * self.raw_width
        words = np.random.Philox(self.seed).random_raw(-(-count // 64)).astype("<u8")
        bits = np.unpackbits(words.view(np.uint8))[:count].reshape(self.raw_width, self.random)
        return bits.astype(np.float32) * 2 - 1

    def apply(self, grid: Grid) -> Units:
        """Give the features of embeddings on the grid.

        Args:
            grid: (N, d) int16.

        Returns:
            (N, D) float64, whole numbers. Each row depends on its own embedding alone, bit for
            bit: the sums of the projection stay below 2^24 (Cauchy-Schwarz), where float32 is
            exact.
        """
        if not self.random:
            return grid.astype(np.float64)
        projected = grid.astype(np.float32) @ self.signs  # (N, M)
        units = np.rint(np.maximum(projected, 0) / np.float32(RANDOM_STEP))
        features: Units = np.minimum(units, LARGEST).astype(np.float64)
        return features


def plan_features(manifest: Manifest, tier: Tier, seed: int) -> FeatureMap:
    """Choose the features of a tier on a bundle.

    Raises:
        LearnError: the bundle's graph gives fewer layers than the tier needs.
    """
    sizes = SIZES[tier]
    found = len(manifest.graphs.main.outputs)
    if found < sizes.layers and sizes.needs_all:
        raise LearnError(
            f"tier {tier.value!r} needs {sizes.layers} pooled layers, bundle {manifest.name!r} "
            f"gives {found}; export it with --layers-out {sizes.layers}, or take another tier"
        )
    return FeatureMap(min(found, sizes.layers), manifest.dimensions, sizes.random, seed)


def snap(vectors: Floats) -> Grid:
    """Scale each of (..., H) vectors to unit length and round to the grid."""
    exact = vectors.astype(np.float64)
    lengths = np.sqrt(np.add.reduce(exact * exact, axis=-1, keepdims=True))
    exact /= np.maximum(lengths, SMALLEST_NORM)
    exact *= GRID
    np.rint(exact, out=exact)
    np.minimum(exact, LARGEST - 1, out=exact)  # np.clip takes thrice the time on one vector
    np.maximum(exact, 1 - LARGEST, out=exact)
    grid: Grid = exact.astype(np.int16)
    return grid
