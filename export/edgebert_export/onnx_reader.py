"""Read an ONNX graph that somebody else made, and refuse what a bundle could not hold.

Knows ONNX and what an encoder's graph takes and gives; nothing of bundles. Its constants are
bytes: read from the file itself, or from external data that stands in the same folder.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from edgebert_export.errors import ExportError, UnsupportedModelError
from edgebert_export.onnx_writer import MICROSOFT

Array = NDArray[Any]

# where optimum, transformers.js and sentence-transformers put it, in the order of choice
GRAPH_NAMES = (
    "model.onnx",
    "onnx/model.onnx",
    "model_quantized.onnx",
    "onnx/model_quantized.onnx",
)
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
REQUIRED_INPUTS = INPUTS[:2]
DOMAINS = ("", "ai.onnx", MICROSOFT)  # what stock onnxruntime has
OLDEST_OPSET = 11  # before it, operators that a bundle adds have another form
LARGEST_FILE = 2**31  # protobuf's own limit: larger weights stand in external data


@dataclass(frozen=True, slots=True)
class Constant:
    """A weight: what it is, and its bytes."""

    tensor: TensorProto  # name, type and shape
    data: Array

    def array(self) -> Array:
        """Give its values."""
        if self.data.dtype != np.uint8 or self.tensor.data_type == TensorProto.UINT8:
            return self.data
        kind = onnx.helper.tensor_dtype_to_np_dtype(self.tensor.data_type)
        values: Array = self.data.view(kind).reshape(tuple(self.tensor.dims))
        return values


@dataclass(frozen=True, slots=True)
class GivenGraph:
    """A graph taken apart."""

    path: Path
    nodes: Sequence[NodeProto]
    constants: Mapping[str, Constant]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opsets: Mapping[str, int]
    ir_version: int
    weight_files: tuple[Path, ...]  # the graph itself, and its external data


def find_graph(path: Path) -> Path:
    """Find the graph of a folder, or take the file that was named.

    Raises:
        ExportError: there is none, or several of no known name.
    """
    if path.is_file():
        return path
    for name in GRAPH_NAMES:
        if (path / name).is_file():
            return path / name
    others = sorted(file.name for file in path.glob("*.onnx"))
    if len(others) == 1:
        return path / others[0]
    raise ExportError(
        f"{path}: expected one of {', '.join(GRAPH_NAMES)}; found {', '.join(others) or 'no .onnx'}"
        + ("; name the file itself" if others else "")
    )


def read_graph(path: Path) -> GivenGraph:
    """Read a graph and check what can be checked without running it.

    Raises:
        ExportError: it is damaged, or its data stand outside of its folder.
        UnsupportedModelError: it is not an encoder's graph, or has what a bundle cannot hold.
    """
    model = _parse(path)
    graph = model.graph
    _check_parts(path, model)
    nodes = [node for node in graph.node if not _is_constant(node)]
    constants, files = {}, {path: None}
    for tensor in _tensors(graph):
        data = _read_data(path, tensor, files)
        constants[tensor.name] = Constant(tensor, data)
    inputs = _check_inputs(path, [value for value in graph.input if value.name not in constants])
    return GivenGraph(
        path=path,
        nodes=nodes,
        constants=constants,
        inputs=inputs,
        outputs=tuple(value.name for value in graph.output),
        opsets=_opsets(path, model),
        ir_version=model.ir_version,
        weight_files=tuple(files),
    )


def _parse(path: Path) -> ModelProto:
    try:
        if path.stat().st_size >= LARGEST_FILE:
            raise ExportError(f"{path}: 2 GB or more, which no ONNX file can be; it is damaged")
        model = onnx.load_model(path, load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise ExportError(f"{path}: damaged, or not an ONNX file ({error})") from error
    if not model.graph.node:
        raise ExportError(f"{path}: damaged, or not an ONNX file (it has no node)")
    return model


def _check_parts(path: Path, model: ModelProto) -> None:
    if model.functions or model.graph.sparse_initializer:
        raise UnsupportedModelError(
            f"{path}: has local functions or sparse weights, which are not read; export it anew "
            "with torch.onnx.export(dynamo=False), as optimum does"
        )
    for node in every_node(model.graph):
        if node.domain not in DOMAINS:
            raise UnsupportedModelError(
                f"{path}: operator {node.op_type} is of domain {node.domain!r}; a bundle runs on "
                f"stock onnxruntime, which has {', '.join(map(repr, DOMAINS))}"
            )
        inner = [tensor for attribute in node.attribute for tensor in attribute.tensors]
        inner += [attribute.t for attribute in node.attribute]
        inner += [tensor for part in inner_graphs(node) for tensor in part.initializer]
        if any(tensor.data_location for tensor in inner):
            raise UnsupportedModelError(
                f"{path}: node {node.name!r} keeps external data within itself; save the graph "
                "anew with onnx.save(..., convert_attribute=False)"
            )


def every_node(graph: GraphProto) -> Iterator[NodeProto]:
    """Give the nodes of a graph and of all graphs within it."""
    for node in graph.node:
        yield node
        for inner in inner_graphs(node):
            yield from every_node(inner)


def inner_graphs(node: NodeProto) -> Iterator[GraphProto]:
    """Give the graphs that a node holds, such as the branches of an If."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _is_constant(node: NodeProto) -> bool:
    """Whether a node is a weight by another name: exporters write them so."""
    return [node.op_type, *(each.name for each in node.attribute)] == ["Constant", "value"]


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in filter(_is_constant, graph.node):
        tensor = TensorProto()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        yield tensor


