"""A checkpoint's files are read as they are, and a bad one is one clear error."""

import json
import re
import shutil
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edgebert_export.checkpoint import Checkpoint, licence_of
from edgebert_export.errors import ExportError
from edgebert_export.sentence_files import read_sentence_files
from tests.make_tiny import write_checkpoint

pytestmark = pytest.mark.export

WORD = "embeddings.word_embeddings.weight"
Arrays = dict[str, np.ndarray[Any, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "model")


def arrays_of(folder: Path) -> Arrays:
    return load_file(folder / "model.safetensors")


def shard(folder: Path) -> dict[str, str]:
    """Split the weights of a folder in two files with an index, and give its map."""
    arrays = arrays_of(folder)
    names = sorted(arrays)
    files = {
        name: f"model-0000{1 + place % 2}-of-00002.safetensors" for place, name in enumerate(names)
    }
    for file in set(files.values()):
        save_file({name: arrays[name] for name in names if files[name] == file}, folder / file)
    (folder / "model.safetensors").unlink()
    write_index(folder, files)
    return files


def write_index(folder: Path, weight_map: Any) -> None:
    content = json.dumps({"metadata": {}, "weight_map": weight_map})
    (folder / "model.safetensors.index.json").write_text(content)


def refused(folder: Path, match: str) -> None:
    with pytest.raises(ExportError, match=match):
        Checkpoint.open(folder)


# Folders


def test_a_missing_folder_is_refused_with_what_to_give(tmp_path: Path) -> None:
    refused(tmp_path / "none", "none: no such folder; give a checkpoint's folder")


@pytest.mark.parametrize("read", [Checkpoint.open, read_sentence_files])
def test_a_file_is_refused_as_no_folder(read: Any, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ExportError, match="is a file; give the folder it stands in"):
        read(tmp_path / "model.safetensors")


def test_a_folder_without_a_config_is_no_checkpoint(folder: Path) -> None:
    (folder / "config.json").unlink()
    refused(folder, r"no config\.json; give a folder as `save_pretrained` writes it")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "is list, expected an object"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": 1, "a": 2}', "a key stands twice"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_config_that_is_no_json_object_is_refused(
    folder: Path, content: bytes, match: str
) -> None:
    (folder / "config.json").write_bytes(content)
    refused(folder, f"config.json: .*{match}")


def test_a_config_that_is_a_folder_is_refused(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    refused(folder, "config.json")


# Weights


def test_no_weights_is_refused_with_the_names_that_are_read(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    refused(folder, r"no weights: expected model\.safetensors, .*index\.json or pytorch_model\.bin")


@pytest.mark.parametrize("name", ["tf_model.h5", "flax_model.msgpack"])
def test_weights_of_another_framework_are_named_as_not_read(folder: Path, name: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    refused(folder, f"it has {re.escape(name)}, which edgebert does not read")


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1, -1000])
def test_truncated_safetensors_are_refused(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    refused(folder, "damaged or cut short .*; download or save it again")


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"{}",
        b'{"a": 1}',
        b'{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}',
    ],
)
def test_a_corrupt_header_is_refused(folder: Path, header: bytes) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    refused(folder, "damaged or cut short")


def test_a_header_that_claims_terabytes_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 42) + b"{}")
    refused(folder, "damaged or cut short")


