"""What a learner can say of itself: from its sums alone, and more where samples are at hand."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgebert.errors import InputError
from edgebert.learn.encoding import encode_state
from edgebert.learn.ledger import fingerprints, require_known
from edgebert.learn.left_out import left_out_lda, left_out_ridge
from edgebert.learn.receipts import Receipt, join_grids
from edgebert.learn.solve import Doubles, Head, HeadKind, class_means, moments_of
from edgebert.learn.state import State, counts_by_name

SHOWN = 10  # pairs of classes


@dataclass(frozen=True, slots=True)
class Pair:
    """Two classes that are hard to tell apart."""

    first: str
    second: str
    value: float  # distance, or how many times the first was taken for the second


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How samples fare with heads that never saw them."""

    samples: int
    accuracy: float
    confused: tuple[Pair, ...]  # most often first: (right, answered, times)


@dataclass(frozen=True, slots=True)
class LearnerReport:
    """What a learner knows and how well."""

    samples: int
    classes: Mapping[str, int]  # samples of each
    features: int
    layers: int
    head: str
    penalty: float
    gcv: float | None  # mean squared error to be expected of 0-or-1 answers, where GCV chose
    nearest: tuple[Pair, ...]  # classes nearest to each other, in standard deviations
    state_bytes: int
    digest: str  # of all that decides a prediction
    left_out: LeftOut | None  # None: no receipts were given


def nearest_pairs(state: State, head: Head, means: Doubles) -> tuple[Pair, ...]:
    """Find the classes nearest to each other, by the distance that the head goes by."""
    if head.kind is HeadKind.RIDGE or len(state.names) < 2:
        return ()
    squares = np.sum(means * head.weights, axis=0)
    found: list[tuple[float, int, int]] = []
    for row in range(len(state.names) - 1):  # one by one: C x C distances may be too many
        later = slice(row + 1, None)
        away = squares[row] + squares[later] - 2 * (means[:, row] @ head.weights[:, later])
        nearest = np.argsort(away, kind="stable")[:SHOWN]
        found += [(float(away[place]), row, row + 1 + int(place)) for place in nearest]
    return tuple(
        Pair(state.names[row], state.names[column], max(square, 0.0) ** 0.5)
        for square, row, column in sorted(found)[:SHOWN]
    )


def leave_out(state: State, head: Head, receipts: Sequence[Receipt]) -> LeftOut:
    """Score learnt samples by the head without each; see `left_out.py`.

    Raises:
        LearnError: a receipt is of a sample that is not known.
    """
    scale = state.setting.features.scale
    moments = moments_of(state.statistics, scale)
    grid = join_grids(receipts, np.empty((0, state.setting.features.raw_width), np.int16))
    require_known(state.ledger, fingerprints([each.labels for each in receipts], grid))
    features = state.values(grid)
    columns = np.array([state.column(each.labels[0]) for each in receipts], np.int64)
    if head.kind is HeadKind.RIDGE:
        targets = np.eye(len(state.names))[columns]
        scores = left_out_ridge(moments, head.penalty, features, targets)
    else:
        scores = left_out_lda(moments, head, *state.described(), features, columns)
    answers = scores.argmax(axis=1)
    wrong = Counter(
        (int(column), int(answer))
        for column, answer in zip(columns, answers, strict=True)
        if column != answer
    )
    confused = tuple(
        Pair(state.names[right], state.names[answer], times)
        for (right, answer), times in wrong.most_common(SHOWN)
    )
    return LeftOut(len(receipts), float(np.mean(answers == columns)), confused)


def make_report(state: State, head: Head, receipts: Sequence[Receipt]) -> LearnerReport:
    """Put a report together.

    Raises:
        InputError: receipts were given of a learner with several labels a text.
    """
    if receipts and state.setting.multi_label:
        raise InputError("leave-one-out is for one label a text; leave receipts out")
    moments = moments_of(state.statistics, state.setting.features.scale)
    return LearnerReport(
        samples=state.statistics.total,
        classes=counts_by_name(state),
        features=state.setting.features.width,
        layers=state.setting.features.layers,
        head=head.kind.value,
        penalty=head.penalty,
        gcv=head.gcv,
        nearest=nearest_pairs(state, head, class_means(moments, *state.described())),
        state_bytes=len(encode_state(state)),
        digest=state.digest(),
        left_out=leave_out(state, head, receipts) if receipts else None,
    )
