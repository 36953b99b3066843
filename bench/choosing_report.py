"""The tables of docs/choosing.md, made of results/choosing.json.

    python -m bench.choosing_report

The page's words are written by hand; what stands between `<!-- made: NAME -->` and `<!-- end -->`
is not.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bench.choosing import FAMILY_LEVELS, families, recorded
from bench.choosing_data import SETS
from bench.markdown import DOCS, fill, write_files
from bench.shapes import SHAPES
from edgebert.compare import points
from edgebert.measure import Figures, Latency
from edgebert.metrics import Interval

PAGE = DOCS / "choosing.md"
NAMES = {"minilm": "", "e5": ", multilingual-e5-small"}
FIGURES = {"spearman": "Spearman", "ndcg_at_10": "nDCG@10", "accuracy": "accuracy"}
Results = Mapping[str, Any]


def main() -> int:
    """Write the page's tables."""
    write_files({PAGE: render(PAGE.read_text(encoding="utf-8"), recorded())})
    return 0


def render(page: str, result: Results) -> str:
    """Make the page anew."""
    return fill(page, lambda name: BLOCKS[name](result))


def _scores(result: Results) -> str:
    """Lay out the sets, MiniLM first."""
    lines = [
        "| set | figure | rows | fp32 | int8 | int8 - fp32 | int8-accurate - fp32 |",
        "|---" * 7 + "|",
    ]
    for model in NAMES:
        for name in SETS:
            if found := result["scores"].get(f"{name} {model}"):
                lines.append(_line(SETS[name].title + NAMES[model], found))
    return "\n".join(lines) + "\n"


def _line(title: str, found: Results) -> str:
    figure = found["figure"]
    values = [f"{found['levels'][level][figure]['value']:.4f}" for level in ("fp32", "int8")]
    gaps = [
        points(Interval(**found["differences"][level])).replace(" points", "")
        for level in ("int8", "int8-accurate")
    ]
    cells = [title, FIGURES[figure], f"{found['rows']:,}", *values, *gaps]
    return f"| {' | '.join(cells)} |"


def _reported(result: Results) -> str:
    return str(families.reported_table(sorted(SHAPES)))


def _measured(result: Results) -> str:
    """Lay out what the three families cost, as `examples.compare-families` prints it."""
    rows = []
    for shape in sorted(SHAPES):
        for level in FAMILY_LEVELS:
            if found := result["costs"].get(f"{shape}-{level.value}"):
                rows.append((shape, level, figures_of(found), found["disk_mb"]))
    if not rows:
        return "Not taken yet on a quiet machine: `python -m bench.choosing costs FOLDER`.\n"
    told = {
        f"{machine['cores']} cores of {machine['cpu']} (int8 by {machine['int8_path']})"
        for machine in (found["machine"] for found in result["costs"].values())
    }
    place = f"\n\nMeasured on {' and '.join(sorted(told))}, nothing else running.\n"
    return str(families.measured_table(rows)) + place


def figures_of(found: Results) -> Figures:
    """Read figures as they were written."""
    own = {key: value for key, value in found.items() if key not in ("disk_mb", "machine")}
    return Figures(**own | {"latencies": tuple(Latency(**one) for one in own["latencies"])})


BLOCKS: Mapping[str, Callable[[Results], str]] = {
    "scores": _scores,
    "reported": _reported,
    "measured": _measured,
}


if __name__ == "__main__":
    raise SystemExit(main())
