"""The section on scaling: its curves, its points, and whether they are as flat as they must be."""

from typing import Any

import pytest

from bench.scaling_report import section
from edgebert.engine import SORTED
from tests.bench.conftest import MACHINE


@pytest.fixture
def scaling() -> dict[str, Any]:
    point = {
        "texts": 32,
        "tokens": 1450,
        "texts_per_s": 9.0,
        "us_per_token": 5.0,
        "peak_mb": 80.0,
        "own_mb": 70.0,
        "foreign": 0.0,
    }
    window = point | {"texts": SORTED, "own_mb": 100.0}
    longer = point | {"texts": 10_000, "us_per_token": 5.5, "own_mb": 120.0}
    row = {
        "label": "edgebert int8",
        "ours": True,
        "texts": [point | {"texts": 1, "us_per_token": 50.0}, point, window, longer],
        "cores": [point | {"cores": 1}, point | {"cores": 2}],
        "tokens": [{"tokens": 8, "us_per_token": 9.0}, {"tokens": 16, "us_per_token": 8.0}],
    }
    return {
        "kind": "scaling",
        "made": "2026-01-02",
        "machine": MACHINE,
        "model": "MiniLM",
        "rows": {"edgebert-int8": row, "gone": {"label": "a lost row", "failed": "it died"}},
    }


def test_five_curves_are_drawn_and_their_points_listed(scaling: dict[str, Any]) -> None:
    page, charts = section("scaling", scaling)
    curves = ("texts", "throughput", "memory", "tokens", "cores")
    assert set(charts) == {f"scaling-{name}.svg" for name in curves}
    assert all(f"(../bench/results/{name})" in page for name in charts)
    assert "| edgebert int8 | 10,000 | 9.00 | 5.50 | 80.0 | 120 |" in page
    assert "| a lost row | it died |" in page


def test_throughput_is_drawn_by_the_number_of_texts(scaling: dict[str, Any]) -> None:
    texts = scaling["rows"]["edgebert-int8"]["texts"]
    before = section("scaling", scaling)[1]
    texts[-1]["texts_per_s"] = 90.0
    after = section("scaling", scaling)[1]
    assert {name for name in before if before[name] != after[name]} == {"scaling-throughput.svg"}


def flatness(scaling: dict[str, Any]) -> str:
    """Give the line that judges: a cost from 32 texts on, memory from a window of them on."""
    page, _ = section("scaling", scaling)
    (line,) = [line for line in page.splitlines() if line.startswith("| edgebert int8 |")][:1]
    return line


def test_cost_and_memory_of_long_lists_are_held_to_the_target(scaling: dict[str, Any]) -> None:
    assert flatness(scaling) == "| edgebert int8 | 10% ✓ | 20% ✗ | 10,000 |"
    scaling["rows"]["edgebert-int8"]["texts"][-1] |= {"us_per_token": 5.8, "own_mb": 114.0}
    assert flatness(scaling) == "| edgebert int8 | 16% ✗ | 14% ✓ | 10,000 |"


def test_one_long_list_alone_is_not_judged(scaling: dict[str, Any]) -> None:
    del scaling["rows"]["edgebert-int8"]["texts"][-1]
    assert flatness(scaling) == "| edgebert int8 | 0% ✓ | - | 2,048 |"
    del scaling["rows"]["edgebert-int8"]["texts"][-1]
    assert flatness(scaling) == "| edgebert int8 | - | - | 32 |"
