"""The file that a learner lives in: a snapshot of its state, then a journal of changes.

One file, so that no crash can leave two that disagree. Changes are appended and flushed to the
disk before `append` returns; a snapshot is written beside the file and renamed over it. What is
cut off at any byte opens as the state before or after the change that was being written; what was
altered in any byte does not open. One process may write at a time, any number may read.

    "EDGELRN1" | u64 length | sha256 | snapshot | record...
    record: u32 length | u64 sequence | u32 crc of these | payload | u32 crc of the payload

Knows bytes alone; what they mean is `encoding.py`'s.
"""

import hashlib
import os
import struct
import sys
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgebert.errors import LearnError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MAGIC = b"EDGELRN1"
HEAD = struct.Struct("<8sQ32s")
RECORD = struct.Struct("<IQI")
CRC = struct.Struct("<I")
MOST_BYTES = 2**32 - 1  # of a payload
LEAST_COMPACTED = 1 << 20  # journals under a megabyte are not worth a new snapshot


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds."""

    snapshot: bytes
    records: tuple[bytes, ...]
    whole_bytes: int  # up to the last whole record; what follows was cut while being written


def read_file(path: Path) -> Contents:
    """Read a file; a last record that is incomplete is left out.

    Raises:
        LearnError: no such file, not a learner's, or damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LearnError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_file(path, data)


def parse_file(path: Path, data: bytes) -> Contents:
    """Take a file's bytes apart; see `read_file`."""
    if len(data) < HEAD.size:
        raise LearnError(f"{path}: {len(data)} bytes, too short for a learner; restore a copy")
    magic, length, digest = HEAD.unpack_from(data)
    if magic != MAGIC:
        raise LearnError(f"{path}: not a learner of this version; it begins with {magic!r}")
    end = HEAD.size + length
    snapshot = data[HEAD.size : end]
    if len(snapshot) != length or hashlib.sha256(snapshot).digest() != digest:
        raise LearnError(f"{path}: the snapshot is damaged or cut; restore a copy")
    records: list[bytes] = []
    while (record := _read_record(path, data, end, len(records))) is not None:
        records.append(record)
        end += RECORD.size + len(record) + CRC.size
    return Contents(snapshot, tuple(records), end)


def _read_record(path: Path, data: bytes, start: int, sequence: int) -> bytes | None:
    body = start + RECORD.size
    if body > len(data) or not any(data[start:]):  # zeros: a power cut before the bytes came
        return None
    length, found, crc = RECORD.unpack_from(data, start)
    if crc != zlib.crc32(data[start : body - CRC.size]) or found != sequence:
        raise _damaged(path, sequence, start)
    if body + length + CRC.size > len(data):
        return None
    payload = data[body : body + length]
    if CRC.unpack_from(data, body + length)[0] != zlib.crc32(payload):
        raise _damaged(path, sequence, start)
    return payload


def _damaged(path: Path, sequence: int, start: int) -> LearnError:
    return LearnError(
        f"{path}: record {sequence} at byte {start:,} is damaged; restore a copy, or cut the file "
        "there to give up what was learnt since"
    )


def write_record(payload: bytes, sequence: int) -> bytes:
    """Frame a payload.

    Raises:
        LearnError: it is longer than the frame can say.
    """
    if len(payload) > MOST_BYTES:
        raise LearnError(
            f"{len(payload):,} bytes in one change, at most {MOST_BYTES:,}; learn fewer at once"
        )
    head = RECORD.pack(len(payload), sequence, 0)[: -CRC.size]
    return head + CRC.pack(zlib.crc32(head)) + payload + CRC.pack(zlib.crc32(payload))


def write_snapshot(path: Path, snapshot: bytes) -> None:
    """Write a file that holds a snapshot alone, whole or not at all.

    Raises:
        LearnError: the disk does not take it; what stood there stands.
    """
    part = path.with_name(f".{path.name}.part")
    head = HEAD.pack(MAGIC, len(snapshot), hashlib.sha256(snapshot).digest())
    try:
        with part.open("wb") as stream:
            stream.write(head + snapshot)
            _flush(stream)
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LearnError(f"{path}: cannot be written: {error.strerror}") from error


def _flush(stream: IO[bytes]) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # Windows has no handle on a folder to flush
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Journal:
    """A learner's file opened for writing. Not for several threads at once."""

    def __init__(self, path: Path, *, create: bytes | None = None) -> None:
        """Take the file's lock, and read it or write it anew.

        Args:
            path: the file.
            create: the snapshot of a new file, which must not exist.

        Raises:
            LearnError: it exists, is damaged, or another process writes it.
        """
        self.path = path
        self._lock = _take_lock(path)
        self._process = os.getpid()
        try:
            if create is not None:
                if path.exists():
                    raise LearnError(f"{path}: exists; open it, or choose another name")
                write_snapshot(path, create)
            self.contents = read_file(path)
            self._begin(self.contents)
        except BaseException:
            self._lock.close()
            raise

    def _begin(self, contents: Contents) -> None:
        self._sequence = len(contents.records)
        self._end = contents.whole_bytes
        self._snapshot_bytes = HEAD.size + len(contents.snapshot)

    @property
    def wants_compaction(self) -> bool:
        """Whether the journal has outgrown its snapshot."""
        return self._end - self._snapshot_bytes > max(LEAST_COMPACTED, self._snapshot_bytes)

    def append(self, payload: bytes) -> None:
        """Write a change and wait until the disk has it.

        Raises:
            LearnError: the disk does not take it; the file is as before.
        """
        self._require_process()
        record = write_record(payload, self._sequence)
        try:
            with self.path.open("r+b") as stream:
                found = stream.seek(0, os.SEEK_END)
                if found < self._end:
                    raise LearnError(f"{self.path}: cut or replaced meanwhile; open it again")
                if found > self._end:  # what a crash or a full disk left of a record
                    stream.truncate(self._end)
                stream.seek(self._end)
                stream.write(record)
                _flush(stream)
        except OSError as error:
            with suppress(OSError):  # a record that was refused must not be read later
                os.truncate(self.path, self._end)
            raise LearnError(f"{self.path}: cannot be written: {error.strerror}") from error
        self._end += len(record)
        self._sequence += 1

    def compact(self, snapshot: bytes) -> None:
        """Put a snapshot in place of all that the file holds."""
        self._require_process()
        write_snapshot(self.path, snapshot)
        self._begin(Contents(snapshot, (), HEAD.size + len(snapshot)))

    def _require_process(self) -> None:
        """Refuse to write in a forked child, which would share the parent's lock."""
        if os.getpid() != self._process:
            raise LearnError(
                f"{self.path}: opened by process {self._process}, a fork of which cannot write; "
                "open it there"
            )

    def close(self) -> None:
        """Let others write."""
        self._lock.close()


def _take_lock(path: Path) -> IO[bytes]:
    """Lock a file beside the learner's own, which compaction replaces."""
    try:
        lock = path.with_name(f".{path.name}.lock").open("wb")
    except OSError as error:
        raise LearnError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        if sys.platform == "win32":
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise LearnError(f"{path}: another process is writing it; wait for it to end") from error
    return lock
