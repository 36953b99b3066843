"""What this machine has, what that means for int8, and whether a bundle fits."""

import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgebert.bundle import Bundle
from edgebert.config import cgroup_quota, usable_cores
from edgebert.device.cpu import SATURATING, Cpu, Int8Path, read_cpu
from edgebert.manifest import Level
from edgebert.tuned import describe_ranges, read_profile

MEMINFO = Path("/proc/meminfo")
# Loading maps the weights and lays out the int8 ones anew for the CPU: twice their size, and what
# Python, numpy, onnxruntime and tokenizers take themselves (bench: 60 MB).
MEMORY_FACTOR = 2
MEMORY_BASE = 60_000_000

SPEED = {
    Int8Path.AMX: "tile instructions: the fastest there is",
    Int8Path.VNNI: "dot-product instructions: fast",
    Int8Path.AVX2: "no dot-product instructions: slower, and 8-bit weights may saturate",
    Int8Path.SSE: "no dot-product instructions: slow, and 8-bit weights may saturate",
    Int8Path.I8MM: "matrix instructions: fast",
    Int8Path.DOT: "dot-product instructions: fast",
    Int8Path.NEON: "no dot-product instructions: int8 may be no faster than fp32, measure it",
    Int8Path.UNKNOWN: "the system does not say what the CPU has: measure it",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine as far as it matters here."""

    cpu: Cpu
    model: str  # of the board, where it has one
    cores: int
    quota: float | None
    memory_total: int | None  # bytes
    memory_available: int | None
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's."""

    verdict: str  # ok, warn or bad
    what: str
    found: str
    advice: str = ""


def read_machine() -> Machine:
    """Read it from the system."""
    memory = read_memory()
    return Machine(
        cpu=read_cpu(),
        model=_board(),
        cores=usable_cores(),
        quota=cgroup_quota(),
        memory_total=memory.get("MemTotal"),
        memory_available=memory.get("MemAvailable"),
        versions={name: _version(name) for name in ("onnxruntime", "tokenizers", "numpy")},
    )


def read_memory(meminfo: Path = MEMINFO) -> dict[str, int]:
    """Read the system's memory figures in bytes; empty where there are none."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {key: int(value.split()[0]) * 1024 for key, value in pairs if value.split()}


def _board() -> str:
    try:
        return Path("/proc/device-tree/model").read_text().strip("\0\n ")
    except OSError:
        return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def examine(machine: Machine) -> list[Finding]:
    """Judge a machine."""
    return [
        _python(),
        *(_package(name, number, machine) for name, number in machine.versions.items()),
        _cpu(machine),
        _cores(machine),
        _memory(machine),
    ]


def _python() -> Finding:
    bits = 64 if sys.maxsize > 2**32 else 32
    found = f"{platform.python_version()}, {bits} bit, {platform.system()}"
    if bits == 32:
        return Finding(
            "bad", "python", found, "onnxruntime has no 32-bit packages; use a 64-bit OS"
        )
    return Finding("ok", "python", found)


def _package(name: str, number: str, machine: Machine) -> Finding:
    if number == "missing":
        return Finding("bad", name, "not installed", f"pip install {name}")
    arm = machine.cpu.architecture in ("aarch64", "arm64")
    if name == "onnxruntime" and number == "1.21.0" and arm:
        return Finding(
            "bad",
            name,
            number,
            "dies with an illegal instruction on Raspberry Pi 4 (onnxruntime#23957); "
            "pip install -U onnxruntime",
        )
    return Finding("ok", name, number)


def _cpu(machine: Machine) -> Finding:
    cpu = machine.cpu
    path = cpu.int8_path
    name = machine.model or cpu.model  # ARM boards name themselves, and Linux not their CPU
    found = f"{name} ({cpu.architecture}), int8 path {path.value}: {SPEED[path]}"
    if path in SATURATING:
        return Finding("warn", "cpu", found, "export with --target avx2, and run `edgebert verify`")
    slow = path in (Int8Path.NEON, Int8Path.UNKNOWN)
    return Finding("warn" if slow else "ok", "cpu", found)


def _cores(machine: Machine) -> Finding:
    quota = "no quota" if machine.quota is None else f"quota {machine.quota:g}"
    found = f"{machine.cores} usable ({quota}): as many worker threads by default"
    if machine.quota is not None and machine.quota < 1:
        return Finding(
            "warn", "cores", found, "the quota is under one core: runs will be throttled"
        )
    return Finding("ok", "cores", found)


def _memory(machine: Machine) -> Finding:
    if machine.memory_total is None or machine.memory_available is None:
        return Finding("warn", "memory", "the system does not say")
    found = (
        f"{machine.memory_available / 1e6:,.0f} MB available of {machine.memory_total / 1e6:,.0f}"
    )
    return Finding("ok", "memory", found)


def examine_bundle(bundle: Bundle, machine: Machine) -> list[Finding]:
    """Judge whether a bundle fits a machine."""
    return [
        _bundle_memory(bundle, machine),
        _bundle_int8(bundle, machine),
        *_bundle_profile(bundle, machine),
    ]


def _bundle_profile(bundle: Bundle, machine: Machine) -> list[Finding]:
    profile, reason = read_profile(bundle, machine.cores)
    if profile is not None:
        return [Finding("ok", "bundle profile", describe_ranges(profile.ranges))]
    if reason:
        void = f"void: {reason}; onnxruntime runs it"
        return [Finding("warn", "bundle profile", void, "run `edgebert tune` here")]
    return []


def _bundle_memory(bundle: Bundle, machine: Machine) -> Finding:
    needed = MEMORY_BASE + MEMORY_FACTOR * bundle.total_bytes()
    found = f"needs up to {needed / 1e6:,.0f} MB"
    if machine.memory_available is not None and needed > machine.memory_available:
        return Finding("bad", "bundle memory", found, "export int8, or choose a smaller model")
    return Finding("ok", "bundle memory", found)


def _bundle_int8(bundle: Bundle, machine: Machine) -> Finding:
    quantization = bundle.manifest.quantization
    here, there = machine.cpu.int8_path.value, bundle.manifest.parity.cpu
    if quantization.level is Level.FP32:
        return Finding("ok", "bundle int8", "fp32: computes the same on every CPU")
    found = f"{quantization.weight_bits}-bit weights, proven on {there}, this machine has {here}"
    if machine.cpu.int8_path in SATURATING and quantization.weight_bits > 7:
        return Finding(
            "bad",
            "bundle int8",
            found,
            "its products saturate here (onnxruntime#6004); export with --target avx2",
        )
    if here != there:
        return Finding("warn", "bundle int8", found, "run `edgebert verify` here")
    return Finding("ok", "bundle int8", found)
