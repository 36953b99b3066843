"""Figures of the report pages: well-formed, everything drawn, names escaped."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn", reason="needs edgebert[eval]")
from edgebert.metrics import Bin, Interval
from edgebert.plots import (
    Point,
    intervals,
    marks,
    matrix_plot,
    pareto_plot,
    reliability_plot,
    say,
)

SURE, BARE = Interval(0.5, 0.4, 0.6), Interval(0.5, None, None)


def count(svg: str, tag: str) -> int:
    return sum(element.tag == tag for element in ElementTree.fromstring(svg).iter())


def test_a_value_is_said_with_its_interval() -> None:
    assert say(SURE) == "0.5000 (0.4000 to 0.6000)"
    assert say(BARE) == "0.5000"


def test_every_figure_has_a_dot() -> None:
    assert count(intervals([("a<b", SURE), ("c", BARE)]), "circle") == 2


def test_every_bin_has_a_dot() -> None:
    assert count(reliability_plot([Bin(0.2, 0.1, 3), Bin(0.9, 1.0, 5)]), "circle") == 2


def test_a_small_matrix_names_its_labels_and_draws_what_is_not_zero() -> None:
    svg = matrix_plot(["<a>", "b"], [[3, 0], [1, 2]])
    assert "&lt;a&gt;" in svg
    assert count(svg, "rect") == 1 + 3


def test_a_large_matrix_leaves_names_out() -> None:
    labels = [f"label {n}" for n in range(60)]
    svg = matrix_plot(labels, [[int(a == b) for b in range(60)] for a in range(60)])
    assert count(svg, "text") == 0
    assert count(svg, "rect") == 1 + 60


@pytest.mark.parametrize("interval", [SURE, BARE])
def test_bundles_of_one_value_can_be_drawn(interval: Interval) -> None:
    points = [Point("a", 1.0, interval, True), Point("b", 2.0, interval, False)]
    svg = pareto_plot(points, "ms", "accuracy")
    assert count(svg, "circle") == 2
    assert "nan" not in svg


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 6.35, [0.0, 2.0, 4.0, 6.0]),
        (0.0, 203.0, [0.0, 50.0, 100.0, 150.0, 200.0]),
        (0.751, 0.79, [0.76, 0.77, 0.78, 0.79]),
        (-0.05, 0.05, [-0.04, -0.02, 0.0, 0.02, 0.04]),
    ],
)
def test_axes_are_marked_at_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert marks(low, high) == pytest.approx(expected)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_marks_lie_within_their_range_and_are_few(low: float, width: float) -> None:
    found = marks(low, low + width)
    assert 2 <= len(found) <= 7
    assert all(low - width * 1e-3 <= value <= low + width * 1.001 for value in found)
