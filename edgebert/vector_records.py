"""How the records of `run` hold vectors: in which precision, by which ranges."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebert.errors import InputError
from edgebert.manifest import Manifest
from edgebert.records import VectorWriter
from edgebert.results import Floats
from edgebert.vectors import Precision, quantize_embeddings, unit_ranges

BY_RANGES = (Precision.INT8, Precision.UINT8)


def vector_writer(
    manifest: Manifest, precision: Precision | None, ranges: Floats | None
) -> VectorWriter:
    """Choose how vectors are written.

    Args:
        manifest: of the bundle that is run.
        precision: of the numbers; None: as they are, of any task.
        ranges: (2, D) for int8 and uint8, as `read_ranges` gives them; None: `unit_ranges`, if the
            bundle's vectors are of unit length.

    Raises:
        InputError: the bundle gives no vectors, nothing says their ranges, or nothing needs them.
    """
    if precision is None and ranges is None:
        return np.asarray
    chosen = precision or Precision.FLOAT32
    if manifest.pooling is None:
        raise InputError(
            f"--precision is of vectors; task {manifest.task.value!r} gives none, leave it out"
        )
    if ranges is None and chosen in BY_RANGES and not manifest.pooling.normalize:
        raise InputError(
            f"{chosen} needs ranges, as this bundle's vectors are not of unit length: give "
            "--ranges FILE, written by `edgebert run BUNDLE corpus.txt -o FILE`"
        )
    if ranges is not None and chosen not in BY_RANGES:
        raise InputError(f"ranges are for int8 and uint8; the precision is {chosen}")

    def write(vector: Floats) -> NDArray[Any]:
        given = unit_ranges(len(vector)) if ranges is None else ranges
        written: NDArray[Any] = quantize_embeddings(vector[None], chosen, ranges=given)[0]
        return written

    return write


def read_ranges(records: Iterable[Mapping[str, Any]]) -> Floats:
    """Take the ranges of the vectors in records, holding one at a time.

    Returns:
        (2, D) float32.

    Raises:
        InputError: a record has no vector of floats, or one of another length than the first; or
            there is no record.
    """
    ranges: Floats | None = None
    for number, record in enumerate(records, 1):
        vector = _vector_of(record.get("embedding"), number)
        if ranges is None:
            ranges = np.stack([vector, vector])
        if len(vector) != ranges.shape[1]:
            raise InputError(
                f"ranges: vector {number} has {len(vector)} numbers, the first has "
                f"{ranges.shape[1]}; write them all with the same --dimensions"
            )
        ranges = np.stack([np.minimum(ranges[0], vector), np.maximum(ranges[1], vector)])
    if ranges is None:
        raise InputError("ranges: the file holds no vectors; give those of some hundred texts")
    return ranges


def _vector_of(value: Any, number: int) -> Floats:
    # codes are whole numbers: ranges of these would be taken for ranges of vectors
    if not isinstance(value, list) or not value or not all(type(x) is float for x in value):
        raise InputError(
            f"ranges: 'embedding' of record {number} is {value!r:.80}, expected floats as "
            "`edgebert run` writes them without --precision"
        )
    vector = np.array(value, np.float32)
    if not np.isfinite(vector).all():
        raise InputError(f"ranges: 'embedding' of record {number} holds NaN or infinity")
    return vector
