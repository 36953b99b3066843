"""onnxruntime behind the seam of `session.py`: the only user of onnxruntime."""

from collections.abc import Mapping
from pathlib import Path

import onnxruntime

from edgebert.batching import Batch
from edgebert.errors import BundleFormatError, InferenceError
from edgebert.manifest import Graph
from edgebert.results import Floats, Ints
from edgebert.session import feeds_of

# Both fusions replace fast operators by slow ones on CPUs: docs/decisions/004-the-graph.md.
SLOW_FUSIONS = ["SkipLayerNormFusion", "BiasGeluFusion"]
FATAL_ONLY = 4  # a failure is raised as an error; onnxruntime must not print it as well
# Threads of a session wait this long for more work before they sleep: as fast as onnxruntime's
# default within a run, at half the CPU time where calls come a few ms apart.
SPIN_MICROSECONDS = 100


class OnnxSession:
    """One graph in onnxruntime on the CPU; several threads may call it."""

    def __init__(self, folder: Path, graph: Graph, threads: int = 1) -> None:
        """Load a graph; its weights are mapped from the bundle's folder, not copied.

        Args:
            folder: of the bundle.
            graph: one of its graphs.
            threads: cores that share one run; with 1 a run stays on the thread that calls.

        Raises:
            BundleFormatError: onnxruntime cannot load it.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # One block of memory a run: without, threads that share a session wait for its allocator.
        # A pattern is kept for each shape, some 10 kB, and there are few: docs/performance.md.
        options.enable_mem_pattern = True
        options.log_severity_level = FATAL_ONLY
        options.add_session_config_entry(
            "session.intra_op.spin_duration_us", str(SPIN_MICROSECONDS)
        )
        try:
            self._session = onnxruntime.InferenceSession(
                folder / graph.file,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=SLOW_FUSIONS,
            )
        except Exception as error:  # onnxruntime's own exceptions share no base class
            raise BundleFormatError(
                folder / graph.file, f"onnxruntime {onnxruntime.__version__} refuses it: {error}"
            ) from error
        self._outputs = list(graph.outputs)
        self._feeds = graph.inputs

    @property
    def signature(self) -> tuple[set[str], set[str]]:
        """The inputs and outputs that the graph itself has, whatever the manifest says."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        return {value.name for value in inputs}, {value.name for value in outputs}

    def run(self, batch: Batch) -> tuple[Floats, ...]:
        """Run one batch and return the outputs in the manifest's order."""
        return self.run_arrays(feeds_of(batch, self._feeds))

    def run_arrays(self, feeds: Mapping[str, Floats | Ints]) -> tuple[Floats, ...]:
        """Run on arrays by the names of the graph's inputs; else as `run`."""
        try:
            return tuple(self._session.run(self._outputs, feeds))
        except Exception as error:  # as above
            shapes = " and ".join(str(array.shape) for array in feeds.values())
            raise InferenceError(f"onnxruntime failed on a batch of {shapes}: {error}") from error
