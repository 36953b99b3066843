"""What a text costs a learner on this machine, and a stream of texts in time."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.learn_data import Intents, korean_years
from bench.learn_states import MAPS, learn, new_state
from edgebert.learn.features import Tier
from edgebert.learn.head import choose_head
from edgebert.learn.learner import Learner
from edgebert.learn.state import AddClass, Learn, State

TIMED = {Tier.TINY: 60, Tier.SMALL: 20, Tier.BASE: 12}  # texts


def latencies(bundle: Path, data: Intents, tier: Tier) -> dict[str, list[float]]:
    """Time one text on a learner that knows all of Banking77, its file on the disk.

    Returns:
        The least and the median of each step, in milliseconds.
    """
    texts = [f"where is my card number {number}" for number in range(TIMED[tier])]
    with tempfile.TemporaryDirectory() as folder:
        learner = Learner.create(bundle, Path(folder) / "x.learn", tier=tier)
        learn(learner.state, data, range(len(data.train_labels)))
        learner.compact()
        name = data.classes[0]
        times: dict[str, list[float]] = {}
        for text in texts:
            for what, act in timed_steps(learner, text, name):
                start = time.perf_counter()
                act()
                times.setdefault(what, []).append(1000 * (time.perf_counter() - start))
        learner.close()
    return {
        what: [round(min(values), 2), round(median(values), 2)] for what, values in times.items()
    }


def timed_steps(
    learner: Learner, text: str, name: str
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Give the steps from a text to its effect, and back."""
    yield "embed", lambda: learner._encoder.grids([text])
    yield "learn", lambda: learner.learn([text], [name])
    yield "solve", learner.head
    yield "predict", lambda: learner.predict([text])
    yield "forget", lambda: learner.forget(texts=[text], labels=[name])
    yield "solve again", learner.head


def korean_stream(bundle: Path, data: Path, cache: Path | None) -> list[dict[str, Any]]:
    """Learn dated reviews year by year, each year tested before it is learnt."""
    found: list[dict[str, Any]] = []
    state = new_state(MAPS[Tier.SMALL])
    for year, labels, grid in korean_years(bundle, data, cache):
        if not state.names:
            for name in sorted(set(labels)):
                state.apply(AddClass(name, "", np.zeros(grid.shape[1], np.int16)))
        else:
            found.append({"year": year, "texts": len(labels), **tested(state, labels, grid)})
        state.apply(Learn(tuple((label,) for label in labels), grid))
    return found


def tested(state: State, labels: list[str], grid: np.ndarray) -> dict[str, float]:
    """Give the accuracy, and the mean recall of the classes, in percent."""
    answers = choose_head(state, None).scores(state.values(grid)).argmax(axis=1)
    right = np.array([state.names[a] == label for a, label in zip(answers, labels, strict=True)])
    recalls = [right[[label == name for label in labels]].mean() for name in state.names]
    return {
        "accuracy": round(100 * float(right.mean()), 1),
        "balanced": round(100 * float(np.mean(recalls)), 1),
    }
