"""Windows: every token of a long text in some window, neighbours overlap, nothing is mixed up."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.config import Truncation
from edgebert.errors import InputError
from edgebert.tokens import OVERLAP, Text, Tokens
from tests.fakes import make_tokenizer
from tests.make_tiny import DATA, WORDS

LIMIT = 40
BERT, ROBERTA = DATA / "tiny-classify", DATA / "tiny-fill"
CUT, WINDOW = Truncation.CUT, Truncation.WINDOW
FOLDERS = pytest.mark.parametrize("folder", [BERT, ROBERTA], ids=["bert", "roberta"])
SENTENCES = st.lists(st.sampled_from([*WORDS, "xyz", "é", "😀"]), max_size=120).map(" ".join)


def encode(text: Text, truncation: Truncation = WINDOW, **options: object) -> list[Tokens]:
    folder = options.pop("folder", BERT)
    return make_tokenizer(folder, **options).encode([text], 3, truncation)


def words(count: int) -> str:
    return " ".join(WORDS[place % len(WORDS)] for place in range(count))


def inner(row: Tokens, text: int = 0) -> list[tuple[int, tuple[int, int]]]:
    """Give the ids and offsets of one text's own tokens."""
    places = [place for place, number in enumerate(row.sequence_ids) if number == text]
    return [(row.ids[place], row.offsets[place]) for place in places]


def joined(rows: list[Tokens], overlap: int, text: int = 0) -> list[tuple[int, tuple[int, int]]]:
    """Lay windows end to end, each one's overlap with the window before it left out."""
    first, *others = (inner(row, text) for row in rows)
    return first + [token for window in others for token in window[overlap:]]


