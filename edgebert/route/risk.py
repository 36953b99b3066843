"""Exact tests of "the loss is at most so much", from counts. Pure functions.

Sources: fixed sequence testing in Angelopoulos et al. 2021 (Learn then Test), arXiv 2110.01052;
the bound for weighted losses in Bates et al. 2021, arXiv 2101.02703, section 3.1: Hoeffding's
and Bentkus's, both of which hold for independent losses that are not identically distributed.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgebert.errors import InputError, RouteError
from edgebert.learn.solve import Doubles

STEPS = 60  # of a bisection: its error is then below a double's


def binomial_p_value(losses: int, samples: int, rate: float) -> float:
    """Give P[Bin(samples, rate) <= losses]: how likely so few losses are at this rate or a higher.

    Summed term by term; each comes from the last, in logarithms, so none is lost to underflow.
    """
    if losses >= samples or rate <= 0:
        return 1.0
    if rate >= 1:
        return 0.0
    counts = np.arange(1, losses + 1)
    steps = np.log((samples - counts + 1) / counts) + math.log(rate) - math.log1p(-rate)
    terms = samples * math.log1p(-rate) + np.concatenate([[0.0], np.cumsum(steps)])
    most = float(terms.max())
    return min(1.0, math.exp(most) * float(np.exp(terms - most).sum()))


def bounded_p_value(values: Doubles, rate: float, bound: float) -> float:
    """Give a p-value of "the mean loss is above `rate`" for independent losses.

    Args:
        values: (n,) losses, each in 0 to `bound`; they may follow different laws.
        rate: mean of their means that is to be refuted.
        bound: most that a loss can be.
    """
    count, share = len(values), rate / bound
    mean = min(float(values.mean()) / bound, 1.0)
    if share >= 1:
        return 0.0
    if mean >= share:
        return 1.0
    hoeffding = math.exp(-count * _relative_entropy(mean, share))
    bentkus = math.e * binomial_p_value(math.ceil(count * mean - 1e-9), count, share)
    return min(1.0, hoeffding, bentkus)


def _relative_entropy(found: float, rate: float) -> float:
    """Kullback-Leibler divergence of two coins, found < rate."""
    none = (1 - found) * math.log((1 - found) / (1 - rate))
    return none + (found * math.log(found / rate) if found > 0 else 0.0)


def choose_level(p_values: Iterable[float], delta: float) -> int | None:
    """Give the last level before the first that fails, or None: the first failed, or there is none.

    Levels stand in an order that was settled before. A first failure ends the walk, so that all of
    them together err with probability delta at most.
    """
    passed = None
    for number, p_value in enumerate(p_values):
        if p_value > delta:
            break
        passed = number
    return passed


def upper_bound(p_value: Callable[[float], float], confidence: float) -> float:
    """Give the rate that is not exceeded with this confidence: the least that a test refutes.

    With `binomial_p_value` the bound of Clopper and Pearson 1934.

    Args:
        p_value: of "the rate is higher than so much"; falls as the rate grows.
        confidence: of the bound.
    """
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if p_value(middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def samples_needed(rate: float, confidence: float) -> int:
    """Give the least number of samples that can show the rate, where none of them is a loss."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-rate))


@dataclass(frozen=True, slots=True)
class Weights:
    """What each sample counts, so that classes weigh as they will come."""

    values: Doubles  # (n,) of mean 1
    bound: float  # the largest


def class_weights(classes: Sequence[str], mix: Mapping[str, float]) -> Weights:
    """Weigh samples so that each class has its share.

    Given the numbers of samples, the mean weighted loss is the loss under the mix, whatever the
    mix of the samples was.

    Args:
        classes: of each sample.
        mix: share of each class, up to a factor.

    Raises:
        InputError: shares are negative or all zero.
        RouteError: a class of the mix has no sample.
    """
    total = sum(mix.values())
    if any(not 0 <= share < math.inf for share in mix.values()) or total <= 0:
        raise InputError("shares of the class mix must be 0 or more, and not all 0")
    counts = Counter(classes)
    missing = [name for name, share in mix.items() if share > 0 and not counts[name]]
    if missing:
        raise RouteError(
            f"class {missing[0]!r:.80} of the mix has none of the {len(classes):,} texts that the "
            "certificate rests on; give more texts of it"
        )
    each = {
        name: mix.get(name, 0.0) / total * len(classes) / count for name, count in counts.items()
    }
    values = np.array([each[name] for name in classes])
    return Weights(values, float(values.max()))
