"""Heads from sums equal what the samples give directly."""

from collections.abc import Callable

import numpy as np
import pytest

from edgebert.learn.solve import (
    RATIOS,
    HeadKind,
    Penalty,
    choose_penalty,
    oas_penalty,
    solve,
    solve_lda,
    solve_ridge,
    within_scatter,
)
from tests.learn.conftest import Samples, moments_from

Draw = Callable[..., Samples]
SIZES = [(60, 12), (200, 5), (40, 30)]


def fit_ridge(features: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """Least squares by augmented rows; the intercept is not penalised. (D + 1, C)."""
    width = features.shape[1]
    rows = np.hstack([features, np.ones((len(features), 1))])
    extra = np.hstack([np.sqrt(penalty) * np.eye(width), np.zeros((width, 1))])
    joined = np.vstack([rows, extra])
    wanted = np.vstack([targets, np.zeros((width, targets.shape[1]))])
    return np.linalg.lstsq(joined, wanted, rcond=None)[0]


@pytest.mark.parametrize(("count", "width"), SIZES)
@pytest.mark.parametrize("penalty", [1e-3, 1.0, 50.0])
def test_ridge_is_least_squares_on_the_samples(
    draw: Draw, count: int, width: int, penalty: float
) -> None:
    samples = draw(count, width)
    head = solve_ridge(samples.moments, Penalty(penalty, 0.0, 0.0))
    wanted = fit_ridge(samples.features, samples.targets, penalty)
    assert np.abs(np.vstack([head.weights, head.bias]) - wanted).max() < 1e-8


def gcv_of(samples: Samples, penalty: float) -> float:
    """GCV by the hat matrix itself."""
    count = len(samples.features)
    centred = samples.features - samples.features.mean(axis=0)
    inner = centred.T @ centred + penalty * np.eye(centred.shape[1])
    hat = centred @ np.linalg.inv(inner) @ centred.T + 1 / count
    rest = samples.targets - hat @ samples.targets
    return float(np.sum(rest**2) / count / (1 - np.trace(hat) / count) ** 2)


@pytest.mark.parametrize(("count", "width"), SIZES)
def test_gcv_from_the_sums_is_gcv_from_the_samples(draw: Draw, count: int, width: int) -> None:
    samples = draw(count, width)
    chosen = choose_penalty(samples.moments)
    assert chosen.gcv == pytest.approx(gcv_of(samples, chosen.value), rel=1e-9)


@pytest.mark.parametrize(("count", "width"), SIZES)
def test_the_chosen_penalty_is_the_best_of_the_grid(draw: Draw, count: int, width: int) -> None:
    samples = draw(count, width)
    unit = np.linalg.eigvalsh(samples.moments.scatter).mean()
    assert choose_penalty(samples.moments).gcv == pytest.approx(
        min(gcv_of(samples, ratio * unit) for ratio in RATIOS), rel=1e-9
    )


def test_the_degrees_of_freedom_are_the_sum_of_leverages(draw: Draw) -> None:
    samples = draw(60, 12)
    chosen = choose_penalty(samples.moments)
    centred = samples.features - samples.features.mean(axis=0)
    inner = np.linalg.inv(centred.T @ centred + chosen.value * np.eye(12))
    leverages = 1 / 60 + np.einsum("ij,jk,ik->i", centred, inner, centred)
    assert chosen.freedom == pytest.approx(leverages.sum(), rel=1e-9)


@pytest.mark.parametrize("kind", [HeadKind.LDA, HeadKind.LDA_GCV])
def test_lda_differs_by_mahalanobis_distance(draw: Draw, kind: HeadKind) -> None:
    samples = draw(80, 9)
    weight = np.array([1.0, 0.0, 1.0, 1.0])
    head = solve_lda(samples.moments, kind, samples.names, weight)
    inside = np.zeros((9, 9))
    means = []
    for column in range(4):
        rows = samples.features[samples.columns == column]
        inside += (rows - rows.mean(axis=0)).T @ (rows - rows.mean(axis=0))
        total = rows.sum(axis=0) + weight[column] * samples.names[:, column]
        means.append(total / (len(rows) + weight[column]))
    inverse = np.linalg.inv((inside + head.penalty * np.eye(9)) / 76)
    away = samples.features[:, None] - np.array(means)  # (N, C, D)
    distances = np.einsum("ncd,de,nce->nc", away, inverse, away)
    scores = head.scores(samples.features)
    found = scores - scores[:, :1]
    assert np.abs(found - -0.5 * (distances - distances[:, :1])).max() < 1e-8


STRETCH = np.geomspace(1, 20, 9)  # far from round, or the shrinkage is whole


def test_oas_is_the_published_formula(draw: Draw) -> None:
    within = within_scatter(draw(80, 9).moments) * np.outer(STRETCH, STRETCH)
    covariance, n, p = within / 76, 76, 9
    squares, trace = np.trace(covariance @ covariance), np.trace(covariance)
    rho = ((1 - 2 / p) * squares + trace**2) / ((n + 1 - 2 / p) * (squares - trace**2 / p))
    wanted = (1 - rho) * covariance + rho * trace / p * np.eye(9)
    assert rho < 0.5
    found = within + oas_penalty(within, 76) * np.eye(9)
    assert np.abs(found / found[0, 0] - wanted / wanted[0, 0]).max() < 1e-12


def test_descriptions_alone_give_nearest_mean(draw: Draw) -> None:
    names = draw().names
    nothing = moments_from(np.empty((0, 12)), np.empty((0, 4)))
    head = solve_lda(nothing, HeadKind.LDA, names, np.ones(4))
    assert head.kind is HeadKind.MEAN
    assert head.scores(names.T).argmax(axis=1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", list(HeadKind))
@pytest.mark.parametrize("count", [2, 4, 5, 8, 13])
def test_every_head_is_finite_however_few_the_samples(
    draw: Draw, kind: HeadKind, count: int
) -> None:
    samples = draw(count, 12)
    if kind is HeadKind.RIDGE:
        head = solve_ridge(samples.moments)
    else:
        head = solve_lda(samples.moments, kind, samples.names, np.ones(4))
    assert np.isfinite(head.scores(samples.features)).all()
    assert 0 < head.sharpness < np.inf


def test_a_new_class_is_scored_as_if_all_had_been_learnt_at_once(draw: Draw) -> None:
    samples = draw(90, 6)
    first = samples.columns < 3
    grown = moments_from(samples.features[first], samples.targets[first])
    later = moments_from(samples.features[~first], samples.targets[~first])
    joint = samples.moments
    assert np.allclose(grown.gram + later.gram, joint.gram, rtol=1e-14)
    assert np.array_equal(grown.sums[:, :3], joint.sums[:, :3])


@pytest.mark.parametrize("size", [1, 63, 64, 65, 200])
def test_solving_by_cholesky_is_solving(size: int) -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(size, size))
    matrix, right = root @ root.T + np.eye(size), rng.normal(size=(size, 3))
    assert np.abs(solve(matrix, right) - np.linalg.solve(matrix, right)).max() < 1e-10


def test_a_matrix_that_rounding_made_indefinite_is_solved_all_the_same() -> None:
    matrix = np.diag([1.0, -1e-18])
    assert np.allclose(solve(matrix, np.array([[1.0], [1e-18]])), [[1.0], [-1.0]])