@FOLDERS
@given(text=SENTENCES)
def test_windows_laid_end_to_end_are_the_text(folder: Path, text: str) -> None:
    (whole,) = encode(text, max_tokens=10**6, folder=folder)
    assert joined(encode(text, folder=folder), (LIMIT - 2) // 2) == inner(whole)


@FOLDERS
@given(text=SENTENCES)
def test_neighbouring_windows_overlap(folder: Path, text: str) -> None:
    for one, other in pairwise(encode(text, folder=folder)):
        assert inner(one)[-19:] == inner(other)[:19]


@pytest.mark.parametrize(
    ("limit", "overlap"), [(256, 127), (258, OVERLAP), (400, OVERLAP), (3, 0), (4, 1)]
)
def test_windows_share_as_many_tokens_as_transformers_or_half(limit: int, overlap: int) -> None:
    one, other, *_ = encode(words(1000), max_tokens=limit)
    step = limit - 2 - overlap
    assert inner(one)[step:] == inner(other)[:overlap]
    assert inner(other)[0] != inner(one)[0]


@FOLDERS
@given(text=SENTENCES)
def test_every_window_fits_and_has_its_special_tokens(folder: Path, text: str) -> None:
    (empty,) = encode("", folder=folder)
    for row in encode(text, folder=folder):
        assert len(row.ids) <= LIMIT
        assert [row.ids[0], row.ids[-1]] == empty.ids


@pytest.mark.parametrize("limit", [3, 4, 5, 7, 40])
def test_only_the_last_window_may_be_shorter(limit: int) -> None:
    widths = [len(row.ids) for row in encode(words(101), max_tokens=limit)]
    assert set(widths[:-1]) == {limit}


@pytest.mark.parametrize(("count", "windows"), [(0, 1), (1, 1), (37, 1), (38, 1), (39, 2), (57, 2)])
def test_a_text_has_as_many_windows_as_it_needs(count: int, windows: int) -> None:
    assert len(encode(words(count))) == windows


@given(first=st.integers(0, 90), second=st.integers(0, 90))
def test_a_pair_has_one_window_where_it_fits(first: int, second: int) -> None:
    found = encode((words(first), words(second)))
    fits = first + second + 3 <= LIMIT
    assert fits == (len(found) == 1 and found[0].n_tokens <= LIMIT)


def test_windows_know_their_text_its_row_and_its_length() -> None:
    text = words(90)
    found = [(row.row, row.text, row.n_tokens) for row in encode(text)]
    assert found == [(3, text, 92)] * 4


def test_windows_that_show_all_of_a_text_are_not_truncated() -> None:
    assert {row.truncated for row in encode(words(90))} == {False}


@FOLDERS
@given(text=SENTENCES | st.tuples(SENTENCES, SENTENCES))
def test_a_cut_keeps_the_first_window(folder: Path, text: Text) -> None:
    (cut,), (window, *_) = (encode(text, policy, folder=folder) for policy in (CUT, WINDOW))
    parts = [(r.ids, r.type_ids, r.offsets, r.sequence_ids, r.word_ids) for r in (cut, window)]
    assert parts[0] == parts[1]


@given(text=SENTENCES | st.tuples(SENTENCES, SENTENCES))
def test_windows_are_the_same_without_offsets(text: Text) -> None:
    with_offsets, without = (encode(text, needs_offsets=flag) for flag in (True, False))
    assert [row.ids for row in with_offsets] == [row.ids for row in without]


def test_a_window_points_into_the_callers_own_text() -> None:
    text = "Ánna 서울 😀 " * 30
    for row in encode(text):
        assert {text[start:end] for _, (start, end) in inner(row)} == {"Ánna", "서울", "😀"}


def test_the_words_of_a_window_are_numbered_as_in_the_text() -> None:
    rows = encode(" ".join(["xyz"] * 40))  # three pieces a word: windows begin within words
    for row in rows:
        places = [offset for _, offset in inner(row)]
        assert [word for word in row.word_ids if word is not None] == [s // 4 for s, _ in places]


def test_texts_around_a_long_one_keep_their_rows() -> None:
    rows = make_tokenizer(BERT).encode(["the", words(60), "a"], 5, WINDOW)
    assert [row.row for row in rows] == [5, 6, 6, 6, 7]


PAIRS = [(words(30), words(90)), (words(90), words(30)), (words(90), words(90)), ("", words(90))]


@pytest.mark.parametrize("pair", PAIRS, ids=["second", "first", "both", "empty"])
@FOLDERS
def test_every_window_of_a_pair_tells_its_texts_apart(folder: Path, pair: Text) -> None:
    for row in encode(pair, folder=folder):
        (alone,) = encode(("", ""), folder=folder)  # <s> </s> </s> </s>, or [CLS] [SEP] [SEP]
        one, two = row.sequence_ids.count(0), row.sequence_ids.count(1)
        middle = len(alone.ids) - 2
        assert row.sequence_ids == [None, *[0] * one, *[None] * middle, *[1] * two, None]
        expected = [0] * len(row.ids)  # RoBERTa knows one type only
        if folder is BERT:
            expected = [0] * (one + 2) + [1] * (two + 1)
        assert row.type_ids == expected


@given(question=st.integers(0, 36), context=st.integers(0, 200))
def test_a_question_is_whole_in_every_window(question: int, context: int) -> None:
    pair = (words(question), words(context))
    (whole,) = encode(pair, max_tokens=10**6)
    for row in encode(pair, cut_second_only=True):
        assert inner(row, 0) == inner(whole, 0)


@given(question=st.integers(0, 36), context=st.integers(0, 200))
def test_windows_of_a_context_laid_end_to_end_are_the_context(question: int, context: int) -> None:
    pair = (words(question), words(context))
    (whole,) = encode(pair, max_tokens=10**6)
    overlap = (LIMIT - 3 - question) // 2
    assert joined(encode(pair, cut_second_only=True), overlap, 1) == inner(whole, 1)


@given(first=st.integers(0, 120), second=st.integers(0, 120))
def test_all_of_a_second_text_is_in_some_window(first: int, second: int) -> None:
    (whole,) = encode((words(first), words(second)), max_tokens=10**6)
    seen = {token for row in encode((words(first), words(second))) for token in inner(row, 1)}
    assert seen == set(inner(whole, 1))


@pytest.mark.parametrize("pair", PAIRS, ids=["second", "first", "both", "empty"])
def test_a_pair_whose_first_text_is_cut_says_so(pair: tuple[str, str]) -> None:
    rows = encode(pair)
    (whole,) = encode(pair, max_tokens=10**6)
    assert {row.truncated for row in rows} == {inner(rows[0], 0) != inner(whole, 0)}


def test_a_question_that_leaves_no_room_is_refused_in_windows_too() -> None:
    with pytest.raises(InputError, match="row 3: the first text alone has 37 tokens"):
        encode((words(37), words(90)), cut_second_only=True)


@pytest.mark.parametrize("truncation", [CUT, WINDOW])
def test_the_work_for_a_pair_grows_with_its_length_not_its_square(truncation: Truncation) -> None:
    # the library joins windows that hang on one another each with each: 10,000 by 10,000 here
    rows = encode((words(100_000), words(100_000)), truncation)
    assert all(row.encoding.overflowing == [] for row in rows[:10])
    assert len(rows) == (1 if truncation is CUT else 10_000)


def test_no_window_holds_others() -> None:
    assert [row.encoding.overflowing for row in encode(words(90))] == [[]] * 4


@pytest.mark.parametrize("sequence", [False, True])
def test_a_space_is_trimmed_off_a_windows_offsets_once(tmp_path: Path, sequence: bool) -> None:
    tokenizer = json.loads((ROBERTA / "tokenizer.json").read_bytes())
    assert tokenizer["post_processor"]["trim_offsets"] is True
    if sequence:  # as ModernBERT's kin have it
        bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
        roberta = tokenizer["post_processor"] | {"trim_offsets": False}
        rules = [bytewise | {"use_regex": True}, roberta]
        tokenizer["post_processor"] = {"type": "Sequence", "processors": rules}
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    text = "x" + " the" * 60
    (_, *others) = encode(text, folder=tmp_path)
    for row in others:
        assert {text[start:end] for _, (start, end) in inner(row)} == {"the"}
