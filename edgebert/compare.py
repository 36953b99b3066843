"""Bundles side by side on one labelled file, and the one to take under a budget.

Differences of two bundles are paired: both are scored on the same resamples of the rows, so that
what is hard for both does not count (Koehn 2004).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgebert.answering import Found, Setting
from edgebert.bundle import Bundle
from edgebert.errors import InputError
from edgebert.evaluate import Evaluation, evaluate
from edgebert.labelled import Example, Goal
from edgebert.manifest import Level
from edgebert.metrics import ROUNDS, Interval, bootstrap
from edgebert.scoring import SCORERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the bundle may cost and must reach; None: no bound."""

    max_latency_ms: float | None = None  # p50 of one row at a time
    max_memory_mb: float | None = None  # peak of a process that runs one text
    min_accuracy: float | None = None  # of the goal's first figure, whatever it is
    margin: float = 0.005  # of that figure that speed is worth: half a point


@dataclass(frozen=True, slots=True)
class Candidate:
    """One bundle among those compared."""

    evaluation: Evaluation
    agreement: float  # with the first bundle
    fell: tuple[str, ...]  # the bounds that it misses


@dataclass(frozen=True, slots=True)
class Delta:
    """What a bundle gains or loses against the fp32 bundle of the same checkpoint."""

    bundle: str
    against: str
    difference: Interval  # of the first figure; below 0: a loss


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found."""

    figure: str  # that bundles are compared by
    agreement: str  # what it is of two bundles
    candidates: tuple[Candidate, ...]
    deltas: tuple[Delta, ...]
    picked: str | None
    why: str


@dataclass(frozen=True, slots=True)
class _Ran:
    """A bundle that was run."""

    evaluation: Evaluation
    found: list[Found]
    checkpoint: str  # hash of what it was made from
    level: Level


def compare(
    paths: Sequence[Path],
    examples: Sequence[Example],
    setting: Setting,
    budget: Budget,
    *,
    rounds: int = ROUNDS,
) -> Comparison:
    """Run bundles over the same examples, one after another, and pick one.

    Args:
        paths: folders of at least two bundles; agreement is with the first.
        examples: of `setting.goal`.
        setting: how each bundle is asked.
        budget: what the one picked may cost and must reach.
        rounds: resamples of each interval; 0: none.

    Raises:
        BundleError, TaskError, InputError: as `evaluate` raises them.
    """
    _refuse_alike(paths)
    ran = [_run(path, examples, setting, rounds) for path in paths]
    scorer = SCORERS[setting.goal]

    def differ(one: _Ran, other: _Ran) -> Interval:
        return difference(examples, setting.goal, one.found, other.found, rounds)

    candidates = tuple(
        Candidate(
            one.evaluation,
            scorer.agree(examples, ran[0].found, one.found),
            misses(one.evaluation, budget),
        )
        for one in ran
    )
    deltas = tuple(
        Delta(one.evaluation.bundle, base.evaluation.bundle, differ(one, base))
        for one in ran
        for base in ran
        if one.level is not Level.FP32
        and base.level is Level.FP32
        and one.checkpoint == base.checkpoint
    )
    fit = [one for one, candidate in zip(ran, candidates, strict=True) if not candidate.fell]
    picked, why = _pick(fit, differ, budget.margin)
    name = ran[0].evaluation.main[0]
    return Comparison(name, scorer.what, candidates, deltas, picked, why)


def _refuse_alike(paths: Sequence[Path]) -> None:
    names = [path.resolve().name for path in paths]
    if len(names) < 2:
        raise InputError("give two bundles or more; for one there is `edgebert eval`")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two bundles are called {twice!r}; give each once, or rename a folder")


def _run(path: Path, examples: Sequence[Example], setting: Setting, rounds: int) -> _Ran:
    manifest = Bundle.open(path).manifest
    evaluation, found = evaluate(path, examples, setting, rounds=rounds)
    return _Ran(evaluation, found, manifest.source.weights_sha256, manifest.quantization.level)


def difference(
    examples: Sequence[Example],
    goal: Goal,
    found: Sequence[Found],
    other: Sequence[Found],
    rounds: int,
) -> Interval:
    """Give how much better one bundle's answers are than another's, with a paired interval.

    Source: Koehn 2004 (Statistical Significance Tests for Machine Translation Evaluation).
    """
    ours, theirs = (SCORERS[goal].main(examples, side) for side in (found, other))
    return bootstrap(lambda rows: ours.score(rows) - theirs.score(rows), ours.rows, rounds=rounds)


def misses(one: Evaluation, budget: Budget) -> tuple[str, ...]:
    """Say which bounds of a budget a bundle misses."""
    name, figure = one.main
    cost = one.cost
    found = []
    if budget.max_latency_ms is not None and cost.p50_ms > budget.max_latency_ms:
        found.append(f"p50 {cost.p50_ms:.2f} ms, allowed {budget.max_latency_ms:g}")
    if budget.max_memory_mb is not None and cost.peak_mb > budget.max_memory_mb:
        found.append(f"memory {cost.peak_mb:.0f} MB, allowed {budget.max_memory_mb:g}")
    if budget.min_accuracy is not None and figure.value < budget.min_accuracy:
        found.append(f"{name} {figure.value:.4f}, demanded {budget.min_accuracy:g}")
    return tuple(found)


def front(costs: Sequence[float], values: Sequence[float]) -> list[bool]:
    """Tell of each whether no other is at least as cheap and as good, and better in one."""
    points = list(zip(costs, values, strict=True))
    return [
        not any(
            other <= cost and more >= value and (other, more) != (cost, value)
            for other, more in points
        )
        for cost, value in points
    ]


def _pick(
    fit: Sequence[_Ran], differ: Callable[[_Ran, _Ran], Interval], margin: float
) -> tuple[str | None, str]:
    """Take the fastest of those that lose at most the margin against the best."""
    if not fit:
        return None, "no bundle is within the budget"
    best = max(fit, key=lambda one: one.evaluation.main[1].value)
    least = best.evaluation.main[1].value - margin
    near = [one for one in fit if one is best or one.evaluation.main[1].value >= least]
    chosen = min(near, key=lambda one: one.evaluation.cost.p50_ms)
    name, figure = chosen.evaluation.main
    speed = f"{chosen.evaluation.cost.p50_ms:.2f} ms"
    if chosen is best:
        return chosen.evaluation.bundle, f"the best {name}, {figure.value:.4f}, at {speed}"
    other = best.evaluation
    return chosen.evaluation.bundle, (
        f"{speed} against {other.cost.p50_ms:.2f} ms of {other.bundle}; {name} beside it "
        f"{points(differ(chosen, best))}; {100 * margin:g} points may be lost for speed"
    )


def points(gap: Interval) -> str:
    """Say a difference in points, hundredths of a figure's range."""
    value = f"{100 * gap.value:+.2f} points"
    if gap.low is None or gap.high is None:
        return value
    return f"{value} ({100 * gap.low:+.2f} to {100 * gap.high:+.2f})"
