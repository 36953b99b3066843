"""Texts become rows of ids: none lost, none padded, none cut without saying so."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from edgebert.config import Truncation
from edgebert.errors import BundleFormatError, InputError
from edgebert.tokens import Text, Tokens, open_tokenizer
from tests.fakes import make_tokenizer
from tests.make_tiny import DATA

LIMIT = 40
BERT, ROBERTA = DATA / "tiny-classify", DATA / "tiny-fill"
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
BOTH = pytest.mark.parametrize("needs_offsets", [True, False])


def encode(
    texts: Sequence[object],
    first_row: int = 0,
    truncation: Truncation = Truncation.CUT,
    **options: object,
) -> list[Tokens]:
    return make_tokenizer(BERT, **options).encode(texts, first_row, truncation)


def words(count: int) -> str:
    return " ".join(["the"] * count)


def reference(texts: Text, strategy: str, folder: Path = BERT) -> tokenizers.Encoding:
    """Cut as the tokenizers library does by itself, which is what transformers calls."""
    tokenizer = open_tokenizer(folder / "tokenizer.json")
    tokenizer.enable_truncation(LIMIT, strategy=strategy)
    return tokenizer.encode(*((texts,) if isinstance(texts, str) else texts))


@BOTH
@given(texts=st.lists(UNICODE | st.tuples(UNICODE, UNICODE), max_size=5))
def test_each_text_is_one_row_in_the_order_given(needs_offsets: bool, texts: list[Text]) -> None:
    assert [row.text for row in encode(texts, needs_offsets=needs_offsets)] == texts


@BOTH
@given(text=UNICODE | st.tuples(UNICODE, UNICODE))
def test_a_row_does_not_depend_on_its_neighbours(needs_offsets: bool, text: Text) -> None:
    alone = encode([text], needs_offsets=needs_offsets)[0]
    among = encode(["a", text, words(100)], needs_offsets=needs_offsets)[1]
    assert (alone.ids, alone.n_tokens) == (among.ids, among.n_tokens)


@given(text=UNICODE | st.tuples(UNICODE, UNICODE))
def test_skipping_offsets_changes_no_id(text: Text) -> None:
    with_offsets, without = (encode([text], needs_offsets=flag)[0] for flag in (True, False))
    assert (with_offsets.ids, with_offsets.type_ids) == (without.ids, without.type_ids)


@given(text=UNICODE | st.tuples(UNICODE, UNICODE))
def test_a_row_is_as_wide_as_its_parts(text: Text) -> None:
    row = encode([text])[0]
    parts = (row.type_ids, row.offsets, row.sequence_ids, row.word_ids)
    assert {len(part) for part in parts} == {len(row.ids)}


def test_no_rows_for_no_texts() -> None:
    assert encode([]) == []


def test_nothing_is_padded() -> None:
    assert [len(row.ids) for row in encode(["", "the", "the the"])] == [2, 3, 4]


def test_an_empty_text_has_its_special_tokens() -> None:
    row = encode([""])[0]
    assert row.ids == [make_tokenizer(BERT).token_id(token) for token in ("[CLS]", "[SEP]")]


def test_a_pair_knows_which_text_a_token_is_from() -> None:
    row = encode([("the train", "paris")])[0]
    assert row.sequence_ids == [None, 0, 0, None, 1, None]
    assert row.type_ids == [0, 0, 0, 0, 1, 1]


def test_offsets_point_into_the_callers_own_text() -> None:
    text = "Ánna  in 서울 😀."
    row = encode([text])[0]
    found = [text[start:end] for start, end in row.offsets]
    assert found == ["", "Ánna", "in", "서울", "😀", ".", ""]


def test_words_are_numbered_over_their_pieces() -> None:
    row = encode(["the xy"])[0]
    assert row.word_ids == [None, 0, 1, 1, None]


@BOTH
@pytest.mark.parametrize("count", [0, 1, LIMIT - 3, LIMIT - 2])
def test_a_text_up_to_the_limit_is_whole(count: int, needs_offsets: bool) -> None:
    row = encode([words(count)], needs_offsets=needs_offsets)[0]
    assert (len(row.ids), row.n_tokens, row.truncated) == (count + 2, count + 2, False)


@BOTH
@pytest.mark.parametrize("count", [LIMIT - 1, LIMIT, 10 * LIMIT])
def test_a_text_over_the_limit_is_cut_and_says_so(count: int, needs_offsets: bool) -> None:
    row = encode([words(count)], needs_offsets=needs_offsets)[0]
    assert (len(row.ids), row.n_tokens, row.truncated) == (LIMIT, count + 2, True)


def test_a_cut_text_keeps_its_beginning_and_its_special_tokens() -> None:
    kept, cut = encode([words(LIMIT - 3) + " cat", words(LIMIT - 3) + " cat dog"])
    assert cut.ids == kept.ids


@pytest.mark.parametrize("needs_offsets", [True, False])
def test_a_cut_text_still_points_into_the_callers_own(needs_offsets: bool) -> None:
    row = encode([words(100)], needs_offsets=needs_offsets)[0]
    assert row.offsets[-2] == (37 * 4, 37 * 4 + 3)


@given(UNICODE)
def test_a_single_text_is_cut_as_transformers_does(text: str) -> None:
    assert encode([text])[0].ids == reference(text, "longest_first").ids


@pytest.mark.parametrize("folder", [BERT, ROBERTA], ids=["bert", "roberta"])
@given(first=st.integers(0, 90), second=st.integers(0, 90))
def test_a_pair_is_cut_longest_first_as_transformers_does(
    folder: Path, first: int, second: int
) -> None:
    pair = (words(first), words(second))
    found = make_tokenizer(folder).encode([pair])[0]
    expected = reference(pair, "longest_first", folder)
    assert (found.ids, found.type_ids) == (expected.ids, expected.type_ids)


@given(first=st.integers(0, LIMIT - 4), second=st.integers(0, 90))
def test_a_question_is_kept_whole_as_transformers_does(first: int, second: int) -> None:
    pair = (words(first), words(second))
    found = encode([pair], cut_second_only=True)[0]
    expected = reference(pair, "only_second")
    assert (found.ids, found.type_ids) == (expected.ids, expected.type_ids)


@pytest.mark.parametrize("sizes", [(20, 17), (36, 1), (1, 36), (37, 0), (0, 37)])
@pytest.mark.parametrize("cut_second_only", [True, False])
def test_a_pair_up_to_the_limit_is_whole(sizes: tuple[int, int], cut_second_only: bool) -> None:
    row = encode([(words(sizes[0]), words(sizes[1]))], cut_second_only=cut_second_only)[0]
    assert (len(row.ids), row.truncated) == (LIMIT, False)


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [((20, 18), (19, 18)), ((18, 20), (18, 19)), ((90, 90), (18, 19)), ((90, 2), (35, 2))],
)
def test_a_pair_over_the_limit_loses_tokens_of_its_longer_text(
    sizes: tuple[int, int], kept: tuple[int, int]
) -> None:
    row = encode([(words(sizes[0]), words(sizes[1]))])[0]
    # [CLS] and [SEP] belong to the first text, another [SEP] to the second
    assert (row.type_ids.count(0) - 2, row.type_ids.count(1) - 1) == kept
    assert (row.n_tokens, row.truncated) == (sum(sizes) + 3, True)


def test_a_pair_over_the_limit_loses_tokens_of_its_context_only() -> None:
    row = encode([(words(30), words(90))], cut_second_only=True)[0]
    assert (row.sequence_ids.count(0), row.sequence_ids.count(1)) == (30, 7)


@pytest.mark.parametrize("size", [37, 38, 90])
def test_a_question_that_leaves_no_room_is_refused(size: int) -> None:
    with pytest.raises(InputError, match=rf"row 7: the first text alone has {size} tokens"):
        encode([(words(size), words(90))], 7, cut_second_only=True)


def test_a_question_that_leaves_room_for_one_token_is_taken() -> None:
    row = encode([(words(36), words(90))], cut_second_only=True)[0]
    assert (row.sequence_ids.count(0), row.sequence_ids.count(1)) == (36, 1)


@pytest.mark.parametrize("text", [words(LIMIT - 1), (words(20), words(18))], ids=["one", "two"])
def test_a_text_over_the_limit_is_refused_under_policy_error(text: Text) -> None:
    with pytest.raises(InputError, match=r"row 8: 41 tokens, the model takes 40"):
        encode(["the", text], 7, truncation=Truncation.ERROR)


@pytest.mark.parametrize("text", [words(LIMIT - 2), (words(20), words(17))], ids=["one", "two"])
def test_a_text_at_the_limit_is_taken_under_policy_error(text: Text) -> None:
    assert len(encode([text], truncation=Truncation.ERROR)[0].ids) == LIMIT


WRONG = {
    "nothing": (None, "NoneType, expected"),
    "a number": (3, "int, expected"),
    "bytes": (b"the", "bytes, expected"),
    "a list": (["the"], "list, expected"),
    "a list of two": (["the", "cat"], "list, expected"),
    "a dict": ({"text": "the"}, "dict, expected"),
    "a tuple of none": ((), "a tuple of 0; a pair has two texts"),
    "a tuple of one": (("the",), "a tuple of 1; a pair has two texts"),
    "a tuple of three": (("the", "cat", "runs"), "a tuple of 3; a pair has two texts"),
    "half a pair": (("the", None), "NoneType, expected a string"),
    "a pair of bytes": ((b"the", b"cat"), "bytes, expected a string"),
    "half of a surrogate pair": ("the \ud83d cat", r"character 4 is a lone surrogate \(U\+D83D\)"),
    "a surrogate from a file name": ("\udcff", r"character 0 is a lone surrogate \(U\+DCFF\)"),
    "a surrogate in a pair": (("the", "cat\udfff"), "character 3 is a lone surrogate"),
}


@BOTH
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_not_a_text_is_refused_by_its_row(kind: str, needs_offsets: bool) -> None:
    text, complaint = WRONG[kind]
    with pytest.raises(InputError, match=f"row 12: .*{complaint}"):
        encode(["the", "", text, "cat", None], 10, needs_offsets=needs_offsets)


def test_a_pair_is_refused_where_the_task_takes_single_texts() -> None:
    with pytest.raises(InputError, match="row 1: a pair, expected a string"):
        encode(["the", ("the", "cat")], pairs=False)


@given(st.lists(st.none() | st.text(max_size=5) | st.tuples(st.text(max_size=3)), max_size=4))
def test_any_input_is_rows_or_an_input_error(texts: list[object]) -> None:
    try:
        assert len(encode(texts)) == len(texts)
    except InputError as error:
        assert str(error).startswith("row ")


@pytest.mark.parametrize("folder", [BERT, ROBERTA], ids=["bert", "roberta"])
def test_a_text_of_emoji_is_a_text(folder: Path) -> None:
    rows = make_tokenizer(folder).encode(["😀", "👩‍👩‍👧‍👦", "🇰🇷" * 3, "\U0001fae0"])
    assert all(len(row.ids) > 2 for row in rows)


def test_special_tokens_are_looked_up_by_their_text() -> None:
    tokenizer = make_tokenizer(BERT)
    assert tokenizer.token(tokenizer.token_id("[MASK]") or 0) == "[MASK]"


def test_a_token_that_is_not_there_has_no_id() -> None:
    assert make_tokenizer(BERT).token_id("no such token") is None


def test_padding_and_truncation_of_the_file_are_switched_off(tmp_path: Path) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(BERT / "tokenizer.json"))
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    row = make_tokenizer(tmp_path).encode([words(9)])[0]
    assert (len(row.ids), row.n_tokens) == (11, 11)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"model": null}'])
def test_what_is_no_tokenizer_is_refused_by_its_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(data)
    with pytest.raises(BundleFormatError, match=r"tokenizer\.json: is not a tokenizer"):
        open_tokenizer(tmp_path / "tokenizer.json")


def test_a_tokenizer_that_is_not_there_is_a_bundle_error(tmp_path: Path) -> None:
    with pytest.raises(BundleFormatError, match="is not a tokenizer"):
        open_tokenizer(tmp_path / "tokenizer.json")
