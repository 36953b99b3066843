"""edgebert with its choices taken back one by one: an engine on a session of our own making."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from bench.peers.padded import Embed, Floats, Ints, make_embed, open_tokenizer
from edgebert import Embedder, RuntimeConfig
from edgebert.batching import Batch
from edgebert.bundle import Bundle
from edgebert.config import usable_cores
from edgebert.engine import Engine
from edgebert.engines import Opened, least_wide, share_out
from edgebert.manifest import EngineName, Manifest, Scales
from edgebert.session_onnxruntime import SLOW_FUSIONS, SPIN_MICROSECONDS
from edgebert.tokens import Tokenizer
from edgebert.tokens import open_tokenizer as open_plain_tokenizer

WEIGHTS = "model.weights"


def load(folder: Path, settings: Mapping[str, Any]) -> Embed:
    """Open a bundle; what the settings leave out is as edgebert ships it.

    Settings: `threads` (worker threads), `budget` (tokens of a run), `share_runs` (several texts
    in a run in spite of dynamic scales), `padded` (sorted batches of unequal texts), `masked` (the
    masked graph on equal lengths), `lone_from` (tokens of a text that is alone from which all cores
    take it), and those of `open_session`.
    """
    bundle = Bundle.open(folder)
    manifest = bundle.manifest
    if settings.get("padded"):
        return _padded(folder, manifest, settings)
    tokenizer = Tokenizer(
        open_plain_tokenizer(folder / "tokenizer.json"),
        max_tokens=manifest.max_tokens,
        pairs=False,
        cut_second_only=False,
        needs_offsets=False,
    )
    config = RuntimeConfig(
        threads=settings.get("threads"), max_tokens_per_run=settings.get("budget")
    )
    if settings.get("share_runs"):
        static = replace(manifest.quantization, scales=Scales.STATIC)
        manifest = replace(manifest, quantization=static)
    embedder = Embedder(Engine(manifest, tokenizer, _open(folder, manifest, settings), config))

    def embed(texts: Sequence[str], batch: int) -> Floats:
        return embedder.embed(texts)

    return embed


def _open(folder: Path, manifest: Manifest, settings: Mapping[str, Any]) -> Opened:
    """Open the sessions as edgebert does: one for the workers, one on all cores for lone texts."""
    graph = manifest.graphs.masked if settings.get("masked") else manifest.graphs.main

    threads = settings.get("threads") or usable_cores()

    def open_for(runs: int) -> LeverSession:
        each = {"intra_op": threads // runs} | dict(settings)
        return LeverSession(open_session(folder, graph.file, each), graph.inputs)

    if "intra_op" in settings:
        shared = open_for(threads)
        return Opened(shared, shared)
    least = settings.get("lone_from", least_wide(EngineName.ONNXRUNTIME, manifest))
    return Opened(*share_out(open_for, threads, least))


class LeverSession:
    """The engine's seam over any onnxruntime session."""

    def __init__(self, session: onnxruntime.InferenceSession, inputs: Sequence[str]) -> None:
        """Take an opened session and the names that it is fed by."""
        self._session = session
        self._inputs = inputs

    def run(self, batch: Batch) -> tuple[Floats, ...]:
        """Run one batch for its embeddings."""
        ids = batch.ids
        known = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        feeds = {name: known[name] for name in self._inputs}
        return tuple(self._session.run(["sentence_embedding"], feeds))


def open_session(
    folder: Path, file: str, settings: Mapping[str, Any]
) -> onnxruntime.InferenceSession:
    """Open a graph.

    Settings: `intra_op` (threads of one run), `spin_us` (how long they wait for more work before
    they sleep; None: as onnxruntime's default), `pinned` (each stays on a core), `denormals` (taken
    for zero), `fusions` (also the slow ones), `copied` (weights read into memory), `pattern`
    (memory planned once a shape), `arena` (memory kept between runs), `profile` (where onnxruntime
    writes its profile, without the ending).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.get("intra_op", 1)
    options.enable_mem_pattern = settings.get("pattern", True)
    options.enable_cpu_mem_arena = settings.get("arena", True)
    if "profile" in settings:
        options.enable_profiling = True
        options.profile_file_prefix = settings["profile"]
    spin = settings.get("spin_us", SPIN_MICROSECONDS)
    if spin is not None:
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(spin))
    if settings.get("denormals"):
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
    if settings.get("pinned") and options.intra_op_num_threads > 1:
        # the calling thread is not of the pool, whose threads take the other cores, from 1 on
        others = range(2, options.intra_op_num_threads + 1)
        options.add_session_config_entry(
            "session.intra_op_thread_affinities", ";".join(map(str, others))
        )
    model: str | bytes = os.fspath(folder / file)
    if settings.get("copied"):
        weights = (folder / WEIGHTS).read_bytes()
        options.add_external_initializers_from_files_in_memory([WEIGHTS], [weights], [len(weights)])
        model = (folder / file).read_bytes()
    return onnxruntime.InferenceSession(
        model,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=[] if settings.get("fusions") else SLOW_FUSIONS,
    )


def _padded(folder: Path, manifest: Manifest, settings: Mapping[str, Any]) -> Embed:
    graph = manifest.graphs.masked
    session = open_session(folder, graph.file, settings)

    def hidden(ids: Ints, mask: Ints) -> Floats:
        known = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(ids),
        }
        feeds = {name: known[name] for name in graph.inputs}
        states: Floats = session.run(["last_hidden_state"], feeds)[0]
        return states

    tokenizer = open_tokenizer(folder / "tokenizer.json")
    tokenizer.enable_truncation(manifest.max_tokens)
    return make_embed(tokenizer, hidden, settings.get("threads", 1))
