"""Sums come out the same bit for bit, in whatever order and blocks samples come and go."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.errors import LearnError
from edgebert.learn.features import LARGEST, MOST_SAMPLES
from edgebert.learn.statistics import Statistics

WIDTH, CLASSES = 7, 3


def draw(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.integers(-LARGEST, LARGEST, (count, WIDTH), endpoint=True).astype(np.float64)
    return features, np.eye(CLASSES)[rng.integers(0, CLASSES, count)]


def summed(*blocks: tuple[int, np.ndarray, np.ndarray]) -> Statistics:
    statistics = Statistics.empty(WIDTH, CLASSES)
    for sign, features, targets in blocks:
        statistics.change(sign, features, targets)
    return statistics


def bits(statistics: Statistics) -> tuple[bytes | int, ...]:
    statistics.settle()
    arrays = (statistics.counts, statistics.first, statistics.sums, statistics.gram)
    return statistics.total, *(np.ascontiguousarray(array).tobytes() for array in arrays)


@given(st.permutations(range(150)), st.sampled_from([1, 7, 64, 150]))
def test_any_order_and_block_size_gives_the_same_bits(order: list[int], block: int) -> None:
    features, targets = draw(150)
    starts = range(0, 150, block)
    parts = [order[start : start + block] for start in starts]
    blocks = [(1, features[rows], targets[rows]) for rows in parts]
    assert bits(summed(*blocks)) == bits(summed((1, features, targets)))


@given(st.lists(st.integers(0, 99), unique=True), st.integers(0, 2**32))
def test_what_is_taken_away_was_never_there(gone: list[int], seed: int) -> None:
    features, targets = draw(100)
    kept = np.setdiff1d(np.arange(100), gone)
    churned = summed((1, features, targets), (-1, features[gone], targets[gone]))
    assert bits(churned) == bits(summed((1, features[kept], targets[kept])))


def test_all_taken_away_leaves_zeros() -> None:
    features, targets = draw(200)
    order = np.random.default_rng(1).permutation(200)
    emptied = summed((1, features, targets), *((-1, features[[i]], targets[[i]]) for i in order))
    assert bits(emptied) == bits(Statistics.empty(WIDTH, CLASSES))


def test_the_gram_is_what_whole_numbers_give() -> None:
    features, targets = draw(500)
    statistics = summed((1, features, targets))
    statistics.settle()
    whole = features.astype(object)
    assert (statistics.gram == (whole.T @ whole).astype(float)).all()
    assert (statistics.sums == (whole.T @ targets.astype(int)).astype(float)).all()


def test_the_largest_sum_stays_exact() -> None:
    statistics = Statistics.empty(1, 1)
    statistics.total = MOST_SAMPLES - 1
    statistics.gram[:] = float((MOST_SAMPLES - 1) * LARGEST**2)
    statistics.change(1, np.array([[LARGEST - 1.0]]), np.ones((1, 1)))
    statistics.settle()
    assert int(statistics.gram[0, 0]) == (MOST_SAMPLES - 1) * LARGEST**2 + (LARGEST - 1) ** 2


def test_one_sample_more_than_sums_are_exact_for_is_refused() -> None:
    statistics = Statistics.empty(WIDTH, CLASSES)
    statistics.total = MOST_SAMPLES
    statistics.check_room(0)
    with pytest.raises(LearnError, match="exact up to 8,388,608"):
        statistics.check_room(1)


@given(st.integers(0, 60), st.integers(0, 60))
def test_a_split_merged_is_the_whole(one: int, two: int) -> None:
    features, targets = draw(60)
    cuts = sorted((one, two))
    parts = np.split(np.arange(60), cuts)
    shards = [summed((1, features[rows], targets[rows])) for rows in parts]
    whole = Statistics.empty(WIDTH, CLASSES)
    for shard in shards:
        whole.merge(shard, np.arange(CLASSES))
    assert bits(whole) == bits(summed((1, features, targets)))


def test_a_new_class_moves_no_sum_of_the_old() -> None:
    features, targets = draw(30)
    statistics = summed((1, features, targets))
    before = statistics.sums.copy()
    statistics.insert_classes([1])
    assert np.array_equal(np.delete(statistics.sums, 1, axis=1), before)
    assert not statistics.sums[:, 1].any()


def test_a_class_dropped_again_leaves_no_trace() -> None:
    features, targets = draw(30)
    statistics = summed((1, features, targets))
    statistics.insert_classes([2])
    statistics.drop_class(2)
    assert bits(statistics) == bits(summed((1, features, targets)))
