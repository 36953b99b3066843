"""An early place of a cascade: vectors in; answers, margins and probabilities out."""

from dataclasses import dataclass

import numpy as np

from edgebert.learn.features import Grid
from edgebert.learn.solve import Doubles
from edgebert.results import Floats, Ints
from edgebert.route.gate import Gate
from edgebert.route.heads import PlaceHead


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer may be given before the full model's."""

    name: str  # "static", "exit 2", or the name of a smaller bundle
    head: PlaceHead | None = None  # None: not fitted, or a bundle of its own logits
    order: Ints | None = None  # of a bundle that has its own: (C,) its column of each class
    gate: Gate | None = None  # None: not calibrated
    sharpness: float = 1.0  # scores are multiplied by this before the softmax

    @property
    def fitted(self) -> bool:
        """Whether it can answer at all."""
        return self.head is not None or self.order is not None

    def see(self, vectors: Floats) -> tuple[Floats, Grid | None]:
        """Score (N, H) vectors, or (N, L) logits: (N, C), and the vectors on the head's grid.

        Scores of a head are whole numbers, by `unit` of which a margin is divided.
        """
        if self.head is not None:
            grid = self.head.grid(vectors)
            return self.head.scores(grid), grid
        if self.order is None:
            raise TypeError(f"place {self.name!r} is not fitted")
        return vectors[:, self.order], None

    def margins(self, scores: Floats) -> Floats:
        """Give how far the best of (N, C) scores is above the second: (N,), 1 being a whole class.

        A head's unit is a power of two, so that dividing by it loses no bit.
        """
        best = np.partition(scores, -2, axis=1)
        found: Floats = (best[:, -1] - best[:, -2]) / np.float32(self.unit)
        return found

    @property
    def unit(self) -> float:
        """What a score of 1 is."""
        return 1.0 if self.head is None else self.head.unit

    def probabilities(self, scores: Floats) -> Doubles:
        """Turn (N, C) scores into probabilities, as well as the texts of the calibration told."""
        sharp = self.sharpness / self.unit * scores.astype(np.float64)
        powers = np.exp(sharp - sharp.max(axis=1, keepdims=True))
        shares: Doubles = powers / powers.sum(axis=1, keepdims=True)
        return shares


def fit_sharpness(scores: Doubles, answers: Ints) -> float:
    """Find the factor on (N, C) scores under which the answers are most likely."""
    rows = np.arange(len(answers))
    away = scores - scores.max(axis=1, keepdims=True)

    def loss(power: float) -> float:
        sharp = 2.0**power * away
        sums = np.log(np.exp(sharp).sum(axis=1))
        return float((sums - sharp[rows, answers]).mean())

    powers = np.linspace(-6, 10, 65)
    return float(2.0 ** powers[int(np.argmin([loss(float(power)) for power in powers]))])
