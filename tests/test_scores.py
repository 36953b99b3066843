"""Logits become scores without overflow, whatever the logits."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.manifest import Activation
from edgebert.results import Floats
from edgebert.scores import ACTIVATIONS, identity, sigmoid, softmax

EXTREMES = [-3e38, -1e4, -100.0, -1.0, 0.0, 1e-30, 1.0, 100.0, 1e4, 3e38]
LOGITS = st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=8).map(
    lambda values: np.array(values, np.float32)
)


@given(LOGITS)
def test_softmax_is_a_distribution(logits: Floats) -> None:
    scores = softmax(logits)
    assert scores.sum() == pytest.approx(1, abs=1e-5)
    assert ((scores >= 0) & (scores <= 1)).all()


@given(LOGITS)
def test_softmax_is_its_definition_in_double_precision(logits: Floats) -> None:
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    assert np.allclose(softmax(logits), powers / powers.sum(), atol=1e-6)


@given(LOGITS)
def test_sigmoid_is_its_definition_in_double_precision(logits: Floats) -> None:
    expected = 0.5 * (1 + np.tanh(logits.astype(np.float64) / 2))
    assert np.allclose(sigmoid(logits), expected, atol=1e-6)


@given(LOGITS)
def test_the_best_logit_has_the_best_score(logits: Floats) -> None:
    for activation in ACTIVATIONS.values():
        scores = activation(logits)
        assert scores[logits.argmax()] == scores.max()


@pytest.mark.parametrize("function", [softmax, sigmoid, identity])
def test_scores_of_extreme_logits_are_finite(function: Callable[[Floats], Floats]) -> None:
    scores = function(np.array([EXTREMES, EXTREMES[::-1]], np.float32) / 2)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("function", [softmax, sigmoid, identity])
def test_scores_stay_float32(function: Callable[[Floats], Floats]) -> None:
    assert function(np.zeros((2, 3), np.float32)).dtype == np.float32


def test_softmax_is_taken_over_the_last_axis() -> None:
    scores = softmax(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    assert np.allclose(scores.sum(axis=-1), 1)


def test_softmax_of_no_rows_is_no_rows() -> None:
    assert softmax(np.empty((0, 4), np.float32)).shape == (0, 4)


def test_every_activation_of_the_format_has_its_function() -> None:
    assert set(ACTIVATIONS) == set(Activation)


def test_no_activation_leaves_the_logits() -> None:
    assert ACTIVATIONS[Activation.NONE](np.float32([2.5]))[0] == 2.5
