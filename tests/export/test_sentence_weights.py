"""Trained MiniLM: the vectors of sentence-transformers, and what smaller numbers keep of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebert import Embedder, embedding_ranges, quantize_embeddings, similarity, unit_ranges
from edgebert.results import Floats
from tests import checkpoints

pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from sentence_transformers import SentenceTransformer
from sentence_transformers.util.quantization import quantize_embeddings as theirs

pytestmark = [pytest.mark.export, pytest.mark.oracle, pytest.mark.realmodel]

TEXTS = 300
DIFFERENCE = 1e-5  # of fp32 vectors of unit length, absolute


@pytest.fixture(scope="module")
def embedder(real_bundle: Callable[..., Path]) -> Embedder:
    return Embedder.load(real_bundle(checkpoints.minilm()))


@pytest.fixture(scope="module")
def vectors(embedder: Embedder, english: list[str]) -> Floats:
    return embedder.embed(english[:TEXTS])


@pytest.fixture(scope="module")
def reference() -> SentenceTransformer:
    return SentenceTransformer(str(checkpoints.minilm()), device="cpu")


def test_vectors_are_those_of_sentence_transformers(
    vectors: Floats, english: list[str], reference: SentenceTransformer
) -> None:
    assert np.abs(vectors - reference.encode(english[:TEXTS])).max() <= DIFFERENCE


def test_fewer_dimensions_are_those_of_sentence_transformers(
    embedder: Embedder, english: list[str], reference: SentenceTransformer
) -> None:
    settings = {"truncate_dim": 128, "normalize_embeddings": True}
    wanted = reference.encode(english[:TEXTS], **settings)
    assert np.abs(embedder.embed(english[:TEXTS], dimensions=128) - wanted).max() <= DIFFERENCE


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_codes_are_those_of_sentence_transformers_to_the_bit(
    vectors: Floats, precision: str
) -> None:
    wanted = theirs(vectors, precision, calibration_embeddings=vectors[:100])
    found = quantize_embeddings(vectors, precision, ranges=embedding_ranges(vectors[:100]))
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("dimensions", [384, 128])
def test_fixed_ranges_keep_the_direction_of_every_vector(
    embedder: Embedder, english: list[str], dimensions: int
) -> None:
    vectors = embedder.embed(english[:TEXTS], dimensions=dimensions)
    least, largest = unit_ranges(dimensions)
    codes = quantize_embeddings(vectors, "uint8", ranges=unit_ranges(dimensions))
    again = (least + (codes + 0.5) * (largest - least) / 255).astype(np.float32)
    assert np.diag(similarity(vectors, again)).min() >= 0.9998
    assert np.abs(vectors).max() < largest[0]  # nothing is cut off
