"""Does a text belong here at all? By how far it is from all classes, beyond how far it is from all.

The relative Mahalanobis distance is the distance to the nearest class, in the scatter within
classes, less the distance to the mean, in the scatter of everything. Both scatters are the same but
for what lies between classes, so the difference is taken in that subspace alone, of one dimension
less than there are classes: one product of a vector and a matrix a text. It says nothing of how
sure an answer is, and the margin of an answer nothing of this.

Sources: Ren et al. 2021, arXiv 2106.09022; conformal p-values: Vovk et al. 2005.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgebert.learn.solve import Doubles, Moments, class_means, oas_penalty, within_scatter
from edgebert.results import Floats

SMALLEST = 1e-9  # of the largest direction: less is rounding
LEAST = 1e-12  # of a scatter: of a class whose texts are all alike it would be nothing


@dataclass(frozen=True)
class Between:
    """Where the classes lie in the space between them, of R dimensions, seen from the mean."""

    centres: NDArray[Any]  # (R, C) of the classes; all three float64 or float32
    # (R,) of a squared distance to the mean that the total scatter does not explain
    shares: NDArray[Any]

    @cached_property
    def _lengths(self) -> NDArray[Any]:
        """(C,) squared, of the centres."""
        lengths: NDArray[Any] = (self.centres * self.centres).sum(axis=0)
        return lengths

    @cached_property
    def _doubled(self) -> NDArray[Any]:
        """(R, C) what is taken off the lengths."""
        return -2 * self.centres

    def distance(self, place: NDArray[Any]) -> float:
        """Give the relative distance of a place (R,)."""
        nearest = (place @ self._doubled + self._lengths).min()
        return float(nearest + (self.shares * place) @ place)

    def narrow(self) -> "Between":
        """Give the same in float32."""
        return Between(self.centres.astype(np.float32), self.shares.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Scope:
    """The relative Mahalanobis distance."""

    projection: NDArray[Any]  # (D, R) float64 or float32, to the space between the classes
    offset: NDArray[Any]  # (R,) projection of the mean
    between: Between

    def distances(self, features: NDArray[Any]) -> Doubles:
        """Give the relative distance of (N, D) features: (N,), each the same bits in any batch."""
        rows = features.astype(self.projection.dtype, copy=False)
        found = [self.between.distance(row @ self.projection - self.offset) for row in rows]
        return np.array(found, np.float64)

    def narrow(self) -> "Scope":
        """Give the same in float32: reading the matrices takes most of a text's time."""
        return Scope(
            self.projection.astype(np.float32),
            self.offset.astype(np.float32),
            self.between.narrow(),
        )


@dataclass(frozen=True, slots=True)
class Blend:
    """The relative distance and the angle to the nearest class, seen from the mean of all.

    Each counts in units of its spread among texts that belong. Of a learner's random features on
    CLINC150 the two tell foreign texts with an AUROC of 98.0 %, the distance alone with 97.6, the
    angle with 96.9.
    """

    mean: Doubles  # (D,)
    # (D, R + C): the projection to the space between the classes, and the directions of the
    # classes from the mean, of length 1. One matrix in float32: of 2,000 features it is a megabyte
    views: Floats
    between: Between
    spreads: Doubles  # (2,) of distances and of angles

    def distances(self, features: NDArray[Any]) -> Doubles:
        """Give how far (N, D) features are: (N,), each the same bits in any batch."""
        found: Doubles = (self._parts(features) / self.spreads).sum(axis=1)
        return found

    def _parts(self, features: NDArray[Any]) -> Doubles:
        """Give distances, and the greatest cosines with a minus: (N, 2)."""
        return np.array([self._pair(row) for row in features], np.float64).reshape(-1, 2)

    def _pair(self, row: Doubles) -> tuple[float, float]:
        away = row - self.mean
        seen = away.astype(np.float32) @ self.views
        width = len(self.between.shares)
        length = max(math.sqrt(away @ away), LEAST)
        return self.between.distance(seen[:width]), -float(seen[width:].max()) / length

    def scaled(self, features: Doubles) -> "Blend":
        """Take the spreads of (N, D) features of texts that belong."""
        spreads = self._parts(features).std(axis=0)
        return replace(self, spreads=np.where(spreads > LEAST, spreads, 1.0))


class Geometry(Protocol):
    """What says how far texts are from all that is known."""

    def distances(self, features: NDArray[Any]) -> Doubles:
        """Give how far (N, D) features are: (N,)."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """A geometry and the distances of texts that belong, against which others are held."""

    scope: Geometry
    distances: Doubles  # (n,) of texts that were not used to fit it, ascending; may be empty

    def p_values(self, features: NDArray[Any]) -> Doubles:
        """Give the conformal p-values of (N, D) features: (N,), small where they do not belong."""
        return conformal_p_values(self.scope.distances(features), self.distances)


def fit_scope(moments: Moments) -> Scope:
    """Fit a scope to the sums over texts of known classes.

    Classes without a text are left out. Of a class or of classes that are all in one place there
    is nothing between, and every distance is 0.
    """
    there = np.flatnonzero(moments.counts)
    counts, total = moments.counts[there], moments.total
    none = np.zeros_like(moments.sums)
    means = class_means(moments, none, np.zeros(none.shape[1]))[:, there]
    within = _shrink(within_scatter(moments), max(total - len(there), 1)) / total
    lower = np.linalg.cholesky(within)
    # (D, C) class means from the mean of all, where the scatter within classes is a unit ball
    apart = np.linalg.solve(lower, means - moments.mean[:, None])
    weighted = apart * np.sqrt(counts / total)
    values, vectors = np.linalg.eigh(weighted.T @ weighted)
    kept = values > SMALLEST * max(float(values.max()), 1e-300)
    basis = weighted @ (vectors[:, kept] / np.sqrt(values[kept]))  # (D, R) orthonormal
    projection = np.linalg.solve(lower.T, basis)
    # 1 - 1 / (1 + s): the total scatter has 1 + s where that within classes has 1
    between = Between(basis.T @ apart, values[kept] / (1 + values[kept]))
    return Scope(projection, moments.mean @ projection, between)


def fit_blend(moments: Moments) -> Blend:
    """Fit both to the sums over texts of known classes; the spreads are still to be taken."""
    there = np.flatnonzero(moments.counts)
    away = moments.sums[:, there] / moments.counts[there] - moments.mean[:, np.newaxis]
    directions = away / np.maximum(np.linalg.norm(away, axis=0), LEAST)
    scope = fit_scope(moments)
    views = np.concatenate([scope.projection, directions], axis=1).astype(np.float32)
    return Blend(moments.mean, views, scope.between.narrow(), np.ones(2))


def _shrink(scatter: Doubles, freedom: int) -> Doubles:
    """Shrink a scatter towards a ball of the same size, by OAS."""
    width = len(scatter)
    mean = max(float(np.trace(scatter)) / width, LEAST)
    share = max(oas_penalty(scatter, freedom) / mean, SMALLEST)
    shrunk: Doubles = scatter / (1 + share)
    shrunk.flat[:: width + 1] += mean * share / (1 + share)
    return shrunk


def conformal_p_values(distances: Doubles, known: Doubles) -> Doubles:
    """Give the share of texts that belong, and this one, that are at least as far: (N,)."""
    farther = len(known) - known.searchsorted(distances, side="left")
    return np.asarray((farther + 1) / (len(known) + 1), np.float64)
