"""The profile: shares of a whole, and operations counted by hand."""

import json
from pathlib import Path

import pytest

from bench.profile import KINDS, REST, main, parts, products, table
from edgebert.manifest import Encoder


def test_a_linear_costs_two_operations_for_each_weight_and_token() -> None:
    shape = Encoder(layers=2, hidden=3, heads=1, intermediate=5, vocabulary=7)
    assert products(shape, 10) == 2 * 10 * 2 * (4 * 3 * 3 + 2 * 3 * 5)


def test_a_model_is_profiled_at_each_length(tiny_model: str, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    assert main(["--model", tiny_model, "--quick", "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    assert list(found["lengths"]) == ["16", "128", "512"]
    for each in found["lengths"].values():
        assert set(each["shares"]) == {*KINDS, REST}
        assert each["run_us"] > 0
        assert each["outside_us"] > 0
        assert sum(each["shares"].values()) == pytest.approx(1, abs=1e-3)
        assert all(each["shares"][kind] > 0 for kind in ("linears", "attention", "activation"))
    assert 0 <= found["foreign"] <= 1
    assert len(table([found]).splitlines()) == 2 + 3


def test_a_run_is_shared_out_whole() -> None:
    shares = dict.fromkeys([*KINDS, REST], 0.1) | {"linears": 0.5}
    found = parts({"tops": 0.3, "shares": shares}, peak_tops=1.5)
    assert found["of the peak"] == pytest.approx(0.2)
    assert found["linears beyond it"] == pytest.approx(0.3)
    assert sum(found.values()) == pytest.approx(1)
