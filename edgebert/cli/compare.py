"""`edgebert compare`: bundles side by side on labelled rows, and the one to take under a budget."""

import argparse
import sys
from pathlib import Path

from edgebert.compare import Budget, compare
from edgebert.comparison_report import comparison_lines, comparison_page
from edgebert.device.cpu import read_cpu
from edgebert.errors import InputError
from edgebert.evaluation_options import add_setting, read_setting
from edgebert.jobs.tables import read_rows
from edgebert.labelled import read_examples, read_names
from edgebert.reports import as_json
from edgebert.writing import write_text

SUMMARY = """Run bundles over the same labelled rows and set them side by side: how good, with
intervals; latency, rows a second, memory, cold start, disk; how far they agree. Then pick the
fastest of those within the budget that are within --margin of the best. Exit 3 if none fits."""
EXAMPLE = (
    "edgebert compare minilm-int8 minilm-fp32 --data intents.csv --task classify --fit more.csv"
)
NONE_FITS = 3
MARGIN = Budget().margin
BOUNDS = ("max_latency_ms", "max_memory_mb", "min_accuracy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundles", type=Path, nargs="+", help="folders of two bundles or more")
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="labelled rows")
    add_setting(parser)
    parser.add_argument("--max-latency-ms", type=float, help="of one row at a time, p50")
    parser.add_argument("--max-memory-mb", type=float, help="of a process that runs one text")
    parser.add_argument("--min-accuracy", type=float, help="of the task's first figure")
    parser.add_argument("--margin", type=float, default=MARGIN, help="what speed is worth (0.005)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page")


def run(arguments: argparse.Namespace) -> int:
    """Compare and print."""
    bounds = {name: getattr(arguments, name) for name in BOUNDS}
    for name, value in bounds.items():
        if value is not None and not value > 0:
            raise InputError(f"{name} is {value}; it must be above 0")
    if not 0 <= arguments.margin <= 1:
        raise InputError(f"margin is {arguments.margin}; it must be from 0 to 1")
    setting = read_setting(arguments, arguments.bundles[0])
    names = read_names(arguments.columns)
    examples = read_examples(read_rows(arguments.data, arguments.format), setting.goal, names)
    budget = Budget(**bounds, margin=arguments.margin)
    found = compare(arguments.bundles, examples, setting, budget, rounds=arguments.resamples)
    if arguments.html is not None:
        write_text(arguments.html, comparison_page(found, arguments.data.name, read_cpu().model))
        print(f"report: {arguments.html}", file=sys.stderr)
    print(as_json(found) if arguments.json else "\n".join(comparison_lines(found)))
    return NONE_FITS if found.picked is None else 0
