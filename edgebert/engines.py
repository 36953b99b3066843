"""Choose what runs a bundle on this machine: onnxruntime, or an engine that it was exported for.

What differs between engines above their sessions stands here as values: how lengths are rounded.
Where a bundle runs on two of them, a text's own length decides, so that it has one result.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgebert.batching import SMALL_HIDDEN, round_up
from edgebert.errors import BundleError, MissingExtraError
from edgebert.lone import LoneSession, Turns
from edgebert.manifest import EngineName, Graph, Manifest, Scales
from edgebert.session import Session

TELEMETRY = "openvino_telemetry"
OpenSession = Callable[[Path, Graph, int, int], Session]  # folder, graph, runs at a time, threads


@dataclass(frozen=True, slots=True)
class Opened:
    """The sessions of an opened bundle, and the lengths they want."""

    shared: Session  # by the worker threads, each run on one core
    lone: Session  # of a batch that is the only one of its call
    length_step: int = 1  # rows are padded to a multiple of this many tokens, and masked
    longer: "tuple[int, Opened] | None" = None  # what runs rows of more than so many tokens
    mixes: bool = False  # rows of any lengths may share a run, and no result depends on which do

    def of(self, tokens: int) -> "Opened":
        """Give what runs rows of so many tokens."""
        found = self
        while found.longer is not None and tokens > found.longer[0]:
            found = found.longer[1]
        return found

    def padded(self, tokens: int, most: int) -> int:
        """Give the length that a row is padded to, which only rows run here have.

        Args:
            tokens: of the row.
            most: the model's limit.
        """
        end = most if self.longer is None else min(most, self.longer[0])
        return round_up(tokens, self.length_step, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """How rows of some lengths are run; it begins where the one before it ends."""

    up_to: int  # tokens; the last range has no end, whatever it says
    engine: EngineName
    wide: bool  # whether a row that is alone may take all cores


def open_ranges(folder: Path, manifest: Manifest, ranges: Sequence[Range], threads: int) -> Opened:
    """Load all engines that some lengths are run on.

    Args:
        folder: of the bundle.
        manifest: its manifest.
        ranges: in the order of their lengths, at least one.
        threads: worker threads that will share the sessions.

    Raises:
        MissingExtraError, BundleError: as `open_sessions`.
    """
    turns = Turns()
    engines = dict.fromkeys(each.engine for each in ranges)
    opened = {name: open_sessions(folder, manifest, name, threads, turns) for name in engines}
    chosen: Opened | None = None
    for each in reversed(ranges):
        found = opened[each.engine]
        longer = None if chosen is None else (each.up_to, chosen)
        chosen = replace(found, lone=found.lone if each.wide else found.shared, longer=longer)
    if chosen is None:
        raise ValueError("no range")
    return chosen


def open_sessions(
    folder: Path,
    manifest: Manifest,
    engine: EngineName,
    threads: int,
    turns: Turns | None = None,
) -> Opened:
    """Load what a bundle has for an engine.

    Args:
        folder: of the bundle.
        manifest: its manifest.
        engine: which to use.
        threads: worker threads that will share the sessions.
        turns: shared with the bundle's other engine; None: it runs on this one alone.

    Raises:
        MissingExtraError: the engine is not installed.
        BundleError: the bundle was not exported for it, or it cannot load its graph.
    """
    graph, open_one = _graph(folder, manifest, engine), OPENERS[engine]()
    # where there are ranges, each knows by measuring
    least = least_wide(engine, manifest) if turns is None else 1
    shared, lone = share_out(
        lambda runs: open_one(folder, graph, runs, threads), threads, least, turns
    )
    return Opened(shared, lone, LENGTH_STEPS[engine], mixes=engine in MIXES)


def share_out(
    open_for: Callable[[int], Session], threads: int, least: int, turns: Turns | None = None
) -> tuple[Session, Session]:
    """Give the session that workers share, and what runs a batch that is alone.

    Args:
        open_for: opens a session for so many runs at a time on all cores.
        threads: worker threads.
        least: tokens from which a lone row gains from all cores.
        turns: as `open_sessions`.
    """
    shared = open_for(threads)
    if threads == 1:
        return shared, shared
    return shared, LoneSession(shared, lambda: open_for(1), turns, least)


def _graph(folder: Path, manifest: Manifest, engine: EngineName) -> Graph:
    if engine is EngineName.ONNXRUNTIME:
        return manifest.graphs.main
    if engine not in manifest.alternatives:
        raise BundleError(
            folder,
            f"has no graph for {engine.value}; export it with --engine {engine.value}, or leave "
            "RuntimeConfig.engine as it is",
        )
    return manifest.alternatives[engine].graph


def least_wide(engine: EngineName, manifest: Manifest) -> int:
    """Give from how many tokens on a lone row gains from all cores."""
    small = manifest.encoder.hidden <= SMALL_HIDDEN and manifest.quantization.scales != Scales.NONE
    return LEAST_WIDE[engine] if small else 1


def is_installed(engine: EngineName) -> bool:
    """Tell whether an engine can be used here."""
    return IS_INSTALLED[engine]()


def _amx_is_usable() -> bool:
    usable: bool = import_module("edgebert.amx").why_not() is None
    return usable


# Engines are imported by name, so that who does not use one does not wait for its import.


def _open_onnxruntime() -> OpenSession:
    module = import_module("edgebert.session_onnxruntime")

    def open_one(folder: Path, graph: Graph, runs: int, threads: int) -> Session:
        session: Session = module.OnnxSession(folder, graph, threads // runs)
        return session

    return open_one


def _open_openvino() -> OpenSession:
    try:
        with _no_telemetry():
            module = import_module("edgebert.session_openvino")
    except ImportError as error:
        raise MissingExtraError(
            f'engine openvino needs one more package ({error}): `pip install "edgebert[openvino]"`'
        ) from error
    opened: OpenSession = module.OpenVinoSession
    return opened


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Let openvino's import not find its telemetry, which sends an event and marks the user's home.

    It does both unless the user has declined, and takes a stub where the package is missing.
    """
    modules: dict[str, Any] = sys.modules
    if TELEMETRY in modules:  # somebody else imported it: not ours to take away
        yield
        return
    modules[TELEMETRY] = None  # the import system takes it for a package that is not there
    try:
        yield
    finally:
        del modules[TELEMETRY]


