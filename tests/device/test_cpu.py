"""The CPU as Linux describes it, and the kernels that int8 products will take there."""

import platform
from pathlib import Path

import pytest

from edgebert.device.cpu import PATHS, SATURATING, Cpu, Int8Path, read_cpu

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: {model}
cpu MHz\t\t: 2000.000
flags\t\t: {flags}
bugs\t\t: spectre_v1

processor\t: 1
model name\t: another one
flags\t\t: fpu
"""
# as a Raspberry Pi prints it: no model name, flags under "Features"
PI4 = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU part\t: 0xd08

Revision\t: c03114
Model\t\t: Raspberry Pi 4 Model B Rev 1.4
"""
BASE = "fpu sse sse2 ssse3"
MACHINES = {
    "Sapphire Rapids": (f"{BASE} sse4_1 avx2 avx512f avx512_vnni amx_tile amx_int8", Int8Path.AMX),
    "Ice Lake": (f"{BASE} sse4_1 avx2 avx512f avx512_vnni", Int8Path.VNNI),
    "Alder Lake": (f"{BASE} sse4_1 avx2 avx_vnni", Int8Path.VNNI),
    "Skylake": (f"{BASE} sse4_1 avx2 avx512f", Int8Path.AVX2),
    "Haswell": (f"{BASE} sse4_1 avx2", Int8Path.AVX2),
    "Nehalem": (f"{BASE} sse4_1", Int8Path.SSE),
    "Core 2": (BASE, Int8Path.UNKNOWN),
    "nothing": ("", Int8Path.UNKNOWN),
    "Neoverse V1": ("fp asimd asimddp i8mm", Int8Path.I8MM),
    "Cortex-A76, Pi 5": ("fp asimd asimdhp asimddp", Int8Path.DOT),
    "Cortex-A72, Pi 4": ("fp asimd evtstrm crc32", Int8Path.NEON),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_fastest_kernels_that_all_flags_allow_are_taken(machine: str) -> None:
    flags, path = MACHINES[machine]
    assert Cpu("any", machine, frozenset(flags.split())).int8_path is path


def test_every_path_but_unknown_has_its_flags() -> None:
    assert {path for path, _ in PATHS} == set(Int8Path) - {Int8Path.UNKNOWN}


def test_a_cpu_without_dot_products_saturates() -> None:
    assert {Int8Path.AVX2, Int8Path.SSE} == SATURATING


def cpu_of(tmp_path: Path, text: str) -> Cpu:
    (tmp_path / "cpuinfo").write_text(text)
    return read_cpu(tmp_path / "cpuinfo")


def test_the_first_core_speaks_for_all(tmp_path: Path) -> None:
    cpu = cpu_of(tmp_path, X86.format(model="Xeon", flags="avx2 sse4_1"))
    assert (cpu.model, cpu.flags) == ("Xeon", {"avx2", "sse4_1"})


def test_an_arm_cpu_lists_features_and_has_no_model_name(tmp_path: Path) -> None:
    cpu = cpu_of(tmp_path, PI4)
    assert (cpu.model, cpu.int8_path) == ("unknown", Int8Path.NEON)


@pytest.mark.parametrize("text", ["", "\n\n", "no colon", "flags", "flags:"])
def test_a_system_that_says_little_is_unknown(tmp_path: Path, text: str) -> None:
    assert cpu_of(tmp_path, text).int8_path is Int8Path.UNKNOWN


def test_a_system_without_cpuinfo_names_its_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(platform, "processor", lambda: "")
    cpu = read_cpu(tmp_path / "absent")
    assert cpu == Cpu("arm64", "unknown", frozenset())


def test_kernels_are_named_by_what_they_are_chosen_by(tmp_path: Path) -> None:
    kernels = {
        Cpu("x86_64", "", frozenset(flags.split())).kernels for flags, _ in MACHINES.values()
    }
    assert len(kernels) == len(MACHINES) - 1  # a Core 2 has as little as nothing
    assert Cpu("x86_64", "any", frozenset(("avx2", "rtm"))).kernels == "x86_64 avx2"
    assert Cpu("aarch64", "any", frozenset(("asimd",))).kernels == "aarch64 asimd"
