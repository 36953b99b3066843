"""Ways to learn the same intents, measured: the learner round by round, and what it is set beside.

All learn from the same embeddings. Pure of files: what it takes is `learn_data.Intents`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.learn_data import Intents, rows_of
from bench.learn_states import HIDDEN, MAPS, hits, learn, new_state
from edgebert.learn.encoding import encode_state
from edgebert.learn.features import Tier
from edgebert.learn.solve import Doubles

EPOCHS = 10  # of the softmax baselines
RATE = 10.0  # their step; 2 instead: all at once 90.1 % on Banking77, not 92.1


class Rounds:
    """Figures of class-incremental learning: what each round leaves of the ones before."""

    def __init__(self, data: Intents) -> None:
        self.data = data
        self.curve: list[float] = []
        self.first: list[float] = []
        self.last: list[float] = []

    def after(self, number: int, answer: Callable[[list[int]], dict[int, bool]]) -> None:
        """Test all classes seen so far."""
        seen = [rows_of(self.data.test_labels, names) for names in self.data.rounds[: number + 1]]
        found = answer([row for rows in seen for row in rows])
        shares = [100 * float(np.mean([found[row] for row in rows])) for rows in seen]
        self.curve.append(100 * float(np.mean([*found.values()])))
        self.first.append(shares[-1])
        self.last = shares

    @property
    def figures(self) -> dict[str, Any]:
        """Final accuracy, mean over rounds, and the mean loss of the rounds before the last."""
        lost = [a - b for a, b in zip(self.first[:-1], self.last[:-1], strict=True)]
        return {
            "final": round(self.curve[-1], 2),
            "average": round(float(np.mean(self.curve)), 2),
            "forgetting": round(float(np.mean(lost)), 2),
            "curve": [round(value, 2) for value in self.curve],
        }


def run_learner(data: Intents, tier: Tier) -> dict[str, Any]:
    """Learn round by round, and once more at one go."""
    state, rounds = new_state(MAPS[tier]), Rounds(data)
    for number, names in enumerate(data.rounds):
        learn(state, data, rows_of(data.train_labels, names))
        rounds.after(number, lambda rows: hits(state, data, rows))
    joint = new_state(MAPS[tier])
    order = np.random.default_rng(0).permutation(len(data.train_labels)).tolist()
    learn(joint, data, order)
    same = joint.digest() == state.digest()
    size = round(len(encode_state(state)) / 1e6, 2)
    return rounds.figures | {"state_mb": size, "same_bits_as_joint": same}


def run_softmax(data: Intents) -> Rounds:
    """Train a softmax layer by plain gradient descent, each round on its own texts alone."""
    weights, rounds = np.zeros((HIDDEN + 1, len(data.classes))), Rounds(data)
    for number, names in enumerate(data.rounds):
        descend(weights, data, rows_of(data.train_labels, names))
        rounds.after(number, lambda rows: softmax_hits(weights, data, rows))
    return rounds


def joint_softmax(data: Intents) -> float:
    """Give the accuracy of the same softmax layer trained on all texts at once."""
    weights = np.zeros((HIDDEN + 1, len(data.classes)))
    descend(weights, data, range(len(data.train_labels)))
    found = softmax_hits(weights, data, range(len(data.test_labels)))
    return round(100 * float(np.mean([*found.values()])), 2)


def descend(weights: Doubles, data: Intents, rows: Sequence[int]) -> None:
    """Take EPOCHS of steps of 32 texts."""
    rng = np.random.default_rng(0)
    features = with_one(data.train[rows, :HIDDEN])
    columns = np.array([data.classes.index(data.train_labels[row]) for row in rows])
    for _ in range(EPOCHS):
        for some in np.array_split(rng.permutation(len(rows)), max(1, len(rows) // 32)):
            scores = features[some] @ weights
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            powers /= powers.sum(axis=1, keepdims=True)
            powers[np.arange(len(some)), columns[some]] -= 1
            weights -= RATE * features[some].T @ powers / len(some)


def with_one(grid: np.ndarray) -> Doubles:
    """Give unit vectors with a constant beside."""
    return np.hstack([grid / 2**15, np.ones((len(grid), 1))])


def softmax_hits(weights: Doubles, data: Intents, rows: Sequence[int]) -> dict[int, bool]:
    """Say of each row whether the softmax layer answers rightly."""
    answers = (with_one(data.test[rows, :HIDDEN]) @ weights).argmax(axis=1)
    return {
        row: data.classes[answer] == data.test_labels[row]
        for row, answer in zip(rows, answers, strict=True)
    }


def run_nearest(data: Intents) -> Rounds:
    """Answer with the label of the nearest text; every text is kept."""
    rounds = Rounds(data)
    for number in range(len(data.rounds)):
        known = [name for names in data.rounds[: number + 1] for name in names]
        kept = rows_of(data.train_labels, known)
        train = data.train[kept, :HIDDEN].astype(np.float32)

        def answer(rows: list[int], train: np.ndarray = train, kept: list[int] = kept) -> dict:
            near = (data.test[rows, :HIDDEN].astype(np.float32) @ train.T).argmax(axis=1)
            return {
                row: data.train_labels[kept[place]] == data.test_labels[row]
                for row, place in zip(rows, near, strict=True)
            }

        rounds.after(number, answer)
    return rounds


def joint_regression(data: Intents) -> float:
    """Give the accuracy of logistic regression that has all texts at once (C = 10)."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10, max_iter=1000)
    model.fit(data.train[:, :HIDDEN] / 2**15, data.train_labels)
    return round(100 * model.score(data.test[:, :HIDDEN] / 2**15, data.test_labels), 2)
