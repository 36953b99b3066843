"""The main graph in parts: after each but the last, a text may leave with what is known of it.

Run one after the other the parts give what the main graph gives, bit for bit on one thread; each
cut costs some 100 us. What stays at an exit and what goes on is for the caller to say: rows may be
dropped from all arrays between two parts. Rows of one run have one length, as everywhere; where
scales are taken from each run a run holds one text.
"""

from collections.abc import Mapping
from pathlib import Path
from threading import Lock

import numpy as np

from edgebert.batching import Batch
from edgebert.errors import BundleError, BundleFormatError, InferenceError
from edgebert.manifest import Graph, Manifest
from edgebert.results import Floats, Ints
from edgebert.session import feeds_of
from edgebert.session_onnxruntime import OnnxSession


class Segments:
    """The segments of an opened bundle. May be shared between threads."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Take note of the segments; each is loaded when it is first run.

        Args:
            folder: of the bundle, its files known to be whole.
            manifest: its manifest.

        Raises:
            BundleError: the bundle was exported without exits.
        """
        if not manifest.segments:
            raise BundleError(folder, "has no exits; export it again with --exits")
        self.depths = tuple(segment.layers for segment in manifest.segments)
        self._folder = folder
        self._graphs = tuple(segment.graph for segment in manifest.segments)
        main, last = manifest.graphs.main, self._graphs[-1]
        # outputs of the main graph that earlier segments gave; what the last one needs besides
        self._carried = tuple(name for name in main.outputs if name not in last.outputs)
        inner = {name for graph in self._graphs for name in graph.inputs}
        # what is only passed on is not looked at: any fault of it shows in what is given back
        self._given_back = tuple(
            tuple(name for name in graph.outputs if name not in inner) for graph in self._graphs
        )
        self._sessions: dict[int, OnnxSession] = {}
        self._lock = Lock()  # around the loading, never around a run

    def run(self, number: int, arrays: Mapping[str, Floats | Ints]) -> dict[str, Floats]:
        """Run one segment, on the thread that calls.

        Args:
            number: of the segment, from 0.
            arrays: by name; for the first segment the main graph's inputs (B, T), for a later one
                also all that the segments before it gave, or the same rows of each.

        Returns:
            By name: after the last segment the main graph's outputs; after another its pooled
            output (`pooled_name`), (B, H) float32, and what later segments need.

        Raises:
            BundleFormatError: onnxruntime cannot load the segment, or it is not as the manifest
                says.
            InferenceError: an array is missing, the graph failed, or it gave a value that is not
                finite.
        """
        graph, session = self._graphs[number], self._session(number)
        carried = self._carried if number == len(self._graphs) - 1 else ()
        for name in (*graph.inputs, *carried):
            if name not in arrays:
                raise InferenceError(
                    f"segment {number + 1} needs the array {name!r}; give all that the segments "
                    "before it gave"
                )
        values = session.run_arrays({name: arrays[name] for name in graph.inputs})
        found = dict(zip(graph.outputs, values, strict=True))
        for name in self._given_back[number]:
            if not np.isfinite(found[name]).all():
                raise InferenceError(
                    f"segment {number + 1} gave NaN or infinity as {name!r}; run "
                    "`edgebert verify` on this machine"
                )
        for name in carried:
            found[name] = np.asarray(arrays[name], np.float32)
        return found

    def _session(self, number: int) -> OnnxSession:
        if number not in self._sessions:
            with self._lock:
                if number not in self._sessions:
                    self._sessions[number] = _open(self._folder, self._graphs[number])
        return self._sessions[number]


def _open(folder: Path, graph: Graph) -> OnnxSession:
    session = OnnxSession(folder, graph)
    inputs, outputs = session.signature
    if inputs != set(graph.inputs) or not outputs.issuperset(graph.outputs):
        raise BundleFormatError(
            folder / graph.file,
            f"has inputs {sorted(inputs)} and outputs {sorted(outputs)}, the manifest says "
            f"{sorted(graph.inputs)} and {sorted(graph.outputs)}; export the bundle again",
        )
    return session


class CutSession:
    """All segments in turn, as one session: to be held against the main graph."""

    def __init__(self, segments: Segments, main: Graph) -> None:
        """Take the segments and the graph that they are the parts of."""
        self._segments = segments
        self._main = main

    def run(self, batch: Batch) -> tuple[Floats, ...]:
        """Run one batch and return the main graph's outputs in the manifest's order."""
        arrays: dict[str, Floats | Ints] = dict(feeds_of(batch, self._main.inputs))
        for number in range(len(self._segments.depths)):
            arrays |= self._segments.run(number, arrays)
        return tuple(np.asarray(arrays[name], np.float32) for name in self._main.outputs)
