"""Fit what stands before the full model to texts, by their labels or by its own answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgebert.learn.features import GRID, Grid
from edgebert.learn.solve import Doubles, moments_of
from edgebert.learn.statistics import Statistics
from edgebert.results import Floats, Ints
from edgebert.route.full import Raw
from edgebert.route.heads import fit_head
from edgebert.route.legs import Leg, Mask, StaticPlace, word_weights
from edgebert.route.places import Place
from edgebert.route.scope import Known, Scope, fit_scope
from edgebert.route.walking import Route
from edgebert.tokens import Tokens

BLOCK = 256  # texts summed up at once: bounds memory


@dataclass(frozen=True, slots=True)
class Collected:
    """What all places and the full model saw of texts. Axes: N texts, P places, C classes."""

    vectors: list[Floats]  # P times (N, H)
    probabilities: Doubles  # (N, C) the full model's; of no text where it was not asked
    features: Doubles | None  # (N, D) a learner's


def collect(route: Route, texts: Sequence[str], *, to_end: bool = True) -> Collected:
    """Take texts through all places and keep what each saw of them.

    Args:
        route: what was built; nothing of it needs to be fitted.
        texts: N of them.
        to_end: whether the full model is asked as well, which takes most of the time.
    """
    vectors: list[dict[int, Floats]] = [{} for _ in route.places]
    full: dict[int, Raw] = {}

    def at_place(place: int, rows: Sequence[int], some: Floats) -> Mask:
        vectors[place].update(zip(rows, some, strict=True))
        return np.full(len(rows), to_end or place < len(route.places) - 1)

    def at_full(rows: Sequence[int], some: Raw) -> None:
        full.update(zip(rows, some, strict=True))

    route.walk(texts, 0, at_place, at_full)
    rows = range(len(texts))
    judged = [
        route.full.judge(np.array([full[row] for row in rows[start : start + BLOCK]]))
        for start in range(0, len(full), BLOCK)
    ]
    features = [seen.features for seen in judged if seen.features is not None]
    return Collected(
        [np.array([of[row] for row in rows], np.float32) for of in vectors],
        np.concatenate([seen.probabilities for seen in judged] or [np.empty((0, 0))]),
        np.concatenate(features) if features else None,
    )


def fit_route(route: Route, texts: Sequence[str], truth: Ints | None) -> Route:
    """Fit word weights, the places that have no head, and what the texts look like.

    Args:
        route: what was built.
        texts: N of them.
        truth: (N,) their classes; None: the full model's answers are taken for them.

    Raises:
        RouteError: too few texts.
        InputError: a text cannot be taken.
    """
    weighted = replace(route, legs=tuple(_weigh_words(leg, texts) for leg in route.legs))
    found = collect(weighted, texts, to_end=truth is None)
    answers = found.probabilities.argmax(axis=1) if truth is None else truth
    classes = len(route.full.labels)
    places = tuple(
        _fit_place(place, vectors, answers, classes, route.seed)
        for place, vectors in zip(route.places, found.vectors, strict=True)
    )
    scope, head = None, places[0].head
    if head is not None:
        grid = head.grid(found.vectors[0])
        scope = Known(_fit_first(grid, answers, classes), np.empty(0))
    return replace(weighted, places=places, first_scope=scope)


def first_features(grid: Grid) -> Floats:
    """Give the features of (N, H) vectors on the grid that the first place's scope goes by."""
    values: Floats = grid * np.float32(1 / GRID)  # exact: a power of two
    return values


def _fit_first(grid: Grid, answers: Ints, classes: int) -> Scope:
    statistics = Statistics.empty(grid.shape[1], classes)
    for start in range(0, len(grid), BLOCK):
        some = slice(start, start + BLOCK)
        statistics.change(1, grid[some].astype(np.float64), np.eye(classes)[answers[some]])
    return fit_scope(moments_of(statistics, GRID)).narrow()


def _weigh_words(leg: Leg, texts: Sequence[str]) -> Leg:
    if leg.static is None:
        return leg
    tokens: list[Tokens] = leg.tokenize(texts, 0)
    weights = word_weights(tokens, leg.engine.manifest.encoder.vocabulary)
    return replace(leg, static=StaticPlace(leg.static.table, weights))


def _fit_place(place: Place, vectors: Floats, answers: Ints, classes: int, seed: int) -> Place:
    if place.fitted:
        return place
    return replace(place, head=fit_head(vectors, answers, classes, seed))
