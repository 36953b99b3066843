"""The machine, what else runs on it, and what is installed: written into every results file."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebert.config import usable_cores
from edgebert.device.cpu import read_cpu
from edgebert.device.doctor import read_memory

STAT = Path("/proc/stat")
SHOWN_FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
TICKS = os.sysconf("SC_CLK_TCK")
BUSY_COLUMNS = (0, 1, 2, 5, 6, 7)  # user nice system irq softirq steal; guest is in user
# What a set of packages and all that they require is, run in their own environment: names on the
# command line; {"versions": {...}, "bytes": n} out. Extras count only where they are installed.
INSTALLED = """
import json, re, sys
from importlib.metadata import distribution, PackageNotFoundError
waiting, seen, size = list(sys.argv[1:]), {}, 0
while waiting:
    name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
    if name in seen:
        continue
    try:
        found = distribution(name)
    except PackageNotFoundError:
        continue
    seen[name] = found.version
    for path in found.files or ():
        try:
            size += path.locate().stat().st_size
        except OSError:
            pass
    for line in found.requires or ():
        if "extra ==" not in line:
            waiting.append(re.match(r"[A-Za-z0-9._-]+", line).group())
print(json.dumps({"versions": dict(sorted(seen.items())), "bytes": size}))
"""


def describe() -> dict[str, Any]:
    """Say what the machine is."""
    cpu = read_cpu()
    return {
        "cpu": cpu.model,
        "architecture": cpu.architecture,
        "flags": [flag for flag in SHOWN_FLAGS if flag in cpu.flags],
        "int8_path": cpu.int8_path.value,
        "cores": usable_cores(),
        "memory_gb": round(read_memory().get("MemTotal", 0) / 1e9, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def installed(python: Path, packages: Sequence[str]) -> dict[str, Any]:
    """Give versions and size in bytes of packages and all they require, in an environment."""
    command = [str(python), "-c", INSTALLED, *packages]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@dataclass(frozen=True, slots=True)
class Clock:
    """A moment: wall time, CPU time of the whole machine, CPU time of ours."""

    wall: float
    machine: float
    ours: float  # of this process and its children that have ended

    @classmethod
    def now(cls, stat: Path = STAT) -> "Clock":
        """Read all three, in seconds."""
        times = os.times()
        return cls(times.elapsed, busy_seconds(stat), sum(times[:4]))


def busy_seconds(stat: Path = STAT) -> float:
    """Read how long all cores together were busy since boot; 0 where the system does not say."""
    try:
        fields = stat.read_text().splitlines()[0].split()[1:]
    except (OSError, IndexError):
        return 0.0
    return sum(int(fields[column]) for column in BUSY_COLUMNS) / TICKS


def foreign_share(before: Clock, after: Clock, cores: int) -> float:
    """Compute the share of the machine that others used meanwhile, 0 to 1; ours have ended."""
    spent = after.machine - before.machine - (after.ours - before.ours)
    return min(1.0, max(0.0, spent / max(1e-9, (after.wall - before.wall) * cores)))
