"""How the records of `run` hold vectors: in which precision, by which ranges."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from edgebert.errors import InputError
from edgebert.manifest import Manifest, Task
from edgebert.records import InputFormat, VectorWriter, numbers_of, read_inputs
from edgebert.results import Floats
from edgebert.vectors import Precision, quantize_embeddings, unit_ranges

BY_RANGES = (Precision.INT8, Precision.UINT8)


def vector_writer(
    manifest: Manifest, precision: Precision, corpus: Iterable[str] | None
) -> VectorWriter:
    """Choose how vectors are written.

    Args:
        manifest: of the bundle that is run.
        precision: of the numbers.
        corpus: lines of records with float vectors, as `run` writes them, to take the ranges of
            int8 and uint8 from; None: `unit_ranges`, if the bundle's vectors are of unit length.

    Raises:
        InputError: the bundle gives no vectors, nothing says their ranges, or the corpus holds
            none that can be used.
    """
    if manifest.pooling is None:
        raise InputError(
            f"--precision is of vectors; task {manifest.task.value!r} gives none, leave it out"
        )
    if corpus is None and precision in BY_RANGES and not manifest.pooling.normalize:
        raise InputError(
            f"{precision} needs ranges, as this bundle's vectors are not of unit length: give "
            "--ranges FILE, written by `edgebert run BUNDLE corpus.txt -o FILE`"
        )
    if corpus is not None and precision not in BY_RANGES:
        raise InputError(f"ranges are for int8 and uint8; the precision is {precision}")
    given = None if corpus is None else read_ranges(corpus)

    def write(vector: Floats) -> list[float] | list[int]:
        ranges = unit_ranges(len(vector)) if given is None else given
        return numbers_of(quantize_embeddings(vector[None], precision, ranges=ranges)[0])

    return write


def read_ranges(lines: Iterable[str]) -> Floats:
    """Take the ranges of the vectors in records, a record a line, holding one at a time.

    Returns:
        (2, D) float32.

    Raises:
        InputError: a record has no vector of floats, or one of another length than the first; or
            there is no record.
    """
    ranges: Floats | None = None
    for number, row in enumerate(read_inputs(lines, InputFormat.JSONL, Task.EMBED), 1):
        vector = _vector_of(row.fields.get("embedding"), number)
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
