"""The curves of cost: cores that are really taken away, points that carry what they are."""

import json
import os
from pathlib import Path

import pytest

from bench import scaling
from bench.scaling import main, only_cores


def test_cores_are_taken_away_and_given_back() -> None:
    before = os.sched_getaffinity(0)
    with only_cores(1):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_a_row_has_its_three_curves(
    tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "MODEL", tiny_model)
    monkeypatch.setattr(scaling, "TOKENS", (8, 16))
    output = tmp_path / "out.json"
    assert main(["--most", "8", "--rows", "edgebert-int8", "--output", str(output)]) == 0
    row = json.loads(output.read_text())["rows"]["edgebert-int8"]
    assert [point["texts"] for point in row["texts"]] == [1, 8]
    assert [point["tokens"] for point in row["tokens"]] == [8, 16]
    assert [point["cores"] for point in row["cores"]] == list(range(1, len(row["cores"]) + 1))
    assert all(point["us_per_token"] > 0 for point in row["texts"] + row["tokens"])
    assert all(0 < point["own_mb"] <= point["peak_mb"] for point in row["texts"] + row["cores"])
