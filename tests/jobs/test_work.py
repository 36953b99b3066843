"""A block of rows becomes records: columns kept, bad rows named, a good row never lost for one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebert.errors import InputError
from edgebert.jobs.tables import Entry
from edgebert.jobs.work import OnError, Request, check_request, result_names, run_block, text_of
from edgebert.loading import load
from edgebert.manifest import Task
from tests.make_tiny import DATA

LONG = "the " * 60


def request(name: str = "tiny-embed", **values: Any) -> Request:
    return Request(bundle=DATA / name, threads=1, **values)


def run(asked: Request, *rows: dict[str, Any] | str) -> list[dict[str, Any]]:
    entries = [
        Entry(f"line {n}", fault=row) if isinstance(row, str) else Entry(f"line {n}", row)
        for n, row in enumerate(rows, 1)
    ]
    return run_block(load(asked.bundle), asked, entries).records


def test_each_record_has_its_rows_fields_first() -> None:
    rows = [{"id": n, "text": text} for n, text in enumerate(["the cat", "a", "the cat"])]
    found = run(request(), *rows)
    assert [list(record)[:2] for record in found] == [["id", "text"]] * 3
    assert [record["id"] for record in found] == [0, 1, 2]
    assert np.array_equal(found[0]["embedding"], found[2]["embedding"])
    assert not np.array_equal(found[0]["embedding"], found[1]["embedding"])


@pytest.mark.parametrize(
    ("name", "options", "row"),
    [
        ("tiny-embed", {}, {"text": "the cat"}),
        ("tiny-classify", {}, {"text": "the cat"}),
        ("tiny-classify", {"top_k": None}, {"text": "the cat"}),
        ("tiny-tag", {}, {"text": "the cat"}),
        ("tiny-answer", {}, {"question": "the cat", "context": "anna"}),
        ("tiny-answer", {"top_k": 2}, {"question": "the cat", "context": "anna"}),
        ("tiny-fill", {}, {"text": "the <mask>"}),
    ],
)
def test_the_columns_of_results_are_those_foretold(
    name: str, options: dict[str, Any], row: dict[str, Any]
) -> None:
    asked = request(name, options=options, prefix="p_")
    (record,) = run(asked, row)
    manifest = load(asked.bundle).manifest
    assert list(record)[len(row) :] == result_names(manifest, asked)


def test_texts_are_taken_from_the_columns_named() -> None:
    asked = request("tiny-classify", text_column="premise", pair_column="claim")
    row = Entry("line 1", {"premise": "a", "claim": "b", "text": 7})
    assert text_of(row, asked, Task.CLASSIFY) == ("a", "b")


def test_a_pair_is_taken_where_a_row_has_one() -> None:
    pair = Entry("line 1", {"text": "a", "text_pair": "b"})
    assert text_of(pair, request(), Task.CLASSIFY) == ("a", "b")
    assert text_of(Entry("line 2", {"text": "a"}), request(), Task.CLASSIFY) == "a"


def test_a_question_and_its_context_are_a_pair() -> None:
    row = Entry("line 1", {"context": "c", "question": "q"})
    assert text_of(row, request(), Task.ANSWER) == ("q", "c")


BAD: list[tuple[dict[str, Any] | str, str]] = [
    ("not JSON: x", "not JSON: x"),
    ({}, "field 'text' is missing, expected a string"),
    ({"text": 1}, "field 'text' is 1, expected a string"),
    ({"text": None}, "field 'text' is None"),
    ({"text": "a", "text_pair": None}, "field 'text_pair' is None"),
    ({"text": "a", "text_pair": "b"}, "a pair"),  # this bundle takes none
    ({"text": "\ud800"}, "not Unicode text"),
    ({"text": LONG}, "62 tokens, the model takes 40"),
]


@pytest.mark.parametrize(("bad", "complaint"), BAD)
def test_a_bad_row_fails_by_its_place(bad: dict[str, Any] | str, complaint: str) -> None:
    asked = request(options={"truncation": "error"})
    with pytest.raises(InputError, match=f"^line 2: .*{complaint}"):
        run(asked, {"text": "a"}, bad, {"text": "b"})


@pytest.mark.parametrize(("bad", "complaint"), BAD)
def test_a_bad_row_is_skipped_and_no_other(bad: dict[str, Any] | str, complaint: str) -> None:
    asked = request(options={"truncation": "error"}, on_error=OnError.SKIP)
    found = run(asked, {"text": "a"}, bad, {"text": "b"}, {"text": "c"})
    assert [record["text"] for record in found] == ["a", "b", "c"]


@pytest.mark.parametrize(("bad", "complaint"), BAD)
def test_a_bad_row_is_recorded_in_its_place(bad: dict[str, Any] | str, complaint: str) -> None:
    asked = request(options={"truncation": "error"}, on_error=OnError.RECORD)
    found = run(asked, {"text": "a"}, bad, {"text": "b"})
    assert len(found) == 3
    assert found[1]["error"].startswith("line 2: ")
    assert complaint in found[1]["error"]
    assert "embedding" not in found[1]


def test_bad_and_cut_rows_are_counted() -> None:
    asked = request(on_error=OnError.SKIP)
    rows = [Entry("1", {"text": "a"}), Entry("2", fault="x"), Entry("3", {"text": LONG})]
    ran = run_block(load(asked.bundle), asked, rows)
    assert (len(ran.records), ran.bad, ran.cut) == (2, 1, 1)


def test_a_column_that_a_result_would_replace_is_refused() -> None:
    row = {"text": "a", "label": "gold"}
    with pytest.raises(InputError, match=r"has a column 'label'.*--prefix"):
        run(request("tiny-classify"), row)
    (record,) = run(request("tiny-classify", prefix="predicted_"), row)
    assert record["label"] == "gold"
    assert "predicted_label" in record


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("tiny-embed", "top_k"),
        ("tiny-classify", "prompt"),
        ("tiny-tag", "top_k"),
        ("tiny-fill", "aggregation"),
    ],
)
def test_an_option_of_another_task_is_refused_by_name(tiny: Path, name: str, option: str) -> None:
    with pytest.raises(InputError, match=rf"task '.*{option}"):
        check_request(load(tiny / name), request(name, options={option: 1}))


@pytest.mark.parametrize(
    ("options", "several"),
    [({}, False), ({"top_k": 1}, False), ({"top_k": 2}, True), ({"threshold": 0.1}, True)],
)
def test_a_list_is_written_where_the_options_may_give_several_or_none(
    options: dict[str, Any], several: bool
) -> None:
    (record,) = run(request("tiny-classify", options=options), {"text": "the cat"})
    assert ("labels" in record) == several
    assert ("label" in record) != several
