"""Charts are well-formed, show what they are given, and are the same every time."""

from xml.etree import ElementTree

import pytest

from bench.charts import Bar, Curve, bars, curves

BARS = [Bar("ours <int8>", 4.0, True), Bar("theirs", 1.0, False)]
CURVES = [Curve("ours", ((1, 30.0), (100, 20.0))), Curve("theirs", ((1, 90.0), (100, 80.0)))]
NAMESPACE = "{http://www.w3.org/2000/svg}"


def texts_of(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter(f"{NAMESPACE}text")]


def test_bars_name_each_row_and_its_value() -> None:
    found = texts_of(bars("title", BARS, "x"))
    assert found == ["title", "ours <int8>", "4.00x", "theirs", "1.00x"]


def test_bars_are_as_long_as_their_values() -> None:
    root = ElementTree.fromstring(bars("title", BARS))
    widths = [float(node.attrib["width"]) for node in root.iter(f"{NAMESPACE}rect")][1:]
    assert widths[0] == pytest.approx(4 * widths[1], rel=0.01)


def test_bars_of_nothing_are_a_chart_still() -> None:
    assert texts_of(bars("title", [])) == ["title"]


def test_curves_name_each_line_and_both_axes() -> None:
    found = texts_of(curves("title", CURVES, "texts", "cost"))
    assert {"title", "ours", "theirs", "texts", "cost"} <= set(found)


def test_a_point_higher_up_is_drawn_higher() -> None:
    root = ElementTree.fromstring(curves("title", CURVES, "x", "y"))
    heights = [float(node.attrib["cy"]) for node in root.iter(f"{NAMESPACE}circle")]
    assert heights[2] < heights[3] < heights[0] < heights[1]


def test_one_point_alone_can_be_drawn() -> None:
    assert "nan" not in curves("title", [Curve("one", ((5, 5),))], "x", "y")


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert curves("t", CURVES, "x", "y") == curves("t", CURVES, "x", "y")
