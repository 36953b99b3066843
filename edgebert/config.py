"""How to run a bundle on this machine: threads, memory, long texts. The bundle says what to run."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from edgebert.errors import InputError
from edgebert.manifest import EngineName

# as `edgebert tune` found on this machine, by the length of a text; onnxruntime where it did not
TUNED = "tuned"


class Truncation(StrEnum):
    """What to do with a text that is longer than the model's limit."""

    CUT = "cut"  # keep the beginning and say so in the result
    ERROR = "error"  # refuse the text
    WINDOW = "window"  # run overlapping windows and merge what they give


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """Choices of the machine's owner; the defaults suit one process that has the machine."""

    threads: int | None = None  # worker threads; None: the cores this process may use
    max_tokens_per_run: int | None = None  # token budget of a run; None: by the hidden size
    truncation: Truncation | None = None  # None: the task's own: tag, answer: window; else cut
    # another: if the bundle was exported for it; tuned: as its profile on this machine says
    engine: EngineName | Literal["tuned"] = EngineName.ONNXRUNTIME

    def __post_init__(self) -> None:
        for name in ("threads", "max_tokens_per_run"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"RuntimeConfig.{name} is {value}; it must be 1 or more, or None")
        if self.truncation is not None and self.truncation not in tuple(Truncation):
            raise InputError(
                f"RuntimeConfig.truncation is {self.truncation!r}; it must be one of: "
                f"{', '.join(Truncation)}, or None"
            )
        engines = (*EngineName, TUNED)
        if self.engine not in engines:
            raise InputError(
                f"RuntimeConfig.engine is {self.engine!r}; it must be one of: {', '.join(engines)}"
            )


def usable_cores() -> int:
    """Count the cores this process may use: the least of its affinity and its cgroup's quota.

    `os.cpu_count` counts the host's cores; in a container with a quota of one core, a pool of
    sixteen threads is throttled sixteen to one.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        cores = os.cpu_count() or 1
    quota = cgroup_quota()
    return max(1, cores if quota is None else min(cores, int(quota)))


def cgroup_quota(
    root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> float | None:
    """Read the CPU quota of this process in cores; None where there is no limit.

    It is the least of its own group's and those above, as far as they can be seen: a service's own
    group has the limit, in a container the root that is visible there.

    Source: Linux Documentation/admin-guide/cgroup-v2.rst, `cpu.max`; version 1's `cpu.cfs_*`;
    cgroups(7), `/proc/pid/cgroup`.
    """
    paths = _group_paths(membership)
    for version, mount, controller in ((_quota_2, root, ""), (_quota_1, root / "cpu", "cpu")):
        own = mount / paths.get(controller, "")
        groups = [own, *(above for above in own.parents if above.is_relative_to(mount))]
        quotas = [quota for group in groups if (quota := version(group)) is not None]
        if quotas:
            return min(quotas)
    return None


def _group_paths(membership: Path) -> dict[str, str]:
    """Read where this process stands in each hierarchy: its controllers, "" for version 2."""
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        return {}
    return {
        controller: fields[2].lstrip("/")
        for fields in lines
        if len(fields) == 3 and ".." not in fields[2]  # a group that is not in sight from here
        for controller in fields[1].split(",")
    }


def _quota_2(group: Path) -> float | None:
    try:
        limit, period = (group / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return None


def _quota_1(group: Path) -> float | None:
    try:
        limit = int((group / "cpu.cfs_quota_us").read_text())
        return None if limit <= 0 else limit / int((group / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
