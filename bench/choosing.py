"""The figures of docs/choosing.md: what int8 costs on labelled sets, what the three families cost.

    python -m bench.choosing scores FOLDER --data DATA    # bundles MODEL-LEVEL -> results
    python -m bench.choosing costs FOLDER --only bert-base-int8    # one piece of a quiet machine
    python -m bench.choosing_report                       # results -> the page

Scores do not depend on what else the machine does, costs do. Each figure is written as it comes,
and a score that stands there of the same bundles is not taken again.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.choosing_data import SETS, Labelled, write_set
from bench.kept import write
from bench.machine import describe
from bench.runner import RESULTS
from bench.shapes import SHAPES
from edgebert.answering import Setting
from edgebert.bundle import Bundle
from edgebert.compare import Budget, Comparison, compare
from edgebert.jobs.tables import read_rows
from edgebert.labelled import Goal, read_examples
from edgebert.manifest import Level
from edgebert.measure import measure
from edgebert.reports import as_json

families = import_module("examples.compare-families.__main__")

OUTPUT = RESULTS / "choosing.json"
LEVELS = (Level.FP32, Level.INT8, Level.INT8_ACCURATE)
# the sets that a model is scored on; MiniLM knows no Korean, and is shown what int8 does then
MODELS = {"minilm": tuple(SETS), "e5": ("klue_sts", "xquad", "pubmedqa")}
TEXTS = 60  # of the throughput
FAMILY_LEVELS = (Level.INT8, Level.FP32)


def main() -> int:
    """Take what is not taken yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(required=True)
    scores = kinds.add_parser("scores")
    scores.add_argument("folder", type=Path, help="of the bundles minilm-fp32, e5-int8, ...")
    scores.add_argument("--data", type=Path, required=True)
    scores.set_defaults(does=take_scores)
    costs = kinds.add_parser("costs")
    costs.add_argument("folder", type=Path, help="for checkpoints and bundles, made once")
    costs.add_argument("--only", help="one of them, such as bert-base-int8")
    costs.set_defaults(does=take_costs)
    for one in (scores, costs):
        one.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    result = recorded(arguments.output)
    for part, name, figures in arguments.does(arguments, result):
        result[part][name] = figures
        write(arguments.output, result)
        print(name, json.dumps(figures), flush=True)
    return 0


def recorded(path: Path = OUTPUT) -> dict[str, Any]:
    """Read what was taken before."""
    if not path.exists():
        return {"kind": "choosing", "scores": {}, "costs": {}}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def take_scores(
    arguments: argparse.Namespace, result: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Compare the three levels of each model on its sets."""
    for model, names in MODELS.items():
        paths = [arguments.folder / f"{model}-{level.value}" for level in LEVELS]
        prints = [Bundle.open(path).fingerprint for path in paths]
        for name in names:
            key = f"{name} {model}"
            if result["scores"].get(key, {}).get("bundles") != prints:
                found = score(SETS[name], name, paths, arguments.data)
                yield "scores", key, as_figures(found) | {"bundles": prints}


def score(one: Labelled, name: str, paths: list[Path], data: Path) -> Comparison:
    """Run bundles of one checkpoint over a set, as `edgebert compare` does."""
    with tempfile.TemporaryDirectory(prefix="edgebert-choosing-") as folder:
        rows, fit = write_set(one, name, data, Path(folder))
        prompts = one.prompts if Bundle.open(paths[0]).manifest.prompts else (None, None)
        setting = Setting(
            goal=one.goal,
            prompt=prompts[0],
            document_prompt=prompts[1],
            fit=() if fit is None else tuple(read_examples(read_rows(fit), Goal.CLASSIFY)),
        )
        examples = read_examples(read_rows(rows), one.goal)
        return compare(paths, examples, setting, Budget())


def as_figures(found: Comparison) -> dict[str, Any]:
    """Keep of a comparison what does not depend on the machine's other work."""
    whole = json.loads(as_json(found))
    return {
        "figure": found.figure,
        "rows": found.candidates[0].evaluation.rows,
        "levels": {
            one["evaluation"]["level"]: one["evaluation"]["scores"]["figures"]
            | {"agreement": one["agreement"]}
            for one in whole["candidates"]
        },
        "differences": {
            one.evaluation.level: asdict(delta.difference)
            for one, delta in zip(found.candidates[1:], found.deltas, strict=True)
        },
    }


def take_costs(
    arguments: argparse.Namespace, result: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Measure the shapes of the three families; give it a quiet machine."""
    for shape in sorted(SHAPES):
        for level in FAMILY_LEVELS:
            name = f"{shape}-{level.value}"
            if arguments.only in (None, name):
                path = families.bundle_of(shape, level, arguments.folder)
                ours, _ = measure(path, texts=TEXTS, rounds=1)
                about = {"disk_mb": families.disk_mb(path), "machine": describe()}
                yield "costs", name, asdict(ours) | about


if __name__ == "__main__":
    raise SystemExit(main())
