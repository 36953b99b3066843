"""Learners without their encoder, on texts that are embedded already."""

from collections.abc import Sequence

import numpy as np

from bench.learn_data import Intents
from edgebert.learn.features import FeatureMap, Tier
from edgebert.learn.head import choose_head
from edgebert.learn.planning import phrase_of
from edgebert.learn.state import AddClass, Learn, Setting, State

HIDDEN = 384
MAPS = {
    Tier.TINY: FeatureMap(1, HIDDEN, 0, 0),
    Tier.SMALL: FeatureMap(3, HIDDEN, 0, 0),
    Tier.BASE: FeatureMap(3, HIDDEN, 2000, 0),
}


def new_state(features: FeatureMap) -> State:
    """Make a learner's state without its encoder."""
    return State.new(
        Setting(learner="bench", encoder="", features=features, prompt=None, multi_label=False)
    )


def learn(state: State, data: Intents, rows: Sequence[int]) -> None:
    """Learn rows of the training texts, their classes first."""
    width = state.setting.features.raw_width
    add_classes(state, data, sorted({data.train_labels[row] for row in rows} - set(state.names)))
    if len(rows):
        labels = tuple((data.train_labels[row],) for row in rows)
        state.apply(Learn(labels, data.train[rows, :width]))


def add_classes(state: State, data: Intents, names: Sequence[str]) -> None:
    """Add classes with the words of their names as descriptions."""
    width = state.setting.features.raw_width
    for name in names:
        grid = data.names[data.classes.index(name)][:width]
        state.apply(AddClass(name, phrase_of(name), grid))


def accuracy(state: State, data: Intents, rows: Sequence[int]) -> float:
    """Give the accuracy on rows of the test texts, in percent."""
    return 100 * float(np.mean([*hits(state, data, rows).values()]))


def hits(state: State, data: Intents, rows: Sequence[int]) -> dict[int, bool]:
    """Say of each row of the test texts whether it is answered rightly."""
    values = state.values(data.test[rows, : state.setting.features.raw_width])
    answers = choose_head(state, None).scores(values).argmax(axis=1)
    return {
        row: state.names[answer] == data.test_labels[row]
        for row, answer in zip(rows, answers, strict=True)
    }
