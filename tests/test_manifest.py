"""The manifest is read whole or refused, and written back byte for byte."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert import manifest as m
from edgebert.manifest import FORMAT_VERSION, Manifest, NewerFormatError
from edgebert.reader import ReadError
from tests.damage import signed
from tests.make_tiny import DATA

BUNDLES = sorted(path.name for path in DATA.iterdir())
EMBED = json.loads((DATA / "tiny-embed" / "edgebert.json").read_bytes())
OBJECTS = (
    (),
    ("encoder",),
    ("pooling",),
    ("graphs",),
    ("graphs", "main"),
    ("graphs", "masked"),
    ("quantization",),
    ("parity",),
    ("source",),
    ("files", "model.onnx"),
)
MAY_BE_LEFT_OUT = {("pooling", "more_modes"), ("pooling", "dimensions")}
MAY_BE_NULL = {
    ("default_prompt",),
    ("mask_token",),
    ("pooling", "dimensions"),
    ("source", "licence"),
    ("parity", "agreement"),
    ("parity", "floor_cosine_mean"),
    ("parity", "floor_cosine_min"),
    ("parity", "floor_agreement"),
}


def values_of(name: str = "tiny-embed") -> dict[str, Any]:
    values: dict[str, Any] = json.loads((DATA / name / "edgebert.json").read_bytes())
    return values


def inside(values: dict[str, Any], where: tuple[str, ...]) -> dict[str, Any]:
    for key in where:
        values = values[key]
    return values


def parse(values: dict[str, Any]) -> Manifest:
    # signed anew, or every change would be refused for its hash; a wrong hash key stays wrong
    whole = isinstance(values.get("manifest_sha256"), str)
    return Manifest.parse(signed(values) if whole else json.dumps(values).encode())


def every_key() -> list[tuple[str, ...]]:
    return [(*where, key) for where in OBJECTS for key in inside(EMBED, where)]


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundles_manifest_is_written_back_byte_for_byte(name: str) -> None:
    data = (DATA / name / "edgebert.json").read_bytes()
    assert Manifest.parse(data).to_json() == data


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
FIGURES = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(1, 10**9)
GRAPHS = st.builds(
    m.Graph,
    file=st.just("model.onnx"),
    inputs=st.lists(TEXTS, max_size=3).map(tuple),
    outputs=st.lists(TEXTS, max_size=3).map(tuple),
)
ENTRIES = st.builds(m.FileEntry, bytes=st.integers(0, 2**40), sha256=TEXTS)
MANIFESTS = st.builds(
    Manifest,
    name=TEXTS,
    task=st.just(m.Task.TAG),
    family=TEXTS,
    architecture=TEXTS,
    encoder=st.builds(
        m.Encoder,
        layers=COUNTS,
        hidden=COUNTS,
        heads=COUNTS,
        intermediate=COUNTS,
        vocabulary=COUNTS,
    ),
    max_tokens=st.integers(3, 10**6),
    labels=st.lists(TEXTS, min_size=1, max_size=5, unique=True).map(tuple),
    activation=st.sampled_from(m.Activation),
    pooling=st.none(),
    prompts=st.dictionaries(TEXTS, TEXTS, max_size=3),
    default_prompt=st.none(),
    mask_token=st.none(),
    graphs=st.builds(m.Graphs, main=GRAPHS, masked=GRAPHS),
    quantization=st.builds(
        m.Quantization,
        level=st.sampled_from(m.Level),
        scales=st.sampled_from(m.Scales),
        weight_bits=st.integers(2, 32),
        kept_fp32=st.lists(TEXTS, max_size=3).map(tuple),
    ),
    parity=st.builds(
        m.Parity,
        texts=COUNTS,
        source=TEXTS,
        cosine_mean=FIGURES,
        cosine_min=FIGURES,
        max_abs_diff=FIGURES,
        agreement=st.none() | FIGURES,
        floor_cosine_mean=st.none() | FIGURES,
        floor_cosine_min=st.none() | FIGURES,
        floor_agreement=st.none() | FIGURES,
        cpu=TEXTS,
    ),
    source=st.builds(
        m.Source, weights_sha256=TEXTS, config_sha256=TEXTS, licence=st.none() | TEXTS
    ),
    tools=st.dictionaries(TEXTS, TEXTS, max_size=3),
    files=st.fixed_dictionaries({"model.onnx": ENTRIES, "tokenizer.json": ENTRIES}),
)


def with_alternative(engine: str = "openvino", file: str = "model.onnx") -> dict[str, Any]:
    """Give a manifest with a graph for a second engine."""
    values = values_of()
    graph = values["graphs"]["main"] | {"file": file}
    proof = {"graph": graph, "parity": values["parity"], "golden_tolerance": 0.1}
    return values | {"alternatives": {engine: proof}}


def test_a_graph_for_a_second_engine_is_written_back_byte_for_byte() -> None:
    data = signed(with_alternative())
    assert Manifest.parse(data).to_json() == data


@pytest.mark.parametrize("engine", ["onnxruntime", "tensorrt", ""])
def test_a_graph_for_an_unknown_engine_is_refused_by_name(engine: str) -> None:
    with pytest.raises(ReadError, match=f"alternatives names '{engine}', expected: openvino"):
        parse(with_alternative(engine))


def test_a_second_engines_graph_must_be_among_the_files() -> None:
    with pytest.raises(ReadError, match=r"'other\.onnx' is needed and not listed"):
        parse(with_alternative(file="other.onnx"))


@pytest.mark.parametrize("key", ["graph", "parity", "golden_tolerance"])
def test_a_second_engines_proof_is_whole_or_refused(key: str) -> None:
    values = with_alternative()
    del values["alternatives"]["openvino"][key]
    with pytest.raises(ReadError, match=rf"alternatives\.openvino\.{key}'? is missing"):
        parse(values)


def test_an_unknown_key_of_a_second_engine_is_refused() -> None:
    values = with_alternative()
    values["alternatives"]["openvino"]["colour"] = "red"
    with pytest.raises(ReadError, match=r"unknown key 'alternatives\.openvino\.colour'"):
        parse(values)


@given(MANIFESTS)
def test_a_manifest_that_is_written_is_read_as_the_same_value(manifest: Manifest) -> None:
    assert Manifest.parse(manifest.to_json()) == manifest


@pytest.mark.parametrize("where", OBJECTS, ids=".".join)
def test_an_unknown_key_is_refused_by_name(where: tuple[str, ...]) -> None:
    values = values_of()
    inside(values, where)["colour"] = "red"
    name = ".".join((*where, "colour"))
    with pytest.raises(ReadError, match=f"unknown key '{name}'"):
        parse(values)


@pytest.mark.parametrize("path", sorted(set(every_key()) - MAY_BE_LEFT_OUT), ids=".".join)
def test_a_missing_key_is_refused_by_name(path: tuple[str, ...]) -> None:
    values = values_of()
    del inside(values, path[:-1])[path[-1]]
    with pytest.raises(ReadError, match=f"{'.'.join(path)}'? is (missing|needed)"):
        parse(values)


@pytest.mark.parametrize("path", every_key(), ids=".".join)
def test_a_value_of_the_wrong_type_is_refused_by_name(path: tuple[str, ...]) -> None:
    values = values_of()
    inside(values, path[:-1])[path[-1]] = [[]]
    with pytest.raises(ReadError, match=".".join(path)):
        parse(values)


@pytest.mark.parametrize("path", sorted(set(every_key()) - MAY_BE_NULL), ids=".".join)
def test_null_is_refused_where_a_value_is_needed(path: tuple[str, ...]) -> None:
    values = values_of()
    inside(values, path[:-1])[path[-1]] = None
    with pytest.raises(ReadError, match=path[-1]):
        parse(values)


@pytest.mark.parametrize("path", sorted(MAY_BE_NULL), ids=".".join)
def test_null_is_read_as_none_where_the_format_allows_it(path: tuple[str, ...]) -> None:
    values = values_of()
    inside(values, path[:-1])[path[-1]] = None
    found: Any = parse(values)
    for key in path:
        found = getattr(found, key)
    assert found is None


def test_a_pooling_that_says_no_more_is_one_mode_as_wide_as_the_encoder() -> None:
    values = values_of()
    for key in ("more_modes", "dimensions"):
        del values["pooling"][key]
    found = parse(values)
    assert found.pooling is not None
    assert found.pooling.modes == (m.PoolingMode.MEAN,)
    assert found.dimensions == found.encoder.hidden == 32


def test_the_dimensions_are_those_stated() -> None:
    values = values_of()
    values["pooling"].update(dimensions=7)
    assert parse(values).dimensions == 7


def test_further_poolings_stand_after_the_first() -> None:
    values = values_of()
    values["pooling"].update(more_modes=["cls", "max"])
    found = parse(values)
    assert found.pooling is not None
    assert found.pooling.modes == ("mean", "cls", "max")


def test_an_unknown_further_pooling_is_refused_with_the_known_ones() -> None:
    values = values_of()
    values["pooling"].update(more_modes=["median"])
    with pytest.raises(ReadError, match=r"pooling\.more_modes holds 'median', expected: cls, mean"):
        parse(values)


def test_a_newer_format_is_told_apart_from_damage() -> None:
    values = {"format_version": FORMAT_VERSION + 1, "all": "else may have changed"}
    with pytest.raises(NewerFormatError, match="pip install -U edgebert"):
        parse(values)


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.0, None])
def test_a_format_version_that_never_was_is_refused(version: object) -> None:
    with pytest.raises(ReadError, match="format_version"):
        parse(values_of() | {"format_version": version})


EDITS: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    "classes without labels": ("tiny-classify", lambda v: v.update(labels=[]), "needs labels"),
    "tags without labels": ("tiny-tag", lambda v: v.update(labels=[]), "needs labels"),
    "a label twice": ("tiny-tag", lambda v: v.update(labels=["O", "O"]), "label stands twice"),
    "embeddings without pooling": ("tiny-embed", lambda v: v.update(pooling=None), "pooling"),
    "classes with pooling": (
        "tiny-classify",
        lambda v: v.update(pooling={"mode": "cls", "normalize": False}),
        "pooling",
    ),
    "masks without a token": ("tiny-fill", lambda v: v.update(mask_token=None), "mask_token"),
    "classes with a mask": ("tiny-classify", lambda v: v.update(mask_token="x"), "mask_token"),
    "a prompt that is not there": (
        "tiny-embed",
        lambda v: v.update(default_prompt="query", prompts={"passage": "p: "}),
        "default_prompt 'query'",
    ),
    "no tokenizer": ("tiny-embed", lambda v: v["files"].pop("tokenizer.json"), "tokenizer.json"),
    "no main graph": ("tiny-embed", lambda v: v["files"].pop("model.onnx"), "model.onnx"),
    "no masked graph": (
        "tiny-embed",
        lambda v: v["files"].pop("model_masked.onnx"),
        "model_masked.onnx",
    ),
    "a limit with no room for a text": ("tiny-embed", lambda v: v.update(max_tokens=2), "max_tok"),
    "an encoder of no layers": ("tiny-embed", lambda v: v["encoder"].update(layers=0), "layers"),
}


@pytest.mark.parametrize("case", EDITS)
def test_parts_that_contradict_each_other_are_refused(case: str) -> None:
    name, edit, complaint = EDITS[case]
    values = values_of(name)
    edit(values)
    with pytest.raises(ReadError, match=complaint):
        parse(values)


@pytest.mark.parametrize(
    ("scales", "shared"), [("none", True), ("static", True), ("dynamic", False)]
)
def test_only_dynamic_scales_keep_rows_from_sharing_a_run(scales: str, shared: bool) -> None:
    values = values_of()
    values["quantization"]["scales"] = scales
    assert parse(values).batch_invariant is shared


def test_a_manifest_cannot_be_changed(tiny: Path) -> None:
    manifest = Manifest.parse((tiny / "tiny-embed" / "edgebert.json").read_bytes())
    with pytest.raises(dataclasses.FrozenInstanceError):
        manifest.name = "other"
