"""`edgebert verify`: hashes and golden texts, on this machine."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebert.bundle import Bundle
from tests.cli.conftest import Called
from tests.damage import flip, put_file
from tests.make_tiny import DATA

BUNDLES = sorted(path.name for path in DATA.iterdir())
Call = Callable[..., Called]
Copied = Callable[..., Path]


@pytest.mark.parametrize("name", BUNDLES)
def test_a_good_bundle_passes_both_checks(call: Call, tiny: Path, name: str) -> None:
    result = call("verify", tiny / name)
    files, golden, *exits = result.out.splitlines()
    assert (result.code, result.err) == (0, "")
    assert files.startswith(f"files   ok  {len(Bundle.open(tiny / name).manifest.files)} files, ")
    assert golden.startswith("golden  ok  ")
    ok = "exits   ok  after layers 1, 2, 8 texts with the bits of the main graph"
    assert exits == ([ok] if name == "tiny-exits" else [])


def test_segments_that_compute_otherwise_are_exit_1(call: Call, copied: Copied) -> None:
    folder = copied("tiny-exits")
    data = (folder / "segment_3.onnx").read_bytes()
    epsilon, other = struct.pack("<f", 1e-12), struct.pack("<f", 0.5)
    assert epsilon in data
    put_file(folder, "segment_3.onnx", data.replace(epsilon, other))
    result = call("verify", folder)
    assert result.code == 1
    assert "8 of 8 golden texts come out of the segments with other bits" in result.err


def test_a_machine_that_computes_otherwise_is_exit_1(call: Call, copied: Copied) -> None:
    folder = copied()
    values = json.loads((folder / "golden.json").read_bytes())
    values["rows"][0]["output"][0] += 1
    put_file(folder, "golden.json", json.dumps(values).encode())
    result = call("verify", folder)
    assert result.code == 1
    assert result.out.startswith("files   ok")
    assert result.err.startswith(f"error: {folder}: golden texts are off by ")


def test_a_damaged_bundle_is_exit_1_and_nothing_is_ok(call: Call, copied: Copied) -> None:
    folder = copied()
    flip(folder / "golden.json", 100, 1)
    result = call("verify", folder)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {folder / 'golden.json'}: is damaged")
