"""Build bundles of the three shapes, measure them on this machine, set reported GLUE beside.

The weights are drawn at random: time, memory and size are those of trained ones, accuracy means
nothing, so it comes from `literature.py`. All have MiniLM's vocabulary (30,522 pieces); RoBERTa's
own has 50,265, which adds 15 MB in int8 and 61 MB in fp32 to its size and nothing to its time.

    python -m examples.compare-families FOLDER --levels int8 fp32
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from bench.shapes import SHAPES, write
from edgebert.bundle import MANIFEST_NAME, Bundle
from edgebert.device.cpu import read_cpu
from edgebert.manifest import Level
from edgebert.measure import Figures, measure
from edgebert_export import Recipe, export

literature = import_module("examples.compare-families.literature")

LOOSE = 0.5  # a floor for random weights, which have nothing to lose
HEAD = (
    "model",
    "level",
    "ms, {0} tokens",
    "ms, {1} tokens",
    "ms, {2} tokens",
    "texts/s",
    "start, ms",
    "MB",
    "disk, MB",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what is missing, measure everything, print two tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", type=Path, help="for checkpoints and bundles, made once")
    parser.add_argument("--shapes", nargs="+", choices=sorted(SHAPES), default=sorted(SHAPES))
    parser.add_argument(
        "--levels", nargs="+", type=Level, choices=list(Level), default=[Level.INT8, Level.FP32]
    )
    parser.add_argument("--texts", type=int, default=200, help="of the throughput (200)")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each (3)")
    given = parser.parse_args(arguments)
    print(reported_table(given.shapes))
    rows = []
    for name in given.shapes:
        for level in given.levels:
            path = bundle_of(name, level, given.folder)
            print(f"measuring {path.name}", file=sys.stderr)
            ours, _ = measure(path, texts=given.texts, rounds=given.rounds)
            rows.append((name, level, ours, disk_mb(path)))
    print(measured_table(rows))
    print(f"\nMeasured on {read_cpu().model}, int8 path {read_cpu().int8_path.value}.")
    return 0


def bundle_of(name: str, level: Level, folder: Path) -> Path:
    """Give a shape's bundle; it and its checkpoint are made where they are not there."""
    checkpoint, target = folder / "checkpoints" / name, folder / f"{name}-{level.value}"
    if not (checkpoint / "model.safetensors").exists():
        write(name, checkpoint)
    if not target.exists():
        print(f"exporting {target.name}", file=sys.stderr)
        recipe = Recipe(
            model=checkpoint,
            output=target,
            quantize=level,
            min_cosine_mean=LOOSE,
            min_cosine=LOOSE,
        )
        export(recipe)
    return target


def disk_mb(path: Path) -> float:
    """Sum up a bundle's files."""
    return (Bundle.open(path).total_bytes() + (path / MANIFEST_NAME).stat().st_size) / 1e6


def reported_table(shapes: Sequence[str]) -> str:
    """Lay out what others reported."""
    lines = [
        f"| reported | parameters, M | {' | '.join(literature.TASKS)} | mean | field of use |",
        "|---" * (len(literature.TASKS) + 4) + "|",
    ]
    for name in shapes:
        row = literature.REPORTED[name]
        scores = " | ".join(f"{score:.1f}" for score in row.glue)
        lines.append(
            f"| {row.model} | {row.parameters_m} | {scores} | {row.mean:.1f} | {row.field} |"
        )
    return "\n".join([*lines, "", f"Source: {literature.SOURCE}.", ""])


def measured_table(rows: Sequence[tuple[str, Level, Figures, float]]) -> str:
    """Lay out what was measured."""
    tokens = [latency.tokens for latency in rows[0][2].latencies]
    lines = [f"| {' | '.join(HEAD).format(*tokens)} |", "|---" * len(HEAD) + "|"]
    for name, level, figures, disk in rows:
        cells = [
            name,
            level.value,
            *(f"{latency.p50_ms:.1f}" for latency in figures.latencies),
            f"{figures.texts_per_s:.0f}",
            f"{figures.first_s * 1000:.0f}",
            f"{figures.peak_mb:.0f}",
            f"{disk:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
