"""Vectors in records: written in the precision asked for, ranges read from records."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebert.errors import InputError
from edgebert.manifest import Manifest
from edgebert.records import numbers_of
from edgebert.vector_records import read_ranges, vector_writer
from edgebert.vectors import Precision, quantize_embeddings, unit_length, unit_ranges
from tests.damage import edit_manifest
from tests.make_tiny import DATA

CORPUS = np.float32([[0.5, -1, 2], [0.25, 3, -4], [-0.125, 0, 0]])
CORPUS_RANGES = np.stack([CORPUS.min(axis=0), CORPUS.max(axis=0)])
VECTOR = unit_length(np.float32([[0.1, -0.2, 0.3]]))[0]


def manifest(name: str = "tiny-embed", folder: Path = DATA) -> Manifest:
    return Manifest.parse((folder / name / "edgebert.json").read_bytes())


def records(*vectors: object) -> list[dict[str, object]]:
    return [{"text": "a", "embedding": vector} for vector in vectors]


@pytest.mark.parametrize("precision", list(Precision))
def test_a_vector_of_unit_length_is_written_without_a_corpus(precision: Precision) -> None:
    found = vector_writer(manifest(), precision, None)(VECTOR)
    wanted = quantize_embeddings(VECTOR[None], precision, ranges=unit_ranges(3))[0]
    assert found.dtype == wanted.dtype
    assert np.array_equal(found, wanted)


def test_a_corpus_gives_the_ranges() -> None:
    found = vector_writer(manifest(), Precision.INT8, CORPUS_RANGES)(VECTOR)
    wanted = quantize_embeddings(VECTOR[None], "int8", ranges=CORPUS_RANGES)[0]
    assert np.array_equal(found, wanted)


def test_codes_are_whole_numbers_in_json() -> None:
    found = numbers_of(vector_writer(manifest(), Precision.UINT8, None)(VECTOR))
    assert all(type(value) is int for value in found)


def test_ranges_are_the_least_and_the_largest_of_each_dimension() -> None:
    assert read_ranges(records(*CORPUS.tolist())).tolist() == [[-0.125, -1, -4], [0.5, 3, 2]]


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.UINT8])
def test_vectors_of_no_fixed_length_need_a_corpus(
    precision: Precision, copied: Callable[[], Path]
) -> None:
    folder = edit_manifest(copied(), lambda values: values["pooling"].update(normalize=False))
    loose = manifest(folder.name, folder.parent)
    with pytest.raises(InputError, match=f"{precision} needs ranges, as this bundle's vectors"):
        vector_writer(loose, precision, None)
    assert vector_writer(loose, precision, CORPUS_RANGES)(VECTOR).any()


def test_a_task_without_vectors_is_refused() -> None:
    with pytest.raises(InputError, match="task 'tag' gives none"):
        vector_writer(manifest("tiny-tag"), Precision.INT8, None)


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.BINARY])
def test_ranges_that_nothing_uses_are_refused(precision: Precision) -> None:
    with pytest.raises(InputError, match=f"ranges are for int8 and uint8; .* is {precision}"):
        vector_writer(manifest(), precision, CORPUS_RANGES)


NO_VECTORS = {
    "none": None,
    "empty": [],
    "codes": [1, 2],
    "half codes": [1.5, 2],
    "words": ["1.0"],
    "nested": [[1.0]],
}


@pytest.mark.parametrize("value", NO_VECTORS.values(), ids=NO_VECTORS)
def test_a_record_without_a_vector_of_floats_is_named(value: object) -> None:
    with pytest.raises(InputError, match=r"'embedding' of record 2 is .*, expected floats"):
        read_ranges(records([1.0, 2.0], value))


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300])
def test_a_vector_that_is_not_finite_is_named(value: float) -> None:
    with pytest.raises(InputError, match="record 1 holds NaN or infinity"):
        read_ranges(records([1.0, value]))


def test_vectors_of_several_lengths_are_refused_with_both() -> None:
    with pytest.raises(InputError, match="vector 2 has 3 numbers, the first has 2"):
        read_ranges(records([1.0, 2.0], [1.0, 2.0, 3.0]))


def test_a_corpus_without_vectors_is_refused() -> None:
    with pytest.raises(InputError, match="the file holds no vectors"):
        read_ranges([])
