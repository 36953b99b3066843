"""`edgebert merge`: one learner takes in what others know."""

import argparse
import sys
from pathlib import Path

from edgebert.learn.learner import Learner

SUMMARY = """Take in what other learners of the same bundle and tier know. The result is the same,
bit for bit, as if one had learnt it all."""
EXAMPLE = "edgebert merge minilm-int8 intents.learn other.learn"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle that all were made on")
    parser.add_argument("learner", type=Path, help="the learner's file, which is changed")
    parser.add_argument("others", type=Path, nargs="+", help="files that are read")


def run(arguments: argparse.Namespace) -> int:
    """Merge one after another."""
    with Learner.open(arguments.learner, arguments.bundle) as learner:
        for path in arguments.others:
            learner.merge(Learner.open(path, arguments.bundle, read_only=True))
        total, classes = learner.state.statistics.total, len(learner.classes)
    print(f"{total:,} texts of {classes:,} classes known", file=sys.stderr)
    return 0
