"""Tagging of texts over the limit: windows joined as if the text had been read in one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig, Truncation
from edgebert.errors import InputError
from edgebert.tasks.tag import Aggregation, Piece, TokenClassifier, count_shared, join_windows
from tests.fakes import FakeSession, Outputs, make_engine, make_tokenizer, read_manifest
from tests.make_tiny import DATA, TAGS

TAG = DATA / "tiny-tag"
TOKENIZER = make_tokenizer(TAG)
NAMES = {"anna": "B-PER", "peter": "I-PER", "seoul": "B-LOC", "x": "B-LOC", "##y": "I-LOC"}
BY_ID = {TOKENIZER.token_id(token): TAGS.index(tag) for token, tag in NAMES.items()}
WORDS = st.lists(
    st.sampled_from(["anna", "peter", "seoul", "xy", "the", "서울"]), min_size=20, max_size=150
)
STRATEGIES = pytest.mark.parametrize("aggregation", list(Aggregation))


def by_token(batch: Batch) -> Outputs:
    """Give each token the tag of its word, whatever window it is in."""
    logits = np.zeros((*batch.ids.shape, len(TAGS)), np.float32)
    for row, ids in enumerate(batch.ids.tolist()):
        for place, token in enumerate(ids):
            logits[row, place, BY_ID.get(token, 0)] = 9
    return (logits,)


def make_tagger(
    compute: Callable[[Batch], Outputs] = by_token, max_tokens: int = 40, **config: object
) -> TokenClassifier:
    manifest = replace(read_manifest(TAG), max_tokens=max_tokens)
    settled = RuntimeConfig(threads=1, **config)
    engine = make_engine(TAG, FakeSession(compute), config=settled, manifest=manifest)
    engine.tokenizer = make_tokenizer(TAG, max_tokens=max_tokens)  # with offsets
    return TokenClassifier(engine)


WINDOWED, WHOLE = make_tagger(), make_tagger(max_tokens=10**6)


@STRATEGIES
@given(words=WORDS)
def test_windows_give_what_the_whole_text_would(aggregation: str, words: list[str]) -> None:
    text = " ".join(words)
    assert WINDOWED.tag([text], aggregation=aggregation) == WHOLE.tag(
        [text], aggregation=aggregation
    )


@pytest.mark.parametrize("place", range(15, 60))
def test_an_entity_anywhere_is_found_once_at_its_own_place(place: int) -> None:
    text = "the " * place + "anna peter" + " the" * (80 - place)
    (result,) = WINDOWED.tag([text])
    (entity,) = result.entities
    assert (entity.word, entity.start) == ("anna peter", 4 * place)


@pytest.mark.parametrize("place", range(15, 60))
def test_a_word_whose_pieces_lie_in_two_windows_is_found_whole(place: int) -> None:
    text = "the " * place + "xyyyyy" + " the" * (80 - place)
    (result,) = WINDOWED.tag([text], aggregation="first")
    assert [(entity.word, entity.start) for entity in result.entities] == [("xyyyyy", 4 * place)]


def test_an_entity_longer_than_a_window_is_one() -> None:
    text = "the anna" + " peter" * 100 + " the"
    (result,) = WINDOWED.tag([text])
    assert [(entity.start, entity.end) for entity in result.entities] == [(4, 4 + 4 + 600)]


def near_a_border(batch: Batch) -> Outputs:
    """Tag what is nearer than nine tokens to either end of its window."""
    logits = np.zeros((*batch.ids.shape, len(TAGS)), np.float32)
    for place in range(1, batch.ids.shape[1] - 1):
        near = min(place - 1, batch.ids.shape[1] - 2 - place) < 9
        logits[:, place, TAGS.index("B-LOC" if near else "O")] = 9
    return (logits,)


def test_a_token_is_tagged_in_the_window_that_shows_more_around_it() -> None:
    # 38 tokens a window, 19 of them new: 95 tokens fill four windows; only the text's ends are near
    (result,) = make_tagger(near_a_border).tag([" ".join(["the"] * 95)])
    assert len(result.entities) == 18
    assert {entity.start // 4 for entity in result.entities} == {*range(9), *range(86, 95)}


def test_windows_are_what_a_tagger_does_unasked() -> None:
    text = "the " * 60 + "anna"
    assert WINDOWED.tag([text]) == WINDOWED.tag([text], truncation="window")
    assert WINDOWED.tag([text]) != WINDOWED.tag([text], truncation="cut")


def test_a_windowed_result_is_not_truncated_and_tells_all_its_tokens() -> None:
    (result,) = WINDOWED.tag(["anna " * 100])
    assert (result.n_tokens, result.truncated, len(result.entities)) == (102, False, 100)


def test_the_configuration_may_say_otherwise_and_the_call_has_the_last_word() -> None:
    tagger = make_tagger(truncation="error")
    with pytest.raises(InputError, match="row 0: 62 tokens, the model takes 40"):
        tagger.tag(["the " * 60])
    assert tagger.tag(["the " * 60], truncation="cut")[0].truncated


@pytest.mark.parametrize("count", [37, 38, 39, 57, 58, 76, 77])
def test_as_many_tokens_are_tagged_as_the_text_has(count: int) -> None:
    (result,) = WINDOWED.tag(["anna " * count], aggregation="none")
    assert [entity.start for entity in result.entities] == [5 * place for place in range(count)]


def pieces(*places: tuple[int, int]) -> list[Piece]:
    return [Piece(np.zeros(1, np.float32), start, end, False) for start, end in places]


def spans(*places: int) -> list[tuple[int, int]]:
    return [(place, place + 1) for place in places]


def test_shared_tokens_are_counted_from_the_end_back() -> None:
    assert count_shared(pieces(*spans(0, 1, 2, 3)), pieces(*spans(2, 3, 4))) == 2


def test_windows_that_only_touch_share_nothing() -> None:
    assert count_shared(pieces(*spans(0, 1)), pieces(*spans(2, 3))) == 0


def test_tokens_of_one_character_are_not_counted_twice() -> None:
    # the character at 5 has four tokens; the second window begins with its third
    one = pieces(*spans(3, 5, 5, 5, 5, 6))
    assert count_shared(one, pieces(*spans(5, 5, 6, 7))) == 3


def test_a_window_that_begins_within_a_character_joins_without_loss() -> None:
    windows = [pieces(*spans(3, 5, 5, 5, 5, 6)), pieces(*spans(5, 5, 6, 7))]
    found = [piece.start for piece in join_windows(windows)]
    assert found == [3, 5, 5, 5, 5, 6, 7]


def test_a_window_of_special_tokens_adds_nothing() -> None:
    assert join_windows([pieces(*spans(0, 1)), []]) == pieces(*spans(0, 1))


def test_emoji_of_several_bytes_are_tagged_once_each_in_windows() -> None:
    tokenizer = make_tokenizer(DATA / "tiny-fill", max_tokens=10**6)
    short = make_tokenizer(DATA / "tiny-fill")
    text = "😀 x" * 60  # a byte-level tokenizer gives an emoji four tokens of one place
    (whole,) = tokenizer.encode([text])
    windows = [row.offsets[1:-1] for row in short.encode([text], truncation=Truncation.WINDOW)]
    joined = join_windows([pieces(*offsets) for offsets in windows])
    assert [(piece.start, piece.end) for piece in joined] == whole.offsets[1:-1]
