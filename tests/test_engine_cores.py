"""An engine makes as many threads as it may use cores: by affinity, by quota, in real processes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebert.config import usable_cores
from tests.conftest import ROOT

CODE = """
import sys, threading
from edgebert import Embedder
embedder = Embedder.load(sys.argv[1])
embedder.embed([f"the train to seoul {n}" for n in range(2000)])
print(sum(thread.name.startswith("edgebert") for thread in threading.enumerate()))
"""
GROUPS = Path("/sys/fs/cgroup/cpu")  # version 1
needs_cores = pytest.mark.skipif(
    usable_cores() < 2 or not hasattr(os, "sched_getaffinity"),
    reason="cores can be taken away where there are two, on systems that know how",
)


def workers(bundle: Path, *before: str) -> int:
    """Embed in a process of its own, started by a command; give its worker threads."""
    command = [*before, sys.executable, "-c", CODE, str(bundle)]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "export")])
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": paths},
    )
    return int(done.stdout)


@needs_cores
def test_every_core_has_a_worker(tiny: Path) -> None:
    assert workers(tiny / "tiny-embed") == usable_cores()


@needs_cores
@pytest.mark.skipif(shutil.which("taskset") is None, reason="this system has no taskset")
def test_cores_that_affinity_takes_away_have_none(tiny: Path) -> None:
    core = min(os.sched_getaffinity(0))
    # one core: no thread but the caller's
    assert workers(tiny / "tiny-embed", "taskset", "-c", str(core)) == 0


@pytest.fixture
def one_core_group() -> Iterator[Path]:
    """A control group with a quota of one core."""
    group = GROUPS / f"edgebert-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control groups can be made here: {error}")
    try:
        (group / "cpu.cfs_quota_us").write_text((group / "cpu.cfs_period_us").read_text())
        yield group
    finally:
        group.rmdir()


@needs_cores
def test_cores_that_a_quota_takes_away_have_none(tiny: Path, one_core_group: Path) -> None:
    join = f'echo $$ > {one_core_group}/cgroup.procs && exec "$@"'
    assert workers(tiny / "tiny-embed", "sh", "-c", join, "sh") == 0
