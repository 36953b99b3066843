"""A closed-form head at an early place: vectors in, scores of the classes out.

Vectors are centred, scaled to unit length, rounded to the learner's grid and taken through random
features; the head is ridge on the sums, solved once. Features and weights are whole numbers whose
products float32 adds exactly, so the scores of a text are the same bits alone and in any batch: a
decision never depends on neighbours.
"""

from dataclasses import dataclass

import numpy as np

from edgebert.errors import RouteError
from edgebert.learn.features import Grid, snap
from edgebert.learn.solve import SMALLEST, Doubles, Moments, moments_of, solve
from edgebert.learn.statistics import Statistics
from edgebert.results import Floats, Ints
from edgebert.route.hadamard import Hadamard

EXACT = 2.0**24  # whole numbers below it are exact in float32
# 2,048: before the encoder a head has little else to go by, half of them lose two points there
MOST_FEATURES = 2048
# Of the features' mean variance. On 7,000 texts of Banking77 GCV asks for 0.1, after an eigenvalue
# problem that takes longer than all else of a fit. At 0.03 answers are as often right (88.7 % by
# the static head, 89.5 % after layer 4; by GCV 88.6 and 89.5), and as less shrinking leaves margins
# apart two points more of the texts can leave early; at 0.3 it is five points fewer. On 150 to
# 1,000 texts accuracy is within 1.2 points of 0.1's, that of the surer half within half a point.
PENALTY = 0.03
PER_TEXT = 4  # features that a text is good for, where texts are few
BLOCK = 256  # vectors turned into features at once: bounds memory


@dataclass(frozen=True, slots=True)
class PlaceHead:
    """Linear scores of the classes from a vector."""

    features: Hadamard
    centre: Floats  # (H,) taken off before anything else
    weights: Floats  # (M, C) whole numbers
    bias: Floats  # (C,) whole numbers
    unit: float  # whole numbers in a score of 1

    def grid(self, vectors: Floats) -> Grid:
        """Put (N, H) vectors on the grid: (N, H)."""
        return snap(vectors - self.centre)

    def scores(self, grid: Grid) -> Floats:
        """Score (N, H) vectors on the grid: (N, C) whole numbers, each row on its own."""
        if len(grid) == 1:
            return self._block(grid)
        starts = range(0, len(grid), BLOCK)
        blocks = [self._block(grid[start : start + BLOCK]) for start in starts]
        return np.concatenate(blocks or [np.empty((0, len(self.bias)), np.float32)])

    def _block(self, grid: Grid) -> Floats:
        scores: Floats = self.features.apply(grid) @ self.weights
        scores += self.bias
        return scores


def fit_head(vectors: Floats, answers: Ints, classes: int, seed: int) -> PlaceHead:
    """Fit a head to texts whose classes are known.

    Args:
        vectors: (N, H).
        answers: (N,) the class of each.
        classes: C of them; one without a text is never answered.
        seed: of the random features.

    Raises:
        RouteError: too few texts to fit anything.
    """
    known = len(np.unique(answers))
    if known < 2:
        raise RouteError(
            f"{len(vectors):,} texts of {known} classes; a head needs texts of two classes at "
            "least, give more"
        )
    features = plan_features(vectors.shape[1], len(vectors), seed)
    centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    statistics = Statistics.empty(features.width, classes)
    for start in range(0, len(vectors), BLOCK):
        some = slice(start, start + BLOCK)
        units = features.apply(snap(vectors[some] - centre)).astype(np.float64)
        statistics.change(1, units, np.eye(classes)[answers[some]])
    weights, bias = _solve(moments_of(statistics, features.scale))
    bias = np.where(statistics.counts > 0, bias, bias.min() - 1)
    return round_head(weights, bias, features, centre)


def _solve(moments: Moments) -> tuple[Doubles, Doubles]:
    """Solve ridge: (M, C) weights and (C,) bias."""
    scatter = moments.scatter
    scatter.flat[:: len(scatter) + 1] += max(PENALTY * float(scatter.diagonal().mean()), SMALLEST)
    weights = solve(scatter, moments.between)
    return weights, moments.counts / moments.total - moments.mean @ weights


def plan_features(hidden: int, texts: int, seed: int) -> Hadamard:
    """Choose how many features a vector gets."""
    size = Hadamard(hidden, 1, seed).size
    return Hadamard(hidden, max(1, min(MOST_FEATURES, PER_TEXT * texts) // size), seed)


def round_head(weights: Doubles, bias: Doubles, features: Hadamard, centre: Floats) -> PlaceHead:
    """Round a head to whole numbers, as fine as float32 can sum up exactly.

    Every partial sum of a score is at most the length of the features times that of a class's
    weights (Cauchy-Schwarz).
    """
    step = EXACT
    while True:
        whole, levels = np.rint(weights * step), np.rint(bias * step * features.scale)
        most = features.longest * np.sqrt((whole * whole).sum(axis=0)) + np.abs(levels)
        if most.max() < EXACT:
            break
        step /= 2
    narrow = (whole.astype(np.float32), levels.astype(np.float32))
    return PlaceHead(features, centre, *narrow, float(step * features.scale))
