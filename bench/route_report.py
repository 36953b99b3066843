"""The figures of docs/routing.md: tables and a curve as results/route.json makes them.

    python -m bench.route_report       # bench/results/route.json -> docs/routing*

The page's words are written by hand; what stands between `<!-- made: NAME -->` and `<!-- end -->`
is not.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.markdown import DOCS, fill, table, write_files
from bench.route import OUTPUT
from bench.route_plots import draw_tradeoff

PAGE = DOCS / "routing.md"
CURVE = DOCS / "routing-tradeoff.svg"
NAMES = {
    "banking77": "Banking77",
    "clinc150": "CLINC150",
    "snips": "SNIPS",
    "stackoverflow_topics": "StackOverflow topics",
    "sentiment_sentences": "sentiment",
    "deep banking77": "Banking77, 12 layers",
}
LOSSES = ("harm", "disagreement")
RISKS = ("0.005", "0.01", "0.02")
Result = Mapping[str, Any]


def main() -> int:
    """Write the page and the curve."""
    result = json.loads(OUTPUT.read_text(encoding="utf-8"))
    write_files(render(PAGE.read_text(encoding="utf-8"), result))
    return 0


def render(page: str, result: Result) -> dict[Path, str]:
    """Make the page anew, and the curve that it shows."""
    made = fill(page, lambda name: BLOCKS[name](result))
    return {PAGE: made, CURVE: draw_tradeoff(_curves(result))}


def _machine(result: Result) -> str:
    machine = result["machine"]
    return (
        f"Measured {result['made'][:10]} on one core of {machine['cpu']} ({machine['int8_path']}), "
        f"Python {machine['python']}.\n"
    )


def _speed(result: Result) -> str:
    rows = []
    for key, name in NAMES.items():
        scores, times = result["figures"][f"{key} scores"], result["figures"][f"{key} times"]
        for loss in LOSSES:
            found, time = scores[f"{loss} 0.01"], times[loss]
            rows.append(
                [
                    name if loss == LOSSES[0] else "",
                    loss,
                    f"{scores['full_accuracy']:.2f}",
                    f"{found['accuracy']:.2f}",
                    f"{found['early']:.1f}",
                    f"{time['full_ms']['mean']:.2f}, {time['full_ms']['p50']:.2f}",
                    f"{time['cascade_ms']['mean']:.2f}, {time['cascade_ms']['p50']:.2f}",
                    f"x{time['mean_gain']:.2f}",
                    f"x{time['median_gain']:.2f}",
                    "yes" if time["said_worth_it"] else "no",
                ]
            )
    heads = ["set", "loss", "accuracy in full, %", "of the cascade, %", "early, %"]
    heads += ["ms in full: mean, median", "by the cascade", "mean gain", "median gain", "worth it"]
    return table(heads, rows)


def _stages(result: Result) -> str:
    rows = []
    for key, name in NAMES.items():
        scores, times = result["figures"][f"{key} scores"], result["figures"][f"{key} times"]
        shares, costs = scores["disagreement 0.01"]["stages"], times["disagreement"]["stage_ms"]
        alone = scores["stage_accuracy"]
        parts = [
            f"{stage}: {alone[stage]:.1f} %, {shares[stage]:.1f} %, "
            + (f"{costs[stage]:.2f} ms" if stage in costs else "-")
            for stage in shares
        ]
        ended = times["disagreement"]["escalated_ms"]
        full = f"{ended['cascade']:.2f} ms, x{ended['cascade'] / ended['full']:.2f}"
        rows.append([name, *parts, f"{100 - sum(shares.values()):.1f} %, {full}"])
    width = max(len(row) for row in rows)
    rows = [[*row[:-1], *["-"] * (width - len(row)), row[-1]] for row in rows]
    return table(["set", *["stage"] * (width - 2), "full"], rows)


def _risks(result: Result) -> str:
    def cell(found: Result, loss: str, risk: str) -> str:
        one = found[f"{loss} {risk}"]
        said = f"{one['early']:.1f}; {one[loss]:.2f}"
        return said if one["certified"] else "nothing certified"

    return _by_risk(result, "early, %; lost on the test, %", "scores", cell)


def _splits(result: Result) -> str:
    def cell(found: Result, loss: str, risk: str) -> str:
        one = found[f"{loss} {risk}"]
        return f"{one['broken']:.1f} (of {one['certified']:.0f})"

    return _by_risk(result, "broken, % (certified, %)", "splits", cell)


def _by_risk(result: Result, title: str, part: str, cell: Callable[[Result, str, str], str]) -> str:
    """Lay out figures of each set, a line a loss and a column a risk."""
    rows = [
        [
            name if loss == LOSSES[0] else "",
            loss,
            *(cell(result["figures"][f"{key} {part}"], loss, risk) for risk in RISKS),
        ]
        for key, name in NAMES.items()
        for loss in LOSSES
    ]
    return table([title, "loss", *(f"{100 * float(risk):g} %" for risk in RISKS)], rows)


def _batches(result: Result) -> str:
    found = result["figures"]["banking77 batches"]
    rows = [
        [
            size,
            f"{one['full']:,.0f}",
            f"{one['cascade']:,.0f}",
            f"x{one['cascade'] / one['full']:.2f}",
        ]
        for size, one in found.items()
    ]
    return table(["texts a call", "texts/s in full", "by the cascade", "gain"], rows)


def _scope(result: Result) -> str:
    found = result["figures"]["clinc150 scope"]
    return (
        "CLINC150, 4,500 texts of its classes against 1,000 of none: AUROC "
        f"{found['auroc']:.2f} %. At `p_in_scope` up to 0.05 {found['rejected_in_scope']:.2f} % "
        f"of the former and {found['recall_out_of_scope']:.2f} % of the latter are rejected. At "
        f"1 % of disagreement {found['foreign_early']:.1f} % of the latter are answered early.\n"
    )


def _needs(result: Result) -> str:
    rows = [
        [
            one["tier"],
            f"{one['learnt']:,}",
            f"{one['calibration']:,}",
            f"{one['early']:.1f}",
            f"{one['full_ms']:.2f}",
            f"{one['cascade_ms']:.2f}",
            f"x{one['full_ms'] / one['cascade_ms']:.2f}",
            "yes" if one["said_worth_it"] else "no",
        ]
        for one in result["figures"]["banking77 needs"]
    ]
    heads = ["tier", "learnt", "to calibrate", "early, %", "ms in full", "by the cascade"]
    return table([*heads, "gain", "worth it"], rows)


def _curves(result: Result) -> dict[str, list[tuple[float, float]]]:
    curves = {}
    for key, name in NAMES.items():
        times = result["figures"][f"{key} times"]["harm"]
        costs = times["stage_ms"] | {
            "full": times["stage_ms"].get("full", times["full_ms"]["mean"])
        }
        accuracy = result["figures"][f"{key} scores"]["full_accuracy"]
        points = [(1.0, 0.0)]
        for one in result["figures"][f"{key} curve"]:
            spent = (100 - one["early"]) * costs["full"]
            spent += sum(share * costs.get(name, 0.0) for name, share in one["stages"].items())
            points.append(
                (round(100 * times["full_ms"]["mean"] / spent, 3), one["accuracy"] - accuracy)
            )
        curves[name] = [point for point in points if point[0] >= 1]
    return curves


BLOCKS: Mapping[str, Callable[[Result], str]] = {
    "machine": _machine,
    "speed": _speed,
    "stages": _stages,
    "risks": _risks,
    "splits": _splits,
    "batches": _batches,
    "scope": _scope,
    "needs": _needs,
}


if __name__ == "__main__":
    sys.exit(main())
