"""The page and the charts that the results make; nothing in them is written by hand.

python -m bench.report      # bench/results/*.json -> docs/benchmarks.md, bench/results/*.svg
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.charts import Bar, Curve, bars, curves
from bench.figures import (
    COST,
    MEASURES,
    SPEED,
    Measure,
    Rows,
    against,
    baseline_of,
    best_of,
    disturbed,
    ratio_of,
    short,
    tail_of,
    value_of,
)
from bench.levers import SHIPPED
from bench.runner import NOISE, RESULTS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
METHOD = Path(__file__).with_name("method.md")
CHARTED = ("throughput", "latency-16", "latency-128", "latency-512")
Result = Mapping[str, Any]


def main() -> int:
    """Write the page and the charts."""
    for path, text in render(load()).items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


def load(folder: Path = RESULTS) -> dict[str, Result]:
    """Read all results of this page's kinds, by the names of their files."""
    found = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    }
    ours = {name: result for name, result in found.items() if isinstance(result, dict)}
    return {name: result for name, result in ours.items() if result.get("kind") in KINDS}


def render(results: Mapping[str, Result]) -> dict[Path, str]:
    """Make every file that the results give: the page, and the charts that it shows."""
    sections = [METHOD.read_text(encoding="utf-8")]
    charts: dict[Path, str] = {}
    if not results:
        sections.append("No results are committed yet.\n")
    for name, result in results.items():
        page, drawn = KINDS[result["kind"]](name, result)
        sections.append(page)
        charts |= {RESULTS / file: text for file, text in drawn.items()}
    return {PAGE: "\n".join(sections), **charts}


def _peers(name: str, result: Result) -> tuple[str, dict[str, str]]:
    parts = [f"## Peers\n\n{_machine(result)}"]
    charts: dict[str, str] = {}
    for key, model in result["models"].items():
        rows, texts = model["rows"], model["texts"]
        count, turns = disturbed(rows, NOISE)
        parts.append(f"### {model['label']}\n\n{texts:,} mixed texts.{_noise(count, turns)}\n")
        parts.append(_targets(rows, texts))
        parts.append(_speed_table(rows, texts))
        parts.append(_cost_table(rows, texts))
        drawn = {
            f"{name}-{key}-{measure.key}.svg": _bars(model["label"], rows, measure, texts)
            for measure in SPEED
            if measure.key in CHARTED and _has(rows, measure, texts)
        }
        parts += [f"![{file}](../bench/results/{file})\n" for file in drawn]
        charts |= drawn
    parts.append(_failures(result))
    return "\n".join(parts), charts


def _machine(result: Result) -> str:
    machine = result["machine"]
    quick = " A quick run, which says only that everything works." if result.get("quick") else ""
    rounds = f"{result['rounds']} rounds; " if "rounds" in result else ""
    return (
        f"{machine['cpu']} ({', '.join(machine['flags'])}), {machine['cores']} cores, "
        f"{machine['memory_gb']:g} GB, {machine['kernel']}, Python {machine['python']}; "
        f"{rounds}{result['made'][:10]}.{quick}\n"
    )


def _noise(count: int, turns: int) -> str:
    if not count:
        return f" Nothing else used over {NOISE:.0%} of the machine in any of {turns} turns."
    return (
        f" **In {count} of {turns} turns other processes used over {NOISE:.0%} of the machine: "
        "do not trust these figures.**"
    )


def _targets(rows: Rows, texts: int) -> str:
    """Set the best of edgebert against the best peer, workload by workload."""
    lines = []
    for measure in MEASURES:
        ours, peer = (best_of(rows, measure, texts, ours=who) for who in (True, False))
        if ours is None or peer is None:
            continue
        mine, theirs = (value_of(rows[key], measure, texts) for key in (ours, peer))
        ratio = against(rows, ours, peer, measure, texts)
        lines.append(
            [
                f"{measure.title}, {measure.unit}",
                f"{rows[ours]['label']}: {short(mine)}",
                f"{rows[peer]['label']}: {short(theirs)}",
                short(ratio),
            ]
        )
    return _table(["workload", "best of edgebert", "best peer", "edgebert is better by"], lines)


def _speed_table(rows: Rows, texts: int) -> str:
    """Lay out figures and ratios; the best peer of a column is bold."""
    measures = [measure for measure in SPEED if _has(rows, measure, texts)]
    best = {measure.key: best_of(rows, measure, texts, ours=False) for measure in measures}
    lines = []
    for key, row in rows.items():
        if "failed" in row:
            continue
        cells = [_speed_cell(rows, row, measure, texts) for measure in measures]
        marked = [
            f"**{cell}**" if best[measure.key] == key else cell
            for measure, cell in zip(measures, cells, strict=True)
        ]
        lines.append([row["label"], str(row.get("batch", "own")), *marked])
    heads = [f"{measure.title}, {measure.unit} (x)" for measure in measures]
    return _table(["row", "batch", *heads], lines)


