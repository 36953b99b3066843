"""What is done to embeddings afterwards: fewer dimensions, smaller numbers, similarity. Pure numpy.

The numbers are those of sentence-transformers 5.7 (`quantize_embeddings`, `similarity`), so that
vectors made by either can stand in one index. One thing differs on purpose: ranges are never taken
from the vectors at hand, because then a text's codes would depend on its neighbours
(docs/decisions/007-embedding-precisions.md).
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebert.errors import InputError
from edgebert.results import Floats

LEVELS = 255  # steps of an eight-bit code
# Numbers of a unit vector of D dimensions have a root mean square of 1 / sqrt(D). Six of that:
# MiniLM's largest on SICK is 5.0, the cosine of a vector to its codes 0.99990; with three, what is
# cut off costs down to 0.995 (held to by tests/export/test_sentence_weights.py).
UNIT_SPREAD = 6.0


class Precision(StrEnum):
    """How a vector's numbers are stored."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"  # half the size; cosine to float32 above 0.999999
    INT8 = "int8"  # a quarter, by ranges
    UINT8 = "uint8"  # the same codes, 128 higher
    BINARY = "binary"  # a thirty-second: one sign bit a dimension, eight to an int8
    UBINARY = "ubinary"  # the same bits in a uint8


class Similarity(StrEnum):
    """How two vectors are compared; more is nearer."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"  # the distance, negated
    MANHATTAN = "manhattan"


def cut_dimensions(vectors: Floats, dimensions: int, *, normalize: bool) -> Floats:
    """Keep the first dimensions of Matryoshka embeddings.

    Args:
        vectors: (N, D) float32.
        dimensions: how many to keep, 1 to D.
        normalize: scale each row back to unit length.

    Returns:
        (N, dimensions) float32. A row of zeros stays zeros.

    Raises:
        InputError: dimensions is outside of 1 to D.

    Source: Kusupati et al. 2022 (Matryoshka Representation Learning).
    """
    if not 1 <= dimensions <= vectors.shape[1]:
        raise InputError(f"dimensions is {dimensions}; the vectors have {vectors.shape[1]}")
    kept = np.ascontiguousarray(vectors[:, :dimensions])
    return unit_length(kept) if normalize else kept


def unit_length(vectors: Floats) -> Floats:
    """Scale each row of (N, D) to length 1; a row of zeros stays zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Floats = vectors / np.maximum(lengths, np.float32(1e-12))
    return result


def embedding_ranges(vectors: Floats) -> Floats:
    """Take the ranges that int8 and uint8 need from the vectors of a corpus.

    Args:
        vectors: (N, D) float32, those of a few hundred texts like the ones to come, or more.

    Returns:
        (2, D): the least and the largest number of each dimension.

    Raises:
        InputError: there are no vectors.
    """
    if len(vectors) == 0:
        raise InputError("ranges need at least one vector, better some hundreds")
    return np.stack([vectors.min(axis=0), vectors.max(axis=0)])


def unit_ranges(dimensions: int) -> Floats:
    """Give fixed ranges for vectors of unit length, where there is no corpus to take them from.

    Args:
        dimensions: D, of the vectors.

    Returns:
        (2, D) float32: six times the root mean square of a unit vector's numbers, at most 1, to
        either side of zero.

    Raises:
        InputError: dimensions is less than 1.
    """
    if dimensions < 1:
        raise InputError(f"dimensions is {dimensions}; it must be 1 or more")
    most = min(1.0, UNIT_SPREAD / dimensions**0.5)
    return np.outer([-most, most], np.ones(dimensions)).astype(np.float32)


