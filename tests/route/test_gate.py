"""The curve from margin to risk."""

import math

import numpy as np
import pytest

from edgebert.route.gate import NEVER, Gate, fit_gate


def test_the_curve_is_about_the_share_that_was_lost() -> None:
    rng = np.random.default_rng(0)
    margin = rng.random(20_000)
    lost = rng.random(20_000) < 1 / (1 + np.exp(-1 + 6 * margin))
    gate = fit_gate(margin, lost)
    assert (gate.intercept, gate.slope) == pytest.approx((-1.0, 6.0), abs=0.3)


def test_margins_that_mislead_are_never_trusted() -> None:
    margin = np.linspace(0, 1, 100)
    gate = fit_gate(margin, margin > 0.5)
    assert gate.slope <= 0
    assert gate.risk(margin).tolist() == [NEVER] * 100
    assert gate.threshold(0.5) == math.inf


@pytest.mark.parametrize("lost", [True, False])
def test_few_texts_of_one_outcome_give_a_finite_curve(lost: bool) -> None:
    gate = fit_gate(np.array([1.0, 2.0, 3.0]), np.array([lost] * 3))
    assert np.isfinite([gate.intercept, gate.slope]).all()


@pytest.mark.parametrize("level", [0.001, 0.2, 0.9])
def test_the_threshold_is_the_margin_of_that_risk(level: float) -> None:
    gate = Gate(-1.0, 6.0)
    assert gate.risk(np.array([gate.threshold(level)]))[0] == pytest.approx(level)


@pytest.mark.parametrize("level", [-1.0, 0.0, 1.0])
def test_a_level_outside_of_risks_is_never_reached(level: float) -> None:
    assert Gate(0.0, 1.0).threshold(level) == math.inf
