"""`edgebert inspect`: the manifest for a person, and byte for byte for a program."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebert.bundle import Bundle
from edgebert.cli.inspect import SHOWN_LABELS
from edgebert.manifest import Manifest
from tests.cli.conftest import Called
from tests.damage import edit_manifest, flip
from tests.make_tiny import DATA

BUNDLES = sorted(path.name for path in DATA.iterdir())
Call = Callable[..., Called]
Copied = Callable[..., Path]


def shown(call: Call, folder: Path) -> dict[str, str]:
    """Give the lines for a person as keys and values."""
    result = call("inspect", folder)
    assert (result.code, result.err) == (0, "")
    return {line[:14].strip(): line[15:] for line in result.out.splitlines()}


@pytest.mark.parametrize("name", BUNDLES)
def test_as_json_it_is_the_manifest_as_it_stands(call: Call, tiny: Path, name: str) -> None:
    result = call("inspect", tiny / name, "--json")
    assert result == Called(0, (tiny / name / "edgebert.json").read_text(encoding="utf-8"), "")


@pytest.mark.parametrize("name", BUNDLES)
def test_as_json_it_can_be_read_back(call: Call, tiny: Path, name: str) -> None:
    data = call("inspect", tiny / name, "--json").out.encode()
    assert Manifest.parse(data) == Bundle.open(tiny / name).manifest


@pytest.mark.parametrize("name", BUNDLES)
def test_a_person_sees_one_line_a_fact(call: Call, tiny: Path, name: str) -> None:
    bundle, lines = Bundle.open(tiny / name), shown(call, tiny / name)
    manifest = bundle.manifest
    assert lines["name"] == manifest.name
    assert lines["task"] == manifest.task.value
    assert lines["limit"] == "40 tokens a text, special tokens included"
    assert lines["fingerprint"] == bundle.fingerprint
    assert lines["size"].endswith(f"in {len(manifest.files)} files, all whole")
    assert lines["quantization"].startswith(manifest.quantization.level.value)
    assert lines["licence"] == "not stated by the checkpoint"


@pytest.mark.parametrize("name", BUNDLES)
def test_a_person_sees_only_what_the_bundle_has(call: Call, tiny: Path, name: str) -> None:
    manifest, lines = Bundle.open(tiny / name).manifest, shown(call, tiny / name)
    assert ("pooling" in lines) == (manifest.pooling is not None)
    assert ("labels" in lines) == bool(manifest.labels)
    assert ("kept fp32" in lines) == bool(manifest.quantization.kept_fp32)
    assert "prompts" not in lines


def test_exits_are_named(call: Call, tiny: Path) -> None:
    assert shown(call, tiny / "tiny-exits")["exits"] == "after layers 1, 2 of 3"
    assert "exits" not in shown(call, tiny / "tiny-embed")


def test_prompts_and_kept_linears_are_named(call: Call, copied: Copied) -> None:
    def edit(values: dict[str, Any]) -> None:
        values["prompts"] = {"query": "q: ", "passage": "p: "}
        values["quantization"]["kept_fp32"] = ["layer.0.value", "layer.1.value"]

    lines = shown(call, edit_manifest(copied(), edit))
    assert lines["prompts"] == "query, passage"
    assert lines["kept fp32"] == "layer.0.value, layer.1.value"


@pytest.mark.parametrize(("count", "end"), [(1, "0"), (8, "7"), (9, "7 and 1 more")])
def test_many_labels_are_counted(call: Call, copied: Copied, count: int, end: str) -> None:
    labels = [str(number) for number in range(count)]
    folder = edit_manifest(copied("tiny-classify"), lambda values: values.update(labels=labels))
    found = shown(call, folder)["labels"]
    assert found == ", ".join([*labels[: min(count, SHOWN_LABELS) - 1], end])


def test_labels_of_any_script_are_shown(call: Call, copied: Copied) -> None:
    folder = edit_manifest(copied("tiny-classify"), lambda v: v.update(labels=["날씨", "é", "😀"]))
    assert shown(call, folder)["labels"] == "날씨, é, 😀"


def test_agreement_is_shown_where_there_are_decisions(call: Call, tiny: Path) -> None:
    assert "% same decisions" in shown(call, tiny / "tiny-classify")["parity"]
    assert "same decisions" not in shown(call, tiny / "tiny-embed")["parity"]


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_a_damaged_bundle_is_not_shown(call: Call, copied: Copied, option: tuple[str, ...]) -> None:
    folder = copied()
    flip(folder / "model.weights", 100, 1)
    result = call("inspect", folder, *option)
    assert (result.code, result.out) == (1, "")
    assert "model.weights: is damaged" in result.err


def test_the_manifest_is_one_json_object(call: Call, tiny: Path) -> None:
    assert json.loads(call("inspect", tiny / "tiny-embed", "--json").out)["format_version"] == 1
