"""`edgebert report`: what a learner knows and how well, as JSON."""

import argparse
import dataclasses
import json
from pathlib import Path

from edgebert.learn.learner import Learner
from edgebert.learn.receipts import read_receipts

SUMMARY = """Say what a learner knows: its classes, which of them are near each other, its head
and size; and with receipts how it does on each text when that text is left out."""
EXAMPLE = "edgebert report minilm-int8 intents.learn"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle that the learner was made on")
    parser.add_argument("learner", type=Path, help="the learner's file")
    parser.add_argument("--receipts", type=Path, metavar="FILE", help="receipts, as `learn` wrote")


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    receipts = [] if arguments.receipts is None else read_receipts(arguments.receipts)
    learner = Learner.open(arguments.learner, arguments.bundle, read_only=True)
    report = dataclasses.asdict(learner.report(receipts))
    print(json.dumps(report, indent=1, ensure_ascii=False))
    return 0
