"""Labelled rows: each goal's columns, lists in CSV, and faults that are named."""

from typing import Any

import pytest

from edgebert.errors import InputError
from edgebert.labelled import COLUMNS, Example, Goal, read_examples, read_names

ROWS: dict[Goal, dict[str, Any]] = {
    Goal.CLASSIFY: {"text": "a", "label": "x"},
    Goal.TAG: {"words": "the cat", "tags": "O B-X"},
    Goal.ANSWER: {"question": "a", "context": "b", "answers": "c|d"},
    Goal.FILL: {"text": "the [MASK]", "answers": ["cat"]},
    Goal.STS: {"text": "a", "text_pair": "b", "score": "3.5"},
    Goal.RETRIEVE: {"query": "a", "text": "b"},
    Goal.RERANK: {"query": "a", "text": "b", "label": 1},
}


def read(goal: Goal, **changes: Any) -> Example:
    return read_examples([ROWS[goal] | changes], goal)[0]


@pytest.mark.parametrize("goal", Goal)
def test_every_goal_reads_its_columns(goal: Goal) -> None:
    assert read(goal).row == 1


@pytest.mark.parametrize("goal", Goal)
def test_the_columns_of_every_goal_are_told(goal: Goal) -> None:
    assert set(ROWS[goal]) <= set(COLUMNS[goal].replace(",", " ").replace(":", " ").split())


@pytest.mark.parametrize(("goal", "name"), [(g, n) for g in Goal for n in ROWS[g] if n != "query"])
def test_a_column_that_is_missing_is_named_with_its_row(goal: Goal, name: str) -> None:
    row = {key: value for key, value in ROWS[goal].items() if key != name}
    with pytest.raises(InputError, match=f"row 2: no column '{name}'"):
        read_examples([ROWS[goal], row], goal)


def test_words_and_tags_of_csv_stand_apart_by_blanks() -> None:
    found = read(Goal.TAG)
    assert (found.text, found.golds) == ("the cat", ("O", "B-X"))


def test_answers_of_csv_stand_apart_by_bars() -> None:
    assert read(Goal.ANSWER).golds == ("c", "d")


def test_a_row_without_a_query_is_a_text_nobody_asks_for() -> None:
    assert read(Goal.RETRIEVE, query=None).score == 0.0


@pytest.mark.parametrize("score", ["high", None, True, float("nan"), "1e999"])
def test_a_score_that_is_no_number_is_refused(score: object) -> None:
    with pytest.raises(InputError, match=r"row 1: column 'score' is .*expected a number"):
        read(Goal.STS, score=score)


def test_tags_that_are_not_one_a_word_are_refused() -> None:
    with pytest.raises(InputError, match="row 1: 2 words and 1 tags"):
        read(Goal.TAG, tags=["O"])


def test_a_tag_of_another_scheme_is_refused() -> None:
    with pytest.raises(InputError, match="tag 'PER'; expected O, B-TYPE or I-TYPE"):
        read(Goal.TAG, tags=["O", "PER"])


def test_masks_without_an_answer_are_refused() -> None:
    with pytest.raises(InputError, match=r"2 times \[MASK\] in the text and 1 answers"):
        read(Goal.FILL, text="[MASK] [MASK]")


def test_a_file_may_name_columns_otherwise() -> None:
    rows = [{"sentence": "a", "label": "x"}]
    assert read_examples(rows, Goal.CLASSIFY, {"text": "sentence"})[0].text == "a"


def test_a_name_that_the_file_does_not_have_is_refused() -> None:
    with pytest.raises(InputError, match=r"row 1: no column 'gone'; found \['label', 'text'\]"):
        read_examples([ROWS[Goal.CLASSIFY]], Goal.CLASSIFY, {"text": "gone"})


def test_a_file_without_rows_is_refused() -> None:
    with pytest.raises(InputError, match="no rows"):
        read_examples([], Goal.CLASSIFY)


def test_names_of_columns_are_read() -> None:
    assert read_names(["text=sentence_A"]) == {"text": "sentence_A"}


@pytest.mark.parametrize("given", ["text", "=a", "text="])
def test_a_name_without_a_column_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="expected NAME=COLUMN"):
        read_names([given])
