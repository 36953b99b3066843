"""From what every place would answer to a level that is certified (Learn then Test).

The texts are split once: on one part curves are fitted and the levels laid down, on the other,
not looked at before, the levels are tested from strict to loose. Only the second part counts.

Source: Angelopoulos et al. 2021, arXiv 2110.01052, fixed sequence testing.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgebert.learn.solve import Doubles
from edgebert.results import Floats, Ints
from edgebert.route.certificate import Loss
from edgebert.route.gate import NEVER, fit_gate
from edgebert.route.places import Place, fit_sharpness
from edgebert.route.risk import (
    binomial_p_value,
    bounded_p_value,
    choose_level,
    class_weights,
    upper_bound,
)

Mask = NDArray[np.bool_]
GATE_SHARE = (
    0.25  # of the texts: curves have two numbers a place, the certificate is the hungry one
)
LEVELS = 100  # at most; more find the last share of speed, and cost nothing but their test
FULL = -1  # the place of rows that no early place answers


@dataclass(frozen=True, slots=True)
class Trace:
    """What each place would answer, had it to. Axes: N texts, P places, C classes."""

    scores: Sequence[Floats]  # P times (N, C)
    answers: Ints  # (N, P)
    margins: Doubles  # (N, P)
    vetoed: Mask  # (N,) looks foreign: no place may answer
    full: Ints  # (N,) the full model's answer

    def some(self, rows: Ints) -> "Trace":
        """Take some of the texts."""
        return Trace(
            [scores[rows] for scores in self.scores],
            self.answers[rows],
            self.margins[rows],
            self.vetoed[rows],
            self.full[rows],
        )


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be certified."""

    max_loss: float
    confidence: float
    mix: Mapping[str, float] | None = None  # how often each class will come; None: as it did here
    names: tuple[str, ...] = ()  # of the classes
    max_slip: float = 1.0  # share of foreign texts that may be answered early


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the test came to."""

    thresholds: Doubles | None  # (P,) margins; None: nothing passed
    p_value: float  # at that level; at the strictest where none passed
    losses: int
    samples: int
    disagreement_bound: float
    exits: Ints  # (N,) the place that answers each text, or FULL
    slip: float | None  # share of foreign texts answered early; None: none were given


@dataclass(frozen=True, slots=True)
class _Tried:
    """What a level came to."""

    limits: Doubles  # (P,)
    exits: Ints  # (N,)
    losses: int
    p_value: float
    slip: float | None


def split_rows(count: int, seed: int, share: float = GATE_SHARE) -> tuple[Ints, Ints]:
    """Divide texts at random: (first part of this share, the rest)."""
    order = np.random.default_rng(seed).permutation(count)
    cut = int(count * share)
    return np.sort(order[:cut]), np.sort(order[cut:])


def losses_of(trace: Trace, truth: Ints | None) -> Mask:
    """Tell of every text and place whether answering there would be a loss: (N, P)."""
    full = trace.full[:, None]
    lost: Mask = trace.answers != full
    if truth is not None:
        lost = (trace.answers != truth[:, None]) & (full == truth[:, None])
    return lost


def fit_gates(places: Sequence[Place], trace: Trace, truth: Ints | None) -> list[Place]:
    """Fit each place's curve of risk."""
    lost = losses_of(trace, truth)
    return [
        replace(place, gate=fit_gate(trace.margins[:, number], lost[:, number]))
        for number, place in enumerate(places)
    ]


def fit_places(places: Sequence[Place], trace: Trace, truth: Ints | None) -> list[Place]:
    """Fit each place's curve of risk, and how sharp its probabilities are."""
    return [
        replace(place, sharpness=fit_sharpness(scores.astype(np.float64) / place.unit, trace.full))
        for place, scores in zip(fit_gates(places, trace, truth), trace.scores, strict=True)
    ]


def thresholds_at(places: Sequence[Place], level: float) -> Doubles:
    """Give the margin from which each place answers at a level of risk: (P,), or infinity."""
    gates = [place.gate for place in places]
    return np.array([math.inf if gate is None else gate.threshold(level) for gate in gates])


