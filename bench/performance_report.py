"""docs/performance.md: the words of bench/performance.md, and the figures that the results make.

    python -m bench.performance_report      # bench/results/*.json -> docs/performance.md

Each line `<!-- made: NAME -->` of the source stands for one of BLOCKS.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench import profile
from bench.figures import MEASURES, Measure, Rows, disturbed, ratio_of, short, value_of
from bench.levers import OFF, SHIPPED
from bench.markdown import DOCS, machine, noise, table, write_files
from bench.rows import MODELS
from bench.runner import NOISE, RESULTS

PAGE = DOCS / "performance.md"
SOURCE = Path(__file__).with_name("performance.md")
PLACE = re.compile(r"<!-- made: (\w+) -->\n")
LOST = {"failed": "not measured"}
Results = Mapping[str, Mapping[str, Any]]


def main() -> int:
    """Write the page."""
    write_files({PAGE: render(SOURCE.read_text(encoding="utf-8"), load())})
    return 0


def load(folder: Path = RESULTS) -> dict[str, Any]:
    """Read the results of this page, by the names of their files."""
    names = [*_named("profile").values(), *_named("levers").values(), "soak"]
    files = {name: folder / f"{name}.json" for name in names}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in files.items()
        if path.is_file()
    }


def render(source: str, results: Results) -> str:
    """Put figures in the places of the source."""
    return PLACE.sub(lambda found: BLOCKS[found[1]](results), source)


def _named(kind: str) -> dict[str, str]:
    """Give the name of a kind's results of each model."""
    return {model: f"{kind}-{model}" for model in MODELS}


def _profiles(results: Results) -> str:
    """Lay out where the time of every profiled model goes, and what each was measured on."""
    found = [results[name] for name in _named("profile").values() if name in results]
    lines = [
        f"- {one['model']}: the peak is {short(one['peak_tops'])} TOP/s of one core; "
        f"{_others(one['foreign'])}; {machine(one)}"
        for one in found
    ]
    parts = ["".join(lines), profile.table(found)] if found else []
    return "\n".join([*parts, *_missing(results, "profile")])


def _others(share: float) -> str:
    if share <= NOISE:
        return f"nothing else used over {NOISE:.0%} of the machine"
    return f"**other processes used {share:.0%} of the machine: do not trust these figures**"


def _levers(results: Results) -> str:
    """Lay out the levers of every model that they were pulled on."""
    found = [results[name] for name in _named("levers").values() if name in results]
    return "\n".join([*map(_levers_of, found), *_missing(results, "levers")])


def _levers_of(result: Mapping[str, Any]) -> str:
    rows, texts = result["rows"], result["texts"]
    shipped = {one: value_of(rows.get(SHIPPED, LOST), one, texts) for one in MEASURES}
    measures = [one for one in MEASURES if any(value_of(row, one, texts) for row in rows.values())]
    lines = [[SHIPPED, "-", *(f"{short(shipped[one])} {one.unit}" for one in measures)]]
    for key, row in rows.items():
        if key != SHIPPED:
            off = OFF.get(key, SHIPPED)
            lines.append([key, off, *_ratios(row, rows.get(off, LOST), measures, texts)])
    heads = ["lever", "against", *(measure.title for measure in measures)]
    head = f"### {result['model']}\n\n{machine(result)}\n{texts:,} mixed texts."
    return f"{head}{noise(*disturbed(rows, NOISE))}\n\n{table(heads, lines)}{_lost(rows)}"


def _ratios(
    row: Mapping[str, Any], off: Mapping[str, Any], measures: list[Measure], texts: int
) -> Iterator[str]:
    for measure in measures:
        yield short(ratio_of(row, off, measure, texts))


def _lost(rows: Rows) -> str:
    lines = [[row["label"], row["failed"]] for row in rows.values() if "failed" in row]
    return "\n" + table(["not measured", "why"], lines) if lines else ""


def _missing(results: Results, kind: str) -> list[str]:
    """Say how what is not there is measured."""
    models = [model for model, name in _named(kind).items() if name not in results]
    if not models:
        return []
    return [f"Not measured yet, by `python -m bench.{kind} --model MODEL`: {', '.join(models)}.\n"]


def _memory(results: Results) -> str:
    """Tell how the resident memory went."""
    if "soak" not in results:
        return "Not measured yet, by `python -m bench.soak BUNDLE`.\n"
    found = results["soak"]
    series = found["rss_mb"]
    return (
        f"{found['calls']:,} calls with {found['texts']:,} texts, {found['tokens']:,} tokens and "
        f"{found['lengths']} different lengths in {found['seconds']:g} s. Resident memory: "
        f"{short(series[0])} MB with the bundle open, {series[len(series) // 4]:.1f} MB after a "
        f"quarter of the time, {series[-1]:.1f} MB at the end.\n\n{machine(found)}"
    )


BLOCKS = {"profiles": _profiles, "levers": _levers, "memory": _memory}


if __name__ == "__main__":
    sys.exit(main())
