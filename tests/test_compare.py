"""Bundles side by side: the pick and why, bounds that are missed, paired differences, the front."""

import dataclasses
import json
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="needs edgebert[eval]")
from edgebert.answering import Found, Setting
from edgebert.compare import Budget, Comparison, compare, difference, front, misses
from edgebert.comparison_report import comparison_lines, comparison_page
from edgebert.errors import InputError
from edgebert.labelled import Example, Goal
from edgebert.reports import as_json

TEXTS = ["the train", "to seoul", "a good film", "the film", "a train", "the good train"]
ROWS = [
    Example(row=n, text=text, pair=TEXTS[n - 2], score=float(n)) for n, text in enumerate(TEXTS, 1)
]
STS = Setting(goal=Goal.STS)


def run(tiny: Path, budget: Budget, *names: str) -> Comparison:
    return compare([tiny / name for name in names], ROWS, STS, budget, rounds=20)


@pytest.fixture(scope="module")
def found(tiny: Path) -> Comparison:
    return run(tiny, Budget(), "tiny-embed", "tiny-embed-int8")


def test_bundles_keep_their_order_and_the_first_agrees_with_itself(found: Comparison) -> None:
    assert [one.evaluation.bundle for one in found.candidates] == ["tiny-embed", "tiny-embed-int8"]
    assert found.candidates[0].agreement == 1.0


def test_int8_is_set_against_the_fp32_of_its_checkpoint(found: Comparison) -> None:
    (delta,) = found.deltas
    assert (delta.bundle, delta.against) == ("tiny-embed-int8", "tiny-embed")
    int8, fp32 = (found.candidates[place].evaluation.main[1].value for place in (1, 0))
    assert delta.difference.value == pytest.approx(int8 - fp32)


def test_one_is_picked_and_said_why(found: Comparison) -> None:
    assert found.picked in ("tiny-embed", "tiny-embed-int8")
    assert " ms" in found.why


def test_as_json_lines_and_a_page_it_says_the_same(found: Comparison) -> None:
    assert json.loads(as_json(found))["picked"] == found.picked
    assert f"picked: {found.picked}: {found.why}" in comparison_lines(found)
    assert found.why in comparison_page(found, "rows.csv", "a machine").replace("&#x27;", "'")


def test_speed_decides_where_any_loss_is_allowed(tiny: Path) -> None:
    result = run(tiny, Budget(margin=1.0), "tiny-embed", "tiny-embed-int8")
    fastest = min(result.candidates, key=lambda one: one.evaluation.cost.p50_ms)
    assert result.picked == fastest.evaluation.bundle


def test_the_best_is_picked_where_no_loss_is_allowed(tiny: Path) -> None:
    result = run(tiny, Budget(margin=0.0), "tiny-embed", "tiny-embed-int8")
    best = max(one.evaluation.main[1].value for one in result.candidates)
    (picked,) = [o.evaluation for o in result.candidates if o.evaluation.bundle == result.picked]
    assert picked.main[1].value == best


def test_none_is_picked_where_none_fits(tiny: Path) -> None:
    result = run(tiny, Budget(min_accuracy=1.1), "tiny-embed", "tiny-embed-int8")
    assert result.picked is None
    assert sum(line.startswith("fell: ") for line in comparison_lines(result)) == 2


def test_every_bound_that_is_missed_is_said(found: Comparison) -> None:
    evaluation = found.candidates[0].evaluation
    cost = dataclasses.replace(evaluation.cost, p50_ms=7.0, peak_mb=200.0)
    budget = Budget(max_latency_ms=5, max_memory_mb=150, min_accuracy=2)
    first, second, third = misses(dataclasses.replace(evaluation, cost=cost), budget)
    assert (first, second) == ("p50 7.00 ms, allowed 5", "memory 200 MB, allowed 150")
    assert third.startswith("spearman ") and third.endswith(", demanded 2")


def test_a_bundle_on_its_bounds_misses_none(found: Comparison) -> None:
    evaluation = found.candidates[0].evaluation
    budget = Budget(
        max_latency_ms=evaluation.cost.p50_ms,
        max_memory_mb=evaluation.cost.peak_mb,
        min_accuracy=evaluation.main[1].value,
    )
    assert misses(evaluation, budget) == ()


def test_a_paired_difference_of_equal_answers_is_nothing_for_sure() -> None:
    rows = [Example(row=n, text="", label="a") for n in range(30)]
    answers = [Found("ab"[n % 2], 1.0, False) for n in range(30)]
    gap = difference(rows, Goal.CLASSIFY, answers, answers, 50)
    assert (gap.value, gap.low, gap.high) == (0, 0, 0)


def test_a_paired_difference_that_is_sure_does_not_hold_zero() -> None:
    rows = [Example(row=n, text="", label="a") for n in range(30)]
    worse = [Found("b" if n < 20 else "a", 1.0, False) for n in range(30)]
    gap = difference(rows, Goal.CLASSIFY, worse, [Found("a", 1.0, False)] * 30, 200)
    assert gap.high is not None and gap.high < 0


def test_the_front_is_what_none_beats_in_both() -> None:
    assert front([1, 2, 3, 3], [0.5, 0.9, 0.8, 0.9]) == [True, True, False, False]


def test_equal_points_are_both_on_the_front() -> None:
    assert front([1, 1], [0.5, 0.5]) == [True, True]


def test_one_bundle_alone_is_refused(tiny: Path) -> None:
    with pytest.raises(InputError, match="give two bundles or more"):
        run(tiny, Budget(), "tiny-embed")


def test_a_bundle_given_twice_is_refused(tiny: Path) -> None:
    with pytest.raises(InputError, match="two bundles are called 'tiny-embed'"):
        run(tiny, Budget(), "tiny-embed", "tiny-embed")