def _speed_cell(rows: Rows, row: Mapping[str, Any], measure: Measure, texts: int) -> str:
    value = value_of(row, measure, texts)
    tail = tail_of(row, measure) if measure.key.startswith("latency") else None
    shown = short(value) if tail is None else f"{short(value)} / {short(tail)}"
    ratio = ratio_of(row, baseline_of(rows), measure, texts)
    return f"{shown} ({short(ratio)})"


def _cost_table(rows: Rows, texts: int) -> str:
    """Lay out start, memory, sizes and, where weights are trained, accuracy."""
    accurate = any("cosine" in row for row in rows.values())
    lines = []
    for row in rows.values():
        if "failed" in row:
            continue
        line = [row["label"], *(short(value_of(row, measure, texts)) for measure in COST)]
        line += [short(row["disk_mb"]), short(row["installed_mb"])]
        if accurate:
            cosine = row.get("cosine")
            line.append(f"{cosine['mean']:.5f} / {cosine['min']:.4f}" if cosine else "-")
        lines.append(line)
    heads = [f"{measure.title}, {measure.unit}" for measure in COST]
    heads += ["files on disk, MB", "installed, MB"]
    return _table(["row", *heads, *(["cosine to fp32, mean / least"] * accurate)], lines)


def _failures(result: Result) -> str:
    lines = [
        [row["label"], model["label"], row["failed"]]
        for model in result["models"].values()
        for row in model["rows"].values()
        if "failed" in row
    ]
    if not lines:
        return ""
    return "### Not measured\n\n" + _table(["row", "model", "why"], lines)


def _bars(label: str, rows: Rows, measure: Measure, texts: int) -> str:
    baseline = baseline_of(rows)
    values = [
        Bar(row["label"], ratio, row["ours"])
        for row in rows.values()
        if (ratio := ratio_of(row, baseline, measure, texts)) is not None
    ]
    return bars(f"{label}: {measure.title}, times onnxruntime fp32", values, "x")


def _has(rows: Rows, measure: Measure, texts: int) -> bool:
    return any(value_of(row, measure, texts) is not None for row in rows.values())


def _levers(name: str, result: Result) -> tuple[str, dict[str, str]]:
    """Show each lever's figures, and in brackets how many times better it is than as shipped."""
    rows, texts = result["rows"], result["texts"]
    measures = [measure for measure in MEASURES if _has(rows, measure, texts)]
    lines = [
        [
            row["label"],
            *(
                f"{short(value_of(row, measure, texts))} "
                f"({short(ratio_of(row, rows[SHIPPED], measure, texts))})"
                for measure in measures
            ),
        ]
        for row in rows.values()
        if "failed" not in row
    ]
    lines += [[row["label"], row["failed"]] for row in rows.values() if "failed" in row]
    heads = [f"{measure.title}, {measure.unit} (x)" for measure in measures]
    count, turns = disturbed(rows, NOISE)
    head = f"## Levers: {result['model']}\n\n{_machine(result)}\n{texts:,} mixed texts."
    return f"{head}{_noise(count, turns)}\n\n" + _table(["lever", *heads], lines), {}


def _scaling(name: str, result: Result) -> tuple[str, dict[str, str]]:
    """Draw the three curves of cost, and the memory that goes with the longest."""
    rows = {key: row for key, row in result["rows"].items() if "failed" not in row}
    plots = (
        ("texts", "texts", "us_per_token", "number of texts", "microseconds a token"),
        ("memory", "texts", "peak_mb", "number of texts", "peak memory, MB"),
        ("tokens", "tokens", "us_per_token", "tokens of one text", "microseconds a token"),
        ("cores", "cores", "texts_per_s", "cores", "texts a second"),
    )
    charts = {}
    for what, across, up, x, y in plots:
        points = "texts" if what == "memory" else what
        lines = [
            Curve(row["label"], tuple((one[across], one[up]) for one in row[points]))
            for row in rows.values()
        ]
        charts[f"{name}-{what}.svg"] = curves(f"{result['model']}: {y} by {x}", lines, x, y)
    shown = "\n".join(f"![{file}](../bench/results/{file})\n" for file in charts)
    listed = [
        [
            row["label"],
            f"{one['texts']:,}",
            short(one["texts_per_s"]),
            short(one["us_per_token"]),
            short(one["peak_mb"]),
        ]
        for row in rows.values()
        for one in row["texts"]
    ]
    heads = ["row", "texts", "texts/s", "microseconds a token", "peak memory, MB"]
    return f"## Scaling\n\n{_machine(result)}\n{shown}\n" + _table(heads, listed), charts


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(heads)
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *lines]) + "\n"


KINDS = {"peers": _peers, "levers": _levers, "scaling": _scaling}


if __name__ == "__main__":
    sys.exit(main())
