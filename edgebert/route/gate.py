"""From a margin to the estimated risk of answering here: a logistic curve, fitted by few numbers.

One curve a place makes the places comparable, so that one level rules them all. It need not be
right: what is promised is tested on other texts (certificate.py); a bad curve costs speed alone.
Source: Platt 1999, with his targets pulled in from 0 and 1 so that few samples stay bounded.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebert.learn.solve import Doubles

STEPS = 50  # of Newton's method; it converges in a dozen
NEVER = 1.0  # a risk that no level allows


@dataclass(frozen=True, slots=True)
class Gate:
    """The risk of a margin: 1 / (1 + exp(intercept + slope * margin))."""

    intercept: float
    slope: float  # 0 or less: the margin says nothing, and nothing is answered here

    def risk(self, margin: Doubles) -> Doubles:
        """Estimate the risk of (N,) margins: (N,), in 0 to 1."""
        if self.slope <= 0:
            return np.full(len(margin), NEVER)
        risk: Doubles = 1 / (1 + np.exp(np.clip(self.intercept + self.slope * margin, -500, 500)))
        return risk

    def threshold(self, level: float) -> float:
        """Give the margin whose risk is a level: infinite where there is none."""
        if self.slope <= 0 or not 0 < level < NEVER:
            return math.inf
        return (math.log(1 / level - 1) - self.intercept) / self.slope


def fit_gate(margin: Doubles, lost: NDArray[np.bool_]) -> Gate:
    """Fit the curve to (N,) margins and whether answering here would have been a loss."""
    count, bad = len(lost), int(lost.sum())
    # Platt's targets of "safe": (N+ + 1)/(N+ + 2) and 1/(N- + 2)
    safe = np.where(lost, 1 / (bad + 2), (count - bad + 1) / (count - bad + 2))
    middle, spread = float(margin.mean()), max(float(margin.std()), 1e-12)
    design = np.column_stack([np.ones(count), (margin - middle) / spread])
    weights = np.zeros(2)
    for _ in range(STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (safe - fitted)
        curve = (design * (fitted * (1 - fitted))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        weights = weights + np.clip(step, -5, 5)  # separable margins would run away
        if np.abs(step).max() < 1e-9:
            break
    return Gate(float(weights[0] - weights[1] * middle / spread), float(weights[1] / spread))
