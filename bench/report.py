"""The page and the charts that the results make; nothing in them is written by hand.

python -m bench.report      # bench/results/*.json -> docs/benchmarks.md, bench/results/*.svg
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.charts import Curve, Panel, curves, panels
from bench.figures import (
    COST,
    MEASURES,
    SPEED,
    Measure,
    Rows,
    baseline_of,
    best_of,
    disturbed,
    disturbed_points,
    ratio_of,
    short,
    tail_of,
    value_of,
    versions_of,
)
from bench.levers import SHIPPED
from bench.runner import NOISE, RESULTS
from bench.summary import MET, MISSED, standing, table_of

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
METHOD = Path(__file__).with_name("method.md")
CHARTED = ("throughput", "latency-16", "latency-128", "latency-512")
MANY, FLAT = 32, 0.15  # from so many texts on, a token's cost may move by so much
FASTER = "times as fast as fp32"
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
    text, heads, lines = standing(result["models"])
    versions = ", ".join(f"{key} {text}" for key, text in versions_of(result["models"]).items())
    parts = [f"## Peers\n\n{_machine(result)}", f"{versions}.\n" * bool(versions)]
    parts += [text, _table(heads, lines)]
    charts: dict[str, str] = {}
    for key, model in result["models"].items():
        rows, texts = model["rows"], model["texts"]
        count, turns = disturbed(rows, NOISE)
        parts.append(f"### {model['label']}\n\n{texts:,} mixed texts.{_noise(count, turns)}\n")
        parts.append(_table(*table_of(rows, texts)))
        file = f"{name}-{key}.svg"
        charts[file] = _chart(model["label"], rows, texts)
        parts.append(
            f"![{model['label']}: speed and memory of every row](../bench/results/{file})\n"
        )
        parts.append(_speed_table(rows, texts))
        parts.append(_cost_table(rows, texts))
    parts.append(_failures(result))
    return "\n".join(parts), charts


def _machine(result: Result) -> str:
    machine = result["machine"]
    quick = " A quick run, which says only that everything works." if result.get("quick") else ""
    rounds = f"rounds: {result['rounds']}; " if "rounds" in result else ""
    broken = " **The run broke off; some rounds are missing.**" * (not result.get("finished", True))
    return (
        f"{machine['cpu']} ({', '.join(machine['flags'])}), {machine['cores']} cores, "
        f"{machine['memory_gb']:g} GB, {machine['kernel']}, Python {machine['python']}; "
        f"{rounds}{result['made'][:10]}.{quick}{broken}\n"
    )


def _noise(count: int, turns: int) -> str:
    if not count:
        return f" Nothing else used over {NOISE:.0%} of the machine in any of {turns} turns."
    return (
        f" **In {count} of {turns} turns other processes used over {NOISE:.0%} of the machine: "
        "do not trust these figures.**"
    )


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
        ("memory", "texts", "own_mb", "number of texts", "MB besides texts and vectors"),
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
            short(one["own_mb"]),
        ]
        for row in rows.values()
        for one in row["texts"]
    ]
    heads = ["row", "texts", "texts/s", "microseconds a token", "peak memory, MB"]
    heads.append("of it besides texts and vectors, MB")
    head = f"## Scaling\n\n{_machine(result)}{_noise(*disturbed_points(rows, NOISE))}\n"
    lost = [[row["label"], row["failed"]] for key, row in result["rows"].items() if key not in rows]
    parts = [head, _flatness(rows), shown, _table(heads, listed)]
    return "\n".join([*parts, *([_table(["not measured", "why"], lost)] * bool(lost))]), charts


def _flatness(rows: Rows) -> str:
    """Say how far cost and memory move between the shortest and the longest list."""
    lines = []
    for row in rows.values():
        many = [one for one in row["texts"] if one["texts"] >= MANY]
        cells = [row["label"]]
        for key in ("us_per_token", "own_mb"):
            values = [one[key] for one in many]
            if not values:
                cells.append("-")
                continue
            spread = max(values) / min(values) - 1
            cells.append(f"{spread:.0%} {MET if spread <= FLAT else MISSED}")
        lines.append([*cells, f"{max((one['texts'] for one in many), default=0):,}"])
    heads = ["row", "cost of a token, most over least", "memory, most over least", "texts up to"]
    text = f"From {MANY} texts on; the target is {FLAT:.0%} at most.\n\n"
    return text + _table(heads, lines)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(heads)
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *lines]) + "\n"


KINDS = {"peers": _peers, "levers": _levers, "scaling": _scaling}


if __name__ == "__main__":
    sys.exit(main())
