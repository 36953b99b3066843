"""Write ONNX files whose weights stand once, in a file that several graphs share.

Knows ONNX and nothing of encoders: nodes, constants, inputs, outputs. Large constants go to the
weights file, aligned so that a runtime can map them; small ones stay in the graph.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

INLINE_BYTES = 1024  # below this a constant stays in the graph
ALIGN = 4096  # the ONNX format asks for page-aligned offsets, so that weights can be mapped
OPSET = 20  # Gelu became a standard operator here
IR_VERSION = 9  # the IR of opset 20
MICROSOFT = "com.microsoft"
OPSETS = {"": OPSET, MICROSOFT: 1}
# since when these operators take their axes as an input; before, they are an attribute
AXES_ARE_INPUT = {
    "ReduceL2": 18,
    "ReduceMax": 18,
    "ReduceMean": 18,
    "ReduceSum": 13,
    "Unsqueeze": 13,
}

Array = NDArray[Any]
TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.int32): TensorProto.INT32,
    np.dtype(np.int8): TensorProto.INT8,
    np.dtype(np.uint8): TensorProto.UINT8,
}


class WeightFile:
    """The file of external data: each named array written once, in the order of first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = path.open("wb")
        self._places: dict[str, tuple[int, int]] = {}

    def add(self, name: str, array: Array) -> tuple[int, int]:
        """Give offset and length of an array, writing it if the name is new."""
        if name not in self._places:
            self._stream.write(b"\0" * (-self._stream.tell() % ALIGN))
            offset = self._stream.tell()
            data = np.ascontiguousarray(array).data.cast("B")
            self._stream.write(data)
            self._places[name] = (offset, len(data))
        return self._places[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._stream.close()


class GraphWriter:
    """Collects the nodes of one graph."""

    def __init__(
        self, weights: WeightFile, opsets: Mapping[str, int] = OPSETS, ir_version: int = IR_VERSION
    ) -> None:
        """Begin a graph.

        Args:
            weights: where large constants go.
            opsets: version of each domain; `axes` are written as the version has them.
            ir_version: of the file.
        """
        self._weights = weights
        self._opsets = opsets
        self._ir_version = ir_version
        self._prefix = ""
        self._nodes: list[Any] = []
        self._constants: dict[str, TensorProto] = {}
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []

    def input(self, name: str, shape: Sequence[str]) -> str:
        """Declare an int64 input."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.INT64, list(shape)))
        return name

    def float_input(self, name: str, shape: Sequence[str | int]) -> str:
        """Declare a float32 input."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        return name

    def output(self, value: str, name: str, shape: Sequence[str | int]) -> None:
        """Declare a float32 output under a name of its own."""
        self.node("Identity", [value], name)
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs, as declared."""
        return tuple(value.name for value in self._inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs, as declared."""
        return tuple(value.name for value in self._outputs)

    def expose(self, value: str) -> None:
        """Declare an inner value of unknown shape as an output, under its own name."""
        self._outputs.append(helper.make_tensor_value_info(value, TensorProto.FLOAT, None))

    @contextmanager
    def prefixed(self, prefix: str) -> Iterator[None]:
        """Put a prefix before the names of the nodes added in the block, to add them once more."""
        self._prefix = prefix
        yield
        self._prefix = ""

    def node(
        self, op: str, inputs: Sequence[str], name: str, *, domain: str = "", **attributes: Any
    ) -> str:
        """Add a node with one output, which takes the node's name."""
        return self.nodes(op, inputs, [name], domain=domain, **attributes)[0]

    def nodes(
        self,
        op: str,
        inputs: Sequence[str],
        names: Sequence[str],
        *,
        domain: str = "",
        **attributes: Any,
    ) -> list[str]:
        """Add a node with several outputs."""
        if not domain and self._opsets[""] < AXES_ARE_INPUT.get(op, 0):
            (*inputs, axes) = inputs
            attributes["axes"] = numpy_helper.to_array(self._constants[axes]).tolist()
        names = [self._prefix + name for name in names]
        self._nodes.append(
            helper.make_node(op, list(inputs), list(names), names[0], domain=domain, **attributes)
        )
        return names

    def copy(self, node: NodeProto) -> None:
        """Add a node of another graph as it is."""
        self._nodes.append(node)

    def constant(self, name: str, array: Array) -> str:
        """Add a constant; a name stands for the same array in every graph of a bundle."""
        if name in self._constants:
            return name
        if array.nbytes < INLINE_BYTES:
            self._constants[name] = numpy_helper.from_array(
                np.asarray(array, order="C"),
                name,  # ascontiguousarray would give a scalar an axis
            )
            return name
        tensor = TensorProto(name=name, data_type=TYPES[array.dtype], dims=array.shape)
        return self.tensor(tensor, array)

    def tensor(self, tensor: TensorProto, data: Array) -> str:
        """Add a constant of any type, by its description and its bytes.

        Args:
            tensor: name, type and shape.
            data: its elements, or their bytes.
        """
        described = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        if data.nbytes < INLINE_BYTES:
            described.raw_data = data.tobytes()
        else:
            offset, length = self._weights.add(tensor.name, data)
            described.data_location = TensorProto.EXTERNAL
            for key, value in (
                ("location", self._weights.path.name),
                ("offset", str(offset)),
                ("length", str(length)),
            ):
                described.external_data.add(key=key, value=value)
        self._constants[tensor.name] = described
        return str(tensor.name)

    def write(self, path: Path) -> None:
        """Write the graph; the same nodes give the same bytes."""
        graph = helper.make_graph(
            self._nodes, "edgebert", self._inputs, self._outputs, list(self._constants.values())
        )
        model: ModelProto = helper.make_model(
            graph,
            producer_name="edgebert",
            ir_version=self._ir_version,
            opset_imports=[helper.make_opsetid(*opset) for opset in self._opsets.items()],
        )
        path.write_bytes(model.SerializeToString(deterministic=True))
