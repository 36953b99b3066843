"""OpenVINO behind the seam of `session.py`: the only user of openvino.

It is the native package, never onnxruntime's execution provider. It reads the bundle's graph for
it, which holds standard operators alone, from the same weights file.
"""

import os
from pathlib import Path
from threading import local

import numpy as np
import openvino

from edgebert.batching import Batch
from edgebert.errors import BundleFormatError, InferenceError
from edgebert.manifest import Graph
from edgebert.results import Floats
from edgebert.session import feeds_of

# openvino finds numpy at its first use, behind two locks. Two first runs side by side can take one
# each and wait for ever; here one thread alone comes by, since Python imports a module once.
openvino.Tensor(np.zeros(1, np.int64)).data[:] = 1


class OpenVinoSession:
    """One graph in OpenVINO on the CPU; several threads may call it."""

    def __init__(self, folder: Path, graph: Graph, runs: int = 1, threads: int = 1) -> None:
        """Load and compile a graph.

        What is not int8 is computed in bf16 where the CPU has it, which is OpenVINO's default.

        Args:
            folder: of the bundle.
            graph: the one that was exported for OpenVINO.
            runs: how many run side by side; each gets its share of the threads.
            threads: of all runs together.

        Raises:
            BundleFormatError: OpenVINO cannot load it.
        """
        settings = {
            "NUM_STREAMS": runs,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # two processes would be pinned to the same cores
        }
        path = folder / graph.file
        try:
            self._compiled = openvino.Core().compile_model(path, "CPU", settings)
        except Exception as error:  # openvino raises RuntimeError and its own
            raise BundleFormatError(
                path, f"openvino {openvino.__version__} refuses it: {error}"
            ) from error
        self._graph = graph
        self._requests = local()  # a request serves one run at a time
        self._process = os.getpid()

    def run(self, batch: Batch) -> tuple[Floats, ...]:
        """Run one batch and return the outputs in the manifest's order."""
        if os.getpid() != self._process:  # its threads are not there, and it would wait for them
            raise InferenceError(
                "openvino cannot run in a process that was forked after the bundle was opened; "
                "open it in the new process"
            )
        feeds = feeds_of(batch, self._graph.inputs)
        try:
            if not hasattr(self._requests, "own"):
                self._requests.own = self._compiled.create_infer_request()
            found = self._requests.own.infer(feeds)
            return tuple(np.asarray(found[name], np.float32) for name in self._graph.outputs)
        except Exception as error:  # as above
            raise InferenceError(
                f"openvino failed on a batch of {batch.ids.shape}: {error}"
            ) from error
