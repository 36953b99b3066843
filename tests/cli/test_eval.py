"""`edgebert eval`: figures on stdout, a page beside, faults that say what to do."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Called

pytest.importorskip("sklearn", reason="needs edgebert[eval]")
Call = Callable[..., Called]
ROWS = "sentence,label\nthe cat,label-0\nthe film,label-1\na train,label-2\n"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def test_the_figures_are_printed_with_their_intervals(call: Call, tiny: Path, rows: Path) -> None:
    result = call("eval", tiny / "tiny-classify", rows, "--columns", "text=sentence")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("tiny-classify: classify, 3 rows, 0 cut at 40 tokens\n")
    assert " to " in next(line for line in result.out.splitlines() if "accuracy" in line)


def test_as_json_there_is_all_that_was_found(call: Call, tiny: Path, rows: Path) -> None:
    names = ("--columns", "text=sentence", "--resamples", 0)
    found = json.loads(call("eval", tiny / "tiny-classify", rows, "--json", *names).out)
    assert set(found["scores"]["figures"]) == {"accuracy", "macro_f1", "micro_f1", "ece"}
    assert found["scores"]["confusion"]["labels"] == ["label-0", "label-1", "label-2"]
    assert found["cost"]["peak_mb"] > 10


def test_the_page_fetches_nothing_and_escapes_what_is_not_its_own(
    call: Call, tiny: Path, tmp_path: Path
) -> None:
    rows, page = tmp_path / "rows.csv", tmp_path / "eval.html"
    rows.write_text("text,label\nthe cat,<script>x\nthe film,label-1\n")
    assert call("eval", tiny / "tiny-classify", rows, "--html", page).code == 0
    text = page.read_text(encoding="utf-8")
    assert "&lt;script&gt;x" in text
    assert not [word for word in ("<script", "http:", "https:", "src=", "url(") if word in text]


def test_embeddings_are_fitted_a_head(call: Call, tiny: Path, rows: Path) -> None:
    names = ("--columns", "text=sentence", "--resamples", 0)
    given = (tiny / "tiny-embed", rows, "--task", "classify", "--fit", rows, *names)
    assert "accuracy         1.0000" in call("eval", *given).out


def test_embeddings_without_a_task_are_refused(call: Call, tiny: Path, rows: Path) -> None:
    result = call("eval", tiny / "tiny-embed", rows)
    assert result.code == 1
    assert "give --task, one of: classify, tag," in result.err


def test_a_row_that_does_not_fit_is_named(call: Call, tiny: Path, rows: Path) -> None:
    result = call("eval", tiny / "tiny-classify", rows)
    assert result.code == 1
    assert result.err.startswith("error: row 1: no column 'text', expected a string")


@pytest.mark.parametrize("content", [b"", b"text,label\n", b"\xff\xfe\n"])
def test_a_file_without_rows_or_not_text_is_exit_1(
    call: Call, tiny: Path, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    result = call("eval", tiny / "tiny-classify", path)
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert len(result.err.splitlines()) == 1


def test_a_page_that_cannot_be_written_is_exit_1(call: Call, tiny: Path, rows: Path) -> None:
    names = ("--columns", "text=sentence", "--resamples", 0)
    result = call("eval", tiny / "tiny-classify", rows, *names, "--html", rows / "no" / "x.html")
    assert result.code == 1
    assert "cannot be written" in result.err


def test_fewer_than_no_resamples_are_refused(call: Call, tiny: Path, rows: Path) -> None:
    result = call("eval", tiny / "tiny-classify", rows, "--resamples", -1)
    assert (result.code, result.err) == (1, "error: resamples is -1; it must be 0 or more\n")


@pytest.mark.parametrize("task", [(), ("--task", "classify")])
def test_a_bundle_that_is_not_there_is_one_line_and_exit_1(
    call: Call, rows: Path, task: tuple[str, ...]
) -> None:
    result = call("eval", rows.parent / "absent", rows, "--columns", "text=sentence", *task)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {rows.parent / 'absent'}: no such f")
    assert result.err.count("\n") == 1


def test_a_name_that_tells_no_format_is_helped_by_the_option(
    call: Call, tiny: Path, tmp_path: Path
) -> None:
    path = tmp_path / "set.txt"
    path.write_text("label,text\na,the train\nb,a film\n")
    given = (tiny / "tiny-embed", path, "--task", "classify", "--fit", path, "--format", "csv")
    result = call("eval", *given, "--resamples", 0)
    assert (result.code, "2 rows" in result.out) == (0, True), result.err
