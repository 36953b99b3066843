"""Leave-one-out in closed form equals a refit without each sample."""

from collections.abc import Callable

import numpy as np
import pytest

from edgebert.learn.left_out import left_out_lda, left_out_ridge
from edgebert.learn.solve import HeadKind, Penalty, solve_lda, solve_ridge, within_scatter
from tests.learn.conftest import Samples, moments_from

Draw = Callable[..., Samples]


@pytest.mark.parametrize(("count", "width"), [(60, 12), (30, 20)])
def test_ridge_left_out_is_a_refit(draw: Draw, count: int, width: int) -> None:
    samples = draw(count, width)
    found = left_out_ridge(samples.moments, 0.5, samples.features, samples.targets)
    for row in range(count):
        rest = np.arange(count) != row
        moments = moments_from(samples.features[rest], samples.targets[rest])
        head = solve_ridge(moments, Penalty(0.5, 0.0, 0.0))
        assert np.abs(head.scores(samples.features[[row]])[0] - found[row]).max() < 1e-9


@pytest.mark.parametrize("described", [0.0, 1.0])
@pytest.mark.parametrize(("count", "width"), [(60, 12), (9, 12), (41, 5)])
def test_lda_left_out_is_a_refit_with_the_same_penalty(
    draw: Draw, count: int, width: int, described: float
) -> None:
    samples = draw(count, width)
    weight = np.full(4, described)
    head = solve_lda(samples.moments, HeadKind.LDA, samples.names, weight)
    found = left_out_lda(
        samples.moments, head, samples.names, weight, samples.features, samples.columns
    )
    for row in range(count):
        rest = np.arange(count) != row
        moments = moments_from(samples.features[rest], samples.targets[rest])
        left = moments.counts + weight
        means = (moments.sums + weight * samples.names) / np.maximum(left, 1)
        inner = within_scatter(moments) + head.penalty * np.eye(width)
        freedom = moments.total - np.count_nonzero(moments.counts)
        weights = freedom * np.linalg.solve(inner, means)
        wanted = samples.features[row] @ weights - 0.5 * np.sum(means * weights, axis=0)
        wanted[left == 0] = -np.inf
        finite = np.isfinite(wanted)
        assert np.array_equal(finite, np.isfinite(found[row]))
        assert np.abs(wanted - found[row])[finite].max() < 1e-9 * max(
            1, np.abs(wanted[finite]).max()
        )


def test_nearest_mean_left_out_is_a_refit(draw: Draw) -> None:
    samples = draw(20, 6)
    weight = np.ones(4)
    head = solve_lda(samples.moments, HeadKind.MEAN, samples.names, weight)
    found = left_out_lda(
        samples.moments, head, samples.names, weight, samples.features, samples.columns
    )
    for row in range(20):
        rest = np.arange(20) != row
        moments = moments_from(samples.features[rest], samples.targets[rest])
        means = (moments.sums + samples.names) / (moments.counts + 1)
        away = samples.features[row][:, None] - means
        assert found[row].argmax() == np.sum(away**2, axis=0).argmin()
