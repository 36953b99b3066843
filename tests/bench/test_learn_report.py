"""docs/learning.md and its curves are what the results make; no figure is written by hand."""

import json
import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.learn import OUTPUT
from bench.learn_plots import NAME_HEIGHT, draw_curves, spread_names
from bench.learn_report import BLOCKS, PAGE, render
from bench.markdown import DOCS


@pytest.fixture
def result() -> dict[str, Any]:
    return dict(json.loads(OUTPUT.read_text(encoding="utf-8")))


def made_of(result: dict[str, Any]) -> str:
    return render(PAGE.read_text(encoding="utf-8"), result)[PAGE]


def test_the_page_and_curves_are_what_the_results_make(result: dict[str, Any]) -> None:
    for path, text in render(PAGE.read_text(encoding="utf-8"), result).items():
        assert path.read_text(encoding="utf-8") == text, "run `python -m bench.learn_report`"


def test_every_block_stands_on_the_page_once() -> None:
    names = re.findall(r"<!-- made: (\w+) -->", PAGE.read_text(encoding="utf-8"))
    assert sorted(names) == sorted(BLOCKS)


def test_another_figure_makes_another_page(result: dict[str, Any]) -> None:
    result["figures"]["banking77 tiny"] |= {"final": 12.34}
    assert "| **tiny** | 12.34 |" in made_of(result)


def test_a_state_that_is_not_the_joint_one_is_said_to_be(result: dict[str, Any]) -> None:
    result["figures"]["clinc150 base"] |= {"same_bits_as_joint": False}
    assert made_of(result).count("| NO |") == 1


def test_no_round_left_a_trace_in_the_state(result: dict[str, Any]) -> None:
    assert "| NO |" not in made_of(result)


def test_the_naive_layer_forgets(result: dict[str, Any]) -> None:
    for name in ("banking77", "clinc150"):
        assert result["figures"][f"{name} softmax"]["forgetting"] > 50


def test_every_curve_on_the_page_is_drawn(result: dict[str, Any]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    drawn = {path.name for path in render(page, result) if path.suffix == ".svg"}
    assert set(re.findall(r"\]\((learning-.*?svg)\)", page)) == drawn
    assert {path.name for path in DOCS.glob("learning-*.svg")} == drawn


def test_curves_stay_on_the_sheet_and_names_are_escaped() -> None:
    picture = ElementTree.fromstring(draw_curves({"a<b": [3, 99.5, 40]}, "x", "y"))
    line = next(part for part in picture.iter() if part.tag.endswith("polyline"))
    places = [float(number) for number in re.split("[ ,]", line.attrib["points"])]
    assert 0 < min(places) < max(places) < 700
    assert "a<b" in [part.text for part in picture.iter()]


def test_names_at_one_height_are_spread() -> None:
    heights = [height for _, height in spread_names({"a": 50, "b": 50, "c": 10, "d": 51})]
    assert all(b - a >= NAME_HEIGHT for a, b in pairwise(heights))
