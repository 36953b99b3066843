"""Figures of the report pages: well-formed, everything drawn, names escaped."""

from xml.etree import ElementTree

import pytest

pytest.importorskip("sklearn", reason="needs edgebert[eval]")
from edgebert.metrics import Bin, Interval
from edgebert.plots import (
    Point,
    intervals,
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