def quantize_embeddings(
    embeddings: Floats, precision: Precision | str, *, ranges: Floats | None = None
) -> NDArray[Any]:
    """Turn embeddings into smaller numbers, each vector for itself.

    Args:
        embeddings: (N, D) floats.
        precision: of the result: "float32", "float16", "int8", "uint8", "binary" or "ubinary".
        ranges: (2, D), the least and the largest number of each dimension; needed for int8 and
            uint8, unused else. Take them once, from `embedding_ranges(vectors of a corpus)` or
            `unit_ranges(D)`, and keep them with the index: every vector of an index, queries too,
            must have the same. Values outside are set to the ends.

    Returns:
        (N, D) of the precision's dtype; for binary int8 and for ubinary uint8 of shape
        (N, ceil(D / 8)), the first dimension in the highest bit, padded with zeros.

    Raises:
        InputError: the precision is unknown, the embeddings are not (N, D) floats, or int8 or
            uint8 has no ranges that fit them.

    Source: sentence-transformers 5.7, `util.quantization.quantize_embeddings`: the same to the bit.
    """
    if precision not in set(Precision):
        raise InputError(f"precision is {precision!r}; it must be one of: {', '.join(Precision)}")
    check_vectors(embeddings)
    match Precision(precision):
        case Precision.FLOAT32:
            return embeddings.astype(np.float32, copy=False)
        case Precision.FLOAT16:
            return embeddings.astype(np.float16)
        case Precision.INT8:
            return (_codes(embeddings, ranges) - 128).astype(np.int8)
        case Precision.UINT8:
            return _codes(embeddings, ranges).astype(np.uint8)
        case Precision.BINARY:
            # shifted by 128 so that a signed byte holds it
            return (np.packbits(embeddings > 0, axis=1).astype(np.int16) - 128).astype(np.int8)
        case Precision.UBINARY:
            return np.packbits(embeddings > 0, axis=1)


def _codes(vectors: Floats, ranges: Floats | None) -> Floats:
    """Give the step of its range that each number falls into, 0 to 255."""
    shape = (2, vectors.shape[1])
    if ranges is None or ranges.shape != shape:
        found = "none" if ranges is None else f"an array of shape {ranges.shape}"
        raise InputError(
            f"int8 and uint8 need ranges of shape {shape}, found {found}: give "
            f"embedding_ranges(vectors of a representative corpus), or unit_ranges({shape[1]}) for "
            "vectors of unit length"
        )
    if not np.isfinite(ranges).all() or (ranges[0] > ranges[1]).any():
        raise InputError("ranges hold a least number over the largest, or one that is not finite")
    steps = (ranges[1] - ranges[0]) / LEVELS
    steps = np.where(steps == 0, np.ones_like(steps), steps)
    with np.errstate(over="ignore"):  # far outside of a narrow range: infinite, then its end
        levels: Floats = np.clip(np.floor((vectors - ranges[0]) / steps), 0, LEVELS)
    return levels


def similarity(a: Floats, b: Floats, *, by: Similarity | str = Similarity.COSINE) -> Floats:
    """Compare each vector with each.

    Args:
        a: (N, D) floats, as `embed` gives them.
        b: (M, D) floats.
        by: "cosine", "dot", "euclidean" or "manhattan"; the last two are distances, negated.

    Returns:
        (N, M) float32, more being nearer. The cosine with a row of zeros is 0.

    Raises:
        InputError: `by` is unknown, or the two are not floats of one width. Codes of int8 or of
            bits are refused: their dot product is not that of the vectors.

    Source: sentence-transformers 5.7, `SentenceTransformer.similarity`.
    """
    if by not in set(Similarity):
        raise InputError(f"by is {by!r}; it must be one of: {', '.join(Similarity)}")
    check_vectors(a)
    check_vectors(b)
    if a.shape[1] != b.shape[1]:
        raise InputError(f"vectors of shapes {a.shape} and {b.shape} cannot be compared")
    compare = SIMILARITIES[Similarity(by)]
    return compare(a.astype(np.float32, copy=False), b.astype(np.float32, copy=False))


def check_vectors(vectors: NDArray[Any]) -> None:
    """Refuse what is not (N, D) floats.

    Raises:
        InputError: with the shape and dtype found.
    """
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating):
        raise InputError(
            f"vectors are {vectors.dtype} of shape {vectors.shape}; expected (N, D) floats, as "
            "`embed` gives them; for one vector, vector[None]"
        )


def _distance(order: int) -> Callable[[Floats, Floats], Floats]:
    def compare(a: Floats, b: Floats) -> Floats:
        result = np.empty((len(a), len(b)), np.float32)
        for place, row in enumerate(a):  # (M, D) at a time, never (N, M, D)
            result[place] = -np.linalg.norm(b - row, ord=order, axis=1)
        return result

    return compare


SIMILARITIES: Mapping[Similarity, Callable[[Floats, Floats], Floats]] = {
    Similarity.COSINE: lambda a, b: unit_length(a) @ unit_length(b).T,
    Similarity.DOT: lambda a, b: a @ b.T,
    Similarity.EUCLIDEAN: _distance(2),
    Similarity.MANHATTAN: _distance(1),
}
