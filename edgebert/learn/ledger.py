"""Which samples are known: eight bytes each, so that none is forgotten that was never learnt.

Sums cannot tell a sample they hold from one they do not, and taking the second away would spoil
them without a sign. A ledger is the sorted fingerprints of the samples that the sums hold, as
often as they hold them; it does not depend on the order of learning either. A fingerprint is cut
from a hash of the labels and the embedding: of N samples one in 2^64 / N strange ones would pass.

Pure functions on arrays; knows no class table and no file.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgebert.errors import LearnError
from edgebert.learn.features import Grid

Ledger = NDArray[np.uint64]  # (N,) ascending


def empty_ledger() -> Ledger:
    """Make the ledger of no samples."""
    return np.empty(0, np.uint64)


def fingerprints(labels: Sequence[Sequence[str]], grid: Grid) -> Ledger:
    """Give the ledger of samples: of their labels, in any order, and their (N, d) embeddings."""
    rows = grid.astype("<i2")
    found = [_fingerprint(names, row.tobytes()) for names, row in zip(labels, rows, strict=True)]
    return np.array(sorted(found), np.uint64)


def _fingerprint(names: Sequence[str], embedding: bytes) -> int:
    digest = hashlib.blake2b(embedding, digest_size=8)
    for name in sorted(names):
        encoded = name.encode()
        digest.update(len(encoded).to_bytes(4, "little") + encoded)
    return int.from_bytes(digest.digest(), "little")


def enter(ledger: Ledger, more: Ledger) -> Ledger:
    """Add samples."""
    entered: Ledger = np.insert(ledger, np.searchsorted(ledger, more), more)
    return entered


def require_known(ledger: Ledger, some: Ledger) -> None:
    """Refuse samples that do not stand in a ledger as often as they are given.

    Raises:
        LearnError: and how many.
    """
    values, times = np.unique(some, return_counts=True)
    there = np.searchsorted(ledger, values, side="right") - np.searchsorted(ledger, values)
    missing = int(np.sum(np.maximum(times - there, 0)))
    if missing:
        raise LearnError(
            f"{missing:,} of {len(some):,} samples are not known: never learnt with these labels, "
            "forgotten before, or embedded by another build of the encoder; give the receipts "
            "that `learn` gave"
        )


def strike(ledger: Ledger, gone: Ledger) -> Ledger:
    """Take samples away, each as often as it stands in `gone`.

    Raises:
        LearnError: one of them is not there so often.
    """
    require_known(ledger, gone)
    values, times = np.unique(gone, return_counts=True)
    places = np.repeat(np.searchsorted(ledger, values), times) + _places(times)
    struck: Ledger = np.delete(ledger, places)
    return struck


def _places(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count 0, 1, ... for each of so many times."""
    ends = np.cumsum(times)
    places: NDArray[np.int64] = np.arange(ends[-1] if len(ends) else 0) - np.repeat(
        ends - times, times
    )
    return places
