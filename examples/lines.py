"""What the examples share: read a user's file of lines, open a bundle, say plainly what is wrong.

Left out: any other format; `edgebert run` reads JSONL.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from edgebert import EdgebertError
from edgebert.errors import InputError


def arguments_of(about: str | None, name: str) -> argparse.ArgumentParser:
    """Start an example's command line: a bundle, and a file with one text a line."""
    parser = argparse.ArgumentParser(
        prog=f"python -m examples.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", type=Path, help="a bundle's folder, of `edgebert export`")
    parser.add_argument("file", type=Path, help="UTF-8, one text a line; blank lines are left out")
    return parser


def read_lines(path: Path) -> list[str]:
    """Read the texts of a file, one a line.

    Raises:
        InputError: it cannot be read, is not UTF-8, or holds no text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8; convert the file") from error
    lines = [line.strip() for line in text.split("\n")]
    if not any(lines):
        raise InputError(f"{path}: no text in it; put one on each line")
    return [line for line in lines if line]


def run(example: Callable[[], None]) -> int:
    """Run an example; an error that edgebert foresees is a line on stderr and exit code 1."""
    try:
        example()
    except EdgebertError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
