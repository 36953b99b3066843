"""Rows of a file in, records out: fields kept, wrong lines named by their number."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.errors import InputError
from edgebert.loading import load
from edgebert.manifest import Task
from edgebert.records import InputFormat, Row, as_record, read_inputs, results_of
from edgebert.results import (
    Answer,
    Answers,
    Classification,
    Embedding,
    Entity,
    Fill,
    Filling,
    Label,
    Tagging,
)

JSONL, LINES = InputFormat.JSONL, InputFormat.LINES


def jsonl(*lines: object, task: Task = Task.EMBED) -> list[Row]:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return list(read_inputs([text + "\n" for text in texts], JSONL, task))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.jsonl", JSONL),
        ("a.ndjson", JSONL),
        ("a.txt", LINES),
        ("a.json", LINES),
        ("jsonl", LINES),
        ("-", LINES),
    ],
)
def test_a_format_is_told_by_the_files_name(name: str, form: InputFormat) -> None:
    assert InputFormat.of(name) is form


def test_each_line_is_a_text_without_its_end() -> None:
    rows = list(read_inputs(["one\n", "two\r\n", " three"], LINES, Task.EMBED))
    assert [row.text for row in rows] == ["one", "two", " three"]


def test_an_empty_line_is_a_text_too() -> None:
    assert [row.text for row in read_inputs(["\n", "a\n"], LINES, Task.EMBED)] == ["", "a"]


def test_a_line_carries_its_text_as_a_field() -> None:
    (row,) = read_inputs(["one\n"], LINES, Task.EMBED)
    assert row.fields == {"text": "one"}


def test_lines_are_no_questions() -> None:
    with pytest.raises(InputError, match="give JSONL with 'question' and 'context'"):
        list(read_inputs(["why\n"], LINES, Task.ANSWER))


def test_all_fields_of_a_json_line_are_kept_in_order() -> None:
    fields = {"id": 7, "text": "one", "tags": ["a"], "none": None}
    (row,) = jsonl(fields)
    assert (row.text, list(row.fields.items())) == ("one", list(fields.items()))


def test_empty_json_lines_are_left_out() -> None:
    assert [row.text for row in jsonl({"text": "a"}, "", "  ", {"text": "b"})] == ["a", "b"]


def test_a_second_text_makes_a_pair() -> None:
    (row,) = jsonl({"text": "a", "text_pair": "b"}, task=Task.CLASSIFY)
    assert row.text == ("a", "b")


def test_a_question_and_its_context_make_a_pair() -> None:
    (row,) = jsonl({"context": "c", "question": "q"}, task=Task.ANSWER)
    assert row.text == ("q", "c")


WRONG = [
    ("{", "not JSON"),
    ("text", "not JSON: .*for plain text, --format lines"),
    ("[" * 200_000, "not JSON"),
    ('["a"]', "list, expected a JSON object"),
    ('"a"', "str, expected a JSON object"),
    ("null", "NoneType, expected a JSON object"),
    ("{}", "field 'text' is None, expected a string"),
    ('{"text": 1}', "field 'text' is 1, expected a string"),
    ('{"text": null}', "field 'text' is None"),
    ('{"text": ["a"]}', "field 'text' is"),
    ('{"text": "a", "text_pair": null}', "field 'text_pair' is None"),
]


@pytest.mark.parametrize(("line", "complaint"), WRONG)
def test_a_wrong_line_is_named_by_its_number(line: str, complaint: str) -> None:
    with pytest.raises(InputError, match=f"^line 4: .*{complaint}"):
        jsonl({"text": "a"}, "", {"text": "b"}, line, {"text": "c"})


@pytest.mark.parametrize("field", ["question", "context"])
def test_a_missing_half_of_a_question_is_named(field: str) -> None:
    fields = {"question": "q", "context": "c"}
    del fields[field]
    with pytest.raises(InputError, match=f"line 1: field '{field}' is None"):
        jsonl(fields, task=Task.ANSWER)


def test_rows_are_read_one_by_one() -> None:
    rows = read_inputs(iter(['{"text": "a"}', "{"]), JSONL, Task.EMBED)
    assert next(rows).text == "a"
    with pytest.raises(InputError, match="line 2"):
        next(rows)


def test_what_is_not_utf8_is_an_input_error() -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"one\n\xff\xfe\n"), encoding="utf-8")
    with pytest.raises(InputError, match="the input is not UTF-8"):
        list(read_inputs(stream, LINES, Task.EMBED))


def test_an_input_that_breaks_off_is_an_input_error() -> None:
    def lines() -> Iterator[str]:
        yield "one\n"
        raise OSError(5, "Input/output error")

    with pytest.raises(InputError, match="the input cannot be read: Input/output error"):
        list(read_inputs(lines(), LINES, Task.EMBED))


def records(tiny: Path, name: str, *rows: Row, **options: Any) -> list[dict[str, Any]]:
    return list(results_of(load(tiny / name), rows, options))


def test_each_record_has_its_rows_fields_first(tiny: Path) -> None:
    rows = [Row(text, {"id": number}) for number, text in enumerate(["the cat", "a", "the cat"])]
    found = records(tiny, "tiny-embed", *rows)
    assert [record["id"] for record in found] == [0, 1, 2]
    assert [next(iter(record)) for record in found] == ["id"] * 3
    assert found[0]["embedding"] == found[2]["embedding"] != found[1]["embedding"]


def test_a_classification_is_its_best_label_unless_more_are_asked(tiny: Path) -> None:
    row = Row("the cat", {})
    (best,) = records(tiny, "tiny-classify", row)
    (all_of_them,) = records(tiny, "tiny-classify", row, top_k=None)
    assert list(best) == ["label", "score", "n_tokens", "truncated"]
    assert all_of_them["labels"][0] == {"label": best["label"], "score": best["score"]}
    assert len(all_of_them["labels"]) == 3


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
        records(tiny, name, Row("the cat", {}), **{option: 1})


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=8))
def test_an_embedding_is_written_without_changing_a_bit(values: list[float]) -> None:
    vector = np.array(values, np.float32)
    record = as_record(Embedding(vector, 3, False), several=False)
    again = np.array(json.loads(json.dumps(record))["embedding"], np.float32)
    assert again.tobytes() == vector.tobytes()


def test_an_embedding_is_written_as_short_as_can_be() -> None:
    record = as_record(Embedding(np.array([0.1, 1e-7], np.float32), 3, False), several=False)
    assert json.dumps(record["embedding"]) == "[0.1, 1e-07]"


RESULTS = [
    (
        Tagging((Entity("PER", 0.5, "anna", 0, 4),), 3, False),
        {
            "entities": [{"entity": "PER", "score": 0.5, "word": "anna", "start": 0, "end": 4}],
            "n_tokens": 3,
            "truncated": False,
        },
    ),
    (
        Answers((Answer("seoul", 0.5, 3, 8), Answer("paris", 0.25, 9, 14)), 9, True),
        {
            "answer": "seoul",
            "score": 0.5,
            "start": 3,
            "end": 8,
            "n_tokens": 9,
            "truncated": True,
        },
    ),
    (
        Filling(((Fill(5, "the", 0.5, "<mask> cat", 0, 6),),), 3, False),
        {
            "masks": [[{"token": 5, "token_str": "the", "score": 0.5, "sequence": "the cat"}]],
            "n_tokens": 3,
            "truncated": False,
        },
    ),
    (
        Classification((Label("a", 0.5), Label("b", 0.25)), 3, False),
        {"label": "a", "score": 0.5, "n_tokens": 3, "truncated": False},
    ),
]


@pytest.mark.parametrize(("result", "record"), RESULTS, ids=lambda value: type(value).__name__)
def test_a_result_is_written_with_all_of_its_fields(result: Any, record: dict[str, Any]) -> None:
    assert json.loads(json.dumps(as_record(result, several=False))) == record


def test_a_record_of_too_many_long_sequences_is_refused() -> None:
    fill = Fill(5, "the", 0.5, "x" * 2**20, 0, 1)
    with pytest.raises(InputError, match=r"200 masks: .* 209,715,200 characters"):
        as_record(Filling(((fill,),) * 200, 3, False), several=False)


SEVERAL = [
    (
        Answers((Answer("seoul", 0.5, 3, 8), Answer("", 0.25, 0, 0)), 9, True),
        {
            "answers": [
                {"answer": "seoul", "score": 0.5, "start": 3, "end": 8},
                {"answer": "", "score": 0.25, "start": 0, "end": 0},
            ],
            "n_tokens": 9,
            "truncated": True,
        },
    ),
    (
        Classification((Label("a", 0.5), Label("b", 0.25)), 3, False),
        {
            "labels": [{"label": "a", "score": 0.5}, {"label": "b", "score": 0.25}],
            "n_tokens": 3,
            "truncated": False,
        },
    ),
    (Classification((), 3, False), {"labels": [], "n_tokens": 3, "truncated": False}),
    (Answers((), 3, False), {"answers": [], "n_tokens": 3, "truncated": False}),
]


@pytest.mark.parametrize(("result", "record"), SEVERAL)
def test_where_several_are_asked_for_they_stand_in_a_list(
    result: Any, record: dict[str, Any]
) -> None:
    assert json.loads(json.dumps(as_record(result, several=True))) == record


def test_a_question_without_an_answer_has_an_empty_one() -> None:
    assert as_record(Answers((), 5, False), several=False) == {
        "answer": "",
        "score": 0.0,
        "start": 0,
        "end": 0,
        "n_tokens": 5,
        "truncated": False,
    }


@pytest.mark.parametrize(
    ("options", "several"),
    [({}, False), ({"top_k": 1}, False), ({"top_k": 2}, True), ({"threshold": 0.1}, True)],
)
def test_a_list_is_written_where_the_options_may_give_several_or_none(
    tiny: Path, options: dict[str, Any], several: bool
) -> None:
    (record,) = records(tiny, "tiny-classify", Row("the cat", {}), **options)
    assert ("labels" in record) == several
    assert ("label" in record) != several
