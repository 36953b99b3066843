"""Heads and labels are those that the checkpoint promises, or one clear error."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edgebert_export.canonical import Model, labels_of, read_model
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.errors import ExportError
from tests.export.graphs import ARCHITECTURES
from tests.make_tiny import HIDDEN, TAGS, write_checkpoint

pytestmark = pytest.mark.export

HEADED = [name for name in ARCHITECTURES if not name.endswith("Model")]
PREFIXES = {"Bert": "bert.", "Roberta": "roberta.", "DistilBert": "distilbert."}


def read(folder: Path, **options: Any) -> Model:
    return read_model(Checkpoint.open(folder), **options)


def change_weights(folder: Path, change: Any) -> None:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


# Heads


@pytest.mark.parametrize("architecture", HEADED)
def test_a_head_that_is_promised_and_not_there_is_refused(
    architecture: str, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path, architecture)
    ours = PREFIXES[next(name for name in PREFIXES if architecture.startswith(name))]
    change_weights(
        tmp_path,
        lambda found: {n: found[n] for n in found if n.startswith(f"{ours}e") or ".l" in n},
    )
    with pytest.raises(ExportError, match=r"promises a head for .* that the weights do not hold"):
        read(tmp_path)


def test_a_head_of_another_width_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "BertForTokenClassification")
    odd = {"classifier.weight": np.zeros((len(TAGS), 7), np.float32)}
    change_weights(tmp_path, lambda found: found | odd)
    with pytest.raises(ExportError, match=r"is \(5, 7\), expected \(labels, 32\)"):
        read(tmp_path)


def test_nan_in_a_layer_is_refused_by_the_tensors_name(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    name = "encoder.layer.1.output.dense.bias"
    change_weights(folder, lambda found: found | {name: np.full(HIDDEN, np.nan, np.float32)})
    with pytest.raises(ExportError, match=f"tensor '{name}' holds NaN or infinity"):
        read(folder)


# Labels


def test_labels_stand_in_the_order_of_their_ids() -> None:
    stated = {str(number): f"name {number}" for number in reversed(range(12))}
    assert labels_of({"id2label": stated}, 12) == tuple(f"name {number}" for number in range(12))


def test_labels_that_are_not_stated_are_named_as_transformers_names_them() -> None:
    assert labels_of({}, 3) == ("LABEL_0", "LABEL_1", "LABEL_2")


@pytest.mark.parametrize(
    "stated",
    [{"0": "a"}, {"0": "a", "1": "b", "2": "c"}, {"1": "a", "2": "b"}, {"0": "a", "x": "b"}],
)
def test_labels_that_are_not_one_for_each_output_are_refused(stated: dict[str, str]) -> None:
    with pytest.raises(ExportError, match="the head has 2 outputs; correct id2label"):
        labels_of({"id2label": stated}, 2)


def test_labels_that_are_no_object_are_refused() -> None:
    with pytest.raises(ExportError, match="id2label is list, expected an object"):
        labels_of({"id2label": ["a", "b"]}, 2)


def test_a_label_that_stands_twice_is_refused() -> None:
    with pytest.raises(ExportError, match="id2label gives 'same' to several outputs"):
        labels_of({"id2label": {"0": "same", "1": "same"}}, 2)
