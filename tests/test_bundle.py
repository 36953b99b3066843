"""Opening a bundle: whole, or one clear error that names what is wrong."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.bundle import (
    GRAPH_BYTES,
    MANIFEST_BYTES,
    Bundle,
    hash_file,
    is_plain_name,
    list_files,
    seal,
)
from edgebert.errors import BundleFormatError, BundleVersionError
from tests.damage import MANIFEST, edit_manifest, file_names, flip, put_file
from tests.make_tiny import DATA

FILES = [name for name in file_names(DATA / "tiny-embed") if name != MANIFEST]
OUTSIDE = (
    "../x",
    "/x",
    "..\\x",
    "a/b/c",
    "a/../x",
    "a/",
    "a//b",
    "a\\b",
    "a/b\\c",
    "a/C:x",
    "C:\\x",
    "C:x",
    "\\\\host\\x",
    "x\0y",
    "..",
    ".",
    "",
)
Copied = Callable[..., Path]


def test_an_opened_bundle_knows_its_files_and_size(tiny: Path) -> None:
    bundle = Bundle.open(tiny / "tiny-embed")
    assert sorted(bundle.manifest.files) == FILES
    assert bundle.total_bytes() == sum((bundle.path / name).stat().st_size for name in FILES)


def test_a_path_may_be_text(tiny: Path) -> None:
    assert Bundle.open(str(tiny / "tiny-embed")) == Bundle.open(tiny / "tiny-embed")


def test_a_fingerprint_is_the_hash_of_the_manifest(tiny: Path) -> None:
    folder = tiny / "tiny-embed"
    assert Bundle.open(folder).fingerprint == hash_file(folder / MANIFEST)


def test_a_copy_has_the_same_fingerprint(tiny: Path, copied: Copied) -> None:
    assert Bundle.open(copied()).fingerprint == Bundle.open(tiny / "tiny-embed").fingerprint


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copied: Copied, name: str) -> None:
    folder = copied()
    (folder / name).unlink()
    with pytest.raises(BundleFormatError, match=f"{name}: is missing"):
        Bundle.open(folder)


@pytest.mark.parametrize(("name", "entered"), [("tokenizer.json", 0), ("model.weights", 1)])
def test_what_may_be_read_while_the_weights_are_hashed_was_checked_before(
    copied: Copied, name: str, entered: int
) -> None:
    folder, blocks = copied(), []
    flip(folder / name, 0, 1)
    with (
        pytest.raises(BundleFormatError, match=f"{name}: is damaged"),
        Bundle.opening(folder) as bundle,
    ):
        blocks.append(bundle.manifest.name)
    assert len(blocks) == entered


def test_an_error_in_the_block_is_the_one_that_is_raised(tiny: Path) -> None:
    with pytest.raises(KeyError, match="mine"), Bundle.opening(tiny / "tiny-embed"):
        raise KeyError("mine")
    assert not [each for each in threading.enumerate() if each.name.startswith("edgebert-check")]


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_named_with_both_sizes(copied: Copied, name: str) -> None:
    folder = copied()
    size = (folder / name).stat().st_size
    os.truncate(folder / name, size - 1)
    with pytest.raises(BundleFormatError, match=f"{name}: has {size - 1:,} .* says {size:,}"):
        Bundle.open(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_grew_is_named(copied: Copied, name: str) -> None:
    folder = copied()
    with (folder / name).open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(BundleFormatError, match=f"{name}: has"):
        Bundle.open(folder)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_symbolic_link_in_place_of_a_file_is_refused(copied: Copied, name: str) -> None:
    folder = copied()
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to(folder.parent / "elsewhere")
    with pytest.raises(BundleFormatError, match=f"{name}: is .*not an ordinary file"):
        Bundle.open(folder)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_folder_in_place_of_a_file_is_refused(copied: Copied, name: str) -> None:
    folder = copied()
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(BundleFormatError, match=f"{name}: is .*not an ordinary file"):
        Bundle.open(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_place_of_the_manifest_is_refused_and_not_waited_for(copied: Copied) -> None:
    folder = copied()
    (folder / MANIFEST).unlink()
    os.mkfifo(folder / MANIFEST)
    with pytest.raises(BundleFormatError, match="not an ordinary file"):
        Bundle.open(folder)


def test_a_file_that_the_manifest_does_not_list_is_no_part_of_the_bundle(copied: Copied) -> None:
    folder = copied()
    before = Bundle.open(folder)
    (folder / "notes.txt").write_text("not hashed")
    bundle = Bundle.open(folder)
    assert bundle == before
    with pytest.raises(BundleFormatError, match=r"has no file 'notes\.txt'"):
        bundle.file("notes.txt")


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_listed_path_that_leaves_the_folder_is_refused(copied: Copied, name: str) -> None:
    entry = {"bytes": 0, "sha256": "0" * 64}
    folder = edit_manifest(copied(), lambda values: values["files"].__setitem__(name, entry))
    with pytest.raises(BundleFormatError, match="not a plain name in the folder"):
        Bundle.open(folder)


def test_a_file_may_stand_in_a_subfolder_and_is_checked_there(copied: Copied) -> None:
    folder = copied()
    (folder / "2_Extra").mkdir()
    put_file(folder, "2_Extra/config.json", b"{}")
    assert Bundle.open(folder).file("2_Extra/config.json").read_bytes() == b"{}"
    (folder / "2_Extra/config.json").write_bytes(b"[]")
    with pytest.raises(BundleFormatError, match=r"config\.json: is damaged"):
        Bundle.open(folder)


def test_a_subfolder_that_is_a_link_is_refused(copied: Copied, tmp_path: Path) -> None:
    folder = copied()
    (tmp_path / "elsewhere").mkdir()
    (folder / "2_Extra").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    put_file(folder, "2_Extra/config.json", b"{}")
    with pytest.raises(BundleFormatError, match="not an ordinary file"):
        Bundle.open(folder)


@pytest.mark.parametrize("graph", ["main", "masked"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_graph_that_leaves_the_folder_is_refused(copied: Copied, graph: str, name: str) -> None:
    folder = edit_manifest(copied(), lambda values: values["graphs"][graph].update(file=name))
    with pytest.raises(BundleFormatError, match="not listed under 'files'"):
        Bundle.open(folder)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_graph_that_leaves_the_folder_is_refused_even_if_listed(
    copied: Copied, name: str
) -> None:
    def edit(values: dict[str, Any]) -> None:
        values["graphs"]["main"]["file"] = name
        values["files"][name] = values["files"]["model.onnx"]

    with pytest.raises(BundleFormatError, match="not a plain name in the folder"):
        Bundle.open(edit_manifest(copied(), edit))


@pytest.mark.parametrize("name", [MANIFEST, "x" * 300])
def test_a_listed_name_that_cannot_be_a_file_of_its_own_is_refused(
    copied: Copied, name: str
) -> None:
    entry = {"bytes": 0, "sha256": "0" * 64}
    folder = edit_manifest(copied(), lambda values: values["files"].__setitem__(name, entry))
    with pytest.raises(BundleFormatError, match=r"not a plain name|cannot be read"):
        Bundle.open(folder)


@given(st.text(max_size=20))
def test_a_plain_name_stays_in_its_folder(name: str) -> None:
    if is_plain_name(name):
        assert os.path.normpath(os.path.join("/a/b", name)) == f"/a/b/{name}"


def test_a_newer_format_asks_for_an_upgrade(copied: Copied) -> None:
    folder = edit_manifest(copied(), lambda values: values.update(format_version=2))
    with pytest.raises(BundleVersionError, match="format 2, this runtime reads format 1"):
        Bundle.open(folder)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b'"format_version": 1', b'"format_version": NaN', "NaN is not a JSON number"),
        (b'"name":', b'"name": "x", "name":', "a key stands twice"),
        (b'"layers":', b'"layers": 1, "layers":', "a key stands twice"),
        (b'"tiny-embed"', b"[" * 100_000, "nested too deeply"),
        (b'"tiny-embed"', b'"\\ud800"', "not JSON"),
        (b'"texts": 64', b'"texts": 64e999', "not JSON"),
    ],
)
def test_a_manifest_that_is_not_as_the_format_says_is_refused(
    copied: Copied, old: bytes, new: bytes, complaint: str
) -> None:
    folder = copied()
    data = (folder / MANIFEST).read_bytes()
    assert old in data
    (folder / MANIFEST).write_bytes(data.replace(old, new, 1))
    with pytest.raises(BundleFormatError, match=rf"{MANIFEST}: .*{complaint}"):
        Bundle.open(folder)


@pytest.mark.parametrize(("part", "name"), [(None, "colour"), ("encoder", "encoder.colour")])
def test_a_key_of_no_format_is_refused(copied: Copied, part: str | None, name: str) -> None:
    def add(values: dict[str, Any]) -> None:
        (values[part] if part else values)["colour"] = "red"

    folder = edit_manifest(copied(), add)
    with pytest.raises(BundleFormatError, match=f"{MANIFEST}: unknown key '{name}'"):
        Bundle.open(folder)


def test_an_edited_manifest_is_refused(copied: Copied) -> None:
    folder = copied()
    data = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).write_bytes(data.replace(b'"max_tokens": 40', b'"max_tokens": 39'))
    with pytest.raises(BundleFormatError, match="is damaged or was edited"):
        Bundle.open(folder)


def test_a_manifest_that_is_too_large_is_not_read(copied: Copied) -> None:
    folder = copied()
    os.truncate(folder / MANIFEST, MANIFEST_BYTES + 1)
    with pytest.raises(BundleFormatError, match="not a manifest"):
        Bundle.open(folder)


def test_a_graph_that_is_too_large_is_not_parsed(copied: Copied) -> None:
    folder = edit_manifest(
        copied(), lambda values: values["files"]["model.onnx"].update(bytes=GRAPH_BYTES + 1)
    )
    with pytest.raises(BundleFormatError, match=r"model\.onnx states over"):
        Bundle.open(folder)


def test_a_folder_that_is_not_there_is_told_how_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(BundleFormatError, match="no such folder; `edgebert export` makes one"):
        Bundle.open(tmp_path / "absent")


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", ""])
def test_a_path_that_cannot_be_is_a_bundle_error(path: str) -> None:
    with pytest.raises(BundleFormatError):
        Bundle.open(path)


def test_a_folder_without_a_manifest_is_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleFormatError, match=r"not a bundle: no edgebert\.json$"):
        Bundle.open(tmp_path)


def test_a_checkpoint_is_told_to_be_exported(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BundleFormatError, match="looks like a checkpoint, run `edgebert export"):
        Bundle.open(tmp_path)


def test_a_packed_file_is_told_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "tiny.edgebert").write_bytes(b"PK")
    with pytest.raises(BundleFormatError, match=r"is a file.*`edgebert unpack"):
        Bundle.open(tmp_path / "tiny.edgebert")


def test_sealing_lists_every_file_but_the_manifest(copied: Copied) -> None:
    folder = copied()
    (folder / "more.txt").write_text("more")
    bundle = seal(folder, Bundle.open(DATA / "tiny-embed").manifest)
    assert bundle.manifest.files == list_files(folder)
    assert sorted(bundle.manifest.files) == sorted([*FILES, "more.txt"])


def test_sealing_twice_gives_the_same_bytes(copied: Copied) -> None:
    folder = copied()
    first = seal(folder, Bundle.open(folder).manifest)
    assert seal(folder, first.manifest) == first
