"""Run the benchmark: every row in its own process, in rounds, and write what came out as JSON.

    python -m bench.runner                                     # everything, about 40 minutes
    python -m bench.runner --continue                          # the same, interrupted before
    python -m bench.runner --models minilm --rows edgebert-int8,raw-fp32 --quick

A round gives each row one turn (bench/turn.py); which row begins moves on from round to round.
Batch sizes are chosen before the first round. Ratios are taken within a round, in the report.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench import kept, machine
from bench.kept import Result
from bench.prepare import disk_bytes
from bench.rows import BASELINE, BATCHES, MODELS, ROWS, SMALL, Model, Row, on_cores
from bench.shown import show
from bench.turn import Start, TurnFailed, prepare, take
from bench.workloads import Workload, blocks_of, make_workload, read_sentences
from edgebert.config import usable_cores

RESULTS = Path(__file__).with_name("results")
FORMAT = 1
ROUNDS = 3
NOISE = 0.05  # share of the machine used by others above which a turn is called disturbed
QUICK_TEXTS, QUICK_REPEATS, QUICK_BATCH = 64, 6, 8
WORKLOADS = ("latency-16", "latency-128", "latency-512", "request", "throughput", "accuracy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; the file grows with every round."""
    asked = _parse(arguments)
    result: Result = {
        "format": FORMAT,
        "kind": "peers",
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "finished": False,
        "minutes": 0.0,
        "quick": asked.quick,
        "machine": machine.describe(),
        "asked": {"models": asked.models, "rows": asked.rows, "workloads": asked.workloads},
        "rounds": asked.rounds,
        "models": {},
    }
    if asked.go_on:
        try:
            result = kept.take_up(asked.output, result)
        except kept.CannotContinue as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    measure(result, asked.output, asked.minutes)
    show(result)
    warn_of_noise(row for model in result["models"].values() for row in model["rows"].values())
    print(f"written: {asked.output}, {result['minutes']:.0f} minutes", file=sys.stderr)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.runner", description=__doc__)
    parser.add_argument("--models", type=_among(MODELS), default=list(MODELS))
    parser.add_argument("--rows", type=_among(ROWS), default=list(ROWS))
    parser.add_argument("--workloads", type=_among(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="begin no round that would end later"
    )
    parser.add_argument("--quick", action="store_true", help="few texts: whether it works at all")
    parser.add_argument("--output", type=Path, default=RESULTS / "peers.json")
    parser.add_argument(
        "--continue", dest="go_on", action="store_true", help="go on with an interrupted run"
    )
    return parser.parse_args(arguments)


def _among(known: Sequence[str] | dict[str, Any]) -> Any:
    def split(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r}; choose among {', '.join(known)}")
        return names

    return split


@dataclass(frozen=True, slots=True)
class Ready:
    """One model whose files, texts and batch sizes stand."""

    model: Model
    workload: Workload
    starts: dict[str, Start]  # of the rows that can be measured
    found: Result  # the model's part of the results


def measure(result: Result, output: Path, minutes: float = math.inf) -> None:
    """Fill a result in, writing it whenever there is more of it.

    Every round takes all models, so that after the first there are figures of everything. No round
    but the first begins if it would, lasting as long as the one before, end after so many minutes.
    """
    before, begun = result["minutes"], time.monotonic()

    def spent() -> float:
        return float(before + (time.monotonic() - begun) / 60)

    def save() -> None:
        result["minutes"] = round(spent(), 1)
        kept.write(output, result)

    ready = []
    for name in result["asked"]["models"]:
        found = result["models"].setdefault(name, {"rounds": 0, "rows": {}})
        ready.append(
            make_ready(name, MODELS[name], found, result["asked"]["rows"], result["quick"])
        )
        save()
    last = 0.0
    for number in range(result["rounds"]):
        if number and spent() + last > minutes:
            print(f"no time for round {number + 1}", file=sys.stderr)
            result["rounds"] = number
            break
        since = spent()
        for one in ready:
            if one.found["rounds"] > number:
                continue
            take_round(one, number, result["asked"]["workloads"], result["quick"])
            one.found["rounds"] = number + 1
            save()
        last = spent() - since
    result["finished"] = True
    save()


def make_ready(name: str, model: Model, found: Result, rows: Sequence[str], quick: bool) -> Ready:
    """Make what rows need on one model, and choose their batch sizes where none is known yet."""
    cores = usable_cores()
    count = QUICK_TEXTS if quick else model.texts
    found |= {"label": model.label, "texts": count, "trained": model.trained}
    starts = {}
    for key in rows:
        row = ROWS[key]
        if (row.small_only and name != SMALL) or name in row.not_on:
            continue
        entry = found["rows"].setdefault(key, {"label": row.label, "ours": row.ours})
        try:
            starts[key] = _make_row_ready(row, name, model, cores, entry)
        except TurnFailed as error:
            entry["failed"] = str(error)
    workload = _texts_of(name, count)
    for key, start in starts.items():
        entry = found["rows"][key]
        _choose_batch(ROWS[key], start, blocks_of(workload.mixed, model.probe), quick, entry)
        print(f"{name}, batch of {key}: {entry.get('batch', 'its own')}", file=sys.stderr)
    return Ready(model, workload, starts, found)


def take_round(ready: Ready, number: int, workloads: Sequence[str], quick: bool) -> None:
    """Give every row of one model a turn."""
    rows = ready.found["rows"]
    work = work_of(ready.model, ready.workload, workloads, quick, first=number == 0)
    for key in rotated(list(ready.starts), number):
        begun = time.monotonic()
        _take_turn(ready.starts[key], work | {"batch": rows[key].get("batch", 1)}, rows[key])
        spent = time.monotonic() - begun
        print(f"{ready.found['label']}, round {number + 1}: {key} {spent:.1f} s", file=sys.stderr)
    _compare_vectors(rows)


def _texts_of(model: str, count: int) -> Workload:
    _, folder = prepare("optimum", model, "checkpoint")
    return make_workload(folder / "tokenizer.json", count)


def _make_row_ready(row: Row, name: str, model: Model, cores: int, found: Result) -> Start:
    """Make a row's environment and files; say how its process starts."""
    if row.missing:
        raise TurnFailed(row.missing)
    python, folder = prepare(row.environment, name, row.files)
    package = machine.installed(python, row.packages)
    settings = on_cores({"hidden": model.hidden} | dict(row.settings), cores)
    found |= {
        "settings": settings,
        "versions": package["versions"],
        "installed_mb": round(package["bytes"] / 1e6, 1),
        "disk_mb": round(disk_bytes(folder) / 1e6, 1),
    }
    return Start(python, row.peer, folder, settings, cores)


def _choose_batch(row: Row, start: Start, probe: list[str], quick: bool, found: Result) -> None:
    if not row.sized or "batch" in found or "failed" in found:
        return
    if quick:
        found["batch"] = QUICK_BATCH
        return
    try:
        chosen = take(start, {"batches": BATCHES, "probe": probe})
    except TurnFailed as error:
        found["failed"] = str(error)
        return
    found |= {"batch": chosen["batch"], "batches_s": chosen["batches_s"]}


def rotated(names: list[str], number: int) -> list[str]:
    """Give the order of a round: each begins with another row."""
    start = number % max(1, len(names))
    return names[start:] + names[:start]


def work_of(
    model: Model, workload: Workload, workloads: Sequence[str], quick: bool, *, first: bool
) -> Result:
    """Give the worker's work in one round; vectors are compared once."""
    latency = {
        str(tokens): [min(repeats, QUICK_REPEATS) if quick else repeats, workload.by_length[tokens]]
        for tokens, repeats in model.repeats.items()
        if f"latency-{tokens}" in workloads
    }
    work: Result = {"latency": latency}
    if "request" in workloads:
        work["request"] = workload.request
    if "throughput" in workloads:
        work["mixed"] = workload.mixed
    if "accuracy" in workloads and model.trained and first:
        work["sentences"] = read_sentences()
    return work


def _take_turn(start: Start, work: Result, found: Result) -> None:
    if "failed" in found:
        return
    try:
        one = take(start, work)
    except TurnFailed as error:
        found["failed"] = str(error)
        return
    if "vectors" in one:
        found["vectors"] = one.pop("vectors")
    found.setdefault("turns", []).append(rounded(one))


def rounded(value: Any) -> Any:
    """Keep five figures of every number in a JSON value: what is behind them is noise."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return value


def _compare_vectors(rows: dict[str, Result]) -> None:
    """Put each row's cosine to the baseline's vectors in place of its vectors."""
    vectors = {key: np.array(row.pop("vectors")) for key, row in rows.items() if "vectors" in row}
    if BASELINE not in vectors:
        return
    for key, found in vectors.items():
        cosines = (found * vectors[BASELINE]).sum(axis=1)
        rows[key]["cosine"] = {
            "mean": round(float(cosines.mean()), 6),
            "min": round(float(cosines.min()), 6),
        }


def warn_of_noise(rows: Iterable[Result]) -> None:
    """Say on stderr if other processes used the machine in some turns."""
    shares = [turn["foreign"] for row in rows for turn in row.get("turns", ())]
    disturbed = sum(share > NOISE for share in shares)
    if disturbed:
        print(
            f"WARNING: in {disturbed} of {len(shares)} turns other processes used over {NOISE:.0%} "
            "of the machine: these figures are not to be trusted",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(main())
