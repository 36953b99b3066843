"""`edgebert data`: files looked over and divided, as a user calls it."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Called

Call = Callable[..., Called]
ROWS = [{"text": f"the cat {n}", "label": "ab"[n % 2], "more": n} for n in range(40)]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_a_good_file_is_exit_0_with_its_labels_and_lengths(
    call: Call, rows: Path, tiny: Path
) -> None:
    bundle = tiny / "tiny-classify"
    result = call("data", "check", rows, "--task", "classify", "--bundle", bundle)
    assert (result.code, result.err) == (0, "")
    assert "rows.jsonl: 40 rows, 2 labels of 20 to 20\n  labels: a 20, b 20\n" in result.out
    assert "tokens: 1 to 8 " in result.out
    assert result.out.endswith("no errors, no warnings\n")


def test_a_leak_is_exit_1_and_says_what_to_do(call: Call, rows: Path, tmp_path: Path) -> None:
    other = tmp_path / "test.jsonl"
    other.write_text('{"text": "The cat 3", "label": "b"}\n')
    result = call("data", "check", rows, other, "--task", "classify")
    assert result.code == 1
    assert "ERROR: 1 texts that stand in two files: drop them from one" in result.out
    assert "    test.jsonl: line 1, also in rows.jsonl: line 4\n" in result.out


def test_rows_that_are_no_json_or_lack_a_column_are_errors_not_the_end(
    call: Call, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": "x"}\nnonsense\n{"text": "b"}\n')
    result = call("data", "check", path, "--task", "classify")
    assert result.code == 1
    assert "2 rows that cannot be read" in result.out
    assert "line 3: no column 'label', expected a label" in result.out


def test_as_json_and_as_a_page_it_says_the_same(call: Call, rows: Path, tmp_path: Path) -> None:
    rows.write_text(rows.read_text() + '{"text": "", "label": "<b>"}\n')
    page = tmp_path / "check.html"
    result = call("data", "check", rows, "--task", "classify", "--json", "--html", page)
    whats = [finding["what"] for finding in json.loads(result.out)["findings"]]
    text = page.read_text()
    assert whats[0] == "empty texts"
    assert all(what in text for what in whats)
    assert "&lt;b&gt;" in text and "<b>" not in text


def test_a_split_keeps_every_row_and_column_once(call: Call, rows: Path, tmp_path: Path) -> None:
    result = call("data", "split", rows, "--task", "classify", "-o", tmp_path / "parts")
    assert result.code == 0
    parts = sorted((tmp_path / "parts").iterdir())
    assert [path.name for path in parts] == ["test.jsonl", "train.jsonl"]
    found = [json.loads(line) for path in parts for line in path.read_text().splitlines()]
    assert sorted(found, key=lambda row: row["more"]) == ROWS
    assert len(parts[0].read_text().splitlines()) == 8


def test_a_split_of_csv_is_csv(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f'"a, {n}",x\n' for n in range(10)))
    given = ("--task", "classify", "-o", tmp_path, "--validation", 0.2)
    assert call("data", "split", path, *given).code == 0
    texts = [
        row["text"]
        for name in ("train", "test", "validation")
        for row in csv.DictReader((tmp_path / f"{name}.csv").read_text().splitlines())
    ]
    assert sorted(texts) == [f"a, {n}" for n in range(10)]


def test_a_split_overwrites_nothing(call: Call, rows: Path, tmp_path: Path) -> None:
    given = ("data", "split", rows, "--task", "classify", "-o", tmp_path / "parts")
    assert call(*given).code == 0
    again = call(*given)
    assert again.code == 1
    assert "train.jsonl is there already" in again.err


def test_a_file_that_is_not_there_is_exit_1(call: Call, tmp_path: Path) -> None:
    result = call("data", "check", tmp_path / "gone.csv", "--task", "classify")
    assert result.code == 1
    assert "gone.csv: cannot be read" in result.err


def test_a_name_that_tells_no_format_is_helped_by_the_option(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "set.txt"
    path.write_text("label\ttext\n" + "".join(f"{n % 2}\ttext {n}\n" for n in range(20)))
    more = ("--task", "classify", "--format", "tsv")
    assert call("data", "check", path, *more).code == 0
    assert call("data", "check", path, *more[:2]).code == 1
    assert call("data", "split", path, *more, "-o", tmp_path / "parts").code == 0
    assert (tmp_path / "parts" / "test.tsv").read_text().startswith("label\ttext\n")


def test_a_report_names_every_place_but_shows_a_few(call: Call, tmp_path: Path) -> None:
    path, page = tmp_path / "rows.jsonl", tmp_path / "check.html"
    path.write_text("".join(f'{{"text": "t{n % 30}", "label": "{n % 25}"}}\n' for n in range(60)))
    given = ("data", "check", path, "--task", "classify")
    shown = call(*given).out
    assert "line 35, first" in shown
    assert "line 36, first" not in shown
    assert "    and 25 more; --json lists them\n" in shown
    (found,) = [
        one for one in json.loads(call(*given, "--json").out)["findings"] if "labels" in one["what"]
    ][:1]
    assert len(found["places"]) == found["count"]
    call(*given, "--html", page)
    assert "<details><summary>25 more</summary>" in page.read_text()
    assert "<details><summary>all labels</summary>" in page.read_text()
