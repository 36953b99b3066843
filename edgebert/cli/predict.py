"""`edgebert predict`: texts in, the classes learnt out, as JSONL in the order given."""

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from edgebert.errors import InputError
from edgebert.learn.learner import Learner
from edgebert.manifest import Task
from edgebert.records import InputFormat, Row, as_record, read_inputs

SUMMARY = """Classify texts by what a learner knows: lines or JSONL in, JSONL out, in the order
given. Fields of JSONL rows are kept."""
EXAMPLE = "edgebert predict minilm-int8 intents.learn texts.txt"
AT_ONCE = 1024  # texts; what is learnt meanwhile is not seen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle that the learner was made on")
    parser.add_argument("learner", type=Path, help="the learner's file")
    parser.add_argument("input", nargs="?", default="-", help="a file, or - for stdin (default)")
    parser.add_argument("--top-k", type=int, default=1, help="how many labels; default: 1")


def run(arguments: argparse.Namespace) -> int:
    """Classify and write one JSON line a text."""
    learner = Learner.open(arguments.learner, arguments.bundle, read_only=True)
    rows = read_rows(arguments.input)
    while some := list(islice(rows, AT_ONCE)):
        texts = [str(row.text) for row in some]
        results = learner.predict(texts, top_k=arguments.top_k)
        for row, result in zip(some, results, strict=True):
            record = {**row.fields, **as_record(result, several=arguments.top_k > 1)}
            print(json.dumps(record, ensure_ascii=False))
    return 0


def read_rows(name: str) -> Iterator[Row]:
    """Read the rows of a file or of stdin."""
    form = InputFormat.of(name)
    if name == "-":
        yield from read_inputs(sys.stdin, form, Task.EMBED)
        return
    try:
        stream = open(name, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error
    with stream:
        yield from read_inputs(stream, form, Task.EMBED)
