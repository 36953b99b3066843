"""Sums to heads, in closed form: nearest class mean, LDA, ridge.

Pure functions of the sums, in float64: the same sums give the same head. No sample is needed;
what can be said with samples at hand is `left_out.py`'s.

Axes: N samples, D features, C classes. m is the mean feature, A = G - N m m' the total scatter,
B = S - m n' the classes' sums about it, Sw the scatter within classes.

Sources: LDA as streaming sums: Hayes & Kanan 2020 (Deep SLDA); its shrinkage: Chen et al. 2010
(OAS), eq. 23; generalised cross-validation: Golub, Heath & Wahba 1979.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from edgebert.learn.statistics import Statistics

Doubles = NDArray[np.float64]

# The grid of GCV, in units of A's mean eigenvalue: quarters of a decade. Ends: a head that fits
# whatever it is shown, and nearest class mean.
RATIOS = 10.0 ** np.arange(-6, 3.01, 0.25)
# Below so many samples a class the shrinkage is chosen by GCV, above by OAS: at 5 a class GCV is
# 0.9 points better on Banking77, at 30 they are equal, and OAS costs 20 times less.
FEW_SHOTS = 20
SHARPNESS = 1.7  # see `sharpness_of`
MEAN_SHARPNESS = 0.65  # the same for nearest class mean, on descriptions alone
SMALLEST = 1e-9  # in place of a zero
BLOCK = 32  # rows that `substitute` solves at once; 16 to 64 are within a fifth


class HeadKind(StrEnum):
    """What is solved for."""

    MEAN = "mean"  # nearest class mean
    LDA = "lda"  # linear discriminants, shrinkage by OAS
    LDA_GCV = "lda-gcv"  # the same, shrinkage by generalised cross-validation
    RIDGE = "ridge"  # least squares on 0 and 1, penalty by generalised cross-validation


@dataclass(frozen=True, slots=True)
class Moments:
    """The sums as real numbers."""

    total: int
    counts: Doubles  # (C,)
    mean: Doubles  # (D,)
    sums: Doubles  # (D, C)
    gram: Doubles  # (D, D)

    @property
    def scatter(self) -> Doubles:
        """A, (D, D)."""
        return self.gram - self.total * np.outer(self.mean, self.mean)

    @property
    def between(self) -> Doubles:
        """B, (D, C)."""
        return self.sums - np.outer(self.mean, self.counts)


def solve(matrix: Doubles, right: Doubles) -> Doubles:
    """Solve matrix @ x = right for a symmetric, positive matrix, by Cholesky's factor.

    numpy's own solver takes no notice of symmetry and has twice the work or more.
    """
    try:
        lower: Doubles = np.linalg.cholesky(matrix).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:  # a penalty lost in rounding
        solved: Doubles = np.linalg.solve(matrix, right).astype(np.float64, copy=False)
        return solved
    corners = invert_corners(lower)
    return _substitute_back(lower, corners, substitute(lower, corners, right))


def invert_corners(lower: Doubles) -> list[Doubles]:
    """Invert the blocks on a lower triangle's diagonal; all else of a substitution is products."""
    starts = range(0, len(lower), BLOCK)
    blocks = [lower[start : start + BLOCK, start : start + BLOCK] for start in starts]
    return [np.linalg.inv(block).astype(np.float64, copy=False) for block in blocks]


def substitute(lower: Doubles, corners: Sequence[Doubles], right: Doubles) -> Doubles:
    """Solve lower @ x = right, block by block."""
    found = np.array(right)
    for number, corner in enumerate(corners):
        start = number * BLOCK
        end = start + BLOCK
        found[start:end] = corner @ (found[start:end] - lower[start:end, :start] @ found[:start])
    return found


def _substitute_back(lower: Doubles, corners: Sequence[Doubles], right: Doubles) -> Doubles:
    found = np.array(right)
    for number, corner in reversed(list(enumerate(corners))):
        start = number * BLOCK
        end = start + BLOCK
        rest = found[start:end] - lower[end:, start:end].T @ found[end:]
        found[start:end] = corner.T @ rest
    return found


def moments_of(statistics: Statistics, scale: float) -> Moments:
    """Divide sums of grid units by the scale, a power of two: no bit is lost."""
    statistics.settle()
    total = statistics.total
    return Moments(
        total,
        statistics.counts.astype(np.float64),
        statistics.first / scale / max(total, 1),
        statistics.sums / scale,
        statistics.gram / scale**2,
    )


@dataclass(frozen=True, slots=True)
class Head:
    """Linear scores of the classes."""

    kind: HeadKind
    weights: Doubles  # (D, C)
    bias: Doubles  # (C,)
    penalty: float  # what was added to the diagonal of the scatter
    gcv: float | None  # mean squared error it expects of itself, where GCV chose
    sharpness: float  # scores are multiplied by this before the softmax

    def scores(self, features: Doubles) -> Doubles:
        """Score (N, D) features: (N, C).

        Row by row: in one product of matrices a row's last bits would depend on the others.
        """
        rows = [row @ self.weights for row in features]
        return np.array(rows).reshape(-1, len(self.bias)) + self.bias


@dataclass(frozen=True, slots=True)
class Penalty:
    """A penalty and why."""

    value: float
    gcv: float
    freedom: float  # degrees of freedom of the fit


def choose_penalty(moments: Moments) -> Penalty:
    """Choose ridge's penalty by generalised cross-validation, from the sums alone.

    GCV = (RSS / N) / (1 - df / N)^2 with both in the eigenbasis of A; candidates that fit every
    sample (df >= N) are left out. With no candidate left the largest is taken.
    """
    values, vectors = np.linalg.eigh(moments.scatter)
    values = np.maximum(values, 0.0)
    between = vectors.T @ moments.between
    return least_gcv(values, np.sum(between * between, axis=1), moments)


