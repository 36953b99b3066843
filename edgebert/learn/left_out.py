"""Score samples by the head that never saw them: leave-one-out, exact and without refitting.

Pure functions. Samples must be ones that the sums hold. A head without one sample differs from
the head with all by a change of rank one (Sherman & Morrison 1950), so N heads cost little more
than one. Penalties are held at what the full head has.

Axes: N samples, D features, C classes.
"""

import numpy as np

from edgebert.learn.solve import (
    Doubles,
    Head,
    HeadKind,
    Moments,
    class_means,
    invert_corners,
    solve,
    substitute,
    within_scatter,
)
from edgebert.learn.statistics import Counts


def left_out_ridge(
    moments: Moments, penalty: float, features: Doubles, targets: Doubles
) -> Doubles:
    """Score samples by ridge without each: (N, C).

    The mean is refitted too: h_i = 1/N + (x_i - m)' (A + penalty I)^-1 (x_i - m), and the score is
    y_i - (y_i - yhat_i) / (1 - h_i). Source: Hastie et al. 2009, eq. 7.64.
    """
    scatter = moments.scatter
    scatter.flat[:: len(scatter) + 1] += penalty
    centred = features - moments.mean
    solved = solve(scatter, centred.T).T
    leverage = 1 / moments.total + np.sum(centred * solved, axis=1)
    fitted = solved @ moments.between + moments.counts / moments.total
    left: Doubles = targets - (targets - fitted) / (1 - leverage)[:, None]
    return left


def left_out_lda(
    moments: Moments,
    head: Head,
    names: Doubles,
    described: Doubles,
    features: Doubles,
    columns: Counts,
) -> Doubles:
    """Score samples by discriminants without each: (N, C); -inf for a class that would be empty.

    Args:
        moments: the sums, the samples in them.
        head: what they give; its penalty is kept.
        names: (D, C) features of the classes' descriptions.
        described: (C,) how many samples a description counts as.
        features: (N, D).
        columns: (N,) the class of each.
    """
    counts = moments.counts[columns]  # (N,)
    factor = _whitening(moments, head)
    means = class_means(moments, names, described)
    own = means[:, columns] * (counts + described[columns]) - features.T  # (D, N)
    left = counts + described[columns] - 1
    own /= np.maximum(left, 1)
    plain = moments.sums[:, columns] / counts
    weight = np.where(counts > 1, counts / np.maximum(counts - 1, 1), 0.0)
    x, all_means = factor(features.T), factor(means)
    own, away = factor(own), factor(features.T - plain)
    if head.kind is HeadKind.MEAN:
        weight = np.zeros_like(weight)
    gain = weight / (1 - weight * np.sum(away * away, axis=0))
    along = all_means.T @ away  # (C, N)
    scores = all_means.T @ x + gain * np.sum(x * away, axis=0) * along
    scores -= 0.5 * (np.sum(all_means**2, axis=0)[:, None] + gain * along**2)
    mine = np.sum(own * away, axis=0)
    score = np.sum(own * x, axis=0) + gain * np.sum(x * away, axis=0) * mine
    score -= 0.5 * (np.sum(own**2, axis=0) + gain * mine**2)
    scores[columns, np.arange(len(columns))] = np.where(left > 0, score, -np.inf)
    left_out: Doubles = scores.T * _samples(moments, head, counts)[:, None]
    return left_out


def _samples(moments: Moments, head: Head, counts: Doubles) -> Doubles:
    """Give the samples beyond one a class that are left without each: (N,)."""
    if head.kind is HeadKind.MEAN:
        return np.ones_like(counts)
    samples = moments.total - np.count_nonzero(moments.counts)
    left: Doubles = samples - (counts > 1).astype(np.float64)
    return left


class _Whitening:
    """Multiplies by L^-1, where L L' is the scatter that the head was solved with."""

    def __init__(self, scatter: Doubles) -> None:
        self._factor: Doubles = np.linalg.cholesky(scatter).astype(np.float64, copy=False)
        self._corners = invert_corners(self._factor)

    def __call__(self, columns: Doubles) -> Doubles:
        return substitute(self._factor, self._corners, columns)


def _whitening(moments: Moments, head: Head) -> _Whitening:
    scatter = within_scatter(moments)
    if head.kind is HeadKind.MEAN:
        scatter = np.zeros_like(scatter)
    scatter.flat[:: len(scatter) + 1] += head.penalty
    return _Whitening(scatter)
