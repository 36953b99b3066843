"""A session that computes something simple, for what is about the engine and not about a model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.engines import Opened
from edgebert.manifest import Manifest, Scales
from edgebert.results import Floats
from edgebert.tokens import Tokenizer, open_tokenizer

Outputs = tuple[Floats, ...]


def sums(batch: Batch) -> Outputs:
    """Give (B, 2): the sum of a row's ids and their count."""
    ids = batch.ids
    return (np.stack([ids.sum(axis=1), np.full(len(ids), ids.shape[1])], 1).astype(np.float32),)


class FakeSession:
    """Computes with a function and remembers the batches it saw."""

    def __init__(self, compute: Callable[[Batch], Outputs] = sums) -> None:
        self.compute = compute
        self.batches: list[Batch] = []
        self._lock = Lock()

    def run(self, batch: Batch) -> Outputs:
        with self._lock:
            self.batches.append(batch)
        return self.compute(batch)


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest, its files left unchecked."""
    return Manifest.parse((folder / "edgebert.json").read_bytes())


def with_scales(manifest: Manifest, scales: Scales) -> Manifest:
    """Give the manifest other scales."""
    return replace(manifest, quantization=replace(manifest.quantization, scales=scales))


def make_tokenizer(
    folder: Path,
    *,
    max_tokens: int = 40,
    pairs: bool = True,
    cut_second_only: bool = False,
    needs_offsets: bool = True,
) -> Tokenizer:
    """Open a bundle's tokenizer with any limit."""
    return Tokenizer(
        open_tokenizer(folder / "tokenizer.json"),
        max_tokens=max_tokens,
        pairs=pairs,
        cut_second_only=cut_second_only,
        needs_offsets=needs_offsets,
    )


def make_engine(
    folder: Path,
    session: FakeSession,
    *,
    config: RuntimeConfig | None = None,
    manifest: Manifest | None = None,
) -> Engine:
    """Join a bundle's real tokenizer and a fake session."""
    manifest = manifest or read_manifest(folder)
    tokenizer = make_tokenizer(folder, max_tokens=manifest.max_tokens)
    opened = Opened(session, session)
    return Engine(manifest, tokenizer, opened, config or RuntimeConfig(threads=2))
