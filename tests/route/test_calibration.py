"""The certificate: it may be exceeded as often as it says, whatever the margins are worth."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgebert.results import Ints
from edgebert.route.calibration import (
    FULL,
    Outcome,
    Target,
    Trace,
    choose_thresholds,
    exits_at,
    fit_places,
    lay_levels,
    losses_of,
    split_rows,
)
from edgebert.route.gate import Gate
from edgebert.route.places import Place
from tests.route.conftest import Population

Make = Callable[..., Population]
TARGET = Target(max_loss=0.02, confidence=0.95, names=("a", "b", "c", "d"))
RUNS = 300


def calibrate(trace: Trace, truth: Ints | None, target: Target = TARGET, seed: int = 0) -> Outcome:
    """Do all of a calibration but the encoder's part."""
    first, second = split_rows(len(trace.full), seed)
    of_first = None if truth is None else truth[first]
    places = fit_places([Place("place")], trace.some(first), of_first)
    levels = lay_levels(places, trace.some(first))
    of_second = None if truth is None else truth[second]
    return choose_thresholds(places, levels, trace.some(second), of_second, target)


def true_loss(population: Population, outcome: Outcome, *, labelled: bool) -> float:
    """Give the loss at the thresholds, of very many texts."""
    trace, truth = population.draw(20_000)
    if outcome.thresholds is None:
        return 0.0
    leaves = exits_at(trace, outcome.thresholds)
    lost = losses_of(trace, truth if labelled else None)
    return float(((leaves != FULL) & lost[np.arange(len(leaves)), leaves]).mean())


@pytest.mark.parametrize("kind", ["useful", "random", "inverted"])
@pytest.mark.parametrize("labelled", [True, False])
def test_the_certificate_is_exceeded_as_seldom_as_it_says(
    population: Make, kind: str, labelled: bool
) -> None:
    exceeded = 0
    for seed in range(RUNS):
        texts = population(seed, kind=kind)
        trace, truth = texts.draw(1200)
        outcome = calibrate(trace, truth if labelled else None, seed=seed)
        exceeded += true_loss(texts, outcome, labelled=labelled) > TARGET.max_loss + 0.002
    assert exceeded / RUNS <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / RUNS)


def test_useful_margins_let_many_leave_early(population: Make) -> None:
    early = [
        float((calibrate(*population(seed).draw(2000)).exits != FULL).mean()) for seed in range(10)
    ]
    assert np.median(early) > 0.4


def test_misleading_margins_cost_speed(population: Make) -> None:
    outcome = calibrate(*population(0, kind="inverted").draw(2000))
    assert float((outcome.exits != FULL).mean()) < 0.2


def test_too_few_texts_always_go_in_full(population: Make) -> None:
    trace, _ = population(0).draw(180)  # of which 135 are left to test on: it takes 149
    none_lost = replace(trace, answers=trace.full[:, None])
    outcome = calibrate(none_lost, None)
    assert outcome.thresholds is None
    assert set(outcome.exits) == {FULL}


def test_enough_texts_without_a_loss_are_certified(population: Make) -> None:
    trace, _ = population(0).draw(220)
    none_lost = replace(trace, answers=trace.full[:, None])
    outcome = calibrate(none_lost, None)
    assert outcome.thresholds is not None
    assert outcome.losses == 0
    assert outcome.p_value <= 0.05


@pytest.mark.parametrize("weighted", [False, True])
def test_a_shifted_mix_breaks_the_certificate_unless_it_is_weighted(
    population: Make, weighted: bool
) -> None:
    # class d is rare among the texts at hand, common later, and hard for the place
    hard = {"risks": (0.3, 0.3, 0.3, 3.0)}
    here, later = (0.32, 0.32, 0.32, 0.04), (0.1, 0.1, 0.1, 0.7)
    mix = dict(zip("abcd", later, strict=True)) if weighted else None
    exceeded = 0
    for seed in range(60):
        trace, truth = population(seed, shares=here, **hard).draw(1500)
        outcome = calibrate(trace, truth, replace(TARGET, mix=mix), seed)
        texts = population(seed + 1000, shares=later, **hard)
        exceeded += true_loss(texts, outcome, labelled=True) > TARGET.max_loss + 0.002
    assert exceeded <= 7 if weighted else exceeded > 30  # 7: 60 * 5 % and 2.4 deviations


def test_foreign_texts_bound_what_leaves_early(population: Make, gated: Place) -> None:
    trace, truth = population(0).draw(3000)
    foreign, _ = population(1).draw(1000)
    free = choose_thresholds([gated], lay_levels([gated], trace), trace, truth, TARGET)
    strict = replace(TARGET, max_slip=0.1)
    levels = lay_levels([gated], trace)
    bound = choose_thresholds([gated], levels, trace, truth, strict, foreign)
    assert free.thresholds is not None and bound.thresholds is not None
    assert bound.thresholds[0] > free.thresholds[0]
    assert bound.slip is not None and bound.slip <= 0.1


def test_harm_bounds_disagreement_as_well(population: Make) -> None:
    for seed in range(20):
        texts = population(seed)
        trace, truth = texts.draw(2000)
        outcome = calibrate(trace, truth, seed=seed)
        assert true_loss(texts, outcome, labelled=False) <= outcome.disagreement_bound + 0.005


def test_an_infinite_threshold_lets_nobody_leave(population: Make) -> None:
    trace, _ = population(0).draw(100)
    assert set(exits_at(trace, np.array([math.inf]))) == {FULL}


def test_a_vetoed_text_never_leaves(population: Make) -> None:
    trace, _ = population(0).draw(100)
    vetoed = replace(trace, vetoed=np.arange(100) < 50)
    leaves = exits_at(vetoed, np.array([-1.0]))
    assert set(leaves[:50]) == {FULL}
    assert set(leaves[50:]) == {0}


def test_the_first_place_that_is_sure_answers(population: Make) -> None:
    trace, _ = population(0).draw(3)
    two = replace(trace, margins=np.array([[1.0, 9.0], [0.0, 9.0], [0.0, 0.0]]))
    assert exits_at(two, np.array([1.0, 5.0])).tolist() == [0, 1, FULL]


def test_levels_do_not_look_at_the_texts_that_test_them(population: Make, gated: Place) -> None:
    trace, _ = population(0).draw(500)
    levels = lay_levels([gated], trace)
    assert (np.diff(levels) > 0).all()
    shares = (
        [
            (exits_at(trace, np.array([gated.gate.threshold(level)])) != FULL).mean()
            for level in levels
        ]
        if gated.gate
        else []
    )
    assert shares[0] == pytest.approx(1 / 500, abs=0.003)
    assert shares[-1] == pytest.approx(1.0, abs=0.01)


def test_a_place_without_use_gives_no_levels(population: Make) -> None:
    trace, _ = population(0).draw(100)
    useless = Place("place", gate=Gate(0.0, -1.0))
    assert len(lay_levels([useless], trace)) == 0
    outcome = choose_thresholds([useless], lay_levels([useless], trace), trace, None, TARGET)
    assert (outcome.thresholds, outcome.p_value) == (None, 1.0)


def test_rows_are_split_once_each() -> None:
    first, second = split_rows(100, 3)
    assert sorted([*first, *second]) == list(range(100))
    assert (len(first), len(second)) == (25, 75)
    assert not np.array_equal(first, split_rows(100, 4)[0])
