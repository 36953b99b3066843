"""Write ONNX files whose weights stand once, in a file that several graphs share.

Knows ONNX and nothing of encoders: nodes, constants, inputs, outputs. Large constants go to the
weights file, aligned so that a runtime can map them; small ones stay in the graph.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

INLINE_BYTES = 1024  # below this a constant stays in the graph
ALIGN = 4096  # the ONNX format asks for page-aligned offsets, so that weights can be mapped
OPSET = 20  # Gelu became a standard operator here
IR_VERSION = 9  # the IR of opset 20
MICROSOFT = "com.microsoft"

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

    def __init__(self, weights: WeightFile) -> None:
        self._weights = weights
        self._nodes: list[Any] = []
        self._constants: dict[str, TensorProto] = {}
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []

    def input(self, name: str, shape: Sequence[str]) -> str:
        """Declare an int64 input."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.INT64, list(shape)))
        return name

    def output(self, value: str, name: str, shape: Sequence[str | int]) -> None:
        """Declare a float32 output under a name of its own."""
        self.node("Identity", [value], name)
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def expose(self, value: str) -> None:
        """Declare an inner value of unknown shape as an output, under its own name."""
        self._outputs.append(helper.make_tensor_value_info(value, TensorProto.FLOAT, None))

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
        self._nodes.append(
            helper.make_node(op, list(inputs), list(names), names[0], domain=domain, **attributes)
        )
        return list(names)

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
        offset, length = self._weights.add(name, array)
        tensor = TensorProto(name=name, data_type=TYPES[array.dtype], dims=array.shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (
            ("location", self._weights.path.name),
            ("offset", str(offset)),
            ("length", str(length)),
        ):
            tensor.external_data.add(key=key, value=value)
        self._constants[name] = tensor
        return name

    def write(self, path: Path) -> None:
        """Write the graph; the same nodes give the same bytes."""
        graph = helper.make_graph(
            self._nodes, "edgebert", self._inputs, self._outputs, list(self._constants.values())
        )
        model: ModelProto = helper.make_model(
            graph,
            producer_name="edgebert",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
        )
        path.write_bytes(model.SerializeToString(deterministic=True))
