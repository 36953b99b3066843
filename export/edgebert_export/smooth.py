"""Search the scaling of a group's input channels that loses least when it is quantized.

A few channels of an encoder are many times stronger than the rest and set the u8 range of all.
Scaling them down, and their rows of weights up, leaves the float model as it is and moves the
loss from activations to weights. How far is searched, not assumed: SmoothQuant's alpha of 0.5
makes MiniLM worse (docs/decisions/005-int8-recipe.md).

Sources: Xiao et al. 2023 (SmoothQuant) for the alpha form; the threshold form and the search are
this project's. Tried and left out: counting the loss of weights for less than that of
activations where `gptq.py` will lower it (0.3, 0.1: worse on texts unlike the calibration's), and
shifting channels by their midpoint (2 % slower for 0.00007 of cosine).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgebert.results import Floats
from edgebert_export.calibrate import Samples
from edgebert_export.rounding import round_inputs, round_weight, weight_scales

# What is tried, from docs/decisions/005-int8-recipe.md; 0.7 to 1.0 were added because 1.2, the
# lowest there, was often the one chosen.
THRESHOLDS = (0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)  # times the median channel
ALPHAS = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
# The search looks at a part: vectors and output columns, evenly chosen. All of them give
# MiniLM the same cosines to 0.0001, and a larger model several times the wait.
SEARCH_VECTORS = 384
SEARCH_COLUMNS = 384
SMALLEST_SHARE = 1e-6  # of the strongest channel: keeps a silent channel's scale finite


@dataclass(frozen=True, slots=True)
class Smoothing:
    """The chosen scaling and what it loses."""

    multiplier: Floats | None  # (in,) for the input; the weight's rows are divided by it
    error: float  # of the quantized group's output, mean square, relative to the output's


def search_smoothing(
    samples: Samples, weights: Sequence[Floats], *, largest: int, static: bool, amplify: bool
) -> Smoothing:
    """Try all scalings of a group's input and give the one with the least output error.

    Args:
        samples: what reached the group.
        weights: (in, out) of each of its linears.
        largest: the largest s8 weight.
        static: round activations to one grid for all texts instead of each text's own.
        amplify: whether weak channels may be scaled up. Not for neurons after an activation: one
            that was silent in calibration may fire on other texts and would then set the range.
    """
    samples = thin(samples, SEARCH_VECTORS)
    scalings = [None, *_scalings(samples, weights, amplify=amplify)]
    columns = [weight[:, _evenly(weight.shape[1], SEARCH_COLUMNS, weights)] for weight in weights]
    exact = [samples.vectors @ weight for weight in columns]
    # each linear counts the same, however large its outputs are
    level = np.concatenate(
        [np.full(values.shape[1], 1 / max(_rms(values), 1e-30)) for values in exact]
    ).astype(np.float32)
    weight = np.concatenate(columns, axis=1)
    wanted = np.concatenate(exact, axis=1)
    errors = [
        _error(samples, weight, wanted, level, scaling, largest=largest, static=static)
        for scaling in scalings
    ]
    best = int(np.argmin(errors))
    return Smoothing(scalings[best], errors[best])


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _error(
    samples: Samples,
    weight: Floats,
    wanted: Floats,
    level: Floats,
    scaling: Floats | None,
    *,
    largest: int,
    static: bool,
) -> float:
    scaled = scale_rows(weight, scaling)
    scales = weight_scales(scaled, largest)
    product = round_inputs(samples, scaling, static=static) @ round_weight(scaled, scales, largest)
    product *= scales
    product -= wanted
    product *= level
    return float(np.mean(np.square(product)))


def scale_rows(weight: Floats, multiplier: Floats | None) -> Floats:
    """Undo in a weight's rows what a multiplier does to its input."""
    return weight if multiplier is None else weight / multiplier[:, None]


def thin(samples: Samples, most: int) -> Samples:
    """Keep evenly chosen vectors, and the ranges of all."""
    places = np.linspace(0, len(samples.vectors) - 1, min(most, len(samples.vectors)))
    chosen = places.astype(np.int64)
    return replace(samples, vectors=samples.vectors[chosen], texts=samples.texts[chosen])


def _evenly(width: int, most: int, weights: Sequence[Floats]) -> slice:
    """Choose columns so that all linears of a group together have about `most`."""
    return slice(None, None, max(1, width * len(weights) // most))


def _scalings(samples: Samples, weights: Sequence[Floats], *, amplify: bool) -> Iterator[Floats]:
    strength = np.maximum(samples.largest.max(axis=0), -samples.smallest.min(axis=0))
    if not strength.any():
        return
    strength = np.maximum(strength, SMALLEST_SHARE * strength.max())
    median = np.median(strength)
    for threshold in THRESHOLDS:
        yield np.minimum(1, threshold * median / strength).astype(np.float32)
    weight = np.max([np.abs(weight).max(axis=1) for weight in weights], axis=0)
    if not weight.any():
        return
    weight = np.maximum(weight, SMALLEST_SHARE * weight.max())
    for alpha in ALPHAS:
        scale = strength**alpha / weight ** (1 - alpha)
        scale /= np.median(scale)
        yield (1 / (scale if amplify else np.maximum(scale, 1))).astype(np.float32)
