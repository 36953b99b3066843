"""Answer texts by a route and its thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgebert.learn.head import rank_classes
from edgebert.learn.solve import Doubles
from edgebert.results import Floats, Routed
from edgebert.route.certificate import Certificate
from edgebert.route.fitting import first_features
from edgebert.route.full import Seen
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
    found: dict[int, Doubles] = {}
    stage: dict[int, str] = {}
    in_scope: dict[int, float] = {}
    seen: dict[int, float] = {}

    def at_place(number: int, rows: Sequence[int], vectors: Floats) -> Mask:
        place = route.places[number]
        scores, grid = place.see(vectors)
        leaves: Mask = place.margins(scores) >= limits[number]
        if number == 0 and route.first_scope is not None and grid is not None:
            p_values = route.first_scope.p_values(first_features(grid)).tolist()
            in_scope.update(zip(rows, p_values, strict=True))
            seen.update(in_scope)
        leaves &= [in_scope.get(row, 1.0) >= VETO for row in rows]
        if leaves.any():
            some = [row for row, leaving in zip(rows, leaves, strict=True) if leaving]
            found.update(zip(some, place.probabilities(scores[leaves]), strict=True))
            stage.update(dict.fromkeys(some, place.name))
        return ~leaves

    def at_full(rows: Sequence[int], made: Seen) -> None:
        found.update(zip(rows, made.probabilities, strict=True))
        stage.update(dict.fromkeys(rows, FULL_STAGE))
        if route.full_scope is not None and made.features is not None:
            p_values = route.full_scope.p_values(made.features).tolist()
            in_scope.update(zip(rows, p_values, strict=True))
            if thresholds is None:
                seen.update(zip(rows, p_values, strict=True))

    if thresholds is None:
        way, limits = route.bare, np.empty(0)
    else:
        way, limits = route, thresholds
    tokens = way.walk(texts, first, at_place, at_full)
    probabilities = np.array([found[row] for row in range(len(texts))])
    ranked = rank_classes(probabilities, route.full.labels, top_k)
    results = [
        Routed(labels, row.n_tokens, row.truncated, stage[number], in_scope.get(number))
        for number, (labels, row) in enumerate(zip(ranked, tokens, strict=True))
    ]
    return Answered(results, [seen[row] for row in range(len(texts))] if seen else [])


def limits_of(route: Route, certificate: Certificate | None) -> Doubles | None:
    """Give the margin from which each place answers: (P,); None: the full model alone may."""
    if certificate is None or certificate.thresholds is None:
        return None
    return np.array([certificate.thresholds[place.name] for place in route.places])
