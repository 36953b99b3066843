"""`edgebert tune`: a table, a profile beside the bundle, and who says what of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Called

Call = Callable[..., Called]
FEW = ("--seconds", 0.01)


@pytest.fixture
def bundle(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny / "tiny-embed-static", tmp_path / "bundle"))


def test_it_prints_a_line_a_length_and_writes_the_profile(call: Call, bundle: Path) -> None:
    result = call("tune", bundle, *FEW)
    assert (result.code, result.err) == (0, "")
    written = json.loads(bundle.with_name("bundle.tune.json").read_text())
    lines = result.out.splitlines()
    assert len(lines) == len(written["timings"]) + 3
    assert lines[-1].endswith("bundle.tune.json: onnxruntime")
    assert all(" * " in line for line in lines[2:-1])


def test_as_json_it_prints_what_it_writes(call: Call, bundle: Path) -> None:
    result = call("tune", bundle, *FEW, "--json", "--min-cosine", 0.5)
    assert result.out == bundle.with_name("bundle.tune.json").read_text()
    assert json.loads(result.out)["min_cosine"] == 0.5


def test_inspect_and_doctor_tell_of_a_profile(call: Call, bundle: Path) -> None:
    assert "tuned" not in call("inspect", bundle).out
    call("tune", bundle, *FEW)
    assert "tuned          onnxruntime\n" in call("inspect", bundle).out
    assert "bundle profile" in call("doctor", bundle).out


def test_inspect_and_doctor_tell_of_a_void_one_and_why(call: Call, bundle: Path) -> None:
    call("tune", bundle, *FEW, "--threads", 50)
    assert "tuned          void here: it is of 50 cores" in call("inspect", bundle).out
    assert "run `edgebert tune` here" in call("doctor", bundle).out


def test_a_fidelity_that_no_engine_has_is_exit_1(call: Call, bundle: Path) -> None:
    result = call("tune", bundle, "--min-cosine", 1)
    assert result.code == 1
    assert result.err.startswith("error: no engine comes to a least cosine of 1.0: onnxruntime 0.9")
    assert not bundle.with_name("bundle.tune.json").exists()


def test_a_bundle_that_is_not_there_is_exit_1(call: Call, tmp_path: Path) -> None:
    result = call("tune", tmp_path / "gone")
    assert result.code == 1
    assert result.err.startswith("error: ")
