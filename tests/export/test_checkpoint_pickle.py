"""Weights in a pickle are read through torch's safe road alone, or refused."""

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from edgebert.errors import MissingExtraError
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.errors import ExportError
from tests.make_tiny import write_checkpoint

pytestmark = pytest.mark.export

WORD = "embeddings.word_embeddings.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "model")


def arrays_of(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    return load_file(folder / "model.safetensors")


def refused(folder: Path, match: str) -> None:
    with pytest.raises(ExportError, match=match):
        Checkpoint.open(folder)


def test_a_pickle_without_torch_says_how_to_convert(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"weights")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install torch.*safe_serialization=True"):
        Checkpoint.open(folder)


@pytest.mark.oracle
def test_a_pickle_holds_the_same_values_as_the_safetensors(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    arrays = arrays_of(folder)
    torch.save({k: torch.from_numpy(v) for k, v in arrays.items()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    checkpoint = Checkpoint.open(folder)
    assert all(np.array_equal(checkpoint.tensor(name), arrays[name]) for name in arrays)


@pytest.mark.oracle
def test_a_pickle_in_half_precision_is_read_as_float32(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    value = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3)
    torch.save({WORD: value}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert Checkpoint.open(folder).tensor(WORD).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.oracle
@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut short"])
def test_a_garbage_pickle_is_refused(folder: Path, content: bytes) -> None:
    pytest.importorskip("torch")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(ExportError, match="damaged, or not plain weights") as caught:
        Checkpoint.open(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.oracle
def test_a_pickle_of_something_else_than_named_weights_is_refused(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    (folder / "model.safetensors").unlink()
    torch.save([torch.zeros(2)], folder / "pytorch_model.bin")
    refused(folder, "damaged, or not plain weights")


class Payload:
    def __reduce__(self) -> Any:
        return (os.mkdir, (os.environ["EDGEBERT_TEST_PAYLOAD"],))


@pytest.mark.oracle
def test_code_in_a_pickle_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setenv("EDGEBERT_TEST_PAYLOAD", str(folder / "ran"))
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(), protocol=2))
    refused(folder, "damaged, or not plain weights")
    assert not (folder / "ran").exists()
