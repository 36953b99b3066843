"""What the learner is worth: accuracy, forgetting, size and time, beside other ways to learn.

    python -m bench.learn BUNDLE --data FOLDER --korean BUNDLE [--cache FOLDER]
    python -m bench.learn_report       # results/learn.json -> tables and curves of docs/learning.md

BUNDLE is an export with `--layers-out 3`; FOLDER holds banking77, clinc150 and nsmc. Each figure is
written as it comes, and one that stands there of the same bundles is not measured again; embeddings
are kept in the cache. Logistic regression needs scikit-learn. Under ten minutes on two cores.
"""

import argparse
from pathlib import Path

from bench.kept import Steps, fill_in
from bench.learn_data import Intents, banking77, clinc150
from bench.learn_few import calibration, few_shots, suggestions
from bench.learn_runs import (
    joint_regression,
    joint_softmax,
    run_learner,
    run_nearest,
    run_softmax,
)
from bench.learn_times import korean_stream, latencies
from bench.runner import RESULTS
from edgebert.bundle import Bundle
from edgebert.learn.features import Tier

OUTPUT = RESULTS / "learn.json"


def main() -> int:
    """Measure what is not measured yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--korean", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    bundles = [Bundle.open(path).fingerprint for path in (arguments.bundle, arguments.korean)]
    fill_in(arguments.output, "learn", bundles, steps(arguments))
    return 0


def steps(arguments: argparse.Namespace) -> Steps:
    """Give each figure's name and what measures it."""
    for load in (banking77, clinc150):
        data = load(arguments.bundle, arguments.data, arguments.cache)
        yield from intent_steps(data)
        if data.name == "banking77":
            yield "banking77 suggest", lambda data=data: suggestions(data, Tier.TINY)
            for tier in Tier:
                yield (
                    f"{tier} times",
                    lambda data=data, tier=tier: latencies(arguments.bundle, data, tier),
                )
    korean = (arguments.korean, arguments.data, arguments.cache)
    yield "nsmc small", lambda: korean_stream(*korean)


def intent_steps(data: Intents) -> Steps:
    """Give the figures of a set of intents."""
    for tier in Tier:
        yield f"{data.name} {tier}", lambda tier=tier: run_learner(data, tier)
    yield f"{data.name} nearest", lambda: run_nearest(data).figures
    yield f"{data.name} softmax", lambda: run_softmax(data).figures
    yield f"{data.name} joint softmax", lambda: joint_softmax(data)
    yield f"{data.name} joint regression", lambda: joint_regression(data)
    for tier in (Tier.TINY, Tier.BASE):
        yield f"{data.name} {tier} shots", lambda tier=tier: few_shots(data, tier)
    yield f"{data.name} calibration", lambda: calibration(data, Tier.TINY)


if __name__ == "__main__":
    raise SystemExit(main())
