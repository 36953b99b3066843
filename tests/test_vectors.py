"""What is done to embeddings afterwards, against values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgebert.errors import InputError
from edgebert.vectors import (
    Precision,
    cosine_similarity,
    cut_dimensions,
    dot_similarity,
    int8_ranges,
    store_as,
    unit_length,
)

VECTORS = st.integers(1, 9).flatmap(
    lambda rows: arrays(np.float32, (rows, 16), elements=st.floats(-9, 9, width=32))
)


def test_cut_dimensions_are_the_first() -> None:
    found = cut_dimensions(np.float32([[1, 2, 3], [4, 5, 6]]), 2, normalize=False)
    assert found.tolist() == [[1, 2], [4, 5]]


def test_cut_dimensions_are_scaled_back_to_unit_length() -> None:
    found = cut_dimensions(np.float32([[3, 4, 12], [0, 0, 1]]), 2, normalize=True)
    assert found == pytest.approx(np.float32([[0.6, 0.8], [0, 0]]))


def test_a_cut_does_not_hold_the_whole_array() -> None:
    whole = np.ones((2, 9), np.float32)
    found = cut_dimensions(whole, 2, normalize=False)
    assert not np.shares_memory(found, whole)
    assert found.flags.c_contiguous


@pytest.mark.parametrize("dimensions", [0, -1, 4])
def test_dimensions_that_are_not_there_are_refused(dimensions: int) -> None:
    with pytest.raises(InputError, match=f"dimensions is {dimensions}; the vectors have 3"):
        cut_dimensions(np.ones((2, 3), np.float32), dimensions, normalize=True)


def test_unit_length_keeps_the_direction() -> None:
    expected = np.float32([[0.6, 0.8], [0, -1]])
    assert unit_length(np.float32([[3, 4], [0, -2]])) == pytest.approx(expected)


def test_zeros_stay_zeros() -> None:
    assert unit_length(np.zeros((1, 3), np.float32)).tolist() == [[0, 0, 0]]


@given(VECTORS)
def test_unit_length_is_one_or_zero_and_float32(vectors: np.ndarray) -> None:
    found = unit_length(vectors)
    assert found.dtype == np.float32
    for row, length in zip(vectors, np.linalg.norm(found, axis=1), strict=True):
        assert length == pytest.approx(1, abs=1e-5) or np.linalg.norm(row) < 1e-11


def test_float32_is_kept_to_the_bit() -> None:
    vectors = np.float32([[0.1, -1e-7]])
    assert store_as(vectors, Precision.FLOAT32).tobytes() == vectors.tobytes()


def test_float16_is_rounded() -> None:
    found = store_as(np.float32([[0.1, 1, 2049]]), Precision.FLOAT16)
    assert (found.dtype, found.tolist()) == (np.float16, [[np.float16(0.1), 1, 2048]])


@given(arrays(np.float32, (4, 64), elements=st.floats(0.125, 1, width=32)))
def test_float16_keeps_the_cosine_as_far_as_it_says(vectors: np.ndarray) -> None:
    half = store_as(unit_length(vectors), Precision.FLOAT16).astype(np.float32)
    cosines = np.diag(cosine_similarity(half.astype(np.float64), vectors.astype(np.float64)))
    assert cosines.min() > 0.999999


# bits 1010 0000 | 1 and seven of padding; a zero is no one
SIGNS = np.float32([[1, -1, 0.5, 0, -3, -1, -1, -1, 2]])


def test_ubinary_is_a_bit_a_sign_the_first_highest() -> None:
    found = store_as(SIGNS, Precision.UBINARY)
    assert (found.dtype, found.tolist()) == (np.uint8, [[0b10100000, 0b10000000]])


def test_binary_is_ubinary_less_128() -> None:
    found = store_as(SIGNS, Precision.BINARY)
    assert (found.dtype, found.tolist()) == (np.int8, [[160 - 128, 128 - 128]])


@given(VECTORS)
def test_binary_is_what_sentence_transformers_writes(vectors: np.ndarray) -> None:
    # util/quantization.py: (np.packbits(embeddings > 0).reshape(n, -1) - 128).astype(np.int8)
    bits = np.packbits(vectors > 0).reshape(len(vectors), -1)
    assert np.array_equal(store_as(vectors, "binary"), (bits - 128).astype(np.int8))
    assert np.array_equal(store_as(vectors, "ubinary"), bits)


def test_ranges_are_the_least_and_the_largest_of_each_dimension() -> None:
    found = int8_ranges(np.float32([[1, -2], [3, -5], [2, 0]]))
    assert found.tolist() == [[1, -5], [3, 0]]


def test_int8_spreads_a_range_over_all_levels() -> None:
    ranges = np.float32([[0, -510], [255, 0]])  # steps of 1 and of 2
    vectors = np.float32([[0, -510], [100, -256], [130.7, -253], [255, 0]])
    found = store_as(vectors, Precision.INT8, ranges=ranges)
    # (value - least) / step - 128, cut towards zero
    assert found.tolist() == [[-128, -128], [-28, -1], [2, 0], [127, 127]]
    assert found.dtype == np.int8


@given(VECTORS)
def test_int8_is_what_sentence_transformers_writes_within_the_ranges(vectors: np.ndarray) -> None:
    vectors = np.concatenate([vectors, np.full((1, 16), -10, np.float32)])
    vectors = np.concatenate([vectors, np.full((1, 16), 10, np.float32)])
    ranges = int8_ranges(vectors)
    # util/quantization.py: ((embeddings - starts) / steps - 128).astype(np.int8)
    starts, steps = ranges[0], (ranges[1] - ranges[0]) / 255
    expected = np.clip((vectors - starts) / steps - 128, -128, 127).astype(np.int8)
    assert np.array_equal(store_as(vectors, "int8", ranges=ranges), expected)


def test_int8_stops_at_the_ends_of_the_range_instead_of_going_round() -> None:
    ranges = np.float32([[-1, -1], [1, 1]])
    found = store_as(np.float32([[-5, 5]]), Precision.INT8, ranges=ranges)
    assert found.tolist() == [[-128, 127]]


def test_a_dimension_without_a_range_is_no_division_by_zero() -> None:
    ranges = np.float32([[2], [2]])
    assert store_as(np.float32([[2]]), Precision.INT8, ranges=ranges).tolist() == [[-128]]


@given(VECTORS)
def test_int8_loses_at_most_a_step(vectors: np.ndarray) -> None:
    ranges = np.stack([np.full(16, -9), np.full(16, 9)]).astype(np.float32)
    levels = store_as(vectors, "int8", ranges=ranges).astype(np.float32)
    again = (levels + 128) * np.float32(18 / 255) - 9
    assert np.abs(again - vectors).max() <= 18 / 255 * 1.001


@pytest.mark.parametrize("ranges", [None, np.ones((2, 3), np.float32), np.ones((1, 4), np.float32)])
def test_int8_without_fitting_ranges_is_refused(ranges: np.ndarray | None) -> None:
    with pytest.raises(InputError, match=r"int8 needs ranges of shape \(2, 4\)"):
        store_as(np.ones((5, 4), np.float32), Precision.INT8, ranges=ranges)


def test_ranges_of_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="ranges need at least one vector"):
        int8_ranges(np.empty((0, 4), np.float32))


@pytest.mark.parametrize("precision", ["float64", "", None, "INT8"])
def test_an_unknown_precision_is_told_the_known_ones(precision: str) -> None:
    with pytest.raises(InputError, match="one of: float32, float16, int8, binary, ubinary"):
        store_as(np.ones((1, 4), np.float32), precision)


@pytest.mark.parametrize("precision", list(Precision))
def test_no_vectors_stay_none_in_every_precision(precision: Precision) -> None:
    ranges = np.float32([[-1] * 16, [1] * 16])
    found = store_as(np.empty((0, 16), np.float32), precision, ranges=ranges)
    assert len(found) == 0


A, B = np.float32([[3, 4], [0, 2]]), np.float32([[1, 0], [6, 8], [0, 0]])


def test_cosines_of_each_with_each() -> None:
    assert cosine_similarity(A, B) == pytest.approx(np.float32([[0.6, 1, 0], [0, 0.8, 0]]))


def test_dot_products_of_each_with_each() -> None:
    assert dot_similarity(A, B).tolist() == [[3, 50, 0], [0, 16, 0]]


@pytest.mark.parametrize("compare", [cosine_similarity, dot_similarity])
@pytest.mark.parametrize("other", [np.ones((2, 3)), np.ones(2)], ids=["wider", "one vector"])
def test_vectors_that_do_not_fit_are_refused(compare: object, other: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"of shapes \(2, 2\) and .* cannot be compared"):
        compare(A, other.astype(np.float32))
