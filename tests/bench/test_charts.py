"""Charts are well-formed, show what they are given, and are the same every time."""

from xml.etree import ElementTree

import pytest

from bench.charts import Curve, Panel, curves, panels

NAMES = ["ours <int8>", "theirs"]
SPEED = Panel("speed", "more is better", {"ours <int8>": 4.0, "theirs": 1.0}, line=1.0)
MEMORY = Panel("memory", "MB", {"theirs": 500.0})
CURVES = [Curve("ours", ((1, 30.0), (100, 20.0))), Curve("theirs", ((1, 90.0), (100, 80.0)))]
NAMESPACE = "{http://www.w3.org/2000/svg}"


def texts_of(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter(f"{NAMESPACE}text")]


def test_panels_name_each_row_once_and_each_value() -> None:
    found = texts_of(panels("title", NAMES, {NAMES[0]}, [SPEED, MEMORY]))
    assert found[:3] == ["title", *NAMES]
    assert found[3:] == ["speed", "more is better", "4.00", "1.00", "memory", "MB", "500"]


def test_bars_are_as_long_as_their_values() -> None:
    root = ElementTree.fromstring(panels("title", NAMES, set(), [SPEED]))
    widths = [float(node.attrib["width"]) for node in root.iter(f"{NAMESPACE}rect")][1:]
    assert widths[0] == pytest.approx(4 * widths[1], rel=0.01)


def test_the_line_stands_at_the_end_of_a_bar_of_its_value() -> None:
    root = ElementTree.fromstring(panels("title", NAMES, set(), [SPEED]))
    bar = list(root.iter(f"{NAMESPACE}rect"))[2].attrib
    (line,) = root.iter(f"{NAMESPACE}line")
    assert float(line.attrib["x1"]) == pytest.approx(float(bar["x"]) + float(bar["width"]), abs=0.2)


def test_our_rows_have_another_color() -> None:
    root = ElementTree.fromstring(panels("title", NAMES, {NAMES[0]}, [SPEED]))
    colors = [node.attrib["fill"] for node in root.iter(f"{NAMESPACE}rect")][1:]
    assert colors[0] != colors[1]


def test_panels_of_nothing_are_a_chart_still() -> None:
    assert texts_of(panels("title", [], set(), [])) == ["title"]


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