def exits_at(trace: Trace, thresholds: Doubles) -> Ints:
    """Give the first place whose margin is enough, or FULL: (N,)."""
    allowed = (trace.margins >= thresholds) & ~trace.vetoed[:, None]
    first: Ints = np.where(allowed.any(axis=1), allowed.argmax(axis=1), FULL)
    return first


def lay_levels(places: Sequence[Place], trace: Trace) -> Doubles:
    """Lay levels of risk, strict to loose; each lets about one in LEVELS texts more leave early."""
    risks = np.full(len(trace.full), NEVER)
    for number, place in enumerate(places):
        if place.gate is not None:
            risks = np.minimum(risks, place.gate.risk(trace.margins[:, number]))
    least = np.sort(risks[(risks < NEVER) & ~trace.vetoed])
    steps = np.unique(np.linspace(0, len(least) - 1, min(LEVELS, len(least))).astype(int))
    levels: Doubles = np.unique(least[steps])
    return levels


def choose_thresholds(
    places: Sequence[Place],
    levels: Doubles,
    trace: Trace,
    truth: Ints | None,
    target: Target,
    foreign: Trace | None = None,
) -> Outcome:
    """Test levels in order and take the last before the first that fails.

    Args:
        places: with their curves.
        levels: laid down without a look at these texts.
        trace: of these texts.
        truth: (N,) their classes; None: the loss is disagreement.
        target: what is to be shown.
        foreign: of texts that belong to no class, where early answers are bounded too.
    """
    lost, rows = losses_of(trace, truth), np.arange(len(trace.full))
    p_value_of = _test(trace, truth, target)
    tried: list[_Tried] = []

    def p_values() -> Iterator[float]:
        for level in levels:
            limits = thresholds_at(places, float(level))
            leaves = exits_at(trace, limits)
            losses = (leaves != FULL) & lost[rows, leaves]
            p_value, slip = p_value_of(losses, target.max_loss), None
            if foreign is not None:
                count, gone = len(foreign.full), int((exits_at(foreign, limits) != FULL).sum())
                p_value = max(p_value, binomial_p_value(gone, count, target.max_slip))
                slip = gone / count
            tried.append(_Tried(limits, leaves, int(losses.sum()), p_value, slip))
            yield p_value

    chosen = choose_level(p_values(), 1 - target.confidence)  # asks for none after a failure
    if chosen is None:
        return Outcome(
            thresholds=None,
            p_value=tried[0].p_value if tried else 1.0,
            losses=tried[0].losses if tried else 0,
            samples=len(rows),
            disagreement_bound=0.0,
            exits=np.full(len(rows), FULL),
            slip=None,
        )
    best = tried[chosen]
    bound = target.max_loss
    if truth is not None:  # of all levels at once, since this one was chosen on the same texts
        differ = (best.exits != FULL) & losses_of(trace, None)[rows, best.exits]
        each = 1 - (1 - target.confidence) / len(levels)
        bound = upper_bound(lambda rate: p_value_of(differ, rate), each)
    return Outcome(
        thresholds=best.limits,
        p_value=best.p_value,
        losses=best.losses,
        samples=len(rows),
        disagreement_bound=bound,
        exits=best.exits,
        slip=best.slip,
    )


def _test(trace: Trace, truth: Ints | None, target: Target) -> Callable[[Mask, float], float]:
    """Give the p-value of "more texts than this share are lost", of (N,) texts lost or not."""
    if target.mix is None:
        return lambda lost, rate: binomial_p_value(int(lost.sum()), len(lost), rate)
    of = trace.full if truth is None else truth
    weights = class_weights([target.names[place] for place in of], target.mix)
    return lambda lost, rate: bounded_p_value(weights.values * lost, rate, weights.bound)


def describe_loss(truth: Ints | None) -> Loss:
    """Say what is counted."""
    return Loss.DISAGREEMENT if truth is None else Loss.HARM
