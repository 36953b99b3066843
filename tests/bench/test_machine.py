"""What the machine is, and what others used of it."""

import sys
import time
from pathlib import Path

import pytest

from bench.machine import TICKS, Clock, busy_seconds, describe, foreign_share, installed

STAT = "cpu  100 10 50 1000 30 5 5 20 7 0\ncpu0 1 1 1 1\n"


def test_busy_time_leaves_out_idling_and_waiting(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text(STAT)
    assert busy_seconds(stat) * TICKS == 100 + 10 + 50 + 5 + 5 + 20


def test_a_system_that_does_not_say_is_not_busy(tmp_path: Path) -> None:
    assert busy_seconds(tmp_path / "gone") == 0


def test_what_we_used_is_not_foreign() -> None:
    before, after = Clock(0, 0, 0), Clock(10, 20, 20)
    assert foreign_share(before, after, cores=2) == 0


def test_what_this_process_uses_is_ours() -> None:
    before = Clock.now().ours
    begun = time.process_time()
    while time.process_time() - begun < 0.1:
        pass
    assert Clock.now().ours - before > 0.05


def test_what_others_used_is_a_share_of_all_cores() -> None:
    before, after = Clock(0, 0, 0), Clock(10, 12, 8)
    assert foreign_share(before, after, cores=2) == pytest.approx(0.2)


def test_a_share_lies_between_none_and_all() -> None:
    assert foreign_share(Clock(0, 0, 0), Clock(1, 0, 9), cores=1) == 0
    assert foreign_share(Clock(0, 0, 0), Clock(1, 99, 0), cores=1) == 1


def test_the_machine_is_described() -> None:
    found = describe()
    assert found["cores"] >= 1
    assert found["python"] == sys.version.split()[0]


def test_installed_counts_what_a_package_requires() -> None:
    alone = installed(Path(sys.executable), ["numpy"])
    found = installed(Path(sys.executable), ["onnxruntime"])
    assert "numpy" in found["versions"]
    assert found["bytes"] > alone["bytes"] > 1e6


def test_a_package_that_is_not_there_counts_nothing() -> None:
    assert installed(Path(sys.executable), ["no-such-package"]) == {"versions": {}, "bytes": 0}
