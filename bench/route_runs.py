"""The measurements of `bench.route`: one cascade, calibrated in several ways and tested.

Accuracy and shares come of what each place said of each text, kept once; times of answering texts
one at a time, from strings, in turns with the full model alone.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from bench.route_data import Routes
from edgebert import Cascade, Learner
from edgebert.learn.features import Tier
from edgebert.route.answering import FULL_STAGE, VETO
from edgebert.route.calibration import (
    FULL,
    Target,
    Trace,
    choose_thresholds,
    exits_at,
    fit_gates,
    lay_levels,
    losses_of,
    split_rows,
    thresholds_at,
)
from edgebert.route.certificate import Loss
from edgebert.route.certify import trace_of
from edgebert.route.fitting import collect
from edgebert.route.places import Place

RISKS = (0.005, 0.01, 0.02)
RISK, CONFIDENCE = 0.01, 0.95
SPLITS = 300  # random divisions of the texts into calibration and test
TIMED = 1000  # texts answered one at a time
TURN = 50  # of them by one way before the other has its turn
SIZES = (1, 8, 32, 256, 2000)  # texts in a call
POINTS = 12  # of a curve
Figures = dict[str, Any]


@dataclass(frozen=True)
class Built:
    """A cascade whose stages are fitted, and what they say of the texts to test on."""

    routes: Routes
    cascade: Cascade
    trace: Trace  # of calibration and test, in that order, places without curves
    truth: np.ndarray  # (N,) of the same

    @property
    def calibrating(self) -> int:
        """How many of them calibrate."""
        return len(self.routes.calibration)


def build(bundle: Path, routes: Routes, stages: Sequence[str | int]) -> Built:
    """Learn the texts to fit on, put stages before the learner, and take the others through."""
    learner = Learner.create(bundle, tier=Tier.BASE)
    texts, labels = _columns(routes.fit)
    learner.learn(texts, labels, new_classes=True)
    cascade = Cascade.build(learner, list(stages), texts=texts, labels=labels, audit_rate=0.0)
    rest, truth = _columns([*routes.calibration, *routes.test])
    names = {name: place for place, name in enumerate(learner.classes)}
    # the places' own veto needs a calibration; what it does is measured with the thresholds
    _calibrate(cascade, routes, RISK, Loss.DISAGREEMENT)
    trace = trace_of(cascade._route, collect(cascade._route, rest))
    return Built(routes, cascade, trace, np.array([names[label] for label in truth]))


def _columns(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [text for text, _ in pairs], [label for _, label in pairs]


def _calibrate(cascade: Cascade, routes: Routes, risk: float, loss: Loss) -> None:
    texts, labels = _columns(routes.calibration)
    given = labels if loss is Loss.HARM else None
    cascade.calibrate(texts, given, max_harm=risk, confidence=CONFIDENCE, even_if_slower=True)


def score(built: Built) -> Figures:
    """Certify by each loss at each risk, and see what comes of it on the test."""
    test = np.arange(built.calibrating, len(built.truth))
    trace, truth = built.trace.some(test), built.truth[test]
    places = built.cascade._route.places
    found: Figures = {
        "fit": len(built.routes.fit),
        "calibration": built.calibrating,
        "test": len(test),
        "full_accuracy": _percent(trace.full == truth),
        "stage_accuracy": {
            place.name: _percent(trace.answers[:, number] == truth)
            for number, place in enumerate(places)
        },
    }
    for loss in Loss:
        for risk in RISKS:
            limits = _certified(built, np.arange(built.calibrating), 0, loss, risk)
            found[f"{loss} {risk:g}"] = {
                "certified": limits is not None,
                **_outcome(trace, truth, _never(places) if limits is None else limits, places),
            }
    return found


def _certified(
    built: Built, given: np.ndarray, seed: int, loss: Loss, risk: float
) -> np.ndarray | None:
    """Do what `Cascade.calibrate` does with these rows; None where nothing can be certified."""
    first, second = (given[some] for some in split_rows(len(given), seed))
    truth = built.truth if loss is Loss.HARM else None
    gates = fit_gates(
        built.cascade._route.places,
        built.trace.some(first),
        None if truth is None else truth[first],
    )
    return choose_thresholds(
        gates,
        lay_levels(gates, built.trace.some(first)),
        built.trace.some(second),
        None if truth is None else truth[second],
        Target(risk, CONFIDENCE),
    ).thresholds


def _never(places: Sequence[Place]) -> np.ndarray:
    return np.full(len(places), math.inf)


def _outcome(
    trace: Trace, truth: np.ndarray, limits: np.ndarray, places: Sequence[Place]
) -> Figures:
    exits, rows = exits_at(trace, limits), np.arange(len(truth))
    early = exits != FULL
    answers = np.where(early, trace.answers[rows, exits], trace.full)
    return {
        "accuracy": _percent(answers == truth),
        "early": _percent(early),
        "stages": {place.name: _percent(exits == row) for row, place in enumerate(places)},
        "harm": _percent(early & losses_of(trace, truth)[rows, exits]),
        "disagreement": _percent(early & losses_of(trace, None)[rows, exits]),
    }


def _percent(values: np.ndarray) -> float:
    return round(100 * float(np.mean(values)), 3)


def measure_times(built: Built) -> Figures:
    """Answer texts of the test one at a time, some in full and the same by the cascade, in turns.

    Not text by text: each way would find the processor's caches full of the other's matrices.
    """
    found = {}
    for loss in Loss:
        _calibrate(built.cascade, built.routes, RISK, loss)
        full = Cascade.build(built.cascade._full.learner, ["static"])  # not calibrated: in full
        texts = [text for text, _ in built.routes.test[:TIMED]]
        taken: dict[str, list[float]] = {"full": [], "cascade": []}
        stages: dict[str, list[int]] = {}  # which of the texts
        for start in range(0, len(texts), TURN):
            for name, way in (("full", full), ("cascade", built.cascade)):
                for text in texts[start : start + TURN]:
                    begun = time.perf_counter()
                    [result] = way.classify([text])
                    taken[name].append(1000 * (time.perf_counter() - begun))
                    if name == "cascade":
                        stages.setdefault(result.stage, []).append(len(taken[name]) - 1)
        certificate = built.cascade.certificate
        found[loss.value] = {
            "texts": len(texts),
            **{f"{name}_ms": _times(values) for name, values in taken.items()},
            "stage_ms": {name: _mean(taken["cascade"], rows) for name, rows in stages.items()},
            # what goes all the way, by the cascade and alone
            "escalated_ms": {name: _mean(taken[name], stages[FULL_STAGE]) for name in taken},
            "mean_gain": round(fmean(taken["full"]) / fmean(taken["cascade"]), 3),
            "median_gain": round(median(taken["full"]) / median(taken["cascade"]), 3),
            "said_worth_it": certificate is not None
            and replace(certificate, even_if_slower=False).worth_it,
        }
    return found


def _mean(values: Sequence[float], rows: Sequence[int]) -> float:
    return round(fmean(values[row] for row in rows), 4)


def _times(values: Sequence[float]) -> dict[str, float]:
    return {
        "mean": round(fmean(values), 4),
        "p50": round(median(values), 4),
        "p95": round(float(np.quantile(values, 0.95)), 4),
    }


def sample_curve(built: Built) -> list[Figures]:
    """Give accuracy against early answers at levels of risk, none of them certified."""
    rows = np.arange(built.calibrating)
    first, _ = split_rows(len(rows), 0)
    places, before = built.cascade._route.places, built.trace.some(rows[first])
    gated = fit_gates(places, before, built.truth[rows[first]])
    test = np.arange(built.calibrating, len(built.truth))
    trace, truth = built.trace.some(test), built.truth[test]
    levels = lay_levels(gated, before)
    chosen = levels[np.unique(np.linspace(0, len(levels) - 1, POINTS).astype(int))]
    limits = [thresholds_at(gated, float(level)) for level in chosen]
    return [_outcome(trace, truth, each, gated) for each in limits]


def divide_often(built: Built) -> Figures:
    """Divide all texts at random many times, certify on one part and count on the other.

    Returns:
        By loss and risk the percent of divisions where more were lost than certified.
    """
    found = {}
    for loss in Loss:
        for risk in RISKS:
            broken, certified = 0, 0
            for seed in range(SPLITS):
                rate = _one_split(built, seed, loss, risk)
                certified += rate is not None
                broken += rate is not None and rate > risk
            found[f"{loss} {risk:g}"] = {
                "certified": round(100 * certified / SPLITS, 2),
                "broken": round(100 * broken / SPLITS, 2),
            }
    return found


def _one_split(built: Built, seed: int, loss: Loss, risk: float) -> float | None:
    """Give the share lost on the test part; None where nothing was certified."""
    order = np.random.default_rng(seed).permutation(len(built.truth))
    given, test = order[: built.calibrating], order[built.calibrating :]
    limits = _certified(built, given, seed, loss, risk)
    if limits is None:
        return None
    some, truth = built.trace.some(test), built.truth[test] if loss is Loss.HARM else None
    exits, rows = exits_at(some, limits), np.arange(len(test))
    return float(((exits != FULL) & losses_of(some, truth)[rows, exits]).mean())


def measure_batches(built: Built) -> Figures:
    """Time calls of several texts, in full and by the cascade in turns: texts a second."""
    _calibrate(built.cascade, built.routes, RISK, Loss.DISAGREEMENT)
    full = Cascade.build(built.cascade._full.learner, ["static"])
    texts = [text for text, _ in built.routes.test[:2000]]
    found = {}
    for size in SIZES:
        taken: dict[str, list[float]] = {"full": [], "cascade": []}
        for _ in range(3):
            for name, way in (("full", full), ("cascade", built.cascade)):
                begun = time.perf_counter()
                for start in range(0, len(texts), size):
                    way.classify(texts[start : start + size])
                taken[name].append(len(texts) / (time.perf_counter() - begun))
        found[str(size)] = {name: round(median(rates), 1) for name, rates in taken.items()}
    return found


def measure_scope(built: Built) -> Figures:
    """Tell foreign texts from those of the test, by what the full model says of both."""
    _calibrate(built.cascade, built.routes, RISK, Loss.DISAGREEMENT)
    known = built.cascade._route.full_scope
    if known is None:
        raise TypeError("the full model knows no scope")
    own, foreign = (
        _features(built.cascade, texts)
        for texts in ([text for text, _ in built.routes.test], built.routes.foreign)
    )
    early = built.cascade.classify(built.routes.foreign)
    return {
        "auroc": round(100 * _auroc(known.scope.distances(foreign), known.scope.distances(own)), 2),
        "rejected_in_scope": _percent(known.p_values(own) <= VETO),
        "recall_out_of_scope": _percent(known.p_values(foreign) <= VETO),
        "foreign_early": _percent(np.array([each.stage != FULL_STAGE for each in early])),
    }


def _features(cascade: Cascade, texts: Sequence[str]) -> np.ndarray:
    """Give the full model's features of each text: (N, D)."""
    features = collect(cascade._route.bare, texts).features
    if features is None:
        raise TypeError("the full model is no learner")
    return np.asarray(features)


def _auroc(foreign: np.ndarray, own: np.ndarray) -> float:
    """Give the chance that a foreign text is the farther one; ties count half."""
    ordered = np.sort(own)
    below = np.searchsorted(ordered, foreign, "left")
    up_to = np.searchsorted(ordered, foreign, "right")
    return float((below + up_to).mean() / 2 / len(own))
