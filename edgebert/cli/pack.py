"""`edgebert pack`: a bundle as one file."""

import argparse
from pathlib import Path

from edgebert.packing import pack

SUMMARY = """Put a bundle into one .edgebert file; the same bundle gives the same bytes."""
EXAMPLE = "edgebert pack minilm-int8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("output", type=Path, nargs="?", help="the file; default: NAME.edgebert")


def run(arguments: argparse.Namespace) -> int:
    """Pack and print the file's name."""
    print(pack(arguments.bundle, arguments.output))
    return 0
