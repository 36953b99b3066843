"""What few texts give: accuracy by texts a class, honesty of scores, and which texts to label."""

import numpy as np

from bench.learn_data import Intents, draw
from bench.learn_states import MAPS, accuracy, add_classes, learn, new_state
from edgebert.learn.features import Tier
from edgebert.learn.head import choose_head, probabilities_of
from edgebert.learn.state import State
from edgebert.learn.suggest import choose_texts

SHOTS = (0, 1, 5, 10)
SEEDS = 5
ALL = 10**6  # texts a class
CALIBRATED = (1, 2, 5, 10, 30, ALL)
BINS = 15
SUGGESTED_SEEDS, POOL = 3, 2000


def few_shots(data: Intents, tier: Tier) -> dict[str, float]:
    """Learn a few texts of each class; the mean over SEEDS draws."""
    found = {}
    every = range(len(data.test_labels))
    for shots in SHOTS:
        scores = []
        for seed in range(SEEDS if shots else 1):
            state = new_state(MAPS[tier])
            add_classes(state, data, data.classes)
            learn(state, data, draw(data, shots, seed))
            scores.append(accuracy(state, data, every))
        found[str(shots)] = round(float(np.mean(scores)), 2)
    return found


def suggestions(data: Intents, tier: Tier, *, step: int = 77, steps: int = 8) -> dict[str, list]:
    """Label what is suggested, or what comes by chance, beginning with one text a class."""
    curves: dict[str, list[float]] = {"suggested": [], "random": []}
    for way in curves:
        scores = np.zeros(steps + 1)
        for seed in range(SUGGESTED_SEEDS):
            rng = np.random.default_rng(seed)
            state = new_state(MAPS[tier])
            known = draw(data, 1, seed)
            learn(state, data, known)
            scores[0] += accuracy(state, data, range(len(data.test_labels)))
            for number in range(steps):
                pool = np.setdiff1d(np.arange(len(data.train_labels)), known)
                pool = rng.permutation(pool)[:POOL]
                chosen = pool[:step] if way == "random" else pick(state, data, pool, step)
                learn(state, data, chosen.tolist())
                known += chosen.tolist()
                scores[number + 1] += accuracy(state, data, range(len(data.test_labels)))
        curves[way] = [round(float(score) / SUGGESTED_SEEDS, 2) for score in scores]
    return curves


def pick(state: State, data: Intents, pool: np.ndarray, count: int) -> np.ndarray:
    """Choose rows of a pool as `Learner.suggest` does."""
    grid = data.train[pool, : state.setting.features.raw_width]
    head = choose_head(state, None)
    return pool[choose_texts(head.sharpness * head.scores(state.values(grid)), grid, count)]


def calibration(data: Intents, tier: Tier) -> dict[str, float]:
    """Give the expected calibration error (BINS), after some texts a class and all."""
    found = {}
    for shots in CALIBRATED:
        state = new_state(MAPS[tier])
        learn(state, data, draw(data, shots, 0))
        values = state.values(data.test[:, : state.setting.features.raw_width])
        chances = probabilities_of(choose_head(state, None), values)
        right = np.array(state.names)[chances.argmax(axis=1)] == np.array(data.test_labels)
        bins = np.minimum((BINS * chances.max(axis=1)).astype(int), BINS - 1)
        gaps = [abs((chances.max(axis=1) - right)[bins == i].sum()) for i in range(BINS)]
        found["all" if shots == ALL else str(shots)] = round(float(sum(gaps)) / len(right), 3)
    return found
