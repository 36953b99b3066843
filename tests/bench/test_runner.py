"""The runner from end to end on a tiny model, and what it makes of rows that fail."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.prepare import last_words
from bench.report import PAGE, render
from bench.rows import BASELINE, MODELS, ROWS, SMALL, on_cores
from bench.runner import main, rotated, rounded
from bench.turn import Start, take

TINY_ROWS = "edgebert-int8,edgebert-int8-static,tei"


def test_a_quick_run_writes_figures_of_every_row(
    tiny_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.json"
    arguments = ["--models", tiny_model, "--rows", TINY_ROWS, "--rounds", "2", "--quick"]
    assert main([*arguments, "--output", str(output)]) == 0
    result = json.loads(output.read_text())
    rows = result["models"]["tiny"]["rows"]
    for key in ("edgebert-int8", "edgebert-int8-static"):
        assert len(rows[key]["turns"]) == 2
        for turn in rows[key]["turns"]:
            assert set(turn["latency"]) == {"16", "128", "512"}
            assert turn["pass_s"] > 0
            assert turn["first_s"] > 0
        assert rows[key]["disk_mb"] > 0
        assert rows[key]["installed_mb"] > 1
        assert "onnxruntime" in rows[key]["versions"]
    assert "container" in rows["tei"]["failed"]
    assert "edgebert-int8" in capsys.readouterr().out
    render({"peers": result})  # the page can be made of it


def test_only_the_workloads_asked_for_are_run(tiny_model: str, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    arguments = ["--models", tiny_model, "--rows", "edgebert-int8", "--rounds", "1", "--quick"]
    main([*arguments, "--workloads", "latency-16", "--output", str(output)])
    (turn,) = json.loads(output.read_text())["models"]["tiny"]["rows"]["edgebert-int8"]["turns"]
    assert set(turn["latency"]) == {"16"}
    assert "pass_s" not in turn


def test_a_row_that_dies_is_a_row_with_the_reason(tiny_model: str, tmp_path: Path) -> None:
    (tmp_path / "models" / "tiny" / "bundle-int8" / "edgebert.json").unlink()
    output = tmp_path / "out.json"
    arguments = ["--models", tiny_model, "--rows", "edgebert-int8", "--rounds", "1", "--quick"]
    assert main([*arguments, "--output", str(output)]) == 0
    row = json.loads(output.read_text())["models"]["tiny"]["rows"]["edgebert-int8"]
    assert "not a bundle" in row["failed"]


def test_a_round_that_would_end_too_late_is_not_begun(tiny_model: str, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    arguments = ["--models", tiny_model, "--rows", "edgebert-int8", "--quick"]
    arguments += ["--workloads", "latency-16", "--output", str(output)]
    assert main([*arguments, "--rounds", "3", "--minutes", "0"]) == 0
    result = json.loads(output.read_text())
    assert (result["rounds"], result["finished"]) == (1, True)
    assert len(result["models"]["tiny"]["rows"]["edgebert-int8"]["turns"]) == 1


class Interrupted(Exception):
    """Stands for a key pressed, or a machine gone, in the middle of a run."""


@pytest.fixture
def interrupted(tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of a run of two rounds that broke off in the last turn of the second."""
    arguments = ["--models", tiny_model, "--rows", TINY_ROWS, "--rounds", "2", "--quick"]
    arguments += ["--workloads", "latency-16", "--output", str(tmp_path / "out.json")]
    turns = iter([take, take, take])

    def take_three(start: Start, work: dict[str, Any]) -> dict[str, Any]:
        one = next(turns, None)
        if one is None:
            raise Interrupted
        return one(start, work)

    with monkeypatch.context() as patch:
        patch.setattr("bench.runner.take", take_three)
        with pytest.raises(Interrupted):
            main(arguments)
    return arguments


def test_an_interrupted_run_keeps_its_whole_rounds(interrupted: list[str], tmp_path: Path) -> None:
    result = json.loads((tmp_path / "out.json").read_text())
    rows = result["models"]["tiny"]["rows"]
    assert result["finished"] is False
    assert [len(row.get("turns", ())) for row in rows.values()] == [1, 1, 0]
    assert "broke off" in render({"peers": result})[PAGE]


def test_an_interrupted_run_is_gone_on_with(interrupted: list[str], tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    before = json.loads(output.read_text())["models"]["tiny"]["rows"]
    assert main([*interrupted, "--continue"]) == 0
    result = json.loads(output.read_text())
    after = result["models"]["tiny"]["rows"]
    assert result["finished"] is True
    for key in ("edgebert-int8", "edgebert-int8-static"):
        assert len(after[key]["turns"]) == 2
        assert after[key]["turns"][0] == before[key]["turns"][0]


def test_another_run_is_not_gone_on_with(
    interrupted: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tmp_path / "out.json").read_bytes()
    assert main([*interrupted, "--rows", "edgebert-int8", "--continue"]) == 1
    assert "run without --continue" in capsys.readouterr().err
    assert (tmp_path / "out.json").read_bytes() == before


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--rows", "edgebert-int5"])
    assert "'edgebert-int5'; choose among edgebert-int8" in capsys.readouterr().err


def test_each_round_begins_with_another_row() -> None:
    assert [rotated(["a", "b", "c"], number)[0] for number in range(4)] == ["a", "b", "c", "a"]


def test_a_round_has_every_row() -> None:
    assert sorted(rotated(["a", "b", "c"], 2)) == ["a", "b", "c"]


def test_numbers_keep_five_figures() -> None:
    assert rounded({"a": [1.23456789], "b": 3, "c": "x"}) == {"a": [1.2346], "b": 3, "c": "x"}


def test_the_last_line_of_a_trace_is_the_reason() -> None:
    assert last_words("Traceback\n  File\nValueError: too long\n\n") == "ValueError: too long"


def test_the_baseline_is_one_of_the_rows() -> None:
    assert not ROWS[BASELINE].small_only


def test_every_row_is_ours_or_has_a_peer_or_a_reason() -> None:
    assert all(row.peer or row.missing for row in ROWS.values())
    assert {key for key, row in ROWS.items() if row.ours} == {
        key for key in ROWS if key.startswith("edgebert")
    }


def test_cores_are_filled_into_settings() -> None:
    assert on_cores({"threads": "cores", "workers": 1}, 4) == {"threads": 4, "workers": 1}


def test_no_row_is_left_out_of_the_smallest_model() -> None:
    assert all(set(row.not_on) <= set(MODELS) - {SMALL} for row in ROWS.values())


def test_both_engines_are_measured_at_int8_on_every_model() -> None:
    for key in ("edgebert-int8", "edgebert-int8-static", "edgebert-openvino-int8"):
        assert not ROWS[key].small_only
        assert not ROWS[key].not_on


def test_every_model_is_asked_at_every_length() -> None:
    assert all(set(model.repeats) == {16, 128, 512} for model in MODELS.values())
