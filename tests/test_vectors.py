"""What is done to embeddings afterwards, against values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgebert.errors import InputError
from edgebert.vectors import (
    Precision,
    Similarity,
    cut_dimensions,
    embedding_ranges,
    quantize_embeddings,
    similarity,
    unit_length,
    unit_ranges,
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
    assert quantize_embeddings(vectors, Precision.FLOAT32).tobytes() == vectors.tobytes()


def test_float16_is_rounded() -> None:
    found = quantize_embeddings(np.float32([[0.1, 1, 2049]]), Precision.FLOAT16)
    assert (found.dtype, found.tolist()) == (np.float16, [[np.float16(0.1), 1, 2048]])


@given(arrays(np.float32, (4, 64), elements=st.floats(0.125, 1, width=32)))
def test_float16_keeps_the_cosine_as_far_as_it_says(vectors: np.ndarray) -> None:
    half = quantize_embeddings(unit_length(vectors), Precision.FLOAT16).astype(np.float32)
    half, whole = half.astype(np.float64), vectors.astype(np.float64)
    lengths = np.linalg.norm(half, axis=1) * np.linalg.norm(whole, axis=1)
    assert ((half * whole).sum(axis=1) / lengths).min() > 0.999999


# bits 1010 0000 | 1 and seven of padding; a zero is no one
SIGNS = np.float32([[1, -1, 0.5, 0, -3, -1, -1, -1, 2]])


def test_ubinary_is_a_bit_a_sign_the_first_highest() -> None:
    found = quantize_embeddings(SIGNS, Precision.UBINARY)
    assert (found.dtype, found.tolist()) == (np.uint8, [[0b10100000, 0b10000000]])


def test_binary_is_ubinary_less_128() -> None:
    found = quantize_embeddings(SIGNS, Precision.BINARY)
    assert (found.dtype, found.tolist()) == (np.int8, [[160 - 128, 128 - 128]])


@given(VECTORS)
def test_binary_is_what_sentence_transformers_writes(vectors: np.ndarray) -> None:
    # util/quantization.py: (np.packbits(embeddings > 0).reshape(n, -1) - 128).astype(np.int8)
    bits = np.packbits(vectors > 0).reshape(len(vectors), -1)
    assert np.array_equal(quantize_embeddings(vectors, "binary"), (bits - 128).astype(np.int8))
    assert np.array_equal(quantize_embeddings(vectors, "ubinary"), bits)


def test_ranges_are_the_least_and_the_largest_of_each_dimension() -> None:
    found = embedding_ranges(np.float32([[1, -2], [3, -5], [2, 0]]))
    assert found.tolist() == [[1, -5], [3, 0]]


def test_int8_spreads_a_range_over_all_levels() -> None:
    ranges = np.float32([[0, -510], [255, 0]])  # steps of 1 and of 2
    vectors = np.float32([[0, -510], [100, -256], [130.7, -253], [255, 0]])
    found = quantize_embeddings(vectors, Precision.INT8, ranges=ranges)
    # (value - least) / step - 128, rounded down
    assert found.tolist() == [[-128, -128], [-28, -1], [2, 0], [127, 127]]
    assert found.dtype == np.int8


def test_int8_is_rounded_down_on_both_sides_of_zero() -> None:
    ranges = np.float32([[0], [255]])
    vectors = np.float32([[100.9], [127.9], [130.9]])
    found = quantize_embeddings(vectors, "int8", ranges=ranges)
    assert found.ravel().tolist() == [-28, -1, 2]


@given(VECTORS)
def test_uint8_is_int8_and_128(vectors: np.ndarray) -> None:
    ranges = embedding_ranges(vectors)
    signed = quantize_embeddings(vectors, "int8", ranges=ranges)
    found = quantize_embeddings(vectors, "uint8", ranges=ranges)
    assert found.dtype == np.uint8
    assert np.array_equal(found.astype(int), signed.astype(int) + 128)


@pytest.mark.parametrize("precision", list(Precision))
@given(VECTORS)
def test_a_vectors_numbers_do_not_depend_on_its_neighbours(
    precision: Precision, vectors: np.ndarray
) -> None:
    ranges = np.float32([[-9] * 16, [9] * 16])
    together = quantize_embeddings(vectors, precision, ranges=ranges)
    alone = [quantize_embeddings(row[None], precision, ranges=ranges)[0] for row in vectors]
    assert np.array_equal(together, alone)


def test_int8_stops_at_the_ends_of_the_range_instead_of_going_round() -> None:
    ranges = np.float32([[-1, -1], [1, 1]])
    found = quantize_embeddings(np.float32([[-5, 5]]), Precision.INT8, ranges=ranges)
    assert found.tolist() == [[-128, 127]]


def test_numbers_far_outside_of_a_hairs_breadth_of_range_are_set_to_its_ends() -> None:
    ranges = np.float32([[0, 0], [1e-38, 1e-38]])
    found = quantize_embeddings(np.float32([[-9, 9]]), "uint8", ranges=ranges)
    assert found.tolist() == [[0, 255]]


def test_a_dimension_without_a_range_is_no_division_by_zero() -> None:
    ranges = np.float32([[2], [2]])
    assert quantize_embeddings(np.float32([[2]]), Precision.INT8, ranges=ranges).tolist() == [
        [-128]
    ]


@given(VECTORS)
def test_int8_loses_at_most_a_step(vectors: np.ndarray) -> None:
    ranges = np.stack([np.full(16, -9), np.full(16, 9)]).astype(np.float32)
    levels = quantize_embeddings(vectors, "int8", ranges=ranges).astype(np.float32)
    again = (levels + 128) * np.float32(18 / 255) - 9
    assert np.abs(again - vectors).max() <= 18 / 255 * 1.001


@pytest.mark.parametrize("ranges", [None, np.ones((2, 3), np.float32), np.ones((1, 4), np.float32)])
def test_int8_without_fitting_ranges_is_refused(ranges: np.ndarray | None) -> None:
    with pytest.raises(InputError, match=r"need ranges of shape \(2, 4\), found (none|an array)"):
        quantize_embeddings(np.ones((5, 4), np.float32), Precision.INT8, ranges=ranges)


def test_ranges_of_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="ranges need at least one vector"):
        embedding_ranges(np.empty((0, 4), np.float32))


@pytest.mark.parametrize("precision", ["float64", "", None, "INT8"])
def test_an_unknown_precision_is_told_the_known_ones(precision: str) -> None:
    with pytest.raises(InputError, match="one of: float32, float16, int8, uint8, binary"):
        quantize_embeddings(np.ones((1, 4), np.float32), precision)


@pytest.mark.parametrize("precision", list(Precision))
def test_no_vectors_stay_none_in_every_precision(precision: Precision) -> None:
    ranges = np.float32([[-1] * 16, [1] * 16])
    found = quantize_embeddings(np.empty((0, 16), np.float32), precision, ranges=ranges)
    assert len(found) == 0


WRONG_RANGES = {
    "turned round": [[1, 1, 1, 1], [0, 2, 2, 2]],
    "nan": [[0, 0, 0, 0], [1, 1, 1, np.nan]],
    "infinite": [[0, 0, 0, -np.inf], [1, 1, 1, 1]],
}


@pytest.mark.parametrize("ranges", WRONG_RANGES.values(), ids=WRONG_RANGES)
def test_ranges_that_are_none_are_refused(ranges: list[list[float]]) -> None:
    with pytest.raises(InputError, match="a least number over the largest, or one that is not"):
        quantize_embeddings(np.ones((5, 4), np.float32), "int8", ranges=np.float32(ranges))


NOT_VECTORS = {
    "one vector": np.ones(3, np.float32),
    "a batch of tokens": np.ones((1, 2, 3), np.float32),
    "codes": np.ones((2, 3), np.int8),
}


@pytest.mark.parametrize("vectors", NOT_VECTORS.values(), ids=NOT_VECTORS)
def test_what_is_no_rows_of_floats_is_refused(vectors: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"expected \(N, D\) floats"):
        quantize_embeddings(vectors, "binary")
    with pytest.raises(InputError, match=r"expected \(N, D\) floats"):
        similarity(np.ones((1, 3), np.float32), vectors)


@pytest.mark.parametrize(("dimensions", "most"), [(1, 1), (36, 1), (144, 0.5), (576, 0.25)])
def test_unit_ranges_are_six_times_the_root_mean_square_and_at_most_one(
    dimensions: int, most: float
) -> None:
    found = unit_ranges(dimensions)
    assert (found.shape, found.dtype) == ((2, dimensions), np.float32)
    assert (found == np.float32([[-most], [most]])).all()


@pytest.mark.parametrize("dimensions", [0, -1])
def test_unit_ranges_of_no_dimensions_are_refused(dimensions: int) -> None:
    with pytest.raises(InputError, match="it must be 1 or more"):
        unit_ranges(dimensions)


A, B = np.float32([[3, 4], [0, 2]]), np.float32([[1, 0], [6, 8], [0, 0]])


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("cosine", [[0.6, 1, 0], [0, 0.8, 0]]),
        ("dot", [[3, 50, 0], [0, 16, 0]]),
        ("euclidean", [[-(20**0.5), -5, -5], [-(5**0.5), -(72**0.5), -2]]),
        ("manhattan", [[-6, -7, -7], [-3, -12, -2]]),
    ],
)
def test_each_is_compared_with_each(by: str, expected: list[list[float]]) -> None:
    found = similarity(A, B, by=by)
    assert found.dtype == np.float32
    assert found == pytest.approx(np.float32(expected))


def test_the_cosine_is_what_is_meant_unasked() -> None:
    assert np.array_equal(similarity(A, B), similarity(A, B, by="cosine"))


def test_halves_are_compared_as_floats() -> None:
    found = similarity(A.astype(np.float16), B, by="dot")
    assert (found.dtype, found.tolist()) == (np.float32, [[3, 50, 0], [0, 16, 0]])


@pytest.mark.parametrize("by", list(Similarity))
def test_nothing_compared_is_no_rows(by: Similarity) -> None:
    assert similarity(A[:0], B, by=by).shape == (0, 3)


@pytest.mark.parametrize("by", list(Similarity))
def test_vectors_of_two_widths_are_refused(by: Similarity) -> None:
    with pytest.raises(InputError, match=r"of shapes \(2, 2\) and \(2, 3\) cannot be compared"):
        similarity(A, np.ones((2, 3), np.float32), by=by)


@pytest.mark.parametrize("by", ["cos", "", None])
def test_an_unknown_similarity_is_told_the_known_ones(by: str) -> None:
    with pytest.raises(InputError, match="one of: cosine, dot, euclidean, manhattan"):
        similarity(A, B, by=by)
