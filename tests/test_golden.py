"""The golden texts: a machine that computes otherwise than promised is told so."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.bundle import Bundle
from edgebert.engine import Engine
from edgebert.errors import BundleFormatError, VerifyError
from edgebert.golden import (
    GOLDEN_NAME,
    VALUES,
    Golden,
    GoldenRow,
    raw_outputs,
    relative_error,
    sample,
    verify,
    worst_error,
)
from tests.damage import edit_manifest, put_file
from tests.make_tiny import DATA

BUNDLES = sorted(path.name for path in DATA.iterdir())
Copied = Callable[..., Path]
FLOATS = st.floats(-1e6, 1e6, width=32).map(np.float32)


def golden_json(name: str = "tiny-embed") -> dict[str, Any]:
    values: dict[str, Any] = json.loads((DATA / name / GOLDEN_NAME).read_bytes())
    return values


def with_golden(folder: Path, values: object) -> Bundle:
    return Bundle.open(put_file(folder, GOLDEN_NAME, json.dumps(values).encode()))


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_keeps_its_promise_on_this_machine(name: str) -> None:
    golden, error = verify(Bundle.open(DATA / name), Engine.open(DATA / name))
    assert golden.rows
    assert 0 <= error <= golden.tolerance


@pytest.mark.parametrize("name", BUNDLES)
def test_golden_texts_are_written_back_as_they_were_read(name: str) -> None:
    assert Golden.read(Bundle.open(DATA / name)).to_json() == golden_json(name)


@given(st.lists(FLOATS, max_size=9))
def test_a_reference_is_written_without_changing_a_bit(values: list[np.float32]) -> None:
    row = GoldenRow(("a", "b"), np.array(values, np.float32))
    (written,) = Golden(0.1, (row,)).to_json()["rows"]
    again = np.array(json.loads(json.dumps(written["output"])), np.float32)
    assert again.tobytes() == row.output.tobytes()


@pytest.mark.parametrize("row", [0, -1])
def test_one_wrong_row_is_enough_to_fail(copied: Copied, row: int) -> None:
    values = golden_json()
    values["rows"][row]["output"][0] += 1
    bundle = with_golden(copied(), values)
    with pytest.raises(VerifyError, match=r"golden texts are off by .*`edgebert doctor`") as caught:
        verify(bundle, Engine.open(bundle.path))
    assert caught.value.path == bundle.path


def test_an_error_at_the_tolerance_is_allowed(copied: Copied) -> None:
    values = golden_json()
    values["rows"][0]["output"] = [1.1 * value for value in values["rows"][0]["output"]]
    folder = copied()
    engine = Engine.open(folder)
    error = worst_error(engine, Golden.read(with_golden(folder, values)))
    bundle = with_golden(folder, values | {"tolerance": error})
    assert verify(bundle, engine)[1] == error


def test_a_reference_of_another_length_fails(copied: Copied) -> None:
    values = golden_json()
    values["rows"][0]["output"].pop()
    bundle = with_golden(copied(), values)
    with pytest.raises(VerifyError, match="off by inf"):
        verify(bundle, Engine.open(bundle.path))


def test_a_bundle_without_golden_texts_says_so(copied: Copied) -> None:
    folder = edit_manifest(copied(), lambda values: values["files"].pop(GOLDEN_NAME))
    with pytest.raises(BundleFormatError, match=r"has no file 'golden\.json'"):
        Golden.read(Bundle.open(folder))


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "an unknown key": (lambda v: v.update(colour="red"), "unknown key 'colour'"),
    "an unknown key in a row": (lambda v: v["rows"][0].update(x=1), r"unknown key 'rows\[0\]\.x'"),
    "no tolerance": (lambda v: v.pop("tolerance"), "'tolerance' is missing"),
    "no rows": (lambda v: v.pop("rows"), "'rows' is missing"),
    "no text": (lambda v: v["rows"][0].update(texts=[]), "has 0 texts"),
    "three texts": (lambda v: v["rows"][0].update(texts=["a", "b", "c"]), "has 3 texts"),
    "a text that is a number": (lambda v: v["rows"][0].update(texts=[1]), r"rows\[0\]\.texts"),
    "an output that is text": (lambda v: v["rows"][0].update(output=["x"]), r"rows\[0\]\.output"),
    "an infinite tolerance": (lambda v: v.update(tolerance=float("inf")), "not JSON"),
}


@pytest.mark.parametrize("case", WRONG)
def test_golden_texts_that_are_not_as_the_format_says_are_refused(
    copied: Copied, case: str
) -> None:
    edit, complaint = WRONG[case]
    values = golden_json()
    edit(values)
    with pytest.raises(BundleFormatError, match=rf"golden\.json: .*{complaint}"):
        Golden.read(with_golden(copied(), values))


def test_a_pair_of_texts_is_read_as_a_pair() -> None:
    rows = Golden.read(Bundle.open(DATA / "tiny-answer")).rows
    assert all(isinstance(row.text, tuple) for row in rows)


def test_raw_outputs_are_flat_and_one_a_text() -> None:
    outputs = raw_outputs(Engine.open(DATA / "tiny-answer"), [("the", "cat"), ("a", "big dog")])
    assert [output.ndim for output in outputs] == [1, 1]
    assert len(outputs[0]) == 2 * 5  # start and end logits of [CLS] the [SEP] cat [SEP]


@given(st.integers(0, 5 * VALUES))
def test_a_sample_is_bounded(length: int) -> None:
    assert len(sample(np.zeros(length, np.float32))) == min(length, VALUES)


@given(st.integers(VALUES, 5 * VALUES))
def test_a_sample_reaches_from_the_first_value_to_the_last(length: int) -> None:
    found = sample(np.arange(length, dtype=np.float32))
    assert (found[0], found[-1]) == (0, length - 1)
    assert (np.diff(found) > 0).all()


def test_an_error_is_relative_to_the_reference() -> None:
    reference = np.array([3, 4], np.float32)
    assert relative_error(np.array([3, 4.5], np.float32), reference) == pytest.approx(0.1)


def test_an_error_against_zeros_is_absolute() -> None:
    zeros = np.zeros(2, np.float32)
    assert relative_error(np.array([3, 4], np.float32), zeros) == 5


def test_no_golden_texts_are_no_error() -> None:
    assert worst_error(Engine.open(DATA / "tiny-embed"), Golden(0.1, ())) == 0
