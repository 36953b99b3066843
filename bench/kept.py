"""A results file that is written while it grows, so that an interrupted run can be gone on with."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import describe

Result = dict[str, Any]
Steps = Iterator[tuple[str, Callable[[], Any]]]  # names of figures, and what measures each
SAME = ("format", "kind", "quick", "machine", "asked")  # what two halves of a run must agree on


class CannotContinue(Exception):
    """The file at hand is not the beginning of this run; the message says where they differ."""


def write(path: Path, result: Result) -> None:
    """Write all that is known by now; a reader finds the old file or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


def take_up(path: Path, fresh: Result) -> Result:
    """Read what an interrupted run has written.

    Args:
        path: the file.
        fresh: the run as it would begin now; more rounds than before are welcome.

    Raises:
        CannotContinue: there is no such file, or it is of another run or machine.
    """
    try:
        found: Result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CannotContinue(f"{path} cannot be read ({error}); run without --continue") from error
    for key in SAME:
        if found.get(key) != fresh[key]:
            raise CannotContinue(
                f"{path} has {key} {found.get(key)!r}, this run has {fresh[key]!r}; "
                "ask for the same, or run without --continue"
            )
    return found | {"rounds": fresh["rounds"]}


def fill_in(path: Path, kind: str, bundles: list[str], steps: Steps) -> None:
    """Measure the figures that a file has not, of the same bundles, and write each as it comes.

    Args:
        path: the file; one of other bundles is begun anew.
        kind: of the results.
        bundles: fingerprints of what is measured.
        steps: what to measure.
    """
    result: Result = {"kind": kind, "machine": describe(), "bundles": bundles, "figures": {}}
    if path.exists():
        found: Result = json.loads(path.read_text(encoding="utf-8"))
        if found["bundles"] == bundles:
            result = found
    for name, step in steps:
        if name not in result["figures"]:
            result["figures"][name] = step()
            result["made"] = datetime.now(UTC).isoformat(timespec="seconds")
            write(path, result)
            print(name, json.dumps(result["figures"][name]), flush=True)
