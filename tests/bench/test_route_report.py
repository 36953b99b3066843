"""docs/routing.md and its curve are what the results make; no figure is written by hand."""

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.route import OUTPUT
from bench.route_plots import draw_tradeoff
from bench.route_report import BLOCKS, NAMES, PAGE, render


@pytest.fixture
def result() -> dict[str, Any]:
    return dict(json.loads(OUTPUT.read_text(encoding="utf-8")))


def made_of(result: dict[str, Any]) -> str:
    return render(PAGE.read_text(encoding="utf-8"), result)[PAGE]


def test_the_page_and_the_curve_are_what_the_results_make(result: dict[str, Any]) -> None:
    for path, text in render(PAGE.read_text(encoding="utf-8"), result).items():
        assert path.read_text(encoding="utf-8") == text, "run `python -m bench.route_report`"


def test_every_block_stands_on_the_page_once() -> None:
    names = re.findall(r"<!-- made: (\w+) -->", PAGE.read_text(encoding="utf-8"))
    assert sorted(names) == sorted(BLOCKS)


def test_another_figure_makes_another_page(result: dict[str, Any]) -> None:
    result["figures"]["snips times"]["harm"] |= {"mean_gain": 12.34}
    assert "| x12.34 |" in made_of(result)


def test_what_is_not_certified_is_said_to_be(result: dict[str, Any]) -> None:
    before = made_of(result).count("nothing certified")
    result["figures"]["clinc150 scores"]["harm 0.01"] |= {"certified": False}
    assert made_of(result).count("nothing certified") == before + 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("loss", ["harm", "disagreement"])
def test_promises_hold_on_texts_that_come_alike(
    result: dict[str, Any], name: str, loss: str
) -> None:
    found = result["figures"][f"{name} splits"]
    # 5 % of 300 and three standard deviations
    assert all(found[f"{loss} {risk}"]["broken"] <= 5 + 3.8 for risk in ("0.005", "0.01", "0.02"))


def test_the_curve_stays_on_the_sheet_and_names_are_escaped() -> None:
    picture = draw_tradeoff({"a<b": [(1.0, 0.0), (4.2, -1.3), (2.0, 0.4)]})
    tree = ElementTree.fromstring(picture)
    line = next(part for part in tree.iter() if part.tag.endswith("polyline"))
    places = [float(number) for number in re.split("[ ,]", line.attrib["points"])]
    assert 0 < min(places) < max(places) < 700
    assert "a<b" in [part.text for part in tree.iter()]
