"""What each choice of the runtime is worth: the runtime as shipped, and with one choice taken back.

    python -m bench.levers                          # MiniLM
    python -m bench.levers --model bert-base --rounds 5
    python -m bench.levers --levers "as shipped" "static scales" --output few.json

A lever is a name and settings (bench/peers/edgebert_levers.py says which there are); to try
another, add a line to LEVERS.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine
from bench.rows import CORES, MODELS, on_cores
from bench.runner import FORMAT, RESULTS, ROUNDS, rotated, rounded, warn_of_noise, work_of
from bench.turn import Start, TurnFailed, prepare, take
from bench.workloads import make_workload
from edgebert.config import usable_cores

PEER, ENVIRONMENT = "edgebert_levers", "onnxruntime"
DYNAMIC, STATIC = "bundle-int8", "bundle-int8-static"
SHIPPED = "as shipped"
BATCH = 8  # of the padded rows
# name -> the bundle, and what differs from how it is shipped
LEVERS: dict[str, tuple[str, dict[str, Any]]] = {
    SHIPPED: (DYNAMIC, {}),
    "several texts a run, answers depend on neighbours": (DYNAMIC, {"share_runs": True}),
    "sorted batches of 8, padded, a worker a core": (DYNAMIC, {"padded": True, "threads": CORES}),
    "sorted batches of 8, padded, all cores in a run": (
        DYNAMIC,
        {"padded": True, "intra_op": CORES},
    ),
    "a mask, though nothing is padded": (DYNAMIC, {"masked": True}),
    "onnxruntime's slow fusions on": (DYNAMIC, {"fusions": True}),
    "weights read, not mapped": (DYNAMIC, {"copied": True}),
    "memory patterns off": (DYNAMIC, {"pattern": False}),
    "memory patterns off, no arena": (DYNAMIC, {"pattern": False, "arena": False}),
    "one worker": (DYNAMIC, {"threads": 1}),
    "one worker, all cores in a run": (DYNAMIC, {"threads": 1, "intra_op": CORES}),
    "a lone text on one core, whatever its length": (DYNAMIC, {"lone_from": 1 << 20}),
    "a lone text on all cores, whatever its length": (DYNAMIC, {"lone_from": 1}),
    "threads that do not spin": (DYNAMIC, {"spin_us": 0}),
    "threads that spin as onnxruntime's default": (DYNAMIC, {"spin_us": None}),
    "threads pinned to cores": (DYNAMIC, {"pinned": True}),
    "denormals as zero": (DYNAMIC, {"denormals": True}),
    "a worker a core, all cores in each run": (DYNAMIC, {"intra_op": CORES}),
    "static scales": (STATIC, {}),
    "static scales, one text a run": (STATIC, {"budget": 1}),
    "static scales, 128 tokens a run": (STATIC, {"budget": 128}),
    "static scales, 512 tokens a run": (STATIC, {"budget": 512}),
    "static scales, 1024 tokens a run": (STATIC, {"budget": 1024}),
    "fp32": ("bundle-fp32", {}),
}
# what a lever is set against, where that is not the runtime as shipped
OFF = {
    "static scales, one text a run": "static scales",
    "static scales, 128 tokens a run": "static scales",
    "static scales, 512 tokens a run": "static scales",
    "static scales, 1024 tokens a run": "static scales",
}
WORKLOADS = ("latency-16", "latency-128", "latency-512", "request", "throughput")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all levers and write them."""
    parser = argparse.ArgumentParser(prog="python -m bench.levers", description=__doc__)
    parser.add_argument("--model", choices=list(MODELS), default="minilm")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--levers", nargs="+", choices=list(LEVERS), default=list(LEVERS), metavar="NAME"
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path, default=None)
    asked = parser.parse_args(arguments)
    output = asked.output or RESULTS / f"levers-{asked.model}.json"
    result = {
        "format": FORMAT,
        "kind": "levers",
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": asked.quick,
        "machine": machine.describe(),
        "rounds": asked.rounds,
        "model": MODELS[asked.model].label,
        **measure(asked.model, asked.levers, asked.rounds, asked.quick),
    }
    output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    warn_of_noise(result["rows"].values())
    print(f"written: {output}", file=sys.stderr)
    return 0


def measure(name: str, levers: Sequence[str], rounds: int, quick: bool) -> dict[str, Any]:
    """Measure levers on one model, in rounds."""
    model, cores = MODELS[name], usable_cores()
    _, checkpoint = prepare("optimum", name, "checkpoint")
    texts = 64 if quick else model.texts
    workload = make_workload(checkpoint / "tokenizer.json", texts)
    work = work_of(model, workload, WORKLOADS, quick, first=False) | {"batch": BATCH}
    found: dict[str, dict[str, Any]] = {key: {"label": key, "ours": True} for key in levers}
    for number in range(rounds):
        for key in rotated(list(levers), number):
            if "failed" in found[key]:
                continue
            files, chosen = LEVERS[key]
            settings = on_cores(chosen, cores)
            try:
                python, folder = prepare(ENVIRONMENT, name, files)
                turn = rounded(take(Start(python, PEER, folder, settings, cores), work))
            except TurnFailed as error:
                found[key]["failed"] = str(error)
                continue
            found[key].setdefault("turns", []).append(turn)
            print(f"round {number + 1}: {key}", file=sys.stderr)
    return {"texts": texts, "rows": found}


if __name__ == "__main__":
    sys.exit(main())
