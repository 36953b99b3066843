"""Calibrate a route: curves and levels on one part of the texts, the certificate on the other."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from edgebert.errors import RouteError
from edgebert.learn.features import Grid
from edgebert.learn.ledger import fingerprints
from edgebert.learn.solve import Doubles
from edgebert.results import Ints
from edgebert.route.answering import FULL_STAGE, VETO, answer
from edgebert.route.calibration import (
    FULL,
    GATE_SHARE,
    Mask,
    Outcome,
    Target,
    Trace,
    choose_thresholds,
    describe_loss,
    fit_places,
    lay_levels,
    split_rows,
)
from edgebert.route.certificate import ASSUMPTION, WEIGHTED, Certificate
from edgebert.route.fitting import Collected, collect, first_features
from edgebert.route.full import scope_of
from edgebert.route.risk import samples_needed
from edgebert.route.scope import Known
from edgebert.route.walking import Route

TIMED = 200  # texts timed one at a time, by the cascade and in full
PROBED = 300  # texts looked up in a learner's ledger
MOST_KNOWN = 0.02  # of them: sets hold doubles


@dataclass(frozen=True, slots=True)
class Request:
    """What a calibration is asked for."""

    texts: Sequence[str]
    truth: Ints | None
    foreign: Sequence[str]
    target: Target
    seed: int
    share: float = 1.0  # of the texts given that came here; others fitted heads
    even_if_slower: bool = False


def certify(route: Route, request: Request) -> tuple[Route, Certificate]:
    """Fit a route's curves and test how far it may answer early.

    Raises:
        RouteError: too few texts, or the learner has learnt them.
        InputError: a text cannot be taken.
    """
    refuse_learnt(route, request)
    return certify_collected(route, request, collect(route, request.texts))


def certify_collected(
    route: Route, request: Request, found: Collected
) -> tuple[Route, Certificate]:
    """Do the same from what the places and the full model saw of the texts."""
    first, second = split_rows(len(request.texts), request.seed)
    if not len(first) or not len(second):
        raise RouteError(f"{len(request.texts)} texts to calibrate on; give hundreds at least")
    route = _measure_scopes(route, found, first, second)
    trace, truth = trace_of(route, found), request.truth
    places = fit_places(route.places, trace.some(first), None if truth is None else truth[first])
    route = replace(route, places=tuple(places))
    foreign = None
    if request.foreign:
        foreign = trace_of(route, collect(route, request.foreign))
    outcome = choose_thresholds(
        places,
        lay_levels(places, trace.some(first)),
        trace.some(second),
        None if truth is None else truth[second],
        request.target,
        foreign,
    )
    return route, _certificate(route, request, trace, second, outcome)


def trace_of(route: Route, found: Collected) -> Trace:
    """Work out what each place would answer."""
    seen = [place.see(some) for place, some in zip(route.places, found.vectors, strict=True)]
    scores, grid = [each for each, _ in seen], seen[0][1]
    margins = [place.margins(some) for place, some in zip(route.places, scores, strict=True)]
    return Trace(
        scores,
        np.array([some.argmax(axis=1) for some in scores]).T,
        np.array(margins, np.float64).T,
        _vetoed(route, grid, len(found.probabilities)),
        found.probabilities.argmax(axis=1),
    )


def _vetoed(route: Route, grid: Grid | None, count: int) -> Mask:
    if route.first_scope is None or grid is None:
        return np.zeros(count, bool)
    vetoed: Mask = route.first_scope.p_values(first_features(grid)) < VETO
    return vetoed


def _measure_scopes(route: Route, found: Collected, rows: Ints, others: Ints) -> Route:
    """Take these texts' distances as those of texts that belong.

    At the first place, where they decide who is looked at more closely, those of `rows` alone: the
    rest is for the certificate. What the full model's say decides nothing here; theirs are scaled
    by `rows` and taken from the `others`.
    """
    first, full, head = route.first_scope, scope_of(route.full), route.places[0].head
    if first is not None and head is not None:
        features = first_features(head.grid(found.vectors[0][rows]))
        first = replace(first, distances=np.sort(first.scope.distances(features)))
    known = None
    if full is not None and found.features is not None:
        full = full.scaled(found.features[rows])
        known = Known(full, np.sort(full.distances(found.features[others])))
    return replace(route, first_scope=first, full_scope=known)


def refuse_learnt(route: Route, request: Request) -> None:
    """Refuse texts that the learner has learnt: on them it is better than it is.

    Raises:
        RouteError: too many of them are in its ledger.
    """
    learner = route.full.learner
    if learner is None:
        return
    rows = np.random.default_rng(request.seed).permutation(len(request.texts))[:PROBED]
    texts = [request.texts[row] for row in rows]
    grid = learner.encoder.grids(texts)
    if request.truth is None:
        labels = [(each.label,) for each in learner.predict(texts)]
    else:
        labels = [(route.full.labels[request.truth[row]],) for row in rows]
    known = int(np.isin(fingerprints(labels, grid), learner.state.ledger).sum())
    if known > MOST_KNOWN * len(rows):
        raise RouteError(
            f"{known} of {len(rows)} texts looked at were learnt by the learner; a certificate "
            "needs texts that it has not seen: keep some apart (`edgebert data split`)"
        )


def _certificate(
    route: Route,
    request: Request,
    trace: Trace,
    rows: Ints,
    outcome: Outcome,
) -> Certificate:
    target, truth = request.target, request.truth
    leaves = outcome.exits
    names = [place.name for place in route.places]
    stages = {name: float((leaves == number).mean()) for number, name in enumerate(names)}
    answers = np.where(leaves == FULL, trace.full[rows], trace.answers[rows, np.maximum(leaves, 0)])
    right = None if truth is None else (answers == truth[rows])
    full_ms, cascade_ms = _time(route, [request.texts[row] for row in rows], outcome.thresholds)
    return Certificate(
        loss=describe_loss(truth),
        max_loss=target.max_loss,
        confidence=target.confidence,
        thresholds=None
        if outcome.thresholds is None
        else dict(zip(names, outcome.thresholds.tolist(), strict=True)),
        samples=outcome.samples,
        needed=math.ceil(
            samples_needed(target.max_loss, target.confidence) / (1 - GATE_SHARE) / request.share
        ),
        losses=outcome.losses,
        p_value=outcome.p_value,
        disagreement_bound=outcome.disagreement_bound,
        early=float((leaves != FULL).mean()),
        stages=stages | {FULL_STAGE: float((leaves == FULL).mean())},
        accuracy=None if right is None else float(right.mean()),
        full_accuracy=None if truth is None else float((trace.full[rows] == truth[rows]).mean()),
        slip=outcome.slip,
        full_ms=full_ms,
        cascade_ms=cascade_ms,
        even_if_slower=request.even_if_slower,
        assumption=ASSUMPTION + (WEIGHTED if target.mix is not None else ""),
        identity=route.full.identity,
    )


def _time(route: Route, texts: Sequence[str], thresholds: Doubles | None) -> tuple[float, float]:
    """Time texts one at a time, in full and by the cascade in turns: mean milliseconds of each."""
    chosen = texts[:TIMED]
    taken: tuple[list[float], list[float]] = ([], [])
    for text in (*chosen[:10], *chosen):  # the first ten warm up
        for place, limits in enumerate((None, thresholds)):
            begun = time.perf_counter()
            answer(route, [text], 0, limits, top_k=1)
            taken[place].append(1000 * (time.perf_counter() - begun))
    return fmean(taken[0][10:]), fmean(taken[1][10:])
