"""`edgebert unpack`: a bundle out of its file."""

import argparse
from pathlib import Path

from edgebert.packing import unpack

SUMMARY = """Take a bundle out of its .edgebert file and check that it is whole."""
EXAMPLE = "edgebert unpack minilm-int8.edgebert"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("file", type=Path, help="the .edgebert file")
    parser.add_argument("output", type=Path, nargs="?", help="the folder; default: the file's name")


def run(arguments: argparse.Namespace) -> int:
    """Unpack and print the folder's name."""
    print(unpack(arguments.file, arguments.output).path)
    return 0
