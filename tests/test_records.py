"""Results come out as records: the fields of transformers, numbers to the bit."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.errors import InputError
from edgebert.records import as_record, to_json
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


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=8))
def test_an_embedding_is_written_without_changing_a_bit(values: list[float]) -> None:
    vector = np.array(values, np.float32)
    record = as_record(Embedding(vector, 3, False), several=False)
    again = np.array(json.loads(to_json(record))["embedding"], np.float32)
    assert again.tobytes() == vector.tobytes()


def test_an_embedding_is_written_as_short_as_can_be() -> None:
    record = as_record(Embedding(np.array([0.1, 1e-7], np.float32), 3, False), several=False)
    assert '"embedding": [0.1, 1e-07],' in to_json(record)


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


def test_dates_and_decimals_are_written_as_text() -> None:
    record = {"day": date(2024, 2, 29), "price": Decimal("1.10")}
    assert to_json(record) == '{"day": "2024-02-29", "price": "1.10"}'


def test_what_json_does_not_have_is_refused() -> None:
    with pytest.raises(InputError, match="holds bytes, which JSON does not have; write Parquet"):
        to_json({"image": b"abc"})
