"""Which head a state gets, and its scores as probabilities."""

from collections.abc import Sequence

import numpy as np

from edgebert.errors import InputError, LearnError
from edgebert.learn.solve import (
    FEW_SHOTS,
    Doubles,
    Head,
    HeadKind,
    moments_of,
    solve_lda,
    solve_ridge,
)
from edgebert.learn.state import State
from edgebert.results import Label

GCV_WIDTH = 1536  # of 2,000 features GCV takes a second each time, for 0.2 points


def choose_head(state: State, kind: HeadKind | None) -> Head:
    """Solve a head: the asked one, or the one that suits what is known.

    Discriminants are never much worse than ridge and mostly better, so they are the default; how
    far they shrink towards nearest class mean is chosen by GCV where samples are few, else by OAS.

    Raises:
        LearnError: there is no class yet, or no sample for ridge.
    """
    if not state.names:
        raise LearnError("no class yet; add one with `add_class`")
    statistics = state.statistics
    multi = state.setting.multi_label
    if multi and kind not in (None, HeadKind.RIDGE):
        raise LearnError(f"head {kind!r} is for one label a text; multi_label takes ridge")
    if kind is None:
        few = statistics.total < FEW_SHOTS * len(state.names)
        few &= state.setting.features.width <= GCV_WIDTH
        kind = HeadKind.LDA_GCV if few else HeadKind.LDA
        kind = HeadKind.RIDGE if multi else kind
    moments = moments_of(statistics, state.setting.features.scale)
    if kind is HeadKind.RIDGE:
        if statistics.total < 2:
            raise LearnError(f"ridge needs two samples or more, there are {statistics.total}")
        return solve_ridge(moments)
    return solve_lda(moments, kind, *state.described())


def as_kind(head: HeadKind | str | None) -> HeadKind | None:
    """Give the kind of head of a name; None: whichever suits.

    Raises:
        InputError: there is none.
    """
    if head is None:
        return None
    if head not in set(HeadKind):
        raise InputError(f"head is {head!r}; it must be one of: {', '.join(HeadKind)}, or None")
    return HeadKind(head)


def rank_classes(
    probabilities: Doubles, names: Sequence[str], top_k: int | None
) -> list[tuple[Label, ...]]:
    """Give the names of (N, C) probabilities, best first: N rows of top_k, None for all."""
    if top_k == 1:
        best = probabilities.argmax(axis=1)[:, np.newaxis]
    else:
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    return [
        tuple(Label(names[place], float(row[place])) for place in places)
        for row, places in zip(probabilities, best, strict=True)
    ]


def probabilities_of(head: Head, features: Doubles) -> Doubles:
    """Score (N, D) features: (N, C) probabilities.

    Of discriminants they sum to 1; ridge's are estimates of each class on its own, cut to [0, 1].
    """
    scores = head.scores(features)
    if head.kind is HeadKind.RIDGE:
        cut: Doubles = np.clip(scores, 0.0, 1.0)
        return cut
    scores = head.sharpness * (scores - scores.max(axis=1, keepdims=True))
    powers = np.exp(scores)
    probabilities: Doubles = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
