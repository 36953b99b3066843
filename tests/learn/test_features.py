"""Features are whole numbers, each row on its own, within the bound that keeps sums exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.bundle import Bundle
from edgebert.errors import LearnError
from edgebert.learn.features import LARGEST, MOST_SAMPLES, FeatureMap, Tier, plan_features, snap
from tests.make_tiny import DATA

RANDOM = FeatureMap(layers=3, hidden=16, random=50, seed=7)


def grid(rows: int, seed: int = 0, width: int = 48) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, 3, width // 3)).astype(np.float32)
    return snap(vectors).reshape(rows, width)


@given(st.integers(0, 10**6), st.floats(1e-6, 1e6))
def test_snapping_takes_no_notice_of_length(seed: int, scale: float) -> None:
    vector = np.random.default_rng(seed).normal(size=(1, 8))
    shorter = snap((vector * scale).astype(np.float32)).astype(int)
    assert np.abs(shorter - snap(vector.astype(np.float32))).max() <= 1


def test_a_snapped_vector_is_within_half_a_step() -> None:
    vector = np.random.default_rng(0).normal(size=(5, 384)).astype(np.float32)
    exact = vector / np.linalg.norm(vector.astype(float), axis=1, keepdims=True)
    assert np.abs(snap(vector) / 2**15 - exact).max() <= 0.5 / 2**15


def test_a_zero_vector_stays_zero() -> None:
    assert not snap(np.zeros((1, 4), np.float32)).any()


def test_a_vector_along_an_axis_fits_the_grid() -> None:
    assert snap(np.array([[1, 0], [0, -1]], np.float32)).tolist() == [[32767, 0], [0, -32767]]


def test_random_features_are_whole_and_bounded() -> None:
    features = RANDOM.apply(grid(200))
    assert np.array_equal(features, np.rint(features))
    assert 0 <= features.min() <= features.max() <= LARGEST


def test_features_of_a_batch_are_those_of_each_alone() -> None:
    rows = grid(33)
    alone = np.concatenate([RANDOM.apply(row[None]) for row in rows])
    assert np.array_equal(RANDOM.apply(rows), alone)


def test_random_features_are_exact_in_whole_numbers() -> None:
    rows = grid(20)
    wanted = np.rint(np.maximum(rows.astype(int) @ RANDOM.signs.astype(int), 0) / 64)
    assert np.array_equal(RANDOM.apply(rows), wanted)


def test_the_signs_are_the_same_on_every_machine() -> None:
    signs = FeatureMap(layers=1, hidden=4, random=6, seed=0).signs
    assert signs.sum(axis=1).tolist() == [0, -2, 4, 0]


def test_another_seed_gives_other_signs() -> None:
    other = FeatureMap(layers=3, hidden=16, random=50, seed=8)
    assert not np.array_equal(other.signs, RANDOM.signs)


def test_the_greatest_sum_is_exact_in_float64() -> None:
    assert MOST_SAMPLES * LARGEST**2 <= 2**53


def test_a_tier_that_needs_more_layers_than_the_bundle_gives_is_refused() -> None:
    manifest = Bundle.open(DATA / "tiny-embed").manifest
    with pytest.raises(LearnError, match=r"needs 3 pooled layers, .* gives 1; .*--layers-out 3"):
        plan_features(manifest, Tier.SMALL, 0)


def test_base_takes_as_many_layers_as_there_are() -> None:
    manifest = Bundle.open(DATA / "tiny-embed").manifest
    assert plan_features(manifest, Tier.BASE, 5) == FeatureMap(1, 32, 2000, 5)
