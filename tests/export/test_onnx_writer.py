"""ONNX files come out valid, sharing one aligned file of weights, the same bytes every time."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgebert_export.onnx_writer import ALIGN, INLINE_BYTES, GraphWriter, WeightFile
from tests.export.graphs import GraphFile

pytestmark = pytest.mark.export

LARGE = np.arange(600, dtype=np.float32).reshape(20, 30)
SMALL = np.array([7.5], np.float32)


def write(folder: Path, *, name: str = "graph.onnx", weights: WeightFile | None = None) -> Path:
    """Write (B, 30) ids, as float, @ a large constant's transpose + a small one."""

    def build(file: WeightFile) -> None:
        writer = GraphWriter(file)
        ids = writer.input("ids", ("batch", "width"))
        value = writer.node("Cast", [ids], "floats", to=1)
        value = writer.node("Gemm", [value, writer.constant("large", LARGE)], "product", transB=1)
        value = writer.node("Add", [value, writer.constant("small", SMALL)], "sum")
        writer.output(value, "result", ("batch", 20))
        writer.write(folder / name)

    if weights is not None:
        build(weights)
    else:
        with WeightFile(folder / "graph.weights") as file:
            build(file)
    return folder / name


def constants(path: Path) -> dict[str, Any]:
    model = onnx.load(path, load_external_data=False)
    return {tensor.name: tensor for tensor in model.graph.initializer}


def place(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def test_a_graph_computes_with_large_and_small_constants(tmp_path: Path) -> None:
    ids = np.arange(60, dtype=np.int64).reshape(2, 30)
    found = GraphFile(write(tmp_path)).run({"ids": ids})["result"]
    assert np.allclose(found, ids @ LARGE.T + 7.5)


def test_a_graph_is_valid_onnx(tmp_path: Path) -> None:
    onnx.checker.check_model(write(tmp_path), full_check=True)


def test_large_constants_stand_in_the_weights_file_and_small_ones_in_the_graph(
    tmp_path: Path,
) -> None:
    found = constants(write(tmp_path))
    assert LARGE.nbytes >= INLINE_BYTES > SMALL.nbytes
    assert place(found["large"])["location"] == "graph.weights"
    assert place(found["small"]) == {}


def test_a_weights_file_holds_the_arrays_as_they_are(tmp_path: Path) -> None:
    where = place(constants(write(tmp_path))["large"])
    start, length = int(where["offset"]), int(where["length"])
    stored = (tmp_path / "graph.weights").read_bytes()[start : start + length]
    assert np.array_equal(np.frombuffer(stored, np.float32), LARGE.ravel())


def test_every_array_begins_at_a_page(tmp_path: Path) -> None:
    with WeightFile(tmp_path / "w") as weights:
        offsets = [
            weights.add(str(size), np.zeros(size, np.int8))[0] for size in (1, 4096, 9, 5000)
        ]
    assert [offset % ALIGN for offset in offsets] == [0, 0, 0, 0]
    assert len(set(offsets)) == 4


def test_a_name_is_written_once_however_often_it_is_used(tmp_path: Path) -> None:
    with WeightFile(tmp_path / "w") as weights:
        first = weights.add("same", LARGE)
        second = weights.add("same", LARGE)
    assert first == second
    assert (tmp_path / "w").stat().st_size == LARGE.nbytes


def test_graphs_share_the_weights_of_one_name(tmp_path: Path) -> None:
    with WeightFile(tmp_path / "graph.weights") as weights:
        one = write(tmp_path, name="one.onnx", weights=weights)
        two = write(tmp_path, name="two.onnx", weights=weights)
    assert place(constants(one)["large"]) == place(constants(two)["large"])
    assert (tmp_path / "graph.weights").stat().st_size == LARGE.nbytes


def test_an_array_that_lies_across_memory_is_written_in_order(tmp_path: Path) -> None:
    with WeightFile(tmp_path / "w") as weights:
        weights.add("turned", LARGE.T)
    stored = np.fromfile(tmp_path / "w", np.float32)
    assert np.array_equal(stored.reshape(30, 20), LARGE.T)


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.int32, np.int8, np.uint8])
@pytest.mark.parametrize("size", [4, 4000])
def test_every_type_that_graphs_use_can_be_a_constant(
    kind: type[np.generic], size: int, tmp_path: Path
) -> None:
    array = np.arange(size).astype(kind)
    with WeightFile(tmp_path / "graph.weights") as weights:
        writer = GraphWriter(weights)
        constant = writer.constant("value", array)
        writer.output(writer.node("Cast", [constant], "floats", to=1), "result", (size,))
        writer.write(tmp_path / "graph.onnx")
    found = GraphFile(tmp_path / "graph.onnx").run({})["result"]
    assert np.array_equal(found, array.astype(np.float32))


def test_a_scalar_keeps_its_lack_of_axes(tmp_path: Path) -> None:
    with WeightFile(tmp_path / "w") as weights:
        writer = GraphWriter(weights)
        writer.constant("scalar", np.array(3.0, np.float32))
        writer.write(tmp_path / "graph.onnx")
    assert list(constants(tmp_path / "graph.onnx")["scalar"].dims) == []


def test_inputs_are_int64_and_outputs_float32_under_their_names(tmp_path: Path) -> None:
    graph = onnx.load(write(tmp_path), load_external_data=False).graph
    declared = [(value.name, value.type.tensor_type.elem_type) for value in graph.input]
    assert declared == [("ids", onnx.TensorProto.INT64)]
    declared = [(value.name, value.type.tensor_type.elem_type) for value in graph.output]
    assert declared == [("result", onnx.TensorProto.FLOAT)]


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first, second = write(tmp_path / "first"), write(tmp_path / "second")
    assert first.read_bytes() == second.read_bytes()
    weights = [path.with_name("graph.weights").read_bytes() for path in (first, second)]
    assert weights[0] == weights[1]
