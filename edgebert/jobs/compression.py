"""Bytes of files that may be compressed, told by the name: .gz and .zst (only user of zstandard).

What is written is a gzip member or a zstd frame of its own for each block, so that a file can be
appended to and cut back at any block; both formats say that members or frames concatenate.
"""

import gzip
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path, PurePath
from typing import Any, BinaryIO, cast

from edgebert.jobs.extras import load_extra

GZIP_LEVEL = 6
ZSTD_LEVEL = 3
WINDOW_BYTES = 128 << 20  # zstd's own bound for untrusted frames: what a reader holds at most

PACKED_CHUNK = 4 << 10  # one of hostile data unpacks to 128 MB at most: 4 bytes a 128 KB block


class Compression(StrEnum):
    """How a file's bytes are packed; the value is the end of its name."""

    NONE = ""
    GZIP = ".gz"
    ZSTD = ".zst"

    @classmethod
    def of(cls, name: str) -> "Compression":
        """Tell by a file's name."""
        return next((one for one in (cls.GZIP, cls.ZSTD) if name.endswith(one.value)), cls.NONE)


def end_of(name: str) -> str:
    """Give the end of a file's name that tells its format, in lower case: ".csv" of "a.CSV.gz"."""
    return PurePath(name.removesuffix(Compression.of(name).value)).suffix.lower()


class _ZstdFrames(io.RawIOBase):
    """The unpacked bytes of frames one after the other; one that is cut off is an error.

    zstandard's own stream reader takes a file that ends within a frame for a whole one.
    """

    def __init__(
        self, packed: BinaryIO, new_frame: Callable[[], Any], damage: type[Exception]
    ) -> None:
        self._packed, self._new_frame, self._damage = packed, new_frame, damage
        self._frame: Any = None
        self._unpacked = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpacked:
            chunk = (self._frame and self._frame.unused_data) or self._packed.read(PACKED_CHUNK)
            if not chunk:
                if self._frame and not self._frame.eof:
                    raise EOFError("the last zstd frame is cut off")
                return 0
            if self._frame is None or self._frame.eof:
                self._frame = self._new_frame()
            try:
                self._unpacked = memoryview(self._frame.decompress(chunk))
            except self._damage as error:
                raise EOFError(str(error)) from error
        size = min(len(buffer), len(self._unpacked))
        buffer[:size], self._unpacked = self._unpacked[:size], self._unpacked[size:]
        return size

    def close(self) -> None:
        self._packed.close()
        super().close()


def open_bytes(path: Path) -> AbstractContextManager[BinaryIO]:
    """Open a file for reading its unpacked bytes; memory does not grow with the file.

    Raises:
        MissingExtraError: a .zst file, and zstandard is not installed.
        OSError: it cannot be opened.
    """
    match Compression.of(path.name):
        case Compression.GZIP:
            return cast("AbstractContextManager[BinaryIO]", gzip.open(path, "rb"))
        case Compression.ZSTD:
            zstandard = load_extra("zstandard", "zstd")
            limited = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
            frames = _ZstdFrames(path.open("rb"), limited.decompressobj, zstandard.ZstdError)
            return cast("AbstractContextManager[BinaryIO]", io.BufferedReader(frames))
    return path.open("rb")


def pack(data: bytes, compression: Compression) -> bytes:
    """Pack a block; the same bytes in give the same bytes out."""
    match compression:
        case Compression.GZIP:
            return gzip.compress(data, GZIP_LEVEL, mtime=0)
        case Compression.ZSTD:
            compressor = load_extra("zstandard", "zstd").ZstdCompressor(level=ZSTD_LEVEL)
            return cast("bytes", compressor.compress(data))
    return data
