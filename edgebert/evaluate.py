"""A bundle over a labelled file: how good its answers are, and what they cost in the same run."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgebert.answering import Found, Model, Setting, open_model
from edgebert.bundle import MANIFEST_NAME, Bundle
from edgebert.labelled import Example
from edgebert.measure import measure_start
from edgebert.metrics import ROUNDS, Interval, require_packages
from edgebert.scoring import SCORERS, Scores

SINGLES = 200  # rows that are also asked one at a time
WARM_UP = 3
STARTS = 3  # processes that cold start and memory are the middle of


@dataclass(frozen=True, slots=True)
class Cost:
    """What answering this file cost on this machine."""

    p50_ms: float  # one row of the file at a time, from strings to answer
    p99_ms: float
    singles: int  # rows that both rest on
    rows_per_s: float  # all rows of the file at once
    start_s: float  # process start to the first output
    peak_mb: float  # memory of that process
    disk_mb: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found of one bundle."""

    bundle: str  # the folder's name
    level: str
    family: str
    goal: str
    rows: int
    cut: int  # rows of which the model did not see all
    max_tokens: int
    scores: Scores
    cost: Cost

    @property
    def main(self) -> tuple[str, Interval]:
        """The figure that bundles are compared by: its name and value."""
        return next(iter(self.scores.figures.items()))


def evaluate(
    path: Path, examples: Sequence[Example], setting: Setting, *, rounds: int = ROUNDS
) -> tuple[Evaluation, list[Found]]:
    """Run a bundle over examples, score its answers and measure what they cost.

    Args:
        path: the bundle's folder.
        examples: of `setting.goal`, at least one.
        setting: how the bundle is asked.
        rounds: resamples of each interval; 0: none.

    Returns:
        The evaluation, and the answers.

    Raises:
        BundleError, TaskError, InputError: as `open_model` raises them.
        MissingExtraError: a package of the extra `eval` is not installed.
    """
    bundle = Bundle.open(path)
    require_packages()
    start_s, peak_mb = measure_start(path, rounds=STARTS, threads=setting.threads)
    model = open_model(path, setting)
    singles = time_singles(model, examples)
    begin = time.perf_counter()
    found = model.answer(examples)
    seconds = time.perf_counter() - begin
    p50, p99 = np.percentile(singles, [50, 99]) * 1000
    cost = Cost(
        p50_ms=float(p50),
        p99_ms=float(p99),
        singles=len(singles),
        rows_per_s=len(examples) / seconds,
        start_s=start_s,
        peak_mb=peak_mb,
        disk_mb=(bundle.total_bytes() + (bundle.path / MANIFEST_NAME).stat().st_size) / 1e6,
    )
    manifest = model.manifest
    evaluation = Evaluation(
        bundle=bundle.path.name,
        level=manifest.quantization.level.value,
        family=manifest.family,
        goal=setting.goal.value,
        rows=len(examples),
        cut=sum(one.truncated for one in found),
        max_tokens=manifest.max_tokens,
        scores=SCORERS[setting.goal].score(examples, found, rounds),
        cost=cost,
    )
    return evaluation, found


def time_singles(model: Model, examples: Sequence[Example]) -> list[float]:
    """Time rows one at a time, spread over the file: seconds each."""
    chosen = [examples[place] for place in range(0, len(examples), -(-len(examples) // SINGLES))]
    for example in chosen[:WARM_UP]:
        model.answer([example])
    times = []
    for example in chosen:
        begin = time.perf_counter()
        model.answer([example])
        times.append(time.perf_counter() - begin)
    return times
