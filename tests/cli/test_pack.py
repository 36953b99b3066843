"""`edgebert pack` and `edgebert unpack`: there and back."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebert.bundle import Bundle
from edgebert.packing import pack
from tests.cli.conftest import Called
from tests.damage import flip
from tests.make_tiny import DATA

Call = Callable[..., Called]
Copied = Callable[..., Path]


def test_a_bundle_goes_into_one_file_and_out_again(call: Call, copied: Copied) -> None:
    folder = copied(to="tiny-v1.5")
    packed = folder.parent / "tiny-v1.5.edgebert"
    assert call("pack", folder) == Called(0, f"{packed}\n", "")
    shutil.rmtree(folder)
    assert call("unpack", packed) == Called(0, f"{folder}\n", "")
    assert Bundle.open(folder).fingerprint == Bundle.open(DATA / "tiny-embed").fingerprint


def test_both_names_can_be_given(call: Call, tmp_path: Path) -> None:
    packed, folder = tmp_path / "a.bin", tmp_path / "b"
    assert call("pack", DATA / "tiny-tag", packed).out == f"{packed}\n"
    assert call("unpack", packed, folder).out == f"{folder}\n"
    assert Bundle.open(folder).manifest.name == "tiny-tag"


@pytest.mark.parametrize("verb", ["pack", "unpack"])
def test_what_exists_is_not_replaced(call: Call, copied: Copied, verb: str) -> None:
    folder = copied()
    packed = pack(folder)
    before = packed.read_bytes()
    result = call(verb, *((folder, packed) if verb == "pack" else (packed, folder)))
    assert (result.code, result.out) == (1, "")
    assert "exists" in result.err
    assert (packed.read_bytes(), Bundle.open(folder).path) == (before, folder)


def test_a_damaged_file_leaves_no_folder(call: Call, copied: Copied) -> None:
    packed = pack(copied())
    flip(packed, packed.stat().st_size // 2, 1)
    result = call("unpack", packed, packed.parent / "out")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: ")
    assert not (packed.parent / "out").exists()


def test_a_folder_is_not_unpacked(call: Call, tiny: Path) -> None:
    result = call("unpack", tiny / "tiny-embed")
    assert (result.code, result.out) == (1, "")
    assert "no such file" in result.err
