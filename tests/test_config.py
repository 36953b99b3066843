"""How to run on this machine: refused early where wrong, cores as the container has them."""

import dataclasses
import os
from pathlib import Path

import pytest

from edgebert import config as module
from edgebert.config import RuntimeConfig, Truncation, cgroup_quota, usable_cores
from edgebert.errors import InputError


def test_by_default_the_machine_decides_and_the_task_how_to_take_long_texts() -> None:
    config = RuntimeConfig()
    assert (config.threads, config.max_tokens_per_run) == (None, None)
    assert config.truncation is None


@pytest.mark.parametrize("name", ["threads", "max_tokens_per_run"])
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_below_one_are_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(InputError, match=rf"RuntimeConfig\.{name} is {value}"):
        RuntimeConfig(**{name: value})


@pytest.mark.parametrize("name", ["threads", "max_tokens_per_run"])
def test_one_is_taken(name: str) -> None:
    assert getattr(RuntimeConfig(**{name: 1}), name) == 1


@pytest.mark.parametrize("value", ["x", "", "CUT", 0, False, ["cut"]])
def test_an_unknown_truncation_is_refused_with_the_known_ones(value: object) -> None:
    with pytest.raises(InputError, match=r"RuntimeConfig\.truncation is .* cut, error, window"):
        RuntimeConfig(truncation=value)


@pytest.mark.parametrize("value", ["window", Truncation.WINDOW])
def test_a_truncation_is_taken_by_its_name_as_well(value: Truncation) -> None:
    assert RuntimeConfig(truncation=value).truncation == Truncation.WINDOW


def test_an_option_that_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        RuntimeConfig(colour="red")


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RuntimeConfig().threads = 4


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def v1(quota: str, period: str = "100000\n") -> dict[str, str]:
    return {"cpu/cpu.cfs_quota_us": quota, "cpu/cpu.cfs_period_us": period}


CGROUPS = {
    "no cgroup": ({}, None),
    "version 2, one core and a half": ({"cpu.max": "150000 100000\n"}, 1.5),
    "version 2, no limit": ({"cpu.max": "max 100000\n"}, None),
    "version 2, half a core": ({"cpu.max": "50000 100000\n"}, 0.5),
    "version 2, empty": ({"cpu.max": ""}, None),
    "version 2, of another form": ({"cpu.max": "a lot\n"}, None),
    "version 1, two cores": (v1("200000\n"), 2.0),
    "version 1, no limit": (v1("-1\n"), None),
    "version 1, not a number": (v1("x\n"), None),
    "version 1, half of its files": ({"cpu/cpu.cfs_quota_us": "200000\n"}, None),
    "both, version 2 first": ({"cpu.max": "300000 100000\n"} | v1("200000\n"), 3.0),
}


@pytest.mark.parametrize("case", CGROUPS)
def test_a_containers_quota_is_read(tmp_path: Path, case: str) -> None:
    files, quota = CGROUPS[case]
    assert cgroup_quota(write(tmp_path, files), tmp_path / "none") == quota


# where a process stands, the files of the groups, the quota: a service's own group, the group
# above it, a container whose path from outside is not to be seen inside
GROUPS: dict[str, tuple[str, dict[str, str], float | None]] = {
    "its own, version 2": ("0::/a/b\n", {"a/b/cpu.max": "50000 100000\n"}, 0.5),
    "the least of all above": (
        "0::/a/b\n",
        {"a/b/cpu.max": "300000 100000\n", "a/cpu.max": "200000 100000\n"},
        2.0,
    ),
    "no limit of its own": (
        "0::/a/b\n",
        {"a/b/cpu.max": "max 100000\n", "cpu.max": "100000 100000\n"},
        1.0,
    ),
    "its own, version 1": (
        "4:cpu,cpuacct:/a\n0::/\n",
        {"cpu/a/cpu.cfs_quota_us": "150000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
        1.5,
    ),
    "of another group": ("0::/a\n", {"b/cpu.max": "50000 100000\n"}, None),
    "a path from outside": ("0::/docker/x\n", {"cpu.max": "100000 100000\n"}, 1.0),
    "a path upwards": ("0::/../x\n", {"cpu.max": "100000 100000\n"}, 1.0),
    "not in this form": ("hm\n", {"cpu.max": "100000 100000\n"}, 1.0),
}


@pytest.mark.parametrize("case", GROUPS)
def test_the_least_quota_of_a_group_and_those_above_counts(tmp_path: Path, case: str) -> None:
    where, files, quota = GROUPS[case]
    membership = tmp_path / "membership"
    membership.write_text(where)
    assert cgroup_quota(write(tmp_path / "root", files), membership) == quota


CORES = [(8, None, 8), (8, 2.0, 2), (2, 4.0, 2), (8, 1.9, 1), (8, 0.5, 1), (1, None, 1)]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinity")
@pytest.mark.parametrize(("affinity", "quota", "cores"), CORES)
def test_usable_cores_are_the_least_of_affinity_and_quota(
    monkeypatch: pytest.MonkeyPatch, affinity: int, quota: float | None, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)))
    monkeypatch.setattr(module, "cgroup_quota", lambda: quota)
    assert usable_cores() == cores


@pytest.mark.parametrize(("count", "cores"), [(6, 6), (None, 1)])
def test_without_affinity_the_systems_count_is_taken(
    monkeypatch: pytest.MonkeyPatch, count: int | None, cores: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    monkeypatch.setattr(module, "cgroup_quota", lambda: None)
    assert usable_cores() == cores


def test_the_engine_may_be_left_to_what_was_tuned() -> None:
    assert RuntimeConfig(engine="tuned").engine == "tuned"
