"""The rows that heads are trained on and held to: targets in place, nothing in both."""

from collections.abc import Callable
from pathlib import Path

import pytest

from examples.heads.labelled import Split, entities, read_answers, read_ner
from examples.heads.recipes import HEADS

pytestmark = pytest.mark.export


def split(data: Path, name: str) -> Split:
    read: Callable[[Path], Split] = HEADS[name].read
    return read(data)


def test_entities_are_in_characters_of_the_joined_text() -> None:
    words = [("Anna", "B-person"), ("Bell", "I-person"), ("saw", "O"), ("Rome", "B-location")]
    assert entities(words) == [(0, 9, "person"), (14, 18, "location")]


def test_two_entities_side_by_side_stay_two() -> None:
    assert entities([("A", "B-x"), ("B", "B-x"), ("C", "I-y")]) == [
        (0, 1, "x"),
        (2, 3, "x"),
        (4, 5, "y"),
    ]


@pytest.mark.parametrize("name", HEADS)
def test_no_row_is_both_trained_on_and_held_out(name: str, labelled_data: Path) -> None:
    train, held = split(labelled_data, name)
    assert not {(row.text, row.pair) for row in train} & {(row.text, row.pair) for row in held}


def test_answers_stand_where_the_rows_say(labelled_data: Path) -> None:
    for rows in read_answers(labelled_data):
        spans = [str(row.pair)[slice(*row.target)] for row in rows]
        assert all(span and span == span.strip() for span in spans)


def test_held_out_paragraphs_share_no_sentence_with_those_trained_on(labelled_data: Path) -> None:
    train, held = read_answers(labelled_data)
    whole = "\n".join({str(row.pair) for row in held})
    assert not [row for row in train if str(row.pair) in whole]


def test_every_entity_of_wnut_is_read(labelled_data: Path) -> None:
    train, held = read_ner(labelled_data)
    counts = [sum(len(row.target) for row in rows) for rows in (train, held)]
    assert counts == [1975, 1079]  # what SOURCE.md of the set states
