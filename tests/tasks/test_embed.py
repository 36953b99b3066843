"""Sentence embeddings: one vector a text, unit length, prompts in front."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.config import RuntimeConfig, Truncation
from edgebert.errors import InputError
from edgebert.tasks.embed import Embedder, merge_windows
from edgebert.vectors import cut_dimensions
from tests.damage import edit_manifest
from tests.fakes import make_tokenizer
from tests.make_tiny import DATA

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=8)
TINY = Embedder.load(DATA / "tiny-embed")


def prompted(folder: Path, default: str | None) -> Embedder:
    prompts = {"query": "the train ", "passage": "seoul ", "none": ""}
    edit_manifest(folder, lambda values: values.update(prompts=prompts, default_prompt=default))
    return Embedder.load(folder)


@given(TEXTS)
def test_n_texts_give_n_vectors(texts: list[str]) -> None:
    vectors = TINY.embed(texts)
    assert vectors.shape == (len(texts), 32)
    assert vectors.dtype == np.float32


@given(TEXTS)
def test_vectors_of_a_normalised_bundle_have_unit_length(texts: list[str]) -> None:
    assert np.allclose(np.linalg.norm(TINY.embed(texts), axis=1), 1, atol=1e-5)


@given(TEXTS)
def test_a_stream_gives_the_same_vectors(texts: list[str]) -> None:
    streamed = [embedding.vector for embedding in TINY.stream(iter(texts))]
    assert np.array_equal(np.reshape(streamed, (-1, 32)), TINY.embed(texts))


def test_texts_whose_number_is_not_known_have_the_same_vectors(embedder: Embedder) -> None:
    texts = ["the train", "a good film", "paris"] * 1500  # more than the engine takes at once
    np.testing.assert_array_equal(embedder.embed(iter(texts)), embedder.embed(texts))


def test_the_length_of_a_vector_is_known_beforehand(embedder: Embedder) -> None:
    assert embedder.embed(["the"]).shape[1] == embedder.dimensions


def test_no_texts_give_no_rows_of_the_right_width(embedder: Embedder) -> None:
    vectors = embedder.embed([])
    assert (vectors.shape, vectors.dtype) == ((0, embedder.dimensions), np.float32)


def test_equal_texts_have_equal_vectors(embedder: Embedder) -> None:
    one, other, again = embedder.embed(["the cat", "a dog", "the cat"])
    assert np.array_equal(one, again)
    assert not np.allclose(one, other, atol=1e-3)


def test_an_empty_text_has_a_vector(embedder: Embedder) -> None:
    assert np.isfinite(embedder.embed([""])).all()


@pytest.mark.parametrize("text", ["😀", "👩‍👩‍👧‍👦🇰🇷", "\U0001fae0" * 500])
def test_a_text_of_emoji_has_a_vector(embedder: Embedder, text: str) -> None:
    assert np.isfinite(embedder.embed([text])).all()


def test_a_megabyte_is_cut_and_says_so(embedder: Embedder) -> None:
    (result,) = embedder.stream(["monday " * (2**20 // 7)])
    assert result.n_tokens > 10**5
    assert result.truncated


def test_a_megabyte_counts_as_its_beginning(embedder: Embedder) -> None:
    beginning = "the cat " * 19  # 38 words and two special tokens: the limit
    vectors = embedder.embed([beginning * 2000, beginning])
    assert np.allclose(vectors[0], vectors[1], atol=1e-6)


@pytest.mark.parametrize(
    ("words", "tokens", "truncated"), [(37, 39, False), (38, 40, False), (39, 41, True)]
)
def test_a_result_says_how_long_its_text_was_and_whether_it_was_cut(
    embedder: Embedder, words: int, tokens: int, truncated: bool
) -> None:
    (result,) = embedder.stream([" ".join(["the"] * words)])
    assert (result.n_tokens, result.truncated) == (tokens, truncated)


def test_a_prompt_is_put_in_front(copied: Callable[..., Path]) -> None:
    embedder = prompted(copied(), default=None)
    expected = embedder.embed(["the train to seoul"])
    assert np.array_equal(embedder.embed(["to seoul"], prompt="query"), expected)


def test_prompts_differ(copied: Callable[..., Path]) -> None:
    embedder = prompted(copied(), default=None)
    query, passage = (embedder.embed(["cat"], prompt=name) for name in ("query", "passage"))
    assert not np.allclose(query, passage, atol=1e-3)


def test_the_default_prompt_is_used_unasked(copied: Callable[..., Path]) -> None:
    embedder = prompted(copied(), default="query")
    expected = embedder.embed(["cat"], prompt="query")
    assert np.array_equal(embedder.embed(["cat"]), expected)


def test_the_default_prompt_can_be_left_out_by_an_empty_one(copied: Callable[..., Path]) -> None:
    embedder = prompted(copied(), default="query")
    bare = Embedder.load(DATA / "tiny-embed").embed(["cat"])
    assert np.array_equal(embedder.embed(["cat"], prompt="none"), bare)


def test_an_unknown_prompt_is_told_the_known_ones(copied: Callable[..., Path]) -> None:
    embedder = prompted(copied(), default=None)
    with pytest.raises(InputError, match="no prompt 'colour'; the bundle has: query, passage"):
        embedder.embed(["cat"], prompt="colour")


def test_an_unknown_prompt_is_refused_before_the_first_text(embedder: Embedder) -> None:
    with pytest.raises(InputError, match="the bundle has: none"):
        embedder.stream(["cat"], prompt="colour")


@pytest.mark.parametrize("text", [None, 3, b"cat", ("a", "b"), ["a", "b"]])
def test_what_is_not_a_text_is_named_by_its_row_behind_a_prompt_too(
    copied: Callable[..., Path], text: object
) -> None:
    embedder = prompted(copied(), default="query")
    with pytest.raises(InputError, match=r"row 1: .*, expected a string"):
        embedder.embed(["cat", text])


@pytest.mark.parametrize("default", [None, "query"])
def test_a_single_string_is_refused(copied: Callable[..., Path], default: str | None) -> None:
    embedder = prompted(copied(), default=default)
    with pytest.raises(InputError, match="a single string"):
        embedder.embed("cat")


def test_options_are_given_by_name(embedder: Embedder) -> None:
    with pytest.raises(TypeError, match="positional"):
        embedder.embed(["cat"], "query")


LONG = " ".join(["the cat runs in seoul and anna eats bad food"] * 9)  # 90 words


@pytest.mark.parametrize("normalize", [True, False])
def test_windows_are_averaged_by_their_tokens(normalize: bool) -> None:
    long, short = make_tokenizer(DATA / "tiny-embed").encode(["the cat", ""])  # 4 and 2 tokens
    windows = [(np.float32([3, 0]), long), (np.float32([0, 6]), short)]
    expected = np.float32([2, 2]) / (np.sqrt(8) if normalize else 1)
    found = merge_windows(windows, 2, normalize=normalize)
    assert found.vector == pytest.approx(expected)
    assert found.vector.dtype == np.float32


def test_a_long_texts_vector_is_the_mean_of_its_windows(embedder: Embedder) -> None:
    tokenizer = make_tokenizer(DATA / "tiny-embed")
    rows = tokenizer.encode([LONG], truncation=Truncation.WINDOW)
    parts = [LONG[row.offsets[1][0] : row.offsets[-2][1]] for row in rows]
    mean = np.average(embedder.embed(parts), axis=0, weights=[len(row.ids) for row in rows])
    (found,) = embedder.embed([LONG], truncation="window")
    assert found == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


@given(st.integers(30, 200))
def test_a_windowed_vector_has_unit_length(words: int) -> None:
    (vector,) = TINY.embed(["the cat " * words], truncation="window")
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_a_windowed_result_is_not_truncated(embedder: Embedder) -> None:
    (result,) = embedder.stream([LONG], truncation="window")
    assert (result.n_tokens, result.truncated) == (92, False)


def test_an_embedder_cuts_unasked(embedder: Embedder) -> None:
    assert np.array_equal(embedder.embed([LONG]), embedder.embed([LONG], truncation="cut"))
    assert not np.allclose(embedder.embed([LONG]), embedder.embed([LONG], truncation="window"))


def test_the_configurations_policy_is_taken_and_the_calls_wins() -> None:
    embedder = Embedder.load(DATA / "tiny-embed", RuntimeConfig(truncation=Truncation.WINDOW))
    assert np.array_equal(embedder.embed([LONG]), TINY.embed([LONG], truncation="window"))
    assert np.array_equal(embedder.embed([LONG], truncation="cut"), TINY.embed([LONG]))


def test_an_unknown_policy_is_refused_before_the_first_text(embedder: Embedder) -> None:
    with pytest.raises(InputError, match="truncation is 'slide'; it must be one of"):
        embedder.stream(["cat"], truncation="slide")


@pytest.mark.parametrize("truncation", ["cut", "window"])
@pytest.mark.parametrize("dimensions", [1, 7, 32])
def test_dimensions_are_the_first_of_all_scaled_to_unit_length(
    embedder: Embedder, dimensions: int, truncation: str
) -> None:
    texts = ["the cat", LONG, ""]
    expected = cut_dimensions(
        embedder.embed(texts, truncation=truncation), dimensions, normalize=True
    )
    found = embedder.embed(texts, truncation=truncation, dimensions=dimensions)
    assert found.shape == (3, dimensions)
    assert np.allclose(found, expected, atol=1e-6)


def test_a_bundle_that_does_not_normalise_keeps_the_numbers(copied: Callable[..., Path]) -> None:
    folder = edit_manifest(copied(), lambda values: values["pooling"].update(normalize=False))
    embedder = Embedder.load(folder)
    whole, few = embedder.embed(["the cat"]), embedder.embed(["the cat"], dimensions=7)
    assert np.array_equal(few, whole[:, :7])


def test_no_texts_give_no_rows_of_the_dimensions_asked_for(embedder: Embedder) -> None:
    assert embedder.embed([], dimensions=7).shape == (0, 7)


@pytest.mark.parametrize("dimensions", [0, -1, 33])
def test_dimensions_that_a_vector_does_not_have_are_refused(
    embedder: Embedder, dimensions: int
) -> None:
    with pytest.raises(InputError, match=f"dimensions is {dimensions}; the vectors have 32"):
        embedder.embed([], dimensions=dimensions)
