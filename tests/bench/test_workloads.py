"""The texts of the benchmark: the same every time, of the lengths they claim."""

from collections import Counter
from pathlib import Path

import pytest

from bench.workloads import (
    LENGTHS,
    LONGEST,
    MEDIAN,
    REQUEST,
    SHORTEST,
    blocks_of,
    even_lengths,
    make_texts,
    make_workload,
    mixed_lengths,
    read_sentences,
    words_of,
)
from edgebert.tokens import open_tokenizer
from edgebert_export.texts import SENTENCES


@pytest.fixture
def tokenizer_file(tiny: Path) -> Path:
    return tiny / "tiny-embed" / "tokenizer.json"


def test_words_are_one_token_each(tokenizer_file: Path) -> None:
    tokenizer = open_tokenizer(tokenizer_file)
    words = words_of(tokenizer_file)
    assert len(words) > 5
    assert all(len(tokenizer.encode(word).ids) == 3 for word in words)


@pytest.mark.parametrize("tokens", LENGTHS)
def test_a_text_has_exactly_its_tokens(tokenizer_file: Path, tokens: int) -> None:
    tokenizer = open_tokenizer(tokenizer_file)
    for text in make_workload(tokenizer_file, 4).by_length[tokens]:
        assert len(tokenizer.encode(text).ids) == tokens


def test_a_workload_is_the_same_every_time(tokenizer_file: Path) -> None:
    assert make_workload(tokenizer_file, 50) == make_workload(tokenizer_file, 50)


def test_mixed_lengths_are_as_the_method_says() -> None:
    lengths = mixed_lengths(2000)
    counts = Counter(lengths)
    assert 42 < sum(lengths) / 2000 < 48
    assert 30 <= sorted(lengths)[1000] <= 34
    assert 0.003 < counts[LONGEST] / 2000 < 0.03
    assert min(lengths) >= SHORTEST


def test_a_shorter_list_is_the_beginning_of_a_longer_one() -> None:
    assert mixed_lengths(100) == mixed_lengths(1000)[:100]


@pytest.mark.parametrize("count", [32, 100, 1000])
def test_even_lengths_are_alike_in_lists_of_any_size(count: int) -> None:
    mean = sum(even_lengths(10_000)) / 10_000
    assert sum(even_lengths(count)) / count == pytest.approx(mean, rel=0.02)


def test_one_text_of_even_lengths_is_the_median() -> None:
    assert even_lengths(1) == [MEDIAN]


def test_even_lengths_come_in_no_order() -> None:
    lengths = even_lengths(100)
    assert lengths != sorted(lengths) != sorted(lengths, reverse=True)


def test_a_request_has_32_texts_that_differ(tokenizer_file: Path) -> None:
    assert len(set(make_workload(tokenizer_file, 4).request)) == REQUEST


def test_texts_have_the_lengths_asked_for() -> None:
    assert [len(text.split()) for text in make_texts(["one", "two"], [4, 9])] == [2, 7]


def test_sentences_of_the_accuracy_were_used_for_no_calibration() -> None:
    sentences = read_sentences()
    assert len(set(sentences)) == len(sentences) >= 60
    assert not set(sentences) & set(SENTENCES)


def test_blocks_are_neighbours_in_length() -> None:
    texts = ["a" * length for length in range(1000)]
    blocks = blocks_of(texts, 3, size=10)
    assert [len(text) for text in blocks[:10]] == list(range(165, 175))
    assert [len(text) for text in blocks[-10:]] == list(range(825, 835))


def test_a_short_list_is_its_own_sample() -> None:
    assert blocks_of(["bb", "a"], 3) == ["a", "bb"]
