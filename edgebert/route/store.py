"""A route and its certificate as one file.

    "EDGEROU1" | u64 length | sha256 | u32 length | JSON | arrays, little-endian, in its order

Written whole and renamed. It holds no bundle: their fingerprints stand in it, and it opens on
these alone. No pickle; nothing is allocated that the bytes at hand do not fill.
"""

import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebert.errors import RouteError
from edgebert.reader import Reader, ReadError, parse_object

MAGIC = b"EDGEROU1"
HEAD = struct.Struct("<8sQ32s")
LENGTH = struct.Struct("<I")
TYPES = {"f4": np.float32, "f8": np.float64, "i8": np.int64}
MOST_AXES = 2

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds."""

    header: Reader
    arrays: Mapping[str, Array]


def write_file(path: Path, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write a file whole, or not at all.

    Raises:
        RouteError: it cannot be written.
    """
    named = [
        {"name": name, "type": f"{array.dtype.kind}{array.itemsize}", "shape": list(array.shape)}
        for name, array in arrays.items()
    ]
    text = json.dumps({**header, "arrays": named}, ensure_ascii=False, allow_nan=False).encode()
    parts = [array.astype(f"<{array.dtype.kind}{array.itemsize}") for array in arrays.values()]
    body = b"".join([LENGTH.pack(len(text)), text, *(part.tobytes() for part in parts)])
    head = HEAD.pack(MAGIC, len(body), hashlib.sha256(body).digest())
    try:
        number, part_name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(number, "wb") as stream:
                stream.write(head + body)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(part_name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(part_name)
            raise
    except OSError as error:
        raise RouteError(f"{path}: cannot be written: {error.strerror}") from error


def read_file(path: Path) -> Contents:
    """Read a file and check that it is whole.

    Raises:
        RouteError: no such file, not a cascade's, or damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RouteError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) < HEAD.size or not data.startswith(MAGIC):
        raise RouteError(f"{path}: not a cascade's file; `edgebert route build` makes one")
    _, length, digest = HEAD.unpack_from(data)
    body = data[HEAD.size :]
    if len(body) != length or hashlib.sha256(body).digest() != digest:
        raise RouteError(f"{path}: damaged; build and calibrate it again")
    try:
        return _read_body(body)
    except ReadError as error:
        raise RouteError(f"{path}: {error}") from error


def _read_body(body: bytes) -> Contents:
    if len(body) < LENGTH.size:
        raise ReadError("the header is cut")
    (length,) = LENGTH.unpack_from(body)
    start = LENGTH.size + length
    if start > len(body):
        raise ReadError("the header is cut")
    reader = Reader(parse_object(body[LENGTH.size : start], "the header"))
    arrays = {}
    for part in reader.parts("arrays"):
        name, kind = part.text("name"), part.text("type")
        shape = [int(size) for size in part.numbers("shape")]
        part.finish()
        if kind not in TYPES or len(shape) > MOST_AXES or min(shape, default=0) < 0:
            raise ReadError(f"array {name!r:.80} is {kind!r:.80} of shape {shape!r:.80}")
        count = 1
        for size in shape:
            count *= size
        end = start + count * int(kind[1])
        if end > len(body):
            raise ReadError(f"array {name!r:.80} is cut")
        arrays[name] = np.frombuffer(body[start:end], f"<{kind}").astype(TYPES[kind]).reshape(shape)
        start = end
    if start != len(body):
        raise ReadError(f"{len(body) - start:,} bytes too many")
    return Contents(reader, arrays)
