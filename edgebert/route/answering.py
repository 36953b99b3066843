"""Answer texts by a route and its thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgebert.learn.head import rank_classes
from edgebert.learn.solve import Doubles
from edgebert.results import Floats, Routed
from edgebert.route.certificate import Certificate
from edgebert.route.fitting import first_features
from edgebert.route.full import Raw
from edgebert.route.legs import Mask
from edgebert.route.walking import Route

FULL_STAGE = "full"
VETO = 0.05  # texts more foreign than this share of those that belong go to the full model


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of N texts."""

    results: list[Routed]
    # p-values that are even between 0 and 1 of texts as they were: of all texts at one place, and
    # so not always those of the results; empty where they are not known
    evidence: list[float]


@dataclass(frozen=True, slots=True)
class _Made:
    """What is known so far of N texts."""

    probabilities: list[Doubles | None]  # (C,) each
    stages: list[str]
    in_scope: list[float | None]

    @classmethod
    def nothing(cls, count: int) -> "_Made":
        return cls([None] * count, [FULL_STAGE] * count, [None] * count)

    def put(self, rows: Sequence[int], probabilities: Doubles, stage: str) -> None:
        for row, mine in zip(rows, probabilities, strict=True):
            self.probabilities[row], self.stages[row] = mine, stage

    def put_scope(self, rows: Sequence[int], p_values: Doubles) -> None:
        for row, p_value in zip(rows, p_values.tolist(), strict=True):
            self.in_scope[row] = p_value

    def known(self) -> list[float]:
        return [p_value for p_value in self.in_scope if p_value is not None]


def answer(
    route: Route,
    texts: Sequence[str],
    first: int,
    thresholds: Doubles | None,
    *,
    top_k: int | None,
) -> Answered:
    """Answer N texts.

    Args:
        route: calibrated.
        texts: N of them.
        first: the caller's number of the first, for messages.
        thresholds: (P,) the margin from which each place answers; None: the full model alone does.
        top_k: how many labels each result holds; None: all.
    """
    made = _Made.nothing(len(texts))
    belongs = np.ones(len(texts), bool)
    ends: list[tuple[Sequence[int], Raw]] = []
    way, limits = (route.bare, np.empty(0)) if thresholds is None else (route, thresholds)

    def at_place(number: int, rows: Sequence[int], vectors: Floats) -> Mask:
        place, here = route.places[number], list(rows)
        near = belongs[here]
        if number and (limits[number] == np.inf or not near.any()):
            return np.ones(len(here), bool)  # none of them can be answered here
        scores, grid = place.see(vectors)
        if number == 0 and route.first_scope is not None and grid is not None:
            p_values = route.first_scope.p_values(first_features(grid))
            belongs[here] = near = p_values >= VETO
            made.put_scope(here, p_values)
        leaves: Mask = (place.margins(scores) >= limits[number]) & near
        if leaves.any():
            gone = [row for row, leaving in zip(here, leaves, strict=True) if leaving]
            made.put(gone, place.probabilities(scores[leaves]), place.name)
        return ~leaves

    def at_full(rows: Sequence[int], raw: Raw) -> None:
        ends.append((rows, raw))

    tokens = way.walk(texts, first, at_place, at_full)
    evidence = made.known()
    if ends:
        _judge(route, ends, made)
    if thresholds is None:
        evidence = made.known()
    ranked = rank_classes(np.array(made.probabilities), route.full.labels, top_k)
    results = [
        Routed(labels, row.n_tokens, row.truncated, name, p_value)
        for labels, row, name, p_value in zip(
            ranked, tokens, made.stages, made.in_scope, strict=True
        )
    ]
    return Answered(results, evidence)


def _judge(route: Route, ends: Sequence[tuple[Sequence[int], Raw]], made: _Made) -> None:
    """Let the full model answer the rows that came to its end, all at once."""
    rows = [row for some, _ in ends for row in some]
    seen = route.full.judge(np.concatenate([raw for _, raw in ends]))
    made.put(rows, seen.probabilities, FULL_STAGE)
    if route.full_scope is not None and seen.features is not None:
        made.put_scope(rows, route.full_scope.p_values(seen.features))


def limits_of(route: Route, certificate: Certificate | None) -> Doubles | None:
    """Give the margin from which each place answers: (P,); None: the full model alone may."""
    if certificate is None or certificate.thresholds is None:
        return None
    return np.array([certificate.thresholds[place.name] for place in route.places])
