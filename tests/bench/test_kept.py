"""A results file that grows: what is written, and which file a run may go on with."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.kept import SAME, CannotContinue, take_up, write

FRESH: dict[str, Any] = {"rounds": 3, **{key: f"this {key}" for key in SAME}}


def test_what_is_written_can_be_taken_up(tmp_path: Path) -> None:
    write(tmp_path / "new" / "out.json", FRESH | {"models": {"a": 1}})
    assert take_up(tmp_path / "new" / "out.json", FRESH) == FRESH | {"models": {"a": 1}}


def test_nothing_but_the_file_is_left(tmp_path: Path) -> None:
    write(tmp_path / "out.json", FRESH)
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_a_run_may_be_given_more_rounds(tmp_path: Path) -> None:
    write(tmp_path / "out.json", FRESH)
    assert take_up(tmp_path / "out.json", FRESH | {"rounds": 5})["rounds"] == 5


@pytest.mark.parametrize("key", SAME)
def test_a_file_of_another_run_is_refused(tmp_path: Path, key: str) -> None:
    write(tmp_path / "out.json", FRESH | {key: "another"})
    with pytest.raises(CannotContinue, match=f"{key} 'another', this run has 'this {key}'"):
        take_up(tmp_path / "out.json", FRESH)


@pytest.mark.parametrize("text", [None, "{", json.dumps({})])
def test_what_is_no_results_file_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "out.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CannotContinue, match="run without --continue"):
        take_up(path, FRESH)