def least_gcv(values: Doubles, powers: Doubles, moments: Moments) -> Penalty:
    """Search the grid, given A's eigenvalues and what of B lies along each eigenvector."""
    total = moments.total
    spread = float(np.sum(moments.counts - moments.counts**2 / total))
    unit = float(values.mean()) or SMALLEST
    found = Penalty(float(RATIOS[-1]) * unit, spread / total, 1.0)
    for ratio in RATIOS[::-1]:
        penalty = float(ratio) * unit
        freedom = 1 + float(np.sum(values / (values + penalty)))
        if freedom >= total:
            continue
        explained = np.sum(powers * (1 / (values + penalty) + penalty / (values + penalty) ** 2))
        gcv = (spread - float(explained)) / total / (1 - freedom / total) ** 2
        if gcv < found.gcv:
            found = Penalty(penalty, gcv, freedom)
    return found


def solve_ridge(moments: Moments, penalty: Penalty | None = None) -> Head:
    """Solve least squares of 0 and 1 with a penalty on the weights; the mean is not penalised."""
    chosen = penalty or choose_penalty(moments)
    scatter = moments.scatter
    scatter.flat[:: len(scatter) + 1] += chosen.value
    weights = solve(scatter, moments.between)
    bias = moments.counts / moments.total - moments.mean @ weights
    return Head(HeadKind.RIDGE, weights, bias, chosen.value, chosen.gcv, 1.0)


def within_scatter(moments: Moments) -> Doubles:
    """Give Sw, the scatter within classes: (D, D)."""
    roots = moments.sums / np.sqrt(np.maximum(moments.counts, 1))
    within: Doubles = moments.gram - roots @ roots.T  # one factor twice: BLAS does half the work
    return within


def oas_penalty(within: Doubles, freedom: int) -> float:
    """Give what OAS adds to the scatter's diagonal: shrinkage rho as rho / (1 - rho) of it."""
    width = len(within)
    trace = float(np.trace(within))
    squares = float(np.sum(within * within))
    # both sides of eq. 23 are homogeneous of degree two: the scatter serves as the covariance
    above = (1 - 2 / width) * squares + trace**2
    below = (freedom + 1 - 2 / width) * (squares - trace**2 / width)
    share = 1.0 if below <= 0 else min(1.0, above / below)
    return trace / width * min(float(RATIOS[-1]), share / max(1 - share, SMALLEST))


def sharpness_of(freedom: float, samples: int, shrinkage: float) -> float:
    """Give the factor that makes a softmax over discriminant scores a probability.

    The Gaussian of the theory takes correlated noise in D directions for D proofs, and is sure of
    everything. SHARPNESS and this form were fitted to parts of Banking77's training texts and to
    CLINC150's validation texts, from 2 samples a class to all (docs/learning.md).

    Args:
        freedom: degrees of freedom that the head fits.
        samples: samples beyond one a class, of which the scatter was taken.
        shrinkage: penalty over the scatter's mean eigenvalue; where it is large, at few samples,
            the noise is taken for larger than it is and scores come out too close together.
    """
    spread = float(((1 + shrinkage) / max(freedom, 1.0)) ** 0.5)
    return SHARPNESS * max(1 - freedom / samples, SMALLEST) * spread


def solve_lda(moments: Moments, kind: HeadKind, names: Doubles, described: Doubles) -> Head:
    """Solve linear discriminants with equal priors.

    Args:
        moments: the sums.
        kind: `LDA`, `LDA_GCV`, or `MEAN`, which takes no notice of the scatter.
        names: (D, C) features of the classes' descriptions.
        described: (C,) how many samples a description counts as in its class's mean.
    """
    means = class_means(moments, names, described)
    samples = moments.total - int(np.count_nonzero(moments.counts))
    if kind is HeadKind.MEAN or samples < 1:  # or no class has two samples: no scatter is known
        return _solve_means(means)
    within = within_scatter(moments)
    width = len(within)
    freedom, gcv = width * samples / (width + samples), None
    if kind is HeadKind.LDA:
        penalty = oas_penalty(within, samples)
    else:
        chosen = choose_penalty(moments)
        penalty, gcv, freedom = chosen.value, chosen.gcv, min(chosen.freedom, samples - 0.5)
    shrinkage = penalty * width / max(float(np.trace(within)), SMALLEST)
    within.flat[:: width + 1] += max(penalty, SMALLEST)
    weights = samples * solve(within, means)
    bias = -0.5 * np.sum(means * weights, axis=0)
    return Head(kind, weights, bias, penalty, gcv, sharpness_of(freedom, samples, shrinkage))


def _solve_means(means: Doubles) -> Head:
    """Solve nearest class mean; the spread of the means stands for that of the samples."""
    centred = means - means.mean(axis=1, keepdims=True)
    variance = max(float(np.mean(centred * centred)), SMALLEST)
    weights = means / variance
    bias = -0.5 * np.sum(means * weights, axis=0)
    sharpness = MEAN_SHARPNESS / len(means) ** 0.5
    return Head(HeadKind.MEAN, weights, bias, variance, None, sharpness)


def class_means(moments: Moments, names: Doubles, described: Doubles) -> Doubles:
    """Give the classes' means, descriptions counted in: (D, C)."""
    means: Doubles = (moments.sums + described * names) / np.maximum(moments.counts + described, 1)
    return means
