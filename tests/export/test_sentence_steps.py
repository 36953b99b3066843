"""The layers after the pooling: read as data, refused where they are not built."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from edgebert_export.canonical import Linear, Norm
from edgebert_export.errors import ExportError, UnsupportedModelError
from edgebert_export.graph import ACTIVATIONS
from edgebert_export.sentence_steps import (
    DENSE_ACTIVATIONS,
    DenseStep,
    NormStep,
    SameStep,
    UnitStep,
    read_dense,
    read_norm,
    width_after,
)

pytestmark = pytest.mark.export

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)  # (out, in), as torch has it
TANH = "torch.nn.modules.activation.Tanh"


def make(folder: Path, arrays: dict[str, Any], **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(arrays, folder / "model.safetensors")
    return folder


def make_dense(folder: Path, **config: Any) -> Path:
    arrays = {"linear.weight": WEIGHT, "linear.bias": np.float32([5, 6])}
    return make(folder, arrays, **({"in_features": 3, "out_features": 2} | config))


def dense(folder: Path) -> DenseStep:
    step = read_dense(folder).step
    assert isinstance(step, DenseStep)
    return step


def test_a_dense_layer_is_its_weight_turned_and_its_bias(tmp_path: Path) -> None:
    step = dense(make_dense(tmp_path, bias=True, activation_function=TANH))
    assert np.array_equal(step.linear.weight, WEIGHT.T)
    assert step.linear.bias.tolist() == [5, 6]
    assert step.activation == "tanh"


def test_a_dense_layer_without_a_bias_adds_nothing(tmp_path: Path) -> None:
    assert dense(make_dense(tmp_path, bias=False)).linear.bias.tolist() == [0, 0]


@pytest.mark.parametrize("name", DENSE_ACTIVATIONS)
@pytest.mark.parametrize("module", ["torch.nn", "torch.nn.modules.activation"])
def test_an_activation_is_known_by_its_class(name: str, module: str, tmp_path: Path) -> None:
    step = dense(make_dense(tmp_path, activation_function=f"{module}.{name}"))
    assert step.activation == DENSE_ACTIVATIONS[name]
    assert step.activation in ACTIVATIONS


def test_an_activation_that_is_not_stated_is_tanh_as_in_sentence_transformers(
    tmp_path: Path,
) -> None:
    assert dense(make_dense(tmp_path)).activation == "tanh"


@pytest.mark.parametrize("path", ["mine.Tanh", "os.system", "Tanh", "torch.nn.PReLU", "", None, 3])
def test_another_activation_is_refused_and_never_imported(path: object, tmp_path: Path) -> None:
    with pytest.raises(
        UnsupportedModelError, match=r"is not built; built are torch\.nn's Identity"
    ):
        read_dense(make_dense(tmp_path, activation_function=path))


@pytest.mark.parametrize(
    "setting",
    [
        {"module_input_name": "token_embeddings"},
        {"module_output_name": "scores"},
        {"dropout": 0.1},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_a_dense_layer_that_does_something_else_is_refused(
    setting: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModelError, match="built is Dense from 'sentence_embedding'"):
        read_dense(make_dense(tmp_path, **setting))


def test_weights_of_another_size_than_stated_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ExportError, match=r"'linear.weight' is \(2, 3\), config.json says \(2, 4\)"
    ):
        read_dense(make_dense(tmp_path, in_features=4))


@pytest.mark.parametrize("value", [None, 0, -1, "3", True])
def test_a_size_that_is_no_count_is_refused(value: object, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="in_features"):
        read_dense(make_dense(tmp_path, in_features=value))


def test_a_layer_whose_folder_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="2_Dense: no such folder"):
        read_dense(tmp_path / "2_Dense")


def test_damaged_weights_of_a_layer_are_refused(tmp_path: Path) -> None:
    (make_dense(tmp_path) / "model.safetensors").write_bytes(b"half a file")
    with pytest.raises(ExportError, match="damaged or cut short"):
        read_dense(tmp_path)


def test_a_bias_that_is_promised_and_missing_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path, {"linear.weight": WEIGHT}, in_features=3, out_features=2, bias=True)
    with pytest.raises(ExportError, match=r"no tensor 'linear\.bias'"):
        read_dense(folder)


def test_a_layer_norm_is_its_two_vectors(tmp_path: Path) -> None:
    arrays = {"norm.weight": np.float32([1, 2]), "norm.bias": np.float32([3, 4])}
    step = read_norm(make(tmp_path, arrays, dimension=2)).step
    assert isinstance(step, NormStep)
    assert (step.norm.weight.tolist(), step.norm.bias.tolist()) == ([1, 2], [3, 4])


def linear(takes: int, gives: int) -> DenseStep:
    return DenseStep(
        Linear(np.ones((takes, gives), np.float32), np.ones(gives, np.float32)), "relu"
    )


def norm(width: int) -> NormStep:
    return NormStep(Norm(np.ones(width, np.float32), np.ones(width, np.float32)))


def test_the_last_dense_layer_gives_the_length_of_a_vector() -> None:
    steps = (UnitStep(), linear(8, 4), norm(4), SameStep(), linear(4, 3))
    assert width_after(steps, 8, Path("model")) == 3


def test_without_layers_the_length_stays() -> None:
    assert width_after((), 8, Path("model")) == 8


@pytest.mark.parametrize("step", [linear(6, 4), norm(6)], ids=["dense", "norm"])
def test_layers_that_do_not_fit_are_refused_with_both_sizes(step: DenseStep | NormStep) -> None:
    with pytest.raises(ExportError, match=r"step 2 after the pooling takes .* 6 .* gives 8"):
        width_after((UnitStep(), step), 8, Path("model"))
