"""`edgebert learn`: labelled texts into a learner's file, which is made if it is not there."""

import argparse
import os
import sys
from pathlib import Path
from typing import TextIO

from edgebert.errors import InputError
from edgebert.learn.features import Tier
from edgebert.learn.learner import Learner
from edgebert.learn.rows import read_file

SUMMARY = """Learn labelled texts on a frozen bundle. Rows are JSONL, CSV, TSV or Parquet with
"text" and "label" ("labels" with --multi-label). What was learnt before is kept; labels that are
new become classes. The file is made if it is not there; see docs/learning.md."""
EXAMPLE = "edgebert learn minilm-int8 intents.learn intents.csv --receipts receipts.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the embedding bundle's folder")
    parser.add_argument("learner", type=Path, help="the learner's file")
    parser.add_argument("input", type=Path, help="labelled texts, in a file that names its format")
    parser.add_argument(
        "--tier",
        type=Tier,
        choices=list(Tier),
        help="of a new file: tiny (default), small, base: more state, more accuracy",
    )
    parser.add_argument("--prompt", help="of a new file: name of a prefix that the bundle has")
    parser.add_argument(
        "--multi-label", action="store_true", help="of a new file: any number of labels a text"
    )
    parser.add_argument(
        "--receipts", type=Path, metavar="FILE", help="add receipts to a file, to forget exactly"
    )


def run(arguments: argparse.Namespace) -> int:
    """Learn the rows and say what is known; a file that is made is not left behind by a failure."""
    is_new = not arguments.learner.exists()
    try:
        return _learn(arguments)
    except BaseException:
        if is_new:
            arguments.learner.unlink(missing_ok=True)
        raise


def _learn(arguments: argparse.Namespace) -> int:
    with open_or_create(arguments) as learner:
        rows = read_file(arguments.input, several=learner.state.setting.multi_label)
        with open_receipts(arguments.receipts) as stream:  # before there is one to lose
            receipts = learner.learn(rows.texts, rows.labels, new_classes=True)
            stream.writelines(f"{receipt.to_json()}\n" for receipt in receipts)
        total, classes = learner.state.statistics.total, len(learner.classes)
    print(
        f"{len(receipts):,} texts learnt; {total:,} of {classes:,} classes known", file=sys.stderr
    )
    return 0


def open_receipts(path: Path | None) -> TextIO:
    """Open the file that receipts are added to; without one they go nowhere."""
    try:
        return open(os.devnull if path is None else path, "a", encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def open_or_create(arguments: argparse.Namespace) -> Learner:
    """Open the learner's file, or make it."""
    given = (arguments.tier, arguments.prompt, arguments.multi_label or None)
    if not arguments.learner.exists():
        return Learner.create(
            arguments.bundle,
            arguments.learner,
            tier=arguments.tier or Tier.TINY,
            prompt=arguments.prompt,
            multi_label=arguments.multi_label,
        )
    if any(value is not None for value in given):
        raise InputError(
            f"{arguments.learner} is there already; --tier, --prompt and --multi-label are for a "
            "new file, leave them out"
        )
    return Learner.open(arguments.learner, arguments.bundle)
