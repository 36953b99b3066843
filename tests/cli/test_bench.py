"""`edgebert bench`: the figures of a bundle beside those of onnxruntime alone."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Called

Call = Callable[..., Called]
FEW = ("--texts", 4, "--rounds", 1, "--threads", 1)


def test_a_table_has_a_line_for_each_figure(call: Call, tiny: Path) -> None:
    result = call("bench", tiny / "tiny-embed", *FEW)
    assert (result.code, result.err) == (0, "")
    for what in ("ms, 16 tokens, p50", "texts a second", "s, start to first output", "MB, peak"):
        assert what in result.out


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
