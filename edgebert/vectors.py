"""What is done to embeddings afterwards: fewer dimensions, smaller numbers, similarity. Pure numpy.

The numbers follow sentence-transformers' `quantize_embeddings` and `similarity`, so that vectors
made by either can stand in one index.
"""

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebert.errors import InputError
from edgebert.results import Floats


class Precision(StrEnum):
    """How a vector's numbers are stored."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"  # half the size; cosine to float32 above 0.999999
    INT8 = "int8"  # a quarter; needs the ranges of a corpus
    BINARY = "binary"  # a thirty-second: one sign bit a dimension, eight to an int8
    UBINARY = "ubinary"  # the same bits in a uint8


def cut_dimensions(vectors: Floats, dimensions: int, *, normalize: bool) -> Floats:
    """Keep the first dimensions of Matryoshka embeddings.

    Args:
        vectors: (N, H) float32.
        dimensions: how many to keep, 1 to H.
        normalize: scale each row back to unit length.

    Returns:
        (N, dimensions) float32. A row of zeros stays zeros.

    Raises:
        InputError: dimensions is outside of 1 to H.

    Source: Kusupati et al. 2022 (Matryoshka Representation Learning).
    """
    if not 1 <= dimensions <= vectors.shape[1]:
        raise InputError(f"dimensions is {dimensions}; the vectors have {vectors.shape[1]}")
    kept = np.ascontiguousarray(vectors[:, :dimensions])
    return unit_length(kept) if normalize else kept


def unit_length(vectors: Floats) -> Floats:
    """Scale each row of (N, H) to length 1; a row of zeros stays zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Floats = vectors / np.maximum(lengths, np.float32(1e-12))
    return result


def int8_ranges(vectors: Floats) -> Floats:
    """Take the ranges that int8 needs from a corpus: (2, H), the least and the largest."""
    if len(vectors) == 0:
        raise InputError("ranges need at least one vector, better a hundred or more")
    return np.stack([vectors.min(axis=0), vectors.max(axis=0)])


def store_as(
    vectors: Floats, precision: Precision | str, *, ranges: Floats | None = None
) -> NDArray[Any]:
    """Turn vectors into another precision.

    Args:
        vectors: (N, H) float32.
        precision: of the result.
        ranges: (2, H) from `int8_ranges` of a corpus; needed for int8, unused else.

    Returns:
        (N, H) of the precision; for binary (N, ceil(H / 8)), the first dimension in the highest
        bit, padded with zeros.

    Raises:
        InputError: the precision is unknown, or int8 has no ranges.

    Source: sentence-transformers, `util.quantization.quantize_embeddings`.
    """
    if precision not in set(Precision):
        raise InputError(f"precision is {precision!r}; it must be one of: {', '.join(Precision)}")
    match Precision(precision):
        case Precision.FLOAT32:
            return vectors.astype(np.float32, copy=False)
        case Precision.FLOAT16:
            return vectors.astype(np.float16)
        case Precision.INT8:
            return _int8(vectors, ranges)
        case Precision.BINARY:
            # shifted by 128 so that a signed byte holds it, as sentence-transformers does
            return (np.packbits(vectors > 0, axis=1).astype(np.int16) - 128).astype(np.int8)
        case Precision.UBINARY:
            return np.packbits(vectors > 0, axis=1)


def _int8(vectors: Floats, ranges: Floats | None) -> NDArray[np.int8]:
    if ranges is None or ranges.shape != (2, vectors.shape[1]):
        raise InputError(
            f"int8 needs ranges of shape (2, {vectors.shape[1]}): "
            "int8_ranges(vectors of a representative corpus)"
        )
    steps = np.maximum((ranges[1] - ranges[0]) / 255, np.float32(1e-12))
    levels = (vectors - ranges[0]) / steps - 128
    result: NDArray[np.int8] = np.clip(levels, -128, 127).astype(np.int8)
    return result


def cosine_similarity(a: Floats, b: Floats) -> Floats:
    """Compare each row of (N, H) with each of (M, H): (N, M) cosines; zeros give 0."""
    _same_width(a, b)
    return unit_length(a) @ unit_length(b).T


def dot_similarity(a: Floats, b: Floats) -> Floats:
    """Compare each row of (N, H) with each of (M, H): (N, M) dot products."""
    _same_width(a, b)
    return a @ b.T


def _same_width(a: Floats, b: Floats) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise InputError(f"vectors of shapes {a.shape} and {b.shape} cannot be compared")