def test_the_pointer_of_a_large_file_store_is_refused(folder: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 90868376\n"
    (folder / "model.safetensors").write_text(pointer)
    refused(folder, "damaged or cut short")


@pytest.mark.parametrize("kind", [ml_dtypes.bfloat16, np.float16])
def test_half_precision_is_read_as_the_floats_it_stands_for(folder: Path, kind: Any) -> None:
    halves = {name: array.astype(kind) for name, array in arrays_of(folder).items()}
    save_file(halves, folder / "model.safetensors")
    found = Checkpoint.open(folder).tensor(WORD)
    assert found.dtype == np.float32
    assert np.array_equal(found, halves[WORD].astype(np.float32))


def test_shards_are_read_as_one_checkpoint(folder: Path) -> None:
    arrays = arrays_of(folder)
    shard(folder)
    checkpoint = Checkpoint.open(folder)
    assert set(checkpoint.loaders) == set(arrays)
    assert all(np.array_equal(checkpoint.tensor(name), arrays[name]) for name in arrays)


def test_the_hash_of_shards_changes_with_any_of_them(folder: Path) -> None:
    files = shard(folder)
    before = Checkpoint.open(folder).weights_sha256
    last = folder / max(files.values())
    save_file({name: array + 1 for name, array in load_file(last).items()}, last)
    assert Checkpoint.open(folder).weights_sha256 != before


def test_an_index_that_names_a_missing_shard_is_refused(folder: Path) -> None:
    files = shard(folder)
    (folder / max(files.values())).unlink()
    refused(folder, "names 'model-00002-of-00002.safetensors', which is not in the folder")


@pytest.mark.parametrize("outside", ["../other.safetensors", "/etc/hostname", "sub/x.safetensors"])
def test_an_index_that_names_a_file_outside_is_refused(folder: Path, outside: str) -> None:
    (folder / "sub").mkdir()
    shutil.copy(folder / "model.safetensors", folder.parent / "other.safetensors")
    shutil.copy(folder / "model.safetensors", folder / "sub" / "x.safetensors")
    write_index(folder, dict.fromkeys(shard(folder), outside))
    refused(folder, "which is not in the folder")


@pytest.mark.parametrize("weight_map", [None, {}, ["a"], "a"])
def test_an_index_without_a_map_is_refused(folder: Path, weight_map: Any) -> None:
    (folder / "model.safetensors").unlink()
    write_index(folder, weight_map)
    refused(folder, "has no 'weight_map'")


@pytest.mark.parametrize(("old", "new"), [("gamma", "weight"), ("beta", "bias")])
def test_the_older_names_of_a_layer_norm_are_read(folder: Path, old: str, new: str) -> None:
    arrays = arrays_of(folder)
    renamed = {
        name.replace(f"LayerNorm.{new}", f"LayerNorm.{old}"): array
        for name, array in arrays.items()
    }
    save_file(renamed, folder / "model.safetensors")
    name = f"embeddings.LayerNorm.{new}"
    assert np.array_equal(Checkpoint.open(folder).tensor(name), arrays[name])


# Tensors


def test_a_missing_tensor_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(ExportError, match=r"has no tensor 'embeddings.other.weight'"):
        Checkpoint.open(folder).tensor("embeddings.other.weight")


def test_a_missing_tensor_that_stands_under_another_prefix_is_hinted_at(folder: Path) -> None:
    with pytest.raises(ExportError, match=f"no tensor 'bert.{WORD}'; it has '{WORD}'"):
        Checkpoint.open(folder).tensor(f"bert.{WORD}")


def test_a_tensor_of_another_shape_than_stated_is_refused_with_both(folder: Path) -> None:
    with pytest.raises(ExportError, match=r"is \(\d+, 32\), config\.json says \(7, 32\)"):
        Checkpoint.open(folder).tensor(WORD, (7, 32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_by_the_tensor_that_holds_it(
    folder: Path, value: float
) -> None:
    arrays = arrays_of(folder)
    arrays[WORD][3, 5] = value
    save_file(arrays, folder / "model.safetensors")
    with pytest.raises(ExportError, match=f"{WORD}' holds NaN or infinity"):
        Checkpoint.open(folder).tensor(WORD)


# The model card


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n# Model\n", "apache-2.0"),
        ("---\ntags:\n- x\nlicense: mit\nlanguage: en\n---\n", "mit"),
        ('---\nlicense: "mit"\n---\n', "mit"),
        ("---\nlanguage: en\n---\nlicense: mit\n", None),
        ("license: mit\n", None),
        ("---\nlicense:\n---\n", None),
        ("", None),
    ],
)
def test_the_licence_is_that_of_the_model_cards_front_matter(
    tmp_path: Path, card: str, licence: str | None
) -> None:
    (tmp_path / "README.md").write_text(card)
    assert licence_of(tmp_path) == licence


def test_without_a_model_card_no_licence_is_stated(tmp_path: Path) -> None:
    assert licence_of(tmp_path) is None


def test_a_model_card_that_is_no_text_states_no_licence(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"---\nlicense: \xff\n")
    assert licence_of(tmp_path) is None
