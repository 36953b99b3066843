"""Exact tests of a loss, against plain sums and simulation."""

import math
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.errors import InputError, RouteError
from edgebert.route.risk import (
    binomial_p_value,
    bounded_p_value,
    choose_level,
    class_weights,
    samples_needed,
    upper_bound,
)


@given(st.integers(1, 60), st.floats(0.001, 0.999), st.integers(0, 60))
def test_the_p_value_is_the_sum_of_the_binomial(samples: int, rate: float, losses: int) -> None:
    wanted = math.fsum(
        comb(samples, k) * rate**k * (1 - rate) ** (samples - k)
        for k in range(min(losses, samples) + 1)
    )
    assert binomial_p_value(losses, samples, rate) == pytest.approx(min(wanted, 1.0), rel=1e-9)


@pytest.mark.parametrize(("rate", "wanted"), [(0.0, 1.0), (1.0, 0.0)])
def test_a_rate_of_none_or_all_is_no_question(rate: float, wanted: float) -> None:
    assert binomial_p_value(3, 10, rate) == wanted


def test_many_samples_lose_nothing_to_underflow() -> None:
    # far below the mean of 50,000 a normal approximation in logarithms is close enough
    assert 0 < binomial_p_value(49_000, 100_000, 0.5) < 1e-9
    assert binomial_p_value(50_000, 100_000, 0.5) == pytest.approx(0.5, abs=0.002)


@pytest.mark.parametrize(("rate", "wanted"), [(0.01, 299), (0.005, 598), (0.001, 2995)])
def test_so_many_samples_are_needed(rate: float, wanted: int) -> None:
    assert samples_needed(rate, 0.95) == wanted
    assert binomial_p_value(0, wanted, rate) <= 0.05 < binomial_p_value(0, wanted - 1, rate)


def test_the_walk_ends_at_the_first_failure() -> None:
    assert choose_level([0.01, 0.04, 0.06, 0.001], 0.05) == 1
    assert choose_level([0.06, 0.001], 0.05) is None
    assert choose_level([], 0.05) is None


def test_the_upper_bound_is_clopper_and_pearsons() -> None:
    # R: binom.test(10, 1000, alternative = "less")$conf.int
    bound = upper_bound(lambda rate: binomial_p_value(10, 1000, rate), 0.95)
    assert bound == pytest.approx(0.016907, abs=5e-6)


@pytest.mark.parametrize("bound", [1.0, 3.0])
def test_a_bounded_loss_at_the_limit_is_seldom_refuted(bound: float) -> None:
    rng = np.random.default_rng(0)
    refuted = 0
    for _ in range(2000):
        values = np.where(rng.random(400) < 0.05 / bound, bound, 0.0)  # of mean 0.05
        refuted += bounded_p_value(values, 0.05, bound) <= 0.05
    assert refuted / 2000 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_a_bounded_loss_far_below_the_limit_is_refuted() -> None:
    assert bounded_p_value(np.zeros(1000), 0.01, 1.0) < 1e-4
    assert bounded_p_value(np.full(10, 0.5), 0.2, 1.0) == 1.0
    assert bounded_p_value(np.zeros(10), 2.0, 1.5) == 0.0  # more than can be


def test_weights_make_the_mix_whatever_the_samples_were() -> None:
    weights = class_weights(["a"] * 30 + ["b"] * 10, {"a": 1.0, "b": 3.0})
    assert weights.values.mean() == pytest.approx(1.0)
    assert weights.values[:30].sum() == pytest.approx(10.0)  # a quarter of 40
    assert weights.bound == pytest.approx(3.0)


def test_a_class_that_the_mix_leaves_out_counts_nothing() -> None:
    weights = class_weights(["a", "b"], {"a": 1.0})
    assert weights.values.tolist() == [2.0, 0.0]


def test_a_class_without_samples_is_refused() -> None:
    with pytest.raises(RouteError, match="class 'b' of the mix has none of the 2 texts"):
        class_weights(["a", "a"], {"a": 1.0, "b": 1.0})


@pytest.mark.parametrize("mix", [{"a": -1.0}, {"a": 0.0}, {"a": math.inf}, {"a": math.nan}])
def test_a_mix_that_is_none_is_refused(mix: dict[str, float]) -> None:
    with pytest.raises(InputError, match="shares of the class mix"):
        class_weights(["a"], mix)
