"""What routing is worth: certified shares, accuracy, time, and whether the promise holds.

    python -m bench.route BUNDLE --data FOLDER --deep BUNDLE
    python -m bench.route_report       # results/route.json -> tables and curves of docs/routing.md

BUNDLE is an int8 export of MiniLM with `--layers-out 3`; the deep one of a 12-layer encoder with
`--layers-out 3 --exits 6` (or more); FOLDER holds the sets of bench/route_data.py. All runs on
one core. Each figure is written as it comes, and one that stands there of the same bundles is not
measured again. About fifteen minutes.
"""

import argparse
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from bench.kept import Steps, fill_in
from bench.route_data import SETS, Routes
from bench.route_needs import measure_needs
from bench.route_runs import (
    Built,
    build,
    divide_often,
    measure_batches,
    measure_scope,
    measure_times,
    sample_curve,
    score,
)
from bench.runner import RESULTS
from edgebert.bundle import Bundle

OUTPUT = RESULTS / "route.json"
DEEP = ("banking77",)  # sets that the deep encoder is measured on
MINILM_STAGES = ("static",)  # exits come out even on six layers (docs/routing.md)
DEEP_STAGES = ("static", 6)


def main() -> int:
    """Measure what is not measured yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--deep", type=Path, required=True)
    parser.add_argument("--only", help="figures whose names hold one of these words")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    bundles = [Bundle.open(path).fingerprint for path in (arguments.bundle, arguments.deep)]
    words = arguments.only.split(",") if arguments.only else [""]
    asked = (
        (name, step)
        for name, step in steps(arguments.bundle, arguments.deep, arguments.data)
        if any(word in name for word in words)
    )
    fill_in(arguments.output, "route", bundles, asked)
    return 0


def steps(bundle: Path, deep: Path, folder: Path) -> Steps:
    """Give each figure's name and what measures it."""
    for name, load in SETS.items():
        yield from set_steps(name, _once(bundle, load(folder), MINILM_STAGES))
    for name in DEEP:
        yield from set_steps(f"deep {name}", _once(deep, SETS[name](folder), DEEP_STAGES))
    yield "banking77 needs", lambda: measure_needs(bundle, SETS["banking77"](folder))


def set_steps(name: str, built: Callable[[], Built]) -> Steps:
    """Give the figures of one set."""
    yield f"{name} scores", lambda: score(built())
    yield f"{name} times", lambda: measure_times(built())
    yield f"{name} curve", lambda: sample_curve(built())
    yield f"{name} splits", lambda: divide_often(built())
    if name == "banking77":
        yield f"{name} batches", lambda: measure_batches(built())
    if name == "clinc150":
        yield f"{name} scope", lambda: measure_scope(built())


def _once(bundle: Path, routes: Routes, stages: tuple[str | int, ...]) -> Callable[[], Built]:
    """Build a set's cascade when the first of its figures is measured, and keep it for the rest."""

    @cache
    def built() -> Built:
        return build(bundle, routes, stages)

    return built


if __name__ == "__main__":
    raise SystemExit(main())
