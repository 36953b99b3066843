"""Smaller numbers and similarities are those of sentence-transformers, codes to the bit."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgebert.vectors import (
    Precision,
    Similarity,
    embedding_ranges,
    quantize_embeddings,
    similarity,
    unit_ranges,
)

pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from sentence_transformers.util import SimilarityFunction
from sentence_transformers.util.quantization import quantize_embeddings as theirs

pytestmark = pytest.mark.oracle

CODES = sorted(set(Precision) - {Precision.FLOAT16})  # which sentence-transformers does not have
VECTORS = st.tuples(st.integers(1, 9), st.sampled_from([1, 7, 16])).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-9, 9, width=32))
)


@pytest.mark.parametrize("precision", CODES)
@given(VECTORS, VECTORS)
def test_codes_by_given_ranges_are_the_same_to_the_bit(
    precision: str, vectors: np.ndarray, corpus: np.ndarray
) -> None:
    ranges = unit_ranges(vectors.shape[1])
    if corpus.shape[1] == vectors.shape[1]:
        ranges = embedding_ranges(corpus)
    found = quantize_embeddings(vectors, precision, ranges=ranges)
    with np.errstate(over="ignore"):  # a number over a hair's breadth of range
        wanted = theirs(vectors, precision, ranges=ranges)
    assert found.dtype == wanted.dtype
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("precision", ["int8", "uint8"])
@given(VECTORS)
def test_ranges_of_a_corpus_are_those_of_calibration_embeddings(
    precision: str, corpus: np.ndarray
) -> None:
    vectors = corpus[::-1] * np.float32(1.5)
    found = quantize_embeddings(vectors, precision, ranges=embedding_ranges(corpus))
    with np.errstate(over="ignore"):
        wanted = theirs(vectors, precision, calibration_embeddings=corpus)
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("precision", ["int8", "uint8"])
@given(vectors=VECTORS)
def test_ranges_of_the_vectors_themselves_are_what_it_takes_where_none_are_given(
    precision: str, vectors: np.ndarray
) -> None:
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)  # it warns of few vectors
    found = quantize_embeddings(vectors, precision, ranges=embedding_ranges(vectors))
    assert np.array_equal(found, theirs(vectors, precision))


@pytest.mark.parametrize("by", list(Similarity))
@given(st.data())
def test_similarities_are_the_same(by: str, data: st.DataObject) -> None:
    a = data.draw(VECTORS)
    rows = arrays(np.float32, (5, a.shape[1]), elements=st.floats(-9, 9, width=32))
    b = data.draw(rows)
    wanted = SimilarityFunction.to_similarity_fn(by)(a, b).numpy()
    assert similarity(a, b, by=by) == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_the_names_are_those_of_sentence_transformers() -> None:
    assert sorted(Similarity) == SimilarityFunction.possible_values()
