"""Watching a cascade at work: bets against "all is as it was certified". Pure arithmetic.

Each bettor begins with 1 and stakes part of what he has on every outcome, at odds that are fair or
worse if nothing has changed. Then his wealth passes 1 / alpha with probability alpha at most, ever
(Ville's inequality), so that one may look after every text.

Sources: betting on bounded means: Waudby-Smith & Ramdas 2020, arXiv 2010.09686; the simple jumper:
Vovk et al. 2021, arXiv 2102.10439; CUSUM: Page 1954.
"""

import math

STAKES = (
    0.05,
    0.1,
    0.2,
    0.4,
    0.8,
)  # parts of the most that can be staked; wealth is split in so many
JUMPS = 0.01  # part of the wealth that goes over to other bettors at each step (Vovk et al.)
SLOPES = (-1.0, 0.0, 1.0)  # bettors: on large p-values, on nothing, on small ones
# One false warning in 10,000 to 20,000 texts (tests/route/test_drift.py simulates it), found a few
# dozen texts after a fifth of them have become foreign.
WARNING = 9.0


class Audit:
    """Bets that early answers differ from the full model's more often than was certified."""

    def __init__(self, rate: float, alpha: float) -> None:
        """Begin.

        Args:
            rate: share of texts whose answer may differ, above 0.
            alpha: probability of ever raising a false alarm.
        """
        self._rate = rate
        self._limit = math.log(1 / alpha)
        self._wealth = [0.0] * len(STAKES)  # logarithms
        self._most = 0.0
        self.samples = 0
        self.disagreements = 0

    def add(self, disagreed: bool) -> None:
        """Take one audited text."""
        self.samples += 1
        self.disagreements += disagreed
        for place, part in enumerate(STAKES):
            stake = part / self._rate  # 1 / rate would lose all at the first text that agrees
            self._wealth[place] += math.log1p(stake * (disagreed - self._rate))
        self._most = max(self._most, _log_mean(self._wealth))

    @property
    def evidence(self) -> float:
        """The wealth now."""
        return _exp(_log_mean(self._wealth))

    @property
    def alarm(self) -> bool:
        """Whether the wealth has ever passed 1 / alpha."""
        return self._most >= self._limit


class Drift:
    """Bets that p-values, which are even between 0 and 1, have become small or large."""

    def __init__(self, alpha: float) -> None:
        """Begin; alpha is the probability of ever raising a false alarm."""
        self._limit = math.log(1 / alpha)
        self._parts = [1 / len(SLOPES)] * len(SLOPES)  # of the wealth, by bettor
        self._wealth = 0.0  # logarithm
        self._most = 0.0
        self._sum = 0.0
        self.samples = 0
        self.warning = False  # the fast one: texts look changed, which is not proven

    def add(self, p_value: float) -> None:
        """Take the p-value of one text, above 0."""
        self.samples += 1
        mixed = [(1 - JUMPS) * part + JUMPS / len(SLOPES) for part in self._parts]
        grown = [
            part * (1 + slope * (0.5 - p_value)) for part, slope in zip(mixed, SLOPES, strict=True)
        ]
        total = sum(grown)
        self._wealth += math.log(total)
        self._most = max(self._most, self._wealth)
        self._parts = [part / total for part in grown]
        self._sum = max(0.0, self._sum + math.log(0.5 / math.sqrt(p_value)))
        self.warning = self.warning or self._sum >= WARNING

    @property
    def evidence(self) -> float:
        """The wealth now."""
        return _exp(self._wealth)

    @property
    def alarm(self) -> bool:
        """Whether the wealth has ever passed 1 / alpha."""
        return self._most >= self._limit


def _log_mean(logarithms: list[float]) -> float:
    most = max(logarithms)
    return most + math.log(sum(math.exp(value - most) for value in logarithms) / len(logarithms))


def _exp(logarithm: float) -> float:
    return math.exp(min(logarithm, 700.0))  # e^700 is near the largest double
