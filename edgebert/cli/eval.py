"""`edgebert eval`: how good a bundle's answers to a labelled file are, and what they cost."""

import argparse
import sys
from pathlib import Path

from edgebert.device.cpu import read_cpu
from edgebert.evaluate import evaluate
from edgebert.evaluation_options import add_setting, read_setting
from edgebert.jobs.tables import read_rows
from edgebert.labelled import COLUMNS, read_examples, read_names
from edgebert.reports import as_json, evaluation_lines, evaluation_page
from edgebert.writing import write_text

SUMMARY = "\n".join(
    [
        "Run a bundle over labelled rows (JSONL, CSV, TSV, Parquet), score its answers with",
        "intervals, and measure what they cost. Columns of a task:",
        *(f"  {goal.value:9} {columns}" for goal, columns in COLUMNS.items()),
    ]
)
EXAMPLE = "edgebert eval minilm-int8 intents.csv --task classify --fit more.csv --html eval.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("file", type=Path, help="labelled rows")
    add_setting(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate and print."""
    setting = read_setting(arguments, arguments.bundle)
    names = read_names(arguments.columns)
    examples = read_examples(read_rows(arguments.file, arguments.format), setting.goal, names)
    found, _ = evaluate(arguments.bundle, examples, setting, rounds=arguments.resamples)
    if arguments.html is not None:
        write_text(arguments.html, evaluation_page(found, arguments.file.name, read_cpu().model))
        print(f"report: {arguments.html}", file=sys.stderr)
    print(as_json(found) if arguments.json else "\n".join(evaluation_lines(found)))
    return 0
