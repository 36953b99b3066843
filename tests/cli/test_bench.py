"""`edgebert bench`: the figures of a bundle beside those of onnxruntime alone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Called

Call = Callable[..., Called]
FEW = ("--texts", 4, "--rounds", 1, "--threads", 1)


def test_a_table_has_a_line_for_each_figure(call: Call, tiny: Path) -> None:
    result = call("bench", tiny / "tiny-embed", *FEW)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith("tiny-embed: ")
    assert lines[2] == "4 mixed texts, medians of 1 rounds"
    for what in ("one text of 16 tokens", "mixed texts a second", "start to first", "peak memory"):
        (line,) = [line for line in lines if line.startswith(what)]
        ours, plain, ratio = (float(cell.strip("x").replace(",", "")) for cell in line.split()[-3:])
        more_is_better = what == "mixed texts a second"
        shown = ours / plain if more_is_better else plain / ours
        assert ratio == pytest.approx(shown, rel=0.1, abs=0.05)


def test_as_json_there_is_an_object_for_each_row(call: Call, tiny: Path) -> None:
    found = json.loads(call("bench", tiny / "tiny-embed", *FEW, "--json").out)
    assert [row["row"] for row in found["rows"]] == ["edgebert", "plain"]
    assert found["disk_mb"] > 0


def test_a_bundle_that_is_not_there_is_exit_1(call: Call, tmp_path: Path) -> None:
    result = call("bench", tmp_path / "gone")
    assert result.code == 1
    assert result.err.startswith("error: ")


def test_no_rounds_are_refused(call: Call, tiny: Path) -> None:
    result = call("bench", tiny / "tiny-embed", "--rounds", 0)
    assert (result.code, result.err) == (1, "error: rounds is 0; it must be 1 or more\n")
