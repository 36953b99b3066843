"""Learners on the tiny bundle, and sums of made-up samples."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgebert.learn.learner import Learner
from edgebert.learn.solve import Doubles, Moments
from edgebert.learn.statistics import Counts

TEXTS = [
    f"the {word} {act} in {place}"
    for word in ("cat", "dog", "bird")
    for act in ("runs", "eats", "sleeps")
    for place in ("paris", "seoul", "berlin")
]
LABELS = [text.split()[1] for text in TEXTS]


@pytest.fixture
def tiny_bundle(tiny: Path) -> Path:
    return tiny / "tiny-embed"


@pytest.fixture
def learner(tiny_bundle: Path) -> Learner:
    """A learner that knows three classes of nine samples."""
    made = Learner.create(tiny_bundle)
    made.learn(TEXTS, LABELS, new_classes=True)
    return made


@dataclass(frozen=True)
class Samples:
    """Made-up samples of a few classes."""

    features: Doubles  # (N, D)
    columns: Counts  # (N,)
    names: Doubles  # (D, C)

    @property
    def targets(self) -> Doubles:
        return np.eye(self.names.shape[1])[self.columns]

    @property
    def moments(self) -> Moments:
        return moments_from(self.features, self.targets)


def moments_from(features: Doubles, targets: Doubles) -> Moments:
    """Sum up samples in the plainest way."""
    return Moments(
        len(features),
        targets.sum(axis=0),
        features.sum(axis=0) / max(1, len(features)),
        features.T @ targets,
        features.T @ features,
    )


@pytest.fixture
def draw() -> Callable[..., Samples]:
    """Draw samples around class centres."""

    def make(count: int = 60, width: int = 12, classes: int = 4, seed: int = 0) -> Samples:
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(classes, width))
        columns = np.arange(count) % classes
        features = centres[columns] + 0.7 * rng.normal(size=(count, width))
        return Samples(features, columns, centres.T + 0.5 * rng.normal(size=(width, classes)))

    return make
