"""The mean of a text's words: as numpy gathers it, and the same bits whatever stands beside."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgebert.bundle import Bundle
from edgebert.errors import BundleError, BundleFormatError, InferenceError, InputError
from edgebert.manifest import Manifest, StoredTable
from edgebert.results import Floats
from edgebert.word_table import WordTable, open_word_table
from tests.make_tiny import DATA

Copied = Callable[..., Path]
NAME = "tiny-exits"
ROWS, WIDTH = 60, 24
RNG = np.random.default_rng(0)
S8 = RNG.integers(-127, 128, (ROWS, WIDTH)).astype(np.int8)
SCALES = RNG.random(ROWS).astype(np.float32)
FLOATS = RNG.standard_normal((ROWS, WIDTH)).astype(np.float32)
TABLES = {"int8": WordTable(S8, SCALES), "float32": WordTable(FLOATS, None)}
DEQUANTIZED = {"int8": S8 * SCALES[:, np.newaxis], "float32": FLOATS}
WEIGHTS = RNG.random(ROWS).astype(np.float32)
IDS = st.lists(st.lists(st.integers(0, ROWS - 1), max_size=30), max_size=12)


def bits(array: Floats) -> NDArray[Any]:
    return array.view(np.int32)


@pytest.mark.parametrize("kind", TABLES)
@given(ids=IDS)
def test_it_is_the_weighted_mean_of_the_dequantized_rows(kind: str, ids: list[list[int]]) -> None:
    found = TABLES[kind].mean(ids, WEIGHTS)
    assert (found.shape, found.dtype) == ((len(ids), WIDTH), np.float32)
    for row, text in zip(found, ids, strict=True):
        wanted = np.zeros(WIDTH)
        if text:
            wanted = np.average(DEQUANTIZED[kind][text].astype(float), 0, WEIGHTS[text])
        assert np.allclose(row, wanted, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", TABLES)
@given(ids=IDS)
def test_a_text_has_the_same_bits_alone(kind: str, ids: list[list[int]]) -> None:
    together = TABLES[kind].mean(ids, WEIGHTS)
    for row, text in zip(together, ids, strict=True):
        assert np.array_equal(bits(TABLES[kind].mean([text], WEIGHTS)[0]), bits(row))


def test_many_texts_of_one_length_are_taken_in_several_steps() -> None:
    ids = RNG.integers(0, ROWS, (900, 12)).tolist()  # 10,800 tokens
    together = TABLES["int8"].mean(ids, WEIGHTS)
    alone = np.concatenate([TABLES["int8"].mean([text], WEIGHTS) for text in ids])
    assert np.array_equal(bits(together), bits(alone))


def test_a_text_without_weight_is_zeros() -> None:
    weights = WEIGHTS.copy()
    weights[[3, 4]] = 0
    found = TABLES["int8"].mean([[3, 4], [], [3, 5]], weights)
    assert np.array_equal(bits(found[:2]), np.zeros((2, WIDTH), np.int32))
    assert found[2].any()


def test_no_texts_are_no_rows() -> None:
    assert TABLES["int8"].mean([], WEIGHTS).shape == (0, WIDTH)


@pytest.mark.parametrize("wrong", [-1, ROWS, 2**40])
def test_an_id_outside_of_the_table_names_its_text(wrong: int) -> None:
    with pytest.raises(InputError, match=f"text 1: token id {wrong} is not in the table of 60"):
        TABLES["int8"].mean([[1, 2], [3, wrong]], WEIGHTS)


@pytest.mark.parametrize("weights", [WEIGHTS[:-1], WEIGHTS.astype(np.float64)])
def test_weights_of_another_shape_or_type_are_refused(weights: Any) -> None:
    with pytest.raises(InputError, match="expected \\(60,\\) float32"):
        TABLES["int8"].mean([[1]], weights)


def test_a_mean_that_is_not_finite_names_its_text() -> None:
    table = WordTable(S8, np.where(np.arange(ROWS) == 5, np.nan, SCALES).astype(np.float32))
    with pytest.raises(InferenceError, match="text 1: the mean of its words is not finite"):
        table.mean([[1, 2], [5]], WEIGHTS)


def test_the_table_of_a_bundle_is_where_its_manifest_says() -> None:
    manifest = Bundle.open(DATA / NAME).manifest
    stored = manifest.word_table
    assert stored is not None
    assert stored.scales_offset is not None
    data = (DATA / NAME / stored.file).read_bytes()
    values = np.frombuffer(data, np.int8, stored.rows * 32, stored.offset).reshape(-1, 32)
    scales = np.frombuffer(data, np.float32, stored.rows, stored.scales_offset)
    table = open_word_table(DATA / NAME, manifest)
    ones = np.ones(stored.rows, np.float32)
    assert table.shape == (manifest.encoder.vocabulary, 32)
    found = table.mean([[token] for token in range(stored.rows)], ones)
    assert np.array_equal(found, values * scales[:, np.newaxis])


def test_a_bundle_that_does_not_say_is_refused_with_what_to_do() -> None:
    manifest = Bundle.open(DATA / "tiny-embed").manifest
    with pytest.raises(BundleError, match="does not say where its word embeddings are; export it"):
        open_word_table(DATA / "tiny-embed", manifest)


def with_table(**changes: Any) -> Manifest:
    manifest = Bundle.open(DATA / NAME).manifest
    assert manifest.word_table is not None
    return replace(manifest, word_table=replace(manifest.word_table, **changes))


@given(
    st.builds(
        dict,
        offset=st.integers(0, 10**6) | st.integers(2**60, 2**70),
        scales_offset=st.integers(0, 10**6) | st.integers(2**60, 2**70),
        rows=st.integers(1, 10**12),
        columns=st.integers(1, 10**12),
    )
)
def test_a_place_outside_of_the_file_is_a_bundle_error(changes: dict[str, int]) -> None:
    manifest = with_table(**changes)
    stored: StoredTable | None = manifest.word_table
    assert stored is not None
    if stored.end <= os.path.getsize(DATA / NAME / stored.file):
        assert open_word_table(DATA / NAME, manifest).shape == (stored.rows, stored.columns)
        return
    with pytest.raises(BundleFormatError, match="its word embeddings end at byte"):
        open_word_table(DATA / NAME, manifest)


def test_a_file_that_is_gone_is_a_bundle_error(copied: Copied) -> None:
    folder = copied(NAME)
    (folder / "model.weights").unlink()
    with pytest.raises(BundleFormatError, match=r"model\.weights: cannot be read: No such file"):
        open_word_table(folder, with_table())
