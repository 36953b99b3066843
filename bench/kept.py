"""A results file that is written while it grows, so that an interrupted run can be gone on with."""

import json
import os
from pathlib import Path
from typing import Any

Result = dict[str, Any]
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
