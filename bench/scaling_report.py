"""The curves of cost, and whether they are flat; a section of docs/benchmarks.md."""

from collections.abc import Mapping
from typing import Any

from bench.charts import Curve, curves
from bench.figures import Rows, disturbed_points, short
from bench.markdown import machine, noise, table
from bench.runner import NOISE
from bench.summary import MET, MISSED
from edgebert.engine import SORTED

MANY, FLAT = 32, 0.15  # from so many texts on, a token's cost may move by so much
FROM = {"us_per_token": MANY, "own_mb": SORTED}  # texts from which a value is to be flat
ABOUT = f"""## Scaling

Cost against the number of texts, the tokens of one text, and the cores. From {MANY} texts on a
token's cost may not move by more than {FLAT:.0%}, nor may the memory besides texts and vectors
from {SORTED:,} on: so many are held and sorted at a time, and fewer take less.
"""
UNSCALED = f"{ABOUT}\nNot measured yet, by `python -m bench.scaling`.\n"


def section(name: str, result: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Draw the curves, judge them and list the points.

    Args:
        name: of the results, which the charts are named after.
        result: what `bench.scaling` wrote.

    Returns:
        The section, and the charts by the names of their files.
    """
    rows = {key: row for key, row in result["rows"].items() if "failed" not in row}
    plots = (
        ("texts", "texts", "us_per_token", "number of texts", "microseconds a token"),
        ("throughput", "texts", "texts_per_s", "number of texts", "texts a second"),
        ("memory", "texts", "own_mb", "number of texts", "MB besides texts and vectors"),
        ("tokens", "tokens", "us_per_token", "tokens of one text", "microseconds a token"),
        ("cores", "cores", "texts_per_s", "cores", "texts a second"),
    )
    charts, shown = {}, []
    for what, across, up, x, y in plots:
        lines = [
            Curve(row["label"], tuple((one[across], one[up]) for one in row[across]))
            for row in rows.values()
        ]
        title, file = f"{result['model']}: {y} by {x}", f"{name}-{what}.svg"
        charts[file] = curves(title, lines, x, y)
        shown.append(f"![{title}](../bench/results/{file})\n")
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
    head = f"{ABOUT}\n{machine(result)}\n{noise(*disturbed_points(rows, NOISE)).strip()}\n"
    lost = [[row["label"], row["failed"]] for key, row in result["rows"].items() if key not in rows]
    parts = [head, _flatness(rows), *shown, table(heads, listed)]
    return "\n".join([*parts, *([table(["not measured", "why"], lost)] * bool(lost))]), charts


def _flatness(rows: Rows) -> str:
    """Say how far cost and memory move between the shortest and the longest list."""
    lines = []
    for row in rows.values():
        cells = [row["label"]]
        for key, least in FROM.items():
            values = [one[key] for one in row["texts"] if one["texts"] >= least]
            if len(values) < 2:  # nothing to compare
                cells.append("-")
                continue
            spread = max(values) / min(values) - 1
            cells.append(f"{spread:.0%} {MET if spread <= FLAT else MISSED}")
        lines.append([*cells, f"{max((one['texts'] for one in row['texts']), default=0):,}"])
    heads = ["row", "cost of a token, most over least", "memory, most over least", "texts up to"]
    return table(heads, lines)
