"""The distance to what is known, against its plain definition."""

import numpy as np
import pytest

from edgebert.learn.solve import Doubles, Moments, oas_penalty, within_scatter
from edgebert.route.scope import conformal_p_values, fit_blend, fit_scope


def draw(count: int = 300, width: int = 8, classes: int = 4) -> tuple[Doubles, Doubles]:
    """Draw features and their classes as columns of 0 and 1."""
    rng = np.random.default_rng(0)
    columns = np.arange(count) % classes
    centres = 3 * rng.normal(size=(classes, width))
    return centres[columns] + rng.normal(size=(count, width)), np.eye(classes)[columns]


def moments_of(features: Doubles, targets: Doubles) -> Moments:
    counts = targets.sum(axis=0)
    return Moments(
        len(features), counts, features.mean(axis=0), features.T @ targets, features.T @ features
    )


def plain_distances(features: Doubles, moments: Moments) -> Doubles:
    """The definition: two inverses, and a distance to each class and to the mean."""
    total, means = moments.total, moments.sums / moments.counts
    within = within_scatter(moments)
    size = np.trace(within) / len(within)
    penalty = oas_penalty(within, total - len(moments.counts))
    shrunk = (within + penalty * np.eye(len(within))) / (1 + penalty / size)
    inner = np.linalg.inv(shrunk / total)
    outer = np.linalg.inv((shrunk + moments.scatter - within) / total)

    def square(away: Doubles, inverse: Doubles) -> Doubles:
        return np.asarray(np.einsum("nd,de,ne->n", away, inverse, away), np.float64)

    nearest = np.min([square(features - mean, inner) for mean in means.T], axis=0)
    return np.asarray(nearest - square(features - moments.mean, outer))


def test_the_distance_is_relative_mahalanobis() -> None:
    features, targets = draw()
    moments = moments_of(features, targets)
    found = fit_scope(moments).distances(features)
    assert np.abs(found - plain_distances(features, moments)).max() < 1e-8


def test_the_distance_in_float32_is_the_same_but_for_rounding() -> None:
    features, targets = draw()
    scope = fit_scope(moments_of(features, targets))
    found, plain = scope.narrow().distances(features), scope.distances(features)
    assert scope.narrow().projection.dtype == np.float32
    assert 0 < np.abs(found - plain).max() < 1e-3


@pytest.mark.parametrize("narrow", [False, True])
def test_a_text_has_the_same_distance_alone_and_among_others(narrow: bool) -> None:
    features, targets = draw()
    scope = fit_scope(moments_of(features, targets))
    scope = scope.narrow() if narrow else scope
    together = scope.distances(features)
    assert [float(scope.distances(row[None])[0]) for row in features] == together.tolist()


def test_what_lies_elsewhere_is_farther() -> None:
    features, targets = draw()
    scope = fit_scope(moments_of(features, targets))
    between = (features[0::4] + features[1::4]) / 2  # halfway from class to class
    assert scope.distances(between).mean() > scope.distances(features).mean() + 5


def test_a_class_without_texts_draws_nothing_near() -> None:
    features, targets = draw()
    without = moments_of(features, np.insert(targets, 1, 0.0, axis=1))
    scope, plain = fit_scope(without), fit_scope(moments_of(features, targets))
    assert np.allclose(scope.distances(features), plain.distances(features))


def test_a_blend_is_the_distance_and_the_least_angle_in_units_of_their_spreads() -> None:
    features, targets = draw()
    moments = moments_of(features, targets)
    blend = fit_blend(moments).scaled(features[:100])
    means = (moments.sums / moments.counts).T - moments.mean
    away = features - moments.mean
    lengths = np.linalg.norm(away, axis=1)[:, None] * np.linalg.norm(means, axis=1)
    angles = -(away @ means.T / lengths).max(axis=1)
    plain = plain_distances(features, moments)
    wanted = plain / plain[:100].std() + angles / angles[:100].std()
    assert np.abs(blend.distances(features) - wanted).max() < 1e-4  # float32


def test_a_blend_gives_the_same_alone_and_among_others() -> None:
    features, targets = draw()
    blend = fit_blend(moments_of(features, targets)).scaled(features)
    together = blend.distances(features)
    assert [float(blend.distances(row[None])[0]) for row in features] == together.tolist()


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_one_class_has_nothing_between(spread: float) -> None:
    features = spread * np.random.default_rng(0).normal(size=(20, 5))
    scope = fit_scope(moments_of(features, np.ones((20, 1))))
    assert np.allclose(scope.distances(features), 0, atol=1e-6)


def test_p_values_of_texts_that_belong_are_even() -> None:
    rng = np.random.default_rng(0)
    known, new = np.sort(rng.normal(size=2000)), rng.normal(size=20_000)
    p_values = conformal_p_values(new, known)
    for level in (0.05, 0.1, 0.5):
        assert np.mean(p_values <= level) == pytest.approx(level, abs=0.02)


def test_a_p_value_counts_the_text_itself_and_ties() -> None:
    known = np.array([1.0, 2.0, 2.0, 3.0])
    assert conformal_p_values(np.array([9.0, 2.0, 0.0]), known).tolist() == [0.2, 0.8, 1.0]
    assert conformal_p_values(np.array([9.0]), np.empty(0)).tolist() == [1.0]
