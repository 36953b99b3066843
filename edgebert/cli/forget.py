"""`edgebert forget`: take learnt texts away again, exactly."""

import argparse
import sys
from pathlib import Path

from edgebert.errors import InputError
from edgebert.learn.learner import Learner
from edgebert.learn.receipts import read_receipts
from edgebert.learn.rows import Labelled, read_file

SUMMARY = """Forget texts as if they had never been learnt: by the receipts that `learn` wrote, or
by the same labelled texts. What the file keeps of them is erased."""
EXAMPLE = "edgebert forget minilm-int8 intents.learn --receipts receipts.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle that the learner was made on")
    parser.add_argument("learner", type=Path, help="the learner's file")
    parser.add_argument("input", type=Path, nargs="?", help="labelled texts, as `learn` reads them")
    parser.add_argument("--receipts", type=Path, metavar="FILE", help="receipts, as `learn` wrote")


def run(arguments: argparse.Namespace) -> int:
    """Forget, and erase what the journal holds of it."""
    if arguments.input is None and arguments.receipts is None:
        raise InputError("nothing to forget; give labelled texts or --receipts")
    receipts = [] if arguments.receipts is None else read_receipts(arguments.receipts)
    with Learner.open(arguments.learner, arguments.bundle) as learner:
        rows = Labelled([], [])
        if arguments.input is not None:
            rows = read_file(arguments.input, several=learner.state.setting.multi_label)
        learner.forget(receipts, texts=rows.texts, labels=rows.labels)
        learner.compact()
        total = learner.state.statistics.total
    forgotten = len(receipts) + len(rows.texts)
    print(f"{forgotten:,} texts forgotten; {total:,} are known", file=sys.stderr)
    return 0
