"""`edgebert doctor`: verdicts as lines or JSON, and exit 1 where something will not work."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgebert.cli import doctor as verb
from edgebert.device.cpu import Cpu
from edgebert.device.doctor import Machine
from tests.cli.conftest import Called
from tests.device.test_doctor import GOOD, PI4

Call = Callable[..., Called]
On = Callable[[Machine], None]


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> On:
    def use(machine: Machine) -> None:
        monkeypatch.setattr(verb, "read_machine", lambda: machine)

    return use


def test_a_good_machine_is_exit_0_and_one_line_a_fact(call: Call, on: On) -> None:
    on(GOOD)
    result = call("doctor")
    assert (result.code, result.err) == (0, "")
    lines = [line.split()[:2] for line in result.out.splitlines()]
    packages = ["onnxruntime", "tokenizers", "numpy"]
    assert lines == [["ok", what] for what in ["python", *packages, "cpu", "cores", "memory"]]


def test_a_bad_machine_is_exit_1_with_advice_below(call: Call, on: On) -> None:
    on(replace(PI4, versions={"onnxruntime": "1.21.0"}))
    result = call("doctor")
    assert result.code == 1
    lines = result.out.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith("bad")]
    assert lines[place].split() == ["bad", "onnxruntime", "1.21.0"]
    assert lines[place + 1].strip().startswith("dies with an illegal instruction on Raspberry Pi")


def test_a_warning_alone_is_exit_0(call: Call, on: On) -> None:
    on(replace(GOOD, cpu=Cpu("x86_64", "Haswell", frozenset({"avx2"}))))
    result = call("doctor")
    assert result.code == 0
    assert "warn  cpu" in result.out


def test_a_bundle_that_fits_is_said_to(call: Call, on: On, tiny: Path) -> None:
    on(GOOD)
    result = call("doctor", tiny / "tiny-embed")
    assert result.code == 0
    assert "ok    bundle memory  needs up to 60 MB" in result.out


def test_a_bundle_that_does_not_fit_is_exit_1(call: Call, on: On, tiny: Path) -> None:
    on(replace(GOOD, memory_available=10**6))
    result = call("doctor", tiny / "tiny-embed")
    assert result.code == 1
    assert "bad   bundle memory" in result.out


def test_as_json_each_finding_is_an_object(call: Call, on: On, tiny: Path) -> None:
    on(GOOD)
    findings = json.loads(call("doctor", tiny / "tiny-embed", "--json").out)
    assert {tuple(finding) for finding in findings} == {("verdict", "what", "found", "advice")}
    assert [finding["what"] for finding in findings][-2:] == ["bundle memory", "bundle int8"]


def test_as_json_a_bad_machine_is_exit_1_as_well(call: Call, on: On) -> None:
    on(replace(PI4, versions={"onnxruntime": "1.21.0"}))
    assert call("doctor", "--json").code == 1


def test_this_machine_runs_edgebert(call: Call) -> None:
    assert call("doctor").code == 0
