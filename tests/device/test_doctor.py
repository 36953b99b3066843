"""The doctor's verdicts: what works, what is slow, and what will not work, each with advice."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgebert.bundle import Bundle
from edgebert.device import doctor as module
from edgebert.device.cpu import Cpu, Int8Path
from edgebert.device.doctor import (
    MEMORY_BASE,
    MEMORY_FACTOR,
    SPEED,
    Finding,
    Machine,
    examine,
    examine_bundle,
    read_machine,
    read_memory,
)
from edgebert.manifest import Level
from tests.make_tiny import DATA

GOOD = Machine(
    cpu=Cpu("x86_64", "Xeon", frozenset({"avx512_vnni", "amx_int8"})),
    model="",
    cores=4,
    quota=None,
    memory_total=8_000_000_000,
    memory_available=4_000_000_000,
    versions={"onnxruntime": "1.32.0", "tokenizers": "0.22.2", "numpy": "2.4.0"},
)
PI4 = replace(
    GOOD,
    cpu=Cpu("aarch64", "unknown", frozenset({"asimd"})),
    model="Raspberry Pi 4 Model B Rev 1.4",
)


def finding(machine: Machine, what: str) -> Finding:
    (found,) = [finding for finding in examine(machine) if finding.what == what]
    return found


def cpu_finding(*flags: str) -> Finding:
    return finding(replace(GOOD, cpu=Cpu("any", "some CPU", frozenset(flags))), "cpu")


def test_a_good_machine_has_nothing_to_complain_of() -> None:
    assert {found.verdict for found in examine(GOOD)} == {"ok"}


def test_every_int8_path_has_its_words() -> None:
    assert set(SPEED) == set(Int8Path)


@pytest.mark.parametrize(
    ("flags", "verdict", "words"),
    [
        (("amx_int8", "avx512_vnni"), "ok", "int8 path amx-int8: .*the fastest"),
        (("avx512_vnni",), "ok", "int8 path vnni: .*fast"),
        (("avx2",), "warn", "int8 path avx2: .*may saturate"),
        (("sse4_1",), "warn", "int8 path sse: .*may saturate"),
        (("asimddp",), "ok", "int8 path arm-dotprod: .*fast"),
        (("asimd",), "warn", "int8 path arm-neon: .*measure it"),
        ((), "warn", "int8 path unknown: .*measure it"),
    ],
)
def test_the_cpu_says_what_path_int8_takes(
    flags: tuple[str, ...], verdict: str, words: str
) -> None:
    found = cpu_finding(*flags)
    assert found.verdict == verdict
    assert re.search(words, found.found)


def test_a_cpu_that_saturates_is_told_the_way_out() -> None:
    assert cpu_finding("avx2").advice == "export with --target avx2, and run `edgebert verify`"


def test_a_board_is_named_where_the_cpu_is_not() -> None:
    assert finding(PI4, "cpu").found.startswith("Raspberry Pi 4 Model B Rev 1.4 (aarch64)")


@pytest.mark.parametrize("architecture", ["aarch64", "arm64"])
def test_onnxruntime_1_21_0_is_bad_on_arm(architecture: str) -> None:
    versions = {"onnxruntime": "1.21.0"}
    machine = replace(PI4, cpu=replace(PI4.cpu, architecture=architecture), versions=versions)
    found = finding(machine, "onnxruntime")
    assert (found.verdict, found.found) == ("bad", "1.21.0")
    assert "onnxruntime#23957" in found.advice


@pytest.mark.parametrize(
    ("machine", "number"), [(GOOD, "1.21.0"), (PI4, "1.21.1"), (PI4, "1.20.1"), (PI4, "1.32.0")]
)
def test_onnxruntime_is_good_elsewhere(machine: Machine, number: str) -> None:
    found = finding(replace(machine, versions={"onnxruntime": number}), "onnxruntime")
    assert found.verdict == "ok"


def test_a_package_that_is_missing_is_bad_and_told_how_to_be_had() -> None:
    found = finding(replace(GOOD, versions={"tokenizers": "missing"}), "tokenizers")
    assert (found.verdict, found.advice) == ("bad", "pip install tokenizers")


def test_a_32_bit_python_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    found = finding(GOOD, "python")
    assert found.verdict == "bad"
    assert "64-bit" in found.advice


@pytest.mark.parametrize(
    ("quota", "verdict", "words"),
    [(None, "ok", "no quota"), (2.0, "ok", "quota 2"), (0.5, "warn", "quota 0.5")],
)
def test_a_quota_under_one_core_is_warned_of(quota: float | None, verdict: str, words: str) -> None:
    found = finding(replace(GOOD, quota=quota), "cores")
    assert found.verdict == verdict
    assert f"4 usable ({words})" in found.found


@pytest.mark.parametrize("name", ["memory_total", "memory_available"])
def test_a_system_that_hides_its_memory_is_warned_of(name: str) -> None:
    assert finding(replace(GOOD, **{name: None}), "memory").verdict == "warn"


def test_memory_is_said_in_megabytes() -> None:
    assert finding(GOOD, "memory").found == "4,000 MB available of 8,000"


def bundle(level: Level = Level.INT8, bits: int = 8, cpu: str = "vnni") -> Bundle:
    opened = Bundle.open(DATA / "tiny-embed")
    manifest = opened.manifest
    manifest = replace(
        manifest,
        quantization=replace(manifest.quantization, level=level, weight_bits=bits),
        parity=replace(manifest.parity, cpu=cpu),
    )
    return replace(opened, manifest=manifest)


def verdict(bundle: Bundle, what: str, machine: Machine) -> str:
    (found,) = [f for f in examine_bundle(bundle, machine) if f.what == what]
    return found.verdict


@pytest.mark.parametrize(
    ("flags", "bundle", "expected"),
    [
        (("avx512_vnni",), bundle(), "ok"),
        (("amx_int8", "avx512_vnni"), bundle(), "warn"),  # proven on another path
        (("asimd",), bundle(), "warn"),
        (("avx2",), bundle(), "bad"),  # 8-bit weights saturate
        (("sse4_1",), bundle(), "bad"),
        (("avx2",), bundle(bits=7), "warn"),
        (("avx2",), bundle(bits=7, cpu="avx2"), "ok"),
        (("avx2",), bundle(bits=8, cpu="avx2"), "bad"),
        (("avx2",), bundle(Level.INT8_ACCURATE), "bad"),
        (("avx2",), bundle(Level.FP32, 32), "ok"),
        ((), bundle(Level.FP32, 32), "ok"),
    ],
)
def test_a_bundle_is_judged_by_the_int8_path_here(
    flags: tuple[str, ...], bundle: Bundle, expected: str
) -> None:
    machine = replace(GOOD, cpu=Cpu("any", "some CPU", frozenset(flags)))
    assert verdict(bundle, "bundle int8", machine) == expected


NEEDED = MEMORY_BASE + MEMORY_FACTOR * bundle().total_bytes()


@pytest.mark.parametrize(
    ("available", "expected"), [(NEEDED, "ok"), (NEEDED - 1, "bad"), (None, "ok")]
)
def test_a_bundle_is_judged_by_the_memory_here(available: int | None, expected: str) -> None:
    machine = replace(GOOD, memory_available=available)
    assert verdict(bundle(), "bundle memory", machine) == expected


def test_memory_figures_are_read_in_bytes(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  16 kB\nMemAvailable: 8 kB\nHugePages_Free: 0\n\n")
    assert read_memory(tmp_path / "meminfo") == {
        "MemTotal": 16384,
        "MemAvailable": 8192,
        "HugePages_Free": 0,
    }


def test_a_system_without_memory_figures_has_none(tmp_path: Path) -> None:
    assert read_memory(tmp_path / "absent") == {}


def test_a_package_that_is_not_installed_is_missing() -> None:
    assert module._version("no-such-package-at-all") == "missing"


def test_this_machine_can_be_read() -> None:
    machine = read_machine()
    assert machine.cores >= 1
    assert "missing" not in machine.versions.values()
