"""Receipts: what the caller keeps of a learnt text, to have it forgotten exactly.

A learner keeps no samples, only a fingerprint of each (`ledger.py`). A receipt holds one sample's
embedding on the grid, so that it can be taken away again even where another machine or onnxruntime
would embed the text a grid step off.
Whoever holds a receipt holds the embedding of a text: keep it as you would the text.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgebert.errors import LearnError
from edgebert.learn.features import Grid
from edgebert.reader import Reader, ReadError, parse_object


@dataclass(frozen=True, slots=True)
class Receipt:
    """One learnt text."""

    labels: tuple[str, ...]
    embedding: bytes  # d little-endian int16

    @property
    def grid(self) -> Grid:
        """(d,) int16."""
        return np.frombuffer(self.embedding, "<i2").astype(np.int16)

    def to_json(self) -> str:
        """Write the receipt as one line of JSON."""
        fields = self._fields()
        return json.dumps({**fields, "crc32": _crc(fields)}, ensure_ascii=False)

    def _fields(self) -> dict[str, Any]:
        return {
            "labels": list(self.labels),
            "embedding": base64.b85encode(self.embedding).decode(),
        }

    @classmethod
    def from_json(cls, line: str) -> "Receipt":
        """Read a receipt back.

        Raises:
            LearnError: it is not one, or was changed.
        """
        try:
            reader = Reader(parse_object(line.encode(), "the receipt"))
            receipt = cls(
                reader.texts("labels"),
                base64.b85decode(reader.text("embedding")),
            )
            crc = reader.count("crc32")
            reader.finish()
        except (ReadError, ValueError, binascii.Error) as error:
            raise LearnError(f"not a receipt of `learn`: {error}") from error
        if crc != _crc(receipt._fields()):
            raise LearnError(f"receipt {line!r:.80} was changed since `learn` gave it")
        return receipt


def read_receipts(path: Path) -> list[Receipt]:
    """Read a file of receipts, one a line.

    Raises:
        LearnError: it cannot be read, or a line is no receipt.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # a label may hold other line ends
    except (OSError, UnicodeDecodeError) as error:
        raise LearnError(f"{path}: cannot be read: {error}") from error
    return [Receipt.from_json(line) for line in lines if line.strip()]


def join_grids(receipts: Sequence[Receipt], grid: Grid) -> Grid:
    """Put the embeddings of receipts before (N, d) others.

    Raises:
        LearnError: a receipt is of a learner of another tier.
    """
    wanted = 2 * grid.shape[1]
    for each in receipts:
        if len(each.embedding) != wanted:
            raise LearnError(
                f"a receipt holds {len(each.embedding):,} bytes, expected {wanted:,}: it is of a "
                "learner of another tier or bundle"
            )
    rows = [each.grid for each in receipts]
    return np.concatenate([np.array(rows, np.int16).reshape(len(rows), grid.shape[1]), grid])


def _crc(fields: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(fields, sort_keys=True).encode())
