"""Segments and the word table in the manifest: whole and in order, or refused by name."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.bundle import parse_manifest
from edgebert.errors import BundleError
from edgebert.manifest import Manifest
from edgebert.reader import ReadError
from tests.damage import signed
from tests.make_tiny import DATA
from tests.test_manifest import parse, values_of

NAME = "tiny-exits"
WEIGHTS = (DATA / NAME / "model.weights").stat().st_size
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["layers", "graph", "file", "inputs", "outputs", "type", "rows", "columns", "offset",
         "scales_offset", "x"]), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip


def test_exits_are_the_ends_of_all_segments_but_the_last() -> None:
    assert parse(values_of(NAME)).exits == (1, 2)
    assert parse(values_of("tiny-embed")).exits == ()


def test_every_segments_file_is_a_graph() -> None:
    names = parse(values_of(NAME)).graph_files
    assert names[2:] == ("segment_1.onnx", "segment_2.onnx", "segment_3.onnx")


EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "none": (lambda v: v.update(segments=[]), "segments is empty"),
    "one": (lambda v: v["segments"].__delitem__(slice(0, 2)), "expected two or more"),
    "out of order": (lambda v: v["segments"].reverse(), r"\[3, 2, 1\]; expected two or more"),
    "short of the end": (lambda v: v["segments"].pop(), "the encoder's 3"),
    "no layer": (lambda v: v["segments"][0].update(layers=0), "expected 1 or more"),
    "a gap": (
        lambda v: v["segments"][1]["graph"].update(inputs=["hidden_0"]),
        "ends after layer 2 wants an array 'hidden_0' that none before it gives",
    ),
    "no pooled output": (
        lambda v: v["segments"][0]["graph"].update(outputs=["hidden_1"]),
        "ends after layer 1 lacks an output 'pooled_1'",
    ),
    "no final output": (
        lambda v: v["segments"][2]["graph"].update(outputs=[]),
        "ends after layer 3 lacks an output 'sentence_embedding'",
    ),
    "unknown key": (lambda v: v["segments"][1].update(x=1), r"unknown key 'segments\[1\]\.x'"),
    "no file": (lambda v: v["files"].pop("segment_2.onnx"), r"'segment_2\.onnx' is needed"),
    "null segments": (lambda v: v.update(segments=None), "segments is None"),
    "null table": (lambda v: v.update(word_table=None), "word_table is None"),
    "a row too few": (lambda v: v["word_table"].update(rows=7), "word_table has 7 rows"),
    "a table past the end": (lambda v: v["word_table"].update(offset=WEIGHTS), "ends at byte"),
    "scales past the end": (
        lambda v: v["word_table"].update(scales_offset=WEIGHTS - 1),
        f"which has {WEIGHTS:,}",
    ),
    "int8 without scales": (
        lambda v: v["word_table"].update(scales_offset=None),
        "scales_offset belongs to type 'int8'",
    ),
    "floats with scales": (
        lambda v: v["word_table"].update(type="float32"),
        "scales_offset belongs to type 'int8'",
    ),
    "another type": (lambda v: v["word_table"].update(type="int4"), "float32, int8"),
    "a table in no file": (lambda v: v["word_table"].update(file="x"), "'x' is needed"),
    "a negative offset": (lambda v: v["word_table"].update(offset=-1), "expected 0 or more"),
    "unknown key of the table": (
        lambda v: v["word_table"].update(x=1),
        r"unknown key 'word_table\.x'",
    ),
}


@pytest.mark.parametrize("case", EDITS)
def test_parts_that_cannot_be_are_refused(case: str) -> None:
    edit, complaint = EDITS[case]
    values = values_of(NAME)
    edit(values)
    with pytest.raises(ReadError, match=complaint):
        parse(values)


@pytest.mark.parametrize("key", ["layers", "graph"])
def test_a_segment_lacks_nothing(key: str) -> None:
    values = values_of(NAME)
    del values["segments"][1][key]
    with pytest.raises(ReadError, match=rf"segments\[1\]\.{key}' is missing"):
        parse(values)


@pytest.mark.parametrize("key", ["file", "type", "rows", "columns", "offset", "scales_offset"])
def test_a_word_table_lacks_nothing(key: str) -> None:
    values = values_of(NAME)
    del values["word_table"][key]
    with pytest.raises(ReadError, match=rf"word_table\.{key}' is missing"):
        parse(values)


def test_segments_of_another_task_are_refused() -> None:
    values = values_of("tiny-tag") | {"segments": values_of(NAME)["segments"]}
    values["files"] |= values_of(NAME)["files"]
    with pytest.raises(ReadError, match="segments belong to 'embed' and 'classify', not 'tag'"):
        parse(values)


@given(key=st.sampled_from(["segments", "word_table"]), value=JSON)
def test_anything_there_is_read_or_a_bundle_error(key: str, value: object) -> None:
    data = signed(values_of(NAME) | {key: value})
    try:
        manifest = parse_manifest(DATA / NAME / "edgebert.json", data)
    except BundleError:
        return
    assert Manifest.parse(manifest.to_json()) == manifest