def _open_amx() -> OpenSession:
    opened: OpenSession = import_module("edgebert.session_amx").opener()
    return opened


OPENERS: Mapping[EngineName, Callable[[], OpenSession]] = {
    EngineName.ONNXRUNTIME: _open_onnxruntime,
    EngineName.OPENVINO: _open_openvino,
    EngineName.AMX: _open_amx,
}
IS_INSTALLED: Mapping[EngineName, Callable[[], bool]] = {
    EngineName.ONNXRUNTIME: lambda: find_spec("onnxruntime") is not None,
    EngineName.OPENVINO: lambda: find_spec("openvino") is not None,
    EngineName.AMX: _amx_is_usable,
}
# openvino compiles for every new shape: docs/decisions/008-a-second-engine.md
LENGTH_STEPS: Mapping[EngineName, int] = {
    EngineName.ONNXRUNTIME: 1,
    EngineName.OPENVINO: 16,
    EngineName.AMX: 1,
}
MIXES = (EngineName.AMX,)  # each token has scales of its own
# The int8 products of shorter rows in narrow models are over when a second thread has come; wide
# models and fp32 always gain: docs/performance.md.
LEAST_WIDE: Mapping[EngineName, int] = {
    EngineName.ONNXRUNTIME: 48,
    EngineName.OPENVINO: 1,
    EngineName.AMX: 1,
}
