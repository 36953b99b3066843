"""One turn: a row's process is started, timed from outside and inside, and gone at the end.

A turn has the machine to itself: the process of the row before has ended, so none of its threads
spin and none of its memory is held. (Two pools of spinning threads ruin each other's figures.)
"""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.environments import EnvironmentFailed, python_of
from bench.machine import Clock, foreign_share
from bench.prepare import ROOT, PreparationFailed, folder_of, last_words, offline

FIRST_TEXT = "How do I reset my password?"
SECONDS = 900  # a row that takes longer in one turn is given up


class TurnFailed(Exception):
    """A row could not be measured; the message says why."""


def prepare(environment: str, model: str, files: str) -> tuple[Path, Path]:
    """Make a row's environment and files, and give its Python and its folder.

    Raises:
        TurnFailed: either could not be made.
    """
    try:
        return python_of(environment), folder_of(model, files)
    except (EnvironmentFailed, PreparationFailed) as error:
        raise TurnFailed(str(error)) from error


def take(
    python: Path,
    peer: str,
    folder: Path,
    settings: dict[str, Any],
    work: dict[str, Any],
    cores: int,
) -> dict[str, Any]:
    """Run one turn.

    Args:
        python: of the row's environment.
        peer: module of bench.peers.
        folder: what the adapter opens.
        settings: for the adapter.
        work: for the worker, see `bench.worker.run`; empty for the cold start alone.
        cores: of this machine.

    Returns:
        What the worker found, and `first_s` (process start to first vector), `rss_mb` (peak until
        then), `foreign` (share of the machine that others used meanwhile).

    Raises:
        TurnFailed: the process failed or took too long.
    """
    job = {"peer": peer, "folder": str(folder), "settings": settings, "text": FIRST_TEXT}
    before, start = Clock.now(), time.monotonic()
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
        out, err = process.communicate(f"{json.dumps(job)}\n{json.dumps(work)}\n", SECONDS)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise TurnFailed(f"took over {SECONDS} s") from error
    if process.returncode:
        raise TurnFailed(last_words(err) or f"exit {process.returncode}")
    first, found = map(json.loads, out.splitlines())
    outside = {
        "first_s": first["at"] - start,
        "rss_mb": first["rss_mb"],
        "foreign": foreign_share(before, Clock.now(), cores),
    }
    return {**found, **outside}
