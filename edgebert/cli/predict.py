"""`edgebert predict`: texts in, the classes learnt out, as JSONL in the order given."""

import argparse
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from edgebert.errors import InputError
from edgebert.jobs.tables import Entry, Format, parse_entries, read_entries
from edgebert.learn.learner import Learner
from edgebert.records import as_record, to_json

SUMMARY = """Classify texts by what a learner knows: lines, JSONL, CSV or Parquet in, JSONL out,
in the order given. Other columns are kept."""
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
    entries = read_input(arguments.input)
    while some := list(islice(entries, AT_ONCE)):
        results = learner.predict([text_of(entry) for entry in some], top_k=arguments.top_k)
        for entry, result in zip(some, results, strict=True):
            record = {**entry.fields, **as_record(result, several=arguments.top_k > 1)}
            print(to_json(record))
    return 0


def read_input(name: str) -> Iterator[Entry]:
    """Read the rows of a file or of stdin."""
    if name == "-":
        return parse_entries(sys.stdin.buffer, Format.LINES)
    return read_entries(Path(name))


def text_of(entry: Entry) -> str:
    """Take the text of a row."""
    text = entry.fields.get("text")
    if entry.fault or not isinstance(text, str):
        fault = entry.fault or f"field 'text' is {text!r:.80}, expected a string"
        raise InputError(f"{entry.place}: {fault}")
    return text
