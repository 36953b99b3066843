"""The command line: parse, call, print. One file per verb; data on stdout, notes on stderr.

Exit codes: 0 done, 1 an `EdgebertError` printed as one line, 2 usage, 130 interrupted.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from edgebert.errors import EdgebertError
from edgebert.version import __version__


class Verb(Protocol):
    """What each file of this package offers."""

    SUMMARY: str
    EXAMPLE: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's arguments."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit code."""
        ...


# verb -> what it is for; a verb's own file is imported only when it is called
VERBS = {
    "export": "turn a checkpoint into a bundle",
    "inspect": "show what a bundle is and what was proven of it",
    "verify": "check a bundle's files and golden texts on this machine",
    "run": "run a bundle over texts",
    "data": "check and split labelled rows",
    "eval": "score a bundle on labelled rows, and what it costs",
    "compare": "set bundles side by side, and pick one under a budget",
    "learn": "learn labelled texts on a bundle, on the device",
    "predict": "classify texts by what was learnt",
    "forget": "forget learnt texts, as if they had never been learnt",
    "merge": "take in what another learner knows",
    "report": "say what a learner knows and how well",
    "route": "answer easy texts by cheaper stages, certified",
    "pack": "put a bundle into one file",
    "unpack": "take a bundle out of its file",
    "bench": "measure what a bundle costs on this machine",
    "tune": "find which engine wins for which lengths on this machine",
    "doctor": "say what this machine offers and whether a bundle fits it",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parsed = _parse(given)
        code = cast("int", parsed.run(parsed))
        sys.stdout.flush()
        return code
    except EdgebertError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # the reader of our output has gone, as with `| head`: not a fault
        _drop_output()
        return 0
    except OSError as error:
        # files are named by the error their own code raises; what is left is stdout, on a full disk
        _drop_output()
        print(f"error: output cannot be written: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _drop_output() -> None:
    """Send what is left in stdout's buffer nowhere, or Python's exit would fail on it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="edgebert", description="BERT-family encoders, small and fast without a GPU."
    )
    parser.add_argument("--version", action="version", version=f"edgebert {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    called = next((word for word in given if not word.startswith("-")), None)
    for name, summary in VERBS.items():
        if name != called:
            verbs.add_parser(name, help=summary)
            continue
        verb = cast("Verb", import_module(f"edgebert.cli.{name}"))
        below = verbs.add_parser(
            name,
            help=summary,
            description=verb.SUMMARY,
            epilog=f"example:\n  {verb.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_arguments(below)
        below.set_defaults(run=verb.run)
    return parser.parse_args(given)
