"""One turn: a row's process is started, timed from outside and inside, and gone at the end.

A turn has the machine to itself: the process of the row before has ended, so none of its threads
spin and none of its memory is held. (Two pools of spinning threads ruin each other's figures.)
"""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.environments import EnvironmentFailed, python_of
from bench.machine import Clock, foreign_share
from bench.prepare import ROOT, PreparationFailed, folder_of, last_words, offline

FIRST_TEXT = "How do I reset my password?"
SECONDS = 900  # a row that takes longer in one turn is given up


class TurnFailed(Exception):
    """A row could not be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a row's process is started."""

    python: Path  # of the row's environment
    peer: str  # module of bench.peers
    folder: Path  # what the adapter opens
    settings: dict[str, Any]  # for the adapter
    cores: int  # of this machine


def prepare(environment: str, model: str, files: str) -> tuple[Path, Path]:
    """Make a row's environment and files, and give its Python and its folder.

    Raises:
        TurnFailed: either could not be made.
    """
    try:
        return python_of(environment), folder_of(model, files)
    except (EnvironmentFailed, PreparationFailed) as error:
        raise TurnFailed(str(error)) from error


def take(start: Start, work: dict[str, Any]) -> dict[str, Any]:
    """Run one turn.

    Args:
        start: how.
        work: for the worker, see `bench.worker.run`; empty for the cold start alone.

    Returns:
        What the worker found, and `first_s` (process start to first vector), `rss_mb` (peak until
        then), `foreign` (share of the machine that others used meanwhile).

    Raises:
        TurnFailed: the process failed or took too long.
    """
    job = {
        "peer": start.peer,
        "folder": str(start.folder),
        "settings": start.settings,
        "text": FIRST_TEXT,
    }
    before, begun = Clock.now(), time.monotonic()
    first, found = _talk(start.python, f"{json.dumps(job)}\n{json.dumps(work)}\n")
    outside = {
        "first_s": first["at"] - begun,
        "rss_mb": first["rss_mb"],
        "foreign": foreign_share(before, Clock.now(), start.cores),
    }
    return {**found, **outside}


def _talk(python: Path, lines: str) -> list[dict[str, Any]]:
    """Start a worker, say all there is to say, and wait for its answers."""
    process = subprocess.Popen(
        [str(python), "-m", "bench.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=offline(),
    )
    try:
        out, err = process.communicate(lines, SECONDS)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise TurnFailed(f"took over {SECONDS} s") from error
    if process.returncode:
        raise TurnFailed(last_words(err) or f"exit {process.returncode}")
    return [json.loads(line) for line in out.splitlines()]
