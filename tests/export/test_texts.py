"""Texts to measure on: sentences where the tokenizer knows them, else its own tokens."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from edgebert_export import texts
from edgebert_export.errors import ExportError
from edgebert_export.texts import (
    RANDOM_TEXTS,
    RANDOM_TOKENS,
    SENTENCES,
    default_texts,
    random_texts,
    read_texts,
    unknown_share,
)
from edgebert_export.tokenizer_files import TokenizerFiles

pytestmark = pytest.mark.export


def word_level(*words: str, split: str = "whitespace") -> TokenizerFiles:
    """A tokenizer that knows some words and nothing else."""
    ids = {word: number for number, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[UNK]"])
    tokenizer.pre_tokenizer = {
        "whitespace": pre_tokenizers.WhitespaceSplit(),
        "letters": pre_tokenizers.Split("", "isolated"),
    }[split]
    return TokenizerFiles(tokenizer, None, 0, None)


def byte_level() -> TokenizerFiles:
    """A tokenizer that knows every text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({sign: place for place, sign in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return TokenizerFiles(tokenizer, None, None, None)


def test_a_tokenizer_that_knows_the_sentences_gets_them() -> None:
    assert default_texts(byte_level(), 0) == (list(SENTENCES), "built-in sentences")


def test_a_tokenizer_that_does_not_gets_strings_of_its_own_tokens() -> None:
    found, source = default_texts(word_level("CCO", "c1ccccc1", "Br"), 0)
    assert source == "random strings of the vocabulary"
    assert {word for text in found for word in text.split()} == {"CCO", "c1ccccc1", "Br"}


@pytest.mark.parametrize(
    ("text", "share"), [("aa bb", 0.0), ("aa xx", 0.5), ("xx yy", 1.0), ("aa xxxxxx", 0.75)]
)
def test_the_unknown_share_counts_characters(text: str, share: float) -> None:
    assert unknown_share(word_level("aa", "bb"), [text]) == share


def test_what_a_tokenizer_drops_without_a_token_counts_as_unknown() -> None:
    files = word_level("a")
    files.tokenizer.pre_tokenizer = pre_tokenizers.Split("b", "removed")
    assert unknown_share(files, ["abbb"]) == 0.75


def test_blank_texts_leave_no_share_undefined() -> None:
    assert 0 <= unknown_share(word_level("a"), ["", "  "]) <= 1


def test_random_texts_are_the_same_for_the_same_seed() -> None:
    files = word_level("a", "b", "c")
    assert random_texts(files, 0) == random_texts(files, 0)


def test_random_texts_differ_with_the_seed() -> None:
    files = word_level("a", "b", "c")
    assert random_texts(files, 0) != random_texts(files, 1)


def test_random_texts_have_the_stated_number_and_lengths() -> None:
    found = random_texts(word_level("a", "b", "c"), 0)
    lengths = [len(text.split()) for text in found]
    assert len(found) == RANDOM_TEXTS
    assert RANDOM_TOKENS[0] <= min(lengths) <= max(lengths) < RANDOM_TOKENS[1]


@pytest.mark.parametrize("split", ["whitespace", "letters"])
def test_random_texts_are_joined_so_that_the_tokenizer_knows_them(split: str) -> None:
    files = word_level("a", "b", "c", split=split)
    assert unknown_share(files, random_texts(files, 0)) == 0


def test_special_and_continuing_tokens_are_not_drawn() -> None:
    found = random_texts(word_level("plain", "##ing", "[unused1]"), 0)
    assert {word for text in found for word in text.split()} == {"plain"}


def test_a_vocabulary_without_plain_tokens_is_refused_with_the_option_that_helps() -> None:
    with pytest.raises(ExportError, match="give texts of your own with --parity-texts"):
        random_texts(word_level(), 0)


def test_a_file_is_read_by_lines_blank_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_bytes("first\r\n\n  \n 둘째 \nthird".encode())
    assert read_texts(tmp_path / "texts.txt") == ["first", "둘째", "third"]


def test_a_long_file_is_read_up_to_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "MAX_LINES", 2)
    (tmp_path / "texts.txt").write_text("a\nb\nc\n")
    assert read_texts(tmp_path / "texts.txt") == ["a", "b"]


@pytest.mark.parametrize("content", [b"", b"\n \n\t\n"])
def test_a_file_without_a_text_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_bytes(content)
    with pytest.raises(ExportError, match="holds no text; expected one text a line"):
        read_texts(tmp_path / "texts.txt")


@pytest.mark.parametrize("content", [b"\xff\xfe", "caf\u00e9".encode("latin-1")])
def test_a_file_that_is_not_utf8_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_bytes(content)
    with pytest.raises(ExportError, match="cannot be read as UTF-8 text"):
        read_texts(tmp_path / "texts.txt")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"none\.txt: cannot be read"):
        read_texts(tmp_path / "none.txt")