def _read_data(path: Path, tensor: TensorProto, files: dict[Path, None]) -> Array:
    if tensor.data_location != TensorProto.EXTERNAL:
        return _read_inside(path, tensor)
    entries = {entry.key: entry.value for entry in tensor.external_data}
    file = _beside(path, tensor.name, entries.get("location", ""))
    files[file] = None
    try:
        offset, stated = int(entries.get("offset", 0)), entries.get("length")
        wanted = _count_bytes(tensor)
        length = wanted if stated is None else int(stated)
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path}: weight {tensor.name!r} is damaged ({error})") from error
    if length != wanted or offset < 0 or offset + length > file.stat().st_size:
        raise ExportError(
            f"{path}: weight {tensor.name!r} needs {wanted:,} bytes, the graph says {length:,} at "
            f"{offset:,} of {file.name}, which has {file.stat().st_size:,}; copy both again"
        )
    if not length:
        return np.zeros(0, np.uint8)
    return np.memmap(file, np.uint8, "r", offset, (length,))


def _read_inside(path: Path, tensor: TensorProto) -> Array:
    try:
        if not tensor.HasField("raw_data"):
            return np.asarray(numpy_helper.to_array(tensor), order="C")
        data = np.frombuffer(tensor.raw_data, np.uint8)
        wanted = _count_bytes(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise ExportError(f"{path}: weight {tensor.name!r} is damaged ({error})") from error
    if data.nbytes != wanted:
        raise ExportError(
            f"{path}: weight {tensor.name!r} has {data.nbytes:,} bytes, its shape says {wanted:,}; "
            "the file is damaged, copy it again"
        )
    return data


def _count_bytes(tensor: TensorProto) -> int:
    count = int(np.prod([int(size) for size in tensor.dims], dtype=object))
    if tensor.data_type in (TensorProto.INT4, TensorProto.UINT4):
        return (count + 1) // 2
    return count * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def _beside(path: Path, name: str, location: str) -> Path:
    """Give the file of external data; only an ordinary file in the graph's folder will do."""
    plain = location not in ("", ".", "..") and "\0" not in location
    plain = plain and PurePosixPath(location).name == location
    file = path.parent / location
    if not plain or PureWindowsPath(location).name != location or file.is_symlink():
        raise ExportError(
            f"{path}: weight {name!r} is said to stand in {location!r}, which is not a plain file "
            "of the graph's folder; do not use it"
        )
    if not file.is_file():
        raise ExportError(f"{path}: weight {name!r} stands in {location!r}, which is missing")
    return file


def _check_inputs(path: Path, values: Sequence[onnx.ValueInfoProto]) -> tuple[str, ...]:
    names = tuple(value.name for value in values)
    missing = [name for name in REQUIRED_INPUTS if name not in names]
    unknown = [name for name in names if name not in INPUTS]
    if missing or unknown:
        raise UnsupportedModelError(
            f"{path}: takes {', '.join(names) or 'nothing'}; expected input_ids, attention_mask "
            "and, where the model has them, token_type_ids"
        )
    for value in values:
        kind = value.type.tensor_type
        sizes = [dim.dim_value for dim in kind.shape.dim]
        if kind.elem_type != TensorProto.INT64 or len(sizes) != 2 or any(sizes):
            type_name = TensorProto.DataType.Name(kind.elem_type)
            raise UnsupportedModelError(
                f"{path}: input {value.name} is {type_name} of shape "
                f"{tuple(dim.dim_param or dim.dim_value for dim in kind.shape.dim)}; expected "
                "INT64 of any number of rows and tokens; export it with dynamic axes"
            )
    return names


def _opsets(path: Path, model: ModelProto) -> dict[str, int]:
    opsets = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import}
    found = opsets.get("", 0)
    if found < OLDEST_OPSET:
        raise UnsupportedModelError(
            f"{path}: opset {found}, expected {OLDEST_OPSET} or newer; export it anew"
        )
    return {"": found, MICROSOFT: opsets.get(MICROSOFT, 1)}
