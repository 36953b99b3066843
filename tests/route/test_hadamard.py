"""Features that are exact, and spread as random ones do."""

import numpy as np
import pytest

from edgebert.learn.features import GRID, Grid, snap
from edgebert.results import Floats
from edgebert.route.hadamard import STEP, Hadamard


def draw(count: int, hidden: int) -> Grid:
    return snap(np.random.default_rng(0).normal(size=(count, hidden)).astype(np.float32))


@pytest.mark.parametrize("hidden", [1, 2, 32, 384, 768])
def test_features_are_the_products_with_hadamards_matrix(hidden: int) -> None:
    features = Hadamard(hidden, 3, 7)
    grid = draw(5, hidden)
    matrix: Floats = np.ones((1, 1), np.float32)
    while len(matrix) < features.size:
        matrix = np.kron(matrix, [[1, 1], [1, -1]])
    signs = np.sign(features._signs.astype(np.float64))
    blocks = [(grid / GRID * row) @ matrix[:hidden] for row in signs]
    wanted = np.rint(np.maximum(np.concatenate(blocks, axis=1), 0) / STEP)
    found = features.apply(grid)
    assert found.shape == (5, features.width)
    assert np.array_equal(found, wanted)


def test_each_row_is_its_own() -> None:
    features, grid = Hadamard(384, 4, 0), draw(50, 384)
    alone = np.concatenate([features.apply(row[None]) for row in grid])
    assert np.array_equal(features.apply(grid), alone)


def test_no_features_are_longer_than_said() -> None:
    features, grid = Hadamard(384, 4, 0), draw(200, 384)
    # with the features of the opposite no sign is cut: that much is reached, and no more
    squares = features.apply(grid).astype(np.float64) ** 2 + features.apply(-grid) ** 2
    lengths = np.sqrt(squares.sum(axis=1))
    assert lengths.max() <= features.longest
    assert lengths.min() > 0.9 * features.longest


def test_the_seed_settles_the_signs() -> None:
    grid = draw(1, 32)
    one, same, other = (Hadamard(32, 2, seed).apply(grid) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_similar_vectors_have_similar_features() -> None:
    # of ReLU features the mean product is the arc-cosine kernel (Cho & Saul 2009)
    features = Hadamard(384, 8, 0)
    rng = np.random.default_rng(1)
    one, away = rng.normal(size=384), rng.normal(size=384)
    for share in (0.0, 0.5, 0.9):
        two = share * one + (1 - share**2) ** 0.5 * away
        grid = snap(np.array([one, two], np.float32))
        cosine = float(grid[0].astype(float) @ grid[1].astype(float)) / GRID**2
        angle = np.arccos(cosine)
        wanted = (np.sin(angle) + (np.pi - angle) * cosine) / (2 * np.pi)
        first, second = features.apply(grid).astype(np.float64) / features.scale
        assert first @ second / features.width == pytest.approx(wanted, abs=0.02)
