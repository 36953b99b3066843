"""OpenVINO's graph says in standard operators what the main graph says in onnxruntime's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgebert.manifest import EngineName, Pooling, PoolingMode, Task
from edgebert_export.canonical import Model, read_model
from edgebert_export.checkpoint import Checkpoint
from edgebert_export.heads import Outputs
from edgebert_export.plan import Plan, QuantizedInput, QuantizedLinear
from edgebert_export.write import OPENVINO_NAME, write_graphs
from tests.export.graphs import FAMILY_NAMES, GraphFile, pad, random_rows, relative, run_main
from tests.make_tiny import HEADS

pytestmark = pytest.mark.export

Folders = Callable[[str], Path]
ROUNDING = 1e-5  # between two fp32 kernels
WIDER = 48  # tokens: more than any row has, as when lengths are rounded up


def written(folder: Path, model: Model, plan: Plan | None = None) -> Path:
    task = Task.EMBED if model.head is None else Task.CLASSIFY
    pooling = Pooling(mode=PoolingMode.MEAN, normalize=True) if model.head is None else None
    outputs = Outputs(task, pooling, None)
    write_graphs(folder, model, plan or Plan(), outputs, engine=EngineName.OPENVINO)
    return folder


def run_padded(folder: Path, rows: list[list[int]]) -> NDArray[np.float32]:
    """Run OpenVINO's graph, which is standard ONNX, on all rows at once."""
    graph = GraphFile(folder / OPENVINO_NAME)
    ids, mask = pad([*rows, [0] * WIDER], 0)
    mask[-1, 1:] = 0
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    (output,) = graph.run(feeds).values()
    return output[:-1]


@pytest.fixture
def short_model(tiny_checkpoint: Folders) -> Callable[[str], Model]:
    """Give a tiny model whose position table also holds the padding of these tests."""

    def read(architecture: str) -> Model:
        model = read_model(Checkpoint.open(tiny_checkpoint(architecture)))
        table = np.concatenate([model.position, model.position])
        return replace(model, position=table, positions=len(table))

    return read


@pytest.mark.parametrize("head", ["Model", "ForSequenceClassification"])
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_padded_rows_come_out_as_each_alone_from_the_main_graph(
    family: str, head: str, short_model: Callable[[str], Model], tmp_path: Path
) -> None:
    folder, rows = written(tmp_path, short_model(family + head)), random_rows(family + head)
    for found, wanted in zip(run_padded(folder, rows), run_main(folder, rows), strict=True):
        (vector,) = wanted.values()
        assert relative(found, vector) < ROUNDING


def test_a_bias_of_relative_positions_counts(
    short_model: Callable[[str], Model], tmp_path: Path
) -> None:
    model, rows = short_model("BertModel"), random_rows("BertModel")
    bias = np.random.default_rng(0).normal(0, 1, (32, HEADS)).astype(np.float32)
    biased = written(tmp_path, replace(model, distances=bias))
    for found, wanted in zip(run_padded(biased, rows), run_main(biased, rows), strict=True):
        assert relative(found, wanted["sentence_embedding"]) < ROUNDING


def f2_plan(model: Model, zero_point: int = 100) -> Plan:
    """Quantize one linear: inputs from -10 to 15.5 in steps of 0.1, whole weights of -1, 0, 1."""
    linear = model.linears["0.f2"]
    values = np.sign(linear.weight).astype(np.int8)
    quantized = QuantizedLinear(values, np.full(values.shape[1], 0.1, np.float32), linear.bias)
    how = QuantizedInput(None, (0.1, zero_point))
    return Plan({"0.f2": how}, {"0.f2": quantized})


def constants(folder: Path) -> dict[str, NDArray[np.float32]]:
    graph = onnx.load(folder / OPENVINO_NAME).graph
    return {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}


def test_the_s8_range_lies_about_zero_and_holds_the_plans(
    short_model: Callable[[str], Model], tmp_path: Path
) -> None:
    model = short_model("BertModel")
    found = constants(written(tmp_path, model, f2_plan(model)))
    assert found["0.f2.scale_s8"] == pytest.approx(15.5 / 127)
    assert found["zero_s8"] == 0


@pytest.mark.parametrize(("zero_point", "name"), [(63, "0.f2.scale"), (64, "0.f2.scale_s8")])
def test_a_range_to_one_side_keeps_its_steps(
    zero_point: int, name: str, short_model: Callable[[str], Model], tmp_path: Path
) -> None:
    model = short_model("BertModel")
    found = constants(written(tmp_path, model, f2_plan(model, zero_point)))
    assert name in found


@pytest.mark.parametrize("zero_point", [0, 30, 230])
def test_a_range_to_one_side_is_rounded_as_in_the_main_graph(
    zero_point: int, short_model: Callable[[str], Model], tmp_path: Path
) -> None:
    model, rows = short_model("BertModel"), random_rows("BertModel")
    folder = written(tmp_path, model, f2_plan(model, zero_point))
    for found, wanted in zip(run_padded(folder, rows), run_main(folder, rows), strict=True):
        assert relative(found, wanted["sentence_embedding"]) < ROUNDING


def test_no_activation_has_a_zero_point(
    short_model: Callable[[str], Model], tmp_path: Path
) -> None:
    model = short_model("BertModel")
    for zero_point in (30, 100):
        found = constants(written(tmp_path, model, f2_plan(model, zero_point)))
        used = {
            node.input[2]
            for node in onnx.load(tmp_path / OPENVINO_NAME).graph.node
            if node.op_type == "QuantizeLinear"
        }
        assert used
        assert all(found[name] == 0 for name in used)


def test_rounded_rows_stay_near_the_main_graphs(
    short_model: Callable[[str], Model], tmp_path: Path
) -> None:
    model, rows = short_model("BertModel"), random_rows("BertModel")
    folder = written(tmp_path, model, f2_plan(model))
    wanted = np.stack([row["sentence_embedding"] for row in run_main(folder, rows)])
    assert ((run_padded(folder, rows) * wanted).sum(axis=1) > 0.999).all()


def test_it_holds_standard_operators_alone_and_is_valid(
    short_model: Callable[[str], Model], tmp_path: Path
) -> None:
    model = short_model("BertModel")
    folder = written(tmp_path, model, f2_plan(model))
    onnx.checker.check_model(folder / OPENVINO_NAME)
    assert {node.domain for node in onnx.load(folder / OPENVINO_NAME).graph.node} == {""}


def test_its_weights_are_those_of_the_other_graphs(
    short_model: Callable[[str], Model], tmp_path: Path
) -> None:
    model = short_model("BertModel")
    (tmp_path / "without").mkdir()
    outputs = Outputs(Task.EMBED, Pooling(mode=PoolingMode.MEAN, normalize=True), None)
    write_graphs(tmp_path / "without", model, f2_plan(model), outputs)
    folder = written(tmp_path, model, f2_plan(model))
    without = (tmp_path / "without" / "model.weights").read_bytes()
    assert (folder / "model.weights").read_bytes() == without


def test_a_range_that_is_not_fixed_cannot_be_built(
    short_model: Callable[[str], Model], tmp_path: Path
) -> None:
    model = short_model("BertModel")
    plan = replace(f2_plan(model), inputs={"0.f2": QuantizedInput(None, None)})
    with pytest.raises(TypeError, match=r"'0\.f2' has no fixed range"):
        written(tmp_path, model, plan)
