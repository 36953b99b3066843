"""Token classification: entities grouped as transformers does, cut from the caller's own text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.batching import Batch
from edgebert.errors import InputError
from edgebert.results import Tagging
from edgebert.tasks.tag import (
    Aggregation,
    TokenClassifier,
    find_entities,
    read_pieces,
    split_tag,
)
from edgebert.tokens import Tokens
from tests.fakes import make_tokenizer
from tests.make_tiny import DATA, TAGS

TOKENIZER = make_tokenizer(DATA / "tiny-tag")
TINY = TokenClassifier.load(DATA / "tiny-tag")
BUSY = "2i)A0`Z]tQ;-_$RXn!zZ"  # random weights tag little of what is words, much of this
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def decode(
    logits: np.ndarray,
    rows: list[Tokens],
    labels: list[str] = TAGS,
    aggregation: Aggregation = Aggregation.SIMPLE,
) -> list[Tagging]:
    """Decode (B, T, L) logits of rows that are one window each."""
    batch = Batch(tuple(rows))
    read = read_pieces((np.float32(logits),), batch, labels=len(labels), marked=True, unknown_id=1)
    return [find_entities([row], labels=tuple(labels), aggregation=aggregation) for row in read]


def read(
    text: str, tags: list[str], *, joined: bool = True, labels: list[str] = TAGS, logit: float = 9
) -> Tagging:
    """Decode logits that give each token of a text one tag, and special tokens B-PER."""
    (tokens,) = TOKENIZER.encode([text])
    assert len(tokens.ids) == len(tags) + 2, tokens.encoding.tokens
    logits = np.zeros((1, len(tokens.ids), len(labels)), np.float32)
    everywhere = [labels[1], *tags, labels[1]]
    for place, tag in enumerate(everywhere):
        logits[0, place, labels.index(tag)] = logit
    aggregation = Aggregation.SIMPLE if joined else Aggregation.NONE
    return decode(logits, [tokens], labels, aggregation)[0]


def groups(text: str, tags: str, **options: object) -> list[tuple[str, str]]:
    found = read(text, tags.split(), **options)
    return [(entity.entity, entity.word) for entity in found.entities]


# Worked by hand from the rules of transformers' pipeline, `group_entities` and `get_tag`.
SIMPLE = {
    "no entity": ("O O O", []),
    "one token": ("B-PER O O", [("PER", "anna")]),
    "a begin and its inside": ("B-PER I-PER O", [("PER", "anna peter")]),
    "two begins": ("B-PER B-PER O", [("PER", "anna"), ("PER", "peter")]),
    "a begin, its inside and a begin": (
        "B-PER I-PER B-PER",
        [("PER", "anna peter"), ("PER", "seoul")],
    ),
    "an inside without a begin": ("I-PER O O", [("PER", "anna")]),
    "two insides": ("I-PER I-PER O", [("PER", "anna peter")]),
    "another kind": ("B-PER I-LOC O", [("PER", "anna"), ("LOC", "peter")]),
    "another kind and back": (
        "B-PER I-LOC I-PER",
        [("PER", "anna"), ("LOC", "peter"), ("PER", "seoul")],
    ),
    "an outside between": ("B-PER O I-PER", [("PER", "anna"), ("PER", "seoul")]),
    "to the end": ("O B-LOC I-LOC", [("LOC", "peter seoul")]),
    "every token": ("B-LOC I-LOC I-LOC", [("LOC", "anna peter seoul")]),
}


@pytest.mark.parametrize("case", SIMPLE)
def test_neighbours_of_one_kind_are_joined_and_a_begin_opens_a_group(case: str) -> None:
    tags, expected = SIMPLE[case]
    assert groups("anna peter seoul", tags) == expected


@pytest.mark.parametrize("case", SIMPLE)
def test_ungrouped_each_tagged_token_stands_by_itself_with_its_tag(case: str) -> None:
    tags, _ = SIMPLE[case]
    words = zip(tags.split(), ["anna", "peter", "seoul"], strict=True)
    expected = [(tag, word) for tag, word in words if tag != "O"]
    assert groups("anna peter seoul", tags, joined=False) == expected


def test_tags_without_a_prefix_are_joined_as_insides() -> None:
    labels = ["O", "PER", "LOC"]
    found = groups("anna peter seoul", "PER PER LOC", labels=labels)
    assert found == [("PER", "anna peter"), ("LOC", "seoul")]


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("B-PER", ("B", "PER")),
        ("I-PER", ("I", "PER")),
        ("PER", ("I", "PER")),
        ("B-per-son", ("B", "per-son")),
        ("E-PER", ("I", "E-PER")),
        ("O", ("I", "O")),
    ],
)
def test_a_tag_is_split_as_transformers_does(tag: str, parts: tuple[str, str]) -> None:
    assert split_tag(tag) == parts


def test_special_tokens_are_no_entities() -> None:
    assert groups("anna", "O") == []  # though their logits say B-PER


def test_the_pieces_of_a_word_are_joined_without_a_gap() -> None:
    assert groups("the xyz", "O B-PER I-PER I-PER") == [("PER", "xyz")]


def test_the_pieces_of_a_word_stand_alone_ungrouped() -> None:
    found = groups("xyz", "B-PER I-PER I-PER", joined=False)
    assert found == [("B-PER", "x"), ("I-PER", "y"), ("I-PER", "z")]


TEXTS = [
    ("Ánna in Seoul", "B-PER O B-LOC", [("Ánna", 0, 4), ("Seoul", 8, 13)]),
    ("A\u0301nna in Seoul", "B-PER O B-LOC", [("A\u0301nna", 0, 5), ("Seoul", 9, 14)]),
    ("😀 anna", "O B-PER", [("anna", 2, 6)]),
    ("서울 anna 날씨", "B-LOC B-PER B-LOC", [("서울", 0, 2), ("anna", 3, 7), ("날씨", 8, 10)]),
    ("  anna\t\npeter", "B-PER I-PER", [("anna\t\npeter", 2, 13)]),
    ("東京", "B-LOC I-LOC", [("東京", 0, 2)]),
    ("anna\u0000\u200b peter", "B-PER B-PER", [("anna", 0, 4), ("peter", 7, 12)]),
]


@pytest.mark.parametrize(("text", "tags", "expected"), TEXTS, ids=lambda value: ascii(value)[:20])
def test_a_word_is_cut_from_the_callers_own_text(
    text: str, tags: str, expected: list[tuple[str, int, int]]
) -> None:
    found = [
        (entity.word, entity.start, entity.end) for entity in read(text, tags.split()).entities
    ]
    assert found == expected


def test_the_score_of_a_token_is_its_probability() -> None:
    (entity,) = read("anna", ["B-PER"], logit=np.log(4)).entities
    assert entity.score == pytest.approx(4 / 8)


def test_the_score_of_a_group_is_the_mean_of_its_tokens() -> None:
    (tokens,) = TOKENIZER.encode(["anna peter"])
    logits = np.zeros((1, 4, 5), np.float32)
    logits[0, 1, 1], logits[0, 2, 2] = np.log(4), np.log(16)
    (result,) = decode(logits, [tokens])
    assert result.entities[0].score == pytest.approx((4 / 8 + 16 / 20) / 2)


def test_each_row_is_decoded_from_its_own_logits() -> None:
    rows = TOKENIZER.encode(["anna", "seoul"])
    logits = np.zeros((2, 3, 5), np.float32)
    logits[0, 1, TAGS.index("B-PER")] = logits[1, 1, TAGS.index("B-LOC")] = 9
    found = decode(logits, rows)
    assert [[e.word for e in result.entities] for result in found] == [["anna"], ["seoul"]]


@given(UNICODE)
def test_entities_stand_in_reading_order_inside_the_text(text: str) -> None:
    (result,) = TINY.tag([text])
    places = [(entity.start, entity.end) for entity in result.entities]
    assert places == sorted(places)
    assert all(0 <= start <= end <= len(text) for start, end in places)


@given(UNICODE)
def test_grouping_loses_no_tagged_token(text: str) -> None:
    (single,), (joined,) = TINY.tag([text], aggregation="none"), TINY.tag([text])
    spans = [(entity.start, entity.end) for entity in joined.entities]
    for entity in single.entities:
        assert any(start <= entity.start and entity.end <= end for start, end in spans)


def test_outside_tags_are_left_out(tagger: TokenClassifier) -> None:
    (result,) = tagger.tag([BUSY], aggregation="none")
    assert "O" not in {entity.entity for entity in result.entities}
    assert 0 < len(result.entities) < result.n_tokens - 2


def test_an_empty_text_has_no_entities(tagger: TokenClassifier) -> None:
    assert tagger.tag([""]) == [Tagging((), 2, False)]


def test_a_text_that_is_cut_is_tagged_as_far_as_the_model_sees(tagger: TokenClassifier) -> None:
    (result,) = tagger.tag(["anna " * 60], aggregation="none", truncation="cut")
    assert (result.n_tokens, result.truncated) == (62, True)
    assert all(entity.end <= 38 * 5 for entity in result.entities)


def test_simple_is_the_aggregation_unasked(tagger: TokenClassifier) -> None:
    assert tagger.tag([BUSY]) == tagger.tag([BUSY], aggregation=Aggregation.SIMPLE)


def test_an_aggregation_may_be_named_as_text(tagger: TokenClassifier) -> None:
    expected = tagger.tag([BUSY], aggregation=Aggregation.NONE)
    assert tagger.tag([BUSY], aggregation="none") == expected
    assert expected != tagger.tag([BUSY])


@pytest.mark.parametrize("aggregation", ["", "last", "SIMPLE", None])
def test_an_unknown_aggregation_is_told_the_known_ones(
    tagger: TokenClassifier, aggregation: str
) -> None:
    with pytest.raises(InputError, match=r"it must be one of: none, simple, first, average, max"):
        tagger.stream(["anna"], aggregation=aggregation)
