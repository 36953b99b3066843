"""Medians, ratios and the best of a table, on rounds written by hand."""

from typing import Any

import pytest

from bench.figures import (
    SPEED,
    Measure,
    best_of,
    disturbed,
    disturbed_points,
    ratio_of,
    short,
    tail_of,
    value_of,
    versions_of,
)

BY_KEY: dict[str, Measure] = {measure.key: measure for measure in SPEED}
LATENCY, RATE = BY_KEY["latency-16"], BY_KEY["throughput"]


def row(*rounds: tuple[float, float], ours: bool = False, **more: Any) -> dict[str, Any]:
    """Make a row of rounds: p50 in ms, and seconds for 100 texts."""
    turns = [
        {"latency": {"16": {"p50": p50, "p99": 2 * p50, "n": 9}}, "pass_s": seconds, "foreign": 0}
        for p50, seconds in rounds
    ]
    return {"ours": ours, "label": "a row", "turns": turns, **more}


def test_a_figure_is_the_median_over_the_rounds() -> None:
    assert value_of(row((1, 1), (9, 1), (2, 1)), LATENCY, 100) == 2


def test_throughput_is_texts_by_seconds() -> None:
    assert value_of(row((1, 0.5)), RATE, 100) == 200


def test_the_tail_is_the_median_of_the_rounds_tails() -> None:
    assert tail_of(row((1, 1), (9, 1), (2, 1)), LATENCY) == 4


def test_a_ratio_is_taken_within_each_round() -> None:
    # both rows are three times slower in the second round: the machine was, not the row
    mine, baseline = row((1, 1), (3, 3)), row((2, 2), (6, 6))
    assert ratio_of(mine, baseline, LATENCY, 100) == 2


@pytest.mark.parametrize("measure", [LATENCY, RATE])
def test_better_is_over_one_whichever_way_a_figure_points(measure: Measure) -> None:
    found = ratio_of(row((1, 1)), row((4, 4)), measure, 100)
    assert found == 4


def test_a_row_that_failed_has_no_figures() -> None:
    failed = row((1, 1), failed="died")
    assert value_of(failed, LATENCY, 100) is None
    assert ratio_of(failed, row((1, 1)), LATENCY, 100) is None


def test_a_row_without_a_workload_has_no_figure_of_it() -> None:
    assert value_of({"turns": [{"foreign": 0}]}, RATE, 100) is None


def test_the_best_peer_is_not_one_of_ours() -> None:
    rows = {"a": row((1, 1), ours=True), "b": row((3, 1)), "c": row((2, 2))}
    assert best_of(rows, LATENCY, 100, ours=False) == "c"
    assert best_of(rows, RATE, 100, ours=False) == "b"
    assert best_of(rows, LATENCY, 100, ours=True) == "a"


def test_no_row_has_no_best() -> None:
    assert best_of({}, LATENCY, 100, ours=True) is None


def test_turns_that_others_disturbed_are_counted() -> None:
    one = row((1, 1), (1, 1))
    one["turns"][1]["foreign"] = 0.2
    assert disturbed({"one": one}, 0.05) == (1, 2)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (0.12345, "0.123"), (1.2345, "1.23"), (12.345, "12.3"), (1234.5, "1,234")],
)
def test_numbers_are_shown_in_three_figures(value: float | None, shown: str) -> None:
    assert short(value) == shown


def test_points_of_curves_that_others_disturbed_are_counted() -> None:
    quiet, loud = {"foreign": 0.01}, {"foreign": 0.2}
    rows = {"one": {"texts": [quiet, loud], "cores": [loud]}}
    assert disturbed_points(rows, 0.05) == (2, 3)


def test_versions_are_those_of_the_named_packages_all_that_there_were() -> None:
    rows = {
        "a": {"versions": {"onnxruntime": "1.32.0", "sympy": "1.0", "torch": "2.13.0"}},
        "b": {"versions": {"onnxruntime": "1.31.0"}},
        "c": {"failed": "died"},
    }
    found = versions_of({"model": {"rows": rows}})
    assert found == {"onnxruntime": "1.31.0 and 1.32.0", "torch": "2.13.0"}
