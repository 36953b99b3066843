"""How tagged tokens become entities: worked by hand from the rules of transformers' pipeline."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.batching import Batch
from edgebert.results import Entity
from edgebert.tasks.tag import Aggregation, continuing, find_entities, read_pieces
from tests.fakes import make_tokenizer
from tests.make_tiny import DATA

LABELS = ("O", "B-PER", "I-PER")
WORDPIECE, BYTES = (make_tokenizer(DATA / name) for name in ("tiny-tag", "tiny-fill"))
UNKNOWN = WORDPIECE.unknown_id()
WORDWISE = (Aggregation.FIRST, Aggregation.AVERAGE, Aggregation.MAX)


def entities(text: str, scores: list[list[float]], aggregation: str) -> list[Entity]:
    """Decode tokens whose probabilities of LABELS are given."""
    (tokens,) = WORDPIECE.encode([text])
    around = [1e-6, 1, 1e-6]  # special tokens say B-PER, to no effect
    logits = np.log(np.float32([[around, *scores, around]]))
    assert logits.shape[1] == len(tokens.ids), tokens.pieces
    batch = Batch((tokens,))
    (row,) = read_pieces((logits,), batch, labels=3, marked=True, unknown_id=UNKNOWN)
    found = find_entities([row], labels=LABELS, aggregation=Aggregation(aggregation))
    return list(found.entities)


def spans(text: str, scores: list[list[float]], aggregation: str) -> list[tuple[str, str, float]]:
    found = entities(text, scores, aggregation)
    return [(entity.entity, entity.word, round(entity.score, 4)) for entity in found]


# xyz is one word of three tokens; the scores are those of O, B-PER and I-PER
SPLIT = [[0.1, 0.6, 0.3], [0.8, 0.1, 0.1], [0.1, 0.2, 0.7]]


def test_none_gives_every_tagged_token() -> None:
    assert spans("xyz", SPLIT, "none") == [("B-PER", "x", 0.6), ("I-PER", "z", 0.7)]


def test_simple_joins_neighbours_and_may_split_a_word() -> None:
    assert spans("xyz", SPLIT, "simple") == [("PER", "x", 0.6), ("PER", "z", 0.7)]


def test_first_takes_tag_and_score_of_a_words_first_token() -> None:
    assert spans("xyz", SPLIT, "first") == [("PER", "xyz", 0.6)]


def test_average_takes_the_best_mean() -> None:
    # means: O 1.0 / 3, B-PER 0.9 / 3, I-PER 1.1 / 3
    assert spans("xyz", SPLIT, "average") == [("PER", "xyz", 0.3667)]


def test_max_takes_the_surest_token() -> None:
    assert spans("xyz", SPLIT, "max") == []  # O, 0.8 sure
    assert spans("xyz", [*SPLIT[:2], [0.05, 0.05, 0.9]], "max") == [("PER", "xyz", 0.9)]


def test_the_strategies_differ_in_the_words_tag() -> None:
    scores = [[0.2, 0.7, 0.1], [0.9, 0.05, 0.05], [0.9, 0.05, 0.05]]
    found = {strategy: spans("xyz", scores, strategy) for strategy in WORDWISE}
    assert found == {"first": [("PER", "xyz", 0.7)], "average": [], "max": []}


PER, INSIDE, OUT = [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.9, 0.05, 0.05]


@pytest.mark.parametrize("aggregation", WORDWISE)
def test_words_of_one_tag_are_joined_and_a_groups_score_is_its_words_mean(
    aggregation: str,
) -> None:
    scores = [PER, PER, PER, INSIDE, OUT]  # xyz anna the
    assert spans("xyz anna the", scores, aggregation) == [("PER", "xyz anna", 0.7)]


@pytest.mark.parametrize("aggregation", WORDWISE)
def test_a_word_that_begins_an_entity_opens_a_group(aggregation: str) -> None:
    found = spans("anna peter", [PER, PER], aggregation)
    assert found == [("PER", "anna", 0.8), ("PER", "peter", 0.8)]


@pytest.mark.parametrize("aggregation", WORDWISE)
def test_an_outside_word_ends_a_group(aggregation: str) -> None:
    found = spans("anna the peter", [PER, OUT, INSIDE], aggregation)
    assert found == [("PER", "anna", 0.8), ("PER", "peter", 0.6)]


@pytest.mark.parametrize("aggregation", WORDWISE)
def test_an_unknown_token_is_a_word_of_its_own(aggregation: str) -> None:
    # [UNK] is longer than the "ж" it stands for, which else marks what continues a word
    assert spans("x ж", [PER, OUT], aggregation) == [("PER", "x", 0.8)]


@given(st.lists(st.sampled_from([PER, INSIDE, OUT]), min_size=3, max_size=3))
def test_strategies_agree_where_every_word_is_one_token(scores: list[list[float]]) -> None:
    found = {strategy: spans("anna the peter", scores, strategy) for strategy in WORDWISE}
    simple = spans("anna the peter", scores, "simple")
    assert set(map(tuple, found.values())) == {tuple(simple)}


@given(
    st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=6, max_size=6),
    st.sampled_from(WORDWISE),
)
def test_a_word_is_never_split(scores: list[list[float]], aggregation: str) -> None:
    text = "xyz, qed"  # tokens x ##y ##z , q ##ed
    borders = {(0, 3), (3, 4), (5, 8), (0, 4), (0, 8), (3, 8)}
    found = entities(text, scores, aggregation)
    assert {(entity.start, entity.end) for entity in found} <= borders


def marks(text: str, *, marked: bool) -> list[bool]:
    """Tell of each token of a text whether it continues a word."""
    tokenizer = WORDPIECE if marked else BYTES
    (tokens,) = tokenizer.encode([text])
    found = continuing(tokens, marked=marked, unknown_id=tokenizer.unknown_id())
    return found[1:-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the xyz", [False, False, True, True]),
        ("ж", [False]),  # unknown
        ("anna, peter", [False, False, False]),
        ("", []),
    ],
)
def test_wordpiece_marks_what_continues_a_word(text: str, expected: list[bool]) -> None:
    assert marks(text, marked=True) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("xy", [False, True]),
        ("x y", [False, False, False]),  # x Ġ y: the space touches both of its neighbours
        ("the", [False, True]),  # t he
        ("x the", [False, False]),  # x Ġthe
        ("x,", [False, True]),  # punctuation sticks to its word, as in the pipeline
    ],
)
def test_byte_level_tokens_continue_where_no_space_is(text: str, expected: list[bool]) -> None:
    assert marks(text, marked=False) == expected


def test_a_tokenizer_knows_whether_it_marks_pieces() -> None:
    assert (WORDPIECE.joins_words(), BYTES.joins_words()) == (True, False)
