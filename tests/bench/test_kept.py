"""A results file that grows: what is written, and which file a run may go on with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.kept import SAME, CannotContinue, fill_in, take_up, write

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


def test_each_figure_is_measured_once(tmp_path: Path) -> None:
    path, measured = tmp_path / "out.json", []

    def step(name: str) -> tuple[str, Callable[[], Any]]:
        return name, lambda: measured.append(name) or len(measured)

    fill_in(path, "some", ["one bundle"], iter([step("a")]))
    fill_in(path, "some", ["one bundle"], iter([step("a"), step("b")]))
    assert measured == ["a", "b"]
    assert json.loads(path.read_text())["figures"] == {"a": 1, "b": 2}


def test_figures_of_other_bundles_are_measured_anew(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    fill_in(path, "some", ["one bundle"], iter([("a", lambda: 1), ("b", lambda: 2)]))
    fill_in(path, "some", ["another"], iter([("a", lambda: 3)]))
    found = json.loads(path.read_text())
    assert (found["bundles"], found["figures"]) == (["another"], {"a": 3})


def test_what_was_measured_before_a_failure_is_kept(tmp_path: Path) -> None:
    def fail() -> int:
        raise ValueError("no")

    path = tmp_path / "out.json"
    with pytest.raises(ValueError, match="no"):
        fill_in(path, "some", [], iter([("a", lambda: 1), ("b", fail)]))
    assert json.loads(path.read_text())["figures"] == {"a": 1}
