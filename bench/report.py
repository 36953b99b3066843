"""The page and the charts that the results make; nothing in them is written by hand.

python -m bench.report      # bench/results/*.json -> docs/benchmarks.md, bench/results/*.svg
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.charts import Panel, panels
from bench.figures import (
    COST,
    MEASURES,
    SPEED,
    Measure,
    Rows,
    baseline_of,
    best_of,
    disturbed,
    ratio_of,
    short,
    tail_of,
    value_of,
    versions_of,
)
from bench.markdown import DOCS, machine, noise, table, write_files
from bench.runner import NOISE, RESULTS
from bench.scaling_report import UNSCALED
from bench.scaling_report import section as scaling_section
from bench.summary import alike, details, faithful, standing

PAGE = DOCS / "benchmarks.md"
METHOD = Path(__file__).with_name("method.md")
CHARTED = ("throughput", "latency-16", "latency-128", "latency-512")
FASTER = "times as fast as fp32"
Result = Mapping[str, Any]


def main() -> int:
    """Write the page and the charts."""
    write_files(render(load()))
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
    if "scaling" not in {result["kind"] for result in results.values()}:
        sections.append(UNSCALED)
    return {PAGE: "\n".join(sections), **charts}


def _peers(name: str, result: Result) -> tuple[str, dict[str, str]]:
    versions = ", ".join(f"{key} {text}" for key, text in versions_of(result["models"]).items())
    parts = [f"## Peers\n\n{machine(result)}", f"{versions}.\n" * bool(versions)]
    parts.append(f"### Standing\n\n{standing(result['models'])}")
    if same := alike(result["models"]):
        parts.append(f"### Against peers as near to fp32\n\nThe same bar for all: {same}")
    near = faithful(result["models"])
    charts: dict[str, str] = {}
    for key, model in result["models"].items():
        rows, texts = model["rows"], model["texts"]
        count, turns = disturbed(rows, NOISE)
        parts.append(f"### {model['label']}\n\n{texts:,} mixed texts.{noise(count, turns)}\n")
        parts.append(details(key, model, near))
        file = f"{name}-{key}.svg"
        charts[file] = _chart(model["label"], rows, texts)
        parts.append(
            f"![{model['label']}: speed and memory of every row](../bench/results/{file})\n"
        )
        parts.append(_speed_table(rows, texts))
        parts.append(_cost_table(rows, texts))
    parts.append(_failures(result))
    return "\n".join(parts), charts


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
    return table(["row", "batch", *heads], lines)


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
    return table(["row", *heads, *(["cosine to fp32, mean / least"] * accurate)], lines)


def _failures(result: Result) -> str:
    lines = [
        [row["label"], model["label"], row["failed"]]
        for model in result["models"].values()
        for row in model["rows"].values()
        if "failed" in row
    ]
    if not lines:
        return ""
    return "### Not measured\n\n" + table(["row", "model", "why"], lines)


def _chart(label: str, rows: Rows, texts: int) -> str:
    """Draw how many times faster than the baseline each row is, and its memory; best row on top."""
    baseline = baseline_of(rows)
    by_key = {measure.key: measure for measure in MEASURES}
    columns = []
    for key in CHARTED:
        measure = by_key[key]
        values = {
            row["label"]: ratio
            for row in rows.values()
            if (ratio := ratio_of(row, baseline, measure, texts)) is not None
        }
        columns.append(Panel(measure.title, FASTER, values, line=1.0))
    memory = {
        row["label"]: value
        for row in rows.values()
        if (value := value_of(row, by_key["memory-after"], texts)) is not None
    }
    columns.append(Panel("peak memory", "MB, less is better", memory))
    shown = [row for row in rows.values() if "turns" in row and "failed" not in row]
    first = columns[0].values
    names = sorted((row["label"] for row in shown), key=lambda name: -first.get(name, 0.0))
    ours = {row["label"] for row in shown if row["ours"]}
    return panels(label, names, ours, [column for column in columns if column.values])


def _has(rows: Rows, measure: Measure, texts: int) -> bool:
    return any(value_of(row, measure, texts) is not None for row in rows.values())


KINDS = {"peers": _peers, "scaling": scaling_section}


if __name__ == "__main__":
    sys.exit(main())
